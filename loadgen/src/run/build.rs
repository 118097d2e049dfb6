//! Answers: what report does a run make of what it gathered.
//!
//! Must not know how reports look or what is good.

use super::{Ended, Gathered, Options};
use crate::clock::secs;
use crate::observe::Environment;
use crate::plan::LoadKind;
use crate::report::{
    CutShort, Faults, Generator, LEAST_MEMORY, Load, Part, Phase, Report, SCHEMA, Server, Spread,
    verdict,
};
use crate::stats::{LoadStats, Stats, Timing};

/// Builds the report.
pub(super) fn report(options: &Options, gathered: Gathered) -> Report {
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
        let mut phase = Phase {
            name: course.name.clone(),
            measured: course.measured,
            start: secs(begin),
            secs: secs(end.saturating_sub(begin)),
            server_cpu: used(gathered.cpu[place], gathered.cpu[place + 1]),
            ..Phase::default()
        };
        let received = gathered.received[place + 1] - gathered.received[place];
        fill(&mut phase, &gathered.phases[place], received);
        if course.measured {
            total.secs += phase.secs;
            total_stats.add(&gathered.phases[place]);
            total_received += received;
        }
        phases.push(phase);
    }
    // A sum of some phases only would be no one's processor time.
    let measured = phases.iter().filter(|p| p.measured);
    total.server_cpu = measured.map(|p| p.server_cpu).sum();
    fill(&mut total, &total_stats, total_received);
    let mut everything = Stats::default();
    for stats in &gathered.phases {
        everything.add(stats);
    }
    let wanted = courses.iter().take(carried_out).map(|c| c.clients_to).max();
    let mut report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: gathered.started,
        command: options.command.clone(),
        scenario: options.scenario.clone(),
        environment: Environment::read(),
        clients_wanted: wanted.unwrap_or(0),
        cut_short: gathered.ended.map(|e| cut_short(e, &gathered, &phases)),
        ping_interval: gathered.ping_interval,
        clients_ready: gathered.ready_most,
        generator: generator(&gathered, &total_stats, &total),
        server: server(&gathered, &phases),
        faults: faults(&everything, gathered.unanswered),
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

/// Processor time between two looks. Less than before is another process's, or another start's.
fn used(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    let used = after? - before?;
    (used >= 0.0).then_some(used)
}

