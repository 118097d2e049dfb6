//! The command's log can be gone, full or stuck: its lines are lost, and nothing else is.

#![expect(clippy::unwrap_used, reason = "tests")]

mod child;
#[path = "child/polling.rs"]
mod polling;

use std::{
    fs::File,
    io::{BufRead as _, BufReader, PipeReader, pipe},
    process::{Command, Stdio},
};

use child::Server;
use rustix::process::{Pid, Signal, kill_process};

/// `times` the same event, as the body of one request.
fn events(event: &str, times: usize) -> String {
    vec![event; times].join("\u{1e}")
}

fn start(shards: &str, level: &str, stderr: impl Into<Stdio>) -> Server {
    Server::start(
        &["contract-server", "--shards", shards],
        |command: &mut Command| {
            command.env("RUST_LOG", level).stderr(stderr);
        },
    )
}

impl Server {
    fn stop(&mut self) -> Option<i32> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// Has a server say far more than a pipe holds; everybody is served meanwhile, on each shard, and it stops.
fn says_much_and_serves(mut server: Server) {
    let sessions: Vec<_> = (0..8).map(|_| server.join()).collect();
    for sid in &sessions[..4] {
        for event in [r#"42["join",5]"#, r#"42["error"]"#, r#"42["throw"]"#] {
            assert_eq!(server.request("POST", sid, &events(event, 500)), "ok");
        }
    }
    for (nth, sid) in sessions.iter().enumerate() {
        let event = format!(r#"42["echo",{nth}]"#);
        assert_eq!(server.request("POST", sid, &event), "ok");
        assert_eq!(server.request("GET", sid, ""), event);
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_log_on_a_full_disk() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    says_much_and_serves(start("2", "debug", full));
}

#[test]
fn a_log_whose_reader_has_gone() {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    says_much_and_serves(start("2", "debug", writer));
}

#[test]
fn a_log_whose_reader_stands_still() {
    let (_reader, writer) = pipe().unwrap();
    says_much_and_serves(start("2", "debug", writer));
}

#[test]
fn a_start_that_fails_ends_whatever_the_log_does() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.args(["bench-server", "--shards", "65", "--port", "0"]);
    let code = command.stderr(full).stdout(Stdio::null()).status().unwrap();
    assert_eq!(code.code(), Some(1));
}

/// Reads lines until one is what is looked for.
fn until(lines: &mut BufReader<PipeReader>, mut is_it: impl FnMut(&str) -> bool) {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the log has ended");
        if is_it(&line) {
            return;
        }
    }
}

#[test]
fn a_log_that_goes_on_is_told_what_it_lacks() {
    let (reader, writer) = pipe().unwrap();
    let server = start("1", "debug", writer);
    let sid = server.join();
    for _ in 0..10 {
        let bad = events(r#"42["join",5]"#, 2_000); // far more than the queue holds
        assert_eq!(server.request("POST", &sid, &bad), "ok");
    }
    let mut lines = BufReader::new(reader);
    until(&mut lines, |line| {
        line.ends_with("lines of the log were lost\n")
    });
    assert_eq!(server.request("POST", &sid, r#"42["echo","x"]"#), "ok");
}

/// 5,000 failures are told, as some lines and their number; 5,000 events that do not fit are not.
#[test]
fn failures_are_counted_when_they_are_many() {
    const MANY: u64 = 5_000;
    let (reader, writer) = pipe().unwrap();
    let server = start("2", "warn", writer);
    let sid = server.join();
    let post = |event| assert_eq!(server.request("POST", &sid, &events(event, 5_000)), "ok");
    post(r#"42["join",5]"#);
    post(r#"42["error"]"#);
    let (mut lines, mut counted) = (0, 0);
    until(&mut BufReader::new(reader), |line| {
        if line.contains("a handler failed") {
            lines += 1;
        } else {
            assert!(line.contains("more failures were not logged"), "{line}");
            let (_, count) = line.split_once("count=").unwrap();
            counted += count.trim().parse::<u64>().unwrap();
        }
        lines + counted >= MANY
    });
    assert_eq!(lines + counted, MANY);
    assert!(lines < MANY / 10, "{lines} lines");
}
