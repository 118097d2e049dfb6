//! Answers: was the server right, did the thresholds hold, and may the figures be quoted.
//!
//! Must not know where the figures come from.

use super::{Condition, Load, Report, Spread};
use crate::plan::threshold::{Figures, Threshold};

/// Lag that is too much whatever the latency.
const MOST_LAG: f64 = 0.010;
/// Lag below this never matters.
const LEAST_LAG: f64 = 0.001;

/// Fills in whether the run is well, why not, and what to say first.
pub(super) fn judge(report: &mut Report) {
    let faults = &report.faults;
    let mut reasons = Vec::new();
    for (count, what) in [
        (faults.lost, "lost"),
        (faults.duplicated, "duplicated"),
        (faults.reordered, "reordered"),
        (faults.wrong, "wrong"),
        (
            faults.disconnects.values().sum(),
            "unwished disconnects or failed handshakes",
        ),
    ] {
        if count > 0 {
            reasons.push(format!("{count} {what}"));
        }
    }
    if report.clients_ready < report.clients_wanted {
        reasons.push(format!(
            "only {} of {} clients became ready",
            report.clients_ready, report.clients_wanted
        ));
    }
    let sends = report.scenario.loads().next().is_some();
    if sends && report.total.loads.iter().all(|l| l.received == 0) {
        reasons.push("nothing was received".to_owned());
    }
    let figures = figures(report);
    for text in &report.scenario.thresholds {
        let Ok(threshold) = Threshold::parse(text) else {
            continue;
        };
        let ok = threshold.holds(&figures);
        let value = figures.get(&threshold.figure).copied();
        if !ok {
            let shown = value.map_or_else(|| "absent".to_owned(), |v| format!("{v:.6}"));
            reasons.push(format!("threshold {text} does not hold: {shown}"));
        }
        report.thresholds.push(Condition {
            text: text.clone(),
            value,
            ok,
        });
    }
    report.ok = reasons.is_empty();
    let slow = bottleneck(report);
    report.generator.bottleneck = slow.is_some();
    if let Some(why) = slow {
        reasons.push(format!(
            "the generator was the bottleneck ({why}): no headline"
        ));
    } else if report.ended_early {
        reasons.push("ended early: no headline".to_owned());
    } else if report.ok {
        report.headline = super::text::headline(report);
    }
    report.reasons = reasons;
}

/// Why the figures say more about the generator than about the server, if they do.
fn bottleneck(report: &Report) -> Option<String> {
    let generator = &report.generator;
    let latency = report
        .total
        .loads
        .iter()
        .filter_map(|l| l.latency)
        .map(|l| l.p99);
    let latency = latency.fold(f64::INFINITY, f64::min);
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
    let idle_server = report.server.as_ref().is_none_or(|s| s.cores < 0.9);
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
    spread("connect.", &report.total.connect);
    spread("upgrade.", &report.total.upgrade);
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
        ("disconnects", faults.disconnects.values().sum()),
        ("slow_dropped", faults.slow_dropped),
        ("not_started", report.generator.not_started),
        ("clients", u64::from(report.clients_ready)),
        ("connected", report.total.connected),
    ] {
        figures.insert(name.to_owned(), value as f64);
    }
    if let Some(server) = &report.server {
        figures.insert("server.cores".to_owned(), server.cores);
        figures.insert("server.rss".to_owned(), server.rss_max as f64);
        if let Some(bytes) = server.bytes_per_client {
            figures.insert("server.bytes_per_client".to_owned(), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Load, Server};
    use super::*;
    use crate::plan::{LoadKind, Phase as Planned};

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
            cores: 0.99,
            ..Server::default()
        });
        judge(&mut report);
        assert!(!report.generator.bottleneck && report.headline.is_some());
    }

    #[test]
    fn an_early_end_is_no_fault_but_gets_no_headline() {
        let mut report = report_with_lag(0.0);
        report.ended_early = true;
        judge(&mut report);
        assert!(report.ok && report.headline.is_none());
        assert!(report.reasons[0].contains("ended early"));
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
                    report.faults.disconnects.insert("closed".into(), 1);
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
