//! Answers: which of this shard's questions to clients are open.

use std::{cell::RefCell, rc::Rc, time::Duration};

use stentor_engine::{
    hub::AckNews,
    slab::{Key, Slab},
};

use super::Shard;
use crate::api::answers::{Collector, Settled};

/// How long a question waits for its answer unless told otherwise. The official server waits for
/// ever, which leaks; this is below its ping timeout.
pub(crate) const DEFAULT_ACK_WAIT: Duration = Duration::from_secs(20);

/// Who learns the news of a question.
#[derive(Debug)]
enum Asker {
    Here(Rc<RefCell<Collector>>),
    Elsewhere {
        open: Collector,
        answers: tokio::sync::mpsc::UnboundedSender<Settled>,
    },
}

/// The open questions of one shard.
#[derive(Debug, Default)]
pub(crate) struct Questions(RefCell<Slab<Asker>>);

impl Questions {
    /// News of a question; nobody may be interested any more.
    pub(crate) fn tell(&self, token: u64, news: AckNews) {
        let key = Key::from_bits(token);
        let mut questions = self.0.borrow_mut();
        let complete = match questions.get_mut(key) {
            None => return,
            Some(Asker::Here(collector)) => {
                let collector = Rc::clone(collector);
                drop(questions); // the collector wakes a task
                collector.borrow_mut().tell(news);
                return;
            }
            Some(Asker::Elsewhere { open, answers }) => {
                if let AckNews::Settled(who, answer) = &news {
                    // Nobody listening is nobody interested.
                    let _ = answers.send((*who, answer.clone()));
                }
                open.tell(news);
                open.is_complete()
            }
        };
        if complete {
            questions.remove(key);
        }
    }

    /// A question asked by another thread; returns its token.
    pub(crate) fn ask_for(&self, answers: tokio::sync::mpsc::UnboundedSender<Settled>) -> u64 {
        let open = Collector::awaiting(u32::MAX);
        self.0
            .borrow_mut()
            .insert(Asker::Elsewhere { open, answers })
            .to_bits()
    }

    /// So many shards were asked.
    pub(crate) fn asked(&self, token: u64, shards: u32) {
        match self.0.borrow_mut().get_mut(Key::from_bits(token)) {
            Some(Asker::Elsewhere { open, .. }) => open.silent = shards,
            Some(Asker::Here(collector)) => collector.borrow_mut().silent = shards,
            None => {}
        }
    }
}

/// An open question asked on this shard; forgotten when dropped.
#[derive(Debug)]
pub(crate) struct Question {
    shard: Rc<Shard>,
    token: u64,
    pub(crate) collector: Rc<RefCell<Collector>>,
}

impl Question {
    /// A question to be put to `shards` shards.
    pub(crate) fn new(shard: &Rc<Shard>, shards: u32) -> Self {
        let collector = Rc::new(RefCell::new(Collector::awaiting(shards)));
        let asker = Asker::Here(Rc::clone(&collector));
        let token = shard.questions.0.borrow_mut().insert(asker).to_bits();
        Self {
            shard: Rc::clone(shard),
            token,
            collector,
        }
    }

    pub(crate) const fn token(&self) -> u64 {
        self.token
    }

    /// So many shards were asked.
    pub(crate) fn asked(&self, shards: u32) {
        self.shard.questions.asked(self.token, shards);
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
