//! Answers: what waits a little, and until when, so that clients see the order that they see from the official
//! server (docs/decisions/0014).
//!
//! The answer to a CONNECT leaves alone. A client that listens to one message at a time, as the
//! official test suite does, else misses what a connect handler says: it comes in the same read, before
//! the client listens again.
//!
//! Which POSTs wait, and why, is said in `edge/order.rs`.

use std::{collections::VecDeque, rc::Rc};

use stentor_engine::{
    eio::handshake::Transport,
    hub::{SessionKey, SocketKey},
    time::Tick,
};

use super::{Shard, conns::ConnKey, port::Port};

/// Between the answer to a CONNECT and what follows it; the clock's grain takes up to one of them.
/// Measured with Node's `ws`: of 200 events after no pause 198 were missed, after 20 µs 90, after 200 µs
/// 2, after 500 µs 1.
const CONNECT_PAUSE_MS: u64 = 2;

/// Why a POST waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// It closes its session, and may have overtaken a GET.
    Get,
    /// Its client has not taken what is queued for it.
    Taking,
}

/// What waits, in the order in which it goes on.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// Sessions whose output is held after a CONNECT.
    held: VecDeque<(Tick, SessionKey)>,
    /// Connections with a POST that closes.
    closing: VecDeque<(Tick, ConnKey)>,
    /// Connections with a POST of a client that has much to take, and until when it waits.
    taking: VecDeque<(Tick, (ConnKey, Tick))>,
}

impl Pauses {
    /// A connection's POST, which is whole, waits until `due`.
    pub(crate) fn add_closing(&mut self, due: Tick, key: ConnKey) {
        self.closing.push_back((due, key));
    }

    /// The same, which is looked at when it is `due`, and waits until `until` at most.
    pub(crate) fn add_taking(&mut self, due: Tick, key: ConnKey, until: Tick) {
        self.taking.push_back((due, (key, until)));
    }

    pub(crate) fn next_held(&mut self, now: Tick) -> Option<SessionKey> {
        next(&mut self.held, now)
    }

    pub(crate) fn next_closing(&mut self, now: Tick) -> Option<ConnKey> {
        next(&mut self.closing, now)
    }

    pub(crate) fn next_taking(&mut self, now: Tick) -> Option<(ConnKey, Tick)> {
        next(&mut self.taking, now)
    }

    /// When the next one goes on.
    pub(crate) fn due(&self) -> Option<Tick> {
        let held = self.held.front().map(|(due, _)| *due);
        let closing = self.closing.front().map(|(due, _)| *due);
        let taking = self.taking.front().map(|(due, _)| *due);
        held.into_iter().chain(closing).chain(taking).min()
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
    pub(crate) fn send_connect(self: &Rc<Self>, socket: SocketKey) {
        let now = self.now.get();
        let mut hub = self.hub.borrow_mut();
        let Some(session) = hub.session_of(socket) else {
            return;
        };
        if hub.transport(session) != Some(Transport::WebSocket) {
            return; // one payload carries both packets
        }
        hub.flush(now, &mut Port(self));
        if hub.hold(session) {
            let due = Tick(now.0 + CONNECT_PAUSE_MS);
            self.pauses.borrow_mut().held.push_back((due, session));
        }
    }
}
