//! Long-polling over connections that live on: what may come on one, and in what pieces (RFC 9112 9.3).

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;

use crate::support::http::{End, request};
use crate::support::ws::upgrade_request;
use crate::support::{Differs, Http, POLL, Polling, Profile, Server, WS, each, field, ours_only};

/// No connection's: the server may leave unread what it has no room for.
const NO_PORT: u16 = 0;

/// Answers of 900 KB that are more than a connection's buffers in the kernel hold.
const ANSWERS: usize = 10;

/// RFC 9112 9.3.2: a GET behind a parked one waits for its turn, and is no overlap.
#[test]
fn a_get_behind_a_parked_one() {
    ours_only(Differs::Pipelined, Profile::Calm, |server| {
        let session = Polling::joined(server);
        let get = request("GET", &session.target(), "");
        let mut http = Http::connect(server);
        http.send(get.clone() + &get[..20]);
        server.settle(http.port());
        http.send(&get[20..]);
        server.settle(http.port());
        for n in 0..2 {
            let event = format!(r#"42["echo",{n}]"#);
            session.post(&event).is_ok("ok");
            http.response().is_ok(&event);
        }
    });
}

/// RFC 9112 9.3.2: a POST behind a parked GET, whole or in pieces, is handled when that is answered.
#[test]
fn a_post_behind_a_parked_get() {
    ours_only(Differs::Pipelined, Profile::Calm, |server| {
        for cut in [0, 10, 120] {
            let session = Polling::joined(server);
            let get = request("GET", &session.target(), "");
            let post = request("POST", &session.target(), r#"42["echo","behind"]"#);
            let mut http = Http::connect(server);
            http.send(get.clone() + &post[..cut]);
            server.settle(http.port());
            http.send(&post[cut..]);
            server.settle(http.port());
            session.post(r#"42["echo","first"]"#).is_ok("ok");
            http.response().is_ok(r#"42["echo","first"]"#);
            http.response().is_ok("ok");
            session.get().is_ok(r#"42["echo","behind"]"#);
        }
    });
}

/// A client that goes while its GET is parked and another request of it waits: the session closes.
#[test]
fn gone_with_a_request_behind_a_parked_get() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut http = session.park();
        http.send(request("POST", &session.target(), "3"));
        server.settle(http.port());
        drop(http);
        session.goes_away();
    });
}

/// What comes behind a parked GET is read up to a bound and waits in TCP beyond it; each answer lets it go on.
#[test]
fn too_much_behind_a_parked_get() {
    ours_only(Differs::TooLarge, Profile::Small, |server| {
        let session = Polling::joined(server);
        let mut http = session.park();
        let get = request("GET", &session.target(), "");
        let mut writer = http.stream.try_clone().expect("a second handle");
        let flood = thread::spawn(move || {
            // It ends when the connection does.
            (0..1_000).all(|_| writer.write_all(get.repeat(100).as_bytes()).is_ok())
        });
        for n in 0..300 {
            let event = format!(r#"42["echo",{n}]"#);
            session.post(&event).is_ok("ok");
            http.response().is_ok(&event);
        }
        http.stream.shutdown(Shutdown::Both).expect("it is open");
        flood.join().expect("no assertion is in it");
    });
}

/// One connection, all kinds of requests: handshake, GET, POST, strangers, chunks, an upgrade.
#[test]
fn everything_on_one_connection() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        let open = http.get(POLL);
        let sid = field(open.text(), "sid").to_owned();
        let target = format!("{POLL}&sid={sid}");
        http.post(&target, "40").is_ok("ok");
        assert!(http.get(&target).text().starts_with("40{"));
        http.post(&target, r#"42["echo",1]"#).is_ok("ok");
        http.get(&target);
        assert_eq!(http.get("/nowhere").status, 404);
        let chunks = "Transfer-Encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n";
        http.send(format!("POST {target} HTTP/1.1\r\nHost: a\r\n{chunks}"));
        http.response().is_ok("ok");
    });
}

/// A connection that polled may become a WebSocket, as one does that a proxy uses again.
#[test]
fn an_upgrade_after_polling() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        let open = http.get(POLL);
        let sid = field(open.text(), "sid").to_owned();
        http.post(&format!("{POLL}&sid={sid}"), "40").is_ok("ok");
        http.send(upgrade_request(&format!("{WS}&sid={sid}")));
        assert_eq!(http.response().status, 101);
    });
}

/// A connection may bring the requests of sessions of every shard, as a proxy's does.
#[test]
fn many_sessions_on_one_connection() {
    each(Profile::Calm, |server| {
        let sessions: Vec<_> = (0..8).map(|_| Polling::joined(server)).collect();
        let mut http = Http::connect(server);
        for round in 0..2 {
            for session in &sessions {
                let event = format!(r#"42["echo",{round}]"#);
                http.post(&session.target(), &event).is_ok("ok");
                http.get(&session.target()).is_ok(&event);
            }
        }
    });
}

/// Asks for more on one connection than the kernel holds for it, and reads nothing yet. The sessions
/// began on that connection, so that they live on its shard.
fn ask_for_much(server: &Server, event: &str) -> Http {
    let mut http = Http::connect(server);
    let targets: Vec<_> = (0..ANSWERS)
        .map(|_| format!("{POLL}&sid={}", field(http.get(POLL).text(), "sid")))
        .collect();
    for target in &targets {
        http.post(target, "40").is_ok("ok");
        http.get(target);
        http.post(target, event).is_ok("ok");
    }
    for target in &targets {
        http.send(request("GET", target, ""));
    }
    http.send(request("POST", &targets[0], "3"));
    server.settle(NO_PORT);
    http
}

/// A client that reads slowly gets large payloads whole, and the answers behind them.
#[test]
fn large_payloads_read_slowly() {
    each(Profile::Calm, |server| {
        let event = format!(r#"42["echo","{}"]"#, "x".repeat(900_000));
        let mut http = ask_for_much(server, &event);
        for _ in 0..ANSWERS {
            http.response().is_ok(&event);
        }
        http.response().is_ok("ok");
    });
}

/// The same for a client that has ended its side: what it asked for still comes, and then the end.
#[test]
fn large_payloads_after_the_end() {
    ours_only(Differs::HalfClosed, Profile::Calm, |server| {
        let event = format!(r#"42["echo","{}"]"#, "x".repeat(900_000));
        let mut http = ask_for_much(server, &event);
        http.finish();
        server.settle(NO_PORT);
        for _ in 0..ANSWERS {
            http.response().is_ok(&event);
        }
        http.response().is_ok("ok");
        assert_eq!(http.rest().1, End::Eof);
    });
}

/// RFC 9110 6.6.1, and `Connection: close`: the headers that belong to the connection.
#[test]
fn date_and_connection() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let posted = session.post("3");
        let date = posted.header("date").expect("a Date");
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
        assert_eq!(
            posted.header("connection").unwrap_or("keep-alive"),
            "keep-alive"
        );
        let mut http = Http::connect(server);
        http.send(format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\n3",
            session.target()
        ));
        http.response().is_ok("ok");
        assert_eq!(http.rest().1, End::Eof);
    });
}
