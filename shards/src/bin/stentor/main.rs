//! The `stentor` command.

mod bench_server;
mod cli;
mod contract_server;
mod demo;
mod memory;
mod pages;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Huge pages round a small server's memory up to megabytes, and a million idle clients are not
    // faster for them (docs/PERFORMANCE.md). mimalloc does not ask for them (its feature `no_thp`: it
    // would before this); where the system gives them unasked, this refuses.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let ended = match cli::Cli::parse().command {
        cli::Command::Demo(options) => demo::run(&options),
        cli::Command::BenchServer(options) => bench_server::run(&options),
        cli::Command::ContractServer(options) => contract_server::run(&options),
        cli::Command::EngineServer(options) => contract_server::run_engine(&options),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stentor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a server until a signal comes; says where on stdout, in one line.
fn serve(server: stentor::Server) -> stentor::Result {
    let signals = stentor::Signals::catch()?;
    let running = server.start()?;
    println!("listening on http://{}", running.address());
    running.wait_for(signals)?;
    running.stop()
}
