//! Answers: when do a run's phases begin and end, and what was gathered meanwhile.
//!
//! Gathers what the threads count, watches the server, tells a [`Watcher`] every second, and at once when the
//! server does not answer. Must not know the protocol or how results are shown.

use super::{Ended, Gathered, Options, Progress, Watcher};
use crate::clock::{Nanos, SECOND, nanos, secs};
use crate::observe::{Observer, Sample};
use crate::plan::LoadKind;
use crate::plan::course::Course;
use crate::report::{CONTRACT, Second, Spread};
use crate::stats::{self, Faults, Kinds, Stats, Timing};
use crate::swarm::contract::Question;
use crate::swarm::setup::Setup;
use crate::swarm::{self, Shared, Swarm, Tick};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A question without an answer for so long is told. The screen or line comes a moment later.
const SILENCE: Nanos = 1_800_000_000;

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
    /// Questions whose silence was told, by their places.
    told: Vec<usize>,
}

/// Leads the threads through all phases.
pub(super) fn conduct(
    options: &Options,
    setup: Arc<Setup>,
    watcher: &mut dyn Watcher,
) -> anyhow::Result<Gathered> {
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
            own_memory: (0, 0),
            ready_most: 0,
            phases_begun: 0,
            ended: None,
            unanswered: Vec::new(),
            ping_interval: None,
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| d.as_secs()),
            setup,
        },
        row: Stats::default(),
        next_row: SECOND + SECOND / 10,
        begun: 0,
        so_far: Stats::default(),
        steady: (0, 0),
        last: (now, options.observer.cpu()),
        told: Vec::new(),
    };
    conductor.plateau(0, options.observer.look());
    conductor.all_phases(watcher)?;
    for thread in threads {
        anyhow::ensure!(thread.join().is_ok(), "a thread of the generator panicked");
    }
    conductor.gather(Duration::ZERO);
    conductor.check_threads()?;
    Ok(conductor.finished())
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
    fn all_phases(&mut self, watcher: &mut dyn Watcher) -> anyhow::Result<()> {
        let setup = self.gathered.setup.clone();
        let mut begin = self.now() + SECOND / 20;
        for (place, course) in setup.courses.iter().enumerate() {
            self.shared.begin(place, begin);
            self.gathered.phases_begun = place + 1;
            begin = self.conduct_phase(begin, course, watcher)?;
            if self.gathered.ended.is_some() {
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
            let asked = self.options.stop.asked();
            let stopped = asked.is_some();
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
                let end = end.max(begin + 1);
                let last = self.begun == self.gathered.setup.courses.len();
                let whole = last && end >= begin + nanos(course.secs);
                if let Some(asker) = asked.filter(|_| !whole) {
                    self.gathered.ended = Some(Ended::Asked(asker));
                } else if hopeless && !whole {
                    self.gathered.ended = Some(Ended::NoClientLeft);
                }
                return Ok(end);
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
        self.tell_silence(now, watcher);
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

    /// Says once of each question that the server has not answered it.
    fn tell_silence(&mut self, now: Nanos, watcher: &mut dyn Watcher) {
        for question in Question::all() {
            let since = self.shared.contract.unanswered_since(question);
            let silent = since.is_some_and(|asked| now.saturating_sub(asked) >= SILENCE);
            if !silent || self.told.contains(&question.place()) {
                continue;
            }
            self.told.push(question.place());
            let mut text = match question {
                Question::Connect => format!(
                    "no client is connected 2 s after the first was dialled: is {} a Socket.IO server?",
                    self.options.scenario.url
                ),
                Question::Join | Question::Message(_) => {
                    let names = self.names(question).join("`, `");
                    format!("no right answer to `{names}` 2 s after it was first sent")
                }
            };
            let mut seen = self.so_far.examples.clone();
            for (kind, more) in &self.row.examples {
                seen.entry(kind.clone()).or_insert_with(|| more.clone());
            }
            instead(&mut text, &seen);
            let _ = write!(text, "; {CONTRACT}");
            watcher.note(&text);
        }
    }

    /// The events that ask a question.
    fn names(&self, question: Question) -> Vec<String> {
        let Question::Message(kind) = question else {
            return vec!["join".to_owned()];
        };
        let events = self.gathered.setup.events.iter();
        let of_kind = |(name, of): &(String, LoadKind)| (*of == kind).then(|| name.clone());
        events.filter_map(of_kind).collect()
    }

    /// What is known at the end only.
    fn finished(mut self) -> Gathered {
        let messages = Question::all().filter(|q| *q != Question::Connect);
        let silent = messages.filter(|q| self.shared.contract.unanswered_since(*q).is_some());
        self.gathered.unanswered = silent.flat_map(|q| self.names(q)).collect();
        let interval = self.shared.ping_interval.load(Relaxed);
        self.gathered.ping_interval = (interval > 0).then(|| f64::from(interval) / 1000.0);
        self.gathered
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
            .map(|(now, before)| (now - before) / span)
            .filter(|cores| *cores >= 0.0); // less than before: another process has its name now
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
        let ends = stats::total(&row.disconnects);
        let errors = lost + duplicated + reordered + wrong + ends;
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

/// Adds what came in place of an answer.
fn instead(text: &mut String, seen: &Kinds) {
    let mut kinds = seen.iter();
    if let Some((kind, first)) = kinds.next() {
        let _ = write!(text, "; instead came {kind}");
        if !first.example.is_empty() {
            let _ = write!(text, " ({})", first.example);
        }
    }
}
