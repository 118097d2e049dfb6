//! Hostile HTTP.

use crate::support::http::{End, request};
use crate::support::ws::upgrade_request;
use crate::support::{Differs, Http, POLL, Polling, Profile, Server, WS, each, ours_only, show};

/// Sends bytes; the answer's status, or 0 where the server ends the connection without one.
fn status(server: &Server, bytes: impl AsRef<[u8]>) -> u16 {
    let mut http = Http::connect(server);
    http.send(bytes);
    http.try_response().map_or(0, |response| response.status)
}

/// The request is refused, and nothing behind it on the connection is served.
#[track_caller]
fn is_refused(server: &Server, bytes: impl AsRef<[u8]>) {
    let mut http = Http::connect(server);
    http.send(&bytes);
    let response = http.response();
    assert_eq!(
        response.status,
        400,
        "{}: {response:?}",
        show(bytes.as_ref())
    );
    http.send(request("GET", POLL, ""));
    http.finish();
    let (rest, _) = http.rest();
    assert!(
        rest.is_empty(),
        "{}: then {}",
        show(bytes.as_ref()),
        show(&rest)
    );
}

/// A POST on a joined session with these header lines and this body.
fn post(session: &Polling<'_>, headers: &str, body: &str) -> String {
    format!(
        "POST {} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}",
        session.target()
    )
}

/// Content-Length with Transfer-Encoding is refused, in either order.
#[test]
fn content_length_with_transfer_encoding() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let body = "1\r\n3\r\n0\r\n\r\n";
        for headers in [
            "Content-Length: 11\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 11",
            "Content-Length: 6\r\nTransfer-Encoding: chunked",
            "content-length: 0\r\nTRANSFER-ENCODING: Chunked",
        ] {
            is_refused(server, post(&session, headers, body));
        }
        session.echoes("nothing was posted");
    });
}

/// RFC 9112 6.3: a Content-Length that is no number, or is given twice.
#[test]
fn bad_content_lengths() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        for headers in [
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Length: 1\r\ncontent-length: 1",
            "Content-Length: -1",
            "Content-Length: +1",
            "Content-Length: 1x",
            "Content-Length: 0x1",
            "Content-Length: 1 1",
            "Content-Length: 99999999999999999999999",
            "Content-Length: ",
        ] {
            is_refused(server, post(&session, headers, "3"));
        }
        session.echoes("nothing was posted");
    });
}

/// RFC 9112 6.1: a Transfer-Encoding that does not end in chunked has no length.
#[test]
fn bad_transfer_encodings() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        for coding in ["xchunked", "chunked, gzip", "chunked;q=1, identity", "gzip"] {
            let bytes = post(
                &session,
                &format!("Transfer-Encoding: {coding}"),
                "1\r\n3\r\n0\r\n\r\n",
            );
            let status = status(server, bytes);
            assert!([400, 501, 0].contains(&status), "{coding}: {status}");
        }
    });
}

/// RUSTSEC-2021-0079, uWebSockets 399204d: chunk sizes that overflow or are no numbers.
#[test]
fn bad_chunk_sizes() {
    each(Profile::Calm, |server| {
        for chunk in [
            "FFFFFFFFFFFFFFFFF\r\n3\r\n0\r\n\r\n",
            "10000000000000001\r\n3\r\n0\r\n\r\n",
            "-1\r\n3\r\n0\r\n\r\n",
            "zz\r\n3\r\n0\r\n\r\n",
            "0x1\r\n3\r\n0\r\n\r\n",
            "\r\n3\r\n0\r\n\r\n",
            "1\r\n3x\r\n0\r\n\r\n",
        ] {
            let session = Polling::joined(server);
            let status = status(server, post(&session, "Transfer-Encoding: chunked", chunk));
            assert!([400, 413, 0].contains(&status), "{chunk:?}: {status}");
        }
    });
}

