//! Answers: who waits until a client has taken what was emitted to it.
//!
//! A list of those that wait, looked through at the end of a turn. If nobody waits it costs nothing.

use std::cell::RefCell;

use stentor_engine::hub::SessionKey;
use tokio::sync::oneshot;

use super::Shard;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Drains(RefCell<Vec<(SessionKey, oneshot::Sender<()>)>>);

impl Shard {
    /// Bytes that a session's client has not taken, as of the last flush.
    pub(crate) fn backlog(&self, session: SessionKey) -> usize {
        self.hub.borrow().backlog_bytes(session)
    }

    /// Resolves when all has left that is queued for a session, and fails if it ends before.
    pub(crate) fn drained(&self, session: SessionKey) -> oneshot::Receiver<()> {
        let (done, drained) = oneshot::channel();
        self.drains.0.borrow_mut().push((session, done));
        self.enter();
        drained
    }

    /// Tells those whose client has taken everything, and forgets those whose client has gone. After all
    /// has left that can.
    pub(crate) fn tell_drained(&self) {
        if self.drains.0.borrow().is_empty() {
            return;
        }
        let mut done = Vec::new();
        {
            let hub = self.hub.borrow();
            let mut waiting = self.drains.0.borrow_mut();
            let drained = waiting.extract_if(.., |(session, done)| {
                let ended = !hub.is_open(*session) || done.is_closed();
                ended || hub.is_drained(*session)
            });
            for (session, sender) in drained {
                done.push((hub.is_open(session), sender));
            }
            if waiting.is_empty() {
                waiting.shrink_to_fit();
            }
        }
        // A waker may run code that asks the shard something, so nothing is borrowed.
        for (open, sender) in done {
            if open {
                let _ = sender.send(()); // who asked may have gone
            }
        }
    }
}
