//! Answers: does this machine let so many clients be.
//!
//! Before the first is dialled: raises what it may, divides clients over descriptor tables, and says in
//! one line what else to raise. Must not know the protocol.

use crate::net::Sources;
use crate::plan::Scenario;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;

/// Descriptors a thread needs besides its clients'.
const SPARE: u64 = 128;

/// How the clients are divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Division {
    /// Threads.
    pub threads: u32,
    /// Each has a descriptor table of its own.
    pub own_tables: bool,
    /// What should be known or raised; empty when all is well.
    pub warnings: Vec<String>,
}

/// Divides the scenario's clients over `wanted` threads (default: half the cores), or more where
/// the limit of descriptors asks for it.
///
/// # Errors
/// One line that names the limit in the way and how to raise it.
pub fn divide(
    scenario: &Scenario,
    sources: Option<&Sources>,
    wanted: Option<u32>,
) -> anyhow::Result<Division> {
    let clients = u64::from(scenario.most_clients());
    let descriptors = needed(scenario);
    let limit = raise_nofile();
    let cores = std::thread::available_parallelism().map_or(1, |c| c.get() as u32);
    let asked = wanted.unwrap_or(cores / 2).max(1);
    let mut warnings = Vec::new();
    let (threads, own_tables) = tables(descriptors, limit, asked)?;
    if let Some(most) = read_number("/proc/sys/fs/file-max") {
        anyhow::ensure!(
            descriptors <= most,
            "limits: {clients} clients need {descriptors} open files, fs.file-max is {most}; \
             raise with: sysctl -w fs.file-max={}",
            descriptors * 2
        );
    }
    if let Some(most) = read_number("/proc/sys/fs/epoll/max_user_watches") {
        anyhow::ensure!(
            descriptors <= most,
            "limits: {descriptors} epoll watches needed, {most} allowed; raise with: \
             sysctl -w fs.epoll.max_user_watches={}",
            descriptors * 2
        );
    }
    let ports = ports();
    let room = sources.map_or(ports, Sources::room);
    anyhow::ensure!(
        descriptors <= room,
        "limits: {descriptors} connections need more source addresses (room for {room}); \
         give a larger --source range, or raise net.ipv4.ip_local_port_range"
    );
    // A client's socket takes about 4.7 KB of kernel memory, and twice that when the server is on
    // the same machine (measured: 9.3 KB for both ends).
    let kernel = clients * 9_400;
    if let Some(free) = available()
        && kernel > free / 10 * 9
    {
        warnings.push(format!(
            "limits: {clients} clients with the server on this machine take about {:.1} GB of \
             kernel memory, {:.1} GB are free",
            gigabytes(kernel),
            gigabytes(free)
        ));
    }
    Ok(Division {
        threads,
        own_tables,
        warnings,
    })
}

/// Threads, and whether each needs its own table.
fn tables(descriptors: u64, limit: u64, asked: u32) -> anyhow::Result<(u32, bool)> {
    if descriptors + SPARE <= limit {
        return Ok((asked, false));
    }
    anyhow::ensure!(
        limit > 2 * SPARE,
        "limits: only {limit} open files allowed; raise with: ulimit -n 20000"
    );
    let per_table = limit - SPARE;
    // One slow table must not be fuller than the others: divide evenly, with some room.
    let tables = (descriptors + descriptors / 50).div_ceil(per_table) as u32;
    Ok((tables.max(asked), true))
}

/// Descriptors the clients take at the most.
fn needed(scenario: &Scenario) -> u64 {
    let t = scenario.transports;
    let total = t.websocket + t.polling + t.upgrade;
    let each = (t.websocket + 2.0 * t.polling + 1.0 * t.upgrade) / total;
    let upgrading = if t.upgrade > 0.0 {
        2 * u64::from(scenario.handshakes)
    } else {
        0
    };
    #[expect(
        clippy::cast_sign_loss,
        reason = "shares were checked not to be negative"
    )]
    let clients = (f64::from(scenario.most_clients()) * each).ceil() as u64;
    clients + upgrading
}

/// Raises the limit of open files as far as may be; what it is then.
pub(crate) fn raise_nofile() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(1 << 30);
    if now.current.is_some_and(|soft| soft < hard) {
        // Without the right to raise it, the soft limit counts.
        let _ = setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(hard),
                maximum: now.maximum,
            },
        );
    }
    getrlimit(Resource::Nofile).current.unwrap_or(hard)
}

fn ports() -> u64 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text
        .split_whitespace()
        .filter_map(|n| n.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(low), Some(high)) if high > low => high - low,
        _ => 28_000,
    }
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kb| kb * 1024)
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_added_only_when_one_is_too_small() {
        assert_eq!(tables(1000, 20_000, 1).unwrap(), (1, false));
        assert_eq!(tables(19_872, 20_000, 2).unwrap(), (2, false));
        assert_eq!(tables(100_000, 20_000, 1).unwrap(), (6, true));
        assert_eq!(tables(1_000_000, 20_000, 1).unwrap(), (52, true));
        assert!(tables(1000, 200, 1).is_err());
        for clients in [20_000u64, 99_999, 1_000_000] {
            let (threads, _) = tables(clients, 20_000, 1).unwrap();
            assert!(clients.div_ceil(threads.into()) + SPARE <= 20_000);
        }
    }
}
