//! Answers: which POSTs wait before they are handled, and why (docs/decisions/0014 and 0017).
//!
//! A POST that closes its session lets a GET go first that was sent before it or with it: the two came
//! on connections of their own, and another shard may have accepted the GET's.
//!
//! A POST of a client that has not taken what is queued for it waits until it has, as nothing is read
//! from such a client's WebSocket. Else one that asks for much by POSTs and fetches the answers more slowly would
//! be closed for all that it asked for, although it reads. Not for ever: a client with one connection can fetch
//! only when its POST is answered.

use std::{rc::Rc, time::Duration};

use stentor_engine::{hub::SessionKey, time::Tick};

use crate::shard::{Shard, conns::ConnKey, pauses::Pause};

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

impl Shard {
    /// Why a POST that is whole waits before it is handled, if it does.
    pub(crate) fn pause(&self, session: SessionKey, body: &[u8]) -> Option<Pause> {
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
        self.hub.borrow().is_watched(session)
    }

    /// Waits as a POST does that did not come over a connection of the shard's own.
    pub(crate) async fn pause_over(&self, session: SessionKey, pause: Pause) {
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
    pub(crate) fn let_wait_post(&self, key: ConnKey, pause: Pause) {
        self.conns.borrow_mut().set_due(key, Tick::NEVER); // all of the body has come
        let now = self.now.get().0;
        let mut pauses = self.pauses.borrow_mut();
        match pause {
            Pause::Get => {
                let due = Tick(now + GET_PAUSE_MS);
                pauses.add_closing(due, key);
            }
            Pause::Taking => {
                let until = Tick(now + self.taking_max_ms());
                let due = Tick(now + TAKING_LOOK_MS);
                pauses.add_taking(due, key, until);
            }
        }
    }

    /// What has waited for long enough goes on.
    pub(crate) fn end_pauses(self: &Rc<Self>, now: Tick) {
        while let Some(session) = self.pauses.borrow_mut().next_held(now) {
            self.hub.borrow_mut().release(session);
        }
        loop {
            let key = self.pauses.borrow_mut().next_closing(now);
            let Some(key) = key else { break };
            if self.post_that_waits(key).is_some() {
                self.go_on(key);
            }
        }
        loop {
            let next = self.pauses.borrow_mut().next_taking(now);
            let Some((key, until)) = next else { return };
            let Some(session) = self.post_that_waits(key) else {
                continue;
            };
            if now < until && self.has_much(session) {
                let due = Tick(now.0 + TAKING_LOOK_MS);
                let mut pauses = self.pauses.borrow_mut();
                pauses.add_taking(due, key, until);
            } else {
                self.go_on(key);
            }
        }
    }

    /// The session of the POST that waits on a connection.
    fn post_that_waits(&self, key: ConnKey) -> Option<SessionKey> {
        let mut conns = self.conns.borrow_mut();
        conns.polled(key)?.held()
    }
}
