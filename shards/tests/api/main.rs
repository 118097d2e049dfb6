//! The library's API over real sockets: what user code is promised and the clients' matrix does
//! not reach. The servers run in this process, the clients are a WebSocket and a few lines.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::needless_pass_by_value, reason = "handlers own parameters")]

mod answers;
mod browsers;
mod bursts;
mod client;
mod emit;
mod handlers;
mod http_options;
mod leave;
mod lifecycle;
mod middleware;
mod natural;
mod pages;
mod parting;
mod proxies;
mod refused;
mod requests;
mod runtime;
mod select;
mod session;
mod stop;
mod values;
mod waiting;

use std::sync::mpsc;

use stentor::{Running, Server, prelude::*};

use client::Client;

/// The shard counts that everything which may depend on them is tried with.
const SHARD_COUNTS: [usize; 3] = [1, 2, 4];

/// A server on a free port of the loopback.
fn server(shards: usize) -> Server {
    Server::new()
        .listen("127.0.0.1:0")
        .shards(shards)
        .pin(false)
}

/// A running server with one shard.
fn start(app: impl Fn(&mut App) + Send + Sync + 'static) -> Running {
    server(1).app(app).start().unwrap()
}

/// Drives a future that user code outside of a shard awaits.
fn block_on<R>(future: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// So many clients that with several shards each has some: which shard takes a connection is the
/// kernel's choice.
fn crowd(running: &Running) -> Vec<Client> {
    (0..16).map(|_| Client::join(running.address())).collect()
}

/// Waits until no session is left. The count is told at the ends of turns.
fn await_empty(io: &Io) {
    let late = std::time::Instant::now() + client::PATIENCE;
    while io.sessions() != 0 {
        assert!(
            std::time::Instant::now() < late,
            "{} sessions are left",
            io.sessions()
        );
        std::thread::yield_now();
    }
}

/// A channel that handlers on any shard may tell the test through.
fn channel<T>() -> (mpsc::SyncSender<T>, mpsc::Receiver<T>) {
    mpsc::sync_channel(1024)
}
