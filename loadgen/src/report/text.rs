//! Answers: how does the report look as text for a terminal.
//!
//! Must not compute anything new.

use super::{Condition, CutShort, Load, Phase, Report, Spread};
use crate::plan::threshold::{Measure, Name, Threshold};
use crate::stats::{Kinds, total};
use std::fmt::Write as _;

/// Seconds in the unit a reader expects, three digits.
#[must_use]
pub fn time(secs: f64) -> String {
    let (value, unit) = match secs {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    digits(value, unit)
}

fn digits(value: f64, unit: &str) -> String {
    let places = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.places$} {unit}")
}

/// Bytes with a unit.
#[must_use]
pub fn bytes(count: f64) -> String {
    let (value, unit) = match count.abs() {
        b if b < 1e3 => return format!("{count:.0} B"),
        b if b < 1e6 => (count / 1e3, "kB"),
        b if b < 1e9 => (count / 1e6, "MB"),
        _ => (count / 1e9, "GB"),
    };
    digits(value, unit)
}

/// A count with thin groups of three.
#[must_use]
pub fn count(number: f64) -> String {
    let plain = format!("{number:.0}");
    let (sign, plain) = plain
        .strip_prefix('-')
        .map_or(("", plain.as_str()), |p| ("-", p));
    let mut grouped = String::new();
    for (place, digit) in plain.chars().enumerate() {
        if place > 0 && (plain.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}")
}

/// A figure in the unit that its name implies.
fn figure(name: &str, value: f64) -> String {
    match Name::read(name).map_or(Measure::Count, |n| n.measure) {
        Measure::Time => time(value),
        Measure::Size => bytes(value),
        Measure::Cores => format!("{value:.2} cores"),
        Measure::Share => format!("{:.3} %", value * 100.0),
        Measure::Count => count(value),
    }
}

/// What came out where a threshold was set, with its unit.
#[must_use]
pub fn condition(threshold: &Condition) -> String {
    let Ok(read) = Threshold::parse(&threshold.text) else {
        return "absent".to_owned();
    };
    let name = read.figure.as_str();
    let Some(value) = threshold.value else {
        let needed = match name {
            "server.bytes_per_client" => ": too little to be told, more clients are needed",
            _ => "",
        };
        return format!("absent{needed}");
    };
    let shown = figure(name, value);
    // Three digits may look like the very bound that was missed.
    if threshold.ok || shown != figure(name, read.bound) {
        return shown;
    }
    match Name::read(name).map_or(Measure::Count, |n| n.measure) {
        Measure::Time => format!("{:.6} ms", value * 1e3),
        Measure::Size => format!("{} B", count(value)),
        Measure::Cores => format!("{value:.6} cores"),
        Measure::Share => format!("{:.6} %", value * 100.0),
        Measure::Count => format!("{value:.6}"),
    }
}

/// What was measured of a run that ended early and what was not: first the whole, then the phases.
#[must_use]
pub fn cut_short(cut: &CutShort) -> Vec<String> {
    let mut first = if cut.asked {
        format!("ended early by {}", cut.by)
    } else {
        format!("ended early: {}", cut.by)
    };
    let _ = if cut.measured_secs > 0.0 {
        write!(
            first,
            ", {:.1} s of the {:.1} s to measure were run",
            cut.measured_secs, cut.asked_secs
        )
    } else {
        write!(
            first,
            " before anything was measured, {:.1} s were to be",
            cut.asked_secs
        )
    };
    let mut lines = vec![first];
    let begun = |p: &&super::Part| p.secs > 0.0;
    let measured: Vec<_> = cut.parts.iter().filter(begun).collect();
    if !measured.is_empty() {
        let told = measured
            .iter()
            .map(|p| format!("{} {:.1} of {:.1} s", p.name, p.secs, p.asked_secs));
        lines.push(format!("measured: {}", told.collect::<Vec<_>>().join(", ")));
    }
    let missing: Vec<_> = cut.parts.iter().filter(|p| !begun(p)).collect();
    if !missing.is_empty() {
        let told = missing
            .iter()
            .map(|p| format!("{} ({:.1} s)", p.name, p.asked_secs));
        lines.push(format!(
            "not measured: {}",
            told.collect::<Vec<_>>().join(", ")
        ));
    }
    lines
}

/// Kinds of faults, one line each.
#[must_use]
pub fn kinds(kinds: &Kinds) -> Vec<String> {
    let line = |(kind, seen): (&String, &crate::stats::Kind)| {
        let example = if seen.example.is_empty() {
            String::new()
        } else {
            format!(", such as: {}", seen.example)
        };
        format!("{} x {kind}{example}", count(seen.count as f64))
    };
    kinds.iter().map(line).collect()
}

/// Seconds since 1970 as date and time (UTC).
#[must_use]
pub fn date(seconds: u64) -> String {
    // Days to years, months, days: Howard Hinnant's civil_from_days, eras of 400 years.
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hours, minutes, seconds) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

/// The one line people quote.
#[must_use]
pub fn headline(report: &Report) -> Option<String> {
    let clients = count(f64::from(report.clients_ready));
    let total = &report.total;
    if let Some(load) = total.loads.first() {
        let what = match load.kind.as_str() {
            "echo" => "echo round trips",
            "ack" => "acknowledged messages",
            _ => "deliveries",
        };
        let spread = load.latency?;
        let mut line = format!(
            "{clients} clients, {} {what}/s: p50 {}, p99 {}",
            count(load.received_rate),
            time(spread.p50),
            time(spread.p99)
        );
        if let Some(last) = load.last {
            let _ = write!(line, ", last receiver p99 {}", time(last.p99));
        }
        if let Some(come) = come_and_go(report) {
            let _ = write!(line, "; {come}");
        }
        return Some(line);
    }
    if let Some(come) = come_and_go(report) {
        return Some(format!("{clients} clients; {come}"));
    }
    let memory = report.server.as_ref().and_then(|s| s.bytes_per_client);
    let memory = memory.map_or(String::new(), |b| {
        format!(", {} of server memory each", bytes(b))
    });
    Some(format!(
        "{clients} clients held, {} heartbeats answered{memory}",
        count(total.pings as f64)
    ))
}

/// What storms, churn and upgrades came to.
fn come_and_go(report: &Report) -> Option<String> {
    let total = &report.total;
    if let Some(back) = total.recovery {
        let (number, all) = (count(back.count as f64), time(back.max));
        return Some(format!("{number} cut off at once, all back within {all}"));
    }
    if let Some(connect) = total.connect.filter(|_| total.closed > 0) {
        let number = count(connect.count as f64);
        return Some(format!("{number} reconnects, p99 {}", time(connect.p99)));
    }
    let upgrade = report.upgrade()?;
    let number = count(upgrade.count as f64);
    Some(format!("{number} upgrades, p99 {}", time(upgrade.p99)))
}

/// The whole summary.
#[must_use]
pub fn summary(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\n{} against {}",
        report.scenario.name, report.scenario.url
    );
    if let Some(headline) = &report.headline {
        let _ = writeln!(out, "  {headline}");
    }
    for text in report.cut_short.iter().flat_map(cut_short) {
        let _ = writeln!(out, "  {text}");
    }
    let _ = writeln!(
        out,
        "  clients    {} of {} ready",
        count(f64::from(report.clients_ready)),
        count(f64::from(report.clients_wanted))
    );
    for (name, spread) in [
        ("connect", report.connect()),
        ("upgrade", report.upgrade()),
        ("recovery", report.total.recovery),
    ] {
        if let Some(s) = spread {
            let _ = writeln!(out, "  {name:<10} {}", line(&s));
        }
    }
    for phase in report.phases.iter().filter(|p| p.measured) {
        write_phase(&mut out, phase);
    }
    write_generator(&mut out, report);
    write_server(&mut out, report);
    write_faults(&mut out, report);
    for threshold in &report.thresholds {
        let mark = if threshold.ok { "holds" } else { "FAILS" };
        let _ = writeln!(
            out,
            "  threshold  {mark}: {} ({})",
            threshold.text,
            condition(threshold)
        );
    }
    let _ = writeln!(
        out,
        "  verdict    {}",
        if report.ok { "OK" } else { "NOT OK" }
    );
    for reason in &report.reasons {
        let _ = writeln!(out, "             - {reason}");
    }
    out
}

