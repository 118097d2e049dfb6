//! Answers: was the server right, did the thresholds hold, and may the figures be quoted.
//!
//! Must not know where the figures come from.

use super::text::count;
use super::{CONTRACT, Condition, Load, Report, Spread};
use crate::plan::threshold::{Figures, Threshold};
use crate::stats::total;

/// Lag that is too much whatever the latency.
const MOST_LAG: f64 = 0.010;
/// Lag below this never matters.
const LEAST_LAG: f64 = 0.001;

/// Fills in whether the run is well, why not, and what to say first.
pub fn judge(report: &mut Report) {
    let mut reasons = faults(report);
    let mut remarks = Vec::new();
    // Of a run that someone ended, what is missing is no fault.
    let ended = report.was_asked_to_end();
    let missing = if ended { &mut remarks } else { &mut reasons };
    if report.clients_ready < report.clients_wanted {
        missing.push(format!(
            "only {} of {} clients became ready",
            report.clients_ready, report.clients_wanted
        ));
    }
    let sends = report.scenario.loads().next().is_some();
    let silent = report.total.loads.iter().all(|l| l.received == 0);
    if sends && silent && report.faults.unanswered.is_empty() {
        missing.push("nothing was received".to_owned());
    }
    let figures = figures(report);
    for text in &report.scenario.thresholds {
        let Ok(threshold) = Threshold::parse(text) else {
            continue;
        };
        let condition = Condition {
            text: text.clone(),
            value: figures.get(&threshold.figure).copied(),
            ok: threshold.holds(&figures),
        };
        if !condition.ok {
            let shown = super::text::condition(&condition);
            if ended && condition.value.is_none() {
                remarks.push(format!("threshold {text} was not told: {shown}"));
            } else {
                reasons.push(format!("threshold {text} does not hold: {shown}"));
            }
        }
        report.thresholds.push(condition);
    }
    report.ok = reasons.is_empty();
    let slow = bottleneck(report);
    report.generator.bottleneck = slow.is_some();
    if let Some(cut) = &report.cut_short {
        let first = super::text::cut_short(cut).swap_remove(0);
        remarks.push(format!("{first}: no headline"));
    }
    remarks.extend(too_short_for_pings(report));
    if let Some(why) = slow {
        remarks.push(format!(
            "the generator was the bottleneck ({why}): no headline"
        ));
    } else if report.ok && report.cut_short.is_none() {
        report.headline = super::text::headline(report);
    }
    reasons.extend(remarks);
    report.reasons = reasons;
}

/// What the server did wrong, over the whole run.
fn faults(report: &Report) -> Vec<String> {
    let faults = &report.faults;
    let mut reasons = Vec::new();
    if faults.lost > 0 {
        reasons.push(format!(
            "{} lost of {} due in the whole run, warm-up included",
            count(faults.lost as f64),
            count(faults.due as f64)
        ));
    }
    for (number, what) in [
        (faults.duplicated, "duplicated"),
        (faults.reordered, "reordered"),
        (faults.wrong, "wrong"),
        (
            total(&faults.disconnects),
            "unwished disconnects or failed handshakes",
        ),
    ] {
        if number > 0 {
            reasons.push(format!("{} {what}", count(number as f64)));
        }
    }
    if !faults.unanswered.is_empty() && !report.was_asked_to_end() {
        let names = faults.unanswered.join("`, `");
        reasons.push(format!(
            "no right answer to `{names}` ever came: {CONTRACT}"
        ));
    }
    reasons
}

/// Says so where clients only waited, and too short a time for a heartbeat.
fn too_short_for_pings(report: &Report) -> Option<String> {
    let interval = report.ping_interval?;
    let sends = report.scenario.loads().next().is_some();
    let held = report.total.secs;
    (!sends && report.cut_short.is_none() && held < interval).then(|| {
        format!(
            "{held:.1} s are less than the server's ping interval of {interval} s: not every client's \
             heartbeat was due (--secs {:.0}s is enough)",
            (interval + 1.0).ceil()
        )
    })
}

/// Why the figures say more about the generator than about the server, if they do.
fn bottleneck(report: &Report) -> Option<String> {
    if report.cut_short.as_ref().is_some_and(|c| !c.asked) {
        return None; // no client was left that could have sent
    }
    bottleneck_beside(report, lowest_p99(report))
}

/// The lowest p99 of a run's loads; infinite where it has none.
#[must_use]
pub fn lowest_p99(report: &Report) -> f64 {
    let loads = report.total.loads.iter();
    let latency = loads.filter_map(|l| l.latency).map(|l| l.p99);
    latency.fold(f64::INFINITY, f64::min)
}

