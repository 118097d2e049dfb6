//! Answers: must this send wake the receiver. One flag turns many sends into one wake, and loses none.
//!
//! Must not know the queue, nor how a thread is woken.
//!
//! ```text
//!   sender:    push item ──► is_first: swap(true)  ── was false ──► wake
//!                                                  └─ was true ───► nothing: a wake is pending
//!   receiver:  woken ──► begin: swap(false) ──► pop until empty
//! ```
//!
//! # Why no item is left behind
//!
//! All writes to the flag are swaps, so that they stand in one order, each reading the one before it.
//!
//! 1. *After every `is_first` there comes a `begin`.* Take the last `begin` before it in that order. The
//!    first `is_first` after that one read `false` and wakes; the receiver, woken, calls `begin`; and that
//!    `begin` comes after our `is_first`, since it is not among those before it.
//! 2. *That `begin` sees the item.* Take the first `begin` after our `is_first`. Only `is_first`s stand between
//!    them. A chain of swaps continues the release sequence of the first, so `begin` (acquire) synchronises
//!    with our `is_first` (release). Hence push happens before `is_first`, that before `begin`, and that before the
//!    pops: the item is among what they find.
//!
//! So every push is followed by a batch that sees it. A `begin` that were a plain store would break step 2,
//! since it would read nothing; a sender that looked before it swapped, to spare the swap, would break
//! step 1, since a look may be older than the push.

use super::atomic::{AtomicBool, Ordering};

/// Whether a wake has been given that the receiver has not acted on.
#[derive(Debug, Default)]
pub(super) struct PendingWake(AtomicBool);

impl PendingWake {
    /// For a sender, after its push: whether it is the one to wake the receiver.
    #[inline]
    pub(super) fn is_first(&self) -> bool {
        // Release: step 2. Acquire: pairs with `begin`, so that the receiver has taken the last wake before
        // this one is given, and cannot take both as one.
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// For the receiver, before its pops.
    #[inline]
    pub(super) fn begin(&self) {
        // Acquire: step 2. Release: see `is_first`.
        self.0.swap(false, Ordering::AcqRel);
    }
}
