//! Answers: who still owes an answer, and to whom does an answer go.
//!
//! An ack request is kept where the asked socket lives; its news go to the shard that asked. Every
//! ack request to every socket is settled exactly once: by a value, by the clock, or by the socket's
//! leaving.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use bytes::Bytes;

use super::{AckNews, AckOutcome, AckRequest, Event, Hub, Mail, SocketKey};
use crate::{
    id::{NamespaceId, ShardId, SocketId},
    limits::SHARDS_MAX,
    slab::{Key, Slab},
    time::Tick,
    wheel::Wheel,
};

/// One socket's part of an ack request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// The id on the wire.
    id: u64,
    wait: Key<Wait>,
}

/// An ack request on this shard.
#[derive(Debug)]
pub(super) struct Wait {
    origin: ShardId,
    token: u64,
    /// The id on the wire.
    id: u64,
    /// Whom it was put to; those who are settled stay listed, `left` counts the others.
    asked: Vec<SocketKey>,
    left: usize,
}

#[derive(Debug, Default)]
pub(super) struct Waits {
    open: Slab<Wait>,
    wheel: Wheel,
    due: Vec<u32>,
    /// Questions whose time is over and not all of whose sockets have been told so.
    late: VecDeque<Key<Wait>>,
}

/// Answers that are given up in one [`Hub::advance`]; the rest is due at once, so that what else there is
/// to do comes in between.
const EXPIRED_AT_ONCE: usize = 1 << 13;

/// News in one letter, at most. A mailbox counts its letters.
const NEWS_IN_A_LETTER: usize = 64;

/// Where the ack request of this id stands among those to a socket, which are in the order of their ids.
fn find(acks: &VecDeque<Pending>, id: u64) -> Result<usize, usize> {
    acks.binary_search_by_key(&id, |pending| pending.id)
}

impl Waits {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn timers(&self) -> usize {
        self.wheel.len() + self.late.len()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        if self.late.is_empty() {
            self.wheel.next()
        } else {
            Some(Tick(0)) // it has passed
        }
    }
}

impl Hub {
    /// A new ack request's id on the wire. Each shard counts in steps of the number of shards, so
    /// that no two shards ask the same socket under the same id; with one shard it counts
    /// 0, 1, 2, … as the official server does.
    pub(super) fn next_ack(&mut self, namespace: NamespaceId) -> u64 {
        let shards = self.shards.max(1) as u64;
        let state = &mut self.namespaces[usize::from(namespace.0)];
        let n = state.next_ack;
        state.next_ack += 1;
        // Ids are JavaScript numbers: past 2^53 they would be rounded. Wrapping earlier is safe,
        // because so many ack requests cannot be open at once.
        (n * shards + u64::from(self.shard.0)) % (1 << 53)
    }

    /// Whether one more ack request may be put to a socket.
    pub(super) fn may_ask(&self, slot: u32) -> bool {
        let max = self.config().limits.acks_per_socket;
        let acks = self
            .sockets
            .at(slot)
            .and_then(|socket| socket.acks.as_ref());
        acks.is_none_or(|acks| acks.len() < max)
    }

    /// Records that `asked` were asked, and tells the asker how many.
    pub(super) fn ask(&mut self, now: Tick, request: AckRequest, asked: Vec<SocketKey>) {
        let AckRequest {
            origin,
            token,
            id,
            timeout,
        } = request;
        self.tell(origin, token, AckNews::Asked(asked.len()));
        if asked.is_empty() {
            return;
        }
        let wait = self.waits.open.next_key();
        for key in &asked {
            let socket = self.sockets.get_mut(*key).expect("selected sockets exist");
            let acks = socket.acks.get_or_insert_default();
            // Mostly at the end: the ids of one shard ascend, and those of all do about so.
            let at = find(acks, id).unwrap_or_else(|at| at);
            acks.insert(at, Pending { id, wait });
        }
        let left = asked.len();
        self.waits.open.insert(Wait {
            origin,
            token,
            id,
            asked,
            left,
        });
        self.waits.wheel.set(wait.index(), now.after(timeout));
    }

    /// An ACK arrives. One that nobody asked for, or a second one, is ignored.
    pub(super) fn recv_ack(
        &mut self,
        key: SocketKey,
        id: u64,
        args: &str,
        attachments: Vec<Bytes>,
    ) {
        let Some(who) = self.socket_id(key) else {
            return;
        };
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Some(acks) = &mut socket.acks else { return };
        let Ok(at) = find(acks, id) else { return };
        let pending = acks.remove(at).expect("just found");
        if acks.is_empty() {
            socket.acks = None;
        }
        self.settle(
            pending,
            who,
            AckOutcome::Value(Box::from(args), attachments),
        );
    }

    /// One socket's part of an ack request is over.
    pub(super) fn settle(&mut self, pending: Pending, who: SocketId, answer: AckOutcome) {
        let Some(wait) = self.waits.open.get_mut(pending.wait) else {
            return;
        };
        wait.left -= 1;
        let (origin, token, left) = (wait.origin, wait.token, wait.left);
        if left == 0 {
            self.waits.open.remove(pending.wait);
            self.waits.wheel.cancel(pending.wait.index());
        }
        self.tell(origin, token, AckNews::Settled(who, answer));
    }

    pub(super) fn expire_acks(&mut self, now: Tick) {
        let Waits {
            open,
            wheel,
            due,
            late,
        } = &mut self.waits;
        wheel.advance(now, due);
        late.extend(due.drain(..).map(|slot| open.key_at(slot)));
        let mut left = EXPIRED_AT_ONCE;
        while let Some(key) = self.waits.late.front().copied() {
            if !self.expire(key, &mut left) {
                return;
            }
            self.waits.late.pop_front();
        }
    }

    /// Gives up the answers to an ack request that is late, at most `left` of them. False if there are more.
    fn expire(&mut self, key: Key<Wait>, left: &mut usize) -> bool {
        // It is gone once all are settled, by the last of them or by their answers in between.
        while let Some(wait) = self.waits.open.get_mut(key) {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            let id = wait.id;
            let Some(asked) = wait.asked.pop() else {
                debug_assert!(false, "who is not settled is listed");
                self.waits.open.remove(key);
                return true;
            };
            if let Some(pending) = self.forget_question(asked, id, key) {
                let who = self.socket_id(asked).expect("it had the request");
                self.settle(pending, who, AckOutcome::TimedOut);
            }
        }
        true
    }

    fn forget_question(&mut self, key: SocketKey, id: u64, wait: Key<Wait>) -> Option<Pending> {
        let socket = self.sockets.get_mut(key)?;
        let acks = socket.acks.as_mut()?;
        let at = find(acks, id).ok().filter(|at| acks[*at].wait == wait)?;
        let pending = acks.remove(at);
        if acks.is_empty() {
            socket.acks = None;
        }
        pending
    }

    fn tell(&mut self, origin: ShardId, token: u64, news: AckNews) {
        if origin == self.shard {
            self.events.push_back(Event::Ack { token, news });
            return;
        }
        // With the last letter to that shard, if that has news as well: many answers, or many who leave,
        // come together. Questions of several shards may be settled by turns.
        let lately = self.mail.iter_mut().rev().take(SHARDS_MAX);
        let last = lately.into_iter().find(|(to, _)| *to == origin);
        match last {
            Some((_, Mail::Ack(all))) if all.len() < NEWS_IN_A_LETTER => all.push((token, news)),
            _ => {
                let all = [(token, news)].into();
                self.mail.push((origin, Mail::Ack(all)));
            }
        }
    }
}
