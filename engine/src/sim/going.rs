//! Answers: how does a client go, and what must it have heard by then.

use alloc::format;

use super::{
    client::{Via, What},
    net::{Break, End, Inbound},
    world::{Task, World},
};
use crate::{
    error::PeerError,
    limits::{DRAIN_WAIT, POLLING_CLOSE_WAIT},
};

impl World {
    pub(super) fn vanish(&mut self, at: usize, how: Break) {
        self.log(format_args!("client {at} vanishes: {how:?}"));
        self.clients[at].gone = true;
        self.oracle.sessions[at].left = true;
        self.oracle.sessions[at].lapse = u64::MAX;
        for conn in 0..self.net.conns.len() {
            if self.net.conns[conn].client == at && self.net.conns[conn].id.is_some() {
                self.net.conns[conn].broken = how;
                if how == Break::Reset {
                    self.net.conns[conn].inbound.push_back(Inbound::End);
                    self.soon(Task::Recv(conn));
                }
            }
        }
    }

    /// A client leaves, in one way or another.
    pub(super) fn depart(&mut self, at: usize) {
        if self.clients[at].gone || self.clients[at].leaving {
            return;
        }
        match (self.random.below(6), self.clients[at].via) {
            (0, _) => self.vanish(at, Break::Silent),
            (1, _) => self.vanish(at, Break::Reset),
            (2, Via::Ws(conn)) => {
                self.clients[at].gone = true;
                self.oracle.sessions[at].left = true;
                self.oracle.sessions[at].lapse = u64::MAX;
                self.net.conns[conn].inbound.push_back(Inbound::End);
                self.soon(Task::Recv(conn));
            }
            _ => {
                self.clients[at].text("1", What::Close);
                self.clients[at].leaving = true;
                self.transmit(at);
            }
        }
    }

    /// A client goes away in the middle of a request.
    pub(super) fn aborts(&mut self, at: usize) {
        let session = &self.oracle.sessions[at];
        let (hub, key) = (session.hub, session.key);
        if self.is_behind(hub) {
            return; // nobody would see it
        }
        let get = self.parked.remove(&(hub, key.to_bits())).is_some();
        let post = self.posting.remove(&at);
        if !get && !post {
            return;
        }
        self.log(format_args!("client {at} aborts a request"));
        self.vanish(at, Break::Reset);
        if get {
            self.hubs[hub].poll_lost(key);
        }
        self.oracle.ends(at, PeerError::Aborted.close_reason());
        self.hubs[hub].fail(self.now, key, PeerError::Aborted);
        if post {
            self.hubs[hub].end_post(key);
        }
        self.drain(hub);
    }

    /// The server ended a client's connection, and all that it sent before has been read.
    pub(super) fn cut_off(&mut self, at: usize, conn: usize) {
        let conn = &self.net.conns[conn];
        let ended = conn.ended;
        let half = !conn.unread.is_empty();
        let (was_full, reset) = (conn.was_full, conn.broken != Break::No);
        let session = &self.oracle.sessions[at];
        let until = session.closed_at + DRAIN_WAIT.as_millis() as u64;
        let served = ended.is_some_and(|(when, how)| how == End::Close && when < until);
        match ended.map(|(_, how)| how) {
            Some(End::Close) if half && !reset => {
                self.oracle.blame("a close frame in half a packet".into());
            }
            Some(End::Cut) if !was_full => {
                self.oracle.blame("cut off, and all was taken".into());
            }
            _ => {}
        }
        self.finish(at, served);
    }

    /// A client's GET is turned away: its session is gone.
    pub(super) fn turned_away(&mut self, at: usize) {
        let session = &self.oracle.sessions[at];
        let until = session.closed_at + POLLING_CLOSE_WAIT.as_millis() as u64;
        let in_time = session.closed.is_some() && self.now.0 < until && !session.upgraded;
        if in_time && !session.left && session.is_polite() {
            self.oracle
                .blame(format!("client {at} was not told that its session ended"));
        }
        self.finish(at, in_time);
    }

    /// The client is at its session's end. `served` says whether it was given all that was queued.
    pub(super) fn finish(&mut self, at: usize, served: bool) {
        if self.clients[at].gone {
            return;
        }
        self.log(format_args!("client {at} is done, served: {served}"));
        self.oracle.ended(at, served, self.now);
        self.vanish(at, Break::Reset);
    }
}
