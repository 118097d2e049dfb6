//! Answers: which of this shard's ack requests to clients are open.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use stentor_engine::{
    error::PacketTooLarge,
    hub::{AckNews, AckOutcome, Emit, Selection},
    slab::{Key, Slab},
};
use tokio::sync::mpsc;

use super::Shard;
use crate::post::{Ask, Settled};

/// How long an ack request waits for its answer unless told otherwise. The official server waits for
/// ever, which leaks; this is below its ping timeout.
pub(crate) const DEFAULT_ACK_WAIT: Duration = Duration::from_secs(20);

/// The answer to an ack request to one client, for a task of this shard: no lock, no channel.
#[derive(Debug, Default)]
struct Slot {
    answer: Option<AckOutcome>,
    waker: Option<Waker>,
}

/// How much of an ack request to many is to come, and where it goes.
#[derive(Debug)]
struct Many {
    /// Shards that have not said how many sockets they asked.
    silent: Cell<u32>,
    /// Sockets asked and not settled. May be negative in between: news of two shards are not
    /// ordered.
    open: Cell<isize>,
    /// To whoever asks, who may be on any thread.
    answers: mpsc::UnboundedSender<Settled>,
}

impl Many {
    const fn is_over(&self) -> bool {
        self.silent.get() == 0 && self.open.get() == 0
    }
}

/// Who learns the news of an ack request.
#[derive(Debug, Clone)]
enum Asker {
    One(Rc<RefCell<Slot>>),
    Many(Rc<Many>),
}

/// The open ack requests of one shard.
#[derive(Debug, Default)]
pub(crate) struct Acks(RefCell<Slab<Asker>>);

impl Acks {
    /// News of an ack request; nobody may be interested any more.
    pub(crate) fn tell(&self, token: u64, news: AckNews) {
        let key = Key::from_bits(token);
        // Nothing is borrowed while a task is woken.
        let asker = self.0.borrow().get(key).cloned();
        let over = match (asker, news) {
            (None, _) | (Some(Asker::One(_)), AckNews::Asked(_)) => return,
            (Some(Asker::One(slot)), AckNews::Settled(_, answer)) => {
                let mut slot = slot.borrow_mut();
                slot.answer = Some(answer);
                let waker = slot.waker.take();
                drop(slot);
                if let Some(waker) = waker {
                    waker.wake();
                }
                return;
            }
            (Some(Asker::Many(many)), AckNews::Asked(count)) => {
                many.silent.set(many.silent.get() - 1);
                many.open.set(many.open.get() + count.cast_signed());
                many.is_over()
            }
            (Some(Asker::Many(many)), AckNews::Settled(who, answer)) => {
                many.open.set(many.open.get() - 1);
                // Nobody listening is nobody interested.
                many.answers.send((who, answer)).is_err() || many.is_over()
            }
        };
        if over {
            let gone = self.0.borrow_mut().remove(key);
            drop(gone); // and the answers end
        }
    }
}

impl Shard {
    /// Puts an ack request to everybody whom `to` means; the answers go to `answers`, which is dropped
    /// after the last. If the ack request is too large nobody is asked.
    pub(crate) fn publish_with_ack(
        &self,
        to: Selection,
        emit: &Emit<'_>,
        timeout: Duration,
        answers: mpsc::UnboundedSender<Settled>,
    ) -> Result<(), PacketTooLarge> {
        let many = Rc::new(Many {
            silent: Cell::new(u32::MAX),
            open: Cell::new(0),
            answers,
        });
        let asker = Asker::Many(Rc::clone(&many));
        let key = self.acks.0.borrow_mut().insert(asker);
        let result =
            self.with_hub(|hub, now| hub.publish_with_ack(now, to, emit, key.to_bits(), timeout));
        let shards = result.inspect_err(|_| {
            self.acks.0.borrow_mut().remove(key);
        })?;
        // No news has been told yet: that is done when the hub's events are drained.
        many.silent.set(shards);
        Ok(())
    }

    /// A thread that is no shard asks clients for an answer.
    pub(crate) fn ask_for(&self, ask: Ask) {
        let Ask {
            to,
            name,
            args,
            attachments,
            flags,
            timeout,
            answers,
        } = ask;
        let emit = Emit {
            name: &name,
            args: &args,
            attachments: &attachments,
            volatile: flags.volatile,
            compress: flags.compress,
        };
        // The thread that asks has looked at its size.
        let _ = self.publish_with_ack(to, &emit, timeout, answers);
    }
}

/// An open ack request to one client; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct PendingAck {
    shard: Rc<Shard>,
    token: u64,
    slot: Rc<RefCell<Slot>>,
}

impl PendingAck {
    pub(crate) fn new(shard: &Rc<Shard>) -> Self {
        let slot = Rc::<RefCell<Slot>>::default();
        let asker = Asker::One(Rc::clone(&slot));
        let token = shard.acks.0.borrow_mut().insert(asker).to_bits();
        Self {
            shard: Rc::clone(shard),
            token,
            slot,
        }
    }

    pub(crate) const fn token(&self) -> u64 {
        self.token
    }

    /// The answer, which always comes.
    pub(crate) async fn answer(self) -> AckOutcome {
        poll_fn(|cx| {
            let mut slot = self.slot.borrow_mut();
            if let Some(answer) = slot.answer.take() {
                return Poll::Ready(answer);
            }
            slot.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Drop for PendingAck {
    fn drop(&mut self) {
        self.shard
            .acks
            .0
            .borrow_mut()
            .remove(Key::from_bits(self.token));
    }
}
