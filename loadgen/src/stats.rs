//! Answers: what was counted.
//!
//! The counters and histograms a thread fills and the coordinator adds up. Must not know sockets or how
//! figures are shown.

use crate::clock::Nanos;
use crate::plan::LoadKind;
use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A histogram of nanoseconds, three significant digits, that takes no memory until used.
#[derive(Clone, Debug, Default)]
pub struct Timing(Option<Box<Histogram<u64>>>);

impl Timing {
    /// Adds one value.
    pub fn record(&mut self, value: Nanos) {
        if let Some(histogram) = self.histogram_mut() {
            // It resizes itself, so every value fits.
            histogram.record(value.max(1)).unwrap_or(());
        }
    }

    fn histogram_mut(&mut self) -> Option<&mut Histogram<u64>> {
        if self.0.is_none() {
            let mut histogram = Histogram::new(3).ok()?;
            histogram.auto(true);
            self.0 = Some(Box::new(histogram));
        }
        self.0.as_deref_mut()
    }

    /// Adds all values of another.
    pub fn add(&mut self, other: &Self) {
        let Some(theirs) = &other.0 else { return };
        match self.histogram_mut() {
            // Histograms that resize themselves accept each other's range: this cannot fail.
            Some(mine) => mine.add(theirs.as_ref()).unwrap_or(()),
            None => self.0.clone_from(&other.0),
        }
    }

    /// The histogram, unless nothing was recorded.
    #[must_use]
    pub fn histogram(&self) -> Option<&Histogram<u64>> {
        self.0.as_deref().filter(|h| !h.is_empty())
    }

    /// Values recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.as_deref().map_or(0, Histogram::len)
    }

    /// The value below which `share` (0 to 1) of all lie, in nanoseconds; 0 if there are none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Nanos {
        self.histogram().map_or(0, |h| h.value_at_quantile(share))
    }
}

/// What one kind of load did.
#[derive(Clone, Debug, Default)]
pub struct LoadStats {
    /// Messages sent.
    pub sent: u64,
    /// Replies or deliveries received, right ones only.
    pub received: u64,
    /// Deliveries that were due (fan-out only).
    pub expected: u64,
    /// From the planned instant to the reply or delivery.
    pub latency: Timing,
    /// From the instant of sending.
    pub uncorrected: Timing,
    /// Fan-out: from the planned instant to the first receiver of a message.
    pub first: Timing,
    /// Fan-out: to the receiver in the middle.
    pub median: Timing,
    /// Fan-out: until 99 % of the receivers have it.
    pub most: Timing,
    /// Fan-out: to the last receiver.
    pub last: Timing,
    /// Fan-out: from the instant of sending to the last receiver.
    pub last_uncorrected: Timing,
}

impl LoadStats {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.expected += other.expected;
        self.latency.add(&other.latency);
        self.uncorrected.add(&other.uncorrected);
        self.first.add(&other.first);
        self.median.add(&other.median);
        self.most.add(&other.most);
        self.last.add(&other.last);
        self.last_uncorrected.add(&other.last_uncorrected);
    }
}

/// Faults of the server that fail a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Replies or deliveries that never came.
    pub lost: u64,
    /// That came again.
    pub duplicated: u64,
    /// That came after a later one.
    pub reordered: u64,
    /// Altered, foreign, malformed, or to the wrong client.
    pub wrong: u64,
}

impl Faults {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.wrong += other.wrong;
    }
}

/// What went wrong, summed by kind.
pub type Kinds = BTreeMap<String, Kind>;

/// How often a kind was seen, and one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Kind {
    /// How often.
    pub count: u64,
    /// The first one, cut to 120 bytes; empty where there is nothing to show.
    #[serde(default)]
    pub example: String,
}

/// Kinds beyond this are not told apart.
const MOST_KINDS: usize = 50;

fn count_one(kinds: &mut Kinds, kind: &str, example: &[u8]) {
    let known = kinds.contains_key(kind) || kinds.len() < MOST_KINDS;
    let entry = kinds.entry(if known { kind } else { "other reasons" }.to_owned());
    let entry = entry.or_insert_with(|| Kind {
        count: 0,
        example: shown(example),
    });
    entry.count += 1;
}

/// What a server sent, as text for a terminal: not long, and without anything that moves the cursor.
fn shown(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(&data[..data.len().min(120)]);
    let plain = |c: char| !c.is_control();
    text.chars()
        .map(|c| if plain(c) { c } else { '\u{fffd}' })
        .collect()
}

fn add_kinds(mine: &mut Kinds, theirs: &Kinds) {
    for (kind, seen) in theirs {
        let entry = mine.entry(kind.clone()).or_insert_with(|| Kind {
            count: 0,
            example: seen.example.clone(),
        });
        entry.count += seen.count;
    }
}

