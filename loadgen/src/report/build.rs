//! Answers: what does that which a run gathered come to, as a report.
//!
//! Must not know how reports look or what is good.

use super::{Faults, Generator, Load, Phase, Report, Server, Spread, verdict};
use crate::clock::secs;
use crate::observe::Environment;
use crate::plan::LoadKind;
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
    let carried_out = gathered.phases_begun;
    for (place, course) in courses.iter().enumerate().take(carried_out) {
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
    let wanted = courses.iter().take(carried_out).map(|c| c.clients_to).max();
    let ended_early = carried_out < courses.len();
    let mut report = Report {
        schema: 1,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: gathered.started,
        command: options.command.clone(),
        scenario: options.scenario.clone(),
        environment: Environment::read(),
        clients_wanted: wanted.unwrap_or(0),
        ended_early,
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
    verdict::judge(&mut report);
    report
}

/// The kernel counts processor time in ticks of 10 ms: of less than this, in seconds, a quotient
/// would be off by more than a twentieth.
const LEAST_CPU: f64 = 0.2;

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
            .filter(|cpu| alone && *cpu >= LEAST_CPU)
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
