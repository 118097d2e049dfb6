//! Long-polling that goes wrong (PROTOCOL.md 2.3).

use std::io::Write;

use rustix::event::{PollFd, PollFlags, poll};

use crate::support::http::{End, request};
use crate::support::node_differs;
use crate::support::show;
use crate::support::{Differs, Http, Polling, Profile, RS, Response, Server, each, ours_only};

/// A GET beside a parked one is 400, the parked one gets `1`, the session is removed.
#[test]
fn a_second_get() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        session.get().is_empty(400);
        parked.response().is_ok("1");
        session.is_gone();
    });
}

/// A POST of which the server has read the head and half the body.
fn half_a_post(server: &Server, session: &Polling<'_>) -> Http {
    let bytes = request("POST", &session.target(), r#"42["echo","never"]"#);
    let mut http = Http::connect(server);
    http.send(&bytes[..bytes.len() - 5]);
    server.settle(http.port());
    http
}

/// A second POST while one is in progress is an empty 400, and the session is removed.
#[test]
fn a_second_post() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut first = half_a_post(server, &session);
        session.post("3").is_empty(400);
        session.is_gone();
        first.send("ver\"]");
        match first.try_response() {
            Ok(response) => assert_eq!(response.status, 400, "{response:?}"),
            Err(End::Eof | End::Reset) => {}
        }
    });
}

/// A second POST while one is in progress answers the parked GET.
#[test]
fn a_second_post_answers_the_parked_get() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        let _first = half_a_post(server, &session);
        session.post("3").is_empty(400);
        parked.response().is_ok("1");
    });
}

/// The same in chunks, which hyper reads.
fn half_a_chunked_post(server: &Server, session: &Polling<'_>) -> Http {
    let head = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut http = Http::connect(server);
    http.send(format!("POST {} {head}5\r\n42[\"e\r\n", session.target()));
    server.settle(http.port());
    http
}

type Half = fn(&Server, &Polling<'_>) -> Http;
const HALVES: [Half; 2] = [half_a_post, half_a_chunked_post];

/// A POST whose body is still to come is not waited for. Node says nothing.
#[track_caller]
fn is_given_up(mut http: Http) {
    if let Ok(response) = http.try_response() {
        response.is_error(1);
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert!(http.rest().0.is_empty());
}

/// A second POST while one is in progress ends the first too.
#[test]
fn a_second_post_ends_the_first() {
    each(Profile::Calm, |server| {
        for half in HALVES {
            let session = Polling::joined(server);
            let first = half(server, &session);
            session.post("3").is_empty(400);
            session.is_gone();
            is_given_up(first);
        }
    });
}

/// When the server closes the session, a POST that is still coming is aborted.
#[test]
fn a_session_that_ends_while_a_post_comes() {
    each(Profile::Hasty, |server| {
        for half in HALVES {
            let session = Polling::open(server); // and no CONNECT in time
            let post = half(server, &session);
            is_given_up(post);
            if !node_differs(Differs::CutPost) {
                session.get().is_ok(&format!("6{RS}1"));
            }
            session.is_gone();
        }
    });
}

/// What a POST is refused with comes before the end of its session, which the GET tells: else the client
/// would not know why.
#[test]
fn a_refusal_comes_before_the_close() {
    ours_only(Differs::TooLarge, Profile::Small, |server| {
        for (status, headers) in [
            (413, "Content-Length: 10001"),
            (
                400,
                "Content-Type: application/octet-stream\r\nContent-Length: 1",
            ),
        ] {
            for _ in 0..40 {
                let session = Polling::joined(server);
                let mut parked = session.park();
                let mut http = Http::connect(server);
                let head = format!("HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n4");
                http.send(format!("POST {} {head}", session.target()));
                let mut both = [
                    PollFd::new(&http.stream, PollFlags::IN),
                    PollFd::new(&parked.stream, PollFlags::IN),
                ];
                poll(&mut both, None).expect("both are open");
                assert!(
                    both[0].revents().contains(PollFlags::IN),
                    "the GET was answered first"
                );
                http.response().is_empty(status);
                parked.response().is_ok("1");
                session.is_gone();
            }
        }
    });
}

/// The client aborts the parked GET: the session closes.
#[test]
fn an_aborted_get() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        drop(session.park());
        session.goes_away();
    });
}

