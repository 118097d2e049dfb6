//! Answers: what can be asked for on the command line, and which options does that come to.
//!
//! Must not do any of it.

mod flags;

use crate::observe::Observer;
use crate::plan::oneliner::Ready;
use crate::plan::{Scenario, file};
use crate::rude;
use crate::run::{Options, Stop};
use anyhow::{Context as _, ensure};
use clap::{Args, Parser, Subcommand};
pub use flags::Flags;
use std::path::PathBuf;

/// Load generator for Socket.IO servers: open loop, checked, up to a million clients.
#[derive(Debug, Parser)]
#[command(name = "stentor-loadgen", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Clients that only answer heartbeats; server memory per client.
    Idle(Flags),
    /// Each message comes back as an event.
    Echo(Flags),
    /// Each message is acknowledged.
    Ack(Flags),
    /// One message to all clients.
    Broadcast(Flags),
    /// One message to all members of a room.
    Rooms(Flags),
    /// Clients leave and others come, so many a minute.
    Churn(Flags),
    /// Broadcasts faster than some can take; losses are counted but allowed.
    Flood(Flags),
    /// Broadcasts while some clients read slowly.
    Slow(Flags),
    /// Many clients are cut off at once and come back.
    Storm(Flags),
    /// Echoes over HTTP long-polling.
    Polling(Flags),
    /// Polling first, then WebSocket, then echoes.
    Upgrade(Flags),
    /// Rude clients, stuck handlers, standstills: what becomes of the others.
    Rude(rude::Flags),
    /// A scenario file.
    Run(RunFlags),
    /// Compares the results of two runs.
    Compare(CompareFlags),
    /// Starts two servers in turn and compares them in alternating rounds.
    Versus(VersusFlags),
    /// Makes an HTML or CSV report of a result written before.
    Report(ReportFlags),
    /// Prints the JSON schema of results.
    Schema,
}

/// Flags of all runs.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Server: http://HOST:PORT/PATH/.
    #[arg(short, long)]
    pub url: Option<String>,
    /// Condition that must hold, such as "p99 < 50ms"; may be repeated.
    #[arg(short, long)]
    pub threshold: Vec<String>,
    /// Watch this process and its children; may be repeated.
    #[arg(short, long)]
    pub pid: Vec<u32>,
    /// Watch a page of Prometheus metrics instead.
    #[arg(long, conflicts_with = "pid")]
    pub scrape: Option<String>,
    /// Threads [default: half the cores, more if descriptors ask for it].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// Source addresses, a.b.c.d/len [default on loopback: 127.1.0.0/16].
    #[arg(long)]
    pub source: Option<String>,
    /// Clients per source address.
    #[arg(long, default_value_t = 8192, value_parser = clap::value_parser!(u32).range(1..))]
    pub per_source: u32,
    /// A run ended by Ctrl-C, SIGTERM or q is no failure: exit code 0 instead of 3.
    #[arg(long)]
    pub early_end_ok: bool,
    /// Name in reports.
    #[arg(long)]
    pub name: Option<String>,
    /// Write the result as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Write one line a second as CSV.
    #[arg(long)]
    pub csv: Option<PathBuf>,
    /// Write a self-contained HTML report.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Write the seconds' histograms as an `HdrHistogram` V2 log.
    #[arg(long)]
    pub hlog: Option<PathBuf>,
    /// One line a second even on a terminal.
    #[arg(long)]
    pub plain: bool,
    /// Nothing until the summary.
    #[arg(short, long)]
    pub quiet: bool,
}

/// Flags of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunFlags {
    /// The scenario, TOML.
    pub file: PathBuf,
    /// Replaces a variable of the file: NAME=VALUE.
    #[arg(long)]
    pub var: Vec<String>,
    /// Where and how.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of `compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareFlags {
    /// A result as JSON.
    pub a: PathBuf,
    /// Another.
    pub b: PathBuf,
}