/// What was run of the plan and what was not.
fn cut_short(ended: Ended, gathered: &Gathered, phases: &[Phase]) -> CutShort {
    let courses = gathered.setup.courses.iter().enumerate();
    let parts: Vec<_> = courses
        .filter(|(_, course)| course.measured)
        .map(|(place, course)| Part {
            name: course.name.clone(),
            secs: phases.get(place).map_or(0.0, |p| p.secs),
            asked_secs: course.secs,
        })
        .collect();
    CutShort {
        by: ended.reason().to_owned(),
        asked: matches!(ended, Ended::Asked(_)),
        measured_secs: parts.iter().map(|p| p.secs).sum(),
        asked_secs: parts.iter().map(|p| p.asked_secs).sum(),
        parts,
    }
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

fn faults(stats: &Stats, unanswered: Vec<String>) -> Faults {
    // To a message of one receiver one reply is due.
    let due = |(kind, load): (&LoadKind, &LoadStats)| {
        if kind.fans_out() {
            load.expected
        } else {
            load.sent
        }
    };
    Faults {
        sent: stats.sent(),
        due: LoadKind::ALL.iter().zip(&stats.loads).map(due).sum(),
        received: stats.received(),
        unanswered,
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

/// From so many clients on, the generator's memory is mostly theirs.
const MANY_CLIENTS: u32 = 10_000;

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
        memory: most.saturating_sub(before),
        bytes_per_client: (gathered.ready_most >= MANY_CLIENTS)
            .then(|| most.saturating_sub(before) as f64 / f64::from(gathered.ready_most)),
        bottleneck: false,
    }
}

fn server(gathered: &Gathered, phases: &[Phase]) -> Option<Server> {
    let samples: Vec<_> = gathered.seconds.iter().filter_map(|s| s.server).collect();
    if samples.is_empty() {
        return None;
    }
    let plateaus: Vec<_> = gathered
        .plateaus
        .iter()
        .map(|(clients, seen)| Plateau {
            clients: *clients,
            user: Level::of(seen.iter().map(|s| s.0)),
            kernel: Level::of(seen.iter().map(|s| s.1)),
        })
        .collect();
    let ends = plateaus.first().zip(plateaus.last());
    let user =
        |(a, b): (&Plateau, &Plateau)| per_client((a.clients, &a.user), (b.clients, &b.user));
    let kernel =
        |(a, b): (&Plateau, &Plateau)| per_client((a.clients, &a.kernel), (b.clients, &b.kernel));
    let top = match plateaus.as_slice() {
        [_, .., a, b] => Some((a, b)),
        _ => None,
    };
    Some(Server {
        cores: cores(gathered, phases),
        rss_max: samples.iter().map(|s| s.rss).max().unwrap_or(0),
        bytes_per_client: ends.and_then(user),
        bytes_per_client_top: top.and_then(user),
        kernel_bytes_per_client: ends.and_then(kernel),
        plateaus: plateaus
            .iter()
            .map(|p| (p.clients, p.user.middle))
            .collect(),
    })
}

/// Cores in use in the measured phases. Of a server that ended in one, as long as it was seen.
fn cores(gathered: &Gathered, phases: &[Phase]) -> Option<f64> {
    let (mut cpu, mut time) = (0.0, 0.0);
    for (place, phase) in phases.iter().enumerate().filter(|(_, p)| p.measured) {
        let whole = phase.server_cpu.map(|used| (used, phase.secs));
        let seen = whole.or_else(|| {
            let mut seconds = gathered.seconds.iter();
            let last = seconds.rfind(|s| s.phase == place && s.server.is_some())?;
            let used = used(gathered.cpu[place], last.server.map(|s| s.cpu))?;
            Some((used, last.at - phase.start))
        });
        let (used, secs) = seen.unwrap_or_default();
        cpu += used;
        time += secs;
    }
    (time > 0.0).then(|| cpu / time)
}

/// A steady number of clients and the memory seen at it.
struct Plateau {
    clients: u32,
    user: Level,
    kernel: Level,
}

/// Memory that was looked at several times.
struct Level {
    middle: u64,
    /// Between the smallest and the largest.
    spread: u64,
}

impl Level {
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let mut sorted: Vec<u64> = values.collect();
        sorted.sort_unstable();
        let (first, last) = (sorted.first(), sorted.last());
        Self {
            middle: sorted.get(sorted.len() / 2).copied().unwrap_or(0),
            spread: first.zip(last).map_or(0, |(a, b)| b - a),
        }
    }
}

/// Bytes for each client between two plateaus; `None` where they are not far enough apart to tell: less
/// than what memory does by itself, or than twice what it did while the clients were the same.
fn per_client(low: (u32, &Level), high: (u32, &Level)) -> Option<f64> {
    let clients = high.0.checked_sub(low.0).filter(|c| *c > 0)?;
    let more = high.1.middle.checked_sub(low.1.middle)? as f64;
    let noise = 2.0 * low.1.spread.max(high.1.spread) as f64;
    (more >= noise.max(LEAST_MEMORY)).then(|| more / f64::from(clients))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_per_client_is_told_only_where_it_can_be() {
        let level = |values: &[u64]| Level::of(values.iter().copied());
        let empty = level(&[10_000_000]);
        let told = |clients, values: &[u64]| per_client((0, &empty), (clients, &level(values)));
        // 10,000 clients of 300 bytes, seen through pages of 4 KiB.
        let many = told(10_000, &[13_000_000, 13_004_096]).unwrap();
        assert!((300.0..301.0).contains(&many), "{many}");
        assert_eq!(told(100, &[10_030_000]), None, "30 kB are noise");
        assert_eq!(told(100, &[9_000_000]), None, "a server that shrank");
        // A heap that breathes by a megabyte says nothing of half a megabyte.
        assert_eq!(told(100, &[10_000_000, 10_500_000, 11_000_000]), None);
        assert_eq!(told(0, &[20_000_000]), None);
    }

    #[test]
    fn processor_time_of_a_process_that_is_gone_is_not_known() {
        assert_eq!(used(Some(1.0), Some(1.5)), Some(0.5));
        assert_eq!(used(Some(1.0), None), None);
        assert_eq!(used(Some(1.0), Some(0.0)), None, "never negative");
    }
}
