//! Answers: how is the floor started.
//!
//! `cargo run --release -p stentor-bench --bin floor -- --port 3000`; `scripts/floor` and `scripts/million` do it
//! for measurements.

use clap::Parser;
use stentor_bench::floor::family;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The least that a Socket.IO server must do, for comparison; it understands only stentor-loadgen.
#[derive(Debug, Parser)]
struct Options {
    /// Port to listen on, on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Milliseconds between pings.
    #[arg(long, value_name = "MS", default_value_t = 25_000)]
    ping_interval: u64,
    /// Processes that share the connections; with more than one there are no rooms and no polling.
    #[arg(long, value_name = "N", default_value_t = 1)]
    processes: usize,
    /// Serve as one of many processes; standard input is a socket of the first.
    #[arg(long, hide = true)]
    member: bool,
}

fn main() -> anyhow::Result<()> {
    // As the server does: memory in steps of two megabytes would hide what a client costs.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let options = Options::parse();
    let (port, interval) = (options.port, options.ping_interval);
    match options.processes {
        _ if options.member => family::member(port, interval),
        0 | 1 => family::alone(port, interval),
        many => family::parent(port, interval, many),
    }
}
