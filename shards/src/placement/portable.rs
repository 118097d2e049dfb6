//! Answers: what of cores is there on a system other than Linux: threads run where the system likes.
//!
//! The same items as `linux` beside it.

/// No thread is pinned.
pub(super) const fn unpin() -> bool {
    true
}

/// No thread is pinned.
pub(super) const fn pin(_: usize) -> Option<usize> {
    None
}
