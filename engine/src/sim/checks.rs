//! Answers: at the end of a turn, has the hub done all that it could, and no more.

use alloc::{format, string::String, vec::Vec};

use super::{deeds::PONG, peer::PREAMBLE, wire, world::World};
use crate::limits::OUTBOX_HARD_CAP;

/// Bytes that may be held for one session besides what waits for it.
const HELD_BESIDE: usize = 128 * 1024;

impl World {
    pub(super) fn check_bounds(&mut self, hub: usize) {
        // What a turn adds before it is looked at, and one packet alone, come on top.
        let max = self.config.limits.outbox_bytes * OUTBOX_HARD_CAP * 2;
        let mut keys = self
            .oracle
            .sessions
            .iter()
            .filter(|s| s.open && s.hub == hub);
        let hub = &mut self.hubs[hub];
        let over = keys.any(|session| hub.backlog_bytes(session.key) > max);
        self.oracle.expect(!over, "a backlog is over its bound");
        let kept = !self.table.borrow().wrong;
        self.oracle
            .expect(kept, "the directory lost what was not in it");
        let counts = hub.counts();
        let right = counts.timers == counts.sessions + counts.acks;
        self.oracle
            .expect(right, "a timer of nothing, or something without timer");
        let right = counts.sids == counts.sessions && counts.names == counts.rooms;
        self.oracle
            .expect(right, "a name of nothing, or something without name");
    }

    /// All that was queued has left or was put aside, and nothing of it is kept.
    pub(super) fn check_left(&mut self, hub: usize) {
        self.hubs[hub].check();
        let waits = self.hubs[hub].waiting() > 0;
        let kept = !self.hubs[hub].palette().is_empty();
        self.oracle
            .expect(waits || !kept, "packets of a turn that is over are kept");
        let held = self.hubs[hub].held_bytes();
        let holders: Vec<_> = self.hubs[hub].holders().map(|(_, bytes)| bytes).collect();
        let least = holders.iter().copied().max().unwrap_or_default();
        // Room that grows by doubling, and the part of a chunk that has left.
        let most: usize = holders.iter().map(|bytes| 2 * bytes + HELD_BESIDE).sum();
        self.oracle
            .expect(held >= least && held <= most, "what is held is miscounted");
        for at in 0..self.net.conns.len() {
            let conn = &self.net.conns[at];
            let (key, client) = (conn.key, conn.client);
            if conn.hub == hub && conn.paused && conn.id.is_some() && !waits {
                let open = self.oracle.sessions[client].open;
                let backlog = self.hubs[hub].backlog_bytes(key);
                let much = backlog > self.config.limits.outbox_bytes / 2;
                self.oracle
                    .expect(!open || much, "a connection is not read, and why");
            }
        }
    }

    /// Bytes that a hub has encoded in this turn.
    pub(super) fn encoded(&mut self, hub: usize) -> usize {
        self.hubs[hub].palette().size()
    }

    /// A flush writes to each connection once.
    pub(super) fn check_writes(&mut self) {
        let wide = core::mem::take(&mut self.net.wide);
        let written = &self.net.written;
        let twice = written.iter().enumerate().find(|(nth, conn)| {
            let open = self.oracle.sessions[self.net.conns[**conn].client].open;
            open && written[..*nth].contains(conn)
        });
        let right = wide || twice.is_none();
        self.oracle
            .expect(right, "a flush wrote to a connection twice");
    }

    /// Whoever takes something has been given all there is for him.
    pub(super) fn check_queues(&mut self, hub: usize) {
        for at in 0..self.oracle.sessions.len() {
            let session = &self.oracle.sessions[at];
            let due = session.queue.iter().filter(|e| !e.volatile).count();
            if session.hub != hub || !session.open || session.left || due == 0 {
                continue;
            }
            if let Some(conn) = self.net.carrier(at) {
                let waits = self.net.conns[conn].full || self.held.contains(&at);
                match self.in_pipe(at, conn) {
                    Err(error) => self.oracle.blame(error),
                    Ok(sent) if sent < due && !waits => {
                        let what = format!("{} of {due} packets wait for nothing", due - sent);
                        self.oracle.blame(format!("session {at}: {what}"));
                    }
                    Ok(_) => {}
                }
            } else if self.parked.contains_key(&(hub, session.key.to_bits())) {
                let what = format!("session {at}: {due} packets and a GET wait for each other");
                self.oracle.blame(what);
            }
        }
    }

    /// Whole packets that a client has not read yet.
    fn in_pipe(&self, client: usize, conn: usize) -> Result<usize, String> {
        let conn = &self.net.conns[conn];
        let bytes: Vec<u8> = conn.unread.iter().chain(&conn.pipe).copied().collect();
        let mut rest = &bytes[..];
        if conn.preamble {
            rest = rest.get(PREAMBLE.len()..).unwrap_or_default();
        }
        let mut reader = self.clients[client].reader.clone();
        let mut count = 0;
        loop {
            if let Some(after) = rest.strip_prefix(&PONG) {
                rest = after;
                continue;
            }
            let Some((text, payload, len)) = wire::frame(rest)? else {
                return Ok(count);
            };
            let packet = match (text, payload) {
                (true, [b'4', message @ ..]) => reader.text(&String::from_utf8_lossy(message))?,
                (true, [b'b', base64 @ ..]) => {
                    reader.binary(&wire::from_base64(&String::from_utf8_lossy(base64))?)?
                }
                (true, _) => None,
                (false, part) => reader.binary(part)?,
            };
            count += usize::from(packet.is_some());
            rest = &rest[len..];
        }
    }
}
