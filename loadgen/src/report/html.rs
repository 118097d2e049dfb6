//! Answers: how does the report look as one HTML page that needs nothing else.
//!
//! Style and plots are inside. Must not compute figures, only choose and place them.

use super::plots;
use super::text::{bytes, condition, count, cut_short, date, kinds, own_memory, time};
use super::{Report, Spread};
use crate::stats::total;
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
            state => state(report),
            made => date(report.started),
            own_memory => own_memory(report),
            cards => Value::from(Serde(cards(report))),
            conditions => Value::from(Serde(conditions(report))),
            plots => plots::all(report),
            spreads => Value::from(Serde(spreads(report))),
            disconnects => total(&report.faults.disconnects),
            ended => report.cut_short.as_ref().map(cut_short).unwrap_or_default(),
            kinds => [kinds(&report.faults.disconnects), kinds(&report.faults.examples)].concat(),
            checked => report.phases.iter().flat_map(|p| &p.loads).map(|l| l.received).sum::<u64>(),
        })
        .context("rendering the report")
}

/// How it ended: a class of the style sheet and the words on the badge.
fn state(report: &Report) -> (&'static str, &'static str) {
    match (report.ok, report.generator.bottleneck) {
        (false, _) => ("bad", "NOT OK"),
        (true, _) if report.cut_short.is_some() => ("warn", "ENDED EARLY"),
        (true, true) => ("warn", "OK, BUT THE GENERATOR WAS TOO SLOW"),
        (true, false) => ("ok", "OK"),
    }
}

/// The figures to see first: name and value.
fn cards(report: &Report) -> Vec<(String, String)> {
    let ready = count(f64::from(report.clients_ready));
    let mut cards = vec![("clients ready".to_owned(), ready)];
    let mut add = |name: String, value: String| cards.push((name, value));
    // Beside a second load, each must say whose figures it shows.
    let several = report.total.loads.len() > 1;
    for load in report.total.loads.iter().take(2) {
        let kind = if several { load.kind.as_str() } else { "" };
        let named = |name: &str| format!("{kind} {name}").trim().to_owned();
        add(named("received/s"), count(load.received_rate));
        if let Some(spread) = load.latency {
            if !several {
                add(named("latency p50"), time(spread.p50));
            }
            add(named("latency p99"), time(spread.p99));
        }
        if let Some(last) = load.last.filter(|_| !several) {
            add(named("last receiver p99"), time(last.p99));
        }
        if let Some(rate) = load.per_cpu_second {
            add(named("per server CPU second"), count(rate));
        }
    }
    if let Some(recovery) = report.total.recovery {
        add("all back within".to_owned(), time(recovery.max));
    }
    if let Some(server) = &report.server {
        if let Some(each) = server.bytes_per_client {
            add("server memory per client".to_owned(), bytes(each));
        }
        if let Some(cores) = server.cores {
            add("server cores".to_owned(), format!("{cores:.2}"));
        }
    }
    add("faults".to_owned(), count(report.faults.total() as f64));
    cards
}

/// Thresholds: as written, what came out, whether it held.
fn conditions(report: &Report) -> Vec<(String, String, bool)> {
    let shown = |c: &super::Condition| (c.text.clone(), condition(c), c.ok);
    report.thresholds.iter().map(shown).collect()
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
    for (name, spread) in [
        ("connecting", report.connect()),
        ("upgrading", report.upgrade()),
        ("coming back", report.total.recovery),
        ("generator: send lag", report.generator.lag),
    ] {
        rows.extend(spread.map(|s| (name.to_owned(), s)));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Scenario;
    use crate::report::{Generator, Load, Phase, Second, Server};

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
            started: 1_700_000_000,
            command: "run <script>".into(),
            scenario: Scenario::default(),
            environment: crate::observe::Environment::default(),
            cut_short: None,
            ping_interval: None,
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
            thresholds: vec![crate::report::Condition {
                text: "p99 < 50ms".into(),
                value: Some(0.049),
                ok: true,
            }],
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
        assert!(page.contains("2023-11-14 22:13:20 UTC"));
        assert!(page.contains("p99 &lt; 50ms") && page.contains("49.0 ms"));
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

    #[test]
    fn the_page_says_what_was_not_measured_and_sums_wrong_answers() {
        let mut report = report();
        report.cut_short = Some(crate::report::CutShort {
            by: "SIGTERM".into(),
            asked: true,
            measured_secs: 2.0,
            asked_secs: 10.0,
            parts: vec![
                crate::report::Part {
                    name: "one".into(),
                    secs: 2.0,
                    asked_secs: 5.0,
                },
                crate::report::Part {
                    name: "two".into(),
                    secs: 0.0,
                    asked_secs: 5.0,
                },
            ],
        });
        report.faults.examples.insert(
            "an acknowledgement with another argument".into(),
            crate::stats::Kind {
                count: 700,
                example: "431[]".into(),
            },
        );
        let page = page(&report).unwrap();
        for said in [
            "ENDED EARLY",
            "by SIGTERM, 2.0 s of the 10.0 s",
            "not measured: two (5.0 s)",
        ] {
            assert!(page.contains(said), "{said}");
        }
        assert!(page.contains("700 x an acknowledgement with another argument, such as: 431[]"));
    }
}
