//! The WebSocket opening handshake (RFC 6455 4, PROTOCOL.md 2.4).

use crate::support::POLL;
use crate::support::ws::{ACCEPT, KEY, TEXT, ask, upgrade_request};
use crate::support::{Differs, Profile, Server, WS, Ws, each, field, masked, ours_only};

const FIN_TEXT: u8 = 0x80 | TEXT;

/// The usual request with one header line replaced, or removed by an empty one.
fn with(header: &str, line: &str) -> String {
    let request = upgrade_request(WS);
    let start = request.find(header).expect("the header is in the request");
    let end = start + request[start..].find("\r\n").expect("a line ends") + 2;
    let line = if line.is_empty() {
        String::new()
    } else {
        format!("{line}\r\n")
    };
    format!("{}{line}{}", &request[..start], &request[end..])
}

/// The answer to a handshake that is none: 400, and no session.
#[track_caller]
fn is_bad(server: &Server, request: &str) {
    let (_, response) = ask(server, request);
    assert_eq!(response.status, 400, "{request:?}: {response:?}");
}

/// RFC 6455 1.3: the accept key of the standard's own example, and no extension or protocol.
#[test]
fn the_accept_key() {
    each(Profile::Calm, |server| {
        let (_, response) = ask(server, &upgrade_request(WS));
        assert_eq!(response.status, 101);
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some(ACCEPT),
            "{}",
            response.head
        );
        let upgrade = response.header("upgrade").map(str::to_lowercase);
        assert_eq!(upgrade.as_deref(), Some("websocket"), "{}", response.head);
        let connection = response.header("connection").map(str::to_lowercase);
        assert_eq!(connection.as_deref(), Some("upgrade"), "{}", response.head);
        assert_eq!(response.header("sec-websocket-extensions"), None);
        assert_eq!(response.header("sec-websocket-protocol"), None);
    });
}

/// RFC 6455 4.2.1: names and tokens are compared without case, Connection is a list.
#[test]
fn tokens_are_compared_without_case() {
    each(Profile::Calm, |server| {
        let requests = [
            with("Upgrade:", "uPGRADE: WebSocket"),
            with("Connection:", "connection: keep-alive, Upgrade"),
            with("Connection:", "CONNECTION: upgrade"),
            with("Connection:", "Connection: foo,UPGRADE ,bar"),
        ];
        for request in requests {
            let (http, response) = ask(server, &request);
            assert_eq!(response.status, 101, "{request:?}: {response:?}");
            assert!(Ws { http }.text().starts_with("0{"));
        }
    });
}

/// RFC 6455 4.2.1: the key is 16 bytes in base64, or it is 400.
#[test]
fn a_key_that_is_not_16_bytes() {
    each(Profile::Calm, |server| {
        let keys = [
            "abc",
            "",
            "AAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAA=",
            "AAAAAAAAAAAAAAAAAAAAAAAA",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZ*==",
            "dGhlIHNhbXBsZSBub25jZQ==x",
        ];
        for key in keys {
            is_bad(
                server,
                &with("Sec-WebSocket-Key", &format!("Sec-WebSocket-Key: {key}")),
            );
        }
        is_bad(server, &with("Sec-WebSocket-Key", ""));
    });
}

/// RFC 6455 4.2.2: another version is 400 and says which version is spoken.
#[test]
fn another_version_is_told_13() {
    each(Profile::Calm, |server| {
        for version in ["12", "14", "0", "abc", "-13"] {
            let line = format!("Sec-WebSocket-Version: {version}");
            let (_, response) = ask(server, &with("Sec-WebSocket-Version", &line));
            assert_eq!(response.status, 400, "{version}: {response:?}");
            let told = response.header("sec-websocket-version").unwrap_or_default();
            assert!(
                told.split(',').any(|v| v.trim() == "13"),
                "{}",
                response.head
            );
        }
        is_bad(server, &with("Sec-WebSocket-Version", ""));
    });
}

