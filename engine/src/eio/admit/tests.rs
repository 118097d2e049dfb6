//! The judge's table: each check alone, and each pair of checks in its order.

use alloc::{format, vec, vec::Vec};

use super::*;
use crate::id::ShardId;

const ORIGIN: &[u8] = b"http://a";
const BAD: &[u8] = b"\x01";

/// Judges a request; the queries of the table have `SID` where a sid is to be.
fn judged(query: &str, method: Method, upgrade: bool, origin: &[u8]) -> Result<Ask, Refusal> {
    judged_by(&Config::default(), query, method, upgrade, origin)
}

fn judged_by(
    config: &Config,
    query: &str,
    method: Method,
    upgrade: bool,
    origin: &[u8],
) -> Result<Ask, Refusal> {
    let text = sid().text();
    let query = query.replace("SID", core::str::from_utf8(&text).unwrap());
    let facts = Facts {
        method,
        upgrade,
        origin: Some(origin),
    };
    judge(&Query::parse(&query), facts, config).map_err(Check::refusal)
}

fn sid() -> Sid {
    Sid::new(ShardId(3), [7; 14])
}

#[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
fn open(transport: Transport, version: Result<(), Refusal>) -> Result<Ask, Refusal> {
    Ok(Ask::Open { transport, version })
}

