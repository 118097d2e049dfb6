//! Answers: what do the demo's figures stand on, and how is memory read.

use std::{
    fs,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Counts of the whole server.
#[derive(Debug)]
pub(super) struct Meters {
    received: AtomicU64,
    sent: AtomicU64,
    /// Clients that are connected, by shard.
    clients: Box<[AtomicUsize]>,
}

impl Meters {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            clients: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// Events and acknowledgements that came, and that were sent: one for each receiver.
    pub(super) fn count(&self, received: usize, sent: usize) {
        self.received.fetch_add(received as u64, Relaxed);
        self.sent.fetch_add(sent as u64, Relaxed);
    }

    pub(super) fn counted(&self) -> (u64, u64) {
        (self.received.load(Relaxed), self.sent.load(Relaxed))
    }

    pub(super) fn connected(&self, shard: usize) {
        if let Some(clients) = self.clients.get(shard) {
            clients.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn gone(&self, shard: usize) {
        if let Some(clients) = self.clients.get(shard) {
            clients.fetch_sub(1, Relaxed);
        }
    }

    pub(super) fn shards(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn clients(&self) -> Vec<usize> {
        let clients = self.clients.iter();
        clients.map(|clients| clients.load(Relaxed)).collect()
    }
}

/// Bytes of this process's own memory: resident pages that are no file's. What the kernel keeps for its
/// sockets is not among them. `None` where the system does not tell.
pub(super) fn memory() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let mut pages = statm.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(resident.saturating_sub(shared) * rustix::param::page_size() as u64)
}

/// Microseconds of the clock that all processes of a machine share.
pub(super) fn micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}
