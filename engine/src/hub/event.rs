//! Answers: what must the shell tell user code, and what do the hubs tell each other.
//!
//! Values only: an event or a mail is an enum with owned parts, never a closure, so that a
//! simulator can hold, delay and print it.

use alloc::{borrow::Cow, boxed::Box, sync::Arc, vec::Vec};
use core::{ops::Range, time::Duration};

use bytes::Bytes;

use super::{SessionKey, SocketKey};
use crate::{
    error::CloseReason,
    frame::Frame,
    id::{NamespaceId, ShardId, SocketId},
    sio::json::Name,
};

/// What a packet from a peer came to, borrowed from its bytes where they are whole.
#[derive(Debug)]
pub enum Received<'a> {
    /// Nothing for user code.
    Nothing,
    /// Engine.IO alone: a text message.
    Text(&'a str),
    /// Engine.IO alone: a binary message.
    Binary(Cow<'a, [u8]>),
    /// A Socket.IO event.
    Event(Incoming<'a>),
}

/// A Socket.IO event for a connected socket. Its JSON is well-formed and of bounded depth.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// The session it came over.
    pub session: SessionKey,
    /// The socket it is for.
    pub socket: SocketKey,
    /// The socket's namespace.
    pub namespace: NamespaceId,
    /// Set if the sender wants an answer.
    pub ack: Option<u64>,
    /// The packet.
    pub text: Cow<'a, str>,
    /// The event's name in `text`.
    pub name: Name,
    /// The arguments in `text`, with commas between them.
    pub args: Range<usize>,
    /// The binary parts.
    pub attachments: Vec<Bytes>,
}

/// What happened that user code wants to know.
#[derive(Debug)]
pub enum Event {
    /// A peer wants to join a namespace that admits nobody unasked. Answer with `Hub::accept` or
    /// `Hub::refuse`.
    Connecting {
        /// The socket, not connected yet.
        socket: SocketKey,
        /// The namespace.
        namespace: NamespaceId,
        /// The credentials' JSON object, if there is one.
        auth: Option<Box<str>>,
    },
    /// A socket joined its namespace; the CONNECT packet is queued.
    Connected {
        /// The socket.
        socket: SocketKey,
        /// Its namespace.
        namespace: NamespaceId,
        /// The credentials' JSON object, if there is one.
        auth: Option<Box<str>>,
    },
    /// A socket left its namespace. It is gone from every table already.
    Disconnected {
        /// The session it was on, closed or about to close unless the socket alone left.
        session: SessionKey,
        /// The key it had.
        socket: SocketKey,
        /// The id it had.
        id: SocketId,
        /// Its namespace.
        namespace: NamespaceId,
        /// Why.
        reason: CloseReason,
        /// The rooms it was in, its own not included.
        rooms: Vec<Box<str>>,
        /// Whether it had been connected; a refused one had not.
        connected: bool,
    },
    /// Sockets of this shard that were to join a room with others ([`Action::Join`]) did not: they
    /// are in as many rooms as they may be, or its name is too long.
    NotJoined {
        /// Their namespace.
        namespace: NamespaceId,
        /// The room.
        room: Box<str>,
        /// How many they are.
        sockets: usize,
    },
    /// A session ended. Every socket's [`Event::Disconnected`] comes before it.
    Closed {
        /// The key it had.
        session: SessionKey,
        /// Why.
        reason: CloseReason,
    },
    /// News of an ack request that this shard asked.
    Ack {
        /// What the asker gave as `token`.
        token: u64,
        /// The news.
        news: AckNews,
    },
}

/// News of an ack request: an emit with acknowledgement.
#[derive(Debug, Clone)]
pub enum AckNews {
    /// A shard asked so many sockets. One such from every shard that was asked.
    Asked(usize),
    /// What came of one of them.
    Settled(SocketId, AckOutcome),
}

/// What came of an ack request to one socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckOutcome {
    /// The arguments in JSON with commas between them, and the binary parts.
    Value(Box<str>, Vec<Bytes>),
    /// No answer in time.
    TimedOut,
    /// The socket left before it answered.
    Left,
}

/// Which sockets are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Of this namespace.
    pub namespace: NamespaceId,
    /// Who is in one of these rooms; everybody if there are none. A socket's id is its own room.
    pub rooms: Vec<Box<str>>,
    /// But not who is in one of these.
    pub except: Vec<Box<str>>,
    /// Nor this one.
    pub not: Option<SocketId>,
}

impl Selection {
    /// Everybody in the namespace.
    #[must_use]
    pub const fn all(namespace: NamespaceId) -> Self {
        Self {
            namespace,
            rooms: Vec::new(),
            except: Vec::new(),
            not: None,
        }
    }
}

/// The ack request that goes with an emit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRequest {
    /// The shard that asks.
    pub origin: ShardId,
    /// The asker's own number for it.
    pub token: u64,
    /// The id on the wire, the same for all recipients.
    pub id: u64,
    /// How long to wait for each answer.
    pub timeout: Duration,
}

/// An encoded packet and who is to get it.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Who.
    pub to: Selection,
    /// What.
    pub frame: Frame,
    /// Whether it may be lost.
    pub volatile: bool,
    /// Whether it is worth compressing, where the transport can.
    pub compress: bool,
    /// Whether an answer is wanted.
    pub ack: Option<AckRequest>,
}

/// What is to be done with selected sockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// They join these rooms.
    Join(Vec<Box<str>>),
    /// They leave these rooms.
    Leave(Vec<Box<str>>),
    /// They are disconnected; with `close`, so is the session they are on.
    Disconnect {
        /// Whether the session closes too.
        close: bool,
    },
}

/// What one hub tells another.
#[derive(Debug, Clone)]
pub enum Mail {
    /// A broadcast: one such per shard that has members, whatever the number of recipients.
    Publish(Arc<Publication>),
    /// A broadcast by somebody who is no hub, for whom this hub publishes it on all shards.
    Relay(Arc<Publication>),
    /// Something to be done with sockets.
    Act(Arc<(Selection, Action)>),
    /// News for the shard that asked, in their order: the asker's numbers of its ack requests, and what is new.
    Ack(Vec<(u64, AckNews)>),
}
