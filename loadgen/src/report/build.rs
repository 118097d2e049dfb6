//! Turns what a run gathered into its report and its verdict.
//! Must not know how reports look.

use super::{Condition, Faults, Generator, Load, Phase, Report, Server, Spread};
use crate::clock::secs;
use crate::observe::Environment;
use crate::plan::LoadKind;
use crate::plan::threshold::{Figures, Threshold};
use crate::run::{Gathered, Options};
use crate::stats::{LoadStats, Stats, Timing};

/// Builds the report.
#[must_use]
pub fn report(options: &Options, gathered: Gathered) -> Report {
    let courses = &gathered.setup.courses;
    let mut phases = Vec::new();
    let mut total_stats = Stats::default();
    let mut total = Phase {
        name: "total".into(),
        measured: true,
        ..Phase::default()
    };
    let mut total_received = 0;
    for (place, course) in courses.iter().enumerate() {
        let (begin, end) = (gathered.begins[place], gathered.begins[place + 1]);
        let cpu = gathered.cpu[place + 1]
            .zip(gathered.cpu[place])
            .map(|(b, a)| b - a);
        let mut phase = Phase {
            name: course.name.clone(),
            measured: course.measured,
            start: secs(begin),
            secs: secs(end.saturating_sub(begin)),
            server_cpu: cpu,
            ..Phase::default()
        };
        let received = gathered.received[place + 1] - gathered.received[place];
        fill(&mut phase, &gathered.phases[place], received);
        if course.measured {
            total.secs += phase.secs;
            total.server_cpu = match (total.server_cpu, cpu) {
                (sum, Some(cpu)) => Some(sum.unwrap_or(0.0) + cpu),
                (sum, None) => sum,
            };
            total_stats.add(&gathered.phases[place]);
            total_received += received;
        }
        phases.push(phase);
    }
    fill(&mut total, &total_stats, total_received);
    let mut everything = Stats::default();
    for stats in &gathered.phases {
        everything.add(stats);
    }
    let wanted = gathered.setup.clients;
    let mut report = Report {
        schema: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: gathered.started,
        command: options.command.clone(),
        scenario: options.scenario.clone(),
        environment: Environment::read(),
        clients_wanted: wanted,
        clients_ready: gathered.ready_most,
        generator: generator(&gathered, &total_stats, &total),
        server: server(&gathered, &total),
        faults: faults(&everything),
        phases,
        total,
        seconds: gathered.seconds,
        thresholds: Vec::new(),
        ok: true,
        headline: None,
        reasons: Vec::new(),
    };
    judge(&mut report);
    report
}

/// `received` was counted between the instants at which the processor time was taken; the stats
/// go by planned instants instead, and differ by what is under way at the edges.
fn fill(phase: &mut Phase, stats: &Stats, received: u64) {
    phase.connect = Spread::of(&stats.connect);
    phase.upgrade = Spread::of(&stats.upgrade);
    phase.recovery = Spread::of(&stats.recovery);
    phase.connected = stats.connected;
    phase.closed = stats.closed;
    phase.pings = stats.pings;
    phase.bytes_in = stats.bytes_in;
    phase.bytes_out = stats.bytes_out;
    let used: Vec<_> = LoadKind::ALL
        .iter()
        .zip(&stats.loads)
        .filter(|(_, l)| l.sent > 0)
        .collect();
    let alone = used.len() == 1;
    for (kind, load) in used {
        let per_second = |count: u64| {
            if phase.secs > 0.0 {
                count as f64 / phase.secs
            } else {
                0.0
            }
        };
        let mut made = load_report(*kind, load);
        made.sent_rate = per_second(load.sent);
        made.received_rate = per_second(load.received);
        made.per_cpu_second = phase
            .server_cpu
            .filter(|cpu| alone && *cpu > 0.0)
            .map(|cpu| received as f64 / cpu);
        phase.loads.push(made);
    }
}

