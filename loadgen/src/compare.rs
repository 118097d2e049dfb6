//! Answers: is result B different from result A, and may the two be compared at all.
//!
//! The values are the runs' own; whether they differ is told by the measured seconds. Must not run anything.

use crate::bootstrap::{self, Difference};
use crate::report::text::{bytes, count, time};
use crate::report::{Load, Report, Second};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A figure both results have.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Its name.
    pub name: String,
    /// A's value.
    pub a: f64,
    /// B's value.
    pub b: f64,
    /// What tells whether they differ: rounds, or measured seconds. `None` where nothing does.
    pub difference: Option<Difference>,
    /// Larger is better.
    pub more_is_better: bool,
    /// Shows a value.
    pub show: fn(f64) -> String,
}

impl Compared {
    fn verdict(&self) -> &'static str {
        let Some(difference) = self.difference.filter(Difference::is_decided) else {
            return "undecided";
        };
        if !difference.is_clear() {
            return "no difference";
        }
        // Seconds and the whole run must say the same.
        match (difference.ratio > 1.0, self.b > self.a) {
            (true, true) if self.more_is_better => "B is better",
            (true, true) => "B is worse",
            (false, false) if self.more_is_better => "B is worse",
            (false, false) => "B is better",
            _ => "undecided",
        }
    }
}

