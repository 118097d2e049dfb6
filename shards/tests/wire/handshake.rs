//! The polling handshake, and HTTP around it (PROTOCOL.md 2.2).

use std::collections::HashSet;

use crate::support::http::{once, request};
use crate::support::{Http, POLL, Polling, Profile, Server, Ws, each, field};

/// The OPEN packet with exactly the official keys, in the official order.
fn open_packet(server: &Server, sid: &str, upgrades: &str) -> String {
    let [interval, timeout, _, _, largest] = server.profile.figures();
    format!(
        concat!(
            r#"0{{"sid":"{}","upgrades":[{}],"pingInterval":{},"#,
            r#""pingTimeout":{},"maxPayload":{}}}"#
        ),
        sid, upgrades, interval, timeout, largest
    )
}

fn is_sid(sid: &str) -> bool {
    sid.len() == 20
        && sid
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The OPEN packet has exactly five keys.
#[test]
fn the_open_packet_on_polling() {
    each(Profile::Calm, |server| {
        let response = once(server, "GET", POLL, "");
        let sid = field(response.text(), "sid").to_owned();
        assert!(is_sid(&sid), "{sid}");
        response.is_ok(&open_packet(server, &sid, r#""websocket""#));
    });
}

/// The first frame of a WebSocket session is OPEN, without upgrades.
#[test]
fn the_open_packet_on_websocket() {
    each(Profile::Calm, |server| {
        let (_ws, open) = Ws::open(server);
        let sid = field(&open, "sid");
        assert!(is_sid(sid), "{sid}");
        assert_eq!(open, open_packet(server, sid, ""));
    });
}

/// OPEN tells the configured `maxHttpBufferSize`, `pingInterval` and `pingTimeout`.
#[test]
fn the_open_packet_tells_the_configured_limits() {
    for profile in [Profile::Beats, Profile::Hasty, Profile::Small] {
        each(profile, |server| {
            let (_ws, open) = Ws::open(server);
            assert_eq!(open, open_packet(server, field(&open, "sid"), ""));
        });
    }
}

/// A polling handshake's status, type, length, `cache-control: no-store`, no cookie.
#[test]
fn the_headers_of_a_polling_handshake() {
    each(Profile::Calm, |server| {
        let response = once(server, "GET", POLL, "");
        assert_eq!(
            response.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let length = response.body.len().to_string();
        assert_eq!(response.header("content-length"), Some(length.as_str()));
        assert_eq!(response.header("set-cookie"), None);
        assert_eq!(response.header("content-encoding"), None);
    });
}

/// CVE-2020-28481: no CORS header unless one is configured, whatever the Origin.
#[test]
fn no_cors_headers_by_default() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        http.send(format!(
            "GET {POLL} HTTP/1.1\r\nHost: a\r\nOrigin: http://evil.example\r\n\r\n"
        ));
        let response = http.response();
        assert_eq!(response.status, 200);
        assert!(
            !response.head.to_lowercase().contains("access-control-"),
            "{}",
            response.head
        );
    });
}

/// CVE-2017-16031: session ids do not repeat, and no two share a long beginning and end.
#[test]
fn session_ids_differ() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        let mut sids = HashSet::new();
        let mut middles = HashSet::new();
        for n in 0..300 {
            if n % 50 == 0 {
                http = Http::connect(server); // so many unused sessions may one connection begin
            }
            let sid = field(http.get(POLL).text(), "sid").to_owned();
            assert!(is_sid(&sid), "{sid}");
            middles.insert(sid[4..14].to_owned());
            assert!(sids.insert(sid), "a session id came twice");
        }
        assert_eq!(
            middles.len(),
            300,
            "60 of the bits that should be random are not"
        );
    });
}

/// The Socket.IO id is not the Engine.IO sid: the public id does not give the secret one away.
#[test]
fn the_public_id_is_not_the_session_id() {
    each(Profile::Calm, |server| {
        let (mut ws, open) = Ws::open(server);
        let id = ws.join("40");
        assert_ne!(id, field(&open, "sid"));
        assert!(is_sid(&id), "{id}");
        let mut polling = Polling::open(server);
        polling.sid = id;
        polling.is_gone();
    });
}

