//! Answers: on what, when and with what was this measured.

use std::{fs, process::Command};

/// The first line that a program prints.
fn says(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(super::ROOT)
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.ok()
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_default()
}

/// The versions that the lock file has of these crates.
fn versions(names: &[&str]) -> anyhow::Result<String> {
    let lock: toml::Table = fs::read_to_string(format!("{}/Cargo.lock", super::ROOT))?.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let mut found = Vec::new();
    for package in packages.into_iter().flatten() {
        let text = |key| {
            package
                .get(key)
                .and_then(toml::Value::as_str)
                .unwrap_or_default()
        };
        if names.contains(&text("name")) {
            found.push(format!("{} {}", text("name"), text("version")));
        }
    }
    Ok(found.join(", "))
}

/// A paragraph of date, machine, versions.
pub(crate) fn describe() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("?");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    let crates = versions(&[
        "criterion",
        "engineioxide-core",
        "mimalloc",
        "serde_json",
        "simd-json",
        "socketioxide-core",
        "socketioxide-parser-common",
    ])?;
    Ok(format!(
        "{date}, commit {commit}. {cpu}, {cores} cores, Linux {kernel}; load average {load} while \
         this was written: others use the machine. {rustc}, profile `release` (fat LTO), mimalloc. \
         {crates}.\n\nCommand: `cargo run --release -p stentor-bench --bin report`\n",
        date = says("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
        commit = says("git", &["rev-parse", "--short", "HEAD"]),
        cpu = cpu.trim_start_matches(['\t', ' ', ':']),
        kernel = says("uname", &["-r"]),
        rustc = says("rustc", &["--version"]),
    ))
}
