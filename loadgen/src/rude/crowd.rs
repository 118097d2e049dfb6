//! Answers: what do many clients of one habit do, and what do they see.
//!
//! One thread and one epoll each. What comes is read as it comes, unless the habit is not to read.

use super::client::{Client, frame};
use super::tally::Tally;
use crate::net::Target;
use crate::proto::ws::{self, opcode};
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Frames that a flooder hands to the kernel at a time.
const BLOCK: usize = 2048;
/// How long a crowd that has stopped asking waits for answers.
const GRACE: Duration = Duration::from_secs(2);

/// What a crowd's clients do, besides answering pings.
#[derive(Clone, Debug)]
pub(super) enum Habit {
    /// Nothing; pings are answered after so long.
    Sit { pong_after: Duration },
    /// Each sends `text` every `each`, and an answer begins with `answer`; empty: none is expected.
    Ask {
        text: String,
        answer: &'static str,
        each: Duration,
    },
    /// Each sends `text` as fast as it is taken.
    Flood { text: String },
    /// Nothing is read.
    Deaf,
    /// So many bytes are read every `pause`.
    Trickle { bytes: usize, pause: Duration },
}

/// What can be seen of a crowd while it is at it.
#[derive(Debug, Default)]
struct Live {
    stop: AtomicBool,
    closed: AtomicU64,
    events: AtomicU64,
    owed: AtomicU64,
}

/// Clients at work.
#[derive(Debug)]
pub(super) struct Crowd {
    live: Arc<Live>,
    door: mpsc::Sender<Client>,
    thread: JoinHandle<anyhow::Result<Tally>>,
}

impl Crowd {
    pub(super) fn start(clients: Vec<Client>, habit: Habit) -> anyhow::Result<Self> {
        let live = Arc::<Live>::default();
        let (door, newcomers) = mpsc::channel();
        let mut work = Work::new(clients, habit, Arc::clone(&live), newcomers)?;
        let thread = std::thread::Builder::new()
            .name("crowd".to_owned())
            .spawn(move || {
                work.run()?;
                Ok(work.tally)
            })?;
        Ok(Self { live, door, thread })
    }

    /// So many that join one after the other, and answer their pings from the beginning.
    pub(super) fn gather(
        target: &Target,
        count: usize,
        pong_after: Duration,
    ) -> anyhow::Result<Self> {
        let crowd = Self::start(Vec::new(), Habit::Sit { pong_after })?;
        for _ in 0..count {
            let client = Client::join(target).or_else(|_| Client::join(target))?;
            let _ = crowd.door.send(client); // a thread that has ended says so when it is stopped
        }
        Ok(crowd)
    }

    pub(super) fn closed(&self) -> u64 {
        self.live.closed.load(Relaxed)
    }

    pub(super) fn events(&self) -> u64 {
        self.live.events.load(Relaxed)
    }

    /// Pings that have come and are not answered yet.
    pub(super) fn owed(&self) -> u64 {
        self.live.owed.load(Relaxed)
    }

    /// Ends it; what was seen.
    pub(super) fn stop(self) -> anyhow::Result<Tally> {
        self.live.stop.store(true, Relaxed);
        let ended = self.thread.join();
        ended.unwrap_or_else(|_| anyhow::bail!("a crowd's thread panicked"))
    }
}

/// One client.
#[derive(Debug)]
struct Member {
    stream: Option<TcpStream>,
    unread: Vec<u8>,
    /// Of what is being sent, and how much of it has been taken.
    unsent: Vec<u8>,
    interval: Duration,
    /// When its last pong was sent.
    ponged: Instant,
    /// When its open questions were planned.
    asked: VecDeque<Instant>,
    /// How much of the block a flooder's kernel has taken.
    taken: usize,
}

/// What is to be done, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Duty {
    Ask(u32),
    Pong(u32),
    Read(u32),
}

struct Work {
    members: Vec<Member>,
    habit: Habit,
    /// What an asker sends, or a flooder in a block.
    frames: Vec<u8>,
    duties: BinaryHeap<Reverse<(Instant, Duty)>>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
    live: Arc<Live>,
    newcomers: mpsc::Receiver<Client>,
    tally: Tally,
}

