//! Answers: which client sends what now.
//!
//! What the phase's loads ask for: at planned instants (open loop) or in answer to the last reply (closed
//! loop). Must not know how bytes travel.

use super::client::State;
use super::contract::Question;
use super::worker::Worker;
use crate::clock::{Nanos, nanos};
use crate::plan::LoadKind;
use crate::plan::schedule::Schedule;
use crate::proto::packet::write_event;
use crate::proto::stamp::Stamp;
use std::sync::atomic::Ordering::Relaxed;

/// Messages sent in one turn of the loop at the most, so that arrivals are read too.
const SENDS_PER_TURN: u32 = 256;
/// A client with more unsent bytes does not start another message.
const MOST_UNSENT: usize = 1 << 20;

/// One load of the phase, this thread's part of it.
#[derive(Debug)]
pub(super) struct Duty {
    pub(super) kind: LoadKind,
    /// The event's place in the setup's list.
    event: usize,
    /// Closed loop: messages in flight.
    pub(super) window: u32,
    schedule: Option<Schedule>,
    /// Fan-out: client numbers of all publishers.
    publishers: Vec<u32>,
    /// Otherwise: whose turn it is among the local clients.
    cursor: u32,
}

impl Duty {
    /// The next planned instant.
    pub(super) fn next(&self) -> Nanos {
        self.schedule.as_ref().map_or(Nanos::MAX, Schedule::next)
    }

    /// Counts what was planned before `end` and will not be sent any more.
    pub(super) fn drain(&mut self, end: Nanos) -> u64 {
        let mut left = 0;
        while self.next() < end {
            if let Some(schedule) = &mut self.schedule {
                schedule.take();
            }
            left += 1;
        }
        left
    }
}

