//! Answers: which part of the program does a command run, and what does it end with.
//!
//! It writes what the command line wants written. Exit code 0: all well; 1: a fault or a threshold; 2: it
//! could not be run.

use anyhow::Context as _;
use clap::Parser as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stentor_loadgen::cli::{Cli, Command, Common, CompareFlags, ReportFlags, VersusFlags};
use stentor_loadgen::plan::Scenario;
use stentor_loadgen::report::{self, Report};
use stentor_loadgen::{compare, rude, run, screen, versus};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Two megabytes at a time are too coarse where a client takes two hundred bytes; refusal is no
    // harm.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
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
        Command::Rude(flags) => rude::play(flags),
        Command::Report(flags) => again(flags),
        Command::Compare(flags) => compare_two(flags),
        Command::Versus(flags) => against(flags),
        _ => {
            print!("{}", report::schema());
            Ok(true)
        }
    }
}

fn run_one(scenario: Scenario, common: &Common) -> anyhow::Result<bool> {
    let stop = stop_on_signals()?;
    let options = common.options(scenario, stop.clone())?;
    let mut watcher = screen::suited(common.plain, common.quiet, &stop);
    let (report, intervals) = run::run(&options, watcher.as_mut())?;
    drop(watcher); // gives the terminal back before the summary
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
    if let Some(path) = html {
        std::fs::write(path, report::html::page(report)?)
            .with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(
        File::create(path).with_context(|| path.display().to_string())?,
    ))
}

/// A first Ctrl-C ends the run in good order, a second one at once.
fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, stop.clone())?;
        signal_hook::flag::register(signal, stop.clone())?;
    }
    Ok(stop)
}

fn read(path: &Path) -> anyhow::Result<Report> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| format!("{}: no result", path.display()))
}

fn compare_two(flags: &CompareFlags) -> anyhow::Result<bool> {
    let (a, b) = (read(&flags.a)?, read(&flags.b)?);
    println!(
        "A: {} ({})\nB: {} ({})\n",
        flags.a.display(),
        a.command,
        flags.b.display(),
        b.command
    );
    print!("{}", compare::table(("A", "B"), &compare::reports(&a, &b)));
    for caveat in compare::caveats(&a, &b) {
        println!("note: {caveat}");
    }
    Ok(a.ok && b.ok)
}

fn against(flags: &VersusFlags) -> anyhow::Result<bool> {
    let inner = std::iter::once("versus".to_owned()).chain(flags.scenario.iter().cloned());
    let inner = Cli::try_parse_from(inner)?;
    let (scenario, _) = inner
        .command
        .scenario()?
        .context("after -- comes a scenario, such as: echo --clients 100")?;
    let results = versus::rounds(flags, &scenario, &stop_on_signals()?)?;
    println!("A: {}\nB: {}\n", flags.a, flags.b);
    print!("{}", versus::judgement(&results));
    if let Some(path) = &flags.json {
        serde_json::to_writer(create(path)?, &results)?;
    }
    Ok(results.iter().flatten().all(|r| r.ok))
}

fn again(flags: &ReportFlags) -> anyhow::Result<bool> {
    let report = read(&flags.file)?;
    print!("{}", report::text::summary(&report));
    write_views(&report, flags.csv.as_deref(), flags.html.as_deref())?;
    Ok(report.ok)
}
