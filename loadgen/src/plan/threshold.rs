//! Answers: what does `p99 < 50ms` ask for, and does it hold.
//!
//! Knows the names of all figures and what each is measured in. Must not know where they come from.

use super::LoadKind;
use crate::units::{Unit, quantity};
use anyhow::{bail, ensure};
use std::collections::BTreeMap;

/// Figures by name, times in seconds, memory in bytes.
pub type Figures = BTreeMap<String, f64>;

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Seconds.
    Time,
    /// Bytes.
    Size,
    /// 0 to 1.
    Share,
    /// Processor cores in use.
    Cores,
    /// A count or a rate.
    Count,
}

/// Figures of a distribution of times.
pub const QUANTILES: [&str; 6] = ["p50", "p90", "p99", "p999", "max", "mean"];
/// Distributions that belong to one load.
const OF_LOADS: [&str; 3] = ["uncorrected", "first", "last"];
/// Distributions of a whole run.
const OF_RUNS: [&str; 4] = ["connect", "upgrade", "recovery", "lag"];
/// Other figures of one load.
const RATES: [&str; 4] = ["rate", "sent_rate", "per_cpu_second", "delivered"];
/// Counts of a whole run.
const COUNTS: [&str; 9] = [
    "lost",
    "duplicated",
    "reordered",
    "wrong",
    "disconnects",
    "slow_dropped",
    "not_started",
    "clients",
    "connected",
];
/// What the server uses.
const OF_SERVERS: [&str; 3] = ["server.cores", "server.rss", "server.bytes_per_client"];

/// A figure's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The load whose figure it is, where the name begins with one: `room.p99`.
    pub load: Option<LoadKind>,
    /// The rest.
    pub rest: &'a str,
    /// What it is measured in.
    pub measure: Measure,
}

impl<'a> Name<'a> {
    /// Takes a name apart; `None` when there is no such figure.
    #[must_use]
    pub fn read(name: &'a str) -> Option<Self> {
        let of_load = name.split_once('.').and_then(|(first, rest)| {
            let load = LoadKind::ALL.into_iter().find(|k| k.name() == first)?;
            Some((load, rest))
        });
        let (load, rest) = of_load.map_or((None, name), |(load, rest)| (Some(load), rest));
        let (from, last) = rest.rsplit_once('.').unwrap_or(("", rest));
        let timed = from.is_empty()
            || OF_LOADS.contains(&from)
            || load.is_none() && OF_RUNS.contains(&from);
        let measure = if QUANTILES.contains(&last) && timed {
            Measure::Time
        } else if rest == "delivered" {
            Measure::Share
        } else if RATES.contains(&rest) || load.is_none() && COUNTS.contains(&rest) {
            Measure::Count
        } else if load.is_some() || !OF_SERVERS.contains(&rest) {
            return None;
        } else if rest == "server.cores" {
            Measure::Cores
        } else {
            Measure::Size
        };
        Some(Self {
            load,
            rest,
            measure,
        })
    }

    /// It is a load's, named or not.
    #[must_use]
    pub fn is_of_load(&self) -> bool {
        let whole_run = OF_RUNS.iter().any(|of| self.rest.starts_with(of))
            || COUNTS.contains(&self.rest)
            || OF_SERVERS.contains(&self.rest);
        !whole_run
    }

    /// Only messages to many have it.
    #[must_use]
    pub fn needs_fan_out(&self) -> bool {
        self.rest.starts_with("first.")
            || self.rest.starts_with("last.")
            || self.rest == "delivered"
    }

    /// It can be told only of a server that is watched.
    #[must_use]
    pub fn needs_watching(&self) -> bool {
        self.rest.starts_with("server.") || self.rest == "per_cpu_second"
    }
}

/// All names without a load before them.
fn names() -> impl Iterator<Item = String> {
    let spreads = [""].into_iter().chain(OF_LOADS).chain(OF_RUNS);
    let times = spreads.flat_map(|from| {
        QUANTILES.map(|q| {
            if from.is_empty() {
                q.to_owned()
            } else {
                format!("{from}.{q}")
            }
        })
    });
    let others = RATES.into_iter().chain(COUNTS).chain(OF_SERVERS);
    times.chain(others.map(str::to_owned))
}

/// The word of `known` that is nearest to `word`, where one is near.
pub(super) fn nearest(word: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let far = |other: &str| distance(word, other);
    let nearest = known.map(|k| (far(&k), k)).min();
    nearest
        .filter(|(d, _)| *d <= 1 + word.len() / 4)
        .map(|(_, k)| k)
}

