//! Answers: how much does a shard hold for all its clients together, and who goes when it is too much.
//!
//! Each bound of a client is worth a megabyte or more, and there are many clients. So what is held until a
//! client goes on is counted where a buffer is made or grows, in bytes of capacity:
//!
//! - of connections: parts of heads and bodies, what is behind a request that waits, parts of WebSocket
//!   messages, answers and last words that are not taken ([`crate::shard::conns`]);
//! - of sessions: output that is not taken, packets whose attachments have not all come
//!   ([`stentor_engine::hub::Hub::held_bytes`]).
//!
//! At each turn's end the sum is compared with [`crate::ShardLimits::held_bytes`]. Above it those who hold
//! most are closed, until an eighth of it is free: so much must come before all connections are looked at
//! again. An idle client holds nothing and is never among them.
//!
//! What hyper holds for the requests that it serves is not in the sum: it is bounded in time (`edge/http.rs`).

use std::{cmp::Reverse, rc::Rc};

use http::StatusCode;
use stentor_engine::{
    error::{CloseReason, PeerError},
    hub::{Ending, SessionKey},
};

use crate::{
    log::{self, About},
    net::response::Response,
    shard::{
        Shard,
        conns::{ConnKey, Role},
        polled::Polled,
    },
};

/// The close code of a WebSocket that goes for that (IANA: try again later).
const TRY_AGAIN_LATER: u16 = 1013;

/// Who holds something.
#[derive(Debug, Clone, Copy)]
enum Holder {
    Conn(ConnKey),
    Session(SessionKey),
}

impl Shard {
    /// What is held for all clients.
    fn held_bytes(&self) -> usize {
        self.conns.borrow().held_bytes() + self.hub.borrow().held_bytes()
    }

    /// Closes those who hold most, if all hold too much.
    #[inline]
    pub(super) fn keep_budget(self: &Rc<Self>) {
        let held = self.held_bytes();
        if held > self.config.shard_limits.held_bytes {
            self.close_holders(held);
        }
    }

    #[cold]
    fn close_holders(self: &Rc<Self>, mut held: usize) {
        let most = self.config.shard_limits.held_bytes;
        let mut holders: Vec<_> = {
            let (conns, hub) = (self.conns.borrow(), self.hub.borrow());
            let conns = conns.holders();
            let conns = conns.map(|(key, bytes)| (bytes, Holder::Conn(key)));
            let sessions = hub.holders();
            let sessions = sessions.map(|(key, bytes)| (bytes, Holder::Session(key)));
            conns.chain(sessions).collect()
        };
        holders.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        let mut closed = 0;
        for (bytes, holder) in holders {
            if held <= most - most / 8 {
                break;
            }
            closed += 1;
            log::line!(HolderClosed, self.about_holder(holder), bytes);
            match holder {
                Holder::Conn(key) => self.close_conn(key),
                Holder::Session(session) => self.close_for_room(session),
            }
            // It may hold more room than bytes; and what goes later is not to be waited for.
            held = held.saturating_sub(bytes).min(self.held_bytes());
        }
        let told = self.holders_closed.borrow_mut().note(self.now.get());
        if let Some(times) = told {
            log::notice!(HoldsTooMuch, self.about(), closed, times);
        }
    }

    fn about_holder(&self, holder: Holder) -> About {
        match holder {
            Holder::Conn(key) => self.about_conn(key),
            Holder::Session(session) => self.about_session(session),
        }
    }

    fn close_conn(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        if let Some(Role::WebSocket { session, .. }) = conns.get(key).map(|conn| &conn.role) {
            let session = *session;
            drop(conns);
            return self.close_for_room(session);
        }
        let posting = conns.polled(key).and_then(Polled::give_up_post);
        conns.recount(key);
        drop(conns);
        if let Some(session) = posting {
            let full = Response::status(StatusCode::SERVICE_UNAVAILABLE);
            self.respond(key, full.closing());
            self.fail(session, PeerError::Aborted);
            return;
        }
        self.conn_closed(key);
    }

    fn close_for_room(&self, session: SessionKey) {
        let (now, reason) = (self.now.get(), CloseReason::SlowConsumer);
        let ending = Ending::Abrupt(Some(TRY_AGAIN_LATER));
        let mut hub = self.hub.borrow_mut();
        if hub.is_open(session) {
            hub.close(now, session, reason, ending);
        } else {
            hub.give_up(session);
        }
    }
}
