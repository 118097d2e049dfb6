//! Answers: how long did this take, on a machine that others use too.
//!
//! The thread's own CPU time: being preempted costs nothing, only caches feel the neighbours. It
//! must not be used for what other threads do; those benches take the wall clock.

use std::time::Duration;

use criterion::{
    Criterion, Throughput,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use rustix::time::{ClockId, clock_gettime};

/// Criterion with [`ThreadTime`].
pub type Bench = Criterion<ThreadTime>;

/// CPU time of the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadTime;

/// CPU time that this thread has used.
#[must_use]
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Duration::new(seconds, nanos as u32) // nanoseconds of a second fit
}

impl Measurement for ThreadTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        thread_time()
    }

    fn end(&self, start: Duration) -> Duration {
        thread_time().saturating_sub(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_secs_f64() * 1e9
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        static WALL: WallTime = WallTime;
        WALL.formatter()
    }
}

/// So many of something in one iteration.
#[must_use]
pub fn elements(count: usize) -> Throughput {
    Throughput::Elements(count as u64)
}
