//! Answers: what shall be done to the server.
//!
//! The scenario with its population, phases and loads, as given by flags or a file. Must not know how it
//! is carried out.

mod check;
pub mod course;
pub mod file;
mod keys;
pub mod oneliner;
pub mod schedule;
pub mod threshold;

pub use keys::payload;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything about a run except where its results go.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Shown in reports.
    pub name: String,
    /// `http://HOST:PORT/PATH/`; path `/socket.io/` when left out.
    pub url: String,
    /// Namespaces, clients spread evenly. Default `["/"]`.
    pub namespaces: Vec<String>,
    /// Sent with each CONNECT.
    pub auth: Option<serde_json::Value>,
    /// Shares of the population by transport.
    pub transports: Transports,
    /// Payload bytes, 48 and up. Default 64.
    pub payload: usize,
    /// Payloads are binary attachments instead of strings.
    pub binary: bool,
    /// Members of each room; needed by `room` loads. 0: no rooms.
    pub room_size: u32,
    /// Clients that publish, in each room or namespace. Default 1.
    pub publishers: u32,
    /// Readers that lag behind.
    pub slow: SlowReaders,
    /// Spacing of planned sends.
    pub arrivals: Arrivals,
    /// Makes Poisson arrivals and victims repeatable. Default 1.
    pub seed: u64,
    /// Handshakes in flight at once, over all threads. Default 64.
    pub handshakes: u32,
    /// Handshakes begun per second; 0 (default): as fast as `handshakes` lets them.
    pub connect_rate: f64,
    /// Seconds until a handshake counts as failed. Default 30.
    pub connect_timeout: f64,
    /// Seconds given to outstanding answers at the end. Default 10.
    pub drain: f64,
    /// What happens, in order.
    pub phases: Vec<Phase>,
    /// Conditions such as `p99 < 50ms`; one that does not hold makes the exit code 1.
    pub thresholds: Vec<String>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "scenario".to_owned(),
            url: "http://127.0.0.1:3000/socket.io/".to_owned(),
            namespaces: vec!["/".to_owned()],
            auth: None,
            transports: Transports::default(),
            payload: 64,
            binary: false,
            room_size: 0,
            publishers: 1,
            slow: SlowReaders::default(),
            arrivals: Arrivals::Even,
            seed: 1,
            handshakes: 64,
            connect_rate: 0.0,
            connect_timeout: 30.0,
            drain: 10.0,
            phases: Vec::new(),
            thresholds: Vec::new(),
        }
    }
}

/// Parts of the population; only their proportion matters.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transports {
    /// WebSocket from the start.
    pub websocket: f64,
    /// HTTP long-polling for good.
    pub polling: f64,
    /// Polling first, then WebSocket, as browsers do.
    pub upgrade: f64,
}

impl Default for Transports {
    fn default() -> Self {
        Self {
            websocket: 1.0,
            polling: 0.0,
            upgrade: 0.0,
        }
    }
}

/// Clients that read rarely.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlowReaders {
    /// Share of the clients, 0 to 1. Default 0.
    pub share: f64,
    /// Seconds between two reads. Default 1.
    pub pause: f64,
    /// Bytes taken by each read. Default 1024.
    pub bytes: usize,
}

impl Default for SlowReaders {
    fn default() -> Self {
        Self {
            share: 0.0,
            pause: 1.0,
            bytes: 1024,
        }
    }
}

/// Spacing of planned sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// Equal gaps.
    Even,
    /// Random gaps, as from many independent users.
    Poisson,
}

/// A stretch of the run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phase {
    /// Shown in reports; default: its kind.
    pub name: String,
    /// How the target is approached.
    pub kind: PhaseKind,
    /// Seconds; a ramp or step also lasts until its clients are ready.
    pub secs: f64,
    /// Clients wanted; left out: as many as before.
    pub clients: Option<u32>,
    /// What the clients do.
    pub loads: Vec<Load>,
    /// Clients closed and replaced per minute.
    pub churn_per_minute: f64,
    /// Share of the clients cut off at the start, 0 to 1; they come back at once.
    pub drop: f64,
    /// Counts in the totals; default: every kind but `ramp`.
    pub measure: Option<bool>,
}

impl Default for Phase {
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: PhaseKind::Hold,
            secs: 0.0,
            clients: None,
            loads: Vec::new(),
            churn_per_minute: 0.0,
            drop: 0.0,
            measure: None,
        }
    }
}

/// How a phase comes to its clients and rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PhaseKind {
    /// Evenly from the phase before.
    Ramp,
    /// At once, and stays.
    Hold,
    /// At once, and ends only when the clients are ready.
    Step,
    /// At once; afterwards back to the clients of before.
    Spike,
}

/// One kind of work.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Which event of the contract.
    pub kind: LoadKind,
    /// Messages sent per second by all clients together (open loop).
    #[serde(default)]
    pub rate: f64,
    /// Closed loop instead: messages in flight per client (echo, ack) or per publisher.
    #[serde(default)]
    pub window: u32,
    /// The event's name where it differs from the contract's.
    #[serde(default)]
    pub event: Option<String>,
}

/// What a message asks of the server.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LoadKind {
    /// `echo`: the payload back as an event.
    Echo,
    /// `echo_ack`: the payload back as an acknowledgement.
    Ack,
    /// `broadcast`: the payload to everyone in the namespace.
    Broadcast,
    /// `room`: the payload to everyone in one room.
    Room,
    /// `broadcast` (or `event`) where losses are allowed, as for volatile messages.
    Flood,
}

impl LoadKind {
    /// Number of kinds.
    pub const COUNT: usize = 5;
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Echo,
        Self::Ack,
        Self::Broadcast,
        Self::Room,
        Self::Flood,
    ];

    /// The event's name in the contract.
    #[must_use]
    pub fn event(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Ack => "echo_ack",
            Self::Broadcast | Self::Flood => "broadcast",
            Self::Room => "room",
        }
    }

    /// The name in scenarios and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Ack => "ack",
            Self::Broadcast => "broadcast",
            Self::Room => "room",
            Self::Flood => "flood",
        }
    }

    /// One message goes to many receivers.
    #[must_use]
    pub fn fans_out(self) -> bool {
        matches!(self, Self::Broadcast | Self::Room | Self::Flood)
    }
}

impl Phase {
    /// It counts in the totals.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.measure.unwrap_or(self.kind != PhaseKind::Ramp)
    }
}

impl Load {
    /// The event's name on the wire.
    #[must_use]
    pub fn event_name(&self) -> &str {
        self.event.as_deref().unwrap_or_else(|| self.kind.event())
    }
}

impl Scenario {
    /// The most clients any phase wants.
    #[must_use]
    pub fn most_clients(&self) -> u32 {
        self.phases
            .iter()
            .filter_map(|p| p.clients)
            .max()
            .unwrap_or(0)
    }

    /// All loads of all phases.
    pub fn loads(&self) -> impl Iterator<Item = &Load> {
        self.phases.iter().flat_map(|p| &p.loads)
    }
}
