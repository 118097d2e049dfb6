//! The `stentor` command.

mod bench_server;
mod browsers;
mod cli;
mod contract_server;
mod demo;
mod log;
mod memory;
mod tables;
mod units;

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use stentor::{Endpoint, ServerError};
use tracing::Level;

fn main() -> ExitCode {
    memory::refuse_huge_pages();
    let cli = cli::Cli::parse();
    let log = log::install(cli.log_format, cli.command.log_level());
    let ended = match cli.command {
        cli::Command::Demo(options) => demo::run(&options),
        cli::Command::DemoIdle(options) => demo::idle::run(&options).map_err(ServerError::Start),
        cli::Command::BenchServer(options) => bench_server::run(&options),
        cli::Command::ContractServer(options) => contract_server::run(&options),
        cli::Command::EngineServer(options) => contract_server::run_engine(&options),
    };
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let refused = cli::refused(&error);
            let code = match refused {
                Some(_) => ExitCode::from(2), // as for an option that cannot be read
                None => ExitCode::FAILURE,
            };
            let why = refused.unwrap_or_else(|| error.to_string());
            log.say(Level::ERROR, format_args!("stentor: {why}"));
            code
        }
    };
    log.end();
    code
}

/// Says something on stdout. Nobody has to listen.
fn say(line: fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Runs a server until a signal comes; says where on stdout, a line for each place.
fn serve(server: stentor::Server) -> stentor::Result {
    let signals = stentor::Signals::catch()?;
    let running = server.start()?;
    for endpoint in running.endpoints() {
        match endpoint {
            Endpoint::Tcp(address) => say(format_args!("listening on http://{address}")),
            other => say(format_args!("listening on {other}")),
        }
    }
    running.wait_for(signals)?;
    running.stop()
}
