//! Answers: when do a run's phases begin and end, and what was gathered meanwhile.
//!
//! Gathers what the threads count, watches the server, tells a [`Watcher`] every second. Must not know the
//! protocol or how results are shown.

use crate::clock::{Nanos, SECOND, nanos, secs};
use crate::limits;
use crate::net::{Sources, Target};
use crate::observe::{Observer, Sample};
use crate::plan::Scenario;
use crate::plan::course::Course;
use crate::report::{Report, Second, Spread, build};
use crate::stats::{Faults, Stats, Timing};
use crate::swarm::setup::Setup;
use crate::swarm::{self, Shared, Swarm, Tick};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    /// Set from outside to end the run early.
    pub stop: Arc<AtomicBool>,
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
    /// When the run began, seconds since 1970.
    pub started: u64,
}

struct Conductor<'a> {
    options: &'a Options,
    shared: Arc<Shared>,
    ticks: mpsc::Receiver<Tick>,
    gathered: Gathered,
    row: Stats,
    next_row: Nanos,
    begun: usize,
    so_far: Stats,
    steady: (u32, u32),
    last: (Nanos, Option<f64>),
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
    let setup = Arc::new(setup);
    let Swarm {
        shared,
        ticks,
        threads,
    } = swarm::start(&setup)?;
    let phases = setup.courses.len() + 1;
    let now = setup.clock.now();
    let mut conductor = Conductor {
        options,
        shared,
        ticks,
        gathered: Gathered {
            phases: vec![Stats::default(); phases],
            begins: Vec::new(),
            cpu: Vec::new(),
            received: Vec::new(),
            seconds: Vec::new(),
            intervals: Vec::new(),
            plateaus: BTreeMap::new(),
            own_memory: (before, 0),
            ready_most: 0,
            phases_begun: 0,
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_secs()),
            setup: setup.clone(),
        },
        row: Stats::default(),
        next_row: SECOND + SECOND / 10,
        begun: 0,
        so_far: Stats::default(),
        steady: (0, 0),
        last: (now, options.observer.cpu()),
    };
    conductor.plateau(0, options.observer.look());
    conductor.conduct(watcher)?;
    for thread in threads {
        anyhow::ensure!(thread.join().is_ok(), "a thread of the generator panicked");
    }
    conductor.gather(Duration::ZERO);
    conductor.check_threads()?;
    let own_now = own.look().map_or(0, |s| s.rss);
    conductor.gathered.own_memory.1 = conductor.gathered.own_memory.1.max(own_now);
    let intervals = std::mem::take(&mut conductor.gathered.intervals);
    Ok((build::report(options, conductor.gathered), intervals))
}

