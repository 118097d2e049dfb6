//! The heartbeat (PROTOCOL.md 1.4, 2.4).

use std::thread::sleep;
use std::time::Duration;

use crate::support::http::once;
use crate::support::{Event, POLL, Polling, Profile, Ws, await_that, each, field};

/// The server pings, and each pong earns the next ping.
#[test]
fn pings_on_websocket() {
    each(Profile::Beats, |server| {
        let mut ws = Ws::joined(server);
        for _ in 0..6 {
            ws.expect_text("2");
            ws.send_text("3");
        }
        ws.echoes("alive");
    });
}

/// The same on polling, GET and POST.
#[test]
fn pings_on_polling() {
    each(Profile::Beats, |server| {
        let session = Polling::open(server);
        for _ in 0..6 {
            session.get().is_ok("2");
            session.post("3").is_ok("ok");
        }
        assert!(session.is_known());
    });
}

/// A session that has joined nothing is pinged as well, and may live on.
#[test]
fn pings_before_connect() {
    each(Profile::Beats, |server| {
        let (mut ws, _) = Ws::open(server);
        for _ in 0..3 {
            ws.expect_text("2");
            ws.send_text("3");
        }
        ws.join("40");
    });
}

/// Without a pong within `pingTimeout` the WebSocket is closed and the session freed.
#[test]
fn no_pong_on_websocket() {
    each(Profile::Beats, |server| {
        let (mut ws, open) = Ws::open(server);
        ws.expect_text("2");
        ws.closes(&[1005]);
        let target = format!("{POLL}&sid={}", field(&open, "sid"));
        once(server, "GET", &target, "").is_error(1);
    });
}

/// Without a pong within `pingTimeout` a session that polls ends: the server answers the parked GET with `1`.
#[test]
fn no_pong_on_polling() {
    each(Profile::Beats, |server| {
        let session = Polling::open(server);
        session.get().is_ok("2");
        session.get().is_ok("1");
        session.is_gone();
    });
}

/// A polling session whose client never polls ends too.
#[test]
fn a_session_that_never_polls() {
    each(Profile::Beats, |server| Polling::open(server).goes_away());
}

/// A session that fetched its ping and never came back goes.
#[test]
fn a_session_that_stops_polling() {
    each(Profile::Beats, |server| {
        let session = Polling::open(server);
        session.get().is_ok("2");
        session.goes_away();
    });
}

/// Other traffic does not stand for a pong for ever, as in engine.io 6.6.11.
#[test]
fn other_packets_are_no_pong() {
    each(Profile::Beats, |server| {
        let mut ws = Ws::joined(server);
        loop {
            ws.send_text(r#"42["echo","busy"]"#);
            match ws.event() {
                Event::Text(text) => assert!(["2", r#"42["echo","busy"]"#].contains(&&*text)),
                other => break assert_eq!(other, Event::Close(1005)),
            }
            // Pace, not synchronisation: a quarter of the load would do as well.
            sleep(Duration::from_millis(5));
        }
    });
}

/// A WebSocket pong is not an Engine.IO pong.
#[test]
fn a_websocket_pong_is_no_pong() {
    each(Profile::Beats, |server| {
        let mut ws = Ws::joined(server);
        ws.expect_text("2");
        ws.raw(crate::support::masked(0x8a, b""));
        ws.closes(&[1005]);
    });
}

/// Pongs nobody asked for neither harm nor stop the pings.
#[test]
fn pongs_beyond_need() {
    each(Profile::Beats, |server| {
        let mut ws = Ws::joined(server);
        for _ in 0..3 {
            for _ in 0..50 {
                ws.send_text("3");
            }
            ws.expect_text("2");
        }
        ws.send_text("3");
        ws.echoes("alive");
    });
}

/// `3probe` is a pong, whatever it carries.
#[test]
fn a_pong_with_data() {
    each(Profile::Beats, |server| {
        let (mut ws, _) = Ws::open(server);
        for _ in 0..4 {
            ws.expect_text("2");
            ws.send_text("3probe");
        }
    });
}

/// A ping waits for the GET like any packet, and is sent once.
#[test]
fn a_ping_waits_for_a_get() {
    each(Profile::Beats, |server| {
        let session = Polling::open(server);
        let mut polls = 0;
        await_that("five pings, each in a payload of its own", || {
            session.get().is_ok("2");
            session.post("3").is_ok("ok");
            polls += 1;
            (polls == 5).then_some(())
        });
    });
}

/// When one session times out the others on its shard do not.
#[test]
fn one_timeout_among_many_sessions() {
    each(Profile::Beats, |server| {
        let mut alive: Vec<Ws> = (0..6).map(|_| Ws::open(server).0).collect();
        let (mut silent, _) = Ws::open(server);
        silent.expect_text("2");
        let mut ended = false;
        while !ended {
            for ws in &mut alive {
                ws.expect_text("2");
                ws.send_text("3");
            }
            silent
                .http
                .stream
                .set_nonblocking(true)
                .expect("non-blocking");
            let mut byte = [0];
            ended = silent.http.stream.peek(&mut byte).is_ok();
            silent.http.stream.set_nonblocking(false).expect("blocking");
        }
        silent.closes(&[1005]);
        for ws in &mut alive {
            ws.expect_text("2");
        }
    });
}
