//! Answers: which of two servers does better under the same scenario.
//!
//! Starts them in turn, runs the scenario against each in alternating rounds, and compares the rounds. A round
//! counts for both servers or for neither. Must not know what a scenario does.

use crate::bootstrap;
use crate::cli::{Common, VersusFlags};
use crate::compare::{Compared, table};
use crate::observe::Observer;
use crate::plan::Scenario;
use crate::plan::threshold::Figures;
use crate::report::Report;
use crate::report::text::{bytes, count, time};
use crate::report::verdict::{bottleneck_beside, figures, lowest_p99};
use crate::run::{self, Options, Stop};
use crate::screen::lines::Lines;
use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time a server has to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A figure's key, name, whether more is better, and how it is shown.
type Figure = (&'static str, &'static str, bool, fn(f64) -> String);

/// Figures that are compared.
const FIGURES: [Figure; 10] = [
    ("rate", "received per second", true, count),
    ("p50", "latency p50", false, time),
    ("p99", "latency p99", false, time),
    ("last.p99", "last receiver p99", false, time),
    ("connect.p99", "connecting p99", false, time),
    ("upgrade.p99", "upgrading p99", false, time),
    ("recovery.max", "coming back, all", false, time),
    (
        "per_cpu_second",
        "received per server CPU second",
        true,
        count,
    ),
    (
        "server.bytes_per_client",
        "server memory per client",
        false,
        bytes,
    ),
    ("server.rss", "server resident memory", false, bytes),
];

/// A running server.
struct Server(Child);

