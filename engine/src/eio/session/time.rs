//! Answers: when does a session want to be told the time, and what has run out then.

use super::{Expired, HELD_UP_MS, Heart, Session, State};
use crate::{config::Config, time::Tick};

impl Session {
    /// What was queued, a ping maybe, leaves later than it was queued: the time for the pong begins now.
    pub fn send_late(&mut self, now: Tick, config: &Config) {
        match self.heart {
            Heart::AwaitPong { .. } => self.beat = self.beat.max(now.after(config.ping_timeout)),
            Heart::Resting => {}
        }
    }

    /// The next moment at which [`Session::expire`] has something to say.
    #[must_use]
    pub fn deadline(&self) -> Tick {
        match self.state {
            State::Polling { .. } | State::WebSocket { .. } | State::TextOnly { .. } => self.beat,
            State::Upgrading { until, .. } => self.beat.min(until),
            State::LastPoll { .. } => Tick::NEVER,
            State::AwaitingPoll { until }
            | State::Parting { until, .. }
            | State::Draining { until, .. } => until,
        }
    }

    /// Time passes. Call until it says [`Expired::No`]. What the peer has sent was handled if it came
    /// before `judged`, which is `now` or earlier: its own time is up by that.
    pub fn expire(&mut self, now: Tick, judged: Tick, config: &Config) -> Expired {
        debug_assert!(judged <= now, "what is to come was not handled");
        match self.state {
            State::AwaitingPoll { until } | State::Draining { until, .. } => {
                return if until <= now {
                    Expired::Gone
                } else {
                    Expired::No
                };
            }
            State::Upgrading { until, conn, .. } | State::Parting { until, conn, .. }
                if until <= judged =>
            {
                self.abandon_probe();
                return Expired::UpgradeTimeout(conn);
            }
            State::LastPoll { .. } | State::Parting { .. } => return Expired::No,
            State::Polling { .. }
            | State::Upgrading { .. }
            | State::WebSocket { .. }
            | State::TextOnly { .. } => {}
        }
        if self.beat > now {
            return Expired::No;
        }
        match self.heart {
            Heart::AwaitPong { .. } if self.beat > judged => Expired::No,
            Heart::AwaitPong { .. } => Expired::PingTimeout,
            Heart::Resting => {
                self.heart = Heart::AwaitPong { grace: true };
                self.ping_waits = self.outlet().websocket().is_none();
                // From when the ping was due, so that a dead peer is gone after interval and timeout
                // as the official server has it; unless we were held up, which is not its fault.
                let held_up = now.since(self.beat) > HELD_UP_MS;
                let from = if held_up { now } else { self.beat };
                self.beat = from.after(config.ping_timeout);
                Expired::SendPing
            }
        }
    }
}
