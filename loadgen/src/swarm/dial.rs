//! Answers: which clients are to be dialled, given up, taken away or brought back now.
//!
//! So that the population is as the plan wants it. Must not know what clients say once connected.

use super::client::{Client, Polling, State};
use super::contract::Question;
use super::order::UNSET;
use super::setup::Carrier;
use super::worker::Worker;
use crate::clock::{Nanos, nanos, secs};
use crate::net::Link;
use std::sync::atomic::Ordering::Relaxed;

/// Clients closed in one turn of the loop at the most, so that the others are served too.
const CLOSES_PER_TURN: u32 = 256;

impl Worker<'_> {
    /// Local clients the phase wants now.
    fn wanted(&self, now: Nanos) -> u32 {
        let Some(course) = self.setup.courses.get(self.phase) else {
            return self.opened;
        };
        if self.phase_begin == Nanos::MAX {
            return 0;
        }
        let total = course.clients_at(secs(now.saturating_sub(self.phase_begin)));
        self.setup.share(total, self.number)
    }

    /// More clients are to be dialled, now or soon.
    pub(super) fn wants_dial(&self) -> bool {
        !self.is_draining()
            && (!self.reopen.is_empty() || self.opened < self.wanted(self.setup.clock.now()))
    }

    /// Dials and closes what the plan asks for.
    pub(super) fn keep_population(&mut self, now: Nanos) {
        self.give_up_late_handshakes(now);
        if self.is_draining() {
            return;
        }
        self.churn(now);
        let wanted = self.wanted(now);
        while self.arriving < self.setup.handshakes && now >= self.next_dial {
            let planned = if self.setup.dial_gap > 0 {
                self.next_dial = self.next_dial.max(now.saturating_sub(1_000_000_000));
                let planned = self.next_dial.min(now);
                self.next_dial += self.setup.dial_gap;
                planned
            } else {
                now
            };
            if let Some((local, since)) = self.reopen.pop_front() {
                if local < wanted {
                    self.dial(local, since);
                }
            } else if self.opened < wanted {
                self.opened += 1;
                self.dial(self.opened - 1, planned);
            } else {
                self.next_dial = now;
                break;
            }
        }
        for _ in 0..CLOSES_PER_TURN {
            if self.opened <= wanted {
                break;
            }
            self.opened -= 1;
            self.retire(self.opened, false);
        }
    }

    fn churn(&mut self, now: Nanos) {
        let rate = self.setup.courses[self.phase].churn / f64::from(self.setup.threads);
        while now >= self.next_churn && rate > 0.0 {
            let planned = self.next_churn;
            self.next_churn += nanos(1.0 / rate);
            if self.opened == 0 {
                continue;
            }
            // A few tries find a client that may go; in a tiny population there may be none.
            let mut drawn = None;
            for _ in 0..64 {
                let local = self.random.u32(0..self.opened);
                let ready = self.clients[local as usize].state == State::Ready;
                if ready && self.setup.churnable(self.id(local)) {
                    drawn = Some(local);
                    break;
                }
            }
            match drawn {
                Some(local) => {
                    self.retire(local, false);
                    self.reopen.push_back((local, planned));
                }
                None => self.stats.not_started += 1,
            }
        }
    }

    /// What a phase does to the population at its very beginning.
    pub(super) fn begin_population(&mut self, begin: Nanos) {
        let Some(course) = self.setup.courses.get(self.phase) else {
            self.next_churn = Nanos::MAX;
            return;
        };
        let (churn, drop) = (course.churn, course.drop);
        self.next_churn = if churn > 0.0 {
            let whole = nanos(f64::from(self.setup.threads) / churn);
            begin + whole / u64::from(self.setup.threads) * u64::from(self.number + 1)
        } else {
            Nanos::MAX
        };
        for local in 0..self.opened {
            let ready = self.clients[local as usize].state == State::Ready;
            if ready && self.setup.is_hit(self.id(local), drop) {
                self.retire(local, true);
                self.clients[local as usize].returning = true;
                self.reopen.push_back((local, begin));
            }
        }
    }

    fn dial(&mut self, local: u32, since: Nanos) {
        let id = self.id(local);
        let returning = self.clients[local as usize].returning;
        let mut client = Client::vacant();
        client.since = since;
        client.returning = returning;
        client.carrier = self.setup.carrier(id);
        client.slow = self.setup.is_slow(id);
        client.counted =
            !client.slow && !self.setup.churnable(id) && !self.setup.is_hit(id, self.setup.drop);
        self.forget_streams(local);
        self.arriving += 1;
        self.shared
            .contract
            .ask(Question::Connect, self.setup.clock.now());
        let mut request = Vec::new();
        if client.carrier == Carrier::WebSocket {
            client.state = State::Requesting;
            self.setup
                .address
                .upgrade(&mut request, &self.key.offered, None);
        } else {
            client.state = State::Opening;
            client.polling = Some(Box::new(Polling {
                getting: true,
                ..Polling::default()
            }));
            self.setup.address.get(&mut request, None);
        }
        self.clients[local as usize] = client;
        self.timeouts.push_back((local, since));
        match self.new_link(local) {
            Ok(link) => self.clients[local as usize].main = link,
            Err(error) => return self.lose(local, &format!("connect: {error}")),
        }
        self.watch(local, super::carry::Side::Main, false);
        self.send_raw(local, super::carry::Side::Main, &request);
    }

    /// A connection of one client.
    pub(super) fn new_link(&self, local: u32) -> std::io::Result<Link> {
        let source = self.setup.sources.map(|s| s.address(self.id(local)));
        Link::dial(self.setup.server, source)
    }

    fn forget_streams(&mut self, local: u32) {
        let per_client = self.setup.fan_kinds.len() * self.setup.publishers as usize;
        let first = local as usize * per_client;
        self.fan_next[first..first + per_client].fill(UNSET);
        for stream in 0..2 + per_client {
            self.gaps.forget(super::settle::key(local, stream));
        }
    }

    fn give_up_late_handshakes(&mut self, now: Nanos) {
        while let Some((local, since)) = self.timeouts.front().copied() {
            let client = &self.clients[local as usize];
            if client.is_arriving() && client.since == since {
                if now.saturating_sub(since) < self.setup.connect_timeout {
                    return;
                }
                let state = client.state;
                self.lose(local, late(state));
            }
            self.timeouts.pop_front();
        }
    }

    /// A client has come all the way.
    pub(super) fn ready(&mut self, local: u32) {
        let now = self.setup.clock.now();
        self.arriving -= 1;
        let id = self.id(local);
        let client = &mut self.clients[local as usize];
        client.state = State::Ready;
        let taken = now.saturating_sub(client.since);
        if std::mem::take(&mut client.returning) {
            self.stats.recovery.record(taken);
        } else {
            self.stats.connect.record(taken);
        }
        let (slow, counted) = (client.slow, client.counted);
        self.stats.connected += 1;
        self.shared.ready.fetch_add(1, Relaxed);
        self.change_members(id, counted, true);
        if slow {
            self.slow.push(local);
        }
        self.begin_fan_streams(local);
        self.start_windows(local);
    }

    fn change_members(&self, id: u32, counted: bool, joins: bool) {
        let groups = self.setup.groups as usize;
        let scopes = [self.setup.group(id) as usize, groups + self.setup.space(id)];
        for scope in scopes {
            let change = |cell: &std::sync::atomic::AtomicU32| {
                if joins {
                    cell.fetch_add(1, Relaxed)
                } else {
                    cell.fetch_sub(1, Relaxed)
                }
            };
            change(&self.shared.members[scope]);
            if counted {
                change(&self.shared.counted[scope]);
            }
        }
    }

    fn leave(&mut self, local: u32) {
        let id = self.id(local);
        let client = &mut self.clients[local as usize];
        if client.is_arriving() {
            self.arriving -= 1;
        }
        let was_ready = client.state == State::Ready;
        let (slow, counted) = (client.slow, client.counted);
        client.polling = None;
        client.pieces = None;
        self.out.clear();
        if was_ready {
            self.shared.ready.fetch_sub(1, Relaxed);
            self.change_members(id, counted, false);
            if slow {
                self.slow.retain(|l| *l != local);
            }
        }
    }

    /// A client is lost without our wish; it does not come back.
    pub(super) fn lose(&mut self, local: u32, reason: &str) {
        self.lose_saying(local, reason, b"");
    }

    /// The same; `example` is what the server said of it.
    pub(super) fn lose_saying(&mut self, local: u32, reason: &str, example: &[u8]) {
        let client = &self.clients[local as usize];
        if matches!(client.state, State::Vacant | State::Gone) {
            return;
        }
        let (arriving, slow) = (client.is_arriving(), client.slow);
        let outstanding = self.outstanding_replies(local);
        if slow && !arriving {
            self.stats.slow_dropped += 1;
            self.stats.abandoned += outstanding;
        } else {
            let when = if arriving { "handshake: " } else { "" };
            self.stats.disconnect(&format!("{when}{reason}"), example);
            self.stats.faults.lost += outstanding;
        }
        self.leave(local);
        self.forget_streams(local);
        let client = &mut self.clients[local as usize];
        client.main.close(true);
        client.state = State::Gone;
        self.shared.gone.fetch_add(1, Relaxed);
    }

    /// A client is taken away by plan: `abruptly` as by a broken network, else with a farewell.
    pub(super) fn retire(&mut self, local: u32, abruptly: bool) {
        let state = self.clients[local as usize].state;
        if matches!(state, State::Vacant | State::Gone) {
            if state == State::Gone {
                self.shared.gone.fetch_sub(1, Relaxed);
            }
            self.clients[local as usize].state = State::Vacant;
            return;
        }
        if !abruptly && state == State::Ready {
            self.say_farewell(local);
        }
        self.stats.abandoned += self.outstanding_replies(local);
        self.leave(local);
        self.forget_streams(local);
        self.stats.closed += 1;
        let client = &mut self.clients[local as usize];
        client.main.close(abruptly);
        client.state = State::Vacant;
    }
}

/// What a handshake still waited for when its time was over.
fn late(state: State) -> &'static str {
    match state {
        State::Requesting => "no answer in time to the WebSocket's request",
        State::Opening => "no Engine.IO handshake in time",
        State::Connecting => "no answer in time to the Socket.IO CONNECT",
        State::Upgrading => "no answer in time while upgrading",
        State::Joining => "no acknowledgement of `join` in time",
        State::Vacant | State::Ready | State::Gone => "no answer in time",
    }
}
