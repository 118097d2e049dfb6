//! Answers: what time is it, for a core that has no clock.
//!
//! A [`Tick`] is a number of milliseconds that the shell hands in with every call. It must not
//! know where that number comes from: a monotonic clock in production, a counter in the simulator.

use core::time::Duration;

/// Milliseconds since some origin that the caller chose once; never decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The tick that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// This tick plus `wait`, rounded up to a whole millisecond and saturating at [`Tick::NEVER`].
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let ms = wait.as_nanos().div_ceil(1_000_000);
        Self(self.0.saturating_add(u64::try_from(ms).unwrap_or(u64::MAX)))
    }

    /// Milliseconds from `earlier` to `self`, 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_and_saturates() {
        assert_eq!(Tick(5).after(Duration::from_micros(1)), Tick(6));
        assert_eq!(Tick(5).after(Duration::from_millis(7)), Tick(12));
        assert_eq!(Tick(5).after(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick(3).since(Tick(9)), 0);
    }
}
