//! Answers: in which order does one thread do its work within a turn.
//!
//! Its clients and its epoll loop. Must not know the protocol; that is in the sibling modules.

use super::act::Duty;
use super::client::{Client, State};
use super::order::{Gaps, UNSET};
use super::setup::Setup;
use super::{Shared, Tick};
use crate::clock::{Nanos, SECOND};
use crate::proto::ws::Key;
use crate::stats::Stats;
use crate::sys;
use anyhow::Context as _;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;

/// No thread sleeps longer, so that decisions of the coordinator are seen in time.
const LONGEST_SLEEP: Nanos = 20_000_000;
/// Marks events of the thread's bell.
pub(super) const BELL: u64 = u64::MAX;

/// A thread's state.
#[derive(Debug)]
pub(super) struct Worker<'a> {
    pub(super) number: u32,
    pub(super) setup: Arc<Setup>,
    pub(super) shared: &'a Shared,
    pub(super) epoll: OwnedFd,
    pub(super) clients: Vec<Client>,
    /// Next due number of each fan-out stream of each client.
    pub(super) fan_next: Vec<u32>,
    pub(super) gaps: Gaps,
    /// Counts of the phase going on.
    pub(super) stats: Stats,
    /// Counts that belong to the phase before, come in late.
    pub(super) late: Stats,
    /// One receive buffer for all clients.
    pub(super) buffer: Vec<u8>,
    /// Frames of the client being served, sent together.
    pub(super) out: Vec<u8>,
    pub(super) mask: [u8; 4],
    pub(super) key: Key,
    pub(super) random: fastrand::Rng,
    pub(super) duties: Vec<Duty>,
    pub(super) phase: usize,
    pub(super) phase_begin: Nanos,
    /// Slots opened so far; those above are vacant.
    pub(super) opened: u32,
    pub(super) arriving: u32,
    pub(super) reopen: VecDeque<(u32, Nanos)>,
    pub(super) timeouts: VecDeque<(u32, Nanos)>,
    pub(super) next_dial: Nanos,
    pub(super) next_churn: Nanos,
    pub(super) slow: Vec<u32>,
    next_slow: Nanos,
    /// Milliseconds without a ping after which the server counts as silent.
    pub(super) patience: u32,
    /// Replies and deliveries not yet told to `shared`.
    pub(super) fresh: u64,
    pub(super) settled: bool,
    pub(super) next_look: Nanos,
    ticks: Sender<Tick>,
    next_tick: Nanos,
    busy_before: Nanos,
}

/// A thread's whole life.
pub(super) fn run(
    number: u32,
    setup: Arc<Setup>,
    shared: &Shared,
    ticks: Sender<Tick>,
) -> anyhow::Result<()> {
    if setup.own_tables {
        sys::own_descriptor_table().context("unshare(CLONE_FILES)")?;
    }
    // The default slack of 50 µs would be lag of our own making.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).context("timer slack")?;
    Worker::new(number, setup, shared, ticks)?.work()
}

