//! Answers: do the hot paths need more instructions than they did.
//!
//! Instructions do not depend on who else uses the machine, so that a small tolerance holds in CI.
//! Each path runs under callgrind twice, with different numbers of runs; the difference is what
//! the runs cost, without start and set-up. `bench/guard.toml` has what they cost before.
//!
//! `scripts/guard` compares and fails on a regression, `scripts/guard --update` records.
//! Not gungraun: its runner is a second program to install at the library's version, for what
//! is two processes and a subtraction here.

mod count;
mod record;

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use stentor_bench::paths::{self, Path};

use record::Record;

// As the server's binary: allocations are part of the paths.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What valgrind runs: the path, so often.
fn run(path: &str, runs: &str) -> anyhow::Result<()> {
    let path = paths::find(path).context("no such path")?;
    let mut run = path.build();
    for _ in 0..runs.parse::<u64>()? {
        run();
    }
    Ok(())
}

/// Prints the table and returns how many paths became slower than the tolerance allows.
#[expect(
    clippy::cast_precision_loss,
    reason = "a path has far fewer than 2^52 instructions"
)]
fn compare(record: &Record, counts: &[(&Path, u64)]) -> usize {
    println!("| path | what | instructions | recorded | change | |");
    println!("|---|---|--:|--:|--:|---|");
    let mut slower = 0;
    for (path, count) in counts {
        let (was, change, verdict) = match record.instructions.get(path.name) {
            None => ("–".to_owned(), "–".to_owned(), "new: --update"),
            Some(was) => {
                let percent = (*count as f64 / *was as f64 - 1.0) * 100.0;
                let verdict = if percent > record.tolerance_percent {
                    slower += 1;
                    "SLOWER"
                } else if percent < -record.tolerance_percent {
                    "faster: --update"
                } else {
                    ""
                };
                (was.to_string(), format!("{percent:+.1} %"), verdict)
            }
        };
        println!(
            "| {} | {} | {count} | {was} | {change} | {verdict} |",
            path.name, path.what
        );
    }
    slower
}

fn guard(update: bool) -> anyhow::Result<ExitCode> {
    let mut record = Record::read()?;
    let here = record::tools()?;
    if !update && record.tools != here {
        eprintln!(
            "recorded with {}; this is {here}: expect small differences",
            record.tools
        );
    }
    let counts = count::all(paths::ALL)?;
    let slower = compare(&record, &counts);
    if update {
        record.tools = here;
        record.instructions = counts
            .iter()
            .map(|(path, count)| (path.name.to_owned(), *count))
            .collect();
        record.write()?;
        return Ok(ExitCode::SUCCESS);
    }
    if slower > 0 {
        eprintln!(
            "{slower} paths need more than {} % more instructions",
            record.tolerance_percent
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => guard(false),
        ["--update"] => guard(true),
        ["run", path, runs] => run(path, runs).map(|()| ExitCode::SUCCESS),
        _ => bail!("usage: guard [--update] | guard run PATH RUNS"),
    }
}
