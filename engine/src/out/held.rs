//! Answers: how many bytes do the backlogs of all sessions hold together.
//!
//! Own bytes count by capacity. A packet that many backlogs share counts once, so that a broadcast to
//! a thousand slow readers weighs what it takes. Only backlogs are counted here: a session whose
//! packets leave in their turn never comes near it.

use hashbrown::HashMap;

use crate::frame::Frame;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Held {
    own: usize,
    shared: usize,
    /// By where the bytes lie: their length and how many backlogs hold them.
    holders: HashMap<usize, (usize, usize), foldhash::fast::FixedState>,
}

impl Held {
    /// Bytes held, in all.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.own + self.shared
    }

    pub(super) const fn grow(&mut self, capacity: usize) {
        self.own += capacity;
    }

    pub(super) fn shrink(&mut self, capacity: usize) {
        debug_assert!(self.own >= capacity, "more given back than was held");
        self.own = self.own.saturating_sub(capacity);
    }

    pub(super) fn share(&mut self, frame: &Frame) {
        let len = frame.0.len();
        let (_, holders) = self.holders.entry(place(frame)).or_insert((len, 0));
        *holders += 1;
        if *holders == 1 {
            self.shared += len;
        }
    }

    pub(super) fn unshare(&mut self, frame: &Frame) {
        let Some((len, holders)) = self.holders.get_mut(&place(frame)) else {
            debug_assert!(false, "a shared packet that was not counted");
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            self.shared -= *len;
            self.holders.remove(&place(frame));
            if self.holders.is_empty() {
                self.holders.shrink_to(64);
            }
        }
    }
}

/// A frame lives for as long as a backlog holds it, so no other can lie where it lies.
fn place(frame: &Frame) -> usize {
    frame.0.as_ptr() as usize
}