/// RFC 6455 4.2.1: without `Connection: Upgrade` it is a plain GET, so code 3.
#[test]
fn no_connection_header() {
    each(Profile::Calm, |server| {
        let (_, response) = ask(server, &with("Connection:", ""));
        response.is_error(3);
        let (_, response) = ask(server, &with("Connection:", "Connection: keep-alive"));
        response.is_error(3);
    });
}

/// RFC 6455 4.2.1: an upgrade to anything else is no WebSocket.
#[test]
fn another_upgrade_is_refused() {
    each(Profile::Calm, |server| {
        for protocol in ["h2c", "websocketx", "web socket", "TLS/1.0"] {
            is_bad(server, &with("Upgrade:", &format!("Upgrade: {protocol}")));
        }
        is_bad(server, &with("Upgrade:", ""));
    });
}

/// RFC 6455 4.1: a WebSocket request is HTTP/1.1 at least.
#[test]
fn an_upgrade_over_http_1_0_is_no_websocket() {
    each(Profile::Calm, |server| {
        let request = upgrade_request(WS).replace("HTTP/1.1", "HTTP/1.0");
        let (_, response) = ask(server, &request);
        assert!([101, 400].contains(&response.status), "{response:?}");
    });
}

/// GHSA-5v72-xg48-5rpm: hostile extension offers are ignored or refused.
#[test]
fn hostile_extension_offers() {
    each(Profile::Calm, |server| {
        let offers = [
            "constructor",
            "__proto__",
            "permessage-deflate; x=\"",
            ",,,",
            "a; b; c=1",
        ];
        for offer in offers {
            let line = format!("Upgrade: websocket\r\nSec-WebSocket-Extensions: {offer}");
            let (_, response) = ask(server, &with("Upgrade:", &line));
            assert!(
                [101, 400].contains(&response.status),
                "{offer}: {response:?}"
            );
            assert_eq!(response.header("sec-websocket-extensions"), None);
        }
    });
}

/// `permessage-deflate` is off by default, so the offer is not taken up.
#[test]
fn compression_is_not_negotiated() {
    each(Profile::Calm, |server| {
        let offer = "permessage-deflate; client_max_window_bits";
        let line = format!("Upgrade: websocket\r\nSec-WebSocket-Extensions: {offer}");
        let (http, response) = ask(server, &with("Upgrade:", &line));
        assert_eq!(response.status, 101);
        assert_eq!(
            response.header("sec-websocket-extensions"),
            None,
            "{}",
            response.head
        );
        let mut ws = Ws { http };
        ws.text();
        ws.join("40");
    });
}

/// Of the offered subprotocols the first is taken, or none.
#[test]
fn subprotocols() {
    each(Profile::Calm, |server| {
        let line = "Upgrade: websocket\r\nSec-WebSocket-Protocol: first, second";
        let (_, response) = ask(server, &with("Upgrade:", line));
        assert_eq!(response.status, 101, "{response:?}");
        let taken = response.header("sec-websocket-protocol");
        assert!([None, Some("first")].contains(&taken), "{}", response.head);
    });
}

/// The same on a connection that was used before, as a proxy's is: a browser whose offer is not answered
/// closes.
#[test]
fn subprotocols_on_a_used_connection() {
    each(Profile::Calm, |server| {
        for before in ["/elsewhere", POLL] {
            let mut http = crate::support::Http::connect(server);
            http.get(before);
            let line = "Upgrade: websocket\r\nSec-WebSocket-Protocol: first, second";
            http.send(with("Upgrade:", line));
            let response = http.response();
            assert_eq!(response.status, 101, "{response:?}");
            let taken = response.header("sec-websocket-protocol");
            assert_eq!(taken, Some("first"), "{}", response.head);
            assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
            let mut ws = Ws { http };
            ws.text();
            ws.join("40");
        }
    });
}

