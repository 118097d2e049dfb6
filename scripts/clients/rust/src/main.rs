//! usage: `stentor-client-tests URL -- SERVER-COMMAND...`
//!
//! Runs every case with `rust_socketio` over each transport against the contract server at URL (see
//! ../CONTRACT.md) and prints one line a case: `ok NAME` or `FAIL NAME: why`. SERVER-COMMAND starts
//! further servers, for the cases that kill theirs.
//!
//! What this client cannot do is not tested with it: it never acks, it asks for no ack on a binary
//! event, and it knows one attachment an event, beside which it drops every other argument.

mod bench;
mod cases;
mod client;
mod server_process;

use std::process::ExitCode;
use std::sync::Arc;

use futures_util::future::join_all;
use rust_socketio::TransportType;

use bench::Bench;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (url, separator) = (args.next(), args.next());
    let server_command: Arc<[String]> = args.collect();
    let (Some(url), Some("--"), false) = (url, separator.as_deref(), server_command.is_empty())
    else {
        eprintln!("usage: stentor-client-tests URL -- SERVER-COMMAND...");
        return ExitCode::from(2);
    };
    let runs = [
        ("polling", TransportType::Polling),
        ("websocket", TransportType::Websocket),
        ("upgrade", TransportType::WebsocketUpgrade),
    ]
    .map(|(transport_name, transport)| {
        run_all(Bench {
            transport_name,
            transport,
            url: url.clone(),
            server_command: server_command.clone(),
        })
    });
    let failures: usize = join_all(runs).await.into_iter().sum();
    if failures > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn run_all(bench: Bench) -> usize {
    let transport = bench.transport_name;
    let mut failures = 0;
    for (topic, name, case) in cases::all(transport) {
        match case(bench.clone()).await {
            Ok(()) => println!("ok rust {transport} {topic}: {name}"),
            Err(why) => {
                failures += 1;
                let why = format!("{why:#}").replace('\n', " ");
                println!("FAIL rust {transport} {topic}: {name}: {why}");
            }
        }
    }
    failures
}