/// Lines that end in a bare LF are refused.
#[test]
fn bare_line_feeds() {
    each(Profile::Calm, |server| {
        for bytes in [
            format!("GET {POLL} HTTP/1.1\nHost: a\n\n"),
            format!("GET {POLL} HTTP/1.1\r\nHost: a\n\r\n"),
            format!("GET {POLL} HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
        ] {
            is_refused(server, bytes);
        }
    });
}

/// HTTP/1.1 without Host is refused.
#[test]
fn no_host() {
    each(Profile::Calm, |server| {
        is_refused(server, format!("GET {POLL} HTTP/1.1\r\n\r\n"));
        is_refused(server, format!("GET {POLL} HTTP/1.1\r\nX-Host: a\r\n\r\n"));
    });
}

/// RFC 9112 5: malformed header lines.
#[test]
fn bad_header_lines() {
    each(Profile::Calm, |server| {
        for line in [
            "no colon",
            ": no name",
            "na me: x",
            "name : x",
            "X: a\0b",
            "X\0: a",
            "X: a\rb",
            "é: x",
        ] {
            is_refused(
                server,
                format!("GET {POLL} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"),
            );
        }
    });
}

/// RFC 9112 5.2: a folded header is refused or read as a space, never a header of its own.
#[test]
fn folded_headers() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let headers = "X: a\r\n Content-Length: 1\r\nContent-Length: 0";
        let status = status(server, post(&session, headers, ""));
        assert_ne!(status, 0, "no answer");
        if status == 400 {
            session.echoes("nothing was posted");
        }
    });
}

/// A header of 20 KB is 431 or 400.
#[test]
fn a_header_of_20_kb() {
    each(Profile::Calm, |server| {
        for size in [20_000, 70_000] {
            let bytes = format!(
                "GET {POLL} HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(size)
            );
            let status = status(server, bytes);
            assert!([431, 400, 0].contains(&status), "{size}: {status}");
        }
    });
}

/// Slowloris: a header that never ends does not grow for ever.
#[test]
fn a_header_without_end() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        http.send(format!("GET {POLL} HTTP/1.1\r\nHost: a\r\n"));
        for n in 0..2000 {
            http.send(format!("X-{n}: {}\r\n", "x".repeat(1000)));
        }
        match http.try_response() {
            Ok(response) => assert!([431, 400].contains(&response.status), "{response:?}"),
            Err(End::Eof | End::Reset) => {}
        }
    });
}

/// A target of 20 KB is refused.
#[test]
fn a_target_of_20_kb() {
    each(Profile::Calm, |server| {
        let bytes = request("GET", &format!("{POLL}&x={}", "x".repeat(20_000)), "");
        let status = status(server, bytes);
        assert!([431, 414, 400].contains(&status), "{status}");
    });
}

/// CVE-2024-37890: 90 headers are fine, 200 are answered or refused.
#[test]
fn many_headers() {
    each(Profile::Calm, |server| {
        let with = |n: usize| {
            let lines: Vec<String> = (0..n).map(|n| format!("X-{n}: y\r\n")).collect();
            let lines = lines.concat();
            format!("GET {POLL} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
        };
        assert_eq!(status(server, with(90)), 200);
        let status = status(server, with(200));
        assert!([200, 431, 400].contains(&status), "{status}");
    });
}

/// CVE-2024-37890: thousands of headers that push Upgrade out of sight.
#[test]
fn thousands_of_headers_before_an_upgrade() {
    each(Profile::Calm, |server| {
        let lines: Vec<String> = (0..2100).map(|n| format!("{n}:\r\n")).collect();
        let lines = lines.concat();
        let bytes = upgrade_request(WS).replacen("Upgrade:", &format!("{lines}Upgrade:"), 1);
        let status = status(server, bytes);
        assert!([431, 400, 101, 0].contains(&status), "{status}");
    });
}

/// RFC 9112 3: malformed request lines.
#[test]
fn bad_request_lines() {
    each(Profile::Calm, |server| {
        for line in [
            "GET",
            "GET /",
            "",
            " ",
            "G@T / HTTP/1.1",
            "get / http/1.1",
            "GET / HTTP/1.1 x",
            "GET / HTTP/9.9",
            "GET / HTTQ/1.1",
            "GET /\u{1} HTTP/1.1",
            "\u{16}\u{3}\u{1}\u{2}",
        ] {
            let status = status(server, format!("{line}\r\nHost: a\r\n\r\n"));
            assert!(
                [400, 405, 505, 404, 0].contains(&status),
                "{line:?}: {status}"
            );
        }
    });
}

/// The preface of HTTP/2 without TLS is not spoken to.
#[test]
fn the_preface_of_http_2() {
    each(Profile::Calm, |server| {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
        let status = status(server, preface);
        assert!([0, 400, 505].contains(&status), "{status}");
    });
}

/// Bytes that are TLS, or nothing at all.
#[test]
fn bytes_that_are_no_http() {
    each(Profile::Calm, |server| {
        let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
        for bytes in [
            &hello[..],
            &[0; 1000],
            &[0xff; 100],
            b"\r\n\r\n\r\n\r\n",
            b"42[\"echo\",1]",
        ] {
            let mut http = Http::connect(server);
            http.send(bytes);
            http.finish(); // some of these could still become a request
            let status = http.try_response().map_or(0, |response| response.status);
            assert!([0, 400].contains(&status), "{}: {status}", show(bytes));
        }
    });
}

/// RFC 9112 2.2: empty lines before a request are skipped.
#[test]
fn empty_lines_before_a_request() {
    each(Profile::Calm, |server| {
        assert_eq!(
            status(server, format!("\r\n\r\n{}", request("GET", POLL, ""))),
            200
        );
    });
}

/// RFC 9110 4.2.1: escapes in the target that are none, and bytes above 127.
#[test]
fn bad_escapes_in_the_target() {
    each(Profile::Calm, |server| {
        for more in ["%", "%z", "%zz", "%e9", "%00", "%ff%fe", "sid=%", "é"] {
            let status = status(server, request("GET", &format!("{POLL}&{more}"), ""));
            assert!([200, 400].contains(&status), "{more:?}: {status}");
        }
    });
}

/// A POST without any length has an empty body, which is no packet.
#[test]
fn a_post_without_length() {
    ours_only(Differs::DeadlyPost, Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut http = Http::connect(server);
        http.send(post(&session, "X: y", ""));
        let status = http.response().status;
        assert!([400, 411].contains(&status), "{status}");
    });
}

