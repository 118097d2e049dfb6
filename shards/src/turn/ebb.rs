//! Answers: when have so many clients gone that memory should go back to the system.
//!
//! Tables and lists free what they do not need at once, but an allocator may keep it for the thread
//! that freed it. Asking it costs up to some milliseconds, so it is asked after great departures only,
//! and not in the middle of one. It must not know which allocator there is.

use stentor_engine::{id::ShardId, time::Tick};

/// A shard that never held more has nothing to give back that is worth the question.
const MANY: usize = 2 * 1024;
/// Clients that leave together have left within this time, in milliseconds.
const WAIT_MS: u64 = 3_000;
/// Shards whose clients left together ask one after the other: allocators do this for the whole
/// process, mimalloc for one thread at a time, and turns the others away.
const STAGGER_MS: u64 = 16;

/// Watches how many connections and sessions a shard holds; a client is one of each.
#[derive(Debug)]
pub(super) struct Ebb {
    /// The most that were held since memory was last given back.
    most: usize,
    /// When so few are left, memory is given back. `None` if nothing is to be expected of that.
    few: Option<usize>,
    due: Tick,
    wait: u64,
}

impl Ebb {
    pub(super) fn new(shard: ShardId) -> Self {
        Self {
            most: 0,
            few: None,
            due: Tick::NEVER,
            wait: WAIT_MS + STAGGER_MS * u64::from(shard.0),
        }
    }

    /// When [`Self::is_due`] must be asked again, whatever happens.
    pub(super) const fn due(&self) -> Tick {
        self.due
    }

    /// Whether memory is to be given back now that `held` are left.
    pub(super) fn is_due(&mut self, held: usize, now: Tick) -> bool {
        if held > self.most {
            self.most = held;
            if held >= MANY {
                self.few = self.few.max(Some(held / 4));
            }
        }
        let low = self.few.is_some_and(|few| held <= few);
        if self.due == Tick::NEVER {
            if low {
                self.due = Tick(now.0.saturating_add(self.wait));
            }
            return false;
        }
        if now < self.due {
            return false;
        }
        self.due = Tick::NEVER;
        if !low {
            return false; // they are back already
        }
        // Those who are left may hold all that the others freed: once more at half of them, down to none.
        self.most = held;
        self.few = (held > 0).then_some(held / 2);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_for_each_great_departure() {
        let mut ebb = Ebb::new(ShardId(0));
        assert!(!ebb.is_due(8_000, Tick(0)));
        assert!(!ebb.is_due(2_001, Tick(1)));
        assert_eq!(ebb.due(), Tick::NEVER);
        assert!(!ebb.is_due(2_000, Tick(2)));
        assert_eq!(ebb.due(), Tick(2 + WAIT_MS));
        assert!(!ebb.is_due(0, Tick(1 + WAIT_MS)));
        assert!(ebb.is_due(0, Tick(2 + WAIT_MS)));
        for held in [0, 1_000, 0] {
            assert!(!ebb.is_due(held, Tick(3 + WAIT_MS)));
            assert_eq!(ebb.due(), Tick::NEVER, "the thousand is not worth it");
        }
    }

    #[test]
    fn those_who_leave_late_are_waited_for() {
        let mut ebb = Ebb::new(ShardId(0));
        ebb.is_due(4_000, Tick(0));
        let mut asked = Vec::new();
        for held in (0..=1_000).rev() {
            ebb.is_due(held, Tick(0)); // arms
            if ebb.due() != Tick::NEVER && ebb.is_due(held, ebb.due()) {
                asked.push(held);
            }
        }
        assert_eq!(asked, [1_000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 0]);
    }

    #[test]
    fn a_few_who_come_and_go_do_not_count() {
        let mut ebb = Ebb::new(ShardId(0));
        ebb.is_due(4_000, Tick(0));
        ebb.is_due(100, Tick(0));
        assert!(ebb.is_due(100, ebb.due()));
        for held in [51, 200, 51, 2_000, 51] {
            assert!(!ebb.is_due(held, Tick(9_000)));
            assert_eq!(ebb.due(), Tick::NEVER);
        }
    }

    #[test]
    fn not_if_they_come_back() {
        let mut ebb = Ebb::new(ShardId(1));
        ebb.is_due(4_000, Tick(0));
        ebb.is_due(0, Tick(1));
        let due = ebb.due();
        assert_eq!(due, Tick(1 + WAIT_MS + STAGGER_MS));
        assert!(!ebb.is_due(3_000, due));
        assert_eq!(ebb.due(), Tick::NEVER);
        ebb.is_due(0, due);
        assert!(ebb.is_due(0, ebb.due()));
    }

    #[test]
    fn never_for_few() {
        let mut ebb = Ebb::new(ShardId(0));
        ebb.is_due(MANY - 1, Tick(0));
        assert!(!ebb.is_due(0, Tick(1)));
        assert_eq!(ebb.due(), Tick::NEVER);
    }
}
