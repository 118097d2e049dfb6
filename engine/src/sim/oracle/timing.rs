//! Answers: did it come too early, or too late.

use alloc::format;

use super::{Oracle, Session};
use crate::{error::CloseReason, limits::SLOW_WAIT, time::Tick, wheel::GRAIN_MS};

const fn ms(wait: core::time::Duration) -> u64 {
    wait.as_millis() as u64
}

/// How long a shell stands still, at most.
const STOOD_MS: u64 = 8_000;

/// How long after a client's lapse what it did not read may still be too much.
const LAPSE_MS: u64 = 200;

/// How long it takes at most until all shells have looked, twice.
pub(in crate::sim) const LOOKS_MS: u64 = 4 * 90 + 2 * 50 + 4 * GRAIN_MS;

impl Oracle {
    /// The last moment at which something that a client had sent may not have been looked at.
    pub(in crate::sim) fn looked_at(&self, at: usize) -> u64 {
        let session = &self.sessions[at];
        let here = session.unread_until.max(self.stood[session.hub]);
        if session.upgraded {
            return here.saturating_add(50);
        }
        // Its requests may lie anywhere.
        let stood = self.stood.iter().copied().max().unwrap_or_default();
        here.max(stood).max(self.crowded).saturating_add(LOOKS_MS)
    }

    /// Whether all that it sent was looked at since a moment.
    pub(in crate::sim) fn looked_since(&self, at: usize, moment: u64) -> bool {
        let stood = self.stood.iter().copied().max().unwrap_or_default();
        let unread = self.sessions[at].unread_until.max(stood);
        unread.max(self.crowded) < moment
    }

    /// A session ends, or a socket with it, and no call asked for it: something was too late, or
    /// the connection is broken.
    pub(super) fn excuse(&mut self, now: Tick, at: usize, reason: CloseReason) {
        let session = &self.sessions[at];
        let interval = ms(self.config.ping_interval);
        let timeout = ms(self.config.ping_timeout);
        let right = match reason {
            CloseReason::PingTimeout => {
                let due = session.beat + interval;
                // The first packet after the ping gives it the timeout once more.
                let sent = due + GRAIN_MS;
                let grace = session.grace.filter(|first| *first > sent);
                let until = grace.map_or(due, |first| first.max(due)) + timeout;
                session.lapse > due && now.0 >= until
            }
            // It is judged some time after it was slow.
            CloseReason::SlowConsumer => {
                let judged = LAPSE_MS + 2 * ms(SLOW_WAIT);
                let stood = self.stood[session.hub];
                let late = stood.saturating_add(judged).min(now.0) + 1 > now.0;
                let stood = if late { STOOD_MS } else { 0 };
                session.lapse.saturating_add(judged + stood) > now.0
            }
            CloseReason::ForcedClose => {
                let late = |partial: &super::Partial| now.0 >= partial.until;
                session.partial.as_ref().is_some_and(late)
            }
            CloseReason::ForcedServerClose => {
                let until = session.opened + ms(self.config.connect_timeout);
                !session.joined && now.0 >= until
            }
            CloseReason::TransportError => session.left,
            _ => false,
        };
        if !right {
            let Session {
                heard,
                beat,
                grace,
                lapse,
                ..
            } = &self.sessions[at];
            let since = format!("heard {heard}, {grace:?}, beat {beat}, lapse {lapse}");
            self.blame(format!(
                "session {at} ended with {reason} and should not have: {since}, now {}",
                now.0
            ));
        }
    }

    /// The session's transport is the WebSocket now: its heart starts anew.
    pub(in crate::sim) fn upgraded(&mut self, at: usize, now: Tick) {
        self.sessions[at].upgraded = true;
        self.rests(at, now);
    }

    /// The session's next ping is an interval away.
    pub(super) fn rests(&mut self, at: usize, now: Tick) {
        self.sessions[at].beat = now.0;
        self.sessions[at].grace = None;
    }

    /// Something else than a pong came.
    pub(super) fn hears(&mut self, at: usize, now: Tick) {
        let due = self.sessions[at].beat + ms(self.config.ping_interval);
        if now.0 >= due {
            self.sessions[at].grace.get_or_insert(now.0);
        }
    }

    /// Time has passed and every hub has been told: nobody may be overdue.
    pub(in crate::sim) fn check_time(&mut self, now: Tick) {
        let interval = ms(self.config.ping_interval);
        let timeout = ms(self.config.ping_timeout);
        let connect = ms(self.config.connect_timeout);
        let mut late = None;
        for (at, session) in self.sessions.iter().enumerate().filter(|(_, s)| s.open) {
            let looked = self.looked_at(at);
            let upgraded = session.upgraded;
            // And a ping may leave when its time is up.
            let looks = if upgraded { 50 } else { LOOKS_MS + timeout };
            // Two timers, each up to a grain late: the ping's and its answer's.
            let silent = session.heard.max(session.beat) + interval + timeout + 2 * GRAIN_MS;
            let after = looked.saturating_add(2 * timeout + 3 * GRAIN_MS);
            let silent = (silent + looks).max(after);
            // A client busy sending is given the timeout twice.
            let unanswered = session.beat + interval + 2 * timeout + 3 * GRAIN_MS;
            let unanswered = (unanswered + looks).max(after);
            let partial = session.partial.as_ref().map(|partial| partial.until);
            let soon = looked.saturating_add(GRAIN_MS);
            let idle = (session.opened + connect + GRAIN_MS + looks).max(soon);
            if now.0 > silent {
                late = Some((at, "is silent and still open"));
            } else if now.0 > unanswered {
                late = Some((at, "answers no ping and is still open"));
            } else if partial.is_some_and(|until| now.0 > (until + GRAIN_MS + looks).max(soon)) {
                late = Some((at, "owes binary parts and is still open"));
            } else if !session.joined && now.0 > idle {
                late = Some((at, "joined no namespace and is still open"));
            }
        }
        if let Some((at, what)) = late {
            let Session { heard, beat, .. } = self.sessions[at];
            let since = format!("heard at {heard}, beat at {beat}, now {}", now.0);
            self.blame(format!("session {at} {what}: {since}"));
        }
        let stood = |s: &super::Socket| self.stood[s.hub];
        let mut pending = self
            .sockets
            .iter()
            .flat_map(|s| s.pending.values().map(move |p| (stood(s), p)));
        let overdue = pending.any(|(stood, p)| now.0 > p.until.max(stood) + GRAIN_MS);
        self.expect(!overdue, "a question is open after its time");
    }
}
