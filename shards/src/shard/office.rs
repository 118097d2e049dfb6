//! Answers: how does post leave for other shards, and what happens to what they have no room for.
//!
//! A post that does not fit its mailbox waits here, in order, and the connection whose message made it is
//! put aside (`intake`): it is not read until all has found room. Everybody else goes on. Posts that no
//! connection pays for, from handlers in a loop, tickers and tasks, meet a bound: above it an emit
//! is refused with an error.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    net::TcpStream,
    sync::atomic::Ordering,
};

use stentor_engine::{
    hub::{Mail, Selection, ShardSet},
    id::ShardId,
};

use super::Shard;
use crate::{
    fd_table::{Passage, is_full},
    log::{self, About},
    mailbox::{Full, Sender},
    post::{Carried, List, Post},
};

/// Letters to one shard that may wait for room; above it emits to that shard are refused.
pub(crate) const OVERFLOW_MAX: usize = 1 << 14;

/// Letters that the hub may have written before they are posted, in the middle of user code.
pub(super) const MAIL_KEPT: usize = 1024;

/// What waits, by shard.
#[derive(Debug, Default)]
struct Overflow {
    waiting: Vec<VecDeque<Post>>,
    /// Shards for which something waits.
    behind: ShardSet,
    /// Shards for which [`OVERFLOW_MAX`] waits.
    full: ShardSet,
}