/// RFC 6455 4.1, 4.2.1: the offer is a list of different tokens; empty elements are refused as by Node.
#[test]
fn bad_subprotocols() {
    each(Profile::Calm, |server| {
        for offer in [
            "a,,b",
            "a,",
            ",a",
            "a, ,b",
            "a,a",
            "a, b, a",
            "a b",
            "\"a\"",
            "",
            "a\r\nSec-WebSocket-Protocol: a",
        ] {
            let line = format!("Upgrade: websocket\r\nSec-WebSocket-Protocol: {offer}");
            let request = with("Upgrade:", &line);
            let (_, response) = ask(server, &request);
            assert_eq!(response.status, 400, "{offer:?}: {response:?}");
            let mut http = crate::support::Http::connect(server);
            http.get("/elsewhere");
            http.send(&request);
            assert_eq!(http.response().status, 400, "{offer:?}, later");
        }
        let two = "Upgrade: websocket\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b";
        let (_, response) = ask(server, &with("Upgrade:", two));
        assert_eq!(response.header("sec-websocket-protocol"), Some("a"));
    });
}

/// CVE-2021-32640: thousands of spaces in the subprotocols are answered, in linear time.
#[test]
fn a_subprotocol_of_spaces() {
    each(Profile::Calm, |server| {
        let spaces = " ".repeat(12_000);
        let line = format!("Upgrade: websocket\r\nSec-WebSocket-Protocol: a{spaces}b");
        let (_, response) = ask(server, &with("Upgrade:", &line));
        assert!([101, 400, 431].contains(&response.status), "{response:?}");
    });
}

/// RFC 6455 4.1: the request may come one byte at a time.
#[test]
fn an_upgrade_byte_by_byte() {
    each(Profile::Calm, |server| {
        let mut http = crate::support::Http::connect(server);
        for byte in upgrade_request(WS).bytes() {
            http.send([byte]);
        }
        assert_eq!(http.response().status, 101);
        let mut ws = Ws { http };
        ws.text();
        ws.join("40");
    });
}

/// Frames in the same segment as the request are not lost.
#[test]
fn frames_with_the_upgrade_request() {
    ours_only(Differs::SameSegment, Profile::Calm, |server| {
        let mut bytes = upgrade_request(WS).into_bytes();
        bytes.extend(masked(FIN_TEXT, b"40"));
        bytes.extend(masked(FIN_TEXT, br#"42["echo",1]"#));
        let mut http = crate::support::Http::connect(server);
        http.send(bytes);
        assert_eq!(http.response().status, 101);
        let mut ws = Ws { http };
        assert!(ws.text().starts_with("0{"));
        assert!(ws.text().starts_with(r#"40{"sid":""#));
        ws.expect_text(r#"42["auth",{}]"#);
        ws.expect_text(r#"42["echo",1]"#);
    });
}

/// Half a frame with the request, the other half later.
#[test]
fn half_a_frame_with_the_upgrade_request() {
    each(Profile::Calm, |server| {
        let frame = masked(FIN_TEXT, b"40");
        for cut in 1..frame.len() {
            let mut bytes = upgrade_request(WS).into_bytes();
            bytes.extend(&frame[..cut]);
            let mut http = crate::support::Http::connect(server);
            http.send(bytes);
            assert_eq!(http.response().status, 101);
            let mut ws = Ws { http };
            assert!(ws.text().starts_with("0{"));
            ws.raw(&frame[cut..]);
            assert!(ws.text().starts_with(r#"40{"sid":""#), "cut at {cut}");
        }
    });
}

/// RFC 6455 4.1: a key that was used before is no secret; every connection has its own session.
#[test]
fn the_same_key_twice() {
    each(Profile::Calm, |server| {
        let (_a, first) = Ws::open(server);
        let (_b, second) = Ws::open(server);
        assert_ne!(field(&first, "sid"), field(&second, "sid"), "{KEY}");
    });
}

/// A client that hangs up right after its request harms nobody.
#[test]
fn a_client_that_leaves_during_the_handshake() {
    each(Profile::Calm, |server| {
        for _ in 0..20 {
            let mut http = crate::support::Http::connect(server);
            http.send(upgrade_request(WS));
            http.finish();
            // Half a connection: answered as one that is open, or ended as one that is gone.
            if let Ok(response) = http.try_response() {
                assert_eq!(response.status, 101, "{response:?}");
                Ws { http }.ends();
            }
        }
    });
}
