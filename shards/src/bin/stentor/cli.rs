//! Answers: what can be said on the command line.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use stentor::{FdTables, HttpWaits, Limits, Server, ShardLimits};

use crate::tables;

/// A sharded Socket.IO and Engine.IO server.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a small chat page on <http://localhost:3000>; works offline.
    Demo(DemoOptions),
    /// Serve the event contract of the load probe and of stentor-loadgen.
    BenchServer(BenchOptions),
    /// Serve the events that the client tests and the official Socket.IO test suite need
    /// (scripts/clients/CONTRACT.md).
    ContractServer(ServeOptions),
    /// Serve an Engine.IO echo at /engine.io/, as the official Engine.IO test suite needs it.
    EngineServer(ServeOptions),
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Port to listen on, on 127.0.0.1.
    #[arg(long, default_value_t = 3000)]
    pub(crate) port: u16,
    /// Number of shards; default: one per core.
    #[arg(long)]
    pub(crate) shards: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
    /// Also serve events that do harm, which scripts/rude measures: `block`, `burst`, `late`, `shard`.
    #[arg(long)]
    pub(crate) rude: bool,
}

/// See [`FdTables`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FdTablesOption {
    /// per-shard with `--shards 1` where the system allows it, else shared.
    Auto,
    Shared,
    PerShard,
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    pub(crate) port: u16,
    /// Number of shards; default: one per core.
    #[arg(long)]
    pub(crate) shards: Option<usize>,
    /// Milliseconds between pings.
    #[arg(long, value_name = "MS", default_value_t = 25_000)]
    pub(crate) ping_interval: u64,
    /// Milliseconds a client has to answer a ping.
    #[arg(long, value_name = "MS", default_value_t = 20_000)]
    pub(crate) ping_timeout: u64,
    /// Milliseconds a client has to join a namespace.
    #[arg(long, value_name = "MS", default_value_t = 45_000)]
    pub(crate) connect_timeout: u64,
    /// Milliseconds an upgrade may take.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(crate) upgrade_timeout: u64,
    /// Bytes of one message.
    #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
    pub(crate) max_http_buffer_size: usize,
    /// Bytes that may wait for a client that does not read.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().outbox_bytes)]
    pub(crate) outbox_bytes: usize,
    /// Milliseconds to the next request of a connection that polls.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    pub(crate) http_idle_wait: u64,
    /// Milliseconds to a complete request head.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(crate) http_head_wait: u64,
    /// Milliseconds to the next piece of a request body.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    pub(crate) http_piece_wait: u64,
    /// Milliseconds to a whole request body.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    pub(crate) http_body_wait: u64,
    /// Bytes that a shard holds for all clients that have not sent something whole or do not read.
    #[arg(long, value_name = "BYTES", default_value_t = ShardLimits::default().held_bytes)]
    pub(crate) held_bytes: usize,
    /// Polling sessions of a shard that have not joined a namespace.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().unjoined_sessions)]
    pub(crate) unjoined_sessions: usize,
    /// Those of them that are one address's.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().unjoined_per_address)]
    pub(crate) unjoined_per_address: usize,
    /// Polling sessions that one connection may begin without using any.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().unjoined_per_connection)]
    pub(crate) unjoined_per_connection: usize,
    /// Handlers of a client that may wait.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().waiting_handlers)]
    pub(crate) waiting_handlers: usize,
    /// Whether each shard has a table of open files of its own, and so a limit of its own.
    #[arg(long, value_enum, default_value_t = FdTablesOption::Auto)]
    pub(crate) fd_tables: FdTablesOption,
    /// Do not pin shards to cores.
    #[arg(long)]
    pub(crate) no_pin: bool,
}

impl ServeOptions {
    /// One shard's connections never go to another, so that a table of its own costs it nothing.
    fn fd_tables(&self) -> FdTables {
        match self.fd_tables {
            FdTablesOption::PerShard => tables::per_shard(),
            FdTablesOption::Auto if self.shards == Some(1) && FdTables::may_part() => {
                tables::per_shard()
            }
            FdTablesOption::Auto | FdTablesOption::Shared => FdTables::shared(),
        }
    }

    /// Applies the options.
    pub(crate) fn configure(&self, server: Server) -> Server {
        let ms = Duration::from_millis;
        let limits = Limits {
            payload_bytes: self.max_http_buffer_size,
            outbox_bytes: self.outbox_bytes,
            ..Limits::default()
        };
        let server = server
            .listen(format!("{}:{}", self.host, self.port))
            .release_memory(crate::memory::release)
            .ping_interval(ms(self.ping_interval))
            .ping_timeout(ms(self.ping_timeout))
            .connect_timeout(ms(self.connect_timeout))
            .upgrade_timeout(ms(self.upgrade_timeout))
            .limits(limits)
            .shard_limits(ShardLimits {
                held_bytes: self.held_bytes,
                unjoined_sessions: self.unjoined_sessions,
                unjoined_per_address: self.unjoined_per_address,
                unjoined_per_connection: self.unjoined_per_connection,
                waiting_handlers: self.waiting_handlers,
            })
            .http_waits(HttpWaits {
                idle: ms(self.http_idle_wait),
                head: ms(self.http_head_wait),
                piece: ms(self.http_piece_wait),
                body: ms(self.http_body_wait),
            })
            .fd_tables(self.fd_tables())
            .pin(!self.no_pin);
        match self.shards {
            Some(shards) => server.shards(shards),
            None => server,
        }
    }
}
