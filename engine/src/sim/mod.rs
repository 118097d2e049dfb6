//! Answers: do several hubs, their mail and many clients keep the promises, whatever the order of
//! things.
//!
//! One thread runs a whole server: 1 to 4 hubs with a model of the directory, mail with delays
//! (first in, first out per pair of hubs), connections with buffers of any size, clients that
//! behave and clients that do not, an application that answers, publishes and asks, and a clock
//! that only moves when nothing is left to do. Everything is decided by one seed: the same seed
//! gives the same event log, whose hash is printed. It changes nothing in the core and must not
//! read the core's tables; the `oracle` says what is right, the clients read every byte with
//! their own reader (`wire`).
//!
//! `cargo run -p stentor-engine --features sim --bin stentor-sim -- --seed 7`
//!
//! # What finds what
//!
//! Mutants of the core, applied by hand one at a time, and what the 200 seeds of the test (4,000
//! steps each) said first; where they said nothing, the test that did. Reliability 5.2 and 5.4 have
//! the invariants and the list. Delivering a POST twice, counting frames and recovery are not the
//! core's; a question cannot be registered after it is sent, because nothing leaves before a flush.
//!
//! | mutant | seed | promise | what was said |
//! |---|---|---|---|
//! | no noop on upgrade | 3 | I4 | a good upgrade was cut off |
//! | backlog dropped on upgrade | 5 | I1, I4 | got … in place of … |
//! | question registered under another id | 0 | I6 | an answer did not come |
//! | question kept after its timeout | 8 | I6 | the next one was not asked |
//! | second answer calls back | 0 | I6 | settled twice |
//! | timer of a settled question stays | 0 | I12 | a timer of nothing |
//! | question of a leaving socket not settled | 0 | I6 | left and was not settled |
//! | ids of two hubs' questions collide | 11 | I6 | one id for two open questions |
//! | once per room, not per socket | 0 | I5 | got … in place of nothing |
//! | `except` ignored; sender not excepted | 0 | I5 | got … in place of … |
//! | rooms kept after leaving | 0 | I5 | the rooms at the end |
//! | entry kept after refusal | 0 | I12 | no namespace was joined, and … |
//! | join before the door opens | 2 | I5 | a wrong answer to a join |
//! | directory not cleared, by leave or disconnect | 0 | I12 | a mail that nobody had to write |
//! | mail to every hub | 0 | I15 | a mail that nobody had to write |
//! | duplicate CONNECT replaces the socket | 3 | I7 | ended and should not have |
//! | DISCONNECT before CONNECT | 0 | I7 | got … in place of nothing |
//! | text amid binary parts | 2 | I10 | the close did not come |
//! | placeholder's number unchecked | 9 | I10 | the close did not come |
//! | bytes twice after a short write | 1 | I1 | a broken OPEN packet |
//! | polite close drops what is queued | 0 | I4 | closed politely and lost … |
//! | outbox without bound | 1 | I13 | a backlog is over its bound |
//! | any packet is a pong, for ever | 1 | I11 | answers no ping and is still open |
//! | pong does not re-arm the wheel | 2 | I11 | is silent and still open |
//! | no connect timeout | 0 | I12 | joined no namespace and is still open |
//! | GET left behind by an upgrade | 0 | I12 | the GET … was never answered |
//! | any connection may probe | | I14 | `only_the_connection_that_probes_is_heard` |
//! | admission forgets due parts | | I13 | `letting_a_socket_in_does_not_forget_…` (seed 524 at 1,500 steps had it) |
//! | partial packet kept by a closed session | | | nothing: a closed session reads nothing, so nobody can tell |

mod app;
mod checks;
mod client;
mod deeds;
mod going;
mod log;
mod mail;
mod net;
mod oracle;
mod peer;
mod random;
mod reading;
mod requests;
mod server;
mod shell;
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

/// Which mail a [`Fault`] strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// Broadcasts.
    Publish,
    /// Broadcasts by somebody who is no hub.
    Relay,
    /// What is to be done with sockets.
    Act,
    /// News of questions.
    Ack,
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
    /// With which mail.
    pub letters: Letters,
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
