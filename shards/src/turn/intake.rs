//! Answers: whose input is read next, how much of it, and what has been looked at.
//!
//! A turn reads for as long as its budget lasts, one bounded read a connection. Connections that have
//! become ready go first, in the order in which they did; then those that had more than one read
//! took, each in its turn, so that a client that floods waits behind all that do not. What the budget
//! does not reach stays listed: epoll tells of an edge once.
//!
//! A thread that gets little of a processor sees its turn's time pass while it does not run. So a turn goes on
//! reading for a number of reads that need little of the processor, and while clients that have become ready
//! still wait, a broadcast leaves in small parts: each pong that lies unread makes the next ping late.
//!
//! Nobody is judged by a clock before what had come from him was handled. `seen` is the moment up to
//! which that is so.

use std::{collections::VecDeque, io, time::Duration};

use mio::{Events, Token};
use stentor_engine::{slab::Key, time::Tick};

use super::{LISTENER, Turns, WAKER};
use crate::{
    clock::processor_ms,
    shard::{
        conns::{ConnKey, Read},
        looks::Looks,
    },
};

/// Readiness that epoll tells of in one call.
pub(super) const EVENTS_PER_POLL: usize = 1024;
/// Within a turn, so many ready connections are handled before their answers leave, while both the
/// answers and the kernel's side of those connections are still in the cache. Measured
/// (docs/PERFORMANCE.md): 5,000 clients' echoes cost 1.0 to 1.07 times the floor with 16 to 256 and
/// 1.21 with all 1,024; sixteen in flight cost 1.47 with 32, 1.54 with 128.
const READS_PER_FLUSH: usize = 32;
/// Bytes of one read. The buffer is shared by all connections of the shard.
const READ_BYTES: usize = 64 * 1024;
/// The same at least, when many connections have more: 150 messages of the smallest kind.
const READ_BYTES_MIN: usize = 2 * 1024;
/// The same while another shard has no room for what this one has for it: whose messages go there, and
/// how many, is known only when they are read.
const READ_BYTES_CONGESTED: usize = 1024;
/// How long a turn reads, and how long it gives slices of output.
pub(super) const TURN_MS: u64 = 5;
/// Bytes that a turn reads.
const TURN_BYTES: usize = 1 << 20;
/// A thread that is given little of the processor has spent its time after a handful of reads, and what its
/// turns send would leave no room for reading: pongs lay unread for 6 s. So a turn reads so many connections at
/// least, unless it has used [`TURN_MS`] of the processor.
const READS_PER_TURN_MIN: usize = 256;
/// The clock is read when so much was done; a read counts as [`READ_COSTS`] besides its bytes.
const CLOCK_EVERY: usize = 16 * 1024;
const READ_COSTS: usize = 512;
/// Connections that were put aside and are read again in one turn.
const ASIDE_PER_TURN: usize = 64;

/// What a turn may still spend.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    until: Tick,
    bytes: usize,
    /// Reads that may follow when the time is over, if they need little of the processor.
    reads: usize,
    /// When the time is over by the processor's clock; 0 until that was read.
    processor_until: u64,
    /// What was done since the clock was read.
    unclocked: usize,
    spent: bool,
}

impl Budget {
    pub(super) fn new(now: Tick) -> Self {
        Self {
            until: Tick(now.0 + TURN_MS),
            bytes: TURN_BYTES,
            reads: READS_PER_TURN_MIN,
            processor_until: 0,
            unclocked: 0,
            spent: false,
        }
    }

