//! A start that fails says why.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

/// Starts the command after some words of the shell's; what it says on stdout if it starts, else on
/// stderr.
fn start(shell: &str, options: &str) -> Result<String, String> {
    let binary = env!("CARGO_BIN_EXE_stentor");
    let mut child = Command::new("sh")
        .args([
            "-c",
            &format!("{shell} exec {binary} bench-server --port 0 {options}"),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let started = !line.is_empty();
    if started {
        child.kill().unwrap();
    }
    let code = child.wait().unwrap().code();
    if started {
        return Ok(line);
    }
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(code, Some(1), "{said}");
    Err(said)
}

/// However far a start comes with so few descriptors, what it says in the end is what it lacked.
#[test]
fn too_few_descriptors_are_named() {
    let mut failed = 0;
    for tables in ["shared", "per-shard"] {
        for descriptors in (9..40).step_by(3) {
            let shell = format!("ulimit -n {descriptors} &&");
            let options = format!("--shards 2 --fd-tables {tables}");
            if let Err(said) = start(&shell, &options) {
                let last = said.lines().last().unwrap_or_default();
                assert!(
                    last.starts_with("stentor: ") && last.contains("os error 24"),
                    "with {descriptors}: {said}"
                );
                failed += 1;
            }
        }
    }
    assert!(failed >= 6, "{failed}");
}

#[test]
fn options_that_cannot_work_are_named() {
    for (options, named) in [
        ("--ping-timeout 0", "ping_timeout: "),
        ("--ping-interval 0", "ping_interval: "),
        (
            "--ping-interval 2147483648",
            "ping_interval and ping_timeout: ",
        ),
        ("--connect-timeout 0", "connect_timeout: "),
        ("--upgrade-timeout 0", "upgrade_timeout: "),
        ("--max-http-buffer-size 0", "max_payload: "),
        ("--http-idle-wait 0", "http_waits.idle: "),
        ("--shards 65", "65 shards: "),
        ("--host 256.1.1.1", "cannot listen on 256.1.1.1:0: "),
    ] {
        let said = start("", options).unwrap_err();
        assert!(said.contains(named), "{options}: {said}");
    }
}
