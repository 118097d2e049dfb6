//! Answers: did this running number come in its turn.
//!
//! Remembers only what is missing, so a stream in good order costs four bytes. Must not know what the
//! numbers stand for.

use std::collections::{BTreeSet, HashMap};

/// What a number turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The one that was due.
    InOrder,
    /// Later ones are here; those between are missing for now.
    Ahead,
    /// Was missing: came after a later one.
    Late,
    /// Came before.
    Again,
    /// So far ahead that it cannot be ours.
    Absurd,
}

/// Marks a stream whose first number is not known beforehand.
pub const UNSET: u32 = u32::MAX;

/// The numbers missing from many streams.
#[derive(Debug, Default)]
pub struct Gaps {
    missing: HashMap<u64, BTreeSet<u32>>,
}

impl Gaps {
    /// Judges `seq` on stream `key`, whose next due number is `next`.
    pub fn see(&mut self, key: u64, next: &mut u32, seq: u32) -> Seen {
        if *next == seq || *next == UNSET {
            *next = seq + 1;
            return Seen::InOrder;
        }
        if seq < *next {
            let Some(missing) = self.missing.get_mut(&key) else {
                return Seen::Again;
            };
            let late = missing.remove(&seq);
            if missing.is_empty() {
                self.missing.remove(&key);
            }
            return if late { Seen::Late } else { Seen::Again };
        }
        if seq - *next > 1_000_000 {
            return Seen::Absurd;
        }
        self.missing.entry(key).or_default().extend(*next..seq);
        *next = seq + 1;
        Seen::Ahead
    }

    /// How many numbers a stream lacks.
    #[must_use]
    pub fn missing(&self, key: u64) -> u64 {
        if self.missing.is_empty() {
            return 0;
        }
        self.missing.get(&key).map_or(0, |m| m.len() as u64)
    }

    /// Forgets a stream.
    pub fn forget(&mut self, key: u64) {
        if !self.missing.is_empty() {
            self.missing.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(numbers: &[u32]) -> (Vec<Seen>, u64) {
        let mut gaps = Gaps::default();
        let mut next = 0;
        let seen = numbers.iter().map(|n| gaps.see(1, &mut next, *n)).collect();
        (seen, gaps.missing(1))
    }

    #[test]
    fn tells_lost_late_and_doubled_apart() {
        use Seen::{Absurd, Again, Ahead, InOrder, Late};
        assert_eq!(run(&[0, 1, 2]), (vec![InOrder; 3], 0));
        assert_eq!(run(&[0, 2, 3]), (vec![InOrder, Ahead, InOrder], 1));
        assert_eq!(run(&[0, 2, 1, 3]), (vec![InOrder, Ahead, Late, InOrder], 0));
        assert_eq!(run(&[0, 1, 1]), (vec![InOrder, InOrder, Again], 0));
        assert_eq!(run(&[0, 2, 1, 1]), (vec![InOrder, Ahead, Late, Again], 0));
        assert_eq!(run(&[5_000_000]), (vec![Absurd], 0));
    }

    #[test]
    fn a_late_joiner_takes_the_first_number_it_sees() {
        let mut gaps = Gaps::default();
        let mut next = UNSET;
        assert_eq!(gaps.see(1, &mut next, 40), Seen::InOrder);
        assert_eq!(gaps.see(1, &mut next, 42), Seen::Ahead);
        gaps.forget(1);
        assert_eq!(gaps.missing(1), 0);
    }
}
