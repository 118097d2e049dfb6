//! Answers: how many instructions does one run of a path need.

use std::{
    env,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use anyhow::{Context as _, bail};
use stentor_bench::paths::Path;

/// Runs before those that are counted: tables and buffers reach their size.
const WARM: u64 = 5;

/// Instructions of a whole process that runs `path` so often.
fn process(path: &Path, runs: u64) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--"])
        .arg(env::current_exe()?)
        .args(["run", path.name, &runs.to_string()])
        .output()
        .context("valgrind: apt-get install valgrind")?;
    let log = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}: {log}", path.name);
    }
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.context("callgrind did not say what it collected")?;
    Ok(count.trim().parse()?)
}

fn one(path: &Path) -> anyhow::Result<u64> {
    let before = process(path, WARM)?;
    let after = process(path, WARM + path.runs)?;
    Ok(after.saturating_sub(before) / path.runs)
}

/// All paths, as many at a time as there are cores: instructions do not feel each other.
pub(crate) fn all(paths: &[Path]) -> anyhow::Result<Vec<(&Path, u64)>> {
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<Vec<(usize, u64)>> {
        let mut counts = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(path) = paths.get(index)
        {
            counts.push((index, one(path)?));
        }
        Ok(counts)
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let counted: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panics"))
            .collect()
    });
    let mut counts = counted
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?
        .concat();
    counts.sort_unstable();
    Ok(counts
        .into_iter()
        .map(|(index, count)| (&paths[index], count))
        .collect())
}
