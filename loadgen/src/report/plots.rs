//! Answers: which plots belong to this report.
//!
//! What over what, on which axes, in which colours. Must not know how a plot is drawn.

use super::svg::{Line, Plot, Scale};
use super::text::{bytes, count, time};
use super::{Load, Report, Second, Server};

/// All plots that have something to show, as SVG. The first is wide where that leaves no gap.
pub(super) fn all(report: &Report) -> Vec<String> {
    let over_time = [
        latency(report),
        rates(report),
        clients(report),
        memory(report),
        processor(report),
    ];
    let mut plots = vec![percentiles(&report.total.loads)];
    plots.extend(over_time);
    plots.extend(report.server.as_ref().map(memory_of_clients));
    plots.retain(Plot::has_points);
    if plots.len() % 2 == 1
        && let Some(first) = plots.first_mut()
    {
        first.wide = true;
    }
    plots.iter().map(Plot::draw).collect()
}

fn latency(report: &Report) -> Plot<'static> {
    over_time(
        report,
        "Latency over time",
        Scale::Log,
        tick_time,
        &[
            ("p50", "c0", &|s| s.latency.map(|l| l.p50)),
            ("p99", "c1", &|s| s.latency.map(|l| l.p99)),
            ("generator's own lag p99", "c3 dashed", &|s| {
                s.latency.map(|_| s.lag_p99).filter(|l| *l > 0.0)
            }),
        ],
    )
}

fn rates(report: &Report) -> Plot<'static> {
    let busy = report.total.loads.iter().any(|l| l.sent > 0);
    over_time(
        report,
        "Messages per second",
        Scale::Linear,
        short,
        &[
            ("received", "c0", &|s| Some(s.received).filter(|_| busy)),
            ("sent", "c1", &|s| Some(s.sent).filter(|_| busy)),
        ],
    )
}

fn clients(report: &Report) -> Plot<'static> {
    over_time(
        report,
        "Clients",
        Scale::Linear,
        short,
        &[
            ("ready", "c0", &|s| Some(f64::from(s.ready))),
            ("wanted", "c3 dashed", &|s| Some(f64::from(s.wanted))),
        ],
    )
}

fn memory(report: &Report) -> Plot<'static> {
    over_time(
        report,
        "Server memory (axis does not begin at 0)",
        Scale::Tight,
        tick_bytes,
        &[
            ("resident", "c0", &|s| s.server.map(|s| s.rss as f64)),
            ("proportional share (PSS)", "c1", &|s| {
                s.server.map(|s| s.pss as f64).filter(|p| *p > 0.0)
            }),
        ],
    )
}

fn processor(report: &Report) -> Plot<'static> {
    let figure: [Figure<'_>; 1] = [("cores in use", "c0", &|s| s.server_cores)];
    let title = "Server processor time";
    over_time(report, title, Scale::Linear, |v| format!("{v:.2}"), &figure)
}

/// Name, classes, and how a figure is taken from a second.
type Figure<'a> = (&'a str, &'static str, &'a dyn Fn(&Second) -> Option<f64>);

fn over_time(
    report: &Report,
    title: &'static str,
    y_scale: Scale,
    y_text: fn(f64) -> String,
    figures: &[Figure<'_>],
) -> Plot<'static> {
    let line = |(name, class, pick): &Figure<'_>| Line {
        name: (*name).to_owned(),
        class,
        points: report
            .seconds
            .iter()
            .filter_map(|s| Some((s.at, pick(s)?)))
            .collect(),
    };
    let band = |p: &super::Phase| (p.start, p.start + p.secs, p.name.clone());
    let lines = figures.iter().map(line);
    Plot {
        title,
        x_name: "seconds from the start",
        x_scale: Scale::Exact,
        y_scale,
        x_text: trim,
        y_text,
        lines: lines.filter(|l| !l.points.is_empty()).collect(),
        bands: report.phases.iter().map(band).collect(),
        dots: false,
        wide: false,
    }
}

/// One colour for each load, dashed where it is not corrected.
fn percentiles(loads: &[Load]) -> Plot<'static> {
    let classes = [
        ["c0", "c0 dashed"],
        ["c1", "c1 dashed"],
        ["c2", "c2 dashed"],
        ["c4", "c4 dashed"],
        ["c5", "c5 dashed"],
    ];
    let mut lines = Vec::new();
    for (load, [solid, dashed]) in loads.iter().zip(classes) {
        for (name, class, points) in [
            ("from the planned instant", solid, &load.curve),
            ("uncorrected", dashed, &load.curve_uncorrected),
        ] {
            // The very last point stands for 1, which has no place on an axis of nines.
            let points = points.iter().copied().filter(|p| p.0 < 1.0).collect();
            let name = format!("{} {name}", load.kind);
            lines.push(Line {
                name,
                class,
                points,
            });
        }
    }
    Plot {
        title: "Latency by percentile",
        x_name: "share of the messages that were at least this fast",
        x_scale: Scale::Nines,
        y_scale: Scale::Log,
        x_text: |share| format!("{} %", trim(share * 100.0)),
        y_text: tick_time,
        lines,
        bands: Vec::new(),
        dots: false,
        wide: false,
    }
}

/// What clients add to the memory of the lowest plateau.
fn memory_of_clients(server: &Server) -> Plot<'static> {
    let base = server.plateaus.first().map_or(0, |p| p.1);
    let added = |(clients, memory): &(u32, u64)| {
        let added = (*memory as f64 - base as f64).max(0.0);
        (f64::from(*clients), added)
    };
    let each = server.bytes_per_client.map_or_else(String::new, bytes);
    let line = Line {
        name: format!("measured, {each} a client from end to end"),
        class: "c0",
        points: server.plateaus.iter().map(added).collect(),
    };
    let several = server.plateaus.len() > 1;
    Plot {
        title: "Server memory added by clients",
        x_name: "clients, steady",
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        x_text: short,
        y_text: tick_bytes,
        lines: Some(line).filter(|_| several).into_iter().collect(),
        bands: Vec::new(),
        dots: true,
        wide: false,
    }
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", trim(v / 1e6)),
        v if v >= 1e3 => count(v),
        v => trim(v),
    }
}

/// Ticks are round: `10 ms`, not `10.0 ms`.
fn tick_time(secs: f64) -> String {
    round(&time(secs))
}

fn tick_bytes(value: f64) -> String {
    if value < 1.0 {
        return "0".to_owned();
    }
    round(&bytes(value))
}

fn round(text: &str) -> String {
    let Some((number, unit)) = text.split_once(' ') else {
        return text.to_owned();
    };
    let short = match number.split_once('.') {
        Some(_) => number.trim_end_matches('0').trim_end_matches('.'),
        None => number,
    };
    format!("{short} {unit}")
}

/// At most four decimals and none that say nothing.
fn trim(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(tick_time(0.01), "10 ms");
        assert_eq!(tick_time(1.0), "1 s");
        assert_eq!(tick_time(0.1), "100 ms");
        assert_eq!(tick_bytes(22_500_000.0), "22.5 MB");
        assert_eq!(tick_bytes(0.0), "0");
        assert_eq!(short(6000.0), "6,000");
        assert_eq!(short(1_500_000.0), "1.5 M");
        assert_eq!(trim(99.999), "99.999");
    }
}
