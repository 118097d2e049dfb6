//! The mailbox on real threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Full, mailbox};

/// A mailbox whose wakes are counted.
fn counted(capacity: usize) -> (super::Sender<u32>, super::Receiver<u32>, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    let (sender, receiver) = mailbox(capacity, move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (sender, receiver, wakes)
}

#[test]
fn one_wake_per_batch() {
    let (sender, receiver, wakes) = counted(8);
    for item in 0..5 {
        sender.clone().try_send(item).unwrap();
    }
    assert_eq!((receiver.len(), wakes.load(Ordering::Relaxed)), (5, 1));
    receiver.begin();
    // What comes in during the batch wakes once more, though the batch takes it.
    sender.try_send(5).unwrap();
    sender.try_send(6).unwrap();
    assert_eq!(wakes.load(Ordering::Relaxed), 2);
    let batch: Vec<_> = std::iter::from_fn(|| receiver.try_recv()).collect();
    assert_eq!(batch, [0, 1, 2, 3, 4, 5, 6]);
    assert!(receiver.is_empty());
}

#[test]
fn full_and_closed_give_the_item_back() {
    let (sender, receiver, wakes) = counted(2);
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(sender.try_send(3), Err(Full::Full(3)));
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    receiver.begin();
    assert_eq!(receiver.try_recv(), Some(1));
    sender.try_send(3).unwrap();
    assert!(!sender.is_closed());
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.try_send(4), Err(Full::Closed(4)));
}

#[test]
fn what_was_sent_before_the_senders_went_is_received() {
    let (sender, receiver, _) = counted(0);
    sender.try_send(1).unwrap();
    drop(sender);
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Some(1), None));
}

/// Four senders against a small mailbox, and a receiver that looks only when it is woken: a lost wake ends in
/// the time limit. Each sender's items arrive in its order, once.
#[test]
fn four_senders_lose_nothing() {
    const SENDERS: usize = 4;
    const ITEMS: usize = if cfg!(miri) { 100 } else { 50_000 };
    let (bell, woken) = crossbeam_channel::unbounded();
    let (sender, receiver) = mailbox(64, move || bell.send(()).unwrap());
    let mut next = [0; SENDERS];
    thread::scope(|scope| {
        for from in 0..SENDERS {
            let sender = sender.clone();
            scope.spawn(move || {
                for number in 0..ITEMS {
                    let mut item = (from, number);
                    while let Err(refused) = sender.try_send(item) {
                        let Full::Full(back) = refused else { return };
                        item = back;
                        thread::yield_now();
                    }
                }
            });
        }
        while next != [ITEMS; SENDERS] {
            // Failing drops nothing the senders wait for: they give up when the receiver goes.
            let Ok(()) = woken.recv_timeout(Duration::from_secs(20)) else {
                break;
            };
            receiver.begin();
            while let Some((from, number)) = receiver.try_recv() {
                assert_eq!(number, next[from]);
                next[from] += 1;
            }
        }
        drop(receiver);
    });
    assert_eq!(next, [ITEMS; SENDERS], "a wake was lost");
    // The last batch may have taken what a later wake was for.
    assert!(woken.try_iter().count() <= 1);
}