/// The client aborts a POST in its body: the session closes.
#[test]
fn an_aborted_post() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        drop(half_a_post(server, &session));
        session.goes_away();
    });
}

/// The client aborts a chunked POST in its body: the session closes.
#[test]
fn an_aborted_chunked_post() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        drop(half_a_chunked_post(server, &session));
        session.goes_away();
    });
}

/// CVE-2026-59725: an octet-stream POST is 400, the connection is answered, the session closed.
#[test]
fn an_octet_stream_post() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        let mut http = Http::connect(server);
        let headers = "Content-Type: application/octet-stream\r\nContent-Length: 3";
        let target = session.target();
        http.send(format!(
            "POST {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n\x04ab"
        ));
        http.response().is_empty(400);
        parked.response().is_ok("1");
        session.is_gone();
    });
}

/// What a POST that kills the session is answered.
#[track_caller]
fn is_deadly(session: &Polling<'_>, body: &str) {
    let mut http = Http::connect(session.server);
    http.send(request("POST", &session.target(), body));
    if node_differs(Differs::DeadlyPost) {
        // 200 "ok", or the connection is destroyed: Node does both.
        if let Ok(response) = http.try_response() {
            response.is_ok("ok");
        }
    } else {
        assert_eq!(http.response().status, 400, "{body:?}");
    }
}

