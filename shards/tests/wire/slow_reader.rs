//! Clients that do not read.

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::http::End;
use crate::support::proc::memory_kib;
use crate::support::server::{each_alone, skipped};
use crate::support::ws::{CLOSE, FIN, PING, TEXT, header};
use crate::support::{Differs, Event, Polling, Server, Ws, masked};

/// What the kernel may hold for one connection, both directions, and the server's own bound.
const HELD_AT_MOST: usize = 24 << 20;

/// How long a server on a busy machine may take until it closes a client that does not read. A test that
/// began to read before would fetch the answers to what it asked, and not only what was kept.
const HANGS_UP_WITHIN: Duration = Duration::from_mins(2);

/// How much the server's memory may grow, in KiB: many outboxes, but far from all that is sent.
const GROWS_AT_MOST: u64 = 56 << 10;

/// Echoes on another connection as long as `slow` takes, so that a stall of the server shows.
fn while_another_echoes(server: &Server, slow: impl FnOnce() + Send) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            slow();
            done.store(true, Ordering::Release);
        });
        let mut ws = Ws::joined(server);
        let mut n = 0;
        while !done.load(Ordering::Acquire) && !work.is_finished() {
            ws.send_text(&format!(r#"42["echo",{n}]"#));
            while ws.text() != format!(r#"42["echo",{n}]"#) {}
            n += 1;
        }
        work.join().expect("the slow client's assertions hold");
    });
}

/// The server's memory stays within bounds during `act`.
fn stays_small(server: &Server, act: impl FnOnce()) {
    let before = memory_kib(server.pid, "VmRSS");
    act();
    let peak = memory_kib(server.pid, "VmHWM");
    assert!(
        peak < before + GROWS_AT_MOST,
        "{before} KiB before, {peak} KiB at the peak"
    );
}

/// `drain` finds no more than may have been kept.
fn kept_little(slow: &mut Ws) {
    let kept = drain(slow);
    assert!(
        kept < HELD_AT_MOST,
        "{kept} bytes were kept for a client that did not read"
    );
}