/// `path` is matched as a prefix.
#[test]
fn a_longer_path_matches() {
    each(Profile::Calm, |server| {
        let response = once(server, "GET", "/socket.io/foo?EIO=4&transport=polling", "");
        assert_eq!(response.status, 200, "{response:?}");
        assert!(response.text().starts_with("0{"));
    });
}

/// Another path is 404 on a server with nothing else on its port.
#[test]
fn other_paths_are_404() {
    each(Profile::Calm, |server| {
        for path in [
            "/",
            "/socket.io",
            "/socket.iox/",
            "/engine.io/",
            "/SOCKET.IO/",
            "/x/../",
        ] {
            let target = format!("{path}?EIO=4&transport=polling");
            assert_eq!(once(server, "GET", &target, "").status, 404, "{path}");
        }
    });
}

/// A target in absolute form gets a whole answer, whichever it is.
#[test]
fn an_absolute_target_is_routed_or_404() {
    each(Profile::Calm, |server| {
        let target = format!("http://localhost{POLL}");
        let response = once(server, "GET", &target, "");
        match response.status {
            200 => assert!(response.text().starts_with(r#"0{"sid":""#), "{response:?}"),
            status => assert_eq!(status, 404, "{response:?}"),
        }
    });
}

/// Unknown query parameters are ignored, with and without a value.
#[test]
fn unknown_parameters_are_ignored() {
    each(Profile::Calm, |server| {
        for more in [
            "t=PqW7xyz",
            "t",
            "",
            "&",
            "foo=%F0%9F%98%80",
            "a=1&a=2",
            "x=%zz",
            "=1",
        ] {
            let response = once(server, "GET", &format!("{POLL}&{more}"), "");
            assert_eq!(response.status, 200, "{more:?}: {response:?}");
        }
    });
}

/// Of duplicate query parameters the last wins; escapes are undone first.
#[test]
fn the_last_duplicate_parameter_wins() {
    each(Profile::Calm, |server| {
        let good = [
            "EIO=3&EIO=4&transport=polling",
            "EIO=4&transport=abc&transport=polling",
            "EIO=4&transport=poll%69ng",
            "%45IO=4&transport=polling",
            "transport=polling&EIO=4&sid=",
        ];
        for query in good {
            let response = once(server, "GET", &format!("/socket.io/?{query}"), "");
            assert_eq!(response.status, 200, "{query}: {response:?}");
        }
        once(
            server,
            "GET",
            "/socket.io/?EIO=4&EIO=3&transport=polling",
            "",
        )
        .is_error(5);
        once(
            server,
            "GET",
            "/socket.io/?EIO=4&transport=polling&transport=x",
            "",
        )
        .is_error(0);
    });
}

/// RFC 9112 9.3: a connection is kept, also after an error; and two requests may be in flight.
#[test]
fn a_connection_serves_many_requests() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        for _ in 0..3 {
            assert_eq!(http.get(POLL).status, 200);
            http.get("/socket.io/?EIO=4&transport=x").is_error(0);
            assert_eq!(http.get("/elsewhere").status, 404);
        }
        http.send(request("GET", POLL, "") + &request("GET", "/elsewhere", ""));
        assert_eq!(http.response().status, 200);
        assert_eq!(http.response().status, 404);
    });
}

/// RFC 9112 9.6: `Connection: close` is answered, then obeyed.
#[test]
fn connection_close_is_obeyed() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        http.send(format!(
            "GET {POLL} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(http.response().status, 200);
        assert!(http.rest().0.is_empty());
    });
}

/// RFC 9112 9.3: an HTTP/1.0 client is answered, and the connection ends.
#[test]
fn http_1_0_is_answered_and_closed() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        http.send(format!("GET {POLL} HTTP/1.0\r\n\r\n"));
        let response = http.response();
        assert_eq!(response.status, 200);
        assert!(response.text().starts_with(r#"0{"sid":""#));
        assert!(http.rest().0.is_empty());
    });
}

/// The request head may come one byte at a time.
#[test]
fn a_request_head_byte_by_byte() {
    each(Profile::Calm, |server| {
        let mut http = Http::connect(server);
        for byte in request("GET", POLL, "").bytes() {
            http.send([byte]);
        }
        assert_eq!(http.response().status, 200);
    });
}
