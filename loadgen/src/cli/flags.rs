//! Answers: which options do the ready-made scenarios take.
//!
//! Must not know commands, or where a run's results go.

use super::Common;
use crate::plan::oneliner::{Given, Ready, Wishes, scenario};
use crate::plan::{self, Arrivals, Scenario, SlowReaders, Transports};
use crate::units;
use anyhow::Context as _;
use clap::{Args, value_parser};

/// Flags of the ready-made scenarios. Times are `250ms`, `25s` or `2min`, a bare number means seconds; sizes
/// are `500`, `64KiB` or `1MB`.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// Clients.
    #[arg(short, long, default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub clients: u32,
    /// Messages sent per second by all clients together (open loop) [default: by scenario].
    #[arg(short, long, conflicts_with = "window", value_parser = units::above_zero)]
    pub rate: Option<f64>,
    /// Closed loop: messages in flight per client or publisher.
    #[arg(short, long, value_parser = value_parser!(u32).range(1..))]
    pub window: Option<u32>,
    /// Time measured: 25s, 2min, or a number of seconds.
    #[arg(short, long, default_value = "10s", value_parser = units::some_seconds)]
    pub secs: f64,
    /// Time of load before, not measured [default: 2s].
    #[arg(long, value_parser = units::seconds)]
    pub warmup: Option<f64>,
    /// Payload bytes, 48 and up, such as 500 or 64KiB [default: 64].
    #[arg(long, value_parser = plan::payload)]
    pub size: Option<usize>,
    /// Send payloads as binary attachments.
    #[arg(long)]
    pub binary: bool,
    /// Members of each room [default: 10] (rooms).
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    pub room_size: Option<u32>,
    /// Publishers per room or namespace [default: 1] (broadcast, rooms, flood, slow).
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    pub publishers: Option<u32>,
    /// Event name, if not that of the contract.
    #[arg(long)]
    pub event: Option<String>,
    /// Clients replaced per minute [default: 600] (churn).
    #[arg(long, value_parser = units::above_zero)]
    pub churn: Option<f64>,
    /// Share cut off, 0 to 1 or 0% to 100% [default: 0.5] (storm).
    #[arg(long, value_parser = units::share)]
    pub drop: Option<f64>,
    /// Share of slow readers, 0 to 1 or 0% to 100% [default: 0.05 for slow, else 0].
    #[arg(long, value_parser = units::share)]
    pub slow: Option<f64>,
    /// Time between two reads of a slow reader [default: 1s].
    #[arg(long, value_parser = units::some_seconds)]
    pub slow_pause: Option<f64>,
    /// Bytes a slow reader takes at a time [default: 1KiB].
    #[arg(long, value_parser = units::bytes)]
    pub slow_bytes: Option<usize>,
    /// Part of the clients on long-polling, as 1 against --websocket and --upgrading [default: 0].
    #[arg(long, value_parser = units::not_negative)]
    pub polling: Option<f64>,
    /// Part of the clients that upgrade from polling [default: 0].
    #[arg(long, value_parser = units::not_negative)]
    pub upgrading: Option<f64>,
    /// Part of the clients on WebSocket from the start [default: 1].
    #[arg(long, value_parser = units::not_negative)]
    pub websocket: Option<f64>,
    /// Namespace; may be repeated, clients are spread over all.
    #[arg(long, default_value = "/")]
    pub namespace: Vec<String>,
    /// JSON sent with CONNECT.
    #[arg(long)]
    pub auth: Option<String>,
    /// Handshakes in flight at once.
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u32).range(1..))]
    pub handshakes: u32,
    /// Handshakes begun per second, 0: as fast as they are answered.
    #[arg(long, default_value = "0", value_parser = units::not_negative)]
    pub connect_rate: f64,
    /// Time a handshake may take.
    #[arg(long, default_value = "30s", value_parser = units::some_seconds)]
    pub connect_timeout: f64,
    /// Time to wait for the last answers.
    #[arg(long, default_value = "10s", value_parser = units::seconds)]
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

impl Flags {
    /// The scenario that a command with these flags stands for.
    ///
    /// # Errors
    /// When a flag makes no sense, or changes nothing in this scenario.
    pub fn scenario(&self, ready: Ready) -> anyhow::Result<Scenario> {
        ready.refuse_idle_options(&self.given())?;
        Ok(scenario(ready, &self.wishes(), self.base()?))
    }

    /// What is worth saying of flags that were given and change nothing.
    #[must_use]
    pub fn remark(&self, ready: Ready) -> Option<&'static str> {
        (ready == Ready::Idle && self.warmup.is_some_and(|w| w > 0.0))
            .then_some("idle has no warm-up: it sends nothing, --warmup changes nothing")
    }

    fn given(&self) -> Given {
        Given {
            rate: self.rate.is_some(),
            window: self.window.is_some(),
            size: self.size.is_some(),
            binary: self.binary,
            event: self.event.is_some(),
            poisson: self.poisson,
            publishers: self.publishers.is_some(),
            room_size: self.room_size.is_some(),
            churn: self.churn.is_some(),
            drop: self.drop.is_some(),
            slow: self.slow.is_some(),
            slow_pause: self.slow_pause.is_some(),
            slow_bytes: self.slow_bytes.is_some(),
            transports: [self.websocket, self.polling, self.upgrading]
                .iter()
                .any(Option::is_some),
        }
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            clients: self.clients,
            secs: self.secs,
            warmup: self.warmup.unwrap_or(2.0),
            rate: self.rate,
            window: self.window,
            event: self.event.clone(),
            churn: self.churn.unwrap_or(600.0),
            drop: self.drop.unwrap_or(0.5),
            slow: self.slow,
            room_size: self.room_size.unwrap_or(10),
        }
    }

    fn base(&self) -> anyhow::Result<Scenario> {
        let usual = Scenario::default();
        let auth = self.auth.as_deref().map(serde_json::from_str).transpose();
        Ok(Scenario {
            namespaces: self.namespace.clone(),
            auth: auth.context("--auth is no JSON")?,
            transports: Transports {
                websocket: self.websocket.unwrap_or(1.0),
                polling: self.polling.unwrap_or(0.0),
                upgrade: self.upgrading.unwrap_or(0.0),
            },
            payload: self.size.unwrap_or(usual.payload),
            binary: self.binary,
            publishers: self.publishers.unwrap_or(usual.publishers),
            slow: SlowReaders {
                share: 0.0,
                pause: self.slow_pause.unwrap_or(usual.slow.pause),
                bytes: self.slow_bytes.unwrap_or(usual.slow.bytes),
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
            ..usual
        })
    }
}
