//! A later request is judged like a first one (RFC 9112 11.2), whatever came before it on its connection.
//! A proxy's connections carry the requests of many clients, one behind the other.

use crate::support::http::request;
use crate::support::{
    Differs, Http, POLL, Polling, Profile, Server, WS, await_that, ours_only, show,
};

/// What has come before on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A path of nobody's, a page's.
    Elsewhere,
    /// Long-polling of the same session.
    Same,
    /// Long-polling of many sessions, on whichever shards they live.
    Strangers,
    /// A request with a body, for which hyper does not ask.
    Body,
}

const BEFORE: [Before; 5] = [
    Before::Nothing,
    Before::Elsewhere,
    Before::Same,
    Before::Strangers,
    Before::Body,
];

/// A connection on which this has come.
fn behind(session: &Polling<'_>, others: &[Polling<'_>], before: Before) -> Http {
    let mut http = Http::connect(session.server);
    match before {
        Before::Nothing => {}
        Before::Elsewhere => assert_eq!(http.get("/elsewhere").status, 404),
        Before::Same => http.post(&session.target(), "3").is_ok("ok"),
        Before::Strangers => {
            for other in others {
                http.post(&other.target(), "3").is_ok("ok");
            }
        }
        Before::Body => {
            let body = "GET /socket.io/ HTTP/1.1\r\n";
            assert_eq!(http.request("PUT", "/elsewhere", body).status, 404);
            http.get("/elsewhere");
        }
    }
    http
}

/// Requests whose head is refused, each with its status.
fn bad_heads(target: &str) -> Vec<(u16, String)> {
    let get = |headers: &str| format!("GET {target} HTTP/1.1\r\n{headers}\r\n\r\n");
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n");
    let many = "X: y\r\n".repeat(100);
    vec![
        (400, format!("GET {target} HTTP/1.1\nHost: a\n\n")),
        (400, get("Host: a\nX: b")),
        (400, get("Host: a\r\nHost: b")),
        (400, get("Host: a\r\nHost: a")),
        (400, get("X: a")),
        (400, get("Host: a\r\nX : b")),
        (400, get("Host: a\r\nX: b\r\n folded")),
        (400, get("Host: a\r\nX: b\rc")),
        (400, line("GET  / HTTP/1.1")),
        (400, line(&format!("GET ://a{target} HTTP/1.1"))),
        (400, line("GET elsewhere HTTP/1.1")),
        (505, line(&format!("GET {target} HTTP/1.2"))),
        (431, get(&format!("Host: a\r\nX: {}", "x".repeat(20_000)))),
        (431, get(&format!("Host: a\r\n{many}X: y"))),
    ]
}

/// Requests with an end that may be read in two ways, or in none.
fn bad_lengths(target: &str) -> Vec<(u16, String)> {
    let post = |headers: &str| format!("POST {target} HTTP/1.1\r\nHost: a{headers}\r\n\r\n");
    let chunks = "1\r\n3\r\n0\r\n\r\n";
    let coded = |codings: &[&str]| {
        let lines = codings
            .iter()
            .map(|coding| format!("\r\nTransfer-Encoding: {coding}"));
        post(&lines.collect::<String>()) + chunks
    };
    let (length, chunked) = ("\r\nContent-Length: 11", "\r\nTransfer-Encoding: chunked");
    let all = [
        post("\nContent-Length: 1") + "3",
        post("\r\nContent-Length: 1\r\nContent-Length: 1") + "3",
        post("\r\nContent-Length: 1\r\nContent-Length: 2") + "3",
        post("\r\nContent-Length: +1") + "3",
        post("\r\nContent-Length: 99999999999999999999") + "3",
        post(&format!("{length}{chunked}")) + chunks,
        post(&format!("{chunked}{length}")) + chunks,
        coded(&["gzip, chunked"]),
        coded(&["chunked, chunked"]),
        coded(&["chunked", "chunked"]),
        coded(&["identity"]),
        format!("POST {target} HTTP/1.0{chunked}\r\n\r\n{chunks}"),
    ];
    all.into_iter().map(|bytes| (400, bytes)).collect()
}

/// The request is refused, and nothing behind it on the connection is served.
#[track_caller]
fn is_refused(http: &mut Http, status: u16, bytes: &str, what: &str) {
    http.send(bytes);
    let response = http.response();
    assert_eq!(
        response.status,
        status,
        "{what}: {} {response:?}",
        show(bytes.as_bytes())
    );
    assert_eq!(
        response.header("connection"),
        Some("close"),
        "{what}: {}",
        show(bytes.as_bytes())
    );
    http.send(request("GET", POLL, ""));
    http.finish();
    let (rest, _) = http.rest();
    assert!(
        rest.is_empty(),
        "{what}: {}: then {}",
        show(bytes.as_bytes()),
        show(&rest)
    );
}

fn sessions(server: &Server) -> Vec<Polling<'_>> {
    (0..6).map(|_| Polling::joined(server)).collect()
}

/// RFC 9112 2.2, 3.2, 5.1, 6.1, 6.3: every rule, at every place of a connection.
#[test]
fn judged_like_first_ones() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        let others = sessions(server);
        let mut session = Polling::joined(server);
        for target in [session.target(), "/elsewhere".to_owned()] {
            for (status, bytes) in [bad_heads(&target), bad_lengths(&target)].concat() {
                for before in BEFORE {
                    let mut http = behind(&session, &others, before);
                    is_refused(&mut http, status, &bytes, &format!("{before:?}"));
                }
            }
        }
        session.echoes("nothing was posted");
    });
}

