//! Answers: what travels between shards, and from other threads to a shard.

use std::net::TcpStream;

use bytes::Bytes;
use stentor_engine::{
    eio::payload::Payload,
    hub::{AckOutcome, Action, Mail, Selection},
    id::{ShardId, Sid, SocketId},
    time::Tick,
};
use tokio::sync::{mpsc, oneshot};

use crate::address::Announcement;

/// What is in a mailbox.
#[derive(Debug)]
pub(crate) enum Post {
    /// From one hub to another.
    Mail(Mail),
    /// A connection whose session lives here, or that is new and dealt to this shard, with the bytes read from it
    /// so far and what is known of its PROXY header. `answered` if its WebSocket handshake has had its response.
    Handoff {
        stream: Carried,
        announcement: Announcement,
        read: Vec<u8>,
        answered: bool,
    },
    /// A polling request whose session lives here, on a connection that serves many sessions.
    Poll(PollRequest),
    /// A broadcast with acknowledgements, asked by a thread that is no shard.
    Ask(Box<Ask>),
    /// Who is meant by a selection.
    List(Box<List>),
    /// Something to be done with sockets, asked by a thread that is no shard.
    Act(Selection, Action),
    /// Look at all that has come, and tell this shard.
    Look(ShardId),
    /// A shard has looked.
    Looked,
    /// Stop serving, and end by then.
    Stop { by: Tick },
}

/// How a connection goes to another shard.
#[derive(Debug)]
pub(crate) enum Carried {
    /// As it is: the shards' threads have one descriptor table.
    Stream(TcpStream),
    /// Through the other shard's passage, under this number.
    Passed(u64),
}

/// A long-polling request for a session, and where its answer goes.
#[derive(Debug)]
pub(crate) struct PollRequest {
    pub(crate) sid: Sid,
    pub(crate) what: PollKind,
    pub(crate) reply: oneshot::Sender<Reply>,
}

/// What a long-polling request wants.
#[derive(Debug)]
pub(crate) enum PollKind {
    /// Whether there is such a session.
    Exists,
    Get,
    /// The client of a parked GET went away.
    GetAborted,
    /// A POST begins.
    PostBegin,
    /// Its body is here.
    PostBody(Bytes),
    /// Waits until the session ends whose POST's body is coming.
    PostEnded,
    /// Its body will not come: the client went away, or sent too much or the wrong type. A GET that
    /// waits is not answered before the channel closes: when the POST's answer has left.
    PostFailed(
        stentor_engine::error::PeerError,
        Option<oneshot::Receiver<()>>,
    ),
}

/// The answer to a long-polling request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// 200 and packets.
    Payload(Payload),
    /// 200 `ok`.
    Ok,
    /// The POST may go on.
    Continue,
    /// 400 or 403 with a code.
    Refused(stentor_engine::eio::handshake::Refusal),
    /// This status and nothing else.
    Status(u16),
}

/// One socket's answer, undecoded.
pub(crate) type Settled = (SocketId, AckOutcome);

/// How an event is sent, whoever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags {
    /// It may be lost.
    pub(crate) volatile: bool,
    /// It is worth compressing.
    pub(crate) compress: bool,
}

impl Flags {
    /// As events mostly are.
    pub(crate) const USUAL: Self = Self {
        volatile: false,
        compress: true,
    };
}

/// An ack request put to a shard by a thread that is none.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) to: Selection,
    pub(crate) name: Box<str>,
    pub(crate) args: Box<str>,
    pub(crate) attachments: Vec<Bytes>,
    pub(crate) flags: Flags,
    pub(crate) timeout: std::time::Duration,
    pub(crate) answers: mpsc::UnboundedSender<Settled>,
}

/// Asks for the ids of the sockets that a selection means.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) to: Selection,
    /// Each shard sends its own.
    pub(crate) found: mpsc::UnboundedSender<Vec<SocketId>>,
    /// The other shards are still to be asked.
    pub(crate) everywhere: bool,
}
