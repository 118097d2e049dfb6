//! Answers: what comes back when a scenario is carried out.
//!
//! The clients: epoll loops that carry it out and count. Knows the protocol and the plan; must not know
//! reports, screens or the server's process.

mod act;
pub mod board;
mod carry;
mod client;
pub mod contract;
mod deliver;
mod dial;
mod frames;
pub mod order;
mod polling;
mod session;
mod settle;
pub mod setup;
mod worker;

use crate::clock::Nanos;
use crate::stats::Stats;
use board::Board;
use contract::Contract;
use rustix::fd::OwnedFd;
use setup::Setup;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

/// What one thread counted in one interval of one phase.
#[derive(Debug)]
pub struct Tick {
    /// The phase the counts belong to.
    pub phase: usize,
    /// The end of the interval.
    pub at: Nanos,
    /// The counts.
    pub stats: Box<Stats>,
}

/// A publisher and when it sent what has now reached everyone.
type Turn = (u32, Nanos);

/// What the coordinator and all threads share.
#[derive(Debug)]
pub struct Shared {
    /// When each phase begins; [`Nanos::MAX`] until decided. One more than there are phases: the
    /// last is the end of all sending.
    pub begins: Vec<AtomicU64>,
    /// When to give up waiting and close everything; [`Nanos::MAX`] until decided.
    pub close_at: AtomicU64,
    /// Clients that are ready.
    pub ready: AtomicU32,
    /// Clients that failed or were lost and are not coming back.
    pub gone: AtomicU32,
    /// Replies and deliveries so far, for dividing by processor time taken at the same instant.
    pub received: AtomicU64,
    /// Threads that send no more.
    stopped: AtomicU32,
    /// Threads that have nothing outstanding (meaningful once sending has ended).
    pub settled: AtomicU32,
    /// What was asked of the server and not answered.
    pub contract: Contract,
    /// Milliseconds between two pings, as the server told them; 0 until it did.
    pub ping_interval: AtomicU32,
    /// Set when one thread cannot go on.
    pub failure: Mutex<Option<String>>,
    board: Board,
    /// Ready members of each room and namespace, without slow and passing ones.
    counted: Vec<AtomicU32>,
    /// All ready members of each room and namespace.
    members: Vec<AtomicU32>,
    /// Publishers whose message is delivered, by thread, with the bell to ring (closed loop).
    turns: Vec<(Mutex<Vec<Turn>>, OwnedFd)>,
}

impl Shared {
    fn new(setup: &Setup) -> anyhow::Result<Self> {
        let cells = |count: usize| {
            std::iter::repeat_with(AtomicU32::default)
                .take(count)
                .collect()
        };
        let instants = |count: usize| {
            std::iter::repeat_with(|| AtomicU64::new(Nanos::MAX))
                .take(count)
                .collect()
        };
        let bell = || rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK);
        let turns = (0..setup.threads)
            .map(|_| Ok((Mutex::default(), bell()?)))
            .collect::<rustix::io::Result<_>>()?;
        Ok(Self {
            begins: instants(setup.courses.len() + 1),
            close_at: AtomicU64::new(Nanos::MAX),
            ready: AtomicU32::new(0),
            gone: AtomicU32::new(0),
            received: AtomicU64::new(0),
            stopped: AtomicU32::new(0),
            settled: AtomicU32::new(0),
            contract: Contract::default(),
            ping_interval: AtomicU32::new(0),
            failure: Mutex::new(None),
            board: Board::new(setup.streams()),
            counted: cells(setup.scopes()),
            members: cells(setup.scopes()),
            turns,
        })
    }

    /// Decides when a phase begins.
    pub fn begin(&self, phase: usize, at: Nanos) {
        self.begins[phase].store(at, Relaxed);
    }
}

/// The running threads.
#[derive(Debug)]
pub struct Swarm {
    /// What is shared with them.
    pub shared: Arc<Shared>,
    /// What they count.
    pub ticks: mpsc::Receiver<Tick>,
    /// To wait for their end.
    pub threads: Vec<JoinHandle<()>>,
}

/// Starts the threads. Each sends a [`Tick`] every second and at every change of phase, and ends
/// after the last, when all is answered or `close_at` has come.
///
/// # Errors
/// When descriptors for the threads' bells cannot be had.
pub fn start(setup: &Arc<Setup>) -> anyhow::Result<Swarm> {
    let shared = Arc::new(Shared::new(setup)?);
    let (sender, ticks) = mpsc::channel();
    let mut threads = Vec::new();
    for number in 0..setup.threads {
        let (setup, shared, sender) = (setup.clone(), shared.clone(), sender.clone());
        let body = move || {
            if let Err(error) = worker::run(number, setup, &shared, sender)
                && let Ok(mut failure) = shared.failure.lock()
            {
                *failure = Some(format!("thread {number}: {error:#}"));
            }
        };
        threads.push(
            std::thread::Builder::new()
                .name(format!("swarm-{number}"))
                .spawn(body)?,
        );
    }
    Ok(Swarm {
        shared,
        ticks,
        threads,
    })
}