fn line(s: &Spread) -> String {
    format!(
        "p50 {}  p90 {}  p99 {}  p99.9 {}  max {}  ({} values)",
        time(s.p50),
        time(s.p90),
        time(s.p99),
        time(s.p999),
        time(s.max),
        count(s.count as f64)
    )
}

fn write_phase(out: &mut String, phase: &Phase) {
    let _ = writeln!(
        out,
        "  phase      {} ({:.1} s): {} pings, {} connected, {} closed, in {}, out {}",
        phase.name,
        phase.secs,
        count(phase.pings as f64),
        count(phase.connected as f64),
        count(phase.closed as f64),
        bytes(phase.bytes_in as f64),
        bytes(phase.bytes_out as f64)
    );
    for load in &phase.loads {
        write_load(out, load);
    }
}

fn write_load(out: &mut String, load: &Load) {
    let _ = write!(
        out,
        "  {:<10} sent {} ({}/s), received {} ({}/s)",
        load.kind,
        count(load.sent as f64),
        count(load.sent_rate),
        count(load.received as f64),
        count(load.received_rate)
    );
    if load.expected > 0 {
        let _ = write!(out, ", {:.3} % of those due", percent(load));
    }
    if let Some(rate) = load.per_cpu_second {
        let _ = write!(out, ", {}/server-CPU-s", count(rate));
    }
    let _ = writeln!(out);
    for (name, spread) in [
        ("latency", load.latency),
        ("uncorrected", load.uncorrected),
        ("1st receiver", load.first),
        ("median recv", load.median),
        ("99 % recv", load.most),
        ("last recv", load.last),
    ] {
        if let Some(s) = spread {
            let _ = writeln!(out, "    {name:<12} {}", line(&s));
        }
    }
}

