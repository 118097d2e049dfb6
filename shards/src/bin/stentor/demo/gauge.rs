//! Answers: which live figures do all tabs get.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde::Serialize;
use stentor::Io;

use super::{Demo, meters};

/// Between two readings.
const EVERY: Duration = Duration::from_millis(250);

/// What the page shows.
#[derive(Debug, Serialize)]
struct Reading {
    /// Connected clients by shard.
    shards: Vec<usize>,
    idle: usize,
    wanted: usize,
    /// Events and acknowledgements a second, in and out; heartbeats are not among them.
    received: f64,
    sent: f64,
    /// Bytes of the server's process.
    memory: Option<u64>,
    /// What the process has grown by since the first idle client, divided by the clients.
    bytes: Option<u64>,
    /// Seconds since the start.
    up: u64,
}

/// Fewer clients than this do not tell what one costs: memory comes in pages.
const FEW: usize = 1_000;

/// Tells all tabs until the channel ends. On a thread of its own: no shard waits for the system's files.
pub(super) fn run(demo: &Demo, io: &Io, end: &Receiver<()>) {
    let mut last = (Instant::now(), demo.meters.counted());
    while end.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let tabs = demo.room().tabs();
        if tabs == 0 {
            continue;
        }
        let (at, counted) = (Instant::now(), demo.meters.counted());
        let seconds = (at - last.0).as_secs_f64();
        let rate = |now: u64, before: u64| {
            let events = u32::try_from(now - before).unwrap_or(u32::MAX);
            f64::from(events) / seconds
        };
        let (idle, wanted) = demo.crowd.size();
        let memory = meters::memory();
        let grown = memory.zip(demo.crowd.before());
        let grown = grown.map(|(now, before)| now.saturating_sub(before));
        let reading = Reading {
            shards: demo.meters.clients(),
            idle,
            wanted,
            received: rate(counted.0, last.1.0),
            sent: rate(counted.1, last.1.1),
            memory,
            bytes: grown
                .filter(|_| idle >= FEW && idle == wanted)
                .map(|grown| grown / idle as u64),
            up: demo.began.elapsed().as_secs(),
        };
        last = (at, counted);
        let _ = io.all().volatile().emit("gauge", &reading);
        demo.meters.count(0, tabs);
    }
}
