//! Answers: is everything answered at the end of a run, and how much is not.
//!
//! Must not know the protocol.

use super::client::State;
use super::order::UNSET;
use super::worker::Worker;
use crate::clock::Nanos;
use crate::plan::LoadKind;
use std::sync::atomic::Ordering::Relaxed;

/// Names a client's stream among all of a thread: 0 echo, 1 acknowledgements, then fan-outs.
pub(super) fn key(local: u32, stream: usize) -> u64 {
    u64::from(local) << 32 | stream as u64
}

/// Between two looks at all clients.
const LOOK_EVERY: Nanos = 50_000_000;
/// A message that may be lost is waited for no longer than this.
const FLOOD_WAIT: Nanos = 1_000_000_000;

impl Worker<'_> {
    /// Sending is over.
    pub(super) fn settle_begin(&mut self) {
        self.reopen.clear();
        self.shared.stopped.fetch_add(1, Relaxed);
    }

    /// Whether this thread may end.
    pub(super) fn is_finished(&mut self, now: Nanos) -> bool {
        if !self.is_draining() {
            return false;
        }
        if now >= self.shared.close_at.load(Relaxed) {
            return true;
        }
        let all_stopped = self.shared.stopped.load(Relaxed) == self.setup.threads;
        if !self.settled && all_stopped && now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
            let flood = self.setup.fan_kinds.contains(&LoadKind::Flood);
            let patient = flood && now < self.phase_begin + FLOOD_WAIT;
            if !patient && (0..self.opened).all(|local| self.is_settled(local)) {
                self.settled = true;
                self.shared.settled.fetch_add(1, Relaxed);
            }
        }
        self.shared.settled.load(Relaxed) == self.setup.threads
    }

    fn is_settled(&self, local: u32) -> bool {
        if self.clients[local as usize].state != State::Ready {
            return true;
        }
        let (owed, _) = self.outstanding_deliveries(local);
        self.outstanding_replies(local) == 0 && owed == 0
    }

    /// Echoes and acknowledgements a client still waits for.
    pub(super) fn outstanding_replies(&self, local: u32) -> u64 {
        let client = &self.clients[local as usize];
        let echoes = u64::from(client.echo_sent - client.echo_next);
        let acks = u64::from(client.ack_sent - client.ack_next);
        echoes + acks + self.gaps.missing(key(local, 0)) + self.gaps.missing(key(local, 1))
    }

    /// Deliveries a client still waits for: those that are owed, and those that may be lost.
    fn outstanding_deliveries(&self, local: u32) -> (u64, u64) {
        let (mut owed, mut allowed) = (0, 0);
        let streams = self.fan_streams();
        for place in 0..streams {
            let next = self.fan_next[local as usize * streams + place];
            let Some(stream) = self.fan_source(local, place) else {
                continue;
            };
            if next == UNSET {
                continue;
            }
            let tail = self.shared.board.emitted(stream).saturating_sub(next);
            let missing = u64::from(tail) + self.gaps.missing(key(local, 2 + place));
            let kind = self.setup.fan_kinds[place / self.setup.publishers as usize];
            if kind == LoadKind::Flood {
                allowed += missing;
            } else {
                owed += missing;
            }
        }
        (owed, allowed)
    }

    /// Counts what never came and closes everything.
    pub(super) fn finish(&mut self) {
        for local in 0..self.opened {
            if self.clients[local as usize].state == State::Ready {
                let (owed, allowed) = self.outstanding_deliveries(local);
                let lost = self.outstanding_replies(local) + owed;
                self.stats.faults.lost += lost;
                self.stats.tolerated += allowed;
            }
            let client = &mut self.clients[local as usize];
            client.main.close(true);
            client.polling = None;
        }
    }
}