fn load_report(kind: LoadKind, load: &LoadStats) -> Load {
    Load {
        kind: kind.name().to_owned(),
        sent: load.sent,
        received: load.received,
        expected: load.expected,
        sent_rate: 0.0,
        received_rate: 0.0,
        per_cpu_second: None,
        latency: Spread::of(&load.latency),
        uncorrected: Spread::of(&load.uncorrected),
        first: Spread::of(&load.first),
        median: Spread::of(&load.median),
        most: Spread::of(&load.most),
        last: Spread::of(&load.last),
        last_uncorrected: Spread::of(&load.last_uncorrected),
        curve: curve(&load.latency),
        curve_uncorrected: curve(&load.uncorrected),
    }
}

fn curve(timing: &Timing) -> Vec<(f64, f64)> {
    let Some(histogram) = timing.histogram() else {
        return Vec::new();
    };
    histogram
        .iter_quantiles(3)
        .map(|v| {
            (
                v.quantile_iterated_to().min(1.0),
                secs(v.value_iterated_to()),
            )
        })
        .collect()
}

fn faults(stats: &Stats) -> Faults {
    Faults {
        lost: stats.faults.lost,
        duplicated: stats.faults.duplicated,
        reordered: stats.faults.reordered,
        wrong: stats.faults.wrong,
        disconnects: stats.disconnects.clone(),
        examples: stats.examples.clone(),
        slow_dropped: stats.slow_dropped,
        tolerated: stats.tolerated,
        abandoned: stats.abandoned,
    }
}

fn generator(gathered: &Gathered, measured: &Stats, total: &Phase) -> Generator {
    let (before, most) = gathered.own_memory;
    Generator {
        threads: gathered.setup.threads,
        own_tables: gathered.setup.own_tables,
        lag: Spread::of(&measured.lag),
        not_started: measured.not_started,
        cores: if total.secs > 0.0 {
            secs(measured.busy) / total.secs
        } else {
            0.0
        },
        bytes_per_client: most.saturating_sub(before) as f64
            / f64::from(gathered.ready_most.max(1)),
        bottleneck: false,
    }
}

fn server(gathered: &Gathered, total: &Phase) -> Option<Server> {
    let samples: Vec<_> = gathered.seconds.iter().filter_map(|s| s.server).collect();
    if samples.is_empty() {
        return None;
    }
    let middle = |values: &[(u64, u64)], pick: fn(&(u64, u64)) -> u64| {
        let mut sorted: Vec<u64> = values.iter().map(pick).collect();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    };
    let plateaus: Vec<(u32, u64, u64)> = gathered
        .plateaus
        .iter()
        .map(|(clients, seen)| (*clients, middle(seen, |s| s.0), middle(seen, |s| s.1)))
        .collect();
    let slope = |a: &(u32, u64, u64), b: &(u32, u64, u64), user: bool| {
        let (low, high) = if user { (a.1, b.1) } else { (a.2, b.2) };
        (high as f64 - low as f64) / f64::from(b.0 - a.0)
    };
    let ends = plateaus
        .first()
        .zip(plateaus.last())
        .filter(|(a, b)| a.0 < b.0);
    let top = match plateaus.as_slice() {
        [_, .., a, b] => Some(slope(a, b, true)),
        _ => None,
    };
    Some(Server {
        cores: total
            .server_cpu
            .map_or(0.0, |cpu| cpu / total.secs.max(1e-9)),
        rss_max: samples.iter().map(|s| s.rss).max().unwrap_or(0),
        bytes_per_client: ends.map(|(a, b)| slope(a, b, true)),
        bytes_per_client_top: top,
        kernel_bytes_per_client: ends.map(|(a, b)| slope(a, b, false)),
        plateaus: plateaus.iter().map(|p| (p.0, p.1)).collect(),
    })
}

/// Lag that is too much whatever the latency.
const MOST_LAG: f64 = 0.010;
/// Lag below this never matters.
const LEAST_LAG: f64 = 0.001;

fn judge(report: &mut Report) {
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

/// What the names of a kind of load's figures begin with. Those of the first need not be named.
fn prefixes(place: usize, kind: &str) -> Vec<String> {
    let own = format!("{kind}.");
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
        for prefix in prefixes(place, &load.kind) {
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
        for prefix in prefixes(place, &load.kind) {
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