/// Flags of `versus`.
#[derive(Clone, Debug, Args)]
pub struct VersusFlags {
    /// Starts the first server; {port} stands for its port, which is also in PORT.
    #[arg(long)]
    pub a: String,
    /// Starts the second.
    #[arg(long)]
    pub b: String,
    /// Rounds; each runs both servers once.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Where the servers listen.
    #[arg(long, default_value_t = 31_999)]
    pub port: u16,
    /// Write both servers' results as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// The scenario: `-- echo --clients 100` or `-- run FILE`.
    #[arg(last = true, required = true)]
    pub scenario: Vec<String>,
}

/// Flags of `report`.
#[derive(Clone, Debug, Args)]
pub struct ReportFlags {
    /// A result as JSON.
    pub file: PathBuf,
    /// Write HTML here.
    #[arg(long)]
    pub html: Option<PathBuf>,
    /// Write CSV here.
    #[arg(long)]
    pub csv: Option<PathBuf>,
}

impl Command {
    /// The scenario and common flags of commands that run one.
    ///
    /// # Errors
    /// When the flags or the file make no sense.
    pub fn scenario(&self) -> anyhow::Result<Option<(Scenario, &Common)>> {
        if let Some((ready, flags)) = self.ready_made() {
            let made = flags.common.apply(flags.scenario(ready)?);
            made.check()?;
            return Ok(Some((made, &flags.common)));
        }
        let Self::Run(run) = self else {
            return Ok(None);
        };
        let name = run.file.display().to_string();
        let text = std::fs::read_to_string(&run.file).with_context(|| name.clone())?;
        let made = file::parse(&text, &run.var).context(name)?;
        let made = run.common.apply(made);
        made.check()?;
        Ok(Some((made, &run.common)))
    }

    /// What is worth saying before the run of options that change nothing.
    #[must_use]
    pub fn remark(&self) -> Option<&'static str> {
        self.ready_made()
            .and_then(|(ready, flags)| flags.remark(ready))
    }

    fn ready_made(&self) -> Option<(Ready, &Flags)> {
        Some(match self {
            Self::Idle(f) => (Ready::Idle, f),
            Self::Echo(f) => (Ready::Echo, f),
            Self::Ack(f) => (Ready::Ack, f),
            Self::Broadcast(f) => (Ready::Broadcast, f),
            Self::Rooms(f) => (Ready::Rooms, f),
            Self::Churn(f) => (Ready::Churn, f),
            Self::Flood(f) => (Ready::Flood, f),
            Self::Slow(f) => (Ready::Slow, f),
            Self::Storm(f) => (Ready::Storm, f),
            Self::Polling(f) => (Ready::Polling, f),
            Self::Upgrade(f) => (Ready::Upgrade, f),
            Self::Run(_)
            | Self::Rude(_)
            | Self::Compare(_)
            | Self::Versus(_)
            | Self::Report(_)
            | Self::Schema => return None,
        })
    }
}

impl Common {
    fn apply(&self, mut scenario: Scenario) -> Scenario {
        if let Some(url) = &self.url {
            scenario.url.clone_from(url);
        }
        if let Some(name) = &self.name {
            scenario.name.clone_from(name);
        }
        scenario.thresholds.extend(self.threshold.iter().cloned());
        scenario
    }

    /// Refuses what the scenario of `versus` has no use for.
    ///
    /// # Errors
    /// Names the option, and what to give instead.
    pub fn refuse_in_versus(&self) -> anyhow::Result<()> {
        for (option, given, instead) in [
            (
                "--pid",
                !self.pid.is_empty(),
                "versus watches the servers that it starts",
            ),
            (
                "--scrape",
                self.scrape.is_some(),
                "versus watches the servers that it starts",
            ),
            ("--json", self.json.is_some(), "give --json before the --"),
            ("--csv", self.csv.is_some(), "versus makes none"),
            ("--html", self.html.is_some(), "versus makes none"),
            ("--hlog", self.hlog.is_some(), "versus makes none"),
        ] {
            ensure!(!given, "{option} has no use after the --: {instead}");
        }
        Ok(())
    }

