//! Answers: when is this thread's next message planned, and whose is it.
//!
//! Splits one load's open schedule over threads so that together they send exactly the load's rate. Must
//! not know sockets; a schedule never waits for answers, which is its whole point.

use super::Arrivals;
use super::course::Slope;
use crate::clock::{Nanos, nanos};

/// One thread's part of one load's schedule.
#[derive(Debug)]
pub struct Schedule {
    slope: Slope,
    begin: Nanos,
    end: Nanos,
    /// Positions of this thread's senders in the round of all senders.
    positions: Vec<u32>,
    /// Senders in a whole round.
    round: u32,
    done: u64,
    drawn: f64,
    random: Option<fastrand::Rng>,
    next: Nanos,
}

impl Schedule {
    /// A schedule over `begin..end`. `positions` are this thread's places in a round of `round`;
    /// without any, nothing is ever due.
    #[must_use]
    pub fn new(
        slope: Slope,
        (begin, end): (Nanos, Nanos),
        positions: Vec<u32>,
        round: u32,
        arrivals: Arrivals,
        seed: u64,
    ) -> Self {
        let random = (arrivals == Arrivals::Poisson).then(|| fastrand::Rng::with_seed(seed));
        let next = Nanos::MAX;
        let mut made = Self {
            slope,
            begin,
            end,
            positions,
            round,
            done: 0,
            drawn: 0.0,
            random,
            next,
        };
        made.plan_next();
        made
    }

    /// The planned instant of the next message; [`Nanos::MAX`] when there is none.
    #[must_use]
    pub fn next(&self) -> Nanos {
        self.next
    }

    /// Takes the next message: its planned instant and its sender's position in the round.
    pub fn take(&mut self) -> (Nanos, u32) {
        let own = self.done % self.positions.len().max(1) as u64;
        let taken = (
            self.next,
            self.positions.get(own as usize).copied().unwrap_or(0),
        );
        self.done += 1;
        self.plan_next();
        taken
    }

    fn plan_next(&mut self) {
        self.next = Nanos::MAX;
        let own = self.positions.len() as u64;
        if own == 0 {
            return;
        }
        let count = if let Some(random) = &mut self.random {
            // This thread has its share of the rate; gaps between its own messages are drawn.
            let gap = -(1.0 - random.f64()).ln();
            self.drawn += gap * f64::from(self.round) / own as f64;
            self.drawn
        } else {
            let place = self.positions[(self.done % own) as usize];
            (self.done / own * u64::from(self.round) + u64::from(place)) as f64 + 0.5
        };
        let at = self.slope.instant_of(count);
        if at.is_finite() {
            let planned = self.begin.saturating_add(nanos(at));
            if planned < self.end {
                self.next = planned;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(rate: f64) -> Slope {
        Slope {
            from: rate,
            to: rate,
            secs: 1.0,
        }
    }

    fn all(mut schedule: Schedule) -> Vec<Nanos> {
        let mut taken = Vec::new();
        while schedule.next() < Nanos::MAX {
            taken.push(schedule.take().0);
        }
        taken
    }

    #[test]
    fn threads_share_one_even_rate() {
        let part = |w| {
            all(Schedule::new(
                flat(1000.0),
                (0, 1_000_000_000),
                vec![w],
                3,
                Arrivals::Even,
                1,
            ))
        };
        let mut together: Vec<_> = (0..3).flat_map(part).collect();
        together.sort_unstable();
        assert_eq!(together.len(), 1000);
        // Rounding to whole nanoseconds may take or add one.
        assert!(
            together
                .windows(2)
                .all(|w| (w[1] - w[0]).abs_diff(1_000_000) <= 1)
        );
    }

    #[test]
    fn poisson_keeps_the_rate_on_average() {
        let window = (0, 20_000_000_000);
        let part = |w| {
            let taken = Schedule::new(
                flat(1000.0),
                window,
                vec![w],
                2,
                Arrivals::Poisson,
                w.into(),
            );
            all(taken).len()
        };
        let total = part(0) + part(1);
        assert!((19_000..21_000).contains(&total), "{total}");
    }

    #[test]
    fn no_senders_no_messages() {
        assert!(
            all(Schedule::new(
                flat(9.0),
                (0, 9),
                vec![],
                1,
                Arrivals::Even,
                1
            ))
            .is_empty()
        );
    }
}
