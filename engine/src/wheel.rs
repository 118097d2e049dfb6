//! Answers: which keys are due.
//!
//! A hierarchical timer wheel over small integer ids: 5 levels of 64 slots, the finest 1 ms wide.
//! Setting, moving and cancelling are O(1); a timer that is pushed *later* is not moved but
//! re-filed when its slot comes up, so extending a deadline costs one store. The slots are
//! intrusive lists through one table indexed by id: no allocation per timer.
//! It must not know what an id means.

use alloc::vec::Vec;

use crate::{chunks::Chunks, time::Tick};

const LEVELS: usize = 5;
const SLOTS: usize = 64;
/// Milliseconds in the finest slot: the error of a timer, always on the late side.
pub const GRAIN_MS: u64 = 1;
const NONE: u32 = u32::MAX;
const UNFILED: u16 = u16::MAX;

const _: () = {
    assert!(
        SLOTS == u64::BITS as usize,
        "a level's slots are the bits of one number"
    );
    assert!(LEVELS * SLOTS < UNFILED as usize);
    assert!(GRAIN_MS > 0);
};

#[derive(Debug, Clone, Copy)]
struct Node {
    next: u32,
    prev: u32,
    /// The grain this timer is due in.
    when: u64,
    /// `level * SLOTS + slot` of the list it is in, or `UNFILED`.
    filed: u16,
}

const IDLE: Node = Node {
    next: NONE,
    prev: NONE,
    when: u64::MAX,
    filed: UNFILED,
};

/// See the module's text.
#[derive(Debug)]
pub struct Wheel {
    nodes: Chunks<Node>,
    heads: [u32; LEVELS * SLOTS],
    /// One bit per slot that has a timer.
    occupied: [u64; LEVELS],
    /// Every grain before this one has been swept.
    now: u64,
    armed: usize,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            nodes: Chunks::default(),
            heads: [NONE; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            now: 0,
            armed: 0,
        }
    }
}

impl Wheel {
    /// Bytes of a timer, for the guard against growth.
    #[doc(hidden)]
    pub const NODE_BYTES: usize = size_of::<Node>();

