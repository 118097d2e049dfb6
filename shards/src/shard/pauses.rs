//! Answers: what waits a little, so that clients see the order that they see from the official
//! server (docs/decisions/0014).
//!
//! The answer to a CONNECT leaves alone. A client that listens to one message at a time, as the
//! official test suite does, else misses what a connect handler says: it comes in the same read, before
//! the client listens again.
//!
//! A POST that closes its session lets a GET go first that was sent before it or with it: the two came
//! on connections of their own, and another shard may have accepted the GET's.
//!
//! A POST of a client that has not taken what is queued for it waits until it has, as nothing is read
//! from such a client's WebSocket. Else one that asks for much by POSTs and fetches the answers more slowly would
//! be closed for all that it asked for, although it reads. Not for ever: a client with one connection can fetch
//! only when its POST is answered.

use std::{collections::VecDeque, rc::Rc, time::Duration};

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
const GET_PAUSE_MS: u64 = 5;

/// The body of a POST that closes its session and does nothing else.
const CLOSE: &[u8] = b"1";

/// How long a POST waits for its client to take what is queued, and half the time for a pong at the most: one may
/// be in it.
const TAKING_MAX_MS: u64 = 2_000;
/// How often it is looked whether it has.
const TAKING_LOOK_MS: u64 = 20;

/// Why a POST waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// It closes its session, and may have overtaken a GET.
    Get,
    /// Its client has not taken what is queued for it.
    Taking,
}

/// What waits, in the order in which it goes on.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// Sessions whose output is held after a CONNECT.
    held: VecDeque<(Tick, SessionKey)>,
    /// Connections with a POST that closes.
    closing: VecDeque<(Tick, ConnKey)>,
    /// Connections with a POST of a client that has much to take, and until when it waits.
    taking: VecDeque<(Tick, (ConnKey, Tick))>,
}

impl Pauses {
    /// When the next one goes on.
    pub(super) fn due(&self) -> Option<Tick> {
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

    /// Why a POST that is whole waits before it is handled, if it does.
    pub(super) fn pause(&self, session: SessionKey, body: &[u8]) -> Option<Pause> {
        if body.len() == 1 {
            return self.may_overtake(session, body).then_some(Pause::Get); // or a pong
        }
        self.has_much(session).then_some(Pause::Taking)
    }

    fn taking_max_ms(&self) -> u64 {
        let pong = self.config.engine.ping_timeout.as_millis() / 2;
        u64::try_from(pong).map_or(TAKING_MAX_MS, |pong| TAKING_MAX_MS.min(pong))
    }

    fn has_much(&self, session: SessionKey) -> bool {
        self.hub.borrow_mut().sessions().is_watched(session)
    }

    /// Waits as a POST does that did not come over a connection of the shard's own.
    pub(super) async fn pause_over(&self, session: SessionKey, pause: Pause) {
        let (every, most) = match pause {
            Pause::Get => (GET_PAUSE_MS, 1),
            Pause::Taking => (TAKING_LOOK_MS, self.taking_max_ms() / TAKING_LOOK_MS),
        };
        for _ in 0..most {
            tokio::time::sleep(Duration::from_millis(every)).await;
            if pause == Pause::Taking && !self.has_much(session) {
                return;
            }
        }
    }

    /// Whether a POST closes a session whose client may have sent a GET that is still on its way.
    fn may_overtake(&self, session: SessionKey, body: &[u8]) -> bool {
        body == CLOSE
            && self.shared.sessions.len() > 1
            && !self.parked.borrow().contains_key(&session.to_bits())
    }

    /// A connection's POST, which is whole, waits.
    pub(super) fn let_wait_post(&self, key: ConnKey, pause: Pause) {
        let mut conns = self.conns.borrow_mut();
        let Some(body) = conns.polled(key).and_then(|polled| polled.body.as_mut()) else {
            return;
        };
        body.waits = true;
        let now = self.now.get().0;
        let mut pauses = self.pauses.borrow_mut();
        match pause {
            Pause::Get => {
                let due = Tick(now + GET_PAUSE_MS);
                pauses.closing.push_back((due, key));
            }
            Pause::Taking => {
                let until = Tick(now + self.taking_max_ms());
                let due = Tick(now + TAKING_LOOK_MS);
                pauses.taking.push_back((due, (key, until)));
                conns.set_due(key, Tick::NEVER); // all of the body has come
            }
        }
    }

    /// What has waited for long enough goes on.
    pub(super) fn end_pauses(self: &Rc<Self>, now: Tick) {
        while let Some(session) = next(&mut self.pauses.borrow_mut().held, now) {
            self.hub.borrow_mut().sessions().release(session);
        }
        loop {
            let key = next(&mut self.pauses.borrow_mut().closing, now);
            let Some(key) = key else { break };
            if self.post_that_waits(key).is_some() {
                self.go_on(key);
            }
        }
        loop {
            let next = next(&mut self.pauses.borrow_mut().taking, now);
            let Some((key, until)) = next else { return };
            let Some(session) = self.post_that_waits(key) else {
                continue;
            };
            if now < until && self.has_much(session) {
                let due = Tick(now.0 + TAKING_LOOK_MS);
                let mut pauses = self.pauses.borrow_mut();
                pauses.taking.push_back((due, (key, until)));
            } else {
                self.go_on(key);
            }
        }
    }

    /// The session of the POST that waits on a connection.
    fn post_that_waits(&self, key: ConnKey) -> Option<SessionKey> {
        let mut conns = self.conns.borrow_mut();
        let body = conns.polled(key)?.body.filter(|body| body.waits)?;
        Some(body.session)
    }
}
