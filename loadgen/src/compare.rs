//! Answers: is result B different from result A.
//!
//! By their measured seconds. Must not run anything.

use crate::bootstrap::{self, Difference};
use crate::report::text::{bytes, count, time};
use crate::report::{Report, Second};
use std::fmt::Write as _;

/// A figure both results have.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: &'static str,
    /// Values and interval.
    pub difference: Difference,
    /// Larger is better.
    pub more_is_better: bool,
    /// Shows a value.
    pub show: fn(f64) -> String,
}

/// How a figure is taken from a second.
type Pick = fn(&Second) -> Option<f64>;
/// Name, whether more is better, how it is shown and taken.
type Figure = (&'static str, bool, fn(f64) -> String, Pick);

const FIGURES: [Figure; 8] = [
    ("received per second", true, count, |s| {
        Some(s.received).filter(|r| *r > 0.0)
    }),
    ("latency p50", false, time, |s| s.latency.map(|l| l.p50)),
    ("latency p90", false, time, |s| s.latency.map(|l| l.p90)),
    ("latency p99", false, time, |s| s.latency.map(|l| l.p99)),
    ("connected per second", true, count, |s| {
        Some(s.connected).filter(|c| *c > 0.0)
    }),
    (
        "server cores",
        false,
        |c| format!("{c:.2}"),
        |s| s.server_cores,
    ),
    ("received per server CPU second", true, count, |s| {
        s.server_cores
            .filter(|c| *c > 0.01 && s.received > 0.0)
            .map(|c| s.received / c)
    }),
    ("server resident memory", false, bytes, |s| {
        s.server.map(|s| s.rss as f64)
    }),
];

/// Compares the measured seconds of two results.
#[must_use]
pub fn reports(a: &Report, b: &Report) -> Vec<Compared> {
    let mut result = Vec::new();
    for (name, more_is_better, show, pick) in FIGURES {
        let (a, b) = (values(a, pick), values(b, pick));
        if let Some(difference) = bootstrap::compare(&a, &b) {
            result.push(Compared {
                name,
                difference,
                more_is_better,
                show,
            });
        }
    }
    result
}

/// Figures of the seconds that lie wholly within a measured phase.
fn values(report: &Report, pick: Pick) -> Vec<f64> {
    let measured = |s: &&Second| {
        report
            .phases
            .iter()
            .any(|p| p.measured && s.at - 1.0 >= p.start - 0.2 && s.at <= p.start + p.secs + 0.2)
    };
    report
        .seconds
        .iter()
        .filter(measured)
        .filter_map(pick)
        .collect()
}

/// A table for a terminal.
#[must_use]
pub fn table(names: (&str, &str), compared: &[Compared]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<31} {:>14} {:>14}  B/A (95 % interval)",
        "", names.0, names.1
    );
    for c in compared {
        let d = &c.difference;
        let verdict = match (d.is_clear(), d.ratio > 1.0) {
            (false, _) => "no difference".to_owned(),
            (true, more) => format!(
                "B is {}",
                if more == c.more_is_better {
                    "better"
                } else {
                    "worse"
                }
            ),
        };
        let interval = if d.high.is_finite() {
            format!("{:.3} ({:.3} to {:.3})", d.ratio, d.low, d.high)
        } else {
            format!("{:.3} (too few values)", d.ratio)
        };
        let _ = writeln!(
            out,
            "{:<31} {:>14} {:>14}  {interval:<28} {verdict}",
            c.name,
            (c.show)(d.a),
            (c.show)(d.b)
        );
    }
    out
}

/// What keeps two results from being compared fairly.
#[must_use]
pub fn caveats(a: &Report, b: &Report) -> Vec<String> {
    let mut caveats = Vec::new();
    for (name, report) in [("A", a), ("B", b)] {
        if !report.ok {
            caveats.push(format!("{name} failed: {}", report.reasons.join("; ")));
        } else if report.generator.bottleneck {
            caveats.push(format!("{name}: {}", report.reasons.join("; ")));
        }
    }
    let shape = |r: &Report| {
        let mut scenario = r.scenario.clone();
        scenario.url.clear();
        scenario.name.clear();
        serde_json::to_string(&scenario).unwrap_or_default()
    };
    if shape(a) != shape(b) {
        caveats.push("the scenarios differ".to_owned());
    }
    if a.environment.processor != b.environment.processor
        || a.environment.kernel != b.environment.kernel
    {
        caveats.push("the machines differ".to_owned());
    }
    caveats
}
