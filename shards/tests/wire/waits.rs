//! What HTTP clients may keep the server waiting for: slow heads, slow bodies, idle
//! connections. The waits are short here; that the server waits at all is what the other tests show.

use std::io::Write;
use std::time::Duration;

use crate::support::http::{End, request};
use crate::support::server::skipped;
use crate::support::{self, Differs, Http, POLL, Polling, Profile, Server, ours_only};

fn each(body: impl Fn(&Server)) {
    ours_only(Differs::Waits, Profile::Brisk, body);
}

/// The server closes the connection and says nothing.
#[track_caller]
fn is_closed(http: &mut Http) {
    let (rest, end) = http.rest();
    assert_eq!((rest.len(), end), (0, End::Eof));
}

/// A head that stops is answered 408, and its connection is closed.
#[track_caller]
fn is_late_in_head(http: &mut Http) {
    let response = http.response();
    assert_eq!(response.status, 408, "{response:?}");
    assert_eq!(response.header("connection"), Some("close"));
    is_closed(http);
}

/// RFC 9110 15.5.9: a connection that sends not all of its first head. One that sends nothing, as
/// browsers open them for later, asks nothing and is told nothing.
#[test]
fn a_first_head_that_does_not_come() {
    each(|server| {
        is_closed(&mut Http::connect(server));
        for begun in ["G", "\r\n", &request("GET", POLL, "")[..40]] {
            let mut http = Http::connect(server);
            http.send(begun);
            is_late_in_head(&mut http);
        }
    });
}

/// A later head, on a connection that the shard serves and on one that hyper does.
#[test]
fn a_later_head_that_does_not_come() {
    each(|server| {
        for target in [POLL, "/elsewhere"] {
            let mut http = Http::connect(server);
            http.get(target);
            http.send(&request("GET", POLL, "")[..40]);
            is_late_in_head(&mut http);
        }
    });
}

/// A head that goes on, a byte at a time, is not given more time.
#[test]
fn a_head_that_drips() {
    each(|server| {
        for before in [None, Some(POLL), Some("/elsewhere")] {
            let mut http = Http::connect(server);
            before.map(|target| http.get(target));
            drip(&mut http, b"GET / HTTP/1.1\r\nX: ", b"x");
            is_late_in_head(&mut http);
        }
    });
}

/// Sends the first piece, and the others as often as it takes till the server says something.
fn drip(http: &mut Http, first: &[u8], piece: &[u8]) {
    let stream = http.stream.try_clone().expect("a second handle");
    let drop_time = Duration::from_millis(20);
    stream
        .set_read_timeout(Some(drop_time))
        .expect("a short wait");
    http.send(first);
    while stream.peek(&mut [0]).is_err() {
        if http.stream.write_all(piece).is_err() {
            break;
        }
    }
    stream
        .set_read_timeout(Some(support::DEADLINE))
        .expect("the usual wait");
}

/// A connection that lies idle after its requests.
#[test]
fn an_idle_connection() {
    each(|server| {
        for target in [POLL, "/elsewhere"] {
            let mut http = Http::connect(server);
            http.get(target);
            http.get(target);
            is_closed(&mut http);
        }
    });
}

/// A GET that is parked is not idle, and its connection serves on afterwards.
#[test]
fn a_parked_get_is_not_idle() {
    each(|server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        for _ in 0..3 {
            let mut idle = Http::connect(server);
            idle.get(POLL);
            is_closed(&mut idle);
        }
        session.post(r#"42["echo",1]"#).is_ok("ok");
        parked.response().is_ok(r#"42["echo",1]"#);
        parked.post(&session.target(), "3").is_ok("ok");
    });
}

/// A POST that announces a body, by its length or in chunks, and the body's pieces.
const BODIES: [(&str, &[u8]); 2] = [
    ("Content-Length: 100000", b"4"),
    ("Transfer-Encoding: chunked", b"1\r\n4\r\n"),
];

fn begin(session: &Polling<'_>, headers: &str, piece: &[u8]) -> Http {
    let mut http = Http::connect(session.server);
    let target = session.target();
    http.send(format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n"
    ));
    http.send(piece);
    http
}

/// The POST is answered 408, and neither its connection nor its session lives on: as from engine.io since
/// 6.6.13.
#[track_caller]
fn is_late(session: &Polling<'_>, mut http: Http) {
    http.response().is_empty(408);
    assert_eq!(http.rest().0, b"");
    session.goes_away();
}

/// A body that stops.
#[test]
fn a_body_that_stops() {
    support::each(Profile::Brisk, |server| {
        for (headers, piece) in BODIES {
            let session = Polling::joined(server);
            let http = begin(&session, headers, piece);
            is_late(&session, http);
        }
    });
}

/// A body whose pieces come in time, but not all of them.
#[test]
fn a_body_that_drips() {
    support::each(Profile::Brisk, |server| {
        for (headers, piece) in BODIES {
            let session = Polling::joined(server);
            let mut http = begin(&session, headers, piece);
            drip(&mut http, piece, piece);
            is_late(&session, http);
        }
    });
}

/// What comes while the process stands still has come in time, at hyper too: the runtime hears of the time
/// first.
#[test]
fn a_standstill_is_not_the_clients() {
    if skipped(Differs::Waits) {
        return;
    }
    for shards in [1, 2, 4] {
        let server = Server::start(Profile::Brisk, shards);
        let session = Polling::joined(&server);
        let mut post = begin(&session, "Transfer-Encoding: chunked", b"");
        let mut get = Http::connect(&server);
        get.get("/elsewhere");
        get.send("GET /elsewhere");
        server.settle(get.port());
        server.in_one_turn(|| {
            post.send("1\r\n3\r\n0\r\n\r\n");
            get.send(" HTTP/1.1\r\nHost: a\r\n\r\n");
            std::thread::sleep(Duration::from_millis(1500)); // longer than any wait
        });
        assert_eq!(get.response().status, 404);
        post.response().is_ok("ok");
    }
}

/// An answer that is not taken is given up, whoever sends it; here of a size that the kernel does not hold.
#[test]
fn an_answer_that_is_not_taken() {
    each(|server| {
        let event = format!(r#"42["echo","{}"]"#, "x".repeat(900_000));
        let forms = [
            ("HTTP/1.1", "Host: a"),
            ("HTTP/1.1", "Host: a\r\nConnection: close"),
            ("HTTP/1.0", "X: y"),
        ];
        let slow = forms.map(|(version, headers)| {
            let session = Polling::joined(server);
            session.post(&event).is_ok("ok");
            let mut http = Http::connect_small(server);
            let target = session.target();
            http.send(format!("GET {target} {version}\r\n{headers}\r\n\r\n"));
            (http, headers)
        });
        std::thread::sleep(Duration::from_secs(4)); // the server waits for half a second
        for (mut http, headers) in slow {
            let (got, _) = http.rest();
            assert!(
                got.len() < event.len(),
                "{headers}: all {} bytes",
                got.len()
            );
        }
    });
}
