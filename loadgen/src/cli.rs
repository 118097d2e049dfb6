//! Answers: what can be asked for on the command line, and which options does that come to.
//!
//! Must not do any of it.

use crate::observe::Observer;
use crate::plan::oneliner::{Ready, Wishes, scenario};
use crate::plan::{Arrivals, Scenario, SlowReaders, Transports, file};
use crate::rude;
use crate::run::Options;
use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// Flags of the ready-made scenarios.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Clients.
    #[arg(short, long, default_value_t = 100)]
    pub clients: u32,
    /// Messages sent per second by all clients together (open loop) [default: by scenario].
    #[arg(short, long, conflicts_with = "window")]
    pub rate: Option<f64>,
    /// Closed loop: messages in flight per client or publisher.
    #[arg(short, long)]
    pub window: Option<u32>,
    /// Seconds measured.
    #[arg(short, long, default_value_t = 10.0)]
    pub secs: f64,
    /// Seconds of load before, not measured.
    #[arg(long, default_value_t = 2.0)]
    pub warmup: f64,
    /// Payload bytes, 48 and up.
    #[arg(long, default_value_t = 64)]
    pub size: usize,
    /// Send payloads as binary attachments.
    #[arg(long)]
    pub binary: bool,
    /// Members of each room.
    #[arg(long, default_value_t = 10)]
    pub room_size: u32,
    /// Publishers per room or namespace.
    #[arg(long, default_value_t = 1)]
    pub publishers: u32,
    /// Event name, if not that of the contract.
    #[arg(long)]
    pub event: Option<String>,
    /// Clients replaced per minute (churn).
    #[arg(long, default_value_t = 600.0)]
    pub churn: f64,
    /// Share cut off, 0 to 1 (storm).
    #[arg(long, default_value_t = 0.5)]
    pub drop: f64,
    /// Share of slow readers, 0 to 1 [default: 0.05 for slow, else 0].
    #[arg(long)]
    pub slow: Option<f64>,
    /// Seconds between two reads of a slow reader.
    #[arg(long, default_value_t = 1.0)]
    pub slow_pause: f64,
    /// Bytes a slow reader takes at a time.
    #[arg(long, default_value_t = 1024)]
    pub slow_bytes: usize,
    /// Part of the clients on long-polling, as 1 against --websocket and --upgrading.
    #[arg(long, default_value_t = 0.0)]
    pub polling: f64,
    /// Part of the clients that upgrade from polling.
    #[arg(long, default_value_t = 0.0)]
    pub upgrading: f64,
    /// Part of the clients on WebSocket from the start.
    #[arg(long, default_value_t = 1.0)]
    pub websocket: f64,
    /// Namespace; may be repeated, clients are spread over all.
    #[arg(long, default_value = "/")]
    pub namespace: Vec<String>,
    /// JSON sent with CONNECT.
    #[arg(long)]
    pub auth: Option<String>,
    /// Handshakes in flight at once.
    #[arg(long, default_value_t = 64)]
    pub handshakes: u32,
    /// Handshakes begun per second, 0: as fast as they are answered.
    #[arg(long, default_value_t = 0.0)]
    pub connect_rate: f64,
    /// Seconds a handshake may take.
    #[arg(long, default_value_t = 30.0)]
    pub connect_timeout: f64,
    /// Seconds to wait for the last answers.
    #[arg(long, default_value_t = 10.0)]
    pub drain: f64,
    /// Random instead of even gaps between messages.
    #[arg(long)]
    pub poisson: bool,
    /// For everything drawn.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Where and how.
    #[command(flatten)]
    pub common: Common,
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
    #[arg(long)]
    pub threads: Option<u32>,
    /// Source addresses, a.b.c.d/len [default on loopback: 127.1.0.0/16].
    #[arg(long)]
    pub source: Option<String>,
    /// Clients per source address.
    #[arg(long, default_value_t = 8192)]
    pub per_source: u32,
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
    #[arg(long, default_value_t = 5)]
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
        let (ready, flags) = match self {
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
            Self::Run(run) => {
                let text = std::fs::read_to_string(&run.file)
                    .with_context(|| run.file.display().to_string())?;
                let made =
                    file::parse(&text, &run.var).with_context(|| run.file.display().to_string())?;
                return Ok(Some((run.common.apply(made), &run.common)));
            }
            Self::Rude(_) | Self::Compare(_) | Self::Versus(_) | Self::Report(_) | Self::Schema => {
                return Ok(None);
            }
        };
        let made = scenario(ready, &flags.wishes(), flags.base()?);
        Ok(Some((flags.common.apply(made), &flags.common)))
    }
}

impl Flags {
    fn wishes(&self) -> Wishes {
        Wishes {
            clients: self.clients,
            secs: self.secs,
            warmup: self.warmup,
            rate: self.rate,
            window: self.window,
            event: self.event.clone(),
            churn: self.churn,
            drop: self.drop,
            slow: self.slow,
            room_size: self.room_size,
        }
    }

    fn base(&self) -> anyhow::Result<Scenario> {
        let auth = self.auth.as_deref().map(serde_json::from_str).transpose();
        Ok(Scenario {
            namespaces: self.namespace.clone(),
            auth: auth.context("--auth is no JSON")?,
            transports: Transports {
                websocket: self.websocket,
                polling: self.polling,
                upgrade: self.upgrading,
            },
            payload: self.size,
            binary: self.binary,
            publishers: self.publishers,
            slow: SlowReaders {
                share: 0.0,
                pause: self.slow_pause,
                bytes: self.slow_bytes,
            },
            arrivals: if self.poisson {
                Arrivals::Poisson
            } else {
                Arrivals::Even
            },
            seed: self.seed,
            handshakes: self.handshakes,
            connect_rate: self.connect_rate,
            connect_timeout: self.connect_timeout,
            drain: self.drain,
            ..Scenario::default()
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

    /// The options of a run.
    ///
    /// # Errors
    /// When the process or page to watch does not exist.
    pub fn options(&self, scenario: Scenario, stop: Arc<AtomicBool>) -> anyhow::Result<Options> {
        let observer = match (&self.scrape, self.pid.is_empty()) {
            (Some(page), _) => Observer::Page(page.clone()),
            (None, true) => Observer::Nothing,
            (None, false) => Observer::Processes(self.pid.clone()),
        };
        observer.check()?;
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

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["x", "echo", "-c", "5", "-t", "p99 < 1s"]).unwrap();
        let (scenario, _) = cli.command.scenario().unwrap().unwrap();
        assert_eq!((scenario.most_clients(), scenario.thresholds.len()), (5, 1));
        assert!(Cli::try_parse_from(["x", "echo", "--rate", "5", "--window", "1"]).is_err());
    }
}
