//! Answers: what does the network do with these bytes.
//!
//! WebSocket connections with a pipe of bounded size to the client and a queue of messages to the
//! server. It must not know the protocol.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use super::client::Sent;
use crate::{
    eio::payload::Payload,
    hub::{SessionKey, Transmit},
    id::ConnId,
    limits::SLICES_MAX,
    out::Written,
    time::Tick,
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

/// How the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A close frame.
    Close,
    /// None: a packet is half sent.
    Cut,
    /// The client's own end, or an upgrade that was refused.
    Quiet,
}

/// What reaches the server on a connection.
#[derive(Debug)]
pub(super) enum Inbound {
    Message(Sent),
    End,
}

/// One WebSocket connection.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
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
    /// The last write was not all taken; and whether any ever was not.
    pub(super) full: bool,
    pub(super) was_full: bool,
    /// Bytes of the last write.
    pub(super) offered: usize,
    /// When it began, and when and how the server ended it.
    pub(super) opened: u64,
    pub(super) ended: Option<(u64, End)>,
    pub(super) inbound: VecDeque<Inbound>,
    /// It is not read before its turn comes; nor while its session takes too little.
    pub(super) listed: bool,
    pub(super) paused: bool,
    pub(super) broken: Break,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Net {
    pub(super) conns: Vec<Conn>,
    /// Connections that were written to since [`Net::written`] was emptied.
    pub(super) written: Vec<usize>,
    /// Answers to parked GETs.
    pub(super) answers: Vec<(SessionKey, Vec<u8>)>,
    /// A write had as many slices as one takes: another may follow.
    pub(super) wide: bool,
    /// A write to a connection that is not there.
    pub(super) wrong: Option<String>,
}

impl Net {
    /// The name of the connection that is pushed next. None is given twice: a late order to close
    /// one must not hit another.
    pub(super) const fn name(&self) -> ConnId {
        ConnId(self.conns.len() as u64)
    }

    /// The connection of this name, unless the server has closed it.
    pub(super) fn find(&self, id: ConnId) -> Option<usize> {
        let at = id.0 as usize;
        (self.conns.get(at)?.id == Some(id)).then_some(at)
    }

    /// The server closes a connection: nothing it was sent is read any more.
    pub(super) fn free(&mut self, conn: usize, now: Tick, how: End) {
        self.conns[conn].ended = Some((now.0, how));
        self.conns[conn].id = None;
        self.conns[conn].inbound.clear();
    }

    /// The connection that carries a client's session.
    pub(super) fn carrier(&self, client: usize) -> Option<usize> {
        let carries = |conn: &Conn| conn.client == client && conn.id.is_some() && !conn.probing;
        self.conns.iter().position(carries)
    }

    /// Connections that the server holds open.
    pub(super) fn open(&self) -> usize {
        self.conns.iter().filter(|conn| conn.id.is_some()).count()
    }
}

impl Transmit for Net {
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
        conn.full = conn.blocked;
        conn.was_full |= conn.full;
        // Behind as many slices as one write takes there may be any number of bytes.
        let all = slices.len() < SLICES_MAX;
        conn.offered = if all { total } else { usize::MAX };
        self.wide |= !all;
        self.written.push(at);
        if taken == 0 {
            return Written::Blocked;
        }
        Written::Bytes(taken)
    }

    fn answer(&mut self, session: SessionKey, body: Payload) {
        self.answers.push((session, body.bytes.into()));
    }
}
