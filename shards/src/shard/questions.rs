//! Answers: which of this shard's questions to clients are open.

use std::{
    cell::RefCell,
    future::poll_fn,
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use stentor_engine::{
    hub::{AckNews, Answer, Emit, Selection},
    slab::{Key, Slab},
};
use tokio::sync::mpsc;

use super::Shard;
use crate::api::answers::Settled;

/// How long a question waits for its answer unless told otherwise. The official server waits for
/// ever, which leaks; this is below its ping timeout.
pub(crate) const DEFAULT_ACK_WAIT: Duration = Duration::from_secs(20);

/// The answer to a question to one client, for a task of this shard: no lock, no channel.
#[derive(Debug, Default)]
struct Slot {
    answer: Option<Answer>,
    waker: Option<Waker>,
}

/// How much of a question to many is to come.
#[derive(Debug)]
struct Tally {
    /// Shards that have not said how many sockets they asked.
    silent: u32,
    /// Sockets asked and not settled. May be negative in between: news of two shards are not
    /// ordered.
    open: isize,
}

/// Who learns the news of a question.
#[derive(Debug)]
enum Asker {
    One(Rc<RefCell<Slot>>),
    /// Who asks may be on any thread.
    Many(Tally, mpsc::UnboundedSender<Settled>),
}

/// The open questions of one shard.
#[derive(Debug, Default)]
pub(crate) struct Questions(RefCell<Slab<Asker>>);

impl Questions {
    /// News of a question; nobody may be interested any more.
    pub(crate) fn tell(&self, token: u64, news: AckNews) {
        let key = Key::from_bits(token);
        let mut questions = self.0.borrow_mut();
        let over = match (questions.get_mut(key), news) {
            (None, _) | (Some(Asker::One(_)), AckNews::Asked(_)) => return,
            (Some(Asker::One(slot)), AckNews::Settled(_, answer)) => {
                let slot = Rc::clone(slot);
                drop(questions); // a task is woken
                let mut slot = slot.borrow_mut();
                slot.answer = Some(answer);
                if let Some(waker) = slot.waker.take() {
                    waker.wake();
                }
                return;
            }
            (Some(Asker::Many(tally, _)), AckNews::Asked(count)) => {
                tally.silent -= 1;
                tally.open += count.cast_signed();
                tally.is_over()
            }
            (Some(Asker::Many(tally, answers)), AckNews::Settled(who, answer)) => {
                tally.open -= 1;
                // Nobody listening is nobody interested.
                answers.send((who, answer)).is_err() || tally.is_over()
            }
        };
        if over {
            questions.remove(key); // and the answers end
        }
    }
}

impl Tally {
    const fn is_over(&self) -> bool {
        self.silent == 0 && self.open == 0
    }
}

impl Shard {
    /// Puts a question to everybody whom `to` means; the answers go to `answers`, which is dropped
    /// after the last.
    pub(crate) fn ask_many(
        &self,
        to: Selection,
        emit: &Emit<'_>,
        timeout: Duration,
        answers: mpsc::UnboundedSender<Settled>,
    ) {
        let tally = Tally {
            silent: u32::MAX,
            open: 0,
        };
        let key = (self.questions.0.borrow_mut()).insert(Asker::Many(tally, answers));
        let shards = self.with_hub(|hub, now| hub.ask_many(now, to, emit, key.to_bits(), timeout));
        // No news has been told yet: that is done when the hub's events are drained.
        if let Some(Asker::Many(tally, _)) = self.questions.0.borrow_mut().get_mut(key) {
            tally.silent = shards;
        }
    }
}

/// An open question to one client; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Question {
    shard: Rc<Shard>,
    token: u64,
    slot: Rc<RefCell<Slot>>,
}

impl Question {
    pub(crate) fn new(shard: &Rc<Shard>) -> Self {
        let slot = Rc::<RefCell<Slot>>::default();
        let asker = Asker::One(Rc::clone(&slot));
        let token = shard.questions.0.borrow_mut().insert(asker).to_bits();
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
    pub(crate) async fn answer(self) -> Answer {
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

impl Drop for Question {
    fn drop(&mut self) {
        self.shard
            .questions
            .0
            .borrow_mut()
            .remove(Key::from_bits(self.token));
    }
}