    /// Timers set and not yet due or cancelled.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.armed
    }

    /// Whether no timer is set.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.armed == 0
    }

    /// Makes `id` due at `deadline`, in place of what it was due at before.
    ///
    /// Never fires early; at most [`GRAIN_MS`] late.
    pub fn set(&mut self, id: u32, deadline: Tick) {
        let when = deadline.0.div_ceil(GRAIN_MS).max(self.now);
        if let Some(node) = self.nodes.get_mut(id as usize)
            && node.filed != UNFILED
        {
            let earlier = when < node.when;
            node.when = when;
            if earlier {
                self.unlink(id);
                self.link(id);
            }
            return; // a later one's slot comes up first and re-files it
        }
        self.nodes.enter(id as usize, || IDLE).when = when;
        self.armed += 1;
        self.link(id);
    }

    /// Forgets `id`. Does nothing if it is not set.
    pub fn cancel(&mut self, id: u32) {
        let node = self.nodes.get(id as usize);
        if node.is_some_and(|node| node.filed != UNFILED) {
            self.unlink(id);
            self.disarm(id);
        }
    }

    /// Ends the use of a row that is in no list any more.
    fn disarm(&mut self, id: u32) {
        *self.node(id) = IDLE;
        debug_assert!(self.armed > 0, "a timer that was counted");
        self.armed -= 1;
        self.nodes.leave(id as usize);
    }

    /// A tick at or before the first deadline, or `None` when no timer is set.
    ///
    /// Never later than the first deadline, so that sleeping until it is safe; it may be earlier
    /// (a coarse slot has to be taken apart), in which case [`Wheel::advance`] finds nothing due.
    #[must_use]
    pub fn next(&self) -> Option<Tick> {
        let mut first: Option<u64> = None;
        for level in 0..LEVELS {
            let bits = self.occupied[level];
            if bits == 0 {
                continue;
            }
            let shift = 6 * level as u32;
            let here = (self.now >> shift) as u32 & 63;
            let ahead = u64::from(bits.rotate_right(here).trailing_zeros());
            let start = (((self.now >> shift) + ahead) << shift).max(self.now);
            first = Some(first.map_or(start, |f| f.min(start)));
        }
        first.map(|grain| Tick(grain.saturating_mul(GRAIN_MS)))
    }

    /// Moves time on to `now` and appends every id that is due to `due`, which are then unset.
    pub fn advance(&mut self, now: Tick, due: &mut Vec<u32>) {
        let target = now.0 / GRAIN_MS;
        debug_assert!(target + 1 >= self.now, "time goes back");
        while self.now <= target {
            let Some(next) = self.next() else {
                self.now = target + 1;
                return;
            };
            let grain = next.0 / GRAIN_MS;
            if grain > target {
                self.now = target + 1;
                return;
            }
            debug_assert!(grain >= self.now, "what was swept is swept");
            self.now = grain;
            self.sweep(due);
            self.now += 1;
        }
    }

    /// Empties the slots that contain the current grain, coarsest first: what is due is reported,
    /// the rest is filed anew, one level finer or, if it was pushed later, where it belongs now.
    fn sweep(&mut self, due: &mut Vec<u32>) {
        for level in (0..LEVELS).rev() {
            let slot = (self.now >> (6 * level)) as usize & (SLOTS - 1);
            if self.occupied[level] & (1 << slot) == 0 {
                continue;
            }
            self.occupied[level] &= !(1 << slot);
            let mut id = core::mem::replace(&mut self.heads[level * SLOTS + slot], NONE);
            while id != NONE {
                let node = *self.node(id);
                if node.when <= self.now {
                    self.disarm(id);
                    due.push(id);
                } else {
                    self.link(id);
                }
                id = node.next;
            }
        }
    }

    /// What is true of it at any time.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn check(&self) {
        let mut armed = 0;
        for (filed, head) in self.heads.iter().enumerate() {
            let bit = self.occupied[filed / SLOTS] >> (filed % SLOTS) & 1;
            assert_eq!(bit == 1, *head != NONE, "a bit for each slot with a timer");
            let (mut prev, mut id) = (NONE, *head);
            while id != NONE {
                let node = self.nodes.get(id as usize).expect("a row");
                assert_eq!((node.prev, usize::from(node.filed)), (prev, filed));
                assert!(node.when >= self.now, "due in a grain that was swept");
                (prev, id) = (id, node.next);
                armed += 1;
            }
        }
        assert_eq!(armed, self.armed, "each timer is counted, and in one list");
    }

    #[inline]
    fn node(&mut self, id: u32) -> &mut Node {
        let node = self.nodes.get_mut(id as usize);
        node.expect("a timer that is set has a row")
    }

    fn link(&mut self, id: u32) {
        let when = self.node(id).when;
        debug_assert!(when >= self.now, "due in a grain that was swept");
        let away = (when ^ self.now) | 1;
        let level = (away.ilog2() / 6).min(LEVELS as u32 - 1) as usize;
        let slot_of = |grain: u64| grain >> (6 * level);
        let slot = if slot_of(when) - slot_of(self.now) >= SLOTS as u64 {
            // Farther than the wheel reaches (12 days): park it in the last slot to come up. Told by the
            // slots and not by the wait: the slot of a wait a little shorter may be the present one.
            slot_of(self.now).wrapping_sub(1) as usize & (SLOTS - 1)
        } else {
            slot_of(when) as usize & (SLOTS - 1)
        };
        let filed = level * SLOTS + slot;
        let head = core::mem::replace(&mut self.heads[filed], id);
        let node = self.node(id);
        node.next = head;
        node.prev = NONE;
        node.filed = filed as u16;
        if head != NONE {
            self.node(head).prev = id;
        }
        self.occupied[level] |= 1 << slot;
    }

    fn unlink(&mut self, id: u32) {
        let Node {
            next, prev, filed, ..
        } = *self.node(id);
        debug_assert!(filed != UNFILED, "in no list");
        if next != NONE {
            self.node(next).prev = prev;
        }
        if prev == NONE {
            self.heads[filed as usize] = next;
            if next == NONE {
                self.occupied[filed as usize / SLOTS] &= !(1 << (filed as usize % SLOTS));
            }
        } else {
            self.node(prev).next = next;
        }
        self.node(id).filed = UNFILED;
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeMap, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn due(wheel: &mut Wheel, ms: u64) -> Vec<u32> {
        let mut due = vec![];
        wheel.advance(Tick(ms), &mut due);
        due.sort_unstable();
        due
    }

    #[test]
    fn fires_once_and_never_early() {
        let mut wheel = Wheel::default();
        wheel.set(3, Tick(100));
        assert_eq!(due(&mut wheel, 99), []);
        assert_eq!(due(&mut wheel, 100 + GRAIN_MS), [3]);
        assert_eq!(due(&mut wheel, 10_000), []);
        assert!(wheel.is_empty());
    }

    #[test]
    fn a_later_deadline_is_one_store() {
        let mut wheel = Wheel::default();
        wheel.set(0, Tick(1_000));
        wheel.set(0, Tick(26_000));
        assert_eq!(due(&mut wheel, 25_999), []);
        assert_eq!(due(&mut wheel, 26_008), [0]);
    }

    #[test]
    fn an_earlier_deadline_moves_it() {
        let mut wheel = Wheel::default();
        wheel.set(0, Tick(26_000));
        wheel.set(0, Tick(50));
        assert_eq!(due(&mut wheel, 60), [0]);
    }

    #[derive(Debug, Clone)]
    enum Op {
        Set(u32, u64),
        Cancel(u32),
        Advance(u64),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let wait = prop_oneof![
            0u64..600,
            0u64..40_000,
            0u64..9_000_000,
            0u64..40_000_000_000
        ];
        let op = prop_oneof![
            (0u32..12, wait.clone()).prop_map(|(id, wait)| Op::Set(id, wait)),
            (0u32..12).prop_map(Op::Cancel),
            wait.prop_map(Op::Advance),
        ];
        prop::collection::vec(op, 1..60)
    }

    /// How often a shell that sleeps until `next` wakes up before the timer is due.
    fn wakes(now: u64, wait: u64) -> u64 {
        let mut wheel = Wheel::default();
        assert_eq!(due(&mut wheel, now), []);
        wheel.set(0, Tick(now + wait));
        for wakes in 0.. {
            let next = wheel.next().expect("it is set").0;
            let most = LEVELS as u64 + (wait >> (6 * (LEVELS - 1))) + 1;
            assert!(
                wakes <= most,
                "{wakes} wakes for a wait of {wait} from {now}"
            );
            if due(&mut wheel, next) == [0] {
                assert_eq!(next, now + wait);
                return wakes;
            }
            assert!(
                wheel.next() > Some(Tick(next)),
                "{wait} from {now}: it spins"
            );
        }
        unreachable!()
    }

    #[test]
    fn a_far_timer_does_not_wake_for_nothing() {
        // 12.23 to 12.43 days away, from late in a slot of the coarsest level.
        for now in [
            0,
            1,
            (1 << 24) - 1,
            (1 << 24) + 5,
            (7 << 24) - 2,
            (1 << 30) - 1,
        ] {
            for wait in [(1 << 30) - (1 << 24), (1 << 30) - 1, 1 << 30, (1 << 30) + 1] {
                for less in [0, 1, 1 << 10, 1 << 23] {
                    wakes(now, wait - less);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_timer_wakes_for_nothing(now in 0u64..1 << 31, wait in 1u64..1 << 32) {
            wakes(now, wait);
        }

        /// Against a sorted map: the same timers fire, none early, none more than a grain late,
        /// and `next` never lets a sleeper miss one.
        #[test]
        fn agrees_with_a_map(ops in ops()) {
            let mut wheel = Wheel::default();
            let mut model = BTreeMap::new();
            let mut now = 0;
            for op in ops {
                match op {
                    Op::Set(id, wait) => {
                        wheel.set(id, Tick(now + wait));
                        model.insert(id, now + wait);
                    }
                    Op::Cancel(id) => {
                        wheel.cancel(id);
                        model.remove(&id);
                    }
                    Op::Advance(wait) => {
                        now += wait;
                        for id in due(&mut wheel, now) {
                            let when = model.remove(&id).expect("fired a timer that was not set");
                            prop_assert!(when <= now, "early");
                        }
                        for when in model.values() {
                            prop_assert!(*when + GRAIN_MS > now, "late by more than a grain");
                        }
                    }
                }
                wheel.check();
                prop_assert_eq!(wheel.len(), model.len());
                if let Some(first) = model.values().min() {
                    let next = wheel.next().expect("a timer is set").0;
                    prop_assert!(next <= first.next_multiple_of(GRAIN_MS).max(now + GRAIN_MS));
                } else {
                    prop_assert!(wheel.next().is_none());
                }
            }
        }
    }
}
