//! The command's log can be gone, full or stuck: its lines are lost, and nothing else is.

#![expect(clippy::unwrap_used, reason = "tests")]

mod child;
#[path = "child/polling.rs"]
mod polling;

use std::{
    fs::File,
    io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _, pipe},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use child::Server;
use rustix::process::{Pid, Signal, kill_process};

/// `times` the same event, as the body of one request.
fn events(event: &str, times: usize) -> String {
    vec![event; times].join("\u{1e}")
}

/// A client floods a server that logs at debug with events that do not fit, on one connection for two seconds;
/// some of them are near a megabyte long, and made to look like lines.
#[test]
fn a_client_that_floods_writes_little_of_the_log() {
    let (reader, writer) = pipe().unwrap();
    let arguments = ["bench-server", "--rude", "--shards", "1"];
    let mut server = Server::start(&arguments, |command| {
        command.env("RUST_LOG", "debug").stderr(writer);
    });
    let log = thread::spawn(move || std::io::read_to_string(reader).unwrap());
    let sid = server.join();
    let forged = r"\n2026-11-27T00:00:00Z ERROR stentor: admin logged in\u001b[2J\u202e sid=";
    let words = format!(r#"42["block","{forged}{}"]"#, "y".repeat(900_000));
    let short = events(&format!(r#"42["block","{forged}"]"#), 2_000);
    let mut stream = TcpStream::connect(server.address).unwrap();
    let (begun, mut sent) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(2) {
        for (body, count) in [(&short, 2_000), (&words, 1)] {
            assert_eq!(post(&mut stream, &sid, body), "ok");
            sent += count;
        }
    }
    let seconds = begun.elapsed().as_secs() + 2;
    assert_eq!(server.stop(), Some(0));
    let log = log.join().unwrap();
    assert!(log.len() < 100_000, "{} bytes", log.len());
    let mut told = 0;
    for line in log.lines() {
        assert!(line.len() < 1_000, "{line}");
        let is_plain = |char: char| char.is_ascii_graphic() || char == ' ' || char == '…';
        assert!(
            line.starts_with("20") && line.chars().all(is_plain),
            "{line}"
        );
        assert!(
            !line.contains("ERROR stentor: admin") || line.contains(r"\n2026"),
            "{line}"
        );
        if line.contains("a handler was not called") && left_out(line).is_none() {
            told += 1;
            for field in [
                "sid=\"",
                "socket=\"",
                "namespace=\"/\"",
                "peer=\"127.0.0.1:",
                "event=\"block\"",
            ] {
                assert!(line.contains(field), "{field}: {line}");
            }
        }
    }
    assert!(told <= 10 * seconds, "{told} in {seconds} s");
    // The last count may not have been told.
    let counted = log.lines().filter_map(left_out).sum::<u64>();
    assert!(
        told + counted <= sent && counted > 0,
        "{told} and {counted} of {sent}"
    );
}

/// One request on a connection that goes on; the response's body.
fn post(stream: &mut TcpStream, sid: &str, body: &str) -> String {
    let len = body.len();
    let path = format!("/socket.io/?EIO=4&transport=polling{sid}");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    let mut lines = BufReader::new(stream);
    while !answer.ends_with("\r\n\r\n") {
        assert_ne!(lines.read_line(&mut answer).unwrap(), 0, "{answer}");
    }
    let length = answer.to_ascii_lowercase();
    let length = length.split_once("content-length: ").unwrap().1;
    let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
    lines.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

/// What a server says in its life, in one form; a handler of it panics.
fn life(arguments: &[&str], level: Option<&str>) -> String {
    let (reader, writer) = pipe().unwrap();
    let arguments = [&["contract-server", "--shards", "1"], arguments].concat();
    let mut server = Server::start(&arguments, |command| {
        command.env_remove("RUST_LOG").stderr(writer);
        if let Some(level) = level {
            command.env("RUST_LOG", level);
        }
    });
    let sid = server.join();
    assert_eq!(server.request("POST", &sid, r#"42["throw"]"#), "ok");
    assert_eq!(server.stop(), Some(0));
    std::io::read_to_string(reader).unwrap()
}

#[test]
fn start_listening_and_stop_are_said_and_not_in_colour() {
    let log = life(&[], None);
    assert!(!log.contains('\u{1b}'), "{log}");
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("no {text}: {log}"));
    let order = [
        "starting",
        "listening address=127.0.0.1:",
        "a handler panicked",
        "stopping",
        "stopped",
    ];
    assert!(order.map(at).is_sorted(), "{log}");
    let log = life(&[], Some("warn"));
    assert!(
        !log.contains("listening") && log.contains("a handler panicked"),
        "{log}"
    );
    let log = life(&[], Some("stentor=nonsense=1"));
    assert!(
        log.starts_with("RUST_LOG is not understood (") && log.contains("listening"),
        "{log}"
    );
}

#[test]
fn a_log_as_json_is_an_object_a_line() {
    let log = life(&["--log-format", "json"], None);
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let find = |text: &str| {
        let is_it = |line: &&serde_json::Value| line["message"].as_str().unwrap().contains(text);
        lines
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("no {text}: {log}"))
    };
    assert_eq!(find("listening")["level"], "INFO");
    let failed = find("a handler panicked");
    assert_eq!(failed["namespace"], "/");
    assert_eq!(failed["event"], "throw");
    assert_eq!(failed["shard"], 0);
    assert!(
        failed["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
        "{failed}"
    );
    assert_eq!(find("panicked at")["level"], "ERROR");
    assert!(
        lines.iter().all(|line| line["timestamp"].is_string()),
        "{log}"
    );
    // What ends a start is a line too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.args(["demo", "--shards", "65", "--log-format", "json"]);
    let output = command.output().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(
        line["message"],
        "stentor: --shards: 65 shards: there must be 1 to 64"
    );
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

/// A pipe that takes nothing more until it is read, and how many bytes are in it.
fn full_pipe() -> (PipeReader, PipeWriter, usize) {
    let (reader, mut writer) = pipe().unwrap();
    let bytes = rustix::pipe::fcntl_getpipe_size(&writer).unwrap();
    writer.write_all(&vec![b'x'; bytes]).unwrap();
    (reader, writer, bytes)
}

#[test]
fn a_log_whose_reader_stands_still() {
    let (_reader, writer, _) = full_pipe();
    says_much_and_serves(start("2", "debug", writer));
}

#[test]
fn a_start_that_fails_ends_whatever_the_log_does() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
    command.args(["bench-server", "--shards", "65", "--port", "0"]);
    let code = command.stderr(full).stdout(Stdio::null()).status().unwrap();
    assert_eq!(code.code(), Some(2));
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
    let (mut reader, writer, before) = full_pipe();
    let server = start("1", "debug", writer);
    let sid = server.join();
    // Of panics ten a second are told, and those beyond lost.
    let panics = events(r#"42["throw"]"#, 500);
    assert_eq!(server.request("POST", &sid, &panics), "ok");
    reader.read_exact(&mut vec![0; before]).unwrap();
    let mut lines = BufReader::new(reader);
    until(&mut lines, |line| {
        line.ends_with("lines of the log were lost\n")
    });
    assert_eq!(server.request("POST", &sid, r#"42["echo","x"]"#), "ok");
}

/// How many lines a line says were left out.
fn left_out(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("more lines were not logged")?;
    let (_, count) = rest.split_once("count=")?;
    count.split(' ').next()?.parse().ok()
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
        match left_out(line) {
            Some(count) => counted += count,
            None if line.contains("a handler failed") => lines += 1,
            None => panic!("{line}"),
        }
        lines + counted >= MANY
    });
    assert_eq!(lines + counted, MANY);
    assert!(lines < MANY / 10, "{lines} lines");
}
