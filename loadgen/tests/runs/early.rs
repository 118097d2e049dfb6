//! A run that ends before its plan does says what was measured and what was not, and does not end well unless
//! that was asked for.

use super::server::{Fault, Server};
use super::{Apart, fresh_path, program};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use stentor_loadgen::cli::{Cli, Command};
use stentor_loadgen::run::{self, Asker, Progress, Stop, Watcher};

/// Two phases, the second of which is never reached.
fn scenario() -> std::path::PathBuf {
    let path = fresh_path("toml");
    let text = r#"
        name = "two"
        drain = "1s"
        threshold = ["echo.p99 < 1min", "lost == 0"]
        [[phase]]
        kind = "ramp"
        clients = 5
        [[phase]]
        name = "first"
        secs = "5min"
        load = [{ kind = "echo", rate = 100 }]
        [[phase]]
        name = "second"
        secs = "5min"
        load = [{ kind = "echo", rate = 200 }]
    "#;
    std::fs::write(&path, text).unwrap();
    path
}

/// Waits until a second of the first phase was told.
fn wait_for_first(child: &mut Child) -> BufReader<std::process::ChildStderr> {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains(" first ") {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended too early");
    }
    lines
}

fn take(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_file(path).unwrap();
    text
}

/// Ends a run by a signal: exit code, summary, result, page.
fn ended_by(signal: Signal, more: &[&str]) -> (Option<i32>, String, Value, String) {
    let server = Server::start(Fault::None, 1);
    let (file, json, html) = (scenario(), fresh_path("json"), fresh_path("html"));
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut command = program();
    command
        .arg("run")
        .arg(&file)
        .args(["--url", &url])
        .args(more);
    command.arg("--json").arg(&json).arg("--html").arg(&html);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut rest = wait_for_first(&mut child);
    kill_process(Pid::from_child(&child), signal).unwrap();
    rest.read_to_string(&mut String::new()).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let result = serde_json::from_str(&take(&json)).unwrap();
    (output.status.code(), text, result, take(&html))
}

#[test]
fn ctrl_c_and_sigterm_say_what_was_measured_and_what_was_not() {
    for (signal, name) in [(Signal::INT, "Ctrl-C"), (Signal::TERM, "SIGTERM")] {
        let (code, text, result, page) = ended_by(signal, &[]);
        assert_eq!(code, Some(3), "{text}");
        let cut = &result["cut_short"];
        assert_eq!((&cut["by"], &cut["asked"]), (&name.into(), &true.into()));
        assert_eq!(cut["asked_secs"], 600.0);
        assert_eq!(cut["parts"][1]["secs"], 0.0, "the second was never begun");
        assert!(cut["measured_secs"].as_f64().unwrap() > 0.0, "{cut}");
        assert!(result["headline"].is_null());
        for shown in [&text, &page] {
            assert!(
                shown.contains(&format!("ended early by {name}, ")),
                "{shown}"
            );
            assert!(
                shown.contains("of the 600.0 s to measure were run"),
                "{shown}"
            );
            assert!(shown.contains("not measured: second (300.0 s)"), "{shown}");
            assert!(shown.contains("measured: first "), "{shown}");
        }
    }
}

#[test]
fn an_early_end_that_was_asked_for_ends_well() {
    let (code, text, ..) = ended_by(Signal::INT, &["--early-end-ok"]);
    assert_eq!(code, Some(0), "{text}");
    // A threshold that does not hold is no less a failure.
    let (code, text, ..) = ended_by(Signal::INT, &["--early-end-ok", "-t", "p50 < 1ns"]);
    assert_eq!(code, Some(1), "{text}");
}

/// Presses `q` after a second of the first measured phase, as the live screen does.
struct Presses(Stop);

impl Watcher for Presses {
    fn note(&mut self, _: &str) {}

    fn second(&mut self, progress: &Progress<'_>) {
        if progress.phase == "first" {
            self.0.ask(Asker::Key);
        }
    }
}

#[test]
fn q_says_what_was_measured_and_what_was_not() {
    use clap::Parser as _;
    let server = Server::start(Fault::None, 1);
    let file = scenario();
    let url = format!("http://127.0.0.1:{}", server.port);
    let line = ["x", "run", file.to_str().unwrap(), "--url", &url];
    let command: Command = Cli::try_parse_from(line).unwrap().command;
    let (scenario, common) = command.scenario().unwrap().unwrap();
    let stop = Stop::default();
    let options = common.options(scenario, stop.clone()).unwrap();
    let (report, _) = run::run(&options, &mut Presses(stop)).unwrap();
    std::fs::remove_file(&file).unwrap();
    let cut = report.cut_short.unwrap();
    assert!(report.ok && cut.asked && cut.by == "q", "{cut:?}");
    assert!(cut.measured_secs > 0.0 && cut.measured_secs < 300.0);
}

#[test]
fn a_server_that_dies_is_told_with_the_seconds_that_were_run() {
    let mut server = Apart::start();
    let (file, json) = (scenario(), fresh_path("json"));
    let mut command = program();
    command.arg("run").arg(&file).args(["--url", &server.url()]);
    command.args(["--pid", &server.child.id().to_string()]);
    command.arg("--json").arg(&json);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut rest = wait_for_first(&mut child);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    rest.read_to_string(&mut String::new()).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("ended early: no client was left, "), "{text}");
    assert!(
        text.contains("of the 600.0 s to measure were run"),
        "{text}"
    );
    let negative = |word: &str| word.starts_with('-') && word.len() > 1;
    assert!(
        !text.split_whitespace().any(negative),
        "no negative cores: {text}"
    );
    let result: Value = serde_json::from_str(&take(&json)).unwrap();
    let cut = &result["cut_short"];
    assert_eq!(cut["asked"], false);
    assert!(cut["measured_secs"].as_f64().unwrap() < 300.0, "{cut}");
    let cores = result["server"]["cores"].as_f64();
    assert!(cores.is_none_or(|c| c >= 0.0), "{cores:?}");
    let used = result["phases"][1]["server_cpu"].as_f64();
    assert!(used.is_none_or(|c| c >= 0.0), "{used:?}");
}
