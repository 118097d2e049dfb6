//! Answers: is what came back whole, for this client, once and in order, and how long did it take.
//!
//! Must not know how it travelled.

use super::client::Attachment;
use super::contract::Question;
use super::order::{Seen, UNSET};
use super::settle::key;
use super::worker::Worker;
use crate::clock::Nanos;
use crate::plan::LoadKind;
use crate::proto::stamp::Stamp;

impl Worker<'_> {
    /// One payload, of an event or of the acknowledgement with the client's `attachment_id`.
    pub(super) fn delivered(&mut self, local: u32, of: Attachment, data: &[u8]) {
        let now = self.setup.clock.now();
        let Some(stamp) = self.setup.form.read(data) else {
            return self.stats.wrong("a payload nobody sent", data);
        };
        let kind = match of {
            Attachment::Event(event) => self.setup.events[usize::from(event)].1,
            Attachment::Ack | Attachment::None => LoadKind::Ack,
        };
        if kind.fans_out() {
            self.fanned_out(local, kind, &stamp, now);
        } else {
            self.replied(local, kind, &stamp, now);
        }
    }

    fn replied(&mut self, local: u32, kind: LoadKind, stamp: &Stamp, now: Nanos) {
        let id = self.id(local);
        let client = &mut self.clients[local as usize];
        let (next, sent, stream) = if kind == LoadKind::Echo {
            (&mut client.echo_next, client.echo_sent, 0)
        } else {
            (&mut client.ack_next, client.ack_sent, 1)
        };
        if stamp.stream != id || stamp.seq >= sent {
            return self.stats.wrong(
                "another client's reply",
                stamp.stream.to_string().as_bytes(),
            );
        }
        if kind == LoadKind::Ack && client.attachment_id != stamp.seq + 1 {
            return self
                .stats
                .wrong("an acknowledgement of another message", b"");
        }
        let seen = self.gaps.see(key(local, stream), next, stamp.seq);
        if self.judge(seen) {
            self.record(kind, stamp, now);
            self.answer(local, kind);
        }
    }

    fn fanned_out(&mut self, local: u32, kind: LoadKind, stamp: &Stamp, now: Nanos) {
        let setup = self.setup.clone();
        let (id, publisher) = (self.id(local), stamp.stream);
        let Some(stream) = setup.stream(kind, publisher) else {
            return self.stats.wrong(
                "a message of no publisher",
                publisher.to_string().as_bytes(),
            );
        };
        if setup.scope(kind, publisher) != setup.scope(kind, id) {
            let what = format!("of client {publisher} to client {id}");
            return self
                .stats
                .wrong("a message to another room or namespace", what.as_bytes());
        }
        if stamp.seq >= self.shared.board.emitted(stream) {
            return self.stats.wrong("a message not yet sent", b"");
        }
        let place = self.fan_place(kind, publisher);
        let index = local as usize * self.fan_streams() + place;
        let next = &mut self.fan_next[index];
        let seen = self.gaps.see(key(local, 2 + place), next, stamp.seq);
        if !self.judge(seen) {
            return;
        }
        let client = &self.clients[local as usize];
        let (slow, counted) = (client.slow, client.counted);
        if slow {
            self.fresh += 1;
            self.shared.contract.answer(Question::Message(kind));
            self.stats_of(stamp.planned).load(kind).received += 1;
        } else {
            self.record(kind, stamp, now);
        }
        if !counted {
            return;
        }
        if let Some(done) = self.shared.board.deliver(stream, stamp.seq, now) {
            let load = self.stats_of(stamp.planned).load(kind);
            let since = |t: Nanos| t.saturating_sub(stamp.planned);
            load.first.record(since(done.first));
            load.median.record(since(done.median));
            load.most.record(since(done.most));
            load.last.record(since(done.last));
            load.last_uncorrected
                .record(done.last.saturating_sub(stamp.sent));
            self.pass_turn(publisher, kind, stamp.sent);
        }
    }

    /// Counts faults of order; says whether the message counts as received.
    fn judge(&mut self, seen: Seen) -> bool {
        match seen {
            Seen::InOrder | Seen::Ahead => true,
            Seen::Late => {
                self.stats.faults.reordered += 1;
                true
            }
            Seen::Again => {
                self.stats.faults.duplicated += 1;
                false
            }
            Seen::Absurd => {
                self.stats.wrong("a running number far ahead", b"");
                false
            }
        }
    }

    fn record(&mut self, kind: LoadKind, stamp: &Stamp, now: Nanos) {
        self.fresh += 1;
        self.shared.contract.answer(Question::Message(kind));
        let load = self.stats_of(stamp.planned).load(kind);
        load.received += 1;
        load.latency.record(now.saturating_sub(stamp.planned));
        load.uncorrected.record(now.saturating_sub(stamp.sent));
    }

    /// Fan-out streams of one client.
    pub(super) fn fan_streams(&self) -> usize {
        self.setup.fan_kinds.len() * self.setup.publishers as usize
    }

    fn fan_place(&self, kind: LoadKind, publisher: u32) -> usize {
        let kind = self
            .setup
            .fan_kinds
            .iter()
            .position(|k| *k == kind)
            .unwrap_or(0);
        kind * self.setup.publishers as usize + (publisher / self.setup.groups) as usize
    }

    /// A client that is ready before a publisher's first message must get it from the beginning;
    /// one that comes later takes the first it sees.
    pub(super) fn begin_fan_streams(&mut self, local: u32) {
        let streams = self.fan_streams();
        for place in 0..streams {
            let begun = match self.fan_source(local, place) {
                Some(stream) => self.shared.board.emitted(stream) > 0,
                None => true,
            };
            let next = &mut self.fan_next[local as usize * streams + place];
            *next = if begun { UNSET } else { 0 };
        }
    }

    /// The stream behind a client's `place`.
    pub(super) fn fan_source(&self, local: u32, place: usize) -> Option<usize> {
        let setup = &self.setup;
        let per_kind = setup.publishers as usize;
        let kind = setup.fan_kinds[place / per_kind];
        let id = self.id(local);
        let home = if kind == LoadKind::Room {
            setup.group(id)
        } else {
            setup.space(id) as u32
        };
        let publisher = home + (place % per_kind) as u32 * setup.groups;
        if publisher >= setup.clients {
            return None;
        }
        setup.stream(kind, publisher)
    }
}
