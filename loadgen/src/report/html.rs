//! The report as one HTML page that needs nothing else: style and plots are inside.
//! Must not compute figures, only choose and place them.

use super::svg::{Line, Plot, Scale};
use super::text::{bytes, count, time};
use super::{Load, Report, Second, Spread};
use anyhow::Context as _;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

/// Makes the page.
///
/// # Errors
/// When the template is at odds with the report, which tests rule out.
pub fn page(report: &Report) -> anyhow::Result<String> {
    let mut templates = Environment::new();
    templates.add_template("report.html", include_str!("report.html"))?;
    templates.add_filter("time", |v: f64| time(v));
    templates.add_filter("bytes", |v: f64| bytes(v));
    templates.add_filter("count", |v: f64| count(v));
    let template = templates.get_template("report.html")?;
    template
        .render(context! {
            report => Value::from(Serde(report)),
            cards => Value::from(Serde(cards(report))),
            plots => plots(report),
            spreads => Value::from(Serde(spreads(report))),
            disconnects => report.faults.disconnects.values().sum::<u64>(),
        })
        .context("rendering the report")
}

/// The figures to see first: name and value.
fn cards(report: &Report) -> Vec<(String, String)> {
    let mut cards = vec![(
        "clients ready".to_owned(),
        count(f64::from(report.clients_ready)),
    )];
    let mut add = |name: &str, value: String| cards.push((name.to_owned(), value));
    if let Some(load) = report.total.loads.first() {
        add("received per second", count(load.received_rate));
        if let Some(spread) = load.latency {
            add("latency p50", time(spread.p50));
            add("latency p99", time(spread.p99));
        }
        if let Some(last) = load.last {
            add("last receiver p99", time(last.p99));
        }
        if let Some(rate) = load.per_cpu_second {
            add("per server CPU second", count(rate));
        }
    }
    if let Some(recovery) = report.total.recovery {
        add("all back within", time(recovery.max));
    }
    if let Some(server) = &report.server {
        if let Some(each) = server.bytes_per_client {
            add("server memory per client", bytes(each));
        }
        add("server cores", format!("{:.2}", server.cores));
    }
    if let Some(lag) = report.generator.lag {
        add("generator lag p99", time(lag.p99));
    }
    cards
}

/// Rows of the latency table.
fn spreads(report: &Report) -> Vec<(String, Spread)> {
    let mut rows = Vec::new();
    for load in &report.total.loads {
        for (name, spread) in [
            ("from the planned instant", load.latency),
            ("from the sent instant (uncorrected)", load.uncorrected),
            ("to the first receiver", load.first),
            ("to the median receiver", load.median),
            ("to 99 % of the receivers", load.most),
            ("to the last receiver", load.last),
            ("to the last receiver (uncorrected)", load.last_uncorrected),
        ] {
            rows.extend(spread.map(|s| (format!("{} {name}", load.kind), s)));
        }
    }
    let connect = report
        .phases
        .iter()
        .filter_map(|p| p.connect)
        .max_by_key(|c| c.count);
    let upgrade = report
        .phases
        .iter()
        .filter_map(|p| p.upgrade)
        .max_by_key(|c| c.count);
    for (name, spread) in [
        ("connecting", connect),
        ("upgrading", upgrade),
        ("coming back", report.total.recovery),
        ("generator: send lag", report.generator.lag),
    ] {
        rows.extend(spread.map(|s| (name.to_owned(), s)));
    }
    rows
}

fn plots(report: &Report) -> Vec<String> {
    let mut plots = vec![percentiles(&report.total.loads)];
    plots.push(over_time(
        report,
        "Latency over time",
        Scale::Log,
        time,
        &[
            ("p50", "c0", &|s| s.latency.map(|l| l.p50)),
            ("p99", "c1", &|s| s.latency.map(|l| l.p99)),
            ("generator lag p99", "c2", &|s| {
                s.latency.map(|_| s.lag_p99).filter(|l| *l > 0.0)
            }),
        ],
    ));
    let busy = report.total.loads.iter().any(|l| l.sent > 0);
    if busy {
        plots.push(over_time(
            report,
            "Messages per second",
            Scale::Linear,
            short,
            &[
                ("received", "c0", &|s| Some(s.received)),
                ("sent", "c1", &|s| Some(s.sent)),
            ],
        ));
    }
    plots.push(over_time(
        report,
        "Clients",
        Scale::Linear,
        short,
        &[
            ("ready", "c0", &|s| Some(f64::from(s.ready))),
            ("wanted", "c3", &|s| Some(f64::from(s.wanted))),
        ],
    ));
    plots.push(over_time(
        report,
        "Server memory",
        Scale::Linear,
        memory,
        &[
            ("resident", "c0", &|s| s.server.map(|s| s.rss as f64)),
            ("PSS", "c1", &|s| {
                s.server.map(|s| s.pss as f64).filter(|p| *p > 0.0)
            }),
        ],
    ));
    plots.push(over_time(
        report,
        "Server processor use, cores",
        Scale::Linear,
        cores,
        &[("cores", "c0", &|s| s.server_cores)],
    ));
    plots.push(memory_of_clients(report));
    plots.retain(|p| !p.is_empty());
    plots
}

