//! Answers: is every question to every socket settled exactly once, and rightly.

use alloc::{collections::VecDeque, format};

use super::{Due, Oracle, State};
use crate::{
    hub::{AckNews, AckOutcome},
    id::SocketId,
    sim::wire,
    time::Tick,
};

/// A question, as it travels.
#[derive(Debug, Clone, Copy)]
pub(in crate::sim) struct Question {
    pub(in crate::sim) token: u64,
    /// Milliseconds for each answer.
    pub(in crate::sim) wait: u64,
}

/// A question that a socket has not answered.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) until: u64,
    /// Its id on the wire, once the client has read it.
    id: Option<u64>,
}

impl Oracle {
    /// Whether one more question may be put to a socket.
    pub(in crate::sim) fn may_ask(&self, socket: usize) -> bool {
        self.sockets[socket].pending.len() < self.config.limits.acks_per_socket
    }

    pub(super) fn ask(&mut self, socket: usize, question: Question, now: Tick) {
        let until = now.0 + question.wait;
        let pending = Pending { until, id: None };
        self.sockets[socket].pending.insert(question.token, pending);
    }

    /// A question to one socket goes out.
    pub(in crate::sim) fn emit_with_ack(
        &mut self,
        socket: usize,
        packet: wire::Packet,
        question: Question,
        now: Tick,
    ) {
        let hub = self.sockets[socket].hub;
        self.ask(socket, question, now);
        self.queue(socket, packet, Some((socket, question.token)), false);
        self.due.push(Due::Asked(question.token, hub, 1));
    }

    /// A client has read a question: its id must not be that of another open one.
    pub(super) fn asked(&mut self, socket: usize, token: u64, id: u64) {
        let pending = &mut self.sockets[socket].pending;
        let twice = pending.values().any(|other| other.id == Some(id));
        if let Some(pending) = pending.get_mut(&token) {
            pending.id = Some(id);
        }
        self.expect(!twice, "one id for two open questions");
    }

    /// The open question that this id answers.
    pub(super) fn answers(&self, socket: usize, id: u64) -> Option<u64> {
        let mut pending = self.sockets[socket].pending.iter();
        pending
            .find(|(_, p)| p.id == Some(id))
            .map(|(token, _)| *token)
    }

    /// News of a question leave the hub where the asked sockets are.
    pub(in crate::sim) fn news_leave(
        &mut self,
        hub: usize,
        to: usize,
        token: u64,
        news: &AckNews,
        now: Tick,
    ) {
        match news {
            AckNews::Asked(count) => self.happened(&Due::Asked(token, hub, *count)),
            AckNews::Settled(who, answer) => self.settles(hub, token, who, answer, now),
        }
        if hub != to {
            let news = (token, news.clone());
            self.news.entry((hub, to)).or_default().push_back(news);
        }
    }

    fn settles(&mut self, hub: usize, token: u64, who: &SocketId, answer: &AckOutcome, now: Tick) {
        let id = format!("{who}");
        let at = self.sockets.iter().position(|s| s.hub == hub && s.id == id);
        let Some(at) = at else {
            return self.blame(format!("{id} answered and is nobody"));
        };
        let Some(pending) = self.sockets[at].pending.remove(&token) else {
            return self.blame(format!(
                "question {token} to {id} settled twice or never asked"
            ));
        };
        match answer {
            AckOutcome::Value(args, parts) => match wire::read_args(args, parts) {
                Ok(data) => self.happened(&Due::Answered(token, at, data)),
                Err(error) => self.blame(format!("an answer is broken: {error}")),
            },
            AckOutcome::TimedOut => {
                let open = self.sockets[at].state == State::In;
                self.expect(now.0 >= pending.until, "a question timed out too early");
                self.expect(open, "a question to a socket that left timed out");
            }
            AckOutcome::Left => self.due.push(Due::Gone(at)),
        }
    }

    /// News arrive on the hub that asked: they must be the first that left.
    pub(in crate::sim) fn news_arrive(
        &mut self,
        from: usize,
        hub: usize,
        token: u64,
        news: &AckNews,
    ) {
        let queue: &mut VecDeque<_> = self.news.entry((from, hub)).or_default();
        let same = queue.pop_front().is_some_and(|(other, first)| {
            other == token && format!("{first:?}") == format!("{news:?}")
        });
        self.expect(same, "news of a question lost, twice or out of order");
    }

    /// News that did not arrive, and questions without an end.
    pub(in crate::sim) fn questions_left(&self) -> usize {
        let news: usize = self.news.values().map(VecDeque::len).sum();
        let open: usize = self.sockets.iter().map(|s| s.pending.len()).sum();
        news + open
    }
}
