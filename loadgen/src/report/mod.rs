//! Answers: what came out.
//!
//! The result of a run as it is written to JSON, and its parts. Must not know how to run anything. All times
//! are in seconds, all sizes in bytes.

pub mod csv;
pub mod hlog;
pub mod html;
mod plots;
pub mod svg;
pub mod text;
pub mod verdict;

use crate::observe::{Environment, Sample};
use crate::plan::Scenario;
use crate::stats::{Kinds, Timing, total};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of [`Report`]'s form.
pub const SCHEMA: u32 = 2;

/// Where to read what a server must do.
pub const CONTRACT: &str =
    "docs/LOADGEN.md says under \"What the server must do\" which events it must answer, and how";

/// Below so many bytes of difference nothing is said of memory per client: allocators take and give back so
/// much by themselves.
pub const LEAST_MEMORY: f64 = 262_144.0;

/// A run's result. The schema is `loadgen/schema/report.schema.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this form: 2.
    pub schema: u32,
    /// Version of the program that wrote it.
    pub version: String,
    /// When the run began, seconds since 1970.
    pub started: u64,
    /// The command line.
    pub command: String,
    /// What was asked for.
    pub scenario: Scenario,
    /// The machine.
    pub environment: Environment,
    /// What was run and what was not, where it ended before its plan did.
    #[serde(default)]
    pub cut_short: Option<CutShort>,
    /// Seconds between two pings, as the server told them.
    #[serde(default)]
    pub ping_interval: Option<f64>,
    /// Clients wanted at the most, by the phases that were begun.
    pub clients_wanted: u32,
    /// Clients ready at the most.
    pub clients_ready: u32,
    /// Each phase, in order.
    pub phases: Vec<Phase>,
    /// All measured phases together.
    pub total: Phase,
    /// One entry a second, ramps included.
    pub seconds: Vec<Second>,
    /// Faults of the server, over the whole run.
    pub faults: Faults,
    /// How the generator itself did.
    pub generator: Generator,
    /// What the server used.
    pub server: Option<Server>,
    /// Conditions and whether they held.
    pub thresholds: Vec<Condition>,
    /// No fault, all conditions held, all clients came.
    pub ok: bool,
    /// What to say first; absent when the generator was the bottleneck or the run failed.
    pub headline: Option<String>,
    /// Why the run failed or may not be trusted.
    pub reasons: Vec<String>,
}

/// How much of its plan a run that ended early carried out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct CutShort {
    /// Who ended it: `Ctrl-C`, `SIGTERM`, `q`, or `no client was left`.
    pub by: String,
    /// Someone asked for it: it is no fault.
    pub asked: bool,
    /// Seconds of measured phases that were run.
    pub measured_secs: f64,
    /// Seconds of them that were asked for.
    pub asked_secs: f64,
    /// All phases that are measured, in order, those that were never begun among them.
    pub parts: Vec<Part>,
}

/// A measured phase of a run that ended early.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Seconds that were run.
    pub secs: f64,
    /// Seconds that were asked for.
    pub asked_secs: f64,
}

/// One phase's figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Whether it counts in the total.
    pub measured: bool,
    /// Seconds from the run's beginning to its own.
    pub start: f64,
    /// How long it lasted.
    pub secs: f64,
    /// By kind of load.
    pub loads: Vec<Load>,
    /// From the wish to connect to being ready.
    pub connect: Option<Spread>,
    /// From the WebSocket probe to the end of the upgrade.
    pub upgrade: Option<Spread>,
    /// From a storm's drop to being ready again.
    pub recovery: Option<Spread>,
    /// Clients that became ready.
    pub connected: u64,
    /// Connections closed by plan.
    pub closed: u64,
    /// Heartbeats answered.
    pub pings: u64,
    /// Bytes received by the clients.
    pub bytes_in: u64,
    /// Bytes sent by them.
    pub bytes_out: u64,
    /// Server's processor time, seconds.
    pub server_cpu: Option<f64>,
}

/// One kind of load.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// `echo`, `ack`, `broadcast`, `room` or `flood`.
    pub kind: String,
    /// Messages sent.
    pub sent: u64,
    /// Replies or deliveries.
    pub received: u64,
    /// Deliveries due (fan-out).
    pub expected: u64,
    /// Messages sent per second.
    pub sent_rate: f64,
    /// Replies or deliveries per second.
    pub received_rate: f64,
    /// Replies or deliveries per second of the server's processor time, where this is the only
    /// load.
    pub per_cpu_second: Option<f64>,
    /// From the planned instant to each reply or delivery.
    pub latency: Option<Spread>,
    /// From the instant of sending: what a closed-loop tool would have shown.
    pub uncorrected: Option<Spread>,
    /// Fan-out: planned instant to first receiver.
    pub first: Option<Spread>,
    /// Fan-out: to the receiver in the middle.
    pub median: Option<Spread>,
    /// Fan-out: to 99 % of the receivers.
    pub most: Option<Spread>,
    /// Fan-out: to the last receiver.
    pub last: Option<Spread>,
    /// Fan-out: from the instant of sending to the last receiver.
    pub last_uncorrected: Option<Spread>,
    /// Share of the messages (0 to 1) and the latency they keep below.
    pub curve: Vec<(f64, f64)>,
    /// The same, uncorrected.
    pub curve_uncorrected: Vec<(f64, f64)>,
}