    #[inline]
    pub(super) fn spend(&mut self, bytes: usize, clock: impl FnOnce() -> Tick) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.unclocked += bytes + READ_COSTS;
        self.reads = self.reads.saturating_sub(1);
        if self.unclocked >= CLOCK_EVERY {
            self.unclocked = 0;
            if clock() >= self.until {
                self.spent |= self.reads == 0 || self.has_used(processor_ms());
            }
        }
        self.spent |= self.bytes == 0;
    }

    /// Whether the turn has had its share of the processor, at `now` by the processor's clock.
    #[cold]
    const fn has_used(&mut self, now: u64) -> bool {
        if self.processor_until == 0 {
            self.processor_until = now + TURN_MS;
        }
        now >= self.processor_until
    }

    /// Nothing more may be done in this turn.
    pub(super) const fn end(&mut self) {
        self.spent = true;
    }

    #[inline]
    pub(super) const fn is_spent(&self) -> bool {
        self.spent
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) events: Events,
    buffer: Box<[u8]>,
    /// Connections that became ready and were not read since.
    fresh: VecDeque<ConnKey>,
    /// Those that had more than one read took.
    more: VecDeque<ConnKey>,
    /// Those that made mail for which there is no room.
    aside: VecDeque<ConnKey>,
    /// A moment that is seen when so many of `fresh` have been handled.
    next_seen: Option<(Tick, usize)>,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self {
            events: Events::with_capacity(EVENTS_PER_POLL),
            buffer: vec![0; READ_BYTES].into(),
            fresh: VecDeque::new(),
            more: VecDeque::new(),
            aside: VecDeque::new(),
            next_seen: None,
        }
    }

    /// Whether clients that have become ready wait to be read.
    pub(super) fn lags(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Whether there is something that can be read now.
    pub(super) fn has_more(&self, congested: bool) -> bool {
        !self.fresh.is_empty() || !self.more.is_empty() || (!self.aside.is_empty() && !congested)
    }

    /// Bytes of a read, so that each connection with more comes soon.
    fn share(&self, congested: bool) -> usize {
        if congested {
            return READ_BYTES_CONGESTED;
        }
        let ready = self.fresh.len() + self.more.len();
        (TURN_BYTES / (ready + 1)).clamp(READ_BYTES_MIN, READ_BYTES)
    }

    /// The next connection that has become ready. `seen` moves on when the last has been handled that
    /// stood before.
    fn next_fresh(&mut self, looks: &Looks) -> Option<ConnKey> {
        match &mut self.next_seen {
            Some((at, 0)) => {
                looks.note_seen(*at);
                self.next_seen = None;
            }
            Some((_, left)) => *left -= 1,
            None => {}
        }
        self.fresh.pop_front()
    }

    /// Everything that had come at `now` is in the lists.
    fn looked(&mut self, now: Tick, looks: &Looks) {
        if self.fresh.is_empty() {
            looks.note_seen(now);
            self.next_seen = None;
        } else if self.next_seen.is_none() {
            self.next_seen = Some((now, self.fresh.len()));
        }
    }

    /// Gives back what long lists keep.
    pub(super) fn trim(&mut self) {
        for list in [&mut self.fresh, &mut self.more, &mut self.aside] {
            list.shrink_to_fit();
        }
    }
}

impl Turns {
    /// Takes what epoll tells and reads, for as long as the budget lasts.
    pub(super) fn take_input(&mut self, budget: &mut Budget) -> io::Result<()> {
        let now = self.shard.now.get();
        self.call_back();
        let complete = self.take_readiness(budget)?;
        // Those that have just become ready have a budget, and those with more one of their own: neither
        // keeps the other waiting.
        self.read_fresh(budget);
        if complete {
            self.intake.looked(now, &self.shard.looks);
        }
        if !self.intake.more.is_empty() && !self.must_drain() {
            let mut budget = Budget::new(self.shard.now.clock());
            self.read_more(&mut budget);
        }
        self.shard.looks.note_aside(self.intake.aside.len());
        Ok(())
    }

    /// Connections that can be read again are listed.
    fn call_back(&mut self) {
        let readable = self.shard.conns.borrow_mut().take_readable();
        for (key, end) in readable {
            self.list(key, end);
        }
        if !self.shard.is_congested() {
            for _ in 0..ASIDE_PER_TURN {
                let Some(key) = self.intake.aside.pop_front() else {
                    return;
                };
                self.intake.more.push_back(key);
            }
        }
    }

