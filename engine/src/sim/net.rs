//! Answers: what does the network do with these bytes.
//!
//! WebSocket connections with a pipe of bounded size to the client and a queue of messages to the
//! server, and the names ([`ConnId`]) that the server gives them, reused at once as a file
//! descriptor is. It must not know the protocol.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use super::client::Sent;
use crate::{
    hub::{Client, Io, SessionKey},
    id::ConnId,
    out::Written,
};

/// How a connection has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Break {
    /// It has not.
    No,
    /// The peer is gone without a word: what is sent fills the buffer.
    Silent,
    /// The peer is gone and writing says so.
    Reset,
}

/// What reaches the server on a connection.
#[derive(Debug)]
pub(super) enum Inbound {
    Message(Sent),
    End,
}

/// One WebSocket connection.
#[derive(Debug)]
pub(super) struct Conn {
    /// The client that opened it.
    pub(super) client: usize,
    pub(super) hub: usize,
    /// The session it carries or probes for.
    pub(super) key: SessionKey,
    pub(super) probing: bool,
    /// The server's name for it, until the server closes it.
    pub(super) id: Option<ConnId>,
    /// Bytes on their way to the client.
    pub(super) pipe: VecDeque<u8>,
    /// Bytes the client took that are no whole frame yet.
    pub(super) unread: Vec<u8>,
    /// The handshake's response is still to come.
    pub(super) preamble: bool,
    /// Bytes the pipe holds.
    pub(super) room: usize,
    /// The server was told that the pipe is full.
    pub(super) blocked: bool,
    pub(super) inbound: VecDeque<Inbound>,
    pub(super) broken: Break,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Net {
    pub(super) conns: Vec<Conn>,
    ids: Vec<Option<usize>>,
    /// Connections that were written to since [`Net::written`] was emptied.
    pub(super) written: Vec<usize>,
    /// Answers to parked GETs.
    pub(super) answers: Vec<(SessionKey, Vec<u8>)>,
    /// A write to a connection that is not there.
    pub(super) wrong: Option<String>,
}

impl Net {
    /// The name the next connection gets: the lowest that is free.
    pub(super) fn name(&mut self) -> ConnId {
        let free = self.ids.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.ids.push(None);
            self.ids.len() - 1
        });
        self.ids[at] = Some(self.conns.len());
        ConnId(at as u64)
    }

    pub(super) fn find(&self, id: ConnId) -> Option<usize> {
        self.ids.get(id.0 as usize).copied().flatten()
    }

    /// The server closes a connection; its name is free.
    pub(super) fn free(&mut self, conn: usize) {
        if let Some(id) = self.conns[conn].id.take() {
            self.ids[id.0 as usize] = None;
        }
        self.conns[conn].inbound.clear();
    }

    /// Names in use.
    pub(super) fn open(&self) -> usize {
        self.ids.iter().flatten().count()
    }
}

impl Io<Client> for Net {
    fn write(&mut self, id: ConnId, slices: &[&[u8]]) -> Written {
        let Some(at) = self.find(id) else {
            self.wrong = Some(format!("a write to {id:?}, which is closed"));
            return Written::Failed;
        };
        let conn = &mut self.conns[at];
        if conn.broken == Break::Reset {
            return Written::Failed;
        }
        let mut left = conn.room - conn.pipe.len().min(conn.room);
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let taken = total.min(left);
        for slice in slices {
            let take = slice.len().min(left);
            conn.pipe.extend(&slice[..take]);
            left -= take;
        }
        conn.blocked = taken < total;
        self.written.push(at);
        if taken == 0 {
            return Written::Blocked;
        }
        Written::Bytes(taken)
    }

    fn answer(&mut self, session: SessionKey, body: Vec<u8>) {
        self.answers.push((session, body));
    }
}