fn percent(load: &Load) -> f64 {
    100.0 * load.received as f64 / load.expected as f64
}

fn write_generator(out: &mut String, report: &Report) {
    let g = &report.generator;
    let tables = if g.own_tables {
        " with own descriptor tables"
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "  generator  {} thread(s){tables}, {:.2} cores, {}, {} not started",
        g.threads,
        g.cores,
        own_memory(report),
        count(g.not_started as f64)
    );
    if let Some(lag) = &g.lag {
        let _ = writeln!(out, "    {:<12} {}", "send lag", line(lag));
    }
}

/// What the generator took. With few clients only the whole means something: threads, buffers and
/// histograms are there whatever their number.
#[must_use]
pub fn own_memory(report: &Report) -> String {
    let generator = &report.generator;
    generator.bytes_per_client.map_or_else(
        || format!("{} of memory", bytes(generator.memory as f64)),
        |each| format!("{} a client", bytes(each)),
    )
}

fn write_server(out: &mut String, report: &Report) {
    let Some(s) = &report.server else { return };
    let cores = s.cores.map_or_else(
        || "processor time not known".to_owned(),
        |c| format!("{c:.2} cores"),
    );
    let _ = writeln!(
        out,
        "  server     {cores}, at most {} resident",
        bytes(s.rss_max as f64)
    );
    if let Some(each) = s.bytes_per_client {
        let _ = write!(out, "    per client   {} of user memory", bytes(each));
        if let Some(top) = s.bytes_per_client_top {
            let _ = write!(out, " ({} between the upper plateaus)", bytes(top));
        }
        if let Some(kernel) = s.kernel_bytes_per_client {
            let _ = write!(out, ", {} of the machine's kernel memory", bytes(kernel));
        }
        let plateaus: Vec<String> = s
            .plateaus
            .iter()
            .map(|(c, m)| format!("{c}: {}", bytes(*m as f64)))
            .collect();
        let _ = writeln!(out, "\n    plateaus     {}", plateaus.join(", "));
    }
}

fn write_faults(out: &mut String, report: &Report) {
    let f = &report.faults;
    let _ = writeln!(
        out,
        "  faults     lost {} of {} due in the whole run, duplicated {}, reordered {}, wrong {}, disconnects {}",
        count(f.lost as f64),
        count(f.due as f64),
        f.duplicated,
        f.reordered,
        f.wrong,
        total(&f.disconnects)
    );
    for text in kinds(&f.disconnects).into_iter().chain(kinds(&f.examples)) {
        let _ = writeln!(out, "    {text}");
    }
    for (number, what) in [
        (f.slow_dropped, "slow readers dropped by the server"),
        (f.tolerated, "deliveries lost that a flood may lose"),
        (f.abandoned, "replies due to clients taken away by plan"),
    ] {
        if number > 0 {
            let _ = writeln!(out, "    {} {what} (no fault)", count(number as f64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(time(0.000_033_4), "33.4 µs");
        assert_eq!(time(0.0334), "33.4 ms");
        assert_eq!(time(2.0), "2.00 s");
        assert_eq!(bytes(16_193.0), "16.2 kB");
        assert_eq!(bytes(12.0), "12 B");
        assert_eq!(count(1_234_567.0), "1,234,567");
        assert_eq!(count(-1_000.0), "-1,000");
        assert_eq!(figure("room.p99", 0.049), "49.0 ms");
        assert_eq!(figure("server.rss", 2e6), "2.00 MB");
        assert_eq!(figure("lost", 3.0), "3");
        assert_eq!(figure("delivered", 0.9), "90.000 %");
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_795_651_199), "2026-11-25 23:59:59 UTC");
    }

    #[test]
    fn a_missed_threshold_never_looks_like_its_bound() {
        let shown = |text: &str, value| {
            condition(&Condition {
                text: text.into(),
                value,
                ok: false,
            })
        };
        assert_eq!(shown("p99 < 5ms", Some(0.0163)), "16.3 ms");
        assert_eq!(shown("p99 < 50ms", Some(0.050_01)), "50.010000 ms");
        assert_eq!(shown("lost == 0", Some(3.0)), "3");
        assert!(shown("server.bytes_per_client < 1kB", None).contains("too little"));
    }

    #[test]
    fn what_was_measured_and_what_was_not_is_told() {
        let part = |name: &str, secs, asked_secs| super::super::Part {
            name: name.into(),
            secs,
            asked_secs,
        };
        let lines = cut_short(&CutShort {
            by: "q".into(),
            asked: true,
            measured_secs: 8.0,
            asked_secs: 18.0,
            parts: vec![
                part("one", 6.0, 6.0),
                part("two", 2.0, 6.0),
                part("three", 0.0, 6.0),
            ],
        });
        assert_eq!(
            lines,
            [
                "ended early by q, 8.0 s of the 18.0 s to measure were run",
                "measured: one 6.0 of 6.0 s, two 2.0 of 6.0 s",
                "not measured: three (6.0 s)"
            ]
        );
    }
}