/// How a figure is taken from a second.
type Pick<'a> = &'a dyn Fn(&Second) -> Option<f64>;

fn over_time(
    report: &Report,
    title: &str,
    y_scale: Scale,
    y_text: fn(f64) -> String,
    figures: &[(&str, &'static str, Pick<'_>)],
) -> String {
    let line = |(name, class, pick): &(&str, &'static str, Pick<'_>)| Line {
        name: (*name).to_owned(),
        class,
        points: report
            .seconds
            .iter()
            .filter_map(|s| Some((s.at, pick(s)?)))
            .collect(),
    };
    let bands = report
        .phases
        .iter()
        .map(|p| (p.start, p.start + p.secs, p.name.clone()))
        .collect();
    Plot {
        title,
        x_name: "seconds from the start",
        x_scale: Scale::Linear,
        y_scale,
        x_text: plain,
        y_text,
        lines: figures
            .iter()
            .map(line)
            .filter(|l| !l.points.is_empty())
            .collect(),
        bands,
        dots: false,
    }
    .draw()
}

fn percentiles(loads: &[Load]) -> String {
    let mut lines = Vec::new();
    let mut classes = ["c0", "c1", "c2", "c3", "c4", "c5"].into_iter().cycle();
    for load in loads {
        for (name, points) in [
            ("planned", &load.curve),
            ("uncorrected", &load.curve_uncorrected),
        ] {
            let class = classes.next().unwrap_or("c0");
            // The very last point stands for 1, which has no place on an axis of nines.
            let points = points.iter().copied().filter(|p| p.0 < 1.0).collect();
            lines.push(Line {
                name: format!("{} {name}", load.kind),
                class,
                points,
            });
        }
    }
    Plot {
        title: "Latency by percentile",
        x_name: "share of messages",
        x_scale: Scale::Nines,
        y_scale: Scale::Log,
        x_text: |share| format!("{} %", trim(share * 100.0)),
        y_text: time,
        lines,
        bands: Vec::new(),
        dots: false,
    }
    .draw()
}

fn memory_of_clients(report: &Report) -> String {
    let Some(server) = &report.server else {
        return String::new();
    };
    if server.plateaus.len() < 2 {
        return String::new();
    }
    let points = server
        .plateaus
        .iter()
        .map(|(c, m)| (f64::from(*c), *m as f64))
        .collect();
    Plot {
        title: "Server memory against clients",
        x_name: "clients, steady",
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        x_text: short,
        y_text: memory,
        lines: vec![Line {
            name: "PSS".into(),
            class: "c0",
            points,
        }],
        bands: Vec::new(),
        dots: true,
    }
    .draw()
}

fn plain(value: f64) -> String {
    trim(value)
}

fn cores(value: f64) -> String {
    format!("{value:.2}")
}

fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{} M", trim(v / 1e6)),
        v if v >= 1e4 => format!("{} k", trim(v / 1e3)),
        v => trim(v),
    }
}

fn memory(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{} GB", trim(v / 1e9)),
        v if v >= 1e6 => format!("{} MB", trim(v / 1e6)),
        v => format!("{} kB", trim(v / 1e3)),
    }
}

/// At most four decimals and none that say nothing.
fn trim(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;
    use crate::report::{Generator, Phase, Server};

    fn report() -> Report {
        let spread = Spread {
            count: 10,
            p50: 0.001,
            p99: 0.002,
            ..Spread::default()
        };
        let load = Load {
            kind: "echo".into(),
            sent: 10,
            latency: Some(spread),
            curve: vec![(0.0, 0.001), (0.9, 0.002), (1.0, 0.003)],
            ..Load::default()
        };
        let server = Server {
            plateaus: vec![(0, 1_000_000), (10, 2_000_000)],
            ..Server::default()
        };
        Report {
            schema: 1,
            version: "x".into(),
            started: 0,
            command: "run <script>".into(),
            scenario: Scenario::default(),
            environment: crate::observe::Environment::default(),
            clients_wanted: 10,
            clients_ready: 10,
            phases: vec![Phase {
                name: "hold".into(),
                secs: 1.0,
                ..Phase::default()
            }],
            total: Phase {
                loads: vec![load],
                ..Phase::default()
            },
            seconds: vec![Second {
                at: 1.0,
                latency: Some(spread),
                ..Second::default()
            }],
            faults: crate::report::Faults::default(),
            generator: Generator::default(),
            server: Some(server),
            thresholds: Vec::new(),
            ok: true,
            headline: Some("well".into()),
            reasons: Vec::new(),
        }
    }

    #[test]
    fn the_page_is_whole_and_safe() {
        let page = page(&report()).unwrap();
        assert!(
            page.contains("run &lt;script&gt;"),
            "what users typed is escaped"
        );
        assert!(
            page.matches("<svg").count() >= 4,
            "{}",
            page.matches("<svg").count()
        );
        assert!(page.contains("</html>"));
        for foreign in ["http://", "https://", "src="] {
            let body = page.replace(&report().scenario.url, "");
            assert!(
                !body.contains(foreign),
                "the page must need nothing else: {foreign}"
            );
        }
    }
}
