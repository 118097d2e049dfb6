//! Polls that are answered in gzip or deflate (`httpCompression`).

use std::io::Read as _;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::support::http::request;
use crate::support::{Differs, Http, Polling, Profile, Response, Server, each, ours_only};

/// The GET of a session, for a client that takes these encodings.
fn get(session: &Polling<'_>, accept: &str) -> String {
    let target = session.target();
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accept}\r\n\r\n")
}

/// An event whose packet has so many bytes.
fn event(bytes: usize) -> String {
    let around = r#"42["echo",""]"#.len();
    format!(r#"42["echo","{}"]"#, "x".repeat(bytes - around))
}

/// What is said of a response's encoding, and what its body is without.
fn plain(response: &Response) -> (Option<&str>, String) {
    let mut text = String::new();
    let encoding = response.header("content-encoding");
    match encoding {
        Some("gzip") => GzDecoder::new(&*response.body).read_to_string(&mut text),
        Some("deflate") => ZlibDecoder::new(&*response.body).read_to_string(&mut text),
        _ => Ok({
            text.push_str(response.text());
            0
        }),
    }
    .expect("it is what it says");
    (encoding, text)
}

/// The answer to a session that is sent an event of so many bytes, whether its GET waits for it or comes later.
fn polled(server: &Server, bytes: usize, accept: &str, parks: bool) -> Response {
    let session = Polling::joined(server);
    let mut http = Http::connect(server);
    if parks {
        http.send(get(&session, accept));
        server.settle(http.port());
    }
    let event = event(bytes);
    session.post(&event).is_ok("ok");
    if !parks {
        http.send(get(&session, accept));
    }
    let response = http.response();
    assert_eq!(response.status, 200);
    assert_eq!(plain(&response).1, event);
    let kind = response.header("content-type");
    assert_eq!(kind, Some("text/plain; charset=UTF-8"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response
}

/// From 1,024 bytes on, for those who ask, in what they ask for.
#[test]
fn the_encoding_of_a_poll() {
    each(Profile::Calm, |server| {
        for parks in [true, false] {
            for (bytes, accept, encoding) in [
                (1_024, "gzip, deflate, br", Some("gzip")),
                (1_023, "gzip, deflate, br", None),
                (300_000, "gzip", Some("gzip")),
                (1_024, "deflate", Some("deflate")),
                (1_024, "gzip;q=0.3, deflate;q=0.7", Some("deflate")),
                (1_024, "*", Some("gzip")),
                (1_024, "gzip;q=0", None),
                (1_024, "br", None),
                (1_024, "", None),
            ] {
                let response = polled(server, bytes, accept, parks);
                let said = response.header("content-encoding");
                assert_eq!(said, encoding, "{bytes} bytes for {accept:?}");
                assert!(encoding.is_none() || response.body.len() < bytes / 4);
            }
        }
    });
}

/// A broadcast to those whose GETs wait: each gets it in the encoding that its own GET asked for.
#[test]
fn a_broadcast_in_several_encodings() {
    each(Profile::Calm, |server| {
        let room = format!("encodings {server:p}");
        let accepts = ["gzip", "", "deflate", "gzip"];
        let sessions = accepts.map(|accept| {
            let mut session = Polling::joined(server);
            session
                .post(&format!(r#"420["join","{room}"]"#))
                .is_ok("ok");
            session.expect("430[]");
            let mut http = Http::connect(server);
            http.send(get(&session, accept));
            server.settle(http.port());
            (session, http)
        });
        let data = "y".repeat(5_000);
        let event = format!(r#"42["room","{room}","{data}"]"#);
        Polling::joined(server).post(&event).is_ok("ok");
        for (accept, (_session, mut http)) in accepts.into_iter().zip(sessions) {
            let response = http.response();
            let (encoding, text) = plain(&response);
            assert_eq!(encoding.unwrap_or(""), accept);
            assert_eq!(text, format!(r#"42["room","{data}"]"#));
        }
    });
}

/// A request is not asked what its successor on the connection wants.
#[test]
fn each_request_says_it_for_itself() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut http = Http::connect(server);
        let event = event(2_000);
        for (accept, encoding) in [
            ("gzip", Some("gzip")),
            ("", None),
            ("deflate", Some("deflate")),
        ] {
            http.post(&session.target(), &event).is_ok("ok");
            http.send(get(&session, accept));
            assert_eq!(plain(&http.response()), (encoding, event.clone()));
        }
        http.send(get(&session, "gzip"));
        server.settle(http.port());
        session.post(&event).is_ok("ok");
        assert_eq!(plain(&http.response()).0, Some("gzip"));
        session.post(&event).is_ok("ok");
        http.send(request("GET", &session.target(), ""));
        assert_eq!(plain(&http.response()).0, None);
    });
}

/// A body that is itself compressed is refused, and the session closes: nothing of it was read.
#[test]
fn a_compressed_post() {
    ours_only(Differs::CompressedPost, Profile::Calm, |server| {
        for coding in ["gzip", "deflate", "br", "x"] {
            for length in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
                let session = Polling::joined(server);
                let mut http = Http::connect(server);
                let target = session.target();
                http.send(format!(
                    "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Encoding: {coding}\r\n{length}\r\n\r\n1"
                ));
                let response = http.response();
                response.is_empty(415);
                assert_eq!(response.header("accept-encoding"), Some("identity"));
                session.is_gone();
            }
        }
        // Which says that it is not.
        let session = Polling::joined(server);
        let mut http = Http::connect(server);
        let target = session.target();
        http.send(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\nContent-Encoding: identity\r\nContent-Length: 1\r\n\r\n3"
        ));
        http.response().is_ok("ok");
    });
}
