//! The program: reads the command line, runs what it asks for, writes what it wants written.
//! Exit code 0: all well; 1: a fault or a threshold; 2: it could not be run.

use anyhow::Context as _;
use clap::Parser as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stentor_loadgen::cli::{Cli, Command, Common, ReportFlags};
use stentor_loadgen::plan::Scenario;
use stentor_loadgen::report::{self, Report};
use stentor_loadgen::run::{self, Watcher};
use stentor_loadgen::screen::lines::Lines;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match act(&Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("stentor-loadgen: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn act(command: &Command) -> anyhow::Result<bool> {
    if let Some((scenario, common)) = command.scenario()? {
        return run_one(scenario, common);
    }
    match command {
        Command::Report(flags) => again(flags),
        _ => {
            print!("{}", report::schema());
            Ok(true)
        }
    }
}

fn run_one(scenario: Scenario, common: &Common) -> anyhow::Result<bool> {
    let stop = Arc::new(AtomicBool::new(false));
    // A first Ctrl-C ends the run in good order, a second one at once.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    let options = common.options(scenario, stop)?;
    let mut watcher: Box<dyn Watcher> = Box::new(Lines { quiet: common.quiet });
    let (report, intervals) = run::run(&options, watcher.as_mut())?;
    drop(watcher);
    print!("{}", report::text::summary(&report));
    write_outputs(&report, common)?;
    if let Some(path) = &common.hlog {
        report::hlog::write(report.started, &intervals, &mut create(path)?)?;
    }
    Ok(report.ok)
}

fn write_outputs(report: &Report, common: &Common) -> anyhow::Result<()> {
    if let Some(path) = &common.json {
        serde_json::to_writer_pretty(create(path)?, report)?;
    }
    write_views(report, common.csv.as_deref(), common.html.as_deref())
}

fn write_views(report: &Report, csv: Option<&Path>, html: Option<&Path>) -> anyhow::Result<()> {
    if let Some(path) = csv {
        report::csv::write(report, &mut create(path)?)?;
    }
    let _ = html;
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?))
}

fn again(flags: &ReportFlags) -> anyhow::Result<bool> {
    let text = std::fs::read(&flags.file).with_context(|| flags.file.display().to_string())?;
    let report: Report = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no result of ours", flags.file.display()))?;
    print!("{}", report::text::summary(&report));
    write_views(&report, flags.csv.as_deref(), flags.html.as_deref())?;
    Ok(report.ok)
}