macro_rules! deadly_posts {
    ($($(#[$doc:meta])+ $name:ident: $body:expr;)+) => {$(
        $(#[$doc])+
        #[test]
        fn $name() {
            each(Profile::Calm, |server| {
                let session = Polling::joined(server);
                is_deadly(&session, &$body);
                session.is_gone();
                let session = Polling::joined(server);
                let mut parked = session.park();
                is_deadly(&session, &$body);
                parked.response().is_ok("1");
                session.is_gone();
            });
        }
    )+};
}

deadly_posts! {
    /// An unknown packet type is a parse error.
    a_post_of_an_unknown_type: "abc";
    /// Digits above 6 are unknown packet types.
    a_post_of_type_7: "7";
    /// The empty string is an error packet.
    an_empty_post: "";
    /// An empty packet after a good one is an error packet.
    a_post_that_ends_with_a_separator: format!("3{RS}");
    /// A separator alone is two empty packets.
    a_post_of_a_separator: RS.to_string();
    /// A ping from an EIO4 client is a transport error.
    a_ping_by_post: "2";
    /// A probe belongs on the new transport, not on polling.
    a_probe_by_post: "2probe";
    /// Decoding stops at the first bad packet, which kills the session.
    a_bad_packet_among_good_ones: format!("3{RS}x{RS}3");
}

/// Decoding stops at the first bad packet: what came before it counts.
#[test]
fn packets_before_a_bad_one_count() {
    each(Profile::Calm, |server| {
        let mut witness = crate::reasons::witness(server, "before-bad");
        let mut session = Polling::joined(server);
        session.post(r#"420["watch","before-bad"]"#).is_ok("ok");
        session.expect("430[]");
        is_deadly(&session, &format!("3{RS}x{RS}1"));
        witness.expect_text(r#"42["gone","before-bad","parse error"]"#);
    });
}

/// A Socket.IO violation by POST: `ok` or 400, and the session is closed.
#[track_caller]
fn violates(session: &Polling<'_>, body: &str) -> Response {
    let response = session.post(body);
    match response.status {
        200 => response.is_ok("ok"),
        status => assert_eq!(status, 400, "{body:?}: {response:?}"),
    }
    response
}

/// When the server closes, a parked GET is answered `1`.
#[test]
fn a_violation_answers_the_parked_get() {
    each(Profile::Calm, |server| {
        for body in [r#"42["echo",1]"#, "4x", "4", "bAAAA", "44"] {
            let session = Polling::open(server);
            let mut parked = session.park();
            violates(&session, body);
            parked.response().is_ok("1");
            session.is_gone();
        }
    });
}

/// When the server closes and no GET is parked, the next GET is `6` and `1`, then code 1.
#[test]
fn a_violation_is_told_to_the_next_get() {
    each(Profile::Calm, |server| {
        for body in [r#"42["echo",1]"#, "4x", "44"] {
            let session = Polling::open(server);
            let posted = violates(&session, body).status;
            let polled = session.get();
            // A POST that was refused has told it already.
            if posted == 400 && polled.status == 400 {
                polled.is_error(1);
            } else {
                polled.is_ok(&format!("6{RS}1"));
            }
            session.is_gone();
        }
    });
}

/// A body of exactly `maxHttpBufferSize` is allowed.
#[test]
fn a_body_as_large_as_allowed() {
    each(Profile::Small, |server| {
        let mut session = Polling::joined(server);
        let event = |n| format!(r#"42["echo","{}"]"#, "x".repeat(n));
        let body = event(10_000 - event(0).len());
        assert_eq!(body.len(), 10_000);
        session.post(&body).is_ok("ok");
        session.expect(&body);
    });
}

/// A body one byte over `maxHttpBufferSize` is 413, and the session closes (engine.io 6.6.13).
#[test]
fn a_body_one_byte_too_large() {
    each(Profile::Small, |server| {
        let session = Polling::joined(server);
        let response = session.post(&"4".repeat(10_001));
        response.is_empty(413);
        session.is_gone();
    });
}

/// `maxHttpBufferSize` counts bytes, not characters.
#[test]
fn a_body_of_too_many_bytes_but_few_characters() {
    each(Profile::Small, |server| {
        let session = Polling::joined(server);
        let body = format!(r#"42["echo","{}"]"#, "€".repeat(4_000));
        session.post(&body).is_empty(413);
    });
}

/// The Content-Length is enough, no body need come.
#[test]
fn a_content_length_that_is_too_large() {
    ours_only(Differs::TooLarge, Profile::Small, |server| {
        for length in ["10001", "4294967296", "9223372036854775807"] {
            let session = Polling::joined(server);
            let mut parked = session.park();
            let mut http = Http::connect(server);
            let target = session.target();
            let head = format!("HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            http.send(format!("POST {target} {head}"));
            http.response().is_empty(413);
            parked.response().is_ok("1");
            session.is_gone();
        }
    });
}

/// CVE-2020-36048, a chunked body: the limit holds without a Content-Length.
#[test]
fn a_chunked_body_that_is_too_large() {
    each(Profile::Small, |server| {
        let session = Polling::joined(server);
        let target = session.target();
        let mut http = Http::connect(server);
        let head = "HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        http.send(format!("POST {target} {head}"));
        for _ in 0..11 {
            http.send(format!("3e8\r\n{}\r\n", "4".repeat(1000)));
        }
        http.response().is_empty(413);
        session.is_gone();
    });
}

/// RFC 9112 9.6: a client that has sent all of its body before it reads finds its 413, and no reset.
#[test]
fn a_body_that_is_sent_after_413() {
    ours_only(Differs::TooLarge, Profile::Small, |server| {
        for headers in ["Content-Length: 4000000", "Transfer-Encoding: chunked"] {
            let session = Polling::joined(server);
            let target = session.target();
            let mut http = Http::connect(server);
            http.send(format!(
                "POST {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n3d0900\r\n"
            ));
            for _ in 0..400 {
                let sent = http.stream.write_all(&[b'4'; 10_000]);
                sent.expect("the connection is not reset");
            }
            http.response().is_empty(413);
        }
    });
}

/// Nothing after a 413 is taken for a request.
#[test]
fn a_body_after_413_is_no_request() {
    ours_only(Differs::TooLarge, Profile::Small, |server| {
        let session = Polling::joined(server);
        let target = session.target();
        let mut http = Http::connect(server);
        let smuggled = request("GET", "/elsewhere", "");
        let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n";
        http.send(format!("POST {target} {head}{smuggled}"));
        http.response().is_empty(413);
        http.finish();
        let (rest, _) = http.rest();
        assert!(rest.is_empty(), "{}", show(&rest));
    });
}

/// Garbage after a closed session changes nothing for a new one.
#[test]
fn a_closed_session_stays_closed() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        session.post("1").is_ok("ok");
        for body in ["1", "40", "abc", ""] {
            session.post(body).is_error(1);
        }
        session.is_gone();
    });
}

/// A client that is gone while its GET is parked and its POST is halfway.
#[test]
fn everything_aborted_at_once() {
    each(Profile::Calm, |server| {
        let sessions: Vec<_> = (0..10).map(|_| Polling::joined(server)).collect();
        for session in &sessions {
            let parked = session.park();
            let half = half_a_post(server, session);
            drop((parked, half));
        }
        for session in &sessions {
            session.goes_away();
        }
    });
}