    /// True if epoll has told all that it had to tell.
    fn take_readiness(&mut self, budget: &mut Budget) -> io::Result<bool> {
        let polls = self.shard.conns.borrow().len() / EVENTS_PER_POLL + 2;
        for _ in 0..polls {
            let Self { epoll, intake, .. } = self;
            match epoll
                .get_mut()
                .poll(&mut intake.events, Some(Duration::ZERO))
            {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Err(_) => return Ok(false),
                Ok(()) => {}
            }
            let events = std::mem::replace(&mut self.intake.events, Events::with_capacity(0));
            let mut count = 0;
            for event in &events {
                if count > 0 && count % READS_PER_FLUSH == 0 {
                    self.shard.flush_answers(READS_PER_FLUSH);
                }
                count += 1;
                self.take_event(event, budget);
            }
            self.intake.events = events;
            if count < EVENTS_PER_POLL {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline]
    fn take_event(&mut self, event: &mio::event::Event, budget: &mut Budget) {
        match event.token() {
            WAKER => self.mail_wakes = true,
            LISTENER => self.accept_more = true,
            Token(bits) => {
                let key = Key::from_bits(bits as u64);
                if event.is_writable() {
                    self.shard.writable(key);
                }
                let end = event.is_read_closed() || event.is_error();
                if !event.is_readable() && !end {
                    return;
                }
                // In the order in which they became ready: none is read before those that wait.
                if self.intake.fresh.is_empty() && !budget.is_spent() {
                    self.read(key, end, budget);
                } else {
                    self.list(key, end);
                }
            }
        }
    }

    /// A connection is to be read when its turn comes.
    fn list(&mut self, key: ConnKey, end: bool) {
        if self.shard.conns.borrow_mut().list(key, end) {
            self.intake.fresh.push_back(key);
        }
    }

    fn read_fresh(&mut self, budget: &mut Budget) {
        let mut count = 0;
        while !budget.is_spent()
            && let Some(key) = self.intake.next_fresh(&self.shard.looks)
        {
            self.read_listed(key, &mut count, budget);
        }
    }

    /// Each once: who has more again comes behind the others.
    fn read_more(&mut self, budget: &mut Budget) {
        let mut count = 0;
        for _ in 0..self.intake.more.len() {
            if budget.is_spent() {
                return;
            }
            if let Some(key) = self.intake.more.pop_front() {
                self.read_listed(key, &mut count, budget);
            }
        }
    }

    fn read_listed(&mut self, key: ConnKey, count: &mut usize, budget: &mut Budget) {
        let end = self.shard.conns.borrow_mut().unlist(key);
        if let Some(end) = end {
            self.read(key, end, budget);
        }
        *count += 1;
        if count.is_multiple_of(READS_PER_FLUSH) {
            self.shard.flush_answers(READS_PER_FLUSH);
        }
    }

    /// Reads a connection once and handles what came; a second time if its end is to be seen.
    fn read(&mut self, key: ConnKey, end: bool, budget: &mut Budget) {
        let room = self.intake.share(self.shard.is_congested());
        loop {
            let buffer = &mut self.intake.buffer[..room];
            let read = self.shard.conns.borrow_mut().read(key, buffer, end);
            let n = match read {
                Read::Nothing => return,
                Read::End => return self.shard.conn_ended(key),
                Read::Broken => return self.shard.conn_closed(key),
                Read::Bytes(n) => n,
            };
            let stuck = self.shard.office.stuck();
            self.shard.conn_bytes(key, &mut self.intake.buffer[..n]);
            self.shard.post_mail();
            budget.spend(n, || self.shard.now.clock());
            if self.shard.relieve() {
                budget.end();
            }
            let aside = self.shard.office.stuck() != stuck;
            if n < room && !end && !aside {
                return;
            }
            if aside || n == room {
                if self.shard.conns.borrow_mut().list(key, end) {
                    let list = &mut self.intake;
                    if aside {
                        &mut list.aside
                    } else {
                        &mut list.more
                    }
                    .push_back(key);
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_whose_time_passed_while_it_did_not_run_still_reads() {
        let mut budget = Budget::new(Tick(1));
        let late = || Tick(1_000);
        for read in 1..READS_PER_TURN_MIN {
            budget.spend(7, late);
            assert!(!budget.is_spent(), "after {read} reads");
        }
        for _ in 0..CLOCK_EVERY / READS_PER_FLUSH {
            budget.spend(7, late);
        }
        assert!(budget.is_spent());
    }

    #[test]
    fn a_turn_that_has_used_its_time_ends() {
        let mut budget = Budget::new(Tick(1));
        assert!(!budget.has_used(100));
        assert!(!budget.has_used(99 + TURN_MS));
        assert!(budget.has_used(100 + TURN_MS));
    }

    #[test]
    fn large_reads_spend_a_turn_at_once() {
        let mut budget = Budget::new(Tick(1));
        budget.spend(TURN_BYTES, || Tick(1));
        assert!(budget.is_spent());
    }
}
