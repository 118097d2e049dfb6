//! Answers: does what is said at once reach a client that reads.

use super::Stage;
use super::client::{Client, connect, frame};
use super::tally::Line;
use crate::net::Target;
use crate::proto::{http, packet::Open, ws};
use anyhow::{Context as _, bail, ensure};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long a row may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a burst.
struct Seen {
    rows: usize,
    took: Duration,
    how: String,
}

/// Reads events over a WebSocket until `rows` have come or nothing more does; writes `frames` meanwhile.
fn read_rows(mut client: Client, rows: usize, mut frames: &[u8], chunk: usize) -> Seen {
    let began = Instant::now();
    let (mut seen, mut unread) = (0, std::mem::take(&mut client.unread));
    let mut buffer = vec![0; chunk];
    let mut last = Instant::now();
    let fail = client.stream.set_nonblocking(true).err();
    let mut how = fail.map_or(String::new(), |error| error.to_string());
    while seen < rows && how.is_empty() {
        match client.stream.write(frames) {
            Ok(count) => frames = &frames[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => how = error.to_string(),
        }
        match client.stream.read(&mut buffer) {
            Ok(0) => how = "cut".into(),
            Ok(count) => {
                last = Instant::now();
                unread.extend_from_slice(&buffer[..count]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => how = error.to_string(),
        }
        let mut at = 0;
        while let Some(header) = ws::header(&unread[at..]) {
            let end = at + header.header_len + header.payload_len;
            if unread.len() < end {
                break;
            }
            match &unread[at + header.header_len..end] {
                b"2" => drop(client.stream.write(&frame("3"))),
                text if text.starts_with(b"42") => seen += 1,
                _ if header.opcode == ws::opcode::CLOSE => how = "closed".into(),
                _ => {}
            }
            at = end;
        }
        unread.drain(..at);
        if last.elapsed() > PATIENCE {
            how = "silence".into();
        }
    }
    Seen {
        rows: seen,
        took: began.elapsed(),
        how,
    }
}

/// One request of a client that polls, on a connection that stays.
fn request(stream: &mut TcpStream, head: &str, body: &str) -> anyhow::Result<Vec<u8>> {
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    write!(stream, "{head} HTTP/1.1\r\nHost: x\r\n{length}\r\n{body}")?;
    let (mut read, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(answer) = http::answer(&read).map_err(anyhow::Error::msg)? {
            ensure!(answer.status == 200, "HTTP {}", answer.status);
            return Ok(answer.body);
        }
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "cut");
        read.extend_from_slice(&buffer[..count]);
    }
}

/// The same over long-polling: each GET as soon as the one before is answered.
fn poll_rows(target: &Target, rows: usize, bytes: usize) -> anyhow::Result<Seen> {
    let mut stream = connect(target, PATIENCE, None)?;
    let path = format!("{}?EIO=4&transport=polling", target.path);
    let open = request(&mut stream, &format!("GET {path}"), "")?;
    let open: Open = serde_json::from_slice(open.strip_prefix(b"0").context("no OPEN packet")?)?;
    let (get, post) = (
        format!("GET {path}&sid={}", open.sid),
        format!("POST {path}&sid={}", open.sid),
    );
    request(&mut stream, &post, "40")?;
    request(&mut stream, &get, "")?;
    let began = Instant::now();
    request(
        &mut stream,
        &post,
        &format!(r#"42["burst",{rows},{bytes}]"#),
    )?;
    let mut seen = Seen {
        rows: 0,
        took: Duration::ZERO,
        how: String::new(),
    };
    while seen.rows < rows && seen.how.is_empty() {
        match request(&mut stream, &get, "") {
            Ok(body) => {
                for packet in body.split(|byte| *byte == 0x1e) {
                    seen.rows += usize::from(packet.starts_with(b"42"));
                    if packet == b"1" {
                        seen.how = "closed".into();
                    }
                }
            }
            Err(error) => seen.how = error.to_string(),
        }
    }
    seen.took = began.elapsed();
    Ok(seen)
}

fn print(stage: &Stage, scene: &str, rows: usize, seen: anyhow::Result<Seen>) -> bool {
    let line = Line::new(scene, &stage.name);
    match seen {
        Ok(seen) => {
            let came = format!(
                "{} of {rows} in {:.2} s",
                seen.rows,
                seen.took.as_secs_f64()
            );
            let how = if seen.how.is_empty() {
                "all came"
            } else {
                &seen.how
            };
            line.with("rows", came).with("end", how).print();
            seen.rows == rows
        }
        Err(error) => {
            line.with("failed", format!("{error:#}")).print();
            false
        }
    }
}

/// Joins, asks for a burst, reads it `chunk` bytes at a time.
fn ask_rows(
    stage: &Stage,
    rows: usize,
    bytes: usize,
    segment: Option<u32>,
) -> anyhow::Result<Seen> {
    let client = Client::join_within(&stage.target, PATIENCE, segment)?;
    let ask = frame(&format!(r#"42["burst",{rows},{bytes}]"#));
    Ok(read_rows(client, rows, &ask, 64 << 10))
}

/// Sends large events, all at once, and reads their echoes.
fn echo_rows(stage: &Stage, rows: usize, bytes: usize, chunk: usize) -> anyhow::Result<Seen> {
    let client = Client::join_within(&stage.target, PATIENCE, None)?;
    let echoes = frame(&format!(r#"42["echo","{}"]"#, "x".repeat(bytes))).repeat(rows);
    Ok(read_rows(client, rows, &echoes, chunk))
}

pub(super) fn burst(stage: &Stage) -> anyhow::Result<bool> {
    if stage.clients == Some(0) {
        bail!("one client at least");
    }
    let mut fine = true;
    let mut say = |scene: &str, rows, seen| fine &= print(stage, scene, rows, seen);
    say(
        "10 MB in one handler, loopback",
        10_000,
        ask_rows(stage, 10_000, 1000, None),
    );
    say(
        "10 MB in one handler, segments of 1400",
        10_000,
        ask_rows(stage, 10_000, 1000, Some(1400)),
    );
    say(
        "1,500 rows of 1 kB, segments of 1400",
        1500,
        ask_rows(stage, 1500, 1000, Some(1400)),
    );
    say(
        "1,100 rows of 1 kB to a client that polls",
        1100,
        poll_rows(&stage.target, 1100, 1000),
    );
    say(
        "100 echoes of 990 kB",
        100,
        echo_rows(stage, 100, 990_000, 256 << 10),
    );
    say(
        "100 echoes of 990 kB, read 16 kB at a time",
        100,
        echo_rows(stage, 100, 990_000, 16 << 10),
    );
    Ok(fine)
}
