//! Answers: is what is kept of a request what it said?

use super::*;

const CALLER: Caller = Caller {
    peer: Peer::Tcp(std::net::SocketAddr::new(
        IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        5,
    )),
    address: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    secure: false,
};

fn of(head: &str) -> Handshake {
    by(head, &CALLER)
}

fn by(head: &str, caller: &Caller) -> Handshake {
    let mut request = FirstRequest::new(head.as_bytes().into(), caller);
    request.issued_ms = 7;
    Handshake(View::Session(request))
}

#[test]
fn reads_its_head() {
    let handshake =
        of("GET /socket.io/?EIO=4&tag=a&tag=c%20d HTTP/1.1\r\nHost: x:1\r\nX-A:  b \r\n\r\n");
    assert_eq!(handshake.query("tag").as_deref(), Some("c d"));
    assert_eq!(handshake.query("none"), None);
    assert_eq!(handshake.header("host"), Some("x:1"));
    assert_eq!(handshake.header("x-a"), Some("b"));
    assert_eq!(handshake.headers().count(), 2);
}

/// Escapes mean the same in names and in values, as they do where the protocol reads its own.
#[test]
fn reads_escapes_in_the_names_of_parameters() {
    let handshake =
        of("GET /?user%20id=a%20b&%C3%A9=%C3%BC&a+b=8&tok%65n=x&=y&&z&a%3Db=c HTTP/1.1\r\n\r\n");
    for (name, value) in [
        ("user id", "a b"),
        ("é", "ü"),
        ("a b", "8"),
        ("token", "x"),
        ("", "y"),
        ("z", ""),
        ("a=b", "c"),
    ] {
        assert_eq!(handshake.query(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(handshake.query("tok%65n"), None);
    let names: Vec<_> = handshake.query_pairs().map(|(name, _)| name).collect();
    assert_eq!(names, ["user id", "é", "a b", "token", "", "z", "a=b"]);
    assert_eq!(of("GET / HTTP/1.1\r\n\r\n").query_pairs().count(), 0);
}

#[test]
fn is_an_object_with_the_official_names() {
    let handshake = of(
        "GET /x?a=1&a=2&b+c=%26 HTTP/1.1\r\nHost: y\r\nCookie: a=1\r\nX-F: 1\r\ncookie: b=2\r\nx-f: 2\r\n\r\n",
    );
    let expected = serde_json::json!({
        "address": "127.0.0.1",
        "issued": 7,
        "time": "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)",
        "xdomain": false,
        "secure": false,
        "url": "/x?a=1&a=2&b+c=%26",
        "query": { "a": ["1", "2"], "b c": "&" },
        "headers": { "host": "y", "cookie": "a=1; b=2", "x-f": "1, 2" },
    });
    assert_eq!(serde_json::to_value(&handshake).unwrap(), expected);
    let mut expected = expected;
    expected["auth"] = serde_json::json!({ "token": "x" });
    let of_socket = Handshake::of_socket(Rc::new(handshake), Some(r#"{"token":"x"}"#));
    assert_eq!(serde_json::to_value(&of_socket).unwrap(), expected);
}

#[test]
fn dates_are_javascripts() {
    let date = javascript_date(UNIX_EPOCH + Duration::from_secs(784_111_777));
    let expected = "Sun Nov 06 1994 08:49:37 GMT+0000 (Coordinated Universal Time)";
    assert_eq!(date, expected);
}

#[test]
fn who_asks() {
    let direct = of("GET / HTTP/1.1\r\nHost: y\r\nOrigin: http://x\r\n\r\n");
    assert!(direct.xdomain() && !direct.secure());
    assert_eq!(direct.address(), CALLER.address);
    assert_eq!(
        (direct.peer(), &*direct.client()),
        (CALLER.peer, "127.0.0.1:5")
    );
    assert!(direct.request().seldom.is_none(), "nothing is kept for it");
    let client = IpAddr::from([192, 0, 2, 1]);
    let behind = by(
        "GET / HTTP/1.1\r\nOrigin:\r\n\r\n",
        &Caller {
            address: Some(client),
            secure: true,
            ..CALLER
        },
    );
    assert!(!behind.xdomain() && behind.secure());
    assert_eq!(
        (behind.address(), behind.peer()),
        (Some(client), CALLER.peer)
    );
    assert_eq!(behind.client(), "192.0.2.1");
    let unix = by(
        "GET / HTTP/1.1\r\n\r\n",
        &Caller {
            peer: Peer::Unix,
            address: None,
            secure: false,
        },
    );
    assert_eq!((unix.address(), &*unix.client()), (None, "unix"));
    assert_eq!(
        serde_json::to_value(&unix).unwrap()["address"],
        serde_json::Value::Null
    );
}

#[test]
fn what_a_socket_joined_with() {
    let session = Rc::new(of("GET /x?a=1 HTTP/1.1\r\n\r\n"));
    assert_eq!(session.auth_json(), None);
    let nothing = Handshake::of_socket(Rc::clone(&session), None);
    assert_eq!((nothing.auth_json(), nothing.url()), (Some("{}"), "/x?a=1"));
    let some = Handshake::of_socket(session, Some(r#"{"age":7}"#));
    assert_eq!(some.auth::<BTreeMap<String, u32>>().unwrap()["age"], 7);
    assert_eq!(some.auth::<u32>(), None);
}

#[test]
fn a_map_has_all_values() {
    let handshake = of("GET /?b=1&a%20c=x&b=%C3%A9&d HTTP/1.1\r\n\r\n");
    let map = handshake.query_map();
    let map: Vec<_> = map
        .iter()
        .map(|(name, all)| (&**name, all.join("|")))
        .collect();
    let expected = [("a c", "x"), ("b", "1|é"), ("d", "")];
    assert_eq!(map, expected.map(|(name, all)| (name, all.to_owned())));
}

/// What one client costs: a session keeps one of these.
#[test]
fn it_has_not_grown() {
    assert!(size_of::<Handshake>() <= 64);
}

#[test]
fn four_kilobytes_are_kept() {
    let long = "\u{e9}".repeat(KEPT_BYTES / 2);
    let head = format!("GET /x?a=1 HTTP/1.1\r\nHost: y\r\nCookie: {long}\r\nX-A: b\r\n\r\n");
    let handshake = Handshake::kept(head.as_bytes(), &CALLER);
    let headers: Vec<_> = handshake.headers().collect();
    assert_eq!(headers, [("Host", "y"), ("X-A", "b")]);
    assert_eq!(handshake.url(), "/x?a=1");

    let query = "parameter=value&".repeat(1_000);
    let head = format!("GET /x?{query}last=1 HTTP/1.1\r\nHost: y\r\n\r\n");
    let handshake = Handshake::kept(head.as_bytes(), &CALLER);
    assert!(handshake.request().head.len() <= KEPT_BYTES);
    let pairs: Vec<_> = handshake.query_pairs().collect();
    assert!(pairs.len() > 250, "{}", pairs.len());
    assert!(
        pairs
            .iter()
            .all(|(name, value)| name == "parameter" && value == "value")
    );
    assert_eq!(
        Handshake::new(head.as_bytes(), &CALLER)
            .query("last")
            .as_deref(),
        Some("1")
    );
}

/// As many bytes are kept as came, and no replacements of three each.
#[test]
fn bytes_that_are_no_text_are_kept_as_they_are() {
    let head = b"GET / HTTP/1.1\r\nX-A: \xff\xfe\r\nX-B: c\r\n\r\n";
    let handshake = Handshake::kept(head, &CALLER);
    assert_eq!(*handshake.request().head, *head);
    assert_eq!(handshake.header("x-a"), None);
    assert_eq!(handshake.header_bytes("x-a"), Some(&b"\xff\xfe"[..]));
    assert_eq!(handshake.header("x-b"), Some("c"));
}