/// A distribution of times.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Values.
    pub count: u64,
    /// Smallest.
    pub min: f64,
    /// Average.
    pub mean: f64,
    /// Half are below.
    pub p50: f64,
    /// 90 % are below.
    pub p90: f64,
    /// 99 % are below.
    pub p99: f64,
    /// 99.9 % are below.
    pub p999: f64,
    /// Largest.
    pub max: f64,
}

/// One second of the run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Second {
    /// Seconds from the beginning.
    pub at: f64,
    /// The phase's place.
    pub phase: usize,
    /// Clients wanted.
    pub wanted: u32,
    /// Clients ready.
    pub ready: u32,
    /// Messages sent per second.
    pub sent: f64,
    /// Replies and deliveries per second.
    pub received: f64,
    /// Clients that became ready, per second.
    pub connected: f64,
    /// Latency of the second's replies and deliveries, all kinds.
    pub latency: Option<Spread>,
    /// 99 % of the sends lagged less than this.
    pub lag_p99: f64,
    /// Faults and unwished disconnects.
    pub errors: u64,
    /// The server, if it is watched.
    pub server: Option<Sample>,
    /// Server's processor use, cores.
    pub server_cores: Option<f64>,
}

/// Faults of the server, and what was sent and received meanwhile: all of the whole run, warm-up and phases
/// that are not measured included.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Faults {
    /// Messages sent.
    #[serde(default)]
    pub sent: u64,
    /// Replies or deliveries due to them.
    #[serde(default)]
    pub due: u64,
    /// Replies and deliveries that came.
    #[serde(default)]
    pub received: u64,
    /// Events that were never rightly answered.
    #[serde(default)]
    pub unanswered: Vec<String>,
    /// Replies or deliveries that never came.
    pub lost: u64,
    /// That came again.
    pub duplicated: u64,
    /// That came after a later one.
    pub reordered: u64,
    /// Altered, foreign or malformed.
    pub wrong: u64,
    /// Unwished ends of connections, and failed handshakes, by reason.
    pub disconnects: Kinds,
    /// Wrong answers by kind, each with an example.
    pub examples: Kinds,
    /// Slow readers the server gave up on; no fault.
    pub slow_dropped: u64,
    /// Deliveries lost that a flood may lose; no fault.
    pub tolerated: u64,
    /// Replies due to clients that were taken away by plan; no fault.
    pub abandoned: u64,
}

impl Faults {
    /// All that fail a run.
    #[must_use]
    pub fn total(&self) -> u64 {
        let ends = total(&self.disconnects);
        self.lost + self.duplicated + self.reordered + self.wrong + ends
    }
}

/// How the generator did.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Generator {
    /// Threads.
    pub threads: u32,
    /// Each had a descriptor table of its own.
    pub own_tables: bool,
    /// From planned to sent, measured phases.
    pub lag: Option<Spread>,
    /// Planned messages that no client could send.
    pub not_started: u64,
    /// Processor use of its threads in the measured phases, cores.
    pub cores: f64,
    /// Its own memory, bytes (resident, over what it had before the first client).
    pub memory: u64,
    /// The same for each client; only where there are 10,000 or more, for fewer do not outweigh threads,
    /// buffers and histograms.
    pub bytes_per_client: Option<f64>,
    /// It, not the server, set the pace.
    pub bottleneck: bool,
}

/// What the server used.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// Cores in use in the measured phases, as long as it could be watched.
    pub cores: Option<f64>,
    /// Largest resident memory.
    pub rss_max: u64,
    /// Clients and the server's memory (PSS, or RSS where that is not known) at each plateau.
    pub plateaus: Vec<(u32, u64)>,
    /// User memory per client between the lowest and the highest plateau; absent where the difference is
    /// smaller than what memory does by itself.
    pub bytes_per_client: Option<f64>,
    /// The same between the two highest plateaus.
    pub bytes_per_client_top: Option<f64>,
    /// Kernel memory of the whole machine per client, lowest to highest plateau; both ends of
    /// each connection when the server is on this machine.
    pub kernel_bytes_per_client: Option<f64>,
}

/// A condition and what became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// As written.
    pub text: String,
    /// The figure.
    pub value: Option<f64>,
    /// It held.
    pub ok: bool,
}

impl Report {
    /// Connecting: in the measured phases where clients came then, else in the phase where most did.
    #[must_use]
    pub fn connect(&self) -> Option<Spread> {
        self.total.connect.or_else(|| self.most(|p| p.connect))
    }

    /// Upgrading, likewise.
    #[must_use]
    pub fn upgrade(&self) -> Option<Spread> {
        self.total.upgrade.or_else(|| self.most(|p| p.upgrade))
    }

    fn most(&self, pick: fn(&Phase) -> Option<Spread>) -> Option<Spread> {
        self.phases.iter().filter_map(pick).max_by_key(|s| s.count)
    }

    /// Someone ended it early.
    #[must_use]
    pub fn was_asked_to_end(&self) -> bool {
        self.cut_short.as_ref().is_some_and(|c| c.asked)
    }
}

impl Spread {
    /// A timing's distribution; `None` if it has no values.
    #[must_use]
    pub fn of(timing: &Timing) -> Option<Self> {
        let h = timing.histogram()?;
        let at = |share| crate::clock::secs(h.value_at_quantile(share));
        Some(Self {
            count: h.len(),
            min: crate::clock::secs(h.min()),
            mean: h.mean() / 1e9,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: crate::clock::secs(h.max()),
        })
    }
}

/// The schema of [`Report`], as text.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Report);
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
