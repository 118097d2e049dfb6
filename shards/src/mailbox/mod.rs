//! Answers: how does something reach a shard's thread from another thread, in order, bounded, and with no
//! more wakes than batches.
//!
//! One bounded channel per shard, many senders, one receiver. Must not know what is sent (`T`), who receives it, or how a thread is woken
//! (a closure: an eventfd, a tokio `Notify`, …). Imports nothing of ours.
//!
//! The channel is crossbeam's. It has no wake for a receiver that waits elsewhere, so `wake` adds one.

mod wake;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// The atomics that `wake` is built on; `model` builds the same file on loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, Ordering};
}

use std::fmt;
use std::sync::Arc;

use crossbeam_channel::TrySendError;

use self::atomic::{AtomicBool, Ordering};
use self::wake::PendingWake;

/// Makes a mailbox for at most `capacity` items, at least one. `wake` is called on the sending thread, at
/// most once between two [`Receiver::begin`]; it must make the receiver's thread call `begin` and drain,
/// soon, and must not block.
pub fn mailbox<T: Send>(
    capacity: usize,
    wake: impl Fn() + Send + Sync + 'static,
) -> (Sender<T>, Receiver<T>) {
    // A capacity of zero is, to crossbeam, a rendezvous, which a receiver that never blocks cannot keep.
    let (sender, receiver) = crossbeam_channel::bounded(capacity.max(1));
    let bell = Arc::new(Bell {
        pending: PendingWake::default(),
        closed: AtomicBool::new(false),
        wake: Box::new(wake),
    });
    let mailbox = Sender {
        channel: sender,
        bell: Arc::clone(&bell),
    };
    (
        mailbox,
        Receiver {
            channel: receiver,
            bell,
        },
    )
}

/// The sending end. Cheap to clone, one per thread that sends.
pub struct Sender<T> {
    channel: crossbeam_channel::Sender<T>,
    bell: Arc<Bell>,
}

/// The receiving end, of which there is one.
pub struct Receiver<T> {
    channel: crossbeam_channel::Receiver<T>,
    bell: Arc<Bell>,
}

/// An item that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full<T> {
    /// The mailbox holds as much as it may. The receiver has been woken for what is in it; try again later.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// On cache lines of its own (two, since they are fetched in pairs): every send writes it.
#[repr(align(128))]
struct Bell {
    pending: PendingWake,
    /// The receiver is gone.
    closed: AtomicBool,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl<T> Sender<T> {
    /// Sends, and wakes the receiver unless a wake is pending already. Items of one sender arrive in order.
    ///
    /// # Errors
    ///
    /// The item comes back if there is no room for it, or nobody to receive it.
    pub fn try_send(&self, item: T) -> Result<(), Full<T>> {
        self.channel.try_send(item).map_err(|error| match error {
            TrySendError::Full(item) => Full::Full(item),
            TrySendError::Disconnected(item) => Full::Closed(item),
        })?;
        // After the send, never before it: `wake` has the argument.
        if self.bell.pending.is_first() {
            (self.bell.wake)();
        }
        Ok(())
    }

    /// Wakes the receiver though nothing is sent: whoever hears nothing of it may want to see it move.
    pub fn wake(&self) {
        (self.bell.wake)();
    }

    /// Whether the receiver is gone, without sending anything.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.bell.closed.load(Ordering::Relaxed) // nothing is read on the strength of it
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.bell.closed.store(true, Ordering::Relaxed);
    }
}

impl<T> Receiver<T> {
    /// Starts a batch: call it when woken, after taking the wake itself (reading the eventfd), then
    /// [`Self::try_recv`] until there is nothing. Items already there bring no further wake, so that a
    /// receiver which stops early, for the sake of others, must remember to go on by itself.
    pub fn begin(&self) {
        self.bell.pending.begin();
    }

    /// The next item, if there is one. May spin for as long as a sender is between taking a place and
    /// filling it.
    #[must_use]
    pub fn try_recv(&self) -> Option<T> {
        // "Disconnected" says only that no sender is left, and comes after the last item.
        self.channel.try_recv().ok()
    }

    /// How many items wait, as far as can be said while others send.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channel.len()
    }

    /// Whether no item waits, as far as can be said while others send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channel.is_empty()
    }
}

// Not derived: that would ask `T` to be `Clone`.
impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            channel: self.channel.clone(),
            bell: Arc::clone(&self.bell),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("len", &self.channel.len())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("len", &self.channel.len())
            .finish_non_exhaustive()
    }
}
