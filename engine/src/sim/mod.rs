//! Answers: do several hubs, their mail and many clients keep the promises, whatever the order of
//! things.
//!
//! One thread runs a whole server: 1 to 4 hubs with a model of the directory, mail with delays
//! (first in, first out per pair of hubs), connections with buffers of any size, clients that
//! behave and clients that do not, an application that answers, publishes and asks, and a clock
//! that only moves when nothing is left to do. Everything is decided by one seed: the same seed
//! gives the same event log, whose hash is printed. It changes nothing in the core and must not
//! read the core's tables; the [`oracle`] says what is right, the clients read every byte with
//! their own reader ([`wire`]).
//!
//! `cargo run -p stentor-engine --features sim --bin stentor-sim -- --seed 7`

mod app;
mod client;
mod log;
mod net;
mod oracle;
mod peer;
mod random;
mod reading;
mod server;
#[cfg(test)]
mod tests;
mod upgrading;
mod wire;
mod world;

use alloc::{string::String, vec::Vec};

use world::World;

/// A lie the simulator tells, to see that it is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// None: everything is as it should be.
    None,
    /// One mail between hubs is lost.
    DropMail,
    /// One mail arrives twice.
    DuplicateMail,
    /// One mail is overtaken by the next.
    SwapMails,
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Decides everything.
    pub seed: u64,
    /// Steps until the clients are asked to leave.
    pub steps: u64,
    /// What is made to go wrong.
    pub fault: Fault,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The hash of the event log.
    pub hash: u64,
    /// Sessions there were.
    pub sessions: usize,
    /// Socket.IO packets that clients read and found right.
    pub packets: u64,
    /// Milliseconds that passed for the hubs.
    pub elapsed_ms: u64,
    /// Whether [`Options::fault`] found something to spoil.
    pub spoilt: bool,
    /// The first promise that was broken.
    pub failure: Option<String>,
    /// The last events.
    pub events: Vec<String>,
}

/// Runs a seed to its end, or to the first broken promise.
#[must_use]
pub fn run(options: &Options) -> Outcome {
    let mut world = World::new(options);
    world.run(options.steps);
    world.outcome()
}
