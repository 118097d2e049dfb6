//! Answers: what time is it, for all that waits or is late. A turn reads it once.
//!
//! The wall clock, which may jump, is read where a date is told: in `net/response.rs` and for
//! [`crate::Handshake::issued`].

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use stentor_engine::time::Tick;

/// A monotonic clock. Those of a server's shards begin together, but each leaves out what its shard stood
/// still: their ticks are not to be compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Tick {
        Tick(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// A clock that is ahead by so many milliseconds: they have passed for a test.
    #[cfg(test)]
    pub(crate) fn ahead(self, ms: u64) -> Self {
        let earlier = self.0.checked_sub(std::time::Duration::from_millis(ms));
        Self(earlier.unwrap_or(self.0))
    }

    /// A clock that is behind by so many milliseconds: they have not passed for it.
    pub(crate) fn without(self, ms: u64) -> Self {
        let later = self.0.checked_add(std::time::Duration::from_millis(ms));
        Self(later.unwrap_or(self.0))
    }

    /// The moment at which [`Clock::now`] will be at least `tick`.
    pub(crate) fn at(self, tick: Tick) -> Option<Instant> {
        self.0.checked_add(std::time::Duration::from_millis(tick.0))
    }
}

/// Milliseconds for which this thread has had a processor. A system call, unlike the other clock.
pub(crate) fn processor_ms() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let ms = time.tv_sec * 1_000 + time.tv_nsec / 1_000_000;
    u64::try_from(ms).unwrap_or(0)
}
