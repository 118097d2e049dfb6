//! Answers: which part of the program does a command run, and what does it end with.
//!
//! It writes what the command line wants written. docs/LOADGEN.md lists the exit codes.

use anyhow::Context as _;
use clap::Parser as _;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use stentor_loadgen::cli::{Cli, Command, Common, CompareFlags, ReportFlags, VersusFlags};
use stentor_loadgen::plan::Scenario;
use stentor_loadgen::report::{self, Report};
use stentor_loadgen::run::Stop;
use stentor_loadgen::{compare, rude, run, screen, versus};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command ends with; the numbers are the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// All was measured, all is well.
    Well = 0,
    /// A fault of the server, or a threshold that does not hold.
    Faulty = 1,
    /// It could not be run.
    Impossible = 2,
    /// Someone ended it early, and what was measured is well.
    Early = 3,
    /// Nothing can be said of the difference between two servers or results.
    Undecided = 4,
}

impl End {
    fn of(report: &Report) -> Self {
        match (report.ok, report.cut_short.is_some()) {
            (false, _) => Self::Faulty,
            (true, true) => Self::Early,
            (true, false) => Self::Well,
        }
    }
}

fn main() -> ExitCode {
    // Two megabytes at a time are too coarse where a client takes two hundred bytes; refusal is no
    // harm.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let end = act(&Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("stentor-loadgen: {error:#}");
        End::Impossible
    });
    ExitCode::from(end as u8)
}

fn act(command: &Command) -> anyhow::Result<End> {
    if let Some((scenario, common)) = command.scenario()? {
        return run_one(scenario, common, command.remark());
    }
    match command {
        Command::Rude(flags) => Ok(if rude::play(flags)? {
            End::Well
        } else {
            End::Faulty
        }),
        Command::Report(flags) => again(flags),
        Command::Compare(flags) => compare_two(flags),
        Command::Versus(flags) => against(flags),
        _ => {
            print!("{}", report::schema());
            Ok(End::Well)
        }
    }
}

fn run_one(scenario: Scenario, common: &Common, remark: Option<&str>) -> anyhow::Result<End> {
    let stop = Stop::on_signals()?;
    let options = common.options(scenario, stop.clone())?;
    let mut watcher = screen::suited(common.plain, common.quiet, &stop);
    if let Some(remark) = remark {
        watcher.note(remark);
    }
    let (report, intervals) = run::run(&options, watcher.as_mut())?;
    drop(watcher); // gives the terminal back before the summary
    print!("{}", report::text::summary(&report));
    write_outputs(&report, common)?;
    if let Some(path) = &common.hlog {
        report::hlog::write(report.started, &intervals, &mut create(path)?)?;
    }
    Ok(match End::of(&report) {
        End::Early if common.early_end_ok => End::Well,
        end => end,
    })
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

fn read(path: &Path) -> anyhow::Result<Report> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).with_context(|| format!("{}: no result", path.display()))?;
    let form = value["schema"].as_u64().unwrap_or(0);
    anyhow::ensure!(
        form == u64::from(report::SCHEMA),
        "{}: a result of form {form}, this program reads form {}",
        path.display(),
        report::SCHEMA
    );
    serde_json::from_value(value).with_context(|| format!("{}: no result", path.display()))
}

fn compare_two(flags: &CompareFlags) -> anyhow::Result<End> {
    let (a, b) = (read(&flags.a)?, read(&flags.b)?);
    println!(
        "A: {} ({})\nB: {} ({})\n",
        flags.a.display(),
        a.command,
        flags.b.display(),
        b.command
    );
    print!("{}", compare::table(&compare::reports(&a, &b)));
    let unlike = compare::unlike(&a, &b);
    for why in &unlike {
        println!("not compared: {why}");
    }
    for caveat in compare::caveats(&a, &b) {
        println!("note: {caveat}");
    }
    Ok(match (a.ok && b.ok, unlike.is_empty()) {
        (false, _) => End::Faulty,
        (true, false) => End::Undecided,
        (true, true) => End::Well,
    })
}

fn against(flags: &VersusFlags) -> anyhow::Result<End> {
    let inner = std::iter::once("versus".to_owned()).chain(flags.scenario.iter().cloned());
    let inner = Cli::try_parse_from(inner)?;
    let (scenario, common) = inner
        .command
        .scenario()?
        .context("after -- comes a scenario, such as: echo --clients 100")?;
    common.refuse_in_versus()?;
    let stop = Stop::on_signals()?;
    let results = versus::rounds(flags, (&scenario, common), &stop)?;
    println!("A: {}\nB: {}\n", flags.a, flags.b);
    let judgement = versus::judgement(&results, flags.rounds);
    print!("{}", judgement.text);
    if let Some(asker) = stop.asked() {
        println!("ended early by {}", asker.name());
    }
    if let Some(path) = &flags.json {
        serde_json::to_writer(create(path)?, &results)?;
    }
    let well = results.iter().flatten().all(|r| r.ok);
    Ok(match (well, stop.asked(), judgement.decided) {
        (false, _, _) => End::Faulty,
        (true, Some(_), _) => End::Early,
        (true, None, false) => End::Undecided,
        (true, None, true) => End::Well,
    })
}

fn again(flags: &ReportFlags) -> anyhow::Result<End> {
    let report = read(&flags.file)?;
    print!("{}", report::text::summary(&report));
    write_views(&report, flags.csv.as_deref(), flags.html.as_deref())?;
    Ok(End::of(&report))
}
