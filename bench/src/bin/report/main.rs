//! Answers: what do we publish about speed, and where do we lose.
//!
//! `cargo run --release -p stentor-bench --bin report` runs the criterion benches, the comparisons
//! and the counting simulation, and writes docs/benchmarks/. `--read` takes criterion's results
//! from the last `cargo bench` and the comparisons from the last report. It must not judge: rows
//! that we lose are listed as they are.

mod chart;
mod criterion;
mod machine;
mod page;
mod versus;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail, ensure};
use stentor_bench::versus::Row;

// As the server's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where cargo puts what it builds.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| Path::new(ROOT).join("target"), PathBuf::from)
}

/// Runs a command of the workspace to its end.
fn cargo(args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("cargo")
        .args(args)
        .current_dir(ROOT)
        .output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {args:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The comparisons, run now or read from the last run.
fn rows(read: bool) -> anyhow::Result<Vec<Row>> {
    let file = target().join("stentor-versus.json");
    if read {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        return Ok(serde_json::from_str(&text)?);
    }
    let extent = stentor_bench::versus::cases::Extent::FULL;
    let rows = stentor_bench::versus::cases::all(extent, |table| eprintln!("comparing {table} …"));
    fs::write(file, serde_json::to_string(&rows)?)?;
    Ok(rows)
}

/// The counting simulation's table.
fn scale(read: bool) -> anyhow::Result<String> {
    let file = target().join("stentor-scale.md");
    if read && let Ok(table) = fs::read_to_string(&file) {
        return Ok(table);
    }
    eprintln!("counting on 64 shards with 1,000,000 sessions …");
    let table = cargo(&[
        "run",
        "--release",
        "-q",
        "-p",
        "stentor-bench",
        "--bin",
        "scale",
    ])?;
    fs::write(file, &table)?;
    Ok(table)
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let read = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--read"] => true,
        _ => bail!("usage: report [--read]"),
    };
    if !read {
        eprintln!("cargo bench (about 5 minutes) …");
        cargo(&["bench", "-p", "stentor-bench", "--bench", "all"])?;
    }
    let benches = criterion::read(&target().join("criterion"))?;
    let rows = rows(read)?;
    let scale = scale(read)?;
    let folder = Path::new(ROOT).join("docs/benchmarks");
    fs::create_dir_all(&folder)?;
    for (name, svg) in versus::charts(&rows)? {
        fs::write(folder.join(name), svg)?;
    }
    for (name, svg) in criterion::charts(&benches)? {
        fs::write(folder.join(name), svg)?;
    }
    let head = machine::describe()?;
    fs::write(folder.join("README.md"), page::summary(&head, &rows)?)?;
    fs::write(
        folder.join("comparisons.md"),
        page::comparisons(&head, &rows)?,
    )?;
    fs::write(folder.join("benches.md"), page::benches(&head, &benches)?)?;
    fs::write(folder.join("scale.md"), page::scale(&head, &scale)?)?;
    eprintln!("wrote {}", folder.display());
    Ok(())
}
