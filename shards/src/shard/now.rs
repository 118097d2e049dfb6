//! Answers: what time is it for this shard.
//!
//! A turn reads the clock once. What the shard stood still, with its process or its machine or in user code, has
//! not passed for its peers: they may have stood still too, or have spoken and not been heard.

use std::cell::Cell;

use stentor_engine::time::Tick;

use crate::clock::Clock;

/// A clock that is read so much later than was expected says that the shard stood still.
pub(crate) const STANDSTILL_MS: u64 = 1_000;

/// One standstill in so long is left out of the clock. A shard that is always late has no standstills: its
/// time goes on, or it would send no pings and its clients would give it up.
const STANDSTILL_EVERY_MS: u64 = 30_000;

/// The time of the turn, and the clock that it comes from.
#[derive(Debug)]
pub(crate) struct Now {
    clock: Cell<Clock>,
    /// Never goes back.
    at: Cell<Tick>,
    /// The clock is read again by then, or the shard stood still.
    expected: Cell<Tick>,
    /// Milliseconds that the clock is behind for that.
    stood_still: Cell<u64>,
    /// When it stood still last.
    stood_at: Cell<Option<Tick>>,
}

impl Now {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock: Cell::new(clock),
            at: Cell::new(clock.now()),
            expected: Cell::new(Tick::NEVER),
            stood_still: Cell::new(0),
            stood_at: Cell::new(None),
        }
    }

    /// The time of the turn.
    #[inline]
    pub(crate) fn get(&self) -> Tick {
        self.at.get()
    }

    /// What the clock says at this moment, which may be later.
    #[inline]
    pub(crate) fn clock(&self) -> Tick {
        self.clock.get().now()
    }

    /// The moment at which it will be `tick`.
    pub(crate) fn instant_of(&self, tick: Tick) -> Option<std::time::Instant> {
        self.clock.get().at(tick)
    }

    /// Says when the clock will be read next, unless something comes.
    pub(crate) fn expect(&self, next: Tick) {
        self.expected.set(next);
    }

    /// Reads the clock.
    pub(crate) fn read(&self) {
        let now = self.clock();
        let late = now.since(self.expected.get().min(now));
        let last = self.stood_at.get();
        let seldom = last.is_none_or(|at| now.since(at) > STANDSTILL_EVERY_MS + late);
        if late > STANDSTILL_MS && seldom {
            self.stood_at.set(Some(self.expected.get()));
            self.clock.set(self.clock.get().without(late));
            self.stood_still.set(self.stood_still.get() + late);
        }
        let now = self.clock().max(self.at.get());
        self.expected.set(now);
        self.at.set(now);
    }

    /// A moment of this shard's clock on the one that the server's threads share.
    pub(crate) fn on_server_clock(&self, own: Tick) -> Tick {
        Tick(own.0.saturating_add(self.stood_still.get()))
    }

    /// The other way round.
    pub(crate) fn on_own_clock(&self, server: Tick) -> Tick {
        match server {
            Tick::NEVER => Tick::NEVER,
            Tick(at) => Tick(at.saturating_sub(self.stood_still.get())),
        }
    }

    /// So many milliseconds have passed at once.
    #[cfg(test)]
    pub(crate) fn jump(&self, ms: u64) {
        self.clock.set(self.clock.get().ahead(ms));
    }
}