/// The same, by the limit that a server with this p99 (seconds) sets: two runs that are held against each
/// other are judged by one limit, or the faster would be judged harder.
#[must_use]
pub fn bottleneck_beside(report: &Report, latency: f64) -> Option<String> {
    let generator = &report.generator;
    if let Some(lag) = &generator.lag {
        let limit = (latency / 2.0).clamp(LEAST_LAG, MOST_LAG);
        if lag.p99 > limit {
            return Some(format!(
                "1 % of its sends lagged {:.1} ms and more",
                lag.p99 * 1e3
            ));
        }
        if generator.not_started as f64 > lag.count as f64 / 1000.0 {
            return Some(format!(
                "{} planned messages never left",
                generator.not_started
            ));
        }
    }
    let busy = generator.cores / f64::from(generator.threads.max(1));
    let idle_server = report
        .server
        .as_ref()
        .is_none_or(|s| s.cores.is_none_or(|c| c < 0.9));
    let sends = report.scenario.loads().next().is_some();
    (sends && busy > 0.97 && idle_server).then(|| {
        format!(
            "its threads were {:.0} % busy, the server was not",
            busy * 100.0
        )
    })
}

/// What the names of a load's figures begin with: its kind, and for the first load nothing besides.
fn prefixes(place: usize, load: &Load) -> Vec<String> {
    let own = format!("{}.", load.kind);
    if place == 0 {
        vec![String::new(), own]
    } else {
        vec![own]
    }
}

/// All figures a threshold can name.
#[must_use]
pub fn figures(report: &Report) -> Figures {
    let mut figures = Figures::new();
    let mut spread = |prefix: &str, spread: &Option<Spread>| {
        let Some(s) = spread else { return };
        let named = [
            ("p50", s.p50),
            ("p90", s.p90),
            ("p99", s.p99),
            ("p999", s.p999),
            ("max", s.max),
            ("mean", s.mean),
        ];
        for (name, value) in named {
            figures.insert(format!("{prefix}{name}"), value);
        }
    };
    for (place, load) in report.total.loads.iter().enumerate() {
        for prefix in prefixes(place, load) {
            spread(&prefix, &load.latency);
            spread(&format!("{prefix}uncorrected."), &load.uncorrected);
            spread(&format!("{prefix}first."), &load.first);
            spread(&format!("{prefix}last."), &load.last);
        }
    }
    spread("connect.", &report.connect());
    spread("upgrade.", &report.upgrade());
    spread("recovery.", &report.total.recovery);
    spread("lag.", &report.generator.lag);
    for (place, load) in report.total.loads.iter().enumerate() {
        for prefix in prefixes(place, load) {
            figures.insert(format!("{prefix}rate"), load.received_rate);
            figures.insert(format!("{prefix}sent_rate"), load.sent_rate);
            if load.expected > 0 {
                let share = load.received as f64 / load.expected as f64;
                figures.insert(format!("{prefix}delivered"), share);
            }
            if let Some(value) = load.per_cpu_second {
                figures.insert(format!("{prefix}per_cpu_second"), value);
            }
        }
    }
    add_counts(report, &mut figures);
    figures
}