impl Conductor<'_> {
    fn now(&self) -> Nanos {
        self.gathered.setup.clock.now()
    }

    fn check_threads(&self) -> anyhow::Result<()> {
        let failure = self.shared.failure.lock().ok().and_then(|f| f.clone());
        failure.map_or(Ok(()), |text| {
            Err(anyhow::anyhow!("the generator failed: {text}"))
        })
    }

    /// All phases, then the drain.
    fn conduct(&mut self, watcher: &mut dyn Watcher) -> anyhow::Result<()> {
        let setup = self.gathered.setup.clone();
        let mut begin = self.now() + SECOND / 20;
        for (place, course) in setup.courses.iter().enumerate() {
            self.shared.begin(place, begin);
            self.gathered.phases_begun = place + 1;
            begin = self.conduct_phase(begin, course, watcher)?;
            if self.options.stop.load(Relaxed) {
                // The phases left over never begin: their beginnings all lie at the end.
                for later in place + 1..setup.courses.len() {
                    self.shared.begin(later, begin);
                }
                break;
            }
        }
        let phases = setup.courses.len();
        self.shared.begin(phases, begin);
        self.shared
            .close_at
            .store(begin + nanos(self.options.scenario.drain), Relaxed);
        while self.shared.settled.load(Relaxed) < setup.threads {
            self.pass_time(watcher)?;
            if self.now() >= begin && self.gathered.begins.len() <= phases {
                self.note_begin(begin);
            }
            let closing = self.shared.close_at.load(Relaxed);
            if self.now() > closing + SECOND / 10 {
                break;
            }
        }
        while self.gathered.begins.len() <= phases {
            self.note_begin(begin);
        }
        Ok(())
    }

    /// Waits a phase out; gives the beginning of the next.
    fn conduct_phase(
        &mut self,
        begin: Nanos,
        course: &Course,
        watcher: &mut dyn Watcher,
    ) -> anyhow::Result<Nanos> {
        let early = SECOND / 20;
        let mut end = begin + nanos(course.secs);
        loop {
            self.pass_time(watcher)?;
            let now = self.now();
            if now >= begin && self.gathered.begins.len() < self.begun + 1 {
                self.note_begin(begin);
            }
            let stopped = self.options.stop.load(Relaxed);
            if stopped {
                end = end.min(now);
            }
            let (ready, gone) = (
                self.shared.ready.load(Relaxed),
                self.shared.gone.load(Relaxed),
            );
            let arrived = !course.until_ready || ready + gone >= course.clients_to || stopped;
            let hopeless = gone >= course.clients_to && ready == 0 && now > begin;
            if now + early >= end && arrived || hopeless {
                if course.until_ready || hopeless {
                    end = now + early;
                }
                self.begun += 1;
                if hopeless {
                    self.options.stop.store(true, Relaxed);
                }
                return Ok(end.max(begin + 1));
            }
        }
    }

    fn note_begin(&mut self, begin: Nanos) {
        self.gathered.begins.push(begin);
        self.gathered.cpu.push(self.options.observer.cpu());
        self.gathered
            .received
            .push(self.shared.received.load(Relaxed));
    }

    /// Takes in what threads send for a moment, and once a second makes a row of it.
    fn pass_time(&mut self, watcher: &mut dyn Watcher) -> anyhow::Result<()> {
        self.gather(Duration::from_millis(10));
        self.check_threads()?;
        let now = self.now();
        if now >= self.next_row {
            self.next_row = (now / SECOND + 1) * SECOND + SECOND / 10;
            self.make_row(now);
            let place = self.gathered.begins.len().saturating_sub(1);
            let courses = &self.gathered.setup.courses;
            watcher.second(&Progress {
                scenario: &self.options.scenario,
                phase: courses
                    .get(place)
                    .map_or("waiting for the last answers", |c| &c.name),
                step: (place + 1, courses.len()),
                seconds: &self.gathered.seconds,
                so_far: &self.so_far,
                gone: self.shared.gone.load(Relaxed),
                memory_before: self.gathered.plateaus.get(&0).map(|seen| seen[0].0),
            });
        }
        Ok(())
    }

    fn gather(&mut self, patience: Duration) {
        let mut next = self.ticks.recv_timeout(patience).ok();
        while let Some(tick) = next {
            let place = tick.phase.min(self.gathered.phases.len() - 1);
            self.gathered.phases[place].add(&tick.stats);
            self.row.add(&tick.stats);
            next = self.ticks.try_recv().ok();
        }
        let ready = self.shared.ready.load(Relaxed);
        self.gathered.ready_most = self.gathered.ready_most.max(ready);
    }

    fn make_row(&mut self, now: Nanos) {
        let row = std::mem::take(&mut self.row);
        let setup = self.gathered.setup.clone();
        let place = self.gathered.begins.len().saturating_sub(1);
        let begin = self.gathered.begins.last().copied().unwrap_or(now);
        let ready = self.shared.ready.load(Relaxed);
        let wanted = setup
            .courses
            .get(place)
            .map_or(ready, |c| c.clients_at(secs(now.saturating_sub(begin))));
        let sample = self.options.observer.look();
        let span = secs(now.saturating_sub(self.last.0)).max(1e-3);
        let cpu = sample.map(|s| s.cpu);
        let cores = cpu
            .zip(self.last.1)
            .map(|(now, before)| (now - before).max(0.0) / span);
        self.last = (now, cpu);
        let mut latency = Timing::default();
        let mut uncorrected = Timing::default();
        for load in &row.loads {
            latency.add(&load.latency);
            uncorrected.add(&load.uncorrected);
        }
        let per_second = |count: u64| count as f64 / span;
        let Faults {
            lost,
            duplicated,
            reordered,
            wrong,
        } = row.faults;
        let errors = lost + duplicated + reordered + wrong + row.disconnects.values().sum::<u64>();
        self.gathered.seconds.push(Second {
            at: secs(now),
            phase: place,
            wanted,
            ready,
            sent: per_second(row.sent()),
            received: per_second(row.received()),
            connected: per_second(row.connected),
            latency: Spread::of(&latency),
            lag_p99: secs(row.lag.quantile(0.99)),
            errors,
            server: sample,
            server_cores: cores,
        });
        if latency.count() > 0 {
            self.gathered.intervals.push((now, latency, uncorrected));
        }
        self.so_far.add(&row);
        self.steady = if ready == wanted && self.steady.0 == ready {
            (ready, self.steady.1 + 1)
        } else {
            (ready, 0)
        };
        if ready > 0 && self.steady.1 >= 1 && place < setup.courses.len() {
            self.plateau(ready, sample);
        }
        let own = Observer::Processes(vec![std::process::id()])
            .look()
            .map_or(0, |s| s.rss);
        self.gathered.own_memory.1 = self.gathered.own_memory.1.max(own);
    }

    fn plateau(&mut self, clients: u32, sample: Option<Sample>) {
        if let Some(sample) = sample {
            let memory = if sample.pss > 0 {
                sample.pss
            } else {
                sample.rss
            };
            let seen = self.gathered.plateaus.entry(clients).or_default();
            seen.push((memory, sample.kernel_memory));
        }
    }
}
