//! Answers: how many sessions may there be that cost their client nothing.
//!
//! A session over WebSocket has a connection, and so a descriptor on both sides. One over polling is begun by
//! a request of 60 bytes, thousands of them on one connection, and is held for a ping's interval and timeout.
//! So those are counted that have begun over polling and have not joined a namespace yet (with Engine.IO
//! alone: have not fetched or sent anything): all of a shard, and those of one address. How many one
//! connection has begun, is counted there ([`super::polled::Polled::opened`]).

use std::{
    cell::RefCell,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
};

use http::StatusCode;
use stentor_engine::{
    hub::{SessionKey, SocketKey},
    time::Tick,
};

use super::{Shard, take};
use crate::{
    config::ShardLimits,
    log::{self, About, Seldom},
    net::response::Response,
};

/// A table is looked through for sessions that ended before they joined no more often than this.
const SWEEP_MS: u64 = 1_000;

/// The sessions of a shard that have not joined, and where from they are.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    sessions: RefCell<HashMap<u64, IpAddr>>,
    addresses: RefCell<HashMap<IpAddr, usize>>,
    said: RefCell<Said>,
}

#[derive(Debug, Default)]
struct Said {
    refused: Seldom,
    swept: Tick,
}

/// A client without an address, on a Unix socket or gone before it was asked for, counts as nobody's.
fn ip(address: Option<IpAddr>) -> IpAddr {
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Why one more may not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TooMany {
    OfShard,
    OfAddress,
}

impl Newcomers {
    fn is_empty(&self) -> bool {
        self.sessions.borrow().is_empty()
    }

    fn room(&self, address: IpAddr, limits: &ShardLimits) -> Result<(), TooMany> {
        if self.sessions.borrow().len() >= limits.unjoined_sessions {
            return Err(TooMany::OfShard);
        }
        let addresses = self.addresses.borrow();
        let own = addresses.get(&address).copied().unwrap_or_default();
        if own >= limits.unjoined_per_address {
            return Err(TooMany::OfAddress);
        }
        Ok(())
    }

    /// Where a session is from that has not joined.
    pub(crate) fn address(&self, session: SessionKey) -> Option<IpAddr> {
        self.sessions.borrow().get(&session.to_bits()).copied()
    }

    fn add(&self, session: SessionKey, address: IpAddr) {
        self.sessions
            .borrow_mut()
            .insert(session.to_bits(), address);
        *self.addresses.borrow_mut().entry(address).or_default() += 1;
    }

    /// A session has joined, or has gone.
    fn remove(&self, session: u64) {
        let Some(address) = take(&self.sessions, session) else {
            return;
        };
        let mut addresses = self.addresses.borrow_mut();
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
                if addresses.is_empty() {
                    addresses.shrink_to_fit();
                }
            }
        }
    }
}

impl Shard {
    /// Whether a session may begin over polling; an error is the answer to a client that is refused.
    pub(crate) fn room_for_newcomer(&self, address: Option<IpAddr>) -> Result<(), Response> {
        let limits = &self.config.shard_limits;
        let ip = ip(address);
        let mut room = self.newcomers.room(ip, limits);
        if room.is_err() && self.sweep_newcomers() {
            room = self.newcomers.room(ip, limits);
        }
        let Err(why) = room else { return Ok(()) };
        let mut said = self.newcomers.said.borrow_mut();
        let told = said.refused.note(self.now.get());
        drop(said);
        if let Some(times) = told {
            let about = About {
                peer: Some(ip.to_string()),
                ..self.about()
            };
            log::notice!(SessionsRefused, about, times, ?why);
        }
        Err(Response::status(match why {
            TooMany::OfShard => StatusCode::SERVICE_UNAVAILABLE,
            TooMany::OfAddress => StatusCode::TOO_MANY_REQUESTS,
        })
        .closing())
    }

    /// A session has begun over polling.
    pub(crate) fn add_newcomer(&self, session: SessionKey, address: Option<IpAddr>) {
        self.newcomers.add(session, ip(address));
    }

    /// A client has joined a namespace.
    pub(crate) fn newcomer_joins(&self, socket: SocketKey) {
        if self.newcomers.is_empty() {
            return;
        }
        let session = self.hub.borrow().session_of(socket);
        if let Some(session) = session {
            self.newcomers.remove(session.to_bits());
        }
    }

    /// Something is fetched or sent for a session; with Engine.IO alone that is all that is asked of it.
    pub(crate) fn newcomer_asks(&self, session: SessionKey) {
        if !self.newcomers.is_empty() && self.is_engine_only() {
            self.newcomers.remove(session.to_bits());
        }
    }

    /// A session has closed. One that is still to get its last words, or to be fetched them, counts on.
    pub(crate) fn newcomer_closes(&self, session: SessionKey) {
        if !self.newcomers.is_empty() && self.hub.borrow().transport(session).is_none() {
            self.newcomers.remove(session.to_bits());
        }
    }

    /// Forgets sessions that the hub has no more: one that is closed before it joined is counted until it
    /// has got its last words, or has not fetched them. False if that was done a moment ago.
    fn sweep_newcomers(&self) -> bool {
        let now = self.now.get();
        let mut said = self.newcomers.said.borrow_mut();
        if now < said.swept {
            return false;
        }
        said.swept = Tick(now.0.saturating_add(SWEEP_MS));
        let hub = self.hub.borrow();
        let sessions = self.newcomers.sessions.borrow();
        let held = |session: &u64| hub.transport(SessionKey::from_bits(*session)).is_some();
        let gone = sessions.keys().copied().filter(|session| !held(session));
        let gone: Vec<_> = gone.collect();
        drop(sessions);
        for session in gone {
            self.newcomers.remove(session);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(n: u64) -> SessionKey {
        SessionKey::from_bits(n)
    }

    #[test]
    fn of_an_address_and_of_all() {
        let limits = ShardLimits {
            unjoined_sessions: 5,
            unjoined_per_address: 3,
            ..ShardLimits::default()
        };
        let [a, b, c] = [1, 2, 3].map(|n| IpAddr::from([10, 0, 0, n]));
        let newcomers = Newcomers::default();
        for n in 0..3 {
            assert_eq!(newcomers.room(a, &limits), Ok(()));
            newcomers.add(session(n), a);
        }
        assert_eq!(newcomers.room(a, &limits), Err(TooMany::OfAddress));
        for n in 3..5 {
            assert_eq!(newcomers.room(b, &limits), Ok(()));
            newcomers.add(session(n), b);
        }
        assert_eq!(newcomers.room(c, &limits), Err(TooMany::OfShard));
        newcomers.remove(0);
        newcomers.remove(0);
        assert_eq!(newcomers.room(a, &limits), Ok(()));
        for n in 1..5 {
            newcomers.remove(n);
        }
        assert!(newcomers.sessions.borrow().is_empty() && newcomers.addresses.borrow().is_empty());
    }
}
