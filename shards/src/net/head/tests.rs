//! One test per rule, and that any cut of any head is judged the same.

use proptest::prelude::*;

use super::{Head, HeadError, MAX_BYTES, RequestHead, UpgradeError, accept_key, parse};
use crate::net::response::{HeaderSets, Response, Writer};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn request(bytes: &[u8]) -> RequestHead<'_> {
    match parse(bytes) {
        Head::Request(request) => request,
        other => panic!("{other:?} of {:?}", bytes.escape_ascii().to_string()),
    }
}

fn refused(bytes: impl AsRef<[u8]>) -> HeadError {
    match parse(bytes.as_ref()) {
        Head::Bad(error) => error,
        other => panic!(
            "{other:?} of {:?}",
            bytes.as_ref().escape_ascii().to_string()
        ),
    }
}

/// A GET with these header lines.
fn get(lines: &[&str]) -> String {
    format!(
        "GET /engine.io/?EIO=4 HTTP/1.1\r\n{}\r\n\r\n",
        lines.join("\r\n")
    )
}

/// An opening handshake, with one line changed to another, or removed.
fn handshake(change: &str, to: &str) -> String {
    let key = format!("Sec-WebSocket-Key: {KEY}");
    let lines = [
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1",
        "Host: a",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        &key,
        "Sec-WebSocket-Version: 13",
    ];
    let mut out = String::new();
    for line in lines {
        let line = if line.starts_with(change) && !change.is_empty() {
            to
        } else {
            line
        };
        if !line.is_empty() {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out + "\r\n"
}

#[test]
fn a_request_and_its_parts() {
    let bytes = b"POST /engine.io/?EIO=4&sid=a HTTP/1.1\r\nHost: h:3000\r\nX:\t 1 2 \r\nx: 3\r\nE:\r\n\r\n4body";
    let head = request(bytes);
    assert_eq!(
        (head.method, head.target),
        ("POST", "/engine.io/?EIO=4&sid=a")
    );
    assert_eq!(&bytes[head.len..], b"4body");
    assert!(head.is_http_1_1);
    assert_eq!(head.path_and_query(), ("/engine.io/", "EIO=4&sid=a"));
    assert_eq!(head.header("HOST"), Some(&b"h:3000"[..]));
    assert_eq!(head.header("x"), Some(&b"1 2"[..]));
    assert_eq!(head.header("y"), None);
    let all: Vec<_> = head.headers().collect();
    assert_eq!(
        all,
        [
            ("Host", &b"h:3000"[..]),
            ("X", b"1 2"),
            ("x", b"3"),
            ("E", b"")
        ]
    );
    assert!(!head.wants_websocket());
}

#[test]
fn targets() {
    let parts = |target: &str| {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = request(text.as_bytes());
        let (path, query) = head.path_and_query();
        (path.to_owned(), query.to_owned())
    };
    let pair = |path: &str, query: &str| (path.to_owned(), query.to_owned());
    assert_eq!(parts("/a/?b=c?d"), pair("/a/", "b=c?d"));
    assert_eq!(parts("/a"), pair("/a", ""));
    assert_eq!(parts("*"), pair("*", ""));
    assert_eq!(parts("http://host:80/a/?b"), pair("/a/", "b"));
    assert_eq!(parts("HTTP://host"), pair("/", ""));
    assert_eq!(parts("ws://host?b"), pair("/", "b"));
    assert_eq!(parts("/a?next=http://b/c"), pair("/a", "next=http://b/c"));
    let connect = request(b"CONNECT host:443 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(connect.path_and_query(), ("host:443", ""));
}

#[test]
fn targets_of_no_form() {
    for target in [
        "://a/socket.io/",
        "://",
        "host:443",
        "a/b",
        "?a",
        "1a://b/",
        "a+b://c/",
        "http:///a",
        "http://",
        "http://a b/",
        "http://a<b/",
        "http://a#/b",
        "**",
    ] {
        let text = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(
            matches!(
                parse(text.as_bytes()),
                Head::Bad(HeadError::RequestLine | HeadError::Version)
            ),
            "{target}"
        );
    }
}

#[test]
fn unfinished_heads_wait_and_noise_does_not() {
    let whole = get(&["Host: a", "Cookie: b"]);
    for cut in 0..whole.len() {
        assert!(
            matches!(parse(&whole.as_bytes()[..cut]), Head::Incomplete),
            "{cut}"
        );
    }
    // A long target is not noise, nor is an empty line before the request (RFC 9112 2.2).
    assert!(matches!(
        parse(format!("GET /{}", "a".repeat(9_000)).as_bytes()),
        Head::Incomplete
    ));
    assert_eq!(
        request(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").header("host"),
        Some(&b"a"[..])
    );
    assert_eq!(
        refused(b"\x16\x03\x01\x02\x00\x01\x00\x01"),
        HeadError::RequestLine
    );
    assert_eq!(refused(b"\0"), HeadError::RequestLine);
    assert_eq!(refused(b"GET / FTP/1"), HeadError::Version);
}

#[test]
fn limits() {
    let fields = |count: usize| {
        let lines = format!("{}Host: a", "X: y\r\n".repeat(count - 1));
        get(&[&lines])
    };
    assert_eq!(request(fields(100).as_bytes()).headers().count(), 100);
    assert_eq!(refused(fields(101)), HeadError::TooManyHeaders);

    let exact = |len: usize| {
        let rest = get(&["Host: a", "X: "]).len();
        get(&["Host: a", &format!("X: {}", "y".repeat(len - rest))])
    };
    assert_eq!(request(exact(MAX_BYTES).as_bytes()).len, MAX_BYTES);
    assert_eq!(refused(exact(MAX_BYTES + 1)), HeadError::TooLong);
    assert_eq!(refused(vec![b'a'; MAX_BYTES]), HeadError::TooLong);
}

#[test]
fn lines() {
    use HeadError as E;
    assert_eq!(refused("GET / HTTP/1.1\nHost: a\n\n"), E::LineEnd);
    assert_eq!(
        refused("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        E::LineEnd
    );
    assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\n\n"), E::LineEnd);
    assert_eq!(refused("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), E::LineEnd);
    assert_eq!(refused(get(&["Host: a", "X: b\rY: c"])), E::HeaderValue);
    assert_eq!(refused(get(&["Host: a", "X : b"])), E::HeaderName);
    assert_eq!(refused(get(&["Host: a", " X: b"])), E::HeaderName);
    assert_eq!(
        refused(get(&["Host: a", "X: b", "\tfolded"])),
        E::HeaderName
    );
    assert_eq!(refused(get(&["Host: a", "X"])), E::HeaderName);
    assert_eq!(refused(get(&["Host: a", ": b"])), E::HeaderName);
    assert_eq!(refused(get(&["Host: a", "X\0: b"])), E::HeaderName);
    for control in ["\0", "\x01", "\x0b", "\x1f", "\x7f"] {
        assert_eq!(
            refused(get(&["Host: a", &format!("X: b{control}c")])),
            E::HeaderValue
        );
    }
    assert_eq!(
        refused("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
        E::RequestLine
    );
    assert_eq!(
        refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
        E::RequestLine
    );
    assert_eq!(refused("GET /\r\n\r\n"), E::RequestLine);
    assert_eq!(refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), E::Version);
    assert_eq!(refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), E::Version);
    // Bytes above 127 are allowed in values, and come as they are.
    assert_eq!(
        request(b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n").header("host"),
        Some(&b"\xff"[..])
    );
}

#[test]
fn headers_together() {
    use HeadError as E;
    assert_eq!(refused(get(&["X: a"])), E::NoHost);
    assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), E::NoHost);
    assert_eq!(refused(get(&["Host: a", "host: a"])), E::SeveralHosts);
    assert!(!request(b"GET / HTTP/1.0\r\n\r\n").is_http_1_1);
    assert_eq!(
        refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        E::SeveralHosts
    );

    let same = get(&["Host: a", "Content-Length: 5", "content-length: 5"]);
    assert_eq!(refused(same), E::SeveralContentLengths);
    for bad in ["", "+5", "-1", "0x5", "5, 5", "5 5", "18446744073709551616"] {
        let line = format!("Content-Length: {bad}");
        assert_eq!(refused(get(&["Host: a", &line])), E::ContentLength, "{bad}");
    }
    let two = get(&["Host: a", "Content-Length: 5", "Content-Length: 6"]);
    assert_eq!(refused(two), E::SeveralContentLengths);

    request(get(&["Host: a", "Transfer-Encoding: Chunked"]).as_bytes());
    for bad in [
        "xchunked",
        "gzip, chunked",
        "chunked, chunked",
        "identity",
        "",
    ] {
        let line = format!("Transfer-Encoding: {bad}");
        assert_eq!(
            refused(get(&["Host: a", &line])),
            E::TransferEncoding,
            "{bad}"
        );
    }
    let twice = get(&[
        "Host: a",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: chunked",
    ]);
    assert_eq!(refused(twice), E::TransferEncoding);
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(old), E::TransferEncoding);
    let (length, encoding) = ("Content-Length: 5", "Transfer-Encoding: chunked");
    assert_eq!(
        refused(get(&["Host: a", length, encoding])),
        E::LengthAndEncoding
    );
    assert_eq!(
        refused(get(&["Host: a", encoding, length])),
        E::LengthAndEncoding
    );
}

#[test]
fn opening_handshakes() {
    use UpgradeError as E;
    let check = |change: &str, to: &str| {
        let text = handshake(change, to);
        let head = request(text.as_bytes());
        head.check_upgrade().map(str::to_owned)
    };
    let good = Ok(KEY.to_owned());
    assert_eq!(check("", ""), good);
    assert_eq!(check("Upgrade", "Upgrade: h2c, WebSocket"), good);
    assert_eq!(check("Connection", "connection: UPGRADE"), good);
    assert_eq!(
        check("Connection", "Connection: close\r\nConnection: upgrade"),
        good
    );
    assert_eq!(
        check(
            "Sec-WebSocket-Version",
            "sec-websocket-version: 13\r\nContent-Length: 0"
        ),
        good
    );
    assert_eq!(check("GET", "POST / HTTP/1.1"), Err(E::Method));
    assert_eq!(check("GET", "GET / HTTP/1.0"), Err(E::Http));
    assert_eq!(check("Upgrade", "Upgrade: h2c"), Err(E::Upgrade));
    assert_eq!(check("Upgrade", "Upgrade: websockets"), Err(E::Upgrade));
    assert_eq!(check("Upgrade", ""), Err(E::Upgrade));
    assert_eq!(
        check("Connection", "Connection: keep-alive"),
        Err(E::Connection)
    );
    assert_eq!(check("Connection", ""), Err(E::Connection));
    assert_eq!(
        check("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"),
        Err(E::Version)
    );
    assert_eq!(check("Sec-WebSocket-Version", ""), Err(E::Version));
    for bad in [
        "abc",
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j-Q==",
        "dGhlIHNhbXBsZSBub25jZQAA",
    ] {
        let line = format!("Sec-WebSocket-Key: {bad}");
        assert_eq!(check("Sec-WebSocket-Key", &line), Err(E::Key));
    }
    assert_eq!(check("Sec-WebSocket-Key", ""), Err(E::Key));
    let twice = format!("Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Key: {KEY}");
    assert_eq!(check("Sec-WebSocket-Key", &twice), Err(E::Key));
    assert_eq!(check("Host", "Host: a\r\nContent-Length: 5"), Err(E::Body));
    assert_eq!(
        check("Host", "Host: a\r\nTransfer-Encoding: chunked"),
        Err(E::Body)
    );
}

#[test]
fn answers_are_complete_and_close() {
    let all = [
        (431, HeadError::TooLong.response()),
        (505, HeadError::Version.response()),
        (400, HeadError::NoHost.response()),
        (408, HeadError::Late.response()),
        (405, UpgradeError::Method.response()),
        (400, UpgradeError::Version.response()),
        (400, UpgradeError::Key.response()),
    ];
    for (status, response) in all {
        let response = bytes(&response);
        let mut slots = [httparse::EMPTY_HEADER; 8];
        let mut parsed = httparse::Response::new(&mut slots);
        let len = parsed.parse(&response).unwrap().unwrap();
        let why = &response[len..];
        assert!(!why.is_empty());
        assert_eq!(parsed.code, Some(status));
        let has = |name: &str, value: &[u8]| {
            parsed
                .headers
                .iter()
                .any(|header| header.name == name && header.value == value)
        };
        assert!(has("connection", b"close"));
        assert!(has("content-length", why.len().to_string().as_bytes()));
    }
    assert!(
        bytes(&UpgradeError::Version.response())
            .windows(25)
            .any(|part| part == b"sec-websocket-version: 13")
    );
}

fn bytes(response: &Response) -> Vec<u8> {
    let mut writer = Writer::default();
    let (head, body) = writer.write(response, &HeaderSets::default(), 0);
    [head, body].concat()
}

#[test]
fn the_example_of_the_rfc() {
    assert_eq!(accept_key(KEY), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Our own splitting of the lines gives what httparse gave, whenever the head was accepted.
    #[test]
    fn headers_are_those_of_httparse(lines in prop::collection::vec("[a-zA-Z-]{1,3}:[ \ta-z:,\u{e9}]{0,6}", 0..5)) {
        let text = get(&[&["Host: a"], &lines.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
        let mut slots = [httparse::EMPTY_HEADER; 8];
        let mut expected = httparse::Request::new(&mut slots);
        expected.parse(text.as_bytes()).unwrap();
        let expected: Vec<_> = expected.headers.iter().map(|header| (header.name, header.value)).collect();
        let ours: Vec<_> = request(text.as_bytes()).headers().collect();
        prop_assert_eq!(ours, expected);
    }

    #[test]
    fn nothing_panics_and_a_sound_head_stays_so(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(b"\r\n :/GET HTTP1.host,".to_vec())], 0..200)
    ) {
        let bytes = [b"GET / HTTP/1.1\r\nHost: a\r\n", &bytes[..], b"\r\n\r\n"].concat();
        if let Head::Request(head) = parse(&bytes) {
            let _ = (head.headers().count(), head.path_and_query(), head.check_upgrade());
            // What follows the head, and more of it, changes nothing.
            prop_assert!(matches!(parse(&bytes[..head.len]), Head::Request(_)));
            prop_assert!(matches!(parse(&bytes[..head.len - 1]), Head::Incomplete));
        }
    }
}

#[test]
fn plain_requests() {
    let plain = |lines: &[&str]| {
        let bytes = get(lines);
        request(bytes.as_bytes()).plain().map(|plain| {
            (
                plain.length,
                plain.kind.map(<[u8]>::to_vec),
                plain.origin.map(<[u8]>::to_vec),
            )
        })
    };
    assert_eq!(plain(&["Host: a"]), Some((None, None, None)));
    assert_eq!(
        plain(&[
            "Host: a",
            "CONNECTION: Keep-Alive",
            "content-length: 12",
            "Content-Type: text/plain",
            "origin: http://a",
        ]),
        Some((
            Some(12),
            Some(b"text/plain".to_vec()),
            Some(b"http://a".to_vec())
        ))
    );
    for line in [
        "Connection: close",
        "Connection: keep-alive, close",
        "Connection: Upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "Transfer-Encoding: chunked",
    ] {
        assert_eq!(plain(&["Host: a", line]), None, "{line}");
    }
    let old = request(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(old.plain(), None);
}
