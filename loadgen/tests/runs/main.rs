//! Runs of the whole program against small servers of these tests' own: what it must find, what it
//! must not call a fault, and what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod contract;
mod early;
mod faults;
mod outputs;
mod rude;
mod server;
mod transports;

use serde_json::Value;
use server::Server;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The program.
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stentor-loadgen"))
}

/// A server in a process of its own, to be watched and killed.
struct Apart {
    child: std::process::Child,
    port: u16,
}

impl Apart {
    fn start() -> Self {
        let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = unused.local_addr().unwrap().port();
        drop(unused);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "outputs::serves_until_killed"]);
        command.env("PORT", port.to_string());
        command.stdout(std::process::Stdio::null());
        let child = command.spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { child, port }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // A test may have killed it already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path nobody else uses.
fn fresh_path(kind: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Relaxed));
    std::env::temp_dir().join(format!("loadgen-{process}-{count}.{kind}"))
}

/// Runs a scenario for a moment against a server; gives what the program said and its result.
fn run_and_hear(server: &Server, arguments: &[&str]) -> (Output, Value) {
    let path = fresh_path("json");
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut command = program();
    command.args(arguments).arg("--json").arg(&path);
    command.args(["--url", &url, "--quiet", "--drain", "2"]);
    if !arguments.contains(&"--secs") {
        command.args(["--secs", "0.6"]);
    }
    if !arguments.contains(&"--warmup") {
        command.args(["--warmup", "0"]);
    }
    let output = command.output().unwrap();
    let text = std::fs::read(&path).unwrap_or_else(|_| panic!("no result: {output:?}"));
    std::fs::remove_file(&path).unwrap();
    (output, serde_json::from_slice(&text).unwrap())
}

/// The same; gives the exit code and the result.
fn run(server: &Server, arguments: &[&str]) -> (i32, Value) {
    let (output, result) = run_and_hear(server, arguments);
    (output.status.code().unwrap(), result)
}

/// Runs what must end without a fault, and with everything that was due received.
fn run_well(server: &Server, arguments: &[&str]) -> Value {
    let (code, result) = run(server, arguments);
    let verdict = (code, result["ok"].as_bool());
    assert_eq!(verdict, (0, Some(true)), "{arguments:?}: {result:#}");
    let load = &result["total"]["loads"][0];
    let fans_out = load["expected"] != 0;
    let due = &load[if fans_out { "expected" } else { "sent" }];
    assert_eq!(&load["received"], due, "{arguments:?}: {result:#}");
    result
}

/// How often a fault was found.
fn fault(result: &Value, name: &str) -> u64 {
    result["faults"][name].as_u64().unwrap()
}
