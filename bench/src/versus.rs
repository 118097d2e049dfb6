//! Answers: is ours faster than theirs, and by which factor, on a machine that is not quiet.
//!
//! Both sides run in turn, in slices of a few milliseconds, each timed by the thread's own CPU
//! time; the ratio is taken within a round, and the median over the rounds is reported. It must
//! not know what the sides do.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "nanoseconds and counts of a measurement stay far below 2^52 and above 0"
)]

pub mod cases;
pub mod json;
pub mod parsers;

use std::time::Duration;

use crate::clock::thread_time;

/// How long to look.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// Rounds; each runs both sides.
    pub rounds: usize,
    /// CPU time of one side in one round.
    pub slice: Duration,
}

impl Rounds {
    /// For figures that are published.
    pub const FULL: Self = Self {
        rounds: 31,
        slice: Duration::from_millis(2),
    };
    /// To see that it works.
    pub const SMOKE: Self = Self {
        rounds: 1,
        slice: Duration::from_micros(10),
    };
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// The table it belongs to.
    pub table: String,
    /// What was done.
    pub work: String,
    /// Bytes of the input, where the table is by size.
    pub bytes: usize,
    /// Our side.
    pub ours: String,
    /// The other.
    pub theirs: String,
    /// Median nanoseconds of one run of ours.
    pub ours_ns: f64,
    /// The same of theirs.
    pub theirs_ns: f64,
    /// Median of ours / theirs within a round: below 1, ours is faster.
    pub ratio: f64,
    /// Lower and upper quartile of that ratio.
    pub quartiles: (f64, f64),
}

fn time(runs: u64, side: &mut impl FnMut()) -> Duration {
    let start = thread_time();
    for _ in 0..runs {
        side();
    }
    thread_time().saturating_sub(start)
}

/// How many runs fill a slice.
fn runs_for(slice: Duration, side: &mut impl FnMut()) -> u64 {
    let mut runs = 1;
    loop {
        let took = time(runs, side);
        if took * 2 >= slice || runs > 1 << 30 {
            return runs;
        }
        runs *= 2;
    }
}

/// The value a share of the way up in sorted values.
fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = share * (values.len() - 1) as f64;
    values[at.round() as usize]
}

/// The name of a row: table, work, ours, theirs.
#[derive(Debug, Clone)]
pub struct Name {
    table: &'static str,
    work: String,
    bytes: usize,
    ours: &'static str,
    theirs: &'static str,
}

impl Rounds {
    /// Runs both sides in turn and compares.
    pub fn compare(self, name: Name, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Row {
        let our_runs = runs_for(self.slice, &mut ours);
        let their_runs = runs_for(self.slice, &mut theirs);
        let (mut our_ns, mut their_ns, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds {
            let mut one = || time(our_runs, &mut ours).as_nanos() as f64 / our_runs as f64;
            let mut other = || time(their_runs, &mut theirs).as_nanos() as f64 / their_runs as f64;
            let (a, b) = if round % 2 == 0 {
                let a = one();
                (a, other())
            } else {
                let b = other();
                (one(), b)
            };
            our_ns.push(a);
            their_ns.push(b);
            ratios.push(a / b.max(f64::MIN_POSITIVE));
        }
        Row {
            table: name.table.to_owned(),
            work: name.work,
            bytes: name.bytes,
            ours: name.ours.to_owned(),
            theirs: name.theirs.to_owned(),
            ours_ns: quantile(&mut our_ns, 0.5),
            theirs_ns: quantile(&mut their_ns, 0.5),
            ratio: quantile(&mut ratios, 0.5),
            quartiles: (quantile(&mut ratios, 0.25), quantile(&mut ratios, 0.75)),
        }
    }
}

/// The smallest size from which on `ours` is the slower side in every row of these.
#[must_use]
pub fn crossover(rows: &[&Row]) -> Option<usize> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.bytes);
    let slower = rows.iter().rev().take_while(|row| row.ratio > 1.0);
    slower.last().map(|row| row.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: usize, ratio: f64) -> Row {
        Row {
            table: String::new(),
            work: String::new(),
            bytes,
            ours: String::new(),
            theirs: String::new(),
            ours_ns: 0.0,
            theirs_ns: 0.0,
            ratio,
            quartiles: (ratio, ratio),
        }
    }

    #[test]
    fn the_crossover_is_where_it_stays() {
        let rows = [
            row(64, 0.5),
            row(128, 1.1),
            row(256, 0.9),
            row(512, 1.2),
            row(1024, 1.5),
        ];
        assert_eq!(crossover(&rows.iter().collect::<Vec<_>>()), Some(512));
        assert_eq!(crossover(&[&row(1, 0.9)]), None);
    }

    #[test]
    fn the_slower_side_has_the_greater_time() {
        let name = Name {
            table: "t",
            work: "w".to_owned(),
            bytes: 0,
            ours: "a",
            theirs: "b",
        };
        let work = |n: u64| {
            move || {
                for i in 0..n {
                    std::hint::black_box(i);
                }
            }
        };
        let rounds = Rounds {
            rounds: 5,
            slice: Duration::from_micros(200),
        };
        let row = rounds.compare(name, work(20_000), work(100));
        assert!(row.ratio > 2.0, "{row:?}");
    }
}