impl Overflow {
    fn new(shards: usize) -> Self {
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

/// Where post leaves for the other shards and where connections come in from them.
#[derive(Debug)]
pub(crate) struct Office {
    /// What mailboxes or passages had no room for.
    overflow: RefCell<Overflow>,
    congested: Cell<bool>,
    /// Counts the posts for which there was no room.
    stuck: Cell<u64>,
    /// Where connections come in, if every shard has a descriptor table of its own.
    passage: RefCell<Option<Passage>>,
    /// Connections given to other shards through their passages.
    handed_over: Cell<u64>,
}

impl Office {
    pub(super) fn new(shards: usize, passage: Option<Passage>) -> Self {
        Self {
            overflow: RefCell::new(Overflow::new(shards)),
            congested: Cell::new(false),
            stuck: Cell::new(0),
            passage: RefCell::new(passage),
            handed_over: Cell::new(0),
        }
    }

    /// The shard has ended.
    pub(super) fn forget(&self) {
        drop(self.overflow.take());
        drop(self.passage.take());
    }

    pub(super) fn has_nothing_borrowed(&self) -> bool {
        self.overflow.try_borrow_mut().is_ok()
    }

    /// How many posts have met no room so far. Who compares two counts knows whether what was done between
    /// them made such a post.
    #[inline]
    pub(crate) fn stuck(&self) -> u64 {
        self.stuck.get()
    }

    /// A connection that another shard has handed over.
    ///
    /// # Errors
    /// `NotFound` if the passage does not have it, and what the system says.
    pub(crate) fn claim(&self, carried: Carried) -> io::Result<TcpStream> {
        match carried {
            Carried::Stream(stream) => Ok(stream),
            Carried::Passed(number) => match &mut *self.passage.borrow_mut() {
                Some(passage) => passage.claim(number),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        }
    }
}

impl Shard {
    /// Whether another shard has no room for what this one has for it.
    pub(crate) fn is_congested(&self) -> bool {
        self.office.congested.get()
    }

    /// Whether more may be posted to every shard that a selection reaches. If not, the room that there is
    /// was used first.
    pub(crate) fn has_room(&self, to: &Selection) -> bool {
        if !self.office.congested.get() || self.office.overflow.borrow().full == 0 {
            return true;
        }
        self.post_mail();
        self.post_overflow();
        let full = self.office.overflow.borrow().full;
        full == 0 || self.hub.borrow().reach(to) & full == 0
    }

    /// Posts to another shard, now or when it has room; the order to each shard is kept.
    pub(crate) fn post(&self, to: ShardId, post: Post) {
        let at = usize::from(to.0);
        let Some(mailbox) = self.shared.posts.get().and_then(|posts| posts.get(at)) else {
            return;
        };
        let bit: ShardSet = 1 << to.0;
        if self.office.overflow.borrow().behind & bit != 0 {
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
        self.office.overflow.borrow_mut().push(to, post);
        self.office
            .stuck
            .set(self.office.stuck.get().wrapping_add(1));
    }

    fn try_post(&self, to: usize, mailbox: &Sender<Post>, post: Post) -> Result<(), Full<Post>> {
        mailbox.try_send(self.pass(to, mailbox, post)?)
    }

    /// Tries again what there was no room for.
    pub(crate) fn post_overflow(&self) {
        if !self.office.congested.get() {
            return;
        }
        let Some(posts) = self.shared.posts.get() else {
            return;
        };
        for (to, mailbox) in posts.iter().enumerate() {
            // Not borrowed while a connection is passed on: that logs, and a log is user code.
            while let Some(post) = self.next_waiting(to) {
                if let Err(Full::Full(post)) = self.try_post(to, mailbox, post) {
                    self.office.overflow.borrow_mut().waiting[to].push_front(post);
                    break;
                }
            }
            self.office.overflow.borrow_mut().note(to);
        }
        let congested = self.office.overflow.borrow().behind != 0;
        self.set_congested(congested);
    }

    fn next_waiting(&self, to: usize) -> Option<Post> {
        self.office
            .overflow
            .borrow_mut()
            .waiting
            .get_mut(to)?
            .pop_front()
    }

    fn set_congested(&self, congested: bool) {
        self.office.congested.set(congested);
        if self.id.0 == 0 {
            self.shared.congested.store(congested, Ordering::Relaxed);
        }
    }

    /// The hub's mail goes to the other shards.
    pub(crate) fn post_mail(&self) {
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
        while self.office.congested.get() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// A post as it may enter the mailbox of shard `to`: if the descriptor tables are apart, a
    /// connection goes ahead of it.
    ///
    /// # Errors
    /// `Full` while the passage has no room. The other shard makes some with each such post that it
    /// takes, so that this is tried again as a full mailbox is. `Closed` if the connection is lost.
    fn pass(&self, to: usize, mailbox: &Sender<Post>, mut post: Post) -> Result<Post, Full<Post>> {
        if let Some(passages) = self.shared.passages.get()
            && let Post::Handoff {
                stream: carried, ..
            } = &mut post
            && let Carried::Stream(stream) = carried
        {
            let number = self.office.handed_over.get() + 1;
            let named = u64::from(self.id.0) << 56 | number;
            match passages[to].send(named, stream) {
                Ok(()) => {
                    self.office.handed_over.set(number);
                    // Closing ours does no harm: the one on its way is another descriptor.
                    *carried = Carried::Passed(named);
                }
                // The tables' copies keep the passage of a shard open that has stopped.
                Err(error) if is_full(&error) && !mailbox.is_closed() => {
                    return Err(Full::Full(post));
                }
                Err(error) => {
                    // What else is to be posted is borrowed.
                    log::later(move || log::line!(ConnNotHandedOver, About::here(), %error));
                    return Err(Full::Closed(post));
                }
            }
        }
        Ok(post)
    }

    /// Tells the ids of the sockets that a selection means.
    pub(crate) fn list(&self, list: List) {
        let List {
            to,
            found,
            everywhere,
        } = list;
        if everywhere {
            self.post_mail(); // what was done to the sockets before is to be seen
            for shard in 0..self.shared.sessions.len() as u8 {
                if shard != self.id.0 {
                    let list = List {
                        to: to.clone(),
                        found: found.clone(),
                        everywhere: false,
                    };
                    self.post(ShardId(shard), Post::List(Box::new(list)));
                }
            }
        }
        let ids = self.with_hub(|hub, _| hub.sockets(&to));
        let _ = found.send(ids); // who asked may have gone
    }
}
