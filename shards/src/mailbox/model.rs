//! Answers: does `wake.rs` lose no item, in any interleaving and with any reordering that the memory model
//! allows. It is the same file, on loom's atomics. Needs no `cfg(loom)`, which would change (and break) tokio too.
//!
//! The queue is the weakest there could be: one relaxed word per item, which orders nothing. If the items are
//! seen all the same, it is the flag that makes them seen; crossbeam's queue can only order more.

use loom::sync::atomic::AtomicUsize;
use loom::sync::{Arc, Notify};
use loom::thread;

use self::wake::PendingWake;

#[allow(
    clippy::duplicate_mod,
    reason = "the second time on loom's atomics: that is the point"
)]
#[path = "wake.rs"]
mod wake;

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering};
}

use self::atomic::Ordering;

struct Mailbox {
    pending: PendingWake,
    /// How much each sender has pushed.
    pushed: Vec<AtomicUsize>,
    bell: Notify,
    /// Wakes given.
    wakes: AtomicUsize,
}

/// Each sender sends `items`; the receiver ends when it has seen all. A lost wake is, to loom, a deadlock.
fn every_item_is_seen(senders: usize, items: usize) {
    let mailbox = Arc::new(Mailbox {
        pending: PendingWake::default(),
        pushed: (0..senders).map(|_| AtomicUsize::new(0)).collect(),
        bell: Notify::new(),
        wakes: AtomicUsize::new(0),
    });
    for sender in 0..senders {
        let mailbox = Arc::clone(&mailbox);
        thread::spawn(move || {
            for item in 1..=items {
                mailbox.pushed[sender].store(item, Ordering::Relaxed);
                if mailbox.pending.is_first() {
                    mailbox.wakes.fetch_add(1, Ordering::Relaxed);
                    mailbox.bell.notify();
                }
            }
        });
    }
    let mut batches = 0;
    loop {
        mailbox.bell.wait();
        mailbox.pending.begin();
        batches += 1;
        let seen: usize = mailbox
            .pushed
            .iter()
            .map(|pushed| pushed.load(Ordering::Relaxed))
            .sum();
        if seen == senders * items {
            break;
        }
    }
    // At most one wake follows the last batch: that of an item which it had seen already.
    assert!(mailbox.wakes.load(Ordering::Relaxed) <= batches + 1);
}

/// Every order of steps with at most so many forced switches; three show nearly all bugs there are, and more
/// take seconds.
fn check(switches: usize, senders: usize, items: usize) {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(switches);
    bounded.check(move || every_item_is_seen(senders, items));
}

#[test]
fn no_wake_is_lost_with_one_sender() {
    check(3, 1, 3);
}

#[test]
fn no_wake_is_lost_with_two_senders() {
    check(3, 2, 1);
}

#[test]
fn no_wake_is_lost_with_two_senders_of_two() {
    check(2, 2, 2);
}
