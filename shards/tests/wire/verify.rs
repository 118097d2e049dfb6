//! The order of the checks on a request, and the official error bodies (PROTOCOL.md 2.2).

use crate::support::http::{MESSAGES, once, request};
use crate::support::node_differs;
use crate::support::ws::{ask, upgrade_request};
use crate::support::{Differs, Http, POLL, Polling, Profile, Response, Server, Ws, each, field};
use crate::support::{WS, ours_only};

const UNKNOWN: &str = "AAAAAAAAAAAAAAAAAAAA";

fn get(server: &Server, query: &str) -> Response {
    once(server, "GET", &format!("/socket.io/?{query}"), "")
}

/// A transport that is not offered is code 0, `webtransport` too.
#[test]
fn an_unknown_transport_is_code_0() {
    each(Profile::Calm, |server| {
        for name in [
            "abc",
            "",
            "Polling",
            "webtransport",
            "flashsocket",
            "polling%00",
            "%20polling",
        ] {
            get(server, &format!("EIO=4&transport={name}")).is_error(0);
        }
        get(server, "EIO=4").is_error(0);
        get(server, "").is_error(0);
        once(server, "GET", "/socket.io/", "").is_error(0);
    });
}

/// The transport is looked up by its exact name: names of object properties are unknown.
#[test]
fn inherited_names_are_no_transports() {
    each(Profile::Calm, |server| {
        for name in ["constructor", "__proto__", "toString", "hasOwnProperty"] {
            get(server, &format!("EIO=4&transport={name}")).is_error(0);
        }
    });
}

/// An unknown sid is code 1.
#[test]
fn an_unknown_sid_is_code_1() {
    each(Profile::Calm, |server| {
        let long = "a".repeat(2000);
        for sid in [
            UNKNOWN,
            "x",
            "__proto__",
            "constructor",
            "..%2F",
            "%00",
            "%F0%9F%98%80",
            &long,
        ] {
            get(server, &format!("EIO=4&transport=polling&sid={sid}")).is_error(1);
        }
    });
}

/// A sid is compared whole.
#[test]
fn a_sid_that_is_nearly_right_is_code_1() {
    each(Profile::Calm, |server| {
        let session = Polling::open(server);
        let sid = &session.sid;
        for sid in [
            &sid[1..],
            &sid[..19],
            &format!("{sid}A"),
            &format!("%20{sid}"),
        ] {
            get(server, &format!("EIO=4&transport=polling&sid={sid}")).is_error(1);
        }
        assert!(session.is_known());
    });
}

/// A handshake by any method but GET is code 2.
#[test]
fn a_handshake_must_be_get() {
    each(Profile::Calm, |server| {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            once(server, method, POLL, "").is_error(2);
        }
        let head = once(server, "HEAD", POLL, "");
        assert_eq!(head.status, 400, "{head:?}");
    });
}

/// `transport=websocket` without an upgrade is code 3.
#[test]
fn websocket_without_upgrade_is_code_3() {
    each(Profile::Calm, |server| {
        once(server, "GET", WS, "").is_error(3);
    });
}

/// A protocol version other than 4 is code 5.
#[test]
fn another_protocol_version_is_code_5() {
    each(Profile::Calm, |server| {
        for version in [
            "EIO=3", "EIO=2", "EIO=5", "EIO=", "EIO=abc", "EIO=44", "x=4", "EIO=-4",
        ] {
            get(server, &format!("{version}&transport=polling")).is_error(5);
        }
    });
}

/// The checks have an order: transport before sid, sid before method.
#[test]
fn transport_then_sid_then_method() {
    each(Profile::Calm, |server| {
        get(server, &format!("EIO=3&transport=x&sid={UNKNOWN}")).is_error(0);
        get(server, &format!("EIO=3&transport=websocket&sid={UNKNOWN}")).is_error(1);
        let target = format!("/socket.io/?EIO=3&transport=polling&sid={UNKNOWN}");
        once(server, "DELETE", &target, "").is_error(1);
        once(server, "POST", "/socket.io/?EIO=3&transport=x", "").is_error(0);
    });
}

/// The checks have an order: method before transport kind, both before the version.
#[test]
fn method_then_upgrade_then_version() {
    each(Profile::Calm, |server| {
        once(server, "POST", "/socket.io/?EIO=3&transport=polling", "").is_error(2);
        once(server, "POST", "/socket.io/?EIO=3&transport=websocket", "").is_error(2);
        get(server, "EIO=3&transport=websocket").is_error(3);
    });
}

/// A transport that is not the session's is code 3, both ways.
#[test]
fn another_transport_than_the_sessions_is_code_3() {
    each(Profile::Calm, |server| {
        let session = Polling::open(server);
        get(
            server,
            &format!("EIO=4&transport=websocket&sid={}", session.sid),
        )
        .is_error(3);
        assert!(session.is_known());
        let (mut ws, open) = Ws::open(server);
        let target = format!("{POLL}&sid={}", field(&open, "sid"));
        once(server, "GET", &target, "").is_error(3);
        once(server, "POST", &target, "40").is_error(3);
        ws.join("40");
    });
}