impl<'a> Worker<'a> {
    fn new(
        number: u32,
        setup: Arc<Setup>,
        shared: &'a Shared,
        ticks: Sender<Tick>,
    ) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = &shared.turns[number as usize].1;
        epoll::add(
            &epoll,
            bell,
            epoll::EventData::new_u64(BELL),
            epoll::EventFlags::IN,
        )?;
        let local = setup.share(setup.clients, number);
        let fan_streams = setup.fan_kinds.len() * setup.publishers as usize;
        let mut random = fastrand::Rng::with_seed(setup.seed.wrapping_add(u64::from(number)));
        let mut key = [0; 16];
        random.fill(&mut key);
        Ok(Self {
            number,
            shared,
            epoll,
            clients: std::iter::repeat_with(Client::vacant)
                .take(local as usize)
                .collect(),
            fan_next: vec![UNSET; local as usize * fan_streams],
            gaps: Gaps::default(),
            stats: Stats::default(),
            late: Stats::default(),
            buffer: vec![0; 128 << 10],
            out: Vec::new(),
            mask: random.u32(1..).to_ne_bytes(),
            key: Key::new(key),
            random,
            duties: Vec::new(),
            phase: 0,
            phase_begin: Nanos::MAX,
            opened: 0,
            arriving: 0,
            reopen: VecDeque::new(),
            timeouts: VecDeque::new(),
            next_dial: 0,
            next_churn: Nanos::MAX,
            slow: Vec::new(),
            next_slow: 0,
            patience: u32::MAX,
            fresh: 0,
            settled: false,
            next_look: 0,
            ticks,
            next_tick: SECOND,
            busy_before: 0,
            setup,
        })
    }

    fn work(&mut self) -> anyhow::Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(512);
        loop {
            let now = self.setup.clock.now();
            self.follow(now);
            if self.is_finished(now) {
                break;
            }
            self.keep_population(now);
            self.act(now);
            if now >= self.next_slow {
                self.next_slow = now + self.setup.slow_pause;
                self.read_slow();
            }
            if now >= self.next_tick {
                self.next_tick = (now / SECOND + 1) * SECOND;
                self.tick(now);
                self.check_heartbeats(now);
            }
            let sleep = self.sleep(self.setup.clock.now());
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: sleep.cast_signed(),
            };
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                self.event(event.data.u64(), event.flags);
            }
            if self.fresh > 0 {
                self.shared
                    .received
                    .fetch_add(std::mem::take(&mut self.fresh), Relaxed);
            }
        }
        self.finish();
        self.tick(self.setup.clock.now());
        Ok(())
    }

    /// Nanoseconds until something is planned.
    fn sleep(&self, now: Nanos) -> Nanos {
        let mut wake = now + LONGEST_SLEEP;
        for duty in &self.duties {
            wake = wake.min(duty.next());
        }
        if !self.slow.is_empty() {
            wake = wake.min(self.next_slow);
        }
        let dials = self.wants_dial() && self.arriving < self.setup.handshakes;
        if dials {
            wake = wake.min(self.next_dial);
        }
        wake.min(self.phase_end())
            .min(self.next_churn)
            .saturating_sub(now)
    }

    fn next_phase(&self) -> usize {
        if self.phase_begin == Nanos::MAX {
            0
        } else {
            self.phase + 1
        }
    }

    /// When the next phase begins, as far as that is decided.
    pub(super) fn phase_end(&self) -> Nanos {
        let next = self.shared.begins.get(self.next_phase());
        next.map_or(Nanos::MAX, |b| b.load(Relaxed))
    }

    /// Enters the phases whose time has come.
    fn follow(&mut self, now: Nanos) {
        while let Some(begin) = self.shared.begins.get(self.next_phase()) {
            let begin = begin.load(Relaxed);
            if begin > now {
                return;
            }
            let next = self.next_phase();
            if next > 0 {
                self.stats.not_started +=
                    self.duties.iter_mut().map(|d| d.drain(begin)).sum::<u64>();
                self.tick(now);
            }
            self.phase = next;
            self.phase_begin = begin;
            self.enter(begin);
        }
    }

    /// All sending is over.
    pub(super) fn is_draining(&self) -> bool {
        self.phase == self.setup.courses.len()
    }

    /// The counters for a message planned at `planned`.
    pub(super) fn stats_of(&mut self, planned: Nanos) -> &mut Stats {
        if planned < self.phase_begin {
            &mut self.late
        } else {
            &mut self.stats
        }
    }

    /// A local client's number among all.
    pub(super) fn id(&self, local: u32) -> u32 {
        local * self.setup.threads + self.number
    }

    /// Passes the counts on.
    fn tick(&mut self, at: Nanos) {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let busy = spent.tv_sec.cast_unsigned() * SECOND + spent.tv_nsec.cast_unsigned();
        self.stats.busy = busy - self.busy_before;
        self.busy_before = busy;
        let begun = self.phase_begin != Nanos::MAX;
        let phase = if begun { self.phase } else { 0 };
        let stats = Box::new(std::mem::take(&mut self.stats));
        let late = Box::new(std::mem::take(&mut self.late));
        // A coordinator that has gone away has no use for counts.
        let _ = self.ticks.send(Tick { phase, at, stats });
        if phase > 0 {
            let _ = self.ticks.send(Tick {
                phase: phase - 1,
                at,
                stats: late,
            });
        }
    }

    fn check_heartbeats(&mut self, now: Nanos) {
        if self.patience == u32::MAX || self.is_draining() {
            return;
        }
        let limit = ((now / 1_000_000) as u32).saturating_sub(self.patience);
        for local in 0..self.opened {
            let client = &self.clients[local as usize];
            if client.state == State::Ready && client.pinged < limit && !client.slow {
                self.lose(local, "no ping from the server in its interval and timeout");
            }
        }
    }
}
