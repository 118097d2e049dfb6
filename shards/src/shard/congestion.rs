//! Answers: what happens to what other shards have no room for.
//!
//! A post that does not fit its mailbox waits here, in order, and the connection whose message made it is
//! put aside (`intake`): it is not read until all has found room. Everybody else goes on. Posts that no
//! connection pays for, from handlers in a loop, tickers and tasks, meet a bound: above it an emit
//! is refused with an error.

use std::{collections::VecDeque, sync::atomic::Ordering};

use stentor_engine::{
    hub::{Mail, Selection, ShardSet},
    id::ShardId,
};

use super::Shard;
use crate::{
    mailbox::{Full, Sender},
    post::Post,
};

/// Letters to one shard that may wait for room; above it emits to that shard are refused.
pub(crate) const OVERFLOW_MAX: usize = 1 << 14;

/// Letters that the hub may have written before they are posted, in the middle of user code.
pub(super) const MAIL_KEPT: usize = 1024;

/// What waits, by shard.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    waiting: Vec<VecDeque<Post>>,
    /// Shards for which something waits.
    behind: ShardSet,
    /// Shards for which [`OVERFLOW_MAX`] waits.
    full: ShardSet,
}

impl Overflow {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            waiting: (0..shards).map(|_| VecDeque::new()).collect(),
            behind: 0,
            full: 0,
        }
    }

    fn push(&mut self, to: usize, post: Post) {
        // After the shard's end there is no list, and nobody to post to.
        if let Some(waiting) = self.waiting.get_mut(to) {
            waiting.push_back(post);
            self.note(to);
        }
    }

    fn note(&mut self, to: usize) {
        if to >= self.waiting.len() {
            return;
        }
        let (len, bit) = (self.waiting[to].len(), 1 << to);
        self.behind = if len > 0 {
            self.behind | bit
        } else {
            self.behind & !bit
        };
        self.full = if len >= OVERFLOW_MAX {
            self.full | bit
        } else {
            self.full & !bit
        };
        if len == 0 {
            self.waiting[to].shrink_to(MAIL_KEPT);
        }
    }
}

impl Shard {
    /// Whether another shard has no room for what this one has for it.
    pub(super) fn is_congested(&self) -> bool {
        self.congested.get()
    }

    /// Whether more may be posted to every shard that a selection reaches. If not, the room that there is
    /// was used first.
    pub(crate) fn has_room(&self, to: &Selection) -> bool {
        if !self.congested.get() || self.overflow.borrow().full == 0 {
            return true;
        }
        self.post_mail();
        self.post_overflow();
        let full = self.overflow.borrow().full;
        full == 0 || self.hub.borrow().reach(to) & full == 0
    }

    /// Posts to another shard, now or when it has room; the order to each shard is kept.
    pub(super) fn post(&self, to: ShardId, post: Post) {
        let at = usize::from(to.0);
        let Some(mailbox) = self.shared.posts.get().and_then(|posts| posts.get(at)) else {
            return;
        };
        let bit: ShardSet = 1 << to.0;
        if self.overflow.borrow().behind & bit != 0 {
            return self.let_wait(at, post);
        }
        match self.try_post(at, mailbox, post) {
            // A shard that has stopped needs no more mail.
            Ok(()) | Err(Full::Closed(_)) => {}
            Err(Full::Full(post)) => {
                self.let_wait(at, post);
                self.set_congested(true);
            }
        }
    }

    fn let_wait(&self, to: usize, post: Post) {
        self.overflow.borrow_mut().push(to, post);
        self.stuck.set(self.stuck.get().wrapping_add(1));
    }

    fn try_post(&self, to: usize, mailbox: &Sender<Post>, post: Post) -> Result<(), Full<Post>> {
        mailbox.try_send(self.pass(to, mailbox, post)?)
    }

    /// Tries again what there was no room for.
    pub(super) fn post_overflow(&self) {
        if !self.congested.get() {
            return;
        }
        let Some(posts) = self.shared.posts.get() else {
            return;
        };
        for (to, mailbox) in posts.iter().enumerate() {
            // Not borrowed while a connection is passed on: that logs, and a log is user code.
            while let Some(post) = self.next_waiting(to) {
                if let Err(Full::Full(post)) = self.try_post(to, mailbox, post) {
                    self.overflow.borrow_mut().waiting[to].push_front(post);
                    break;
                }
            }
            self.overflow.borrow_mut().note(to);
        }
        let congested = self.overflow.borrow().behind != 0;
        self.set_congested(congested);
    }

    fn next_waiting(&self, to: usize) -> Option<Post> {
        self.overflow.borrow_mut().waiting.get_mut(to)?.pop_front()
    }

    fn set_congested(&self, congested: bool) {
        self.congested.set(congested);
        if self.id.0 == 0 {
            self.shared.congested.store(congested, Ordering::Relaxed);
        }
    }

    /// The hub's mail goes to the other shards.
    pub(super) fn post_mail(&self) {
        let mail: Vec<(ShardId, Mail)> = {
            let mut hub = self.hub.borrow_mut();
            if !hub.has_mail() {
                return;
            }
            hub.take_mail().collect()
        };
        for (to, mail) in mail {
            self.post(to, Post::Mail(mail));
        }
    }

    /// Waits until other shards have had room for all that this one has for them.
    pub(crate) async fn uncongested(&self) {
        while self.congested.get() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}
