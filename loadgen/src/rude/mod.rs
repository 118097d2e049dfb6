//! Answers: what becomes of polite clients beside rude ones, a stuck handler, or a standstill.
//!
//! Each scenario sets up crowds of clients, lets them do what they do, and prints one line of what was
//! seen. It must not know whose server it is: what only some can do they are asked for by events, which
//! `stentor bench-server --rude` and scripts/peers serve.

mod burst;
mod client;
mod crowd;
mod scenes;
mod soak;
mod tally;

use crate::net::Target;
use clap::{Args, Subcommand};
use std::time::Duration;

/// What is done to the server.
#[derive(Clone, Debug, Subcommand)]
pub enum Scene {
    /// Connections that send 13-byte frames as fast as they can: echo and connect times of others.
    Flood,
    /// A broadcast a second to all clients of one shard: echo times with and without, late heartbeats.
    Broadcast,
    /// Clients of one shard that send to a room with a member on another, as fast as they can: memory.
    Mail,
    /// A handler that blocks one shard for 30 s (or --secs) under 3,000 broadcasts a second.
    Stuck,
    /// A handler's sleep of 1 ms while connections flood its shard.
    Late,
    /// The server's process stops for 8 s (or --secs) with pongs on their way.
    Standstill,
    /// Much at once to a client that reads: over WebSocket, long-polling, a network's small segments.
    Burst,
    /// Clients that read, on a shard that a handler holds up for a second while others send to them.
    Held,
    /// Clients that stop reading, under broadcasts: memory.
    Deaf,
    /// All of it in turns for --secs: no polite client may lose its connection, no memory may go.
    Soak,
}

/// Flags of the rude scenarios.
#[derive(Clone, Debug, Args)]
pub struct Flags {
    /// What is done.
    #[command(subcommand)]
    pub scene: Scene,
    /// Server: http://HOST:PORT/PATH/.
    #[arg(short, long, global = true, default_value = "http://127.0.0.1:3000")]
    pub url: String,
    /// Its process: for memory, processor time, and to stop it.
    #[arg(short, long, global = true)]
    pub pid: Option<u32>,
    /// Rude clients, or all that hear a broadcast [default: by scenario].
    #[arg(short, long, global = true)]
    pub clients: Option<u32>,
    /// How long: 500ms, 25s, 2min, or a number of seconds [default: by scenario].
    #[arg(short, long, global = true, value_parser = crate::units::some_seconds)]
    pub secs: Option<f64>,
    /// The server's name in the line.
    #[arg(long, global = true, default_value = "server")]
    pub name: String,
}

/// Where a scenario is played, and how long.
#[derive(Debug)]
struct Stage {
    target: Target,
    pid: Option<u32>,
    clients: Option<u32>,
    secs: Option<f64>,
    name: String,
}

impl Stage {
    fn clients(&self, usual: u32) -> usize {
        self.clients.unwrap_or(usual) as usize
    }

    fn secs(&self, usual: f64) -> Duration {
        Duration::from_secs_f64(self.secs.unwrap_or(usual).max(0.0))
    }
}

/// Plays a scenario and prints what was seen; whether that is as it should be, where that can be said.
///
/// # Errors
/// When it could not be played.
pub fn play(flags: &Flags) -> anyhow::Result<bool> {
    crate::limits::raise_nofile();
    let stage = Stage {
        target: Target::parse(&flags.url)?,
        pid: flags.pid,
        clients: flags.clients,
        secs: flags.secs,
        name: flags.name.clone(),
    };
    match flags.scene {
        Scene::Flood => scenes::flood(&stage),
        Scene::Broadcast => scenes::broadcast(&stage),
        Scene::Mail => scenes::mail(&stage),
        Scene::Stuck => scenes::stuck(&stage),
        Scene::Late => scenes::late(&stage),
        Scene::Standstill => scenes::standstill(&stage),
        Scene::Burst => burst::burst(&stage),
        Scene::Held => scenes::held(&stage),
        Scene::Deaf => scenes::deaf(&stage),
        Scene::Soak => soak::soak(&stage),
    }
}