/// engine.io 6.6.10: another EIO on a session's request is code 3.
#[test]
fn another_version_than_the_sessions_is_code_3() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        for version in ["EIO=3", "EIO=5", "x=4"] {
            let query = format!("{version}&transport=polling&sid={}", session.sid);
            get(server, &query).is_error(3);
            for method in ["POST", "DELETE"] {
                once(server, method, &format!("/socket.io/?{query}"), "2").is_error(3);
            }
        }
        session.echoes("still here");
    });
}

/// A method other than GET and POST with a sid is refused, and the session goes on.
#[test]
fn another_method_on_a_session() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let status = if node_differs(Differs::Method) {
            500
        } else {
            405
        };
        for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
            once(server, method, &session.target(), "").is_empty(status);
        }
        assert_eq!(once(server, "HEAD", &session.target(), "").status, status);
        session.echoes("still here");
    });
}

/// RFC 9110 15.5.6: a 405 says which methods there are.
#[test]
fn the_405_names_the_methods() {
    ours_only(Differs::Method, Profile::Calm, |server| {
        let session = Polling::open(server);
        let response = once(server, "DELETE", &session.target(), "");
        let allow = response.header("allow").unwrap_or_default();
        assert!(
            allow.contains("GET") && allow.contains("POST"),
            "{}",
            response.head
        );
    });
}

/// The `Origin` header: control characters are refused, Latin-1 is not.
#[test]
fn an_origin_with_control_characters_is_refused() {
    each(Profile::Calm, |server| {
        for bad in [&b"\x01"[..], b"a\x7fb", b"\x1f"] {
            let mut http = Http::connect(server);
            http.send(format!("GET {POLL} HTTP/1.1\r\nHost: a\r\nOrigin: "));
            http.send(bad);
            http.send("\r\n\r\n");
            assert_eq!(http.response().status, 400, "{bad:?}");
        }
        let mut http = Http::connect(server);
        http.send(format!("GET {POLL} HTTP/1.1\r\nHost: a\r\nOrigin: http://"));
        http.send(b"caf\xe9\r\n\r\n");
        assert_eq!(http.response().status, 200);
    });
}

/// Asserts the raw refusal of an upgrade, byte by byte, and the end of the connection.
#[track_caller]
fn refused(server: &Server, request: &str, code: u8) {
    let message = MESSAGES[usize::from(code)];
    let (mut http, response) = ask(server, request);
    assert_eq!(
        (response.status, response.text()),
        (400, message),
        "{}",
        response.head
    );
    let head = response.head.to_lowercase();
    assert!(head.starts_with("http/1.1 400 bad request\r\n"), "{head}");
    assert_eq!(response.header("connection"), Some("close"), "{head}");
    assert_eq!(response.header("content-type"), Some("text/html"), "{head}");
    let length = message.len().to_string();
    assert_eq!(
        response.header("content-length"),
        Some(length.as_str()),
        "{head}"
    );
    assert!(http.rest().0.is_empty());
}

/// CVE-2023-31125: an upgrade with an unknown or missing transport is 400.
#[test]
fn an_upgrade_with_an_unknown_transport() {
    each(Profile::Calm, |server| {
        for query in [
            "EIO=4&transport=abc",
            "EIO=4",
            "",
            "EIO=4&transport=__proto__",
        ] {
            refused(server, &upgrade_request(&format!("/socket.io/?{query}")), 0);
        }
    });
}

/// An upgrade with an unknown sid is 400 before 101.
#[test]
fn an_upgrade_with_an_unknown_sid() {
    each(Profile::Calm, |server| {
        for sid in [UNKNOWN, "__proto__", "constructor"] {
            refused(server, &upgrade_request(&format!("{WS}&sid={sid}")), 1);
        }
    });
}

/// An upgrade by POST is 400, before any session exists.
#[test]
fn an_upgrade_by_post() {
    each(Profile::Calm, |server| {
        refused(server, &upgrade_request(WS).replacen("GET", "POST", 1), 2);
    });
}

/// engine.io 6.6.10: another EIO than the session's is 400.
#[test]
fn an_upgrade_with_another_version_than_the_sessions() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let target = format!("/socket.io/?EIO=3&transport=websocket&sid={}", session.sid);
        refused(server, &upgrade_request(&target), 3);
        session.echoes("still here");
    });
}

/// EIO 3 on a WebSocket is refused before 101.
#[test]
fn an_upgrade_with_another_version() {
    ours_only(Differs::RefusedBefore101, Profile::Calm, |server| {
        for version in ["EIO=3", "x=1", "EIO=5"] {
            let target = format!("/socket.io/?{version}&transport=websocket");
            refused(server, &upgrade_request(&target), 5);
        }
    });
}

/// An upgrade of `transport=polling` is refused before 101.
#[test]
fn an_upgrade_for_polling() {
    ours_only(Differs::RefusedBefore101, Profile::Calm, |server| {
        refused(server, &upgrade_request(POLL), 3);
        let session = Polling::open(server);
        refused(server, &upgrade_request(&session.target()), 3);
        assert!(session.is_known());
    });
}

/// `sid=` is no sid.
#[test]
fn an_empty_sid_is_a_handshake() {
    each(Profile::Calm, |server| {
        assert_eq!(get(server, "EIO=4&transport=polling&sid=").status, 200);
        let (_ws, open) = Ws::open(server);
        assert!(!field(&open, "sid").is_empty());
        let mut http = Http::connect(server);
        http.send(request("GET", &format!("{POLL}&sid"), ""));
        assert_eq!(http.response().status, 200);
    });
}
