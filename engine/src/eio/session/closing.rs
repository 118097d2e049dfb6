//! Answers: how does a session end, and what is its last word.

use super::{Get, Probe, Session, State};
use crate::{
    limits::{DRAIN_WAIT, POLLING_CLOSE_WAIT},
    time::Tick,
};

impl Session {
    /// The session closes. A polling client learns of it by the GET that is parked or comes next,
    /// a WebSocket by a close frame with `code` once what is queued has left, and a client that changes
    /// from one to the other by whichever it turns to.
    pub fn close(&mut self, now: Tick, by_peer: bool, code: Option<u16>) {
        let until = now.after(POLLING_CLOSE_WAIT);
        let next = match self.state {
            // Who closed itself does not go on with the upgrade.
            State::Upgrading {
                get,
                conn,
                probe: Probe::AwaitUpgrade,
                until: upgrade,
            } if !by_peer => State::Parting {
                get,
                conn,
                code,
                until: until.min(upgrade),
            },
            State::Polling { get: Get::Parked }
            | State::Upgrading {
                get: Get::Parked, ..
            } => State::LastPoll { by_peer, until },
            State::Polling { get: Get::None } | State::Upgrading { get: Get::None, .. } => {
                State::AwaitingPoll { until }
            }
            State::WebSocket { conn } | State::TextOnly { conn } => State::Draining {
                conn,
                until: now.after(DRAIN_WAIT),
                code,
            },
            State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Parting { .. }
            | State::Draining { .. } => return, // it closes already
        };
        self.go_to(next);
        debug_assert!(!self.is_open(), "closed");
    }

    /// The status code of the close frame that a closed WebSocket gets.
    #[must_use]
    pub const fn close_code(&self) -> Option<u16> {
        match self.state {
            State::Draining { code, .. } => code,
            State::Polling { .. }
            | State::Upgrading { .. }
            | State::WebSocket { .. }
            | State::TextOnly { .. }
            | State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Parting { .. } => None,
        }
    }

    /// What a poll's body ends with, given whether it carries anything else. Nothing, unless the
    /// poll would be empty or the session is closing (PROTOCOL.md 2.3).
    #[must_use]
    pub const fn last_words(&self, carries: bool) -> &'static [&'static str] {
        match self.state {
            // Clients handle packets later than they handle the close: it must not come along, or a
            // DISCONNECT before it would be lost. The next GET carries it.
            _ if carries => &[],
            State::LastPoll { by_peer: false, .. }
            | State::Parting {
                get: Get::Parked, ..
            } => &["1"],
            State::AwaitingPoll { .. } | State::Parting { get: Get::None, .. } => &["6", "1"],
            // A client that closed itself only needs its GET back.
            _ => &["6"],
        }
    }
}
