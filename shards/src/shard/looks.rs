//! Answers: has every shard looked at what had come, so that a session that polls may be judged?
//!
//! A request of such a session may come over a connection of any shard, in a listener's queue, at hyper,
//! or in mail. So before its time is up all shards are asked to look: each answers when it has read
//! all that had come when it was asked. The answer stands in the mailbox behind the requests that
//! were found. Nothing of this happens while clients answer in time.

use std::{cell::Cell, rc::Rc, time::Duration};

use stentor_engine::{
    hub::Seen,
    id::{ConnId, ShardId},
    time::Tick,
};

use super::{Shard, conns::conn_key};
use crate::post::Post;

/// What the shards have looked at.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// All that had come to this shard before was handled, but for connections that are listed.
    seen: Cell<Tick>,
    /// How many connections are put aside.
    aside: Cell<usize>,
    /// All that had come to any shard before was handled.
    everywhere: Cell<Tick>,
    /// When the shards were asked, and how many have not answered.
    asked: Cell<Option<(Tick, usize)>>,
}

impl Looks {
    /// The moment up to which all that had come to this shard was handled.
    pub(crate) fn seen(&self) -> Tick {
        self.seen.get()
    }

    pub(crate) fn note_seen(&self, now: Tick) {
        debug_assert!(self.seen.get() <= now, "what was seen stays seen");
        self.seen.set(now);
    }

    pub(crate) fn note_aside(&self, connections: usize) {
        self.aside.set(connections);
    }
}

impl Shard {
    /// The hub's timers.
    pub(crate) fn pass_time(self: &Rc<Self>) {
        let now = self.now.get();
        let due = self.hub.borrow().deadline();
        if due.is_none_or(|due| due > now) {
            return;
        }
        let asked = Cell::new(false);
        let seen = Seen {
            here: self.looks.seen(),
            everywhere: self.looks.everywhere.get(),
            unread: &|conn: ConnId| self.conns.borrow().is_unread(conn_key(conn)),
            asked: &asked,
        };
        self.hub.borrow_mut().advance_seen(now, &seen);
        if asked.get() {
            self.look_everywhere();
        }
    }

    /// Asks all shards to look, unless they are asked already.
    pub(crate) fn look_everywhere(self: &Rc<Self>) {
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
    pub(crate) fn look_for(self: &Rc<Self>, asker: ShardId) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            // Twice: a connection that is accepted in the first look is read in the second.
            for _ in 0..2 {
                let since = shard.now.clock();
                while shard.looks.seen() < since || shard.looks.aside.get() > 0 {
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
    pub(crate) fn looked(&self) {
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
