//! Answers: when did a fanned-out message reach its first, middle, 99th-percentile and last receiver.
//!
//! Over all threads: one slot of counters per message in flight. Must not know how messages travel.

use crate::clock::Nanos;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

#[derive(Debug, Default)]
struct Slot {
    seq: AtomicU32,
    due: AtomicU32,
    seen: AtomicU32,
    first: AtomicU64,
    median: AtomicU64,
    most: AtomicU64,
}

/// The instants of one fully delivered message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// First receiver.
    pub first: Nanos,
    /// Half of the receivers.
    pub median: Nanos,
    /// 99 % of the receivers.
    pub most: Nanos,
    /// All receivers.
    pub last: Nanos,
}

/// Progress of all messages of all fan-out streams.
#[derive(Debug)]
pub struct Board {
    slots: Vec<Slot>,
    window: u32,
    emitted: Vec<AtomicU32>,
}

impl Board {
    /// For `streams` publishers.
    #[must_use]
    pub fn new(streams: usize) -> Self {
        let window = ((1 << 19) / streams.max(1)).clamp(8, 4096);
        let slots = if streams == 0 { 0 } else { streams * window };
        Self {
            slots: std::iter::repeat_with(Slot::default).take(slots).collect(),
            window: window as u32,
            emitted: std::iter::repeat_with(AtomicU32::default)
                .take(streams)
                .collect(),
        }
    }

    fn slot(&self, stream: usize, seq: u32) -> &Slot {
        &self.slots[stream * self.window as usize + (seq % self.window) as usize]
    }

    /// Messages a stream has sent.
    #[must_use]
    pub fn emitted(&self, stream: usize) -> u32 {
        self.emitted[stream].load(Relaxed)
    }

    /// Begins a message to `due` receivers, before it is sent; gives its running number.
    #[must_use]
    pub fn emit(&self, stream: usize, due: u32) -> u32 {
        let seq = self.emitted[stream].fetch_add(1, Relaxed);
        let slot = self.slot(stream, seq);
        // The message itself orders these stores before any receiver's loads: it passes through
        // the server, over two sockets.
        slot.seq.store(seq, Relaxed);
        slot.due.store(due, Relaxed);
        slot.seen.store(0, Relaxed);
        for instant in [&slot.first, &slot.median, &slot.most] {
            instant.store(Nanos::MAX, Relaxed);
        }
        seq
    }

    /// Counts one receiver; gives the instants when it was the last.
    #[must_use]
    pub fn deliver(&self, stream: usize, seq: u32, now: Nanos) -> Option<Delivered> {
        let slot = self.slot(stream, seq);
        if slot.seq.load(Relaxed) != seq {
            return None; // so many later messages that its slot was given away
        }
        let due = slot.due.load(Relaxed);
        let seen = slot.seen.fetch_add(1, Relaxed) + 1;
        if seen == 1 {
            slot.first.store(now, Relaxed);
        }
        if seen == due.div_ceil(2) {
            slot.median.store(now, Relaxed);
        }
        if seen == (u64::from(due) * 99).div_ceil(100) as u32 {
            slot.most.store(now, Relaxed);
        }
        (seen == due).then(|| {
            // Another thread may still be about to store its instant, which is now or just before.
            let instant = |cell: &AtomicU64| cell.load(Relaxed).min(now);
            Delivered {
                first: instant(&slot.first),
                median: instant(&slot.median),
                most: instant(&slot.most),
                last: now,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_of_a_hundred_receivers() {
        let board = Board::new(2);
        assert_eq!(board.emit(1, 100), 0);
        for t in 1..100 {
            assert_eq!(board.deliver(1, 0, t), None);
        }
        let all = Delivered {
            first: 1,
            median: 50,
            most: 99,
            last: 100,
        };
        assert_eq!(board.deliver(1, 0, 100), Some(all));
        assert_eq!(
            board.deliver(1, 0, 101),
            None,
            "a surplus delivery completes nothing"
        );
        assert_eq!((board.emitted(0), board.emitted(1)), (0, 1));
    }

    #[test]
    fn one_receiver_is_first_and_last() {
        let board = Board::new(1);
        let seq = board.emit(0, 1);
        let at = Delivered {
            first: 7,
            median: 7,
            most: 7,
            last: 7,
        };
        assert_eq!(board.deliver(0, seq, 7), Some(at));
    }
}
