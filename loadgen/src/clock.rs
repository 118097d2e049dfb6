//! Answers: how long is it since the run began.
//!
//! In nanoseconds, the same for every thread. Must not know what is being measured.

use std::time::Instant;

/// Nanoseconds since the run began.
pub type Nanos = u64;

/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;

/// The run's own clock; copies share their beginning.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }

    /// Nanoseconds since the start (584 years fit).
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.epoch.elapsed().as_nanos() as Nanos
    }
}

/// Seconds to [`Nanos`]; negative values count as none.
#[must_use]
#[expect(clippy::cast_sign_loss, reason = "clamped to zero first")]
pub fn nanos(secs: f64) -> Nanos {
    (secs.max(0.0) * 1e9) as Nanos
}

/// [`Nanos`] to seconds.
#[must_use]
pub fn secs(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}
