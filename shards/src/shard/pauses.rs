//! Answers: what waits some milliseconds, so that clients see the order that they see from the official
//! server (docs/decisions/0014).
//!
//! The answer to a CONNECT leaves alone. A client that listens to one message at a time, as the
//! official test suite does, else misses what a connect handler says: it comes in the same read, before
//! the client listens again.
//!
//! A POST that closes its session lets a GET go first that was sent before it or with it: the two came
//! on connections of their own, and another shard may have accepted the GET's.

use std::{collections::VecDeque, rc::Rc};

use stentor_engine::{
    eio::handshake::Transport,
    hub::{SessionKey, SocketKey},
    time::Tick,
};

use super::{Shard, conns::ConnKey, output::Port};

/// Between the answer to a CONNECT and what follows it; the clock's grain takes up to one of them.
/// Measured with Node's `ws`: of 200 events after no pause 198 were missed, after 20 µs 90, after 200 µs
/// 2, after 500 µs 1.
const CONNECT_PAUSE_MS: u64 = 2;

/// Before a POST that closes a session is handled. With two shards on two cores, one GET in fifteen
/// that was sent with it came later than it, and none later than this.
pub(super) const GET_PAUSE_MS: u64 = 5;

/// The body of a POST that closes its session and does nothing else.
const CLOSE: &[u8] = b"1";

/// What waits, in the order in which it goes on.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Sessions whose output is held after a CONNECT.
    held: VecDeque<(Tick, SessionKey)>,
    /// Connections with a POST that closes.
    closing: VecDeque<(Tick, ConnKey)>,
}

impl Pauses {
    /// When the next one goes on.
    pub(super) fn due(&self) -> Option<Tick> {
        let held = self.held.front().map(|(due, _)| *due);
        let closing = self.closing.front().map(|(due, _)| *due);
        held.into_iter().chain(closing).min()
    }
}

/// The first of a list, if its time has come. An empty list keeps little memory.
fn next<T>(list: &mut VecDeque<(Tick, T)>, now: Tick) -> Option<T> {
    const KEPT: usize = 1024;
    let next = list.pop_front_if(|(due, _)| *due <= now);
    if list.is_empty() {
        list.shrink_to(KEPT);
    }
    next.map(|(_, what)| what)
}

impl Shard {
    /// The answer to a CONNECT leaves, and what follows is held, before handlers can say something.
    pub(super) fn send_connect(self: &Rc<Self>, socket: SocketKey) {
        let now = self.now.get();
        let mut hub = self.hub.borrow_mut();
        let Some(session) = hub.session_of(socket) else {
            return;
        };
        if hub.transport(session) != Some(Transport::WebSocket) {
            return; // one payload carries both packets
        }
        hub.flush(now, &mut Port(self));
        if hub.sessions().hold(session) {
            let due = Tick(now.0 + CONNECT_PAUSE_MS);
            self.pauses.borrow_mut().held.push_back((due, session));
        }
    }

    /// Whether a POST closes a session whose client may have sent a GET that is still on its way.
    pub(super) fn may_overtake(&self, session: SessionKey, body: &[u8]) -> bool {
        body == CLOSE
            && self.shared.sessions.len() > 1
            && !self.parked.borrow().contains_key(&session.to_bits())
    }

    /// A connection's POST, which is whole, waits for such a GET.
    pub(super) fn await_get(&self, key: ConnKey) {
        if let Some(polled) = self.conns.borrow_mut().polled(key)
            && let Some(body) = &mut polled.body
        {
            body.waits = true;
            let due = Tick(self.now.get().0 + GET_PAUSE_MS);
            self.pauses.borrow_mut().closing.push_back((due, key));
        }
    }

    /// What has waited for long enough goes on.
    pub(super) fn end_pauses(self: &Rc<Self>, now: Tick) {
        while let Some(session) = next(&mut self.pauses.borrow_mut().held, now) {
            self.hub.borrow_mut().sessions().release(session);
        }
        loop {
            let key = next(&mut self.pauses.borrow_mut().closing, now);
            let Some(key) = key else { return };
            let waits = match self.conns.borrow_mut().polled(key) {
                Some(polled) => polled.body.is_some_and(|body| body.waits),
                None => false,
            };
            if waits {
                self.go_on(key);
            }
        }
    }
}
