//! Answers: has every shard looked at what had come, so that a session that polls may be judged?
//!
//! A request of such a session may come over a connection of any shard, in a listener's queue, at hyper,
//! or in mail. So before its time is up all shards are asked to look: each answers when it has read
//! all that had come when it was asked. The answer stands in the mailbox behind the requests that
//! were found. Nothing of this happens while clients answer in time.

use std::{cell::Cell, rc::Rc, time::Duration};

use stentor_engine::{id::ShardId, time::Tick};

use super::Shard;
use crate::post::Post;

/// What the shards have looked at.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// All that had come to any shard before was handled.
    everywhere: Cell<Tick>,
    /// When the shards were asked, and how many have not answered.
    asked: Cell<Option<(Tick, usize)>>,
}

impl Looks {
    pub(super) fn everywhere(&self) -> Tick {
        self.everywhere.get()
    }
}

impl Shard {
    /// Asks all shards to look, unless they are asked already.
    pub(super) fn look_everywhere(self: &Rc<Self>) {
        if self.looks.asked.get().is_some() {
            return;
        }
        let shards = self.shared.sessions.len();
        self.looks.asked.set(Some((self.now.get(), shards)));
        for shard in (0..shards as u8).map(ShardId) {
            if shard == self.id {
                self.look_for(self.id);
            } else {
                self.post(shard, Post::Look(self.id));
            }
        }
    }

    /// Answers `asker` when all has been handled that had come by now.
    pub(super) fn look_for(self: &Rc<Self>, asker: ShardId) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            // Twice: a connection that is accepted in the first look is read in the second.
            for _ in 0..2 {
                let since = shard.clock.get().now();
                while shard.seen.get() < since || shard.aside.get() > 0 {
                    shard.want_turn();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            shard.enter();
            if asker == shard.id {
                shard.looked();
            } else {
                shard.post_mail();
                shard.post(asker, Post::Looked);
            }
        });
    }

    /// A shard has looked.
    pub(super) fn looked(&self) {
        match self.looks.asked.get() {
            Some((at, 1)) => {
                self.looks.asked.set(None);
                self.looks.everywhere.set(at);
            }
            Some((at, left)) => self.looks.asked.set(Some((at, left - 1))),
            None => {}
        }
    }
}
