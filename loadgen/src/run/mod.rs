//! Answers: what is a run given, whom does it tell how it goes, and what does it leave behind.
//!
//! `conduct` leads it through its phases, `build` makes the report, `stop` ends it early. Must not know the
//! protocol or how results are shown.

mod build;
mod conduct;
pub mod stop;

use crate::clock::Nanos;
use crate::limits;
use crate::net::{Sources, Target};
use crate::observe::Observer;
use crate::plan::Scenario;
use crate::report::{Report, Second};
use crate::stats::{Stats, Timing};
use crate::swarm::setup::Setup;
use std::collections::BTreeMap;
use std::sync::Arc;
pub use stop::{Asker, Stop};

/// What a run needs beyond its scenario.
#[derive(Debug)]
pub struct Options {
    /// What to do.
    pub scenario: Scenario,
    /// Threads; default half the cores.
    pub threads: Option<u32>,
    /// Source addresses, `a.b.c.d/len`; default: spread over 127.1.0.0/16 on loopback.
    pub source: Option<String>,
    /// Clients per source address.
    pub per_source: u32,
    /// The server's memory and processor.
    pub observer: Observer,
    /// For the report.
    pub command: String,
    /// The wish from outside to end the run early.
    pub stop: Stop,
}

/// Latency, planned and uncorrected, of each second, with the second's end.
pub type Intervals = Vec<(Nanos, Timing, Timing)>;

/// Is told how a run goes on.
pub trait Watcher {
    /// A line worth saying before the run.
    fn note(&mut self, text: &str);
    /// Another second is over.
    fn second(&mut self, progress: &Progress<'_>);
}

/// How far a run is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// What is run.
    pub scenario: &'a Scenario,
    /// The phase's name.
    pub phase: &'a str,
    /// The phase's place, and how many there are.
    pub step: (usize, usize),
    /// All seconds so far.
    pub seconds: &'a [Second],
    /// All counts so far.
    pub so_far: &'a Stats,
    /// Handshakes that failed and connections lost.
    pub gone: u32,
    /// The server's memory before the first client came.
    pub memory_before: Option<u64>,
}

/// What a run left behind, before it is a report.
#[derive(Debug)]
pub struct Gathered {
    /// What was asked for.
    pub setup: Arc<Setup>,
    /// Counts of each phase; the last entry belongs to the drain.
    pub phases: Vec<Stats>,
    /// Beginnings of the phases and the end.
    pub begins: Vec<Nanos>,
    /// The server's processor time at each of them, or a little later.
    pub cpu: Vec<Option<f64>>,
    /// Replies and deliveries by the same instants as `cpu`.
    pub received: Vec<u64>,
    /// Seconds.
    pub seconds: Vec<Second>,
    /// Latency, planned and uncorrected, of each second.
    pub intervals: Intervals,
    /// Memory and kernel memory at steady numbers of clients.
    pub plateaus: BTreeMap<u32, Vec<(u64, u64)>>,
    /// Own memory before the first client and at the most.
    pub own_memory: (u64, u64),
    /// Clients ready at the most.
    pub ready_most: u32,
    /// Phases that were begun; fewer than planned when the run was ended early.
    pub phases_begun: usize,
    /// Why it ended before its plan did.
    pub ended: Option<Ended>,
    /// Events that were never rightly answered, by name.
    pub unanswered: Vec<String>,
    /// Seconds between two pings, as the server told them.
    pub ping_interval: Option<f64>,
    /// When the run began, seconds since 1970.
    pub started: u64,
}

/// Why a run ended before its plan did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Someone asked for it.
    Asked(Asker),
    /// All clients were lost, or none became ready.
    NoClientLeft,
}

impl Ended {
    /// As it is told.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Asked(asker) => asker.name(),
            Self::NoClientLeft => "no client was left",
        }
    }
}

/// Carries a scenario out.
///
/// # Errors
/// When limits or the scenario forbid it, or the generator itself fails; faults of the server are
/// part of the report.
pub fn run(options: &Options, watcher: &mut dyn Watcher) -> anyhow::Result<(Report, Intervals)> {
    let scenario = &options.scenario;
    let target = Target::parse(&scenario.url)?;
    let sources = match &options.source {
        Some(range) => Some(Sources::parse(range, options.per_source)?),
        None => Sources::suited_to(target.address, options.per_source),
    };
    let division = limits::divide(scenario, sources.as_ref(), options.threads)?;
    for warning in &division.warnings {
        watcher.note(warning);
    }
    if division.own_tables {
        watcher.note(&format!(
            "{} threads with a descriptor table each, for {} clients",
            division.threads,
            scenario.most_clients()
        ));
    }
    let own = Observer::Processes(vec![std::process::id()]);
    let before = own.look().map_or(0, |s| s.rss);
    let setup = Setup::new(scenario, sources, division.threads, division.own_tables)?;
    let mut gathered = conduct::conduct(options, Arc::new(setup), watcher)?;
    let own_now = own.look().map_or(0, |s| s.rss);
    gathered.own_memory = (before, gathered.own_memory.1.max(own_now));
    let intervals = std::mem::take(&mut gathered.intervals);
    Ok((build::report(options, gathered), intervals))
}