/// Has the server send 64 MB in pieces of 16 KB to the room; returns when all are sent.
fn talk(server: &Server, room: &str) {
    let mut talker = Ws::joined(server);
    talker.send_text(&format!(r#"420["join","{room}"]"#));
    talker.expect_text("430[]");
    let piece = "x".repeat(16 << 10);
    for _ in 0..4096 {
        talker.send_text(&format!(r#"42["room","{room}","{piece}"]"#));
        talker.text();
    }
}

/// Everything that was kept for a client that did not read, until its connection ends.
fn drain(ws: &mut Ws) -> usize {
    let mut bytes = 0;
    loop {
        match ws.event() {
            Event::Text(text) => bytes += text.len(),
            Event::End(End::Eof | End::Reset) => return bytes,
            Event::Close(_) | Event::Binary(_) | Event::Ping(_) | Event::Pong(_) => {}
        }
    }
}

/// A slow reader is closed at its bound, its memory is bounded, and nobody else notices.
#[test]
fn a_websocket_that_does_not_read() {
    if skipped(Differs::SlowReader) {
        return;
    }
    each_alone(|server| {
        let mut slow = Ws::joined(server);
        slow.send_text(r#"420["join","slow"]"#);
        slow.expect_text("430[]");
        stays_small(server, || {
            while_another_echoes(server, || talk(server, "slow"));
        });
        kept_little(&mut slow);
    });
}

/// RFC 6455 5.4: a close frame cannot come within another frame, also where the client is closed because
/// it did not take the whole of that.
#[test]
fn no_close_frame_within_a_packet() {
    if skipped(Differs::SlowReader) {
        return;
    }
    each_alone(|server| {
        let mut slow = Ws::joined(server);
        slow.send_text(r#"420["join","slow"]"#);
        slow.expect_text("430[]");
        talk(server, "slow");
        let packet = format!(r#"42["room","{}"]"#, "x".repeat(16 << 10));
        let frame = [&header(FIN | TEXT, packet.len(), false), packet.as_bytes()].concat();
        let (bytes, _) = slow.http.rest();
        let mut rest = &*bytes;
        while let Some(after) = rest.strip_prefix(&*frame) {
            rest = after;
        }
        let whole = close_frame(1013);
        assert!(
            frame.starts_with(rest) || rest == whole,
            "{} bytes that are no part of a packet: {:?}…",
            rest.len(),
            &rest[..rest.len().min(16)],
        );
    });
}

/// A server's frame with a status code and no more.
fn close_frame(code: u16) -> Vec<u8> {
    [header(FIN | CLOSE, 2, false), code.to_be_bytes().into()].concat()
}

/// A client that asks for much and reads nothing is stopped or closed as well.
#[test]
fn a_client_that_asks_and_does_not_read() {
    if skipped(Differs::SlowReader) {
        return;
    }
    each_alone(|server| {
        let flood = || {
            let mut slow = Ws::joined(server);
            let event = format!(r#"42["flood",64,"{}"]"#, "x".repeat(16 << 10));
            push(
                &mut slow,
                &masked(0x81, event.as_bytes()),
                640,
                HANGS_UP_WITHIN,
            );
            kept_little(&mut slow);
        };
        stays_small(server, || while_another_echoes(server, flood));
    });
}

/// The bound holds within one handler as well, here one that emits 32 MB.
#[test]
fn a_handler_that_says_too_much() {
    if skipped(Differs::SlowReader) {
        return;
    }
    each_alone(|server| {
        stays_small(server, || {
            let mut slow = Ws::joined(server);
            let piece = "x".repeat(16 << 10);
            slow.send_text(&format!(r#"42["flood",2000,"{piece}"]"#));
            server.settle(slow.http.port());
            kept_little(&mut slow);
        });
    });
}

/// Writes `bytes` up to `times` times, until the server hangs up or takes no more for `patience`.
fn push(ws: &mut Ws, bytes: &[u8], times: usize, patience: Duration) -> usize {
    let stream = &mut ws.http.stream;
    stream
        .set_write_timeout(Some(patience))
        .expect("a write deadline");
    for sent in 0..times {
        if let Err(error) = stream.write_all(bytes) {
            let kinds = [
                ErrorKind::BrokenPipe,
                ErrorKind::ConnectionReset,
                ErrorKind::WouldBlock,
            ];
            assert!(kinds.contains(&error.kind()), "{error}");
            return sent;
        }
    }
    times
}

/// 50 MB of pings whose pongs nobody reads cost bounded memory, and nobody else a moment. ws closes such a
/// client since 8.23.
#[test]
fn a_flood_of_pings() {
    each_alone(|server| {
        let flood = || {
            let mut ws = Ws::joined(server);
            let pings = masked(FIN | PING, &[b'p'; 125]).repeat(1000);
            push(&mut ws, &pings, 400, Duration::from_secs(2));
        };
        stays_small(server, || while_another_echoes(server, flood));
    });
}

/// A polling session that does not fetch is closed at its bound.
#[test]
fn a_polling_session_that_does_not_poll() {
    if skipped(Differs::SlowReader) {
        return;
    }
    each_alone(|server| {
        let mut slow = Polling::joined(server);
        slow.post(r#"420["join","slow"]"#).is_ok("ok");
        slow.expect("430[]");
        stays_small(server, || {
            while_another_echoes(server, || talk(server, "slow"));
        });
        slow.goes_away();
    });
}

/// A reader that is slow but reads loses nothing below the bound.
#[test]
fn a_reader_that_catches_up() {
    each_alone(|server| {
        let mut ws = Ws::joined(server);
        let piece = "x".repeat(10_000);
        ws.send_text(&format!(r#"421["flood",50,"{piece}"]"#));
        server.settle(ws.http.port());
        for n in 0..50 {
            ws.expect_text(&format!(r#"42["flood",{n},"{piece}"]"#));
        }
        ws.expect_text("431[]");
        ws.echoes("caught up");
    });
}
