//! The application's own pages: they may fail and wait, and their clients may not.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use axum::{Router, body::Bytes, routing};
use stentor::{HttpWaits, Running};

use crate::{SHARD_COUNTS, client, leave::Bad, server};

/// A size that the kernel does not hold for a client.
const LARGE: usize = 30_000_000;

fn waits() -> HttpWaits {
    HttpWaits {
        idle: Duration::from_millis(500),
        head: Duration::from_millis(500),
        piece: Duration::from_millis(500),
        body: Duration::from_secs(1),
    }
}

fn router() -> Router {
    let panics = || async {
        if true {
            std::panic::panic_any(Bad);
        }
    };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        "slow"
    };
    Router::new()
        .route("/fine", routing::get(|| async { "fine" }))
        .route("/panics", routing::get(panics))
        .route("/slow", routing::get(slow))
        .route("/forever", routing::get(std::future::pending::<()>))
        .route("/large", routing::get(|| async { vec![b'x'; LARGE] }))
        .route(
            "/length",
            routing::post(|body: Bytes| async move { body.len().to_string() }),
        )
        .route("/unread", routing::post(|| async { "unread" }))
}

fn start(shards: usize) -> Running {
    let server = server(shards).http_waits(waits()).http(router());
    server.start().unwrap()
}

/// A connection on which this was sent.
fn sent(running: &Running, bytes: &str) -> TcpStream {
    let mut stream = client::connect(running.address());
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

/// All that comes, whether the connection is closed or reset behind it.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    String::from_utf8(bytes).unwrap()
}

/// What it panics with panics again when it is dropped.
#[test]
fn a_page_that_panics_answers_500() {
    for shards in SHARD_COUNTS {
        let running = start(shards);
        let mut stream = client::connect(running.address());
        for _ in 0..2 {
            assert_eq!(client::kept(&mut stream, "GET /panics").0, 500);
            assert_eq!(client::kept(&mut stream, "GET /fine").1, "fine");
        }
        running.stop().unwrap();
    }
}

/// A client that ends its side listens on; one that has gone does not keep a page for ever.
#[test]
fn a_page_for_a_client_that_says_no_more() {
    for shards in SHARD_COUNTS {
        let running = start(shards);
        for (page, status) in [("fine", "200"), ("slow", "200"), ("forever", "408")] {
            let mut stream = sent(
                &running,
                &format!("GET /{page} HTTP/1.1\r\nHost: a\r\n\r\n"),
            );
            stream.shutdown(Shutdown::Write).unwrap();
            let response = rest(&mut stream);
            assert!(
                response.starts_with(&format!("HTTP/1.1 {status}")),
                "{page}: {response}"
            );
        }
        running.stop().unwrap();
    }
}

const BODIES: [(&str, &str); 2] = [
    ("Content-Length: 100000", "x"),
    ("Transfer-Encoding: chunked", "1\r\nx\r\n"),
];

/// A body that stops, or drips, on its way to a page that waits for it, and to one that does not.
#[test]
fn a_body_for_a_page_that_does_not_come() {
    for shards in SHARD_COUNTS {
        let running = start(shards);
        for (headers, piece) in BODIES {
            for drips in [false, true] {
                let head = format!("POST /length HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{piece}");
                let mut stream = sent(&running, &head);
                stream
                    .set_read_timeout(Some(Duration::from_millis(50)))
                    .unwrap();
                while drips && stream.peek(&mut [0]).is_err() {
                    if stream.write_all(piece.as_bytes()).is_err() {
                        break;
                    }
                }
                stream.set_read_timeout(Some(client::PATIENCE)).unwrap();
                let response = rest(&mut stream);
                assert!(
                    response.starts_with("HTTP/1.1 408"),
                    "{headers} {drips}: {response}"
                );
            }
            let head = format!("POST /unread HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{piece}");
            let response = rest(&mut sent(&running, &head));
            assert!(
                response.starts_with("HTTP/1.1 200"),
                "{headers}: {response}"
            );
        }
        running.stop().unwrap();
    }
}

/// A page's body may be longer than the engine's, and take its time as long as it comes.
#[test]
fn a_long_body_for_a_page() {
    let running = start(1);
    let length = 1_500_000;
    let head = format!("POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let mut stream = sent(&running, &head);
    for piece in vec![b'x'; length].chunks(length / 20) {
        stream.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(100)); // two seconds in all, where a body has one
    }
    let mut response = [0; 12];
    stream.read_exact(&mut response).unwrap();
    // It is over the router's own limit of 2 MB only if it is counted twice.
    assert_eq!(&response, b"HTTP/1.1 200");
    drop(stream);
    running.stop().unwrap();
}

/// A page that is not read is given up; one that is read, however slowly, is not.
#[test]
fn a_page_that_is_not_read() {
    let running = start(1);
    let get = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut unread = sent(&running, get);
    let mut slow = sent(&running, get);
    let (mut got, mut piece) = (0, vec![0; 1_000_000]);
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(100));
        slow.read_exact(&mut piece).unwrap();
        got += piece.len();
    }
    thread::sleep(Duration::from_secs(2)); // the server waits for half a second
    let unread = rest(&mut unread).len();
    assert!(unread < LARGE && got < LARGE, "{unread} of {LARGE}");
    running.stop().unwrap();
}
