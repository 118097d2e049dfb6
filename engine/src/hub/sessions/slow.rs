//! Answers: which sessions are slow, and what becomes of them.
//!
//! A burst is no slowness: a client that was given no time has not refused to read. So a session with
//! more queued than its bound is watched. Nothing is read from its WebSocket meanwhile, and its POSTs
//! wait a little, so that its own messages bring no more answers than it takes. It ends when it takes too little in [`SLOW_WAIT`], or at once when
//! more than [`OUTBOX_HARD_CAP`] times the bound is queued.

use super::{Due, Entry, Outlet, SessionKey, Sessions, Signal, Tick, Vec};
use crate::limits::{OUTBOX_HARD_CAP, SLOW_SHARE, SLOW_WAIT};

impl Entry {
    /// Bytes that wait for the session's peer to take them.
    pub(crate) fn backlog_bytes(&self) -> usize {
        self.outbox.backlog_bytes()
    }
}

impl Sessions {
    /// Bytes that the backlogs of all sessions hold.
    #[must_use]
    pub(in crate::hub) const fn backlog_total(&self) -> usize {
        self.held.bytes()
    }

    /// Whether a session has more queued than its bound, or had and has not taken half of it since.
    #[must_use]
    pub(in crate::hub) fn is_watched(&self, key: SessionKey) -> bool {
        let entry = self.slab.get(key);
        entry.is_some_and(|entry| entry.outbox.watched().is_some())
    }

    /// Looks at a backlog that has grown or shrunk; `watched` if the session was watched before. True
    /// if the session has to be closed.
    pub(super) fn weigh(&mut self, now: Tick, key: SessionKey, watched: bool) -> bool {
        let bound = self.config.limits.outbox_bytes;
        let Some(entry) = self.slab.get_mut(key) else {
            return false;
        };
        if !watched && !entry.outbox.is_over(bound) {
            return false;
        }
        if entry.outbox.is_over(bound.saturating_mul(OUTBOX_HARD_CAP)) {
            return true;
        }
        let websocket = entry.session.outlet().websocket();
        if !watched {
            let until = now.after(SLOW_WAIT);
            entry.outbox.watch(until);
            self.slow.push_back((until, key));
            self.signals.extend(websocket.map(Signal::Pause));
        } else if entry.outbox.backlog_bytes() <= bound / 2 {
            entry.outbox.unwatch();
            self.signals.extend(websocket.map(Signal::Resume));
        }
        false
    }

    /// When the next watched session is looked at.
    pub(super) fn slow_deadline(&self) -> Option<Tick> {
        self.slow.front().map(|(until, _)| *until)
    }

    /// Reports the watched sessions that took too little in their time.
    pub(super) fn judge_slow(&mut self, now: Tick, report: &mut Vec<Due>) {
        let least = self.config.limits.outbox_bytes / SLOW_SHARE;
        while let Some((until, key)) = self.slow.pop_front_if(|(until, _)| *until <= now) {
            let Some(entry) = self.slab.get_mut(key) else {
                continue;
            };
            let Some((_, taken)) = entry.outbox.watched().filter(|(at, _)| *at == until) else {
                continue; // no more, or again
            };
            // What it was not offered it could not take.
            let offered = match entry.session.outlet() {
                Outlet::WebSocket(_) => entry.blocked && !entry.dirty && !entry.waiting,
                Outlet::Poll => false,
                Outlet::None => entry.session.probing().is_none(),
            };
            if offered && taken < least.max(1) {
                report.push(Due::Slow(key));
            } else {
                let until = now.after(SLOW_WAIT);
                entry.outbox.watch(until);
                self.slow.push_back((until, key));
            }
        }
    }
}
