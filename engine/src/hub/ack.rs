//! Answers: who still owes an answer, and to whom does an answer go.
//!
//! A question is kept where the asked socket lives; its news go to the shard that asked. Every
//! question to every socket is settled exactly once: by a value, by the clock, or by the socket's
//! leaving.

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;

use super::{AckNews, Answer, Event, Hub, Mail, Question, SocketKey};
use crate::{
    id::{NamespaceId, ShardId, SocketId},
    slab::{Key, Slab},
    time::Tick,
    wheel::Wheel,
};

/// One socket's part of a question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    /// The id on the wire.
    id: u64,
    wait: Key<Wait>,
}

/// A question on this shard.
#[derive(Debug)]
pub(super) struct Wait {
    origin: ShardId,
    token: u64,
    /// Whom it was put to; those who are settled stay listed, `left` counts the others.
    asked: Vec<SocketKey>,
    left: usize,
}

#[derive(Debug, Default)]
pub(super) struct Waits {
    open: Slab<Wait>,
    wheel: Wheel,
    due: Vec<u32>,
}

impl Waits {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) const fn timers(&self) -> usize {
        self.wheel.len()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.wheel.next()
    }
}

impl Hub {
    /// A new question's id on the wire. Each shard counts in steps of the number of shards, so
    /// that no two shards ask the same socket under the same id; with one shard it counts
    /// 0, 1, 2, … as the official server does.
    pub(super) fn next_question(&mut self, namespace: NamespaceId) -> u64 {
        let shards = self.shards.max(1) as u64;
        let state = &mut self.namespaces[usize::from(namespace.0)];
        let n = state.next_question;
        state.next_question += 1;
        // Ids are JavaScript numbers: past 2^53 they would be rounded. Wrapping earlier is safe,
        // because so many questions cannot be open at once.
        (n * shards + u64::from(self.shard.0)) % (1 << 53)
    }

    /// Whether one more question may be put to a socket.
    pub(super) fn may_ask(&self, slot: u32) -> bool {
        let max = self.config().limits.acks_per_socket;
        let acks = self
            .sockets
            .at(slot)
            .and_then(|socket| socket.acks.as_ref());
        acks.is_none_or(|acks| acks.len() < max)
    }

    /// Records that `asked` were asked, and tells the asker how many.
    pub(super) fn ask(&mut self, now: Tick, question: Question, asked: Vec<SocketKey>) {
        let Question {
            origin,
            token,
            id,
            timeout,
        } = question;
        self.tell(origin, token, AckNews::Asked(asked.len()));
        if asked.is_empty() {
            return;
        }
        let wait = self.waits.open.next_key();
        for key in &asked {
            let socket = self.sockets.get_mut(*key).expect("selected sockets exist");
            socket
                .acks
                .get_or_insert_default()
                .push_back(Pending { id, wait });
        }
        let left = asked.len();
        self.waits.open.insert(Wait {
            origin,
            token,
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
        // Answers mostly come in the order of the questions: the first one is it.
        let Some(at) = acks.iter().position(|pending| pending.id == id) else {
            return;
        };
        let pending = acks.remove(at).expect("just found");
        if acks.is_empty() {
            socket.acks = None;
        }
        self.settle(pending, who, Answer::Value(Box::from(args), attachments));
    }

    /// One socket's part of a question is over.
    pub(super) fn settle(&mut self, pending: Pending, who: SocketId, answer: Answer) {
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

    pub(super) fn expire_questions(&mut self, now: Tick) {
        let mut due = core::mem::take(&mut self.waits.due);
        self.waits.wheel.advance(now, &mut due);
        for slot in due.drain(..) {
            let key = self.waits.open.key_at(slot);
            let Some(wait) = self.waits.open.remove(key) else {
                continue;
            };
            for asked in wait.asked {
                if self.forget_question(asked, key) {
                    let id = self.socket_id(asked).expect("it had the question");
                    self.tell(
                        wait.origin,
                        wait.token,
                        AckNews::Settled(id, Answer::TimedOut),
                    );
                }
            }
        }
        self.waits.due = due;
    }

    fn forget_question(&mut self, key: SocketKey, wait: Key<Wait>) -> bool {
        let Some(socket) = self.sockets.get_mut(key) else {
            return false;
        };
        let Some(acks) = &mut socket.acks else {
            return false;
        };
        let before = acks.len();
        acks.retain(|pending| pending.wait != wait);
        let found = acks.len() < before;
        if acks.is_empty() {
            socket.acks = None;
        }
        found
    }

    fn tell(&mut self, origin: ShardId, token: u64, news: AckNews) {
        if origin == self.shard {
            self.events.push_back(Event::Ack { token, news });
        } else {
            self.mail.push((origin, Mail::Ack { token, news }));
        }
    }
}