/// Slowloris: clients that begin a request and do not go on hold up nobody.
#[test]
fn a_hundred_who_begin_and_wait() {
    each(Profile::Calm, |server| {
        let beginnings = [
            "G",
            "GET ",
            "GET / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        ];
        let all: Vec<Http> = (0..100)
            .map(|n| {
                let mut http = Http::connect(server);
                http.send(beginnings[n % beginnings.len()]);
                http
            })
            .collect();
        for _ in 0..8 {
            server.alive();
        }
        drop(all);
    });
}

/// CVE-2022-41940, engine.io 6.6.12: a bad upgrade and an RST right behind it.
#[test]
fn a_bad_upgrade_and_a_reset() {
    each(Profile::Calm, |server| {
        for target in [
            "/socket.io/?EIO=4&transport=abc",
            "/elsewhere",
            "/socket.io/?transport=x",
        ] {
            for _ in 0..10 {
                let mut http = Http::connect(server);
                // Two requests: the answer to the first lies unread when we go, so we go by RST.
                http.send(request("GET", POLL, "") + &upgrade_request(target));
                let mut byte = [0];
                http.stream.peek(&mut byte).expect("an answer");
            }
        }
    });
}

/// An upgrade on a path that nothing serves is 404.
#[test]
fn an_upgrade_on_a_foreign_path() {
    ours_only(Differs::ForeignUpgrade, Profile::Calm, |server| {
        for path in [
            "/",
            "/engine.io/?EIO=4&transport=websocket",
            "/socket.io?EIO=4",
        ] {
            assert_eq!(status(server, upgrade_request(path)), 404, "{path}");
        }
    });
}

/// RFC 9110 7.8: an upgrade with a body is refused, or its body is not taken for frames.
#[test]
fn an_upgrade_with_a_body() {
    each(Profile::Calm, |server| {
        let request = upgrade_request(WS).replacen("Upgrade:", "Content-Length: 4\r\nUpgrade:", 1);
        let status = status(server, format!("{request}body"));
        assert!([101, 400].contains(&status), "{status}");
    });
}

/// RFC 9112 9.3.2: fifty requests in one segment have fifty answers.
#[test]
fn fifty_requests_in_one_segment() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        http.send(request("GET", "/nowhere", "").repeat(25) + &request("GET", POLL, "").repeat(25));
        for n in 0..50 {
            assert_eq!(http.response().status, if n < 25 { 404 } else { 200 });
        }
    });
}

/// Proxy headers that a client sends change nothing.
#[test]
fn proxy_headers_are_not_believed() {
    each(Profile::Calm, |server| {
        let headers =
            "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-HTTP-Method-Override: POST";
        let mut http = Http::connect(server);
        http.send(format!(
            "GET {POLL} HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n"
        ));
        assert_eq!(http.response().status, 200);
    });
}
