//! Answers: what was seen, in figures and in one line.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// Times in microseconds, up to ten minutes.
#[derive(Clone, Debug)]
pub(super) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_max(600_000_000, 3).expect("sound bounds"))
    }
}

impl Times {
    pub(super) fn note(&mut self, time: Duration) {
        self.0.saturating_record(time.as_micros() as u64);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn ms(&self, quantile: f64) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// Median, 99 % and largest, in milliseconds.
    pub(super) fn brief(&self) -> String {
        let (median, most, max) = (self.ms(0.5), self.ms(0.99), self.ms(1.0));
        format!("{median:.1}/{most:.1}/{max:.1} ms")
    }
}

/// What a crowd counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// From when a question was planned to its answer; to the end for those without.
    pub(super) answers: Times,
    pub(super) unanswered: u64,
    /// How late the generator itself asked.
    pub(super) lag: Times,
    /// How much later than its interval a ping came.
    pub(super) heartbeats: Times,
    /// Events that no question asked for.
    pub(super) events: u64,
    pub(super) sent: u64,
    pub(super) received: u64,
    /// How connections ended.
    pub(super) ends: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn closed(&self) -> u64 {
        self.ends.values().sum()
    }

    /// The ends as words.
    pub(super) fn ends(&self) -> String {
        let ends: Vec<_> = self
            .ends
            .iter()
            .map(|(how, n)| format!("{n} {how}"))
            .collect();
        if ends.is_empty() {
            "none".to_owned()
        } else {
            ends.join(", ")
        }
    }
}

/// A line of the table: name, server, and what was seen.
#[derive(Debug)]
pub(super) struct Line(String);

impl Line {
    pub(super) fn new(scene: &str, server: &str) -> Self {
        Self(format!("| {scene} | {server} |"))
    }

    pub(super) fn with(mut self, what: &str, value: impl std::fmt::Display) -> Self {
        let _ = write!(self.0, " {what} {value};");
        self
    }

    pub(super) fn print(self) {
        println!("{} |", self.0.trim_end_matches(';'));
    }
}

/// Watches a process's memory.
#[derive(Debug)]
pub(super) struct Watch {
    pid: Option<u32>,
    before: u64,
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Resident kilobytes of a process; 0 if it is gone.
pub(super) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Watch {
    pub(super) fn start(pid: Option<u32>) -> Self {
        let before = pid.map_or(0, resident);
        let (peak, stop) = (Arc::new(AtomicU64::new(before)), Arc::default());
        let thread = pid.map(|pid| {
            let (peak, stop) = (Arc::clone(&peak), Arc::<AtomicBool>::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    peak.fetch_max(resident(pid), Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            })
        });
        Self {
            pid,
            before,
            peak,
            stop,
            thread,
        }
    }

    /// Megabytes before, and how many more there were at most and are now.
    pub(super) fn told(mut self) -> String {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it only reads
        }
        let Some(pid) = self.pid else {
            return "not watched".to_owned();
        };
        let more = |kb: u64| (kb as f64 - self.before as f64) / 1024.0;
        let now = resident(pid);
        if now == 0 {
            return "the server is gone".to_owned();
        }
        format!(
            "{:.0} MB, peak {:+.0}, after {:+.0}",
            self.before as f64 / 1024.0,
            more(self.peak.load(Relaxed)),
            more(now)
        )
    }
}