/// How a figure is taken from a second.
type OfSecond = fn(&Second) -> Option<f64>;
/// How it is taken from a whole run.
type OfRun = fn(&Report) -> Option<f64>;
/// How it is taken from a load of a whole run.
type OfLoad = fn(&Load) -> Option<f64>;
/// Name, whether more is better, how it is shown, and how it is taken.
type Figure<T> = (&'static str, bool, fn(f64) -> String, T, Option<OfSecond>);

/// Figures of each load. The seconds tell of them only where there is one load.
const OF_LOADS: [Figure<OfLoad>; 6] = [
    (
        "received per second",
        true,
        count,
        |l| Some(l.received_rate),
        Some(|s| Some(s.received).filter(|r| *r > 0.0)),
    ),
    (
        "latency p50",
        false,
        time,
        |l| l.latency.map(|s| s.p50),
        Some(|s| s.latency.map(|l| l.p50)),
    ),
    (
        "latency p90",
        false,
        time,
        |l| l.latency.map(|s| s.p90),
        Some(|s| s.latency.map(|l| l.p90)),
    ),
    (
        "latency p99",
        false,
        time,
        |l| l.latency.map(|s| s.p99),
        Some(|s| s.latency.map(|l| l.p99)),
    ),
    (
        "last receiver p99",
        false,
        time,
        |l| l.last.map(|s| s.p99),
        None,
    ),
    (
        "received per server CPU second",
        true,
        count,
        |l| l.per_cpu_second,
        Some(|s| {
            s.server_cores
                .filter(|c| *c > 0.01 && s.received > 0.0)
                .map(|c| s.received / c)
        }),
    ),
];

const OF_RUNS: [Figure<OfRun>; 4] = [
    (
        "connecting p99",
        false,
        time,
        |r| r.connect().map(|s| s.p99),
        None,
    ),
    (
        "server cores",
        false,
        |c| format!("{c:.2}"),
        |r| r.server.as_ref().and_then(|s| s.cores),
        Some(|s| s.server_cores),
    ),
    (
        "server memory per client",
        false,
        bytes,
        |r| r.server.as_ref().and_then(|s| s.bytes_per_client),
        None,
    ),
    (
        "server resident memory",
        false,
        bytes,
        |r| r.server.as_ref().map(|s| s.rss_max as f64),
        Some(|s| s.server.map(|s| s.rss as f64)),
    ),
];

/// Compares two results: a load with the same kind of load, and nothing where [`unlike`] has something to say.
#[must_use]
pub fn reports(a: &Report, b: &Report) -> Vec<Compared> {
    let alike = unlike(a, b).is_empty();
    let told = |pick: Option<OfSecond>| {
        let pick = pick.filter(|_| alike)?;
        bootstrap::compare(&values(a, pick), &values(b, pick))
    };
    let mut result = Vec::new();
    let single = a.total.loads.len() == 1 && b.total.loads.len() == 1;
    for of_a in &a.total.loads {
        let Some(of_b) = b.total.loads.iter().find(|l| l.kind == of_a.kind) else {
            continue;
        };
        for (name, more_is_better, show, pick, of_second) in OF_LOADS {
            if let Some((a, b)) = pick(of_a).zip(pick(of_b)) {
                result.push(Compared {
                    name: if single {
                        name.to_owned()
                    } else {
                        format!("{} {name}", of_a.kind)
                    },
                    a,
                    b,
                    difference: told(of_second.filter(|_| single)),
                    more_is_better,
                    show,
                });
            }
        }
    }
    for (name, more_is_better, show, pick, of_second) in OF_RUNS {
        if let Some((a, b)) = pick(a).zip(pick(b)) {
            result.push(Compared {
                name: name.to_owned(),
                a,
                b,
                difference: told(of_second),
                more_is_better,
                show,
            });
        }
    }
    result
}

/// Figures of the seconds that lie wholly within a measured phase.
fn values(report: &Report, pick: OfSecond) -> Vec<f64> {
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
pub fn table(compared: &[Compared]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{:<31} {:>14} {:>14}  {:<30} verdict",
        "", "A", "B", "B/A (95 % interval)"
    );
    for c in compared {
        let ratio = if c.a > 0.0 {
            format!("{:.3}", c.b / c.a)
        } else {
            "-".to_owned()
        };
        let interval = match c.difference {
            Some(d) if d.is_decided() => format!("{ratio} ({:.3} to {:.3})", d.low, d.high),
            Some(_) => format!("{ratio} (too few values)"),
            None => ratio,
        };
        let _ = writeln!(
            out,
            "{:<31} {:>14} {:>14}  {interval:<30} {}",
            c.name,
            (c.show)(c.a),
            (c.show)(c.b),
            c.verdict()
        );
    }
    out
}

/// Why two results may not be compared: where their scenarios differ, and what spoils one of them.
#[must_use]
pub fn unlike(a: &Report, b: &Report) -> Vec<String> {
    let (of_a, of_b) = (settings(a), settings(b));
    let mut result = Vec::new();
    let names: std::collections::BTreeSet<_> = of_a.keys().chain(of_b.keys()).collect();
    for name in names {
        let shown = |of: &BTreeMap<String, Value>| {
            of.get(name)
                .map_or_else(|| "nothing".to_owned(), Value::to_string)
        };
        let (a, b) = (shown(&of_a), shown(&of_b));
        if a != b {
            result.push(format!(
                "the scenarios differ: {name} is {a} in A and {b} in B"
            ));
        }
    }
    for (name, report) in [("A", a), ("B", b)] {
        if report.cut_short.is_some() {
            result.push(format!("{name} ended early"));
        }
        if report.generator.bottleneck {
            result.push(format!("{name}: the generator was the bottleneck"));
        }
    }
    result
}

/// What else should be known when two results are held against each other.
#[must_use]
pub fn caveats(a: &Report, b: &Report) -> Vec<String> {
    let mut caveats = Vec::new();
    for (name, report) in [("A", a), ("B", b)] {
        if !report.ok {
            caveats.push(format!("{name} failed: {}", report.reasons.join("; ")));
        }
    }
    let (of_a, of_b) = (&a.environment, &b.environment);
    for (what, a, b) in [
        ("processor", of_a.processor.clone(), of_b.processor.clone()),
        ("cores", of_a.cores.to_string(), of_b.cores.to_string()),
        ("kernel", of_a.kernel.clone(), of_b.kernel.clone()),
    ] {
        if a != b {
            caveats.push(format!("the machines differ: {what} {a} in A and {b} in B"));
        }
    }
    caveats
}

/// All settings of a scenario that change what is measured, by their paths.
fn settings(report: &Report) -> BTreeMap<String, Value> {
    let mut scenario = serde_json::to_value(&report.scenario).unwrap_or_default();
    if let Some(settings) = scenario.as_object_mut() {
        for other in ["url", "name", "thresholds", "drain", "connect_timeout"] {
            settings.remove(other);
        }
    }
    let mut flat = BTreeMap::new();
    flatten("", &scenario, &mut flat);
    flat
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, Value>) {
    let joined = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                flatten(&joined(name), value, into);
            }
        }
        Value::Array(items) => {
            for (place, value) in items.iter().enumerate() {
                // From 1, as people count phases.
                flatten(&joined(&(place + 1).to_string()), value, into);
            }
        }
        other => {
            into.insert(path.to_owned(), other.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{self, LoadKind};
    use crate::report::{CutShort, Phase, Spread};

    /// Ten measured seconds of echoes whose own p99 is not the median of the seconds'.
    fn report(rate: f64, p99: f64) -> Report {
        let spread = |p99| {
            Some(Spread {
                count: 100,
                p99,
                ..Spread::default()
            })
        };
        let load = plan::Load {
            kind: LoadKind::Echo,
            rate,
            window: 0,
            event: None,
        };
        let mut report = Report {
            ok: true,
            ..Report::default()
        };
        report.scenario.phases.push(plan::Phase {
            loads: vec![load],
            ..plan::Phase::default()
        });
        let phase = Phase {
            measured: true,
            secs: 10.0,
            loads: vec![Load {
                kind: "echo".into(),
                received_rate: rate,
                latency: spread(p99 * 7.0),
                ..Load::default()
            }],
            ..Phase::default()
        };
        report.total = phase.clone();
        report.phases.push(phase);
        report.seconds = (1..=10u32)
            .map(|at| Second {
                at: f64::from(at),
                received: rate,
                latency: spread(p99 * (1.0 + f64::from(at) / 1000.0)),
                ..Second::default()
            })
            .collect();
        report
    }

    fn row(compared: &[Compared], name: &str) -> String {
        let text = table(compared);
        let row = text.lines().find(|l| l.starts_with(name));
        row.map(str::to_owned).unwrap_or(text)
    }

    #[test]
    fn the_p99_is_the_runs_own() {
        let compared = reports(&report(100.0, 0.001), &report(100.0, 0.002));
        let row = row(&compared, "latency p99");
        assert!(row.contains("7.00 ms") && row.contains("14.0 ms"), "{row}");
        assert!(row.ends_with("B is worse"), "{row}");
    }

    #[test]
    fn unlike_scenarios_are_named_and_not_compared() {
        let (a, b) = (report(200.0, 0.001), report(600.0, 0.001));
        let why = unlike(&a, &b);
        assert_eq!(why.len(), 1, "{why:?}");
        assert!(
            why[0].contains("phases.1.loads.1.rate is 200.0 in A and 600.0 in B"),
            "{why:?}"
        );
        let row = row(&reports(&a, &b), "received per second");
        assert!(row.ends_with("undecided"), "{row}");
        let mut renamed = report(200.0, 0.001);
        renamed.scenario.name = "other".into();
        renamed.scenario.url = "http://other".into();
        assert!(unlike(&a, &renamed).is_empty());
    }

    #[test]
    fn a_load_is_compared_with_its_own_kind_only() {
        let (a, mut b) = (report(200.0, 0.001), report(200.0, 0.001));
        b.total.loads[0].kind = "ack".into();
        assert!(reports(&a, &b).iter().all(|c| !c.name.contains("latency")));
    }

    #[test]
    fn a_run_cut_short_or_held_up_by_the_generator_decides_nothing() {
        let a = report(200.0, 0.001);
        let mut b = report(200.0, 0.009);
        b.cut_short = Some(CutShort::default());
        assert!(row(&reports(&a, &b), "latency p99").ends_with("undecided"));
        b.cut_short = None;
        b.generator.bottleneck = true;
        assert!(row(&reports(&a, &b), "latency p99").ends_with("undecided"));
    }
}