impl Server {
    fn start(command: &str, port: u16) -> anyhow::Result<Self> {
        ensure!(
            TcpListener::bind(("127.0.0.1", port)).is_ok(),
            "port {port} is in use; choose another with --port"
        );
        let line = command.replace("{port}", &port.to_string());
        let child = Command::new("sh")
            .arg("-c")
            .arg(format!("exec {line}"))
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| line.clone())?;
        let mut server = Self(child);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let begin = Instant::now();
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if let Some(status) = server.0.try_wait()? {
                anyhow::bail!("{line}: ended with {status} before it listened");
            }
            ensure!(
                begin.elapsed() < PATIENCE,
                "{line}: does not listen on port {port}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id().cast_signed()) {
            // Already gone is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Ok(Some(_)) = self.0.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The results of A and of B; those at the same place are of the same round.
pub type Results = [Vec<Report>; 2];

/// Runs all rounds.
///
/// # Errors
/// When a server does not start or the generator cannot run.
pub fn rounds(
    flags: &VersusFlags,
    (scenario, common): (&Scenario, &Common),
    stop: &Stop,
) -> anyhow::Result<Results> {
    let mut results = [Vec::new(), Vec::new()];
    let mut random = fastrand::Rng::with_seed(scenario.seed);
    for round in 1..=flags.rounds {
        let first = usize::from(random.bool());
        for side in [first, 1 - first] {
            if stop.asked().is_some() {
                return Ok(results);
            }
            let command = [&flags.a, &flags.b][side];
            let report = one(command, flags.port, (scenario, common), stop)
                .with_context(|| format!("round {round}, {}", ["A", "B"][side]))?;
            let figure = report
                .headline
                .clone()
                .unwrap_or_else(|| report.reasons.join("; "));
            eprintln!("round {round} {}: {figure}", ["A", "B"][side]);
            results[side].push(report);
        }
    }
    Ok(results)
}

fn one(
    command: &str,
    port: u16,
    (scenario, common): (&Scenario, &Common),
    stop: &Stop,
) -> anyhow::Result<Report> {
    let server = Server::start(command, port)?;
    let mut scenario = scenario.clone();
    let path = scenario
        .url
        .split("://")
        .last()
        .and_then(|r| r.split_once('/'));
    let path = path.map_or(String::new(), |(_, path)| path.to_owned());
    scenario.url = format!("http://127.0.0.1:{port}/{path}");
    let options = Options {
        scenario,
        threads: common.threads,
        source: common.source.clone(),
        per_source: common.per_source,
        observer: Observer::Processes(vec![server.0.id()]),
        command: command.to_owned(),
        stop: stop.clone(),
    };
    Ok(run::run(&options, &mut Lines { quiet: true })?.0)
}

/// What all rounds came to.
#[derive(Debug)]
pub struct Judgement {
    /// A table, and what to know of it.
    pub text: String,
    /// Enough rounds counted to tell a difference.
    pub decided: bool,
}

/// Compares the rounds that count; where none does, shows all and says undecided.
#[must_use]
pub fn judgement(results: &Results, asked: u32) -> Judgement {
    let rounds: Vec<_> = results[0].iter().zip(&results[1]).collect();
    let mut why = Vec::new();
    let mut used = Vec::new();
    for (place, (a, b)) in rounds.iter().enumerate() {
        match unusable(a, b) {
            Some(reason) => why.push(format!("round {}: {reason}", place + 1)),
            None => used.push((figures(a), figures(b))),
        }
    }
    let decided = used.len() >= bootstrap::FEWEST;
    let shown = if used.is_empty() {
        rounds
            .iter()
            .map(|(a, b)| (figures(a), figures(b)))
            .collect()
    } else {
        used.clone()
    };
    let mut text = table(&compared(&shown, !used.is_empty()));
    let _ = writeln!(
        text,
        "{} of {asked} rounds count{}",
        used.len(),
        if used.is_empty() && !shown.is_empty() {
            "; the table shows those that do not"
        } else {
            ""
        }
    );
    for reason in why {
        let _ = writeln!(text, "not used, for A and B alike: {reason}");
    }
    if !decided {
        let _ = writeln!(
            text,
            "undecided: {} rounds or more must count",
            bootstrap::FEWEST
        );
    }
    Judgement { text, decided }
}

/// The figures that both servers have in a round, by their medians.
fn compared(rounds: &[(Figures, Figures)], counts: bool) -> Vec<Compared> {
    let mut result = Vec::new();
    for (key, name, more_is_better, show) in FIGURES {
        // A figure that only one has would stand for that one's slow rounds or for its fast ones.
        let both = rounds
            .iter()
            .filter_map(|(a, b)| a.get(key).zip(b.get(key)));
        let (a, b): (Vec<f64>, Vec<f64>) = both.unzip();
        if a.is_empty() {
            continue;
        }
        result.push(Compared {
            name: name.to_owned(),
            a: bootstrap::median(&a),
            b: bootstrap::median(&b),
            difference: bootstrap::compare(&a, &b).filter(|_| counts),
            more_is_better,
            show,
        });
    }
    result
}

/// Why a round does not count. It then counts for neither server: to drop one's alone would leave that one with
/// its better rounds. The generator's lateness has one limit for both, for a limit by each one's own latency
/// would drop the faster server's rounds first. Thresholds do not matter here: a slow round is a round.
fn unusable(a: &Report, b: &Report) -> Option<String> {
    let latency = lowest_p99(a).min(lowest_p99(b));
    for (name, report) in [("A", a), ("B", b)] {
        if report.cut_short.is_some() {
            return Some(format!("{name} ended early"));
        }
        let faults = report.faults.total();
        if faults > 0 || report.clients_ready < report.clients_wanted {
            return Some(format!(
                "{name} has {} faults and {} of {} clients",
                count(faults as f64),
                report.clients_ready,
                report.clients_wanted
            ));
        }
        if let Some(why) = bottleneck_beside(report, latency) {
            return Some(format!(
                "the generator was too slow for {name} ({why}), which may be faster than shown"
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Load, Spread};

    fn round(p99: f64, lag: f64) -> Report {
        let spread = |p99| {
            Some(Spread {
                count: 1000,
                p99,
                ..Spread::default()
            })
        };
        let mut report = Report {
            ok: true,
            ..Report::default()
        };
        report.total.loads.push(Load {
            kind: "echo".into(),
            received: 1000,
            received_rate: 1000.0,
            latency: spread(p99),
            ..Load::default()
        });
        report.generator.threads = 1;
        report.generator.lag = spread(lag);
        report
    }

    fn judged(rounds: &[(Report, Report)]) -> Judgement {
        let (a, b) = rounds.iter().cloned().unzip();
        judgement(&[a, b], 5)
    }

    #[test]
    fn five_good_rounds_decide() {
        let rounds: Vec<_> = (0..5)
            .map(|_| (round(0.004, 0.0), round(0.008, 0.0)))
            .collect();
        let judged = judged(&rounds);
        assert!(
            judged.decided && judged.text.contains("B is worse"),
            "{}",
            judged.text
        );
    }

    #[test]
    fn all_rounds_thrown_away_show_what_there_is_and_decide_nothing() {
        let late = || (round(0.004, 0.009), round(0.008, 0.009));
        let judged = judged(&[late(), late(), late(), late(), late()]);
        let text = &judged.text;
        assert!(!judged.decided, "{text}");
        assert!(
            text.contains("0 of 5 rounds count") && text.contains("undecided:"),
            "{text}"
        );
        assert!(
            text.contains("4.00 ms") && text.contains("8.00 ms"),
            "{text}"
        );
        assert!(
            !text.contains("no difference") && !text.contains("B is"),
            "{text}"
        );
    }

    #[test]
    fn one_limit_judges_both_servers_and_a_round_goes_as_a_pair() {
        // By its own latency A, the faster, would lose every round and B none.
        let lag = 0.0025;
        let rounds: Vec<_> = (0..5)
            .map(|_| (round(0.004, lag), round(0.020, lag)))
            .collect();
        let judged_both = judged(&rounds);
        assert!(
            judged_both.text.contains("0 of 5 rounds count"),
            "{}",
            judged_both.text
        );
        let (_, why) = judged_both
            .text
            .split_once("not used, for A and B alike")
            .unwrap();
        assert!(why.contains("may be faster than shown"), "{why}");
        // Late for the slower one only, but too late by the limit that the faster sets.
        let rounds: Vec<_> = (0..5)
            .map(|_| (round(0.004, 0.0), round(0.020, lag)))
            .collect();
        let judged_slower = judged(&rounds).text;
        assert!(
            judged_slower.contains("0 of 5 rounds count"),
            "{judged_slower}"
        );
        // A fault of one takes the round from both.
        let mut mixed: Vec<_> = (0..5)
            .map(|_| (round(0.004, 0.0), round(0.008, 0.0)))
            .collect();
        mixed[2].1.faults.lost = 7;
        let judged = judged(&mixed);
        assert!(
            judged.decided && judged.text.contains("4 of 5 rounds count"),
            "{}",
            judged.text
        );
    }

    #[test]
    fn a_slow_round_counts_even_when_it_missed_its_threshold() {
        let mut rounds: Vec<_> = (0..4)
            .map(|_| (round(0.004, 0.0), round(0.008, 0.0)))
            .collect();
        for (_, b) in &mut rounds {
            b.ok = false; // a threshold, for it has no fault
        }
        assert!(judged(&rounds).text.contains("4 of 5 rounds count"));
    }
}