/// A WebSocket request that is refused, by the first check or by the last: in one form, whatever has come
/// before.
#[test]
fn websocket_requests_are_refused_like_first_ones() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        let others = sessions(server);
        let session = Polling::joined(server);
        for (query, message) in [
            ("EIO=4&transport=abc", "Transport unknown"),
            ("EIO=4&transport=websocket&sid=abc", "Session ID unknown"),
            ("EIO=4&transport=polling", "Bad request"),
            ("EIO=3&transport=websocket", "Unsupported protocol version"),
        ] {
            let target = format!("/socket.io/?{query}");
            let bytes = crate::support::ws::upgrade_request(&target);
            for before in BEFORE {
                let mut http = behind(&session, &others, before);
                http.send(&bytes);
                let response = http.response();
                let told = (response.status, response.text());
                assert_eq!(told, (400, message), "{before:?}: {}", response.head);
                for (name, value) in [("connection", "close"), ("content-type", "text/html")] {
                    let has = response.header(name);
                    assert_eq!(has, Some(value), "{before:?}: {}", response.head);
                }
                assert!(http.rest().0.is_empty());
            }
        }
    });
}

/// The same whatever the pieces are that the bytes come in, and if they come with those before.
#[test]
fn judged_in_any_pieces() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        let bad = b"GET /elsewhere HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
        let good = request("GET", "/elsewhere", "");
        let session = Polling::joined(server);
        let post = request("POST", &session.target(), r#"42["none","GET / HTTP/1.1"]"#);
        let all = [good.as_bytes(), post.as_bytes(), good.as_bytes(), bad].concat();
        for cut in (1..all.len()).step_by(7) {
            let mut http = Http::connect(server);
            http.send(&all[..cut]);
            server.until_read(http.port());
            http.send(&all[cut..]);
            let mut statuses = Vec::new();
            while let Ok(response) = http.try_response() {
                statuses.push(response.status);
            }
            assert_eq!(statuses, [404, 200, 404, 400], "cut at {cut}");
        }
    });
}

/// Characters in a target that must be escaped and often are not: every server takes them in the query, in
/// whatever way the request comes.
#[test]
fn targets_that_should_be_escaped() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        for target in [
            format!("{POLL}&j={{\"a\":1}}"),
            format!("{POLL}&j=<a>"),
            format!("{POLL}&j=`|\\^"),
            POLL.replace('?', "#?"),
            POLL.replace('?', "<\">?"),
        ] {
            for (line, headers) in [
                ("HTTP/1.1", "Host: a"),
                ("HTTP/1.1", "Host: a\r\nConnection: close"),
                ("HTTP/1.1", "Host: a\r\nConnection: upgrade"),
                ("HTTP/1.0", "X: y"),
            ] {
                let mut http = Http::connect(server);
                http.send(format!("GET {target} {line}\r\n{headers}\r\n\r\n"));
                let response = http.response();
                assert_eq!(
                    response.status, 200,
                    "{target} {line} {headers}: {response:?}"
                );
                assert!(response.text().starts_with("0{"), "{target}");
            }
            let mut http = Http::connect(server);
            http.get("/elsewhere");
            assert_eq!(http.get(&target).status, 200, "{target}, later");
        }
        let upgrade = crate::support::ws::upgrade_request(&format!("{WS}&j={{\"a\":\"<>\"}}"));
        for before in [None, Some("/elsewhere")] {
            let mut http = Http::connect(server);
            before.map(|path| http.get(path));
            http.send(&upgrade);
            assert_eq!(http.response().status, 101);
        }
    });
}

/// RFC 9112 9.6: a client that ends its side with its request is answered, by either reader.
#[test]
fn half_closed_requests() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        let session = Polling::joined(server);
        let close =
            |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let chunked = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n",
            session.target()
        );
        for (status, bytes) in [
            (200, request("GET", POLL, "")),
            (200, close(POLL)),
            (200, format!("GET {POLL} HTTP/1.0\r\n\r\n")),
            (200, request("POST", &session.target(), "3")),
            (200, chunked),
            (404, request("GET", "/elsewhere", "")),
            (404, close("/elsewhere")),
            (400, close("/socket.io/")),
            (400, close(&format!("{POLL}&sid=unknown"))),
        ] {
            for _ in 0..20 {
                let mut http = Http::connect(server);
                http.send(&bytes);
                http.finish();
                assert_eq!(http.response().status, status, "{bytes}");
                assert!(http.rest().0.is_empty(), "{bytes}");
            }
        }
    });
}

/// A GET that waits at hyper is given up when its client goes, also if more has come behind it.
#[test]
fn an_aborted_get_by_way_of_hyper() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        for behind in ["", "GET / HTT"] {
            for half in [true, false] {
                let session = Polling::joined(server);
                let mut http = Http::connect(server);
                http.get("/elsewhere");
                http.send(request("GET", &session.target(), ""));
                server.settle(http.port());
                http.send(behind);
                if half {
                    http.finish();
                    session.goes_away();
                } else {
                    drop(http);
                    session.goes_away();
                }
            }
        }
    });
}

/// What comes behind a GET that waits at hyper is served when that is answered.
#[test]
fn behind_a_get_that_waits() {
    ours_only(Differs::LaterRequests, Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut http = Http::connect(server);
        http.get("/elsewhere");
        http.send(request("GET", &session.target(), ""));
        server.settle(http.port());
        let post = request("POST", &session.target(), "3");
        http.send(&post);
        http.send(post + "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n");
        session.post(r#"42["echo",1]"#).is_ok("ok");
        http.response().is_ok(r#"42["echo",1]"#);
        http.response().is_ok("ok");
        http.response().is_ok("ok");
        assert_eq!(http.response().status, 400);
        assert!(http.rest().0.is_empty());
        await_that("the session is as it was", || {
            session.is_known().then_some(())
        });
    });
}