#[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
fn of_session(want: Result<Want, Refusal>) -> Result<Ask, Refusal> {
    Ok(Ask::Session { sid: sid(), want })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_asked_for() {
    use Method::{Get, Other, Post};
    let table = [
        // Sessions begin.
        (
            "EIO=4&transport=polling",
            Get,
            false,
            open(Transport::Polling, Ok(())),
        ),
        (
            "EIO=4&transport=polling&sid=",
            Get,
            false,
            open(Transport::Polling, Ok(())),
        ),
        (
            "EIO=4&transport=polling&sid",
            Get,
            false,
            open(Transport::Polling, Ok(())),
        ),
        (
            "EIO=4&transport=websocket",
            Get,
            true,
            open(Transport::WebSocket, Ok(())),
        ),
        // The application is asked before the version.
        (
            "EIO=3&transport=polling",
            Get,
            false,
            open(Transport::Polling, Err(Refusal::UnsupportedVersion)),
        ),
        (
            "transport=websocket",
            Get,
            true,
            open(Transport::WebSocket, Err(Refusal::UnsupportedVersion)),
        ),
        // Sessions go on.
        (
            "EIO=4&transport=polling&sid=SID",
            Get,
            false,
            of_session(Ok(Want::Get)),
        ),
        (
            "EIO=4&transport=polling&sid=SID",
            Post,
            false,
            of_session(Ok(Want::Post)),
        ),
        (
            "EIO=4&transport=polling&sid=SID",
            Other,
            false,
            of_session(Ok(Want::Unserved)),
        ),
        (
            "EIO=4&transport=websocket&sid=SID",
            Get,
            true,
            of_session(Ok(Want::Probe)),
        ),
        // RFC 6455 refuses this one, after the protocol has been asked.
        (
            "EIO=4&transport=websocket&sid=SID",
            Post,
            true,
            of_session(Ok(Want::Probe)),
        ),
        // Whether there is such a session is said before what is wrong with the rest.
        (
            "EIO=4&transport=websocket&sid=SID",
            Get,
            false,
            of_session(Err(Refusal::BadRequest)),
        ),
        (
            "EIO=4&transport=polling&sid=SID",
            Get,
            true,
            of_session(Err(Refusal::BadRequest)),
        ),
        (
            "EIO=3&transport=polling&sid=SID",
            Post,
            false,
            of_session(Err(Refusal::BadRequest)),
        ),
        (
            "transport=websocket&sid=SID",
            Get,
            true,
            of_session(Err(Refusal::BadRequest)),
        ),
        (
            "EIO=4&transport=websocket&sid=SID",
            Other,
            false,
            of_session(Err(Refusal::BadRequest)),
        ),
        (
            "EIO=3&transport=polling&sid=SID",
            Other,
            false,
            of_session(Err(Refusal::BadRequest)),
        ),
    ];
    for (query, method, upgrade, asked) in table {
        assert_eq!(
            judged(query, method, upgrade, ORIGIN),
            asked,
            "{method:?} {query}"
        );
    }
}

/// Every request that breaks several rules is refused for the first in the official order.
#[test]
fn the_first_check_that_fails_counts() {
    // For each check, from the first to the last: how a request fails it, and what it is told.
    let wrong_transport = [
        "",
        "transport=",
        "transport=constructor",
        "transport=webtransport",
    ];
    let wrong_sid = ["sid=x", "sid=__proto__", "sid=%00"];
    for transport in wrong_transport {
        for rest in ["", "&sid=x", "&EIO=3", "&sid=SID"] {
            for (method, upgrade, origin) in [
                (Method::Get, false, ORIGIN),
                (Method::Other, true, BAD),
                (Method::Post, false, BAD),
            ] {
                let query = format!("{transport}{rest}");
                let judged = judged(&query, method, upgrade, origin);
                assert_eq!(judged, Err(Refusal::TransportUnknown), "{query}");
            }
        }
    }
    for rest in ["", "&sid=x", "&EIO=3", "&sid=SID"] {
        let query = format!("transport=polling{rest}");
        for (method, upgrade) in [(Method::Get, false), (Method::Other, true)] {
            let judged = judged(&query, method, upgrade, BAD);
            assert_eq!(judged, Err(Refusal::BadRequest), "{query}");
        }
    }
    for sid in wrong_sid {
        for (method, upgrade) in [(Method::Get, false), (Method::Other, true)] {
            let judged = judged(&format!("transport=polling&{sid}"), method, upgrade, ORIGIN);
            assert_eq!(judged, Err(Refusal::SessionUnknown), "{sid}");
        }
    }
    for method in [Method::Post, Method::Other] {
        for (query, upgrade) in [
            ("transport=polling&EIO=3", true),
            ("transport=websocket", false),
        ] {
            let judged = judged(query, method, upgrade, ORIGIN);
            assert_eq!(judged, Err(Refusal::BadMethod), "{query}");
        }
    }
    for (query, upgrade) in [
        ("transport=websocket&EIO=3", false),
        ("transport=websocket&EIO=4", false),
        ("transport=polling&EIO=4", true),
    ] {
        let judged = judged(query, Method::Get, upgrade, ORIGIN);
        assert_eq!(judged, Err(Refusal::BadRequest), "{query}");
    }
}

#[test]
fn transports_that_are_not_offered() {
    let config = Config {
        polling: false,
        ..Config::default()
    };
    let judged = |query, upgrade| judged_by(&config, query, Method::Get, upgrade, ORIGIN);
    let polling = judged("EIO=4&transport=polling", false);
    assert_eq!(polling, Err(Refusal::TransportUnknown));
    let websocket = judged("EIO=4&transport=websocket", true);
    assert_eq!(websocket, open(Transport::WebSocket, Ok(())));
}

#[test]
fn origins_with_control_characters() {
    let judged = |origin: &[u8]| judged("EIO=4&transport=polling", Method::Get, false, origin);
    for byte in 0..=u8::MAX {
        let origin: Vec<u8> = vec![b'a', byte];
        let is_control = byte != b'\t' && (byte < 0x20 || byte == 0x7f);
        assert_eq!(judged(&origin).is_err(), is_control, "{byte:#x}");
    }
}

#[test]
fn the_last_duplicate_counts_and_escapes_are_read() {
    let query = "EIO=3&transport=x&EIO=4&t=abc&transport=poll%69ng";
    let judged = judged(query, Method::Get, false, ORIGIN);
    assert_eq!(judged, open(Transport::Polling, Ok(())));
    assert!(!Query::parse(query).is_text_only());
    assert!(Query::parse("b64=1&x=2").is_text_only());
    assert!(!Query::parse("b64=1&b64=").is_text_only());
}

#[test]
fn names_have_a_case() {
    use Method::{Get, Other, Post};
    let names = ["GET", "POST", "get", "HEAD", "OPTIONS", ""];
    let methods = names.map(Method::named);
    assert_eq!(methods, [Get, Post, Other, Other, Other, Other]);
}

#[test]
fn paths_match_by_their_beginning() {
    let is = |path: &str| is_under("/socket.io/", path);
    assert!(is("/socket.io/") && is("/socket.io/x/y"));
    let others = [
        "/socket.io",
        "/",
        "",
        "/Socket.io/",
        "/socket%2Eio/",
        "//socket.io/",
    ];
    let none: Vec<&str> = others.into_iter().filter(|path| is(path)).collect();
    assert!(none.is_empty(), "{none:?}");
}