impl Work {
    fn new(
        clients: Vec<Client>,
        habit: Habit,
        live: Arc<Live>,
        newcomers: mpsc::Receiver<Client>,
    ) -> anyhow::Result<Self> {
        let now = Instant::now();
        let frames = match &habit {
            Habit::Ask { text, .. } => frame(text),
            Habit::Flood { text } => frame(text).repeat(BLOCK),
            _ => Vec::new(),
        };
        let mut work = Self {
            members: Vec::with_capacity(clients.len()),
            habit,
            frames,
            duties: BinaryHeap::new(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            buffer: vec![0; 256 << 10],
            live,
            newcomers,
            tally: Tally::default(),
        };
        let count = clients.len() as u32;
        for (n, client) in (0_u32..).zip(clients) {
            work.enter(n, client)?;
            match work.habit {
                Habit::Ask { each, .. } => {
                    let first = now + each * n / count;
                    work.duties.push(Reverse((first, Duty::Ask(n))));
                }
                Habit::Trickle { .. } => work.duties.push(Reverse((now, Duty::Read(n)))),
                _ => {}
            }
        }
        Ok(work)
    }

    fn enter(&mut self, n: u32, client: Client) -> anyhow::Result<()> {
        client.stream.set_nonblocking(true)?;
        let flags = match self.habit {
            Habit::Deaf | Habit::Trickle { .. } => epoll::EventFlags::RDHUP,
            Habit::Flood { .. } => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Habit::Sit { .. } | Habit::Ask { .. } => epoll::EventFlags::IN,
        };
        let data = epoll::EventData::new_u64(n.into());
        epoll::add(&self.epoll, &client.stream, data, flags)?;
        self.members.push(Member {
            stream: Some(client.stream),
            unread: Vec::new(),
            unsent: Vec::new(),
            interval: client.interval,
            ponged: Instant::now(),
            asked: VecDeque::new(),
            taken: 0,
        });
        self.feed(n, &client.unread);
        Ok(())
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let mut events = Vec::<epoll::Event>::with_capacity(1024);
        let mut stopped = None;
        loop {
            let now = Instant::now();
            if stopped.is_none() && self.live.stop.load(Relaxed) {
                stopped = Some(now);
            }
            let owes = |member: &Member| member.stream.is_some() && !member.asked.is_empty();
            if let Some(at) = stopped
                && (now > at + GRACE || !self.members.iter().any(owes))
            {
                break;
            }
            while let Ok(client) = self.newcomers.try_recv() {
                self.enter(self.members.len() as u32, client)?;
            }
            let next = self.perform(now, stopped.is_some());
            let timeout = Timespec {
                tv_sec: 0,
                tv_nsec: next.as_nanos().min(50_000_000) as i64,
            };
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(&self.epoll, spare, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                self.event(event.data.u64() as u32, event.flags, stopped.is_some());
            }
        }
        let now = Instant::now();
        for member in &self.members {
            for asked in &member.asked {
                self.tally.unanswered += 1;
                self.tally
                    .answers
                    .note(now.saturating_duration_since(*asked));
            }
        }
        Ok(())
    }

    /// Does what is due; the time to what is next.
    fn perform(&mut self, now: Instant, stopped: bool) -> Duration {
        while let Some(Reverse((due, duty))) = self.duties.peek().copied() {
            if due > now {
                return due - now;
            }
            self.duties.pop();
            match duty {
                Duty::Ask(n) => self.ask(n, due, stopped),
                Duty::Pong(n) => self.pong(n),
                Duty::Read(n) => self.trickle(n, due),
            }
        }
        Duration::from_secs(1)
    }

    fn ask(&mut self, n: u32, due: Instant, stopped: bool) {
        let Habit::Ask { answer, each, .. } = self.habit else {
            return;
        };
        if stopped || self.members[n as usize].stream.is_none() {
            return;
        }
        self.tally.lag.note(due.elapsed());
        if !answer.is_empty() {
            self.members[n as usize].asked.push_back(due);
        }
        let frame = std::mem::take(&mut self.frames);
        self.send(n, &frame);
        self.frames = frame;
        self.tally.sent += 1;
        self.duties.push(Reverse((due + each, Duty::Ask(n))));
    }

    fn pong(&mut self, n: u32) {
        self.live.owed.fetch_sub(1, Relaxed);
        self.members[n as usize].ponged = Instant::now();
        self.send(n, &frame("3"));
    }

    fn trickle(&mut self, n: u32, due: Instant) {
        if let Habit::Trickle { bytes, pause } = self.habit
            && self.members[n as usize].stream.is_some()
        {
            self.read(n, bytes);
            self.duties.push(Reverse((due + pause, Duty::Read(n))));
        }
    }

    /// Sends, or keeps what is not taken until the socket takes more.
    fn send(&mut self, n: u32, bytes: &[u8]) {
        let member = &mut self.members[n as usize];
        let Some(stream) = &member.stream else { return };
        if !member.unsent.is_empty() {
            return member.unsent.extend_from_slice(bytes);
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = match rustix::net::send(stream, bytes, flags) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => return, // its end is read
        };
        if sent < bytes.len() {
            member.unsent.extend_from_slice(&bytes[sent..]);
            let data = epoll::EventData::new_u64(n.into());
            let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT;
            let _ = epoll::modify(&self.epoll, stream, data, flags); // it was added
        }
    }

    fn event(&mut self, n: u32, flags: epoll::EventFlags, stopped: bool) {
        use epoll::EventFlags as F;
        if flags.intersects(F::OUT) {
            if matches!(self.habit, Habit::Flood { .. }) {
                if !stopped {
                    self.flood(n);
                }
            } else {
                self.send_rest(n);
            }
        }
        match self.habit {
            Habit::Deaf | Habit::Trickle { .. }
                if !flags.intersects(F::RDHUP | F::HUP | F::ERR) => {}
            Habit::Deaf | Habit::Trickle { .. } => self.end(n, "cut"),
            _ if flags.intersects(F::IN | F::HUP | F::ERR) => self.read(n, usize::MAX),
            _ => {}
        }
    }

    fn send_rest(&mut self, n: u32) {
        let rest = std::mem::take(&mut self.members[n as usize].unsent);
        if let Some(stream) = &self.members[n as usize].stream {
            let data = epoll::EventData::new_u64(n.into());
            let _ = epoll::modify(&self.epoll, stream, data, epoll::EventFlags::IN);
        }
        self.send(n, &rest);
    }

    /// A flooder's next frames; a pong goes between two.
    fn flood(&mut self, n: u32) {
        let member = &mut self.members[n as usize];
        let Some(stream) = &member.stream else { return };
        let one = self.frames.len() / BLOCK;
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        if member.taken.is_multiple_of(one) && !member.unsent.is_empty() {
            match rustix::net::send(stream, &member.unsent, flags) {
                Ok(count) => drop(member.unsent.drain(..count)),
                Err(_) => return,
            }
            if !member.unsent.is_empty() {
                return;
            }
        }
        // With a pong to send no further than to the end of the frame that is begun.
        let end = if member.unsent.is_empty() {
            self.frames.len()
        } else {
            member.taken.next_multiple_of(one)
        };
        if let Ok(count) = rustix::net::send(stream, &self.frames[member.taken..end], flags) {
            self.tally.sent += (count / one) as u64;
            member.taken = (member.taken + count) % self.frames.len();
        }
    }

    fn read(&mut self, n: u32, most: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let most = most.min(buffer.len());
        let Some(stream) = &self.members[n as usize].stream else {
            self.buffer = buffer;
            return;
        };
        let read = rustix::net::recv(stream, &mut buffer[..most], RecvFlags::DONTWAIT);
        match read {
            Ok((_, 0)) => self.end(n, "cut"),
            Ok((_, count)) => {
                self.tally.received += count as u64;
                self.feed(n, &buffer[..count]);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(Errno::CONNRESET | Errno::PIPE) => self.end(n, "reset"),
            Err(error) => self.end(n, &error.to_string()),
        }
        self.buffer = buffer;
    }

    /// Takes what has come apart.
    fn feed(&mut self, n: u32, bytes: &[u8]) {
        let kept = std::mem::take(&mut self.members[n as usize].unread);
        let joined = [&kept[..], bytes].concat();
        let bytes = if kept.is_empty() { bytes } else { &joined[..] };
        let mut at = 0;
        while let Some(header) = ws::header(&bytes[at..]) {
            let body = at + header.header_len;
            let Some(payload) = bytes.get(body..body + header.payload_len) else {
                break;
            };
            at = body + header.payload_len;
            match header.opcode {
                opcode::TEXT => self.text(n, payload),
                opcode::CLOSE => {
                    let code = payload
                        .first_chunk()
                        .map_or(1005, |c| u16::from_be_bytes(*c));
                    return self.end(n, &format!("closed {code}"));
                }
                _ => {}
            }
        }
        self.members[n as usize].unread = bytes[at..].to_vec();
    }

    fn text(&mut self, n: u32, text: &[u8]) {
        let now = Instant::now();
        if text == b"2" {
            let member = &self.members[n as usize];
            let due = member.ponged + member.interval;
            self.tally
                .heartbeats
                .note(now.saturating_duration_since(due));
            self.live.owed.fetch_add(1, Relaxed);
            return match self.habit {
                Habit::Sit { pong_after } if !pong_after.is_zero() => {
                    self.duties.push(Reverse((now + pong_after, Duty::Pong(n))));
                }
                Habit::Flood { .. } => {
                    self.live.owed.fetch_sub(1, Relaxed);
                    self.members[n as usize].unsent = frame("3");
                    self.members[n as usize].ponged = now;
                }
                _ => self.pong(n),
            };
        }
        if let Habit::Ask { answer, .. } = self.habit
            && !answer.is_empty()
            && text.starts_with(answer.as_bytes())
            && let Some(asked) = self.members[n as usize].asked.pop_front()
        {
            return self
                .tally
                .answers
                .note(now.saturating_duration_since(asked));
        }
        self.tally.events += 1;
        self.live.events.fetch_add(1, Relaxed);
    }

    fn end(&mut self, n: u32, how: &str) {
        let member = &mut self.members[n as usize];
        if let Some(stream) = member.stream.take() {
            let _ = epoll::delete(&self.epoll, &stream); // it was added
            *self.tally.ends.entry(how.to_owned()).or_default() += 1;
            self.live.closed.fetch_add(1, Relaxed);
        }
    }
}
