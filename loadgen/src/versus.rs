//! Answers: which of two servers does better under the same scenario.
//!
//! Starts them in turn, runs the scenario against each in alternating rounds, and compares the rounds. Must
//! not know what a scenario does.

use crate::bootstrap;
use crate::cli::VersusFlags;
use crate::compare::{Compared, table};
use crate::observe::Observer;
use crate::plan::Scenario;
use crate::report::Report;
use crate::report::text::{bytes, count, time};
use crate::report::verdict::figures;
use crate::run::{self, Options};
use crate::screen::lines::Lines;
use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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

/// Runs all rounds; the results of A and of B.
///
/// # Errors
/// When a server does not start or the generator cannot run.
pub fn rounds(
    flags: &VersusFlags,
    scenario: &Scenario,
    stop: &Arc<AtomicBool>,
) -> anyhow::Result<[Vec<Report>; 2]> {
    let mut results = [Vec::new(), Vec::new()];
    let mut random = fastrand::Rng::with_seed(scenario.seed);
    for round in 1..=flags.rounds {
        let first = usize::from(random.bool());
        for side in [first, 1 - first] {
            if stop.load(Relaxed) {
                return Ok(results);
            }
            let command = [&flags.a, &flags.b][side];
            let report = one(command, flags.port, scenario, stop)
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
    scenario: &Scenario,
    stop: &Arc<AtomicBool>,
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
        threads: None,
        source: None,
        per_source: 8192,
        observer: Observer::Processes(vec![server.0.id()]),
        command: command.to_owned(),
        stop: stop.clone(),
    };
    Ok(run::run(&options, &mut Lines { quiet: true })?.0)
}

/// Compares the rounds that went well; says how many did not.
#[must_use]
pub fn judgement(results: &[Vec<Report>; 2]) -> String {
    let good = |reports: &[Report]| -> Vec<_> {
        reports
            .iter()
            .filter(|r| r.ok && !r.generator.bottleneck)
            .map(figures)
            .collect()
    };
    let (a, b) = (good(&results[0]), good(&results[1]));
    let mut compared = Vec::new();
    for (key, name, more_is_better, show) in FIGURES {
        let values = |all: &[crate::plan::threshold::Figures]| -> Vec<f64> {
            all.iter().filter_map(|f| f.get(key).copied()).collect()
        };
        if let Some(difference) = bootstrap::compare(&values(&a), &values(&b)) {
            compared.push(Compared {
                name,
                difference,
                more_is_better,
                show,
            });
        }
    }
    let mut text = table(("A", "B"), &compared);
    for (name, all, used) in [("A", &results[0], a.len()), ("B", &results[1], b.len())] {
        if used < all.len() {
            let why: Vec<_> = all.iter().flat_map(|r| r.reasons.clone()).collect();
            let why = why.join("; ");
            let _ = writeln!(
                text,
                "{name}: {} of {} rounds not used: {why}",
                all.len() - used,
                all.len()
            );
        }
    }
    text
}