/// All of them together.
#[must_use]
pub fn total(kinds: &Kinds) -> u64 {
    kinds.values().map(|k| k.count).sum()
}

/// All counters of one thread, phase and interval, or of a whole run.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// By kind of load, indexed by [`LoadKind`].
    pub loads: [LoadStats; LoadKind::COUNT],
    /// Lag of the generator itself: from planned to sent.
    pub lag: Timing,
    /// From the wish to connect to being ready (handshakes, namespace, room).
    pub connect: Timing,
    /// From the WebSocket probe to the end of the upgrade.
    pub upgrade: Timing,
    /// From the storm's drop to being ready again.
    pub recovery: Timing,
    /// Faults of the server.
    pub faults: Faults,
    /// Connections that ended without our wish, and handshakes that failed, by reason.
    pub disconnects: Kinds,
    /// Wrong answers by kind, with an example.
    pub examples: Kinds,
    /// Clients that became ready.
    pub connected: u64,
    /// Connections closed by plan.
    pub closed: u64,
    /// Slow readers that the server gave up on (allowed).
    pub slow_dropped: u64,
    /// Planned sends that had no ready client or a full one.
    pub not_started: u64,
    /// Answers still due when their client was closed by plan.
    pub abandoned: u64,
    /// Deliveries that a flood was allowed to lose.
    pub tolerated: u64,
    /// Heartbeats answered.
    pub pings: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Nanoseconds of processor time of the generator's threads.
    pub busy: Nanos,
}

impl Stats {
    /// The counters of one kind of load.
    pub fn load(&mut self, kind: LoadKind) -> &mut LoadStats {
        &mut self.loads[kind as usize]
    }

    /// Counts one unwished end of a connection; `example` is what the server said, if it said anything.
    pub fn disconnect(&mut self, reason: &str, example: &[u8]) {
        count_one(&mut self.disconnects, reason, example);
    }

    /// Counts one wrong answer by its kind, and keeps the first as an example.
    pub fn wrong(&mut self, what: &str, data: &[u8]) {
        self.faults.wrong += 1;
        count_one(&mut self.examples, what, data);
    }

    /// Adds all of another's.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.loads.iter_mut().zip(&other.loads) {
            mine.add(theirs);
        }
        self.lag.add(&other.lag);
        self.connect.add(&other.connect);
        self.upgrade.add(&other.upgrade);
        self.recovery.add(&other.recovery);
        self.faults.add(&other.faults);
        add_kinds(&mut self.disconnects, &other.disconnects);
        add_kinds(&mut self.examples, &other.examples);
        self.connected += other.connected;
        self.closed += other.closed;
        self.slow_dropped += other.slow_dropped;
        self.not_started += other.not_started;
        self.abandoned += other.abandoned;
        self.tolerated += other.tolerated;
        self.pings += other.pings;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.busy += other.busy;
    }

    /// Replies and deliveries of all kinds.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.loads.iter().map(|l| l.received).sum()
    }

    /// Messages sent of all kinds.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.loads.iter().map(|l| l.sent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_merge_across_very_different_ranges() {
        let mut small = Timing::default();
        small.record(1_000);
        let mut large = Timing::default();
        large.record(50_000_000_000);
        small.add(&large);
        small.add(&Timing::default());
        assert_eq!(small.count(), 2);
        assert!(small.quantile(1.0) >= 50_000_000_000);
        let mut empty = Timing::default();
        empty.add(&small);
        assert_eq!(empty.count(), 2);
    }

    #[test]
    fn wrong_answers_are_summed_by_kind_with_one_example() {
        let mut stats = Stats::default();
        for i in 0..100u32 {
            stats.wrong("not ours", i.to_string().as_bytes());
            stats.disconnect("connect error", i.to_string().as_bytes());
        }
        stats.wrong("another", b"");
        let mut sum = Stats::default();
        sum.add(&stats);
        sum.add(&stats);
        assert_eq!((sum.faults.wrong, total(&sum.examples)), (202, 202));
        assert_eq!(sum.examples.len(), 2);
        let seen = &sum.examples["not ours"];
        assert_eq!((seen.count, seen.example.as_str()), (200, "0"));
        assert_eq!(sum.disconnects["connect error"].count, 200);
    }

    #[test]
    fn kinds_stay_few_and_counts_stay_whole() {
        let mut stats = Stats::default();
        for i in 0..100u32 {
            stats.disconnect(&format!("close {i}"), b"");
        }
        assert_eq!(total(&stats.disconnects), 100);
        assert_eq!(stats.disconnects.len(), MOST_KINDS + 1);
    }
}