    /// The options of a run.
    ///
    /// # Errors
    /// When the process or page to watch does not exist.
    pub fn options(&self, scenario: Scenario, stop: Stop) -> anyhow::Result<Options> {
        let observer = match (&self.scrape, self.pid.is_empty()) {
            (Some(page), _) => Observer::Page(page.clone()),
            (None, true) => Observer::Nothing,
            (None, false) => Observer::Processes(self.pid.clone()),
        };
        observer.check()?;
        if let Some(text) = scenario.threshold_that_needs_watching() {
            ensure!(
                !matches!(observer, Observer::Nothing),
                "threshold {text:?}: the server is not watched; give --pid or --scrape"
            );
        }
        Ok(Options {
            scenario,
            threads: self.threads,
            source: self.source.clone(),
            per_source: self.per_source,
            observer,
            command: std::env::args().collect::<Vec<_>>().join(" "),
            stop,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn read(arguments: &[&str]) -> Result<Scenario, String> {
        let cli = Cli::try_parse_from([&["x"], arguments].concat()).map_err(|e| e.to_string())?;
        let made = cli.command.scenario().map_err(|e| format!("{e:#}"))?;
        Ok(made.map(|(scenario, _)| scenario).unwrap_or_default())
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let scenario = read(&["echo", "-c", "5", "-t", "p99 < 1s"]).unwrap();
        assert_eq!((scenario.most_clients(), scenario.thresholds.len()), (5, 1));
        assert!(read(&["echo", "--rate", "5", "--window", "1"]).is_err());
    }

    #[test]
    fn times_and_sizes_take_units() {
        let scenario = read(&[
            "slow",
            "--secs",
            "1min",
            "--warmup",
            "500ms",
            "--size",
            "64KiB",
            "--slow",
            "5%",
            "--slow-pause",
            "250ms",
            "--slow-bytes",
            "1kB",
            "--connect-timeout",
            "2min",
            "--drain",
            "5",
        ])
        .unwrap();
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        near(scenario.phases[1].secs, 0.5);
        near(scenario.phases[2].secs, 60.0);
        near(scenario.slow.pause, 0.25);
        near(scenario.slow.share, 0.05);
        near(scenario.connect_timeout, 120.0);
        near(scenario.drain, 5.0);
        assert_eq!((scenario.payload, scenario.slow.bytes), (65_536, 1000));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (arguments, said) in [
            (&["echo", "--rate", "0"][..], "above 0"),
            (&["echo", "--rate", "-5"], ""),
            (&["echo", "--rate", "inf"], "no number"),
            (&["echo", "--window", "0"], "0 is not in 1.."),
            (&["storm", "--drop", "2"], "between 0 and 1"),
            (&["slow", "--slow", "1.5"], "between 0 and 1"),
            (&["echo", "--secs", "0"], "above 0"),
            (&["echo", "--secs", "5MB"], "no time"),
            (&["echo", "--size", "10"], "at least 48"),
            (&["echo", "--clients", "0"], "0 is not in 1.."),
            (&["echo", "--handshakes", "0"], "0 is not in 1.."),
            (&["rooms", "--room-size", "0"], "0 is not in 1.."),
            (&["rooms", "--publishers", "0"], "0 is not in 1.."),
            (&["echo", "--threads", "0"], "0 is not in 1.."),
            (&["churn", "--churn", "0"], "above 0"),
            (&["idle", "--window", "3"], "sends nothing"),
            (&["idle", "--size", "100"], "sends nothing"),
            (&["echo", "--drop", "0.5"], "only storm"),
            (&["polling", "--websocket", "1"], "its transport is its own"),
            (&["echo", "--poisson", "--window", "1"], "plans no messages"),
            (&["broadcast", "--window", "2"], "window of 1"),
            (&["echo", "-t", "p99 < 5"], "needs a unit"),
            (&["echo", "-t", "p95 < 5ms"], "did you mean"),
            (&["idle", "-t", "p99 < 5ms"], "sends anything"),
        ] {
            let error = read(arguments).expect_err(&arguments.join(" "));
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn a_threshold_on_a_server_that_nobody_watches_is_refused() {
        let text = ["x", "echo", "-t", "server.rss < 1GB"];
        let cli = Cli::try_parse_from(text).unwrap();
        let (scenario, common) = cli.command.scenario().unwrap().unwrap();
        let error = common.options(scenario, Stop::default()).unwrap_err();
        assert!(error.to_string().contains("--pid"), "{error}");
    }
}
