//! Each form of a response, in bytes and for hyper.

use std::time::Duration;

use super::*;

/// What the writer writes, its date left out.
fn written(response: &Response, sets: &HeaderSets) -> String {
    let mut writer = Writer::default();
    let (head, rest) = writer.write(response, sets, 0);
    let text = String::from_utf8([head, rest].concat()).unwrap();
    let Some((before, after)) = text.split_once("date: ") else {
        return text;
    };
    format!("{before}{}", &after[DATE_BYTES + 2..])
}

/// What hyper is given, in the same form, and in the same order.
fn given(response: Response, sets: &HeaderSets) -> Vec<(String, String)> {
    let response = response.into_http(sets);
    let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), text(value)));
    headers.collect()
}

fn lines(pairs: &[(&'static str, &'static str)]) -> HeaderLines {
    let mut lines = HeaderLines::default();
    for (name, value) in pairs {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        lines.push(&name, &value);
    }
    lines
}

#[test]
fn dates() {
    let at = |seconds| {
        let date = date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        String::from_utf8(date.to_vec()).unwrap()
    };
    assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(at(951_868_799), "Tue, 29 Feb 2000 23:59:59 GMT");
    assert_eq!(at(253_402_300_799), "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(at(253_402_300_800), at(253_402_300_799));
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(9);
    assert_eq!(date(before)[..], *at(0).as_bytes());
}

#[test]
fn a_date_is_good_for_a_second() {
    let mut writer = Writer::default();
    let response = Response::status(StatusCode::OK);
    writer.write(&response, &HeaderSets::default(), 5_000);
    writer.date = [b'x'; DATE_BYTES];
    let mut is_kept = |now| {
        let (head, _) = writer.write(&response, &HeaderSets::default(), now);
        memchr::memmem::find(head, &[b'x'; DATE_BYTES]).is_some()
    };
    assert!(is_kept(5_999) && !is_kept(6_000));
}

#[test]
fn a_response_in_bytes() {
    let none = HeaderSets::default();
    let ok = Response::new(StatusCode::OK, "text/html", &b"ok"[..]);
    assert_eq!(
        written(&ok, &none),
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncache-control: no-store\r\n\
         content-length: 2\r\n\r\nok"
    );
    let empty = Response::status(StatusCode::PAYLOAD_TOO_LARGE).closing();
    assert_eq!(
        written(&empty, &none),
        "HTTP/1.1 413 Payload Too Large\r\ncache-control: no-store\r\nconnection: close\r\n\
         content-length: 0\r\n\r\n"
    );
    let body = vec![b'x'; COPIED_BYTES_MAX + 1];
    let large = Response::new(StatusCode::OK, "text/plain", body);
    let mut writer = Writer::default();
    let (head, rest) = writer.write(&large, &none, 0);
    assert!(head.ends_with(b"GMT\r\n\r\n") && rest.len() == COPIED_BYTES_MAX + 1);
}

#[test]
fn what_has_no_body_has_no_length() {
    let none = HeaderSets::default();
    let switching = Response::switching("c2VjcmV0", Some("chat"));
    assert_eq!(
        written(&switching, &none),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: c2VjcmV0\r\nSec-WebSocket-Protocol: chat\r\n\r\n"
    );
    let mut writer = Writer::default();
    assert!(
        !String::from_utf8_lossy(writer.write(&switching, &none, 0).0).contains("date"),
        "it is no answer yet"
    );
    let known = Response::status(StatusCode::NOT_MODIFIED);
    assert!(!written(&known, &none).contains("content-length"));
}

/// The server's set, the request's lines, the response's own: in bytes and for hyper alike.
#[test]
fn headers_from_all_three_places() {
    let mut sets = HeaderSets::default();
    let cross = [
        ("access-control-allow-origin", "http://a"),
        ("vary", "Origin"),
    ];
    let set = sets.add(lines(&cross)).unwrap();
    let other = sets.add(lines(&[("x-other", "1")])).unwrap();
    assert_ne!(set, other);
    let make = |options| {
        let mut response = Response::status(StatusCode::METHOD_NOT_ALLOWED).with("allow", "GET");
        response.options = options;
        response.closing()
    };
    let all = || ResponseOptions {
        encoding: None,
        set,
        lines: Some(Box::new(lines(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ]))),
    };
    assert_eq!(
        written(&make(all()), &sets),
        "HTTP/1.1 405 Method Not Allowed\r\ncache-control: no-store\r\nconnection: close\r\n\
         access-control-allow-origin: http://a\r\nvary: Origin\r\nset-cookie: a=1\r\n\
         set-cookie: b=2\r\nallow: GET\r\ncontent-length: 0\r\n\r\n"
    );
    let mut given = given(make(all()), &sets);
    given.sort();
    let expected = [
        ("access-control-allow-origin", "http://a"),
        ("allow", "GET"),
        ("cache-control", "no-store"),
        ("connection", "close"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("vary", "Origin"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(given, expected);
    let none = written(&make(ResponseOptions::default()), &sets);
    assert!(!none.contains("access-control"), "{none}");
}

/// What a connection's row keeps of a request.
#[test]
fn options_are_small() {
    assert_eq!(size_of::<ResponseOptions>(), 16);
    assert_eq!(HeaderLines::default().0.capacity(), 0);
}
