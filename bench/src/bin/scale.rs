//! Answers: does a message cost the same on a server of 64 shards with 10^3 or 10^6 sessions.
//!
//! `cargo run --release -p stentor-bench --bin scale [shards] [sessions]` prints the table of
//! `stentor_bench::scale`. It must not measure time for comparison: the counters are the result.

use std::fs;

use anyhow::Context as _;
use stentor_bench::scale::{World, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of memory that no file backs. With mimalloc this is the heap, freed pages included.
fn resident_bytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("RssAnon")?;
    Ok(kib.parse::<u64>()? * 1024)
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let shards: usize = args.next().map_or(Ok(64), |arg| arg.parse())?;
    let sessions: usize = args.next().map_or(Ok(1_000_000), |arg| arg.parse())?;
    println!(
        "| message | sessions held | receivers | shards with one | mails | most to one shard \
              | woken for nothing | sessions written to | CPU µs |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut memory = String::new();
    let before = resident_bytes()?; // once: a second world reuses what the first gave back
    for sessions in [20_000, sessions] {
        let mut world = World::new(shards, sessions);
        let each = resident_bytes()?.saturating_sub(before) / sessions as u64;
        memory = format!("{each} bytes of heap a session at {sessions} sessions (engine only)");
        for line in run(&mut world) {
            let cost = line.cost;
            println!(
                "| {} | {sessions} | {} | {} | {} | {} | {} | {} | {:.0} |",
                line.name,
                line.members,
                line.shards,
                cost.mails,
                cost.mails_per_shard_max,
                cost.woken_for_nothing,
                cost.sessions,
                line.micros,
            );
        }
        let start = stentor_bench::clock::thread_time();
        let cost = world.heartbeat();
        let micros = stentor_bench::clock::thread_time()
            .saturating_sub(start)
            .as_secs_f64()
            * 1e6;
        println!(
            "| everybody's heartbeat | {sessions} | {sessions} | {shards} | 0 | 0 | 0 | {} | {micros:.0} |",
            cost.sessions
        );
    }
    println!("\n{memory}");
    Ok(())
}