/// Letters to insert, leave out or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (place, of_a) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = place + 1;
        for (at, of_b) in b.iter().enumerate() {
            let replaced = before + usize::from(of_a != *of_b);
            before = row[at + 1];
            row[at + 1] = replaced.min(row[at] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

/// A condition on one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The figure's name.
    pub figure: String,
    /// One of `<`, `<=`, `>`, `>=`, `==`, `!=`.
    pub relation: String,
    /// What it is held against, in seconds, bytes or plain.
    pub bound: f64,
}

impl Threshold {
    /// Reads `FIGURE RELATION NUMBER[UNIT]`. A time needs its unit, for `p99 < 5` would mean seconds and
    /// hold nearly always.
    ///
    /// # Errors
    /// Says what is not understood, or which unit does not suit the figure.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let Some(at) = text.find(['<', '>', '=', '!']) else {
            bail!("threshold {text:?}: no relation such as <")
        };
        let figure = text[..at].trim().to_owned();
        let rest = &text[at..];
        let len = rest.find(|c| !"<>=!".contains(c)).unwrap_or(rest.len());
        let relation = rest[..len].to_owned();
        ensure!(
            ["<", "<=", ">", ">=", "==", "!="].contains(&relation.as_str()),
            "threshold {text:?}: unknown relation {relation}"
        );
        ensure!(!figure.is_empty(), "threshold {text:?}: no figure");
        let Some(name) = Name::read(&figure) else {
            let near = nearest(&figure, names());
            let near = near.map_or_else(
                || "docs/LOADGEN.md lists them".to_owned(),
                |n| format!("did you mean {n}?"),
            );
            bail!("threshold {text:?}: there is no figure {figure}; {near}")
        };
        let (bound, unit) = match quantity(&rest[len..]) {
            Ok(read) => read,
            Err(error) => bail!("threshold {text:?}: {error}"),
        };
        let needed = match (name.measure, unit) {
            (Measure::Time, Unit::Time)
            | (Measure::Size, Unit::Size | Unit::None)
            | (Measure::Share, Unit::Share)
            | (Measure::Cores | Measure::Count, Unit::None) => None,
            (Measure::Share, Unit::None) if (0.0..=1.0).contains(&bound) => None,
            (Measure::Time, Unit::None) => Some("a time needs a unit, such as 50ms or 2s"),
            (Measure::Time, _) => Some("it is a time, such as 50ms or 2s"),
            (Measure::Size, _) => Some("it is a size, such as 500MB or 64KiB"),
            (Measure::Share, _) => Some("it is a share, such as 0.999 or 99.9%"),
            (Measure::Cores | Measure::Count, _) => Some("it is a number without a unit"),
        };
        if let Some(needed) = needed {
            bail!("threshold {text:?}: {needed}");
        }
        Ok(Self {
            figure,
            relation,
            bound,
        })
    }

    /// Whether it holds; an absent figure never does.
    #[must_use]
    #[expect(
        clippy::float_cmp,
        reason = "== and != are meant for counts, which are exact"
    )]
    pub fn holds(&self, figures: &Figures) -> bool {
        let Some(value) = figures.get(&self.figure) else {
            return false;
        };
        match self.relation.as_str() {
            "<" => *value < self.bound,
            "<=" => *value <= self.bound,
            ">" => *value > self.bound,
            ">=" => *value >= self.bound,
            "==" => *value == self.bound,
            _ => *value != self.bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_relations() {
        let figures = Figures::from([("p99".into(), 0.049), ("lost".into(), 0.0)]);
        let holds = |text| Threshold::parse(text).unwrap().holds(&figures);
        assert!(holds("p99 < 50ms"));
        assert!(!holds("p99<49ms"));
        assert!(holds("p99 <= 49_000us"));
        assert!(holds("lost == 0"));
        assert!(!holds("lost != 0"));
        assert!(!holds("wrong < 1"), "a figure that is not there fails");
        for bad in ["p99", "p99 < fast", "p99 =< 5ms", "< 5", "p99 < 5 parsecs"] {
            assert!(Threshold::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_figure_takes_its_own_units_only() {
        for good in [
            "room.last.p99 < 1s",
            "uncorrected.max < 1min",
            "recovery.mean <= 5s",
            "server.rss < 1GiB",
            "server.rss < 1000000",
            "server.cores < 1.5",
            "delivered > 99.9%",
            "flood.delivered > 0.9",
            "echo.rate > 1000",
        ] {
            assert!(Threshold::parse(good).is_ok(), "{good}");
        }
        let refused = |text: &str| Threshold::parse(text).unwrap_err().to_string();
        for bare in ["p99 < 5", "connect.p50 < 0.2", "room.first.max < 1"] {
            assert!(refused(bare).contains("needs a unit"), "{bare}");
        }
        for (unsuited, said) in [
            ("p99 < 5MB", "a time"),
            ("lost < 5ms", "without a unit"),
            ("server.rss < 5s", "a size"),
            ("delivered > 99.9", "a share"),
            ("rate > 50%", "without a unit"),
        ] {
            assert!(refused(unsuited).contains(said), "{unsuited}");
        }
    }

    #[test]
    fn a_misspelt_figure_is_refused_and_the_nearest_is_named() {
        let refused = |text: &str| Threshold::parse(text).unwrap_err().to_string();
        assert!(refused("p95 < 5ms").contains("did you mean p"));
        assert!(refused("losst == 0").contains("did you mean lost?"));
        assert!(refused("conect.p99 < 1s").contains("did you mean connect.p99?"));
        assert!(refused("happiness > 3").contains("docs/LOADGEN.md"));
        for never in [
            "echo.lost == 0",
            "connect.first.p99 < 1s",
            "server.p99 < 1s",
            "echo < 1s",
        ] {
            assert!(Threshold::parse(never).is_err(), "{never}");
        }
    }
}