impl Worker<'_> {
    /// Begins the current phase.
    pub(super) fn enter(&mut self, begin: Nanos) {
        self.duties.clear();
        self.begin_population(begin);
        if self.is_draining() {
            self.settle_begin();
            return;
        }
        let setup = self.setup.clone();
        let course = &setup.courses[self.phase];
        let end = if course.until_ready {
            Nanos::MAX
        } else {
            begin + nanos(course.secs)
        };
        for (load, slope) in &course.loads {
            let name = load.event_name();
            let Some(event) = setup.events.iter().position(|(n, _)| n == name) else {
                continue;
            };
            let fans_out = load.kind.fans_out();
            let publishers = if fans_out {
                setup.publishers(load.kind)
            } else {
                Vec::new()
            };
            let schedule = (load.window == 0).then(|| {
                let (positions, round) = if fans_out {
                    let own = |p: &u32| *p % setup.threads == self.number;
                    let mine = (0..)
                        .zip(&publishers)
                        .filter(|(_, p)| own(p))
                        .map(|(i, _)| i);
                    (mine.collect(), publishers.len() as u32)
                } else {
                    (vec![self.number], setup.threads)
                };
                let seed = setup.seed ^ (u64::from(self.number) << 32) ^ self.phase as u64;
                let span = (begin, end);
                Schedule::new(slope.clone(), span, positions, round, setup.arrivals, seed)
            });
            let (kind, window) = (load.kind, load.window);
            self.duties.push(Duty {
                kind,
                event,
                window,
                schedule,
                publishers,
                cursor: 0,
            });
        }
        for local in 0..self.opened {
            if self.clients[local as usize].state == State::Ready {
                self.start_windows(local);
                self.flush(local);
            }
        }
    }

    /// Sends what is due.
    pub(super) fn act(&mut self, now: Nanos) {
        for duty in 0..self.duties.len() {
            for _ in 0..SENDS_PER_TURN {
                if self.duties[duty].next() > now {
                    break;
                }
                let Some(schedule) = &mut self.duties[duty].schedule else {
                    break;
                };
                let (planned, position) = schedule.take();
                match self.sender(duty, position) {
                    Some(local) => {
                        self.send(local, duty, planned, true);
                        self.flush(local);
                    }
                    None => self.stats.not_started += 1,
                }
            }
        }
    }

    /// The client that sends next, if there is one that can.
    fn sender(&mut self, duty: usize, position: u32) -> Option<u32> {
        let duty = &mut self.duties[duty];
        let fits = |c: &super::client::Client| {
            c.state == State::Ready && c.main.waiting() < MOST_UNSENT && !c.slow
        };
        if duty.kind.fans_out() {
            let local = duty.publishers.get(position as usize)? / self.setup.threads;
            return fits(&self.clients[local as usize]).then_some(local);
        }
        for _ in 0..self.opened {
            duty.cursor = if duty.cursor + 1 >= self.opened {
                0
            } else {
                duty.cursor + 1
            };
            if fits(&self.clients[duty.cursor as usize]) {
                return Some(duty.cursor);
            }
        }
        None
    }

    /// Sends one message; open loop counts the generator's lag.
    fn send(&mut self, local: u32, duty: usize, planned: Nanos, open_loop: bool) {
        let id = self.id(local);
        let Duty { kind, event, .. } = self.duties[duty];
        let setup = self.setup.clone();
        let sent = setup.clock.now();
        // A closed loop plans nothing: what it sent now would belong to the next phase already,
        // which fills the windows anew.
        if !open_loop && sent >= self.phase_end() {
            return;
        }
        let Some(seq) = self.next_seq(local, kind) else {
            return;
        };
        let planned = if open_loop { planned } else { sent };
        let stamp = Stamp {
            stream: id,
            seq,
            planned,
            sent,
        };
        if open_loop {
            self.stats.lag.record(sent.saturating_sub(planned));
        }
        self.stats.load(kind).sent += 1;
        self.shared.contract.ask(Question::Message(kind), sent);
        let prefix = &setup.namespaces[setup.space(id)].prefix;
        let ack = (kind == LoadKind::Ack).then_some(seq + 1);
        let room = (kind == LoadKind::Room).then(|| setup.group(id));
        let name = &setup.events[event].0;
        self.text(local, |out| {
            write_event(out, prefix, ack, name, room, setup.binary);
            if !setup.binary {
                out.push(b'"');
                setup.form.write(out, &stamp);
                out.extend_from_slice(b"\"]");
            }
        });
        if setup.binary {
            let mut data = Vec::new();
            setup.form.write(&mut data, &stamp);
            self.attachment(local, &data);
        }
    }

    fn next_seq(&mut self, local: u32, kind: LoadKind) -> Option<u32> {
        let id = self.id(local);
        let client = &mut self.clients[local as usize];
        let count = match kind {
            LoadKind::Echo => &mut client.echo_sent,
            LoadKind::Ack => &mut client.ack_sent,
            _ => {
                let stream = self.setup.stream(kind, id)?;
                let scope = self.setup.scope(kind, id);
                let members = self.shared.members[scope].load(Relaxed);
                let due = self.shared.counted[scope].load(Relaxed);
                self.stats.load(kind).expected += u64::from(members);
                return Some(self.shared.board.emit(stream, due));
            }
        };
        *count += 1;
        Some(*count - 1)
    }

    /// Closed loop: fills a ready client's window.
    pub(super) fn start_windows(&mut self, local: u32) {
        let id = self.id(local);
        for duty in 0..self.duties.len() {
            let Duty {
                kind,
                window,
                ref publishers,
                ..
            } = self.duties[duty];
            let client = &self.clients[local as usize];
            let in_flight = match kind {
                LoadKind::Echo => client.echo_sent - client.echo_next,
                LoadKind::Ack => client.ack_sent - client.ack_next,
                _ if publishers.contains(&id) => 0,
                _ => continue,
            };
            for _ in in_flight..window {
                self.send(local, duty, 0, false);
            }
        }
    }

    /// Closed loop: one reply came, so one message goes.
    pub(super) fn answer(&mut self, local: u32, kind: LoadKind) {
        let found = self
            .duties
            .iter()
            .position(|d| d.kind == kind && d.window > 0);
        if let Some(duty) = found
            && self.clients[local as usize].state == State::Ready
        {
            self.send(local, duty, 0, false);
        }
    }

    /// Closed loop: a publisher's message, sent at `sent`, has reached everyone, so its thread may
    /// send the next.
    pub(super) fn pass_turn(&mut self, publisher: u32, kind: LoadKind, sent: Nanos) {
        if !self.duties.iter().any(|d| d.kind == kind && d.window > 0) {
            return;
        }
        let (turns, bell) = &self.shared.turns[(publisher % self.setup.threads) as usize];
        if let Ok(mut turns) = turns.lock() {
            turns.push((publisher, sent));
        }
        // A bell that is full has been rung already.
        let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
    }

    /// Sends for the publishers whose turn it is.
    pub(super) fn take_turns(&mut self) {
        let (turns, bell) = &self.shared.turns[self.number as usize];
        let _ = rustix::io::read(bell, &mut [0u8; 8]);
        let turns = turns
            .lock()
            .map(|mut t| std::mem::take(&mut *t))
            .unwrap_or_default();
        for (publisher, sent) in turns {
            // Every phase sends a first message of its own; going on with one of the phase before
            // as well would keep two in flight where one was asked for.
            if sent < self.phase_begin {
                continue;
            }
            let local = publisher / self.setup.threads;
            let kind = self
                .duties
                .iter()
                .find(|d| d.window > 0 && d.kind.fans_out());
            if let Some(kind) = kind.map(|d| d.kind) {
                self.answer(local, kind);
                self.flush(local);
            }
        }
    }
}