fn add_counts(report: &Report, figures: &mut Figures) {
    let faults = &report.faults;
    for (name, value) in [
        ("lost", faults.lost),
        ("duplicated", faults.duplicated),
        ("reordered", faults.reordered),
        ("wrong", faults.wrong),
        ("disconnects", total(&faults.disconnects)),
        ("slow_dropped", faults.slow_dropped),
        ("not_started", report.generator.not_started),
        ("clients", u64::from(report.clients_ready)),
        ("connected", report.total.connected),
    ] {
        figures.insert(name.to_owned(), value as f64);
    }
    if let Some(server) = &report.server {
        if let Some(cores) = server.cores {
            figures.insert("server.cores".to_owned(), cores);
        }
        figures.insert("server.rss".to_owned(), server.rss_max as f64);
        if let Some(bytes) = server.bytes_per_client {
            figures.insert("server.bytes_per_client".to_owned(), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CutShort, Load, Server};
    use super::*;
    use crate::plan::{LoadKind, Phase as Planned};
    use crate::stats::Kind;

    /// A run of echoes without a fault: 1 ms of latency, and a send lag in seconds.
    fn report_with_lag(lag: f64) -> Report {
        let spread = |p99| Spread {
            count: 1000,
            p99,
            ..Spread::default()
        };
        let load = Load {
            kind: "echo".into(),
            received: 1000,
            latency: Some(spread(0.001)),
            ..Load::default()
        };
        let planned = crate::plan::Load {
            kind: LoadKind::Echo,
            rate: 100.0,
            window: 0,
            event: None,
        };
        let mut report = Report {
            clients_wanted: 10,
            clients_ready: 10,
            ..Report::default()
        };
        report.scenario.phases.push(Planned {
            loads: vec![planned],
            ..Planned::default()
        });
        report.total.loads.push(load);
        report.generator.threads = 1;
        report.generator.lag = Some(spread(lag));
        report
    }

    #[test]
    fn a_generator_in_time_gets_a_headline() {
        let mut report = report_with_lag(0.0005);
        judge(&mut report);
        assert!(report.ok && report.headline.is_some() && report.reasons.is_empty());
    }

    #[test]
    fn a_late_generator_says_so_and_gets_no_headline() {
        let mut report = report_with_lag(0.002);
        judge(&mut report);
        assert!(report.ok, "it is no fault of the server");
        assert!(report.generator.bottleneck && report.headline.is_none());
        let said = report.reasons.join("");
        assert!(said.contains("2.0 ms"), "{said}");
    }

    #[test]
    fn a_generator_that_sent_less_than_planned_gets_no_headline() {
        let mut report = report_with_lag(0.0);
        report.generator.not_started = 2;
        judge(&mut report);
        assert!(report.ok && report.headline.is_none());
    }

    #[test]
    fn a_busy_generator_is_the_bottleneck_unless_the_server_is_busy_too() {
        let mut report = report_with_lag(0.0);
        report.generator.cores = 0.99;
        judge(&mut report);
        assert!(report.generator.bottleneck && report.headline.is_none());
        report.server = Some(Server {
            cores: Some(0.99),
            ..Server::default()
        });
        judge(&mut report);
        assert!(!report.generator.bottleneck && report.headline.is_some());
    }

    #[test]
    fn an_early_end_is_no_fault_but_gets_no_headline() {
        let mut report = report_with_lag(0.0);
        report.cut_short = Some(CutShort {
            by: "Ctrl-C".into(),
            asked: true,
            measured_secs: 3.2,
            asked_secs: 10.0,
            ..CutShort::default()
        });
        report.clients_ready = 5;
        report.total.loads.clear();
        report.scenario.thresholds = vec!["p99 < 1s".into(), "lost == 0".into()];
        judge(&mut report);
        assert!(report.ok && report.headline.is_none());
        let said = report.reasons.join("; ");
        assert!(
            said.contains("by Ctrl-C") && said.contains("3.2 s of the 10.0 s"),
            "{said}"
        );
        assert!(
            said.contains("was not told") && said.contains("5 of 10"),
            "{said}"
        );
    }

    #[test]
    fn a_server_that_died_is_a_fault_and_says_when() {
        let mut report = report_with_lag(0.0);
        report.faults.disconnects.insert(
            "closed".into(),
            Kind {
                count: 10,
                ..Kind::default()
            },
        );
        report.cut_short = Some(CutShort {
            by: "no client was left".into(),
            measured_secs: 3.2,
            asked_secs: 10.0,
            ..CutShort::default()
        });
        judge(&mut report);
        let said = report.reasons.join("; ");
        assert!(!report.ok && said.contains("3.2 s of the 10.0 s"), "{said}");
    }

    #[test]
    fn a_failed_threshold_prints_its_unit() {
        let mut report = report_with_lag(0.0);
        report.scenario.thresholds = vec!["p99 < 500us".into(), "server.rss < 1MB".into()];
        report.server = Some(Server {
            rss_max: 2_000_000,
            ..Server::default()
        });
        judge(&mut report);
        let said = report.reasons.join("; ");
        assert!(said.contains("does not hold: 1.00 ms"), "{said}");
        assert!(said.contains("does not hold: 2.00 MB"), "{said}");
    }

    #[test]
    fn idle_shorter_than_a_ping_interval_says_so() {
        let mut report = Report {
            ping_interval: Some(25.0),
            ..Report::default()
        };
        report.total.secs = 10.0;
        judge(&mut report);
        let said = report.reasons.join("; ");
        assert!(
            report.ok && said.contains("ping interval of 25 s") && said.contains("--secs 26s"),
            "{said}"
        );
        report.total.secs = 30.0;
        judge(&mut report);
        assert!(report.reasons.is_empty());
    }

    #[test]
    fn lost_and_due_are_sums_of_the_same_run() {
        let mut report = report_with_lag(0.0);
        report.faults.lost = 4000;
        report.faults.due = 6000;
        report.faults.unanswered = vec!["echo".into()];
        judge(&mut report);
        let said = report.reasons.join("; ");
        assert!(said.contains("4,000 lost of 6,000 due"), "{said}");
        assert!(
            said.contains("`echo`") && said.contains("docs/LOADGEN.md"),
            "{said}"
        );
    }

    #[test]
    fn every_fault_fails_the_run() {
        for fault in ["lost", "duplicated", "reordered", "wrong", "disconnects"] {
            let mut report = report_with_lag(0.0);
            match fault {
                "lost" => report.faults.lost = 1,
                "duplicated" => report.faults.duplicated = 1,
                "reordered" => report.faults.reordered = 1,
                "wrong" => report.faults.wrong = 1,
                _ => {
                    report.faults.disconnects.insert(
                        "closed".into(),
                        Kind {
                            count: 1,
                            ..Kind::default()
                        },
                    );
                }
            }
            judge(&mut report);
            assert!(!report.ok && report.headline.is_none(), "{fault}");
            assert!(report.reasons[0].contains(fault), "{:?}", report.reasons);
        }
        let mut silent = report_with_lag(0.0);
        silent.total.loads[0].received = 0;
        judge(&mut silent);
        assert!(!silent.ok, "nothing was received");
    }
}
