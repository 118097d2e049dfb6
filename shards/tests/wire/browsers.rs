//! What is said to browsers: CORS, origins of WebSockets, the cookie (PROTOCOL.md 1.2).

use crate::support::http::request;
use crate::support::ws::{ask, upgrade_request};
use crate::support::{
    Differs, Http, POLL, Polling, Profile, Response, Server, WS, Ws, each, field, ours_only,
};

/// A listed origin, one below a listed host, and one that is neither.
const LISTED: &str = "https://a.example";
const BELOW: &str = "https://x.b.example";
const FOREIGN: &str = "https://evil.example";

/// A request from a page of this origin.
fn from(origin: &str, request: &str) -> String {
    request.replacen("\r\n", &format!("\r\nOrigin: {origin}\r\n"), 1)
}

/// All values of a header, in their order.
fn all<'a>(response: &'a Response, name: &str) -> Vec<&'a str> {
    let lines = response.head.split("\r\n").skip(1);
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let named = pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.trim()).collect()
}

fn varies_by_origin(response: &Response) -> bool {
    let values = all(response, "vary");
    let mut names = values.iter().flat_map(|value| value.split(','));
    names.any(|name| name.trim().eq_ignore_ascii_case("origin"))
}

/// The answer lets a page of this origin read it, once, and with credentials.
#[track_caller]
fn is_for(response: &Response, origin: &str) {
    let head = &response.head;
    assert_eq!(
        all(response, "access-control-allow-origin"),
        [origin],
        "{head}"
    );
    assert_eq!(
        all(response, "access-control-allow-credentials"),
        ["true"],
        "{head}"
    );
    assert!(varies_by_origin(response), "{head}");
}

/// The answer lets no page of another origin read it, and caches know that others may be let.
#[track_caller]
fn is_for_nobody(response: &Response) {
    let head = &response.head;
    assert_eq!(
        response.header("access-control-allow-origin"),
        None,
        "{head}"
    );
    assert!(varies_by_origin(response), "{head}");
}

/// How a request reaches the server: on the shard's own path, or by way of hyper.
#[derive(Clone, Copy, Debug)]
enum By {
    Shard,
    Hyper,
}

const BOTH: [By; 2] = [By::Shard, By::Hyper];

fn connect(server: &Server, by: By) -> Http {
    let mut http = Http::connect(server);
    if let By::Hyper = by {
        assert_eq!(http.get("/elsewhere").status, 404);
    }
    http
}

fn say(server: &Server, by: By, request: &str) -> Response {
    let mut http = connect(server, by);
    http.send(request);
    http.response()
}

/// Each status that a request on the path can have, with the request that has it.
fn requests(session: &Polling<'_>) -> Vec<(u16, String)> {
    let target = session.target();
    let large = "x".repeat(10_001);
    let chunked = format!(
        "POST {target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n3\r\n0\r\n\r\n"
    );
    vec![
        (200, request("GET", POLL, "")),
        (200, request("POST", &target, "3")),
        (200, chunked),
        (400, request("GET", "/socket.io/?EIO=4&transport=none", "")),
        (
            400,
            request("GET", &format!("{POLL}&sid=AAAAAAAAAAAAAAAAAAAA"), ""),
        ),
        (
            400,
            request("POST", &format!("{POLL}&sid=AAAAAAAAAAAAAAAAAAAA"), "3"),
        ),
        (400, request("POST", POLL, "3")),
        (400, request("GET", WS, "")),
        (
            400,
            request("GET", "/socket.io/?EIO=3&transport=polling", ""),
        ),
        (413, request("POST", &target, &large)),
    ]
}

/// Fetch standard 3.2: every answer says who may read it, refusals too; without that the page does not learn what was
/// wrong.
#[test]
fn every_answer_names_the_origin() {
    each(Profile::Browsers, |server| {
        for by in BOTH {
            for origin in [LISTED, BELOW, FOREIGN] {
                for n in 0..requests(&Polling::joined(server)).len() {
                    let session = Polling::joined(server);
                    let (status, request) = requests(&session).swap_remove(n);
                    let response = say(server, by, &from(origin, &request));
                    assert_eq!(
                        response.status, status,
                        "{by:?} {request}: {}",
                        response.head
                    );
                    if origin == FOREIGN {
                        is_for_nobody(&response);
                    } else {
                        is_for(&response, origin);
                    }
                    assert_eq!(response.header("access-control-allow-methods"), None);
                }
            }
        }
    });
}

/// A GET that waits is answered for the origin that it came from, whatever came on the connection before.
#[test]
fn a_parked_get_remembers_its_origin() {
    each(Profile::Browsers, |server| {
        for by in BOTH {
            let session = Polling::joined(server);
            let get = request("GET", &session.target(), "");
            let mut http = connect(server, by);
            http.send(from(FOREIGN, &request("GET", POLL, "")));
            is_for_nobody(&http.response());
            for origin in [LISTED, BELOW] {
                http.send(from(origin, &get));
                server.until_read(http.port());
                session.post(r#"42["echo","x"]"#).is_ok("ok");
                let response = http.response();
                response.is_ok(r#"42["echo","x"]"#);
                is_for(&response, origin);
            }
            http.send(request("GET", POLL, ""));
            is_for_nobody(&http.response());
        }
    });
}

/// A body that comes in two parts: the answer is for the origin of its head.
#[test]
fn a_post_remembers_its_origin() {
    each(Profile::Browsers, |server| {
        for by in BOTH {
            let session = Polling::joined(server);
            let post = from(
                BELOW,
                &request("POST", &session.target(), r#"42["echo","x"]"#),
            );
            let mut http = connect(server, by);
            let (begin, end) = post.split_at(post.len() - 5);
            http.send(begin);
            server.until_read(http.port());
            http.send(end);
            let response = http.response();
            response.is_ok("ok");
            is_for(&response, BELOW);
        }
    });
}

fn preflight(target: &str, headers: &str) -> String {
    format!(
        "OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\n{headers}\r\n"
    )
}

/// A preflight is answered 204 before anything else of it is judged, and the connection goes on.
#[test]
fn preflights() {
    each(Profile::Browsers, |server| {
        for by in BOTH {
            let mut http = connect(server, by);
            for target in [
                POLL,
                WS,
                "/socket.io/",
                "/socket.io/?transport=none",
                "/socket.io/?EIO=3&transport=polling",
                "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA",
                "/socket.io/?EIO=4&transport=polling&sid=AQAAAAAAAAAAAAAAAAAA",
            ] {
                http.send(from(
                    LISTED,
                    &preflight(
                        target,
                        "Access-Control-Request-Headers: x-a,content-type\r\n",
                    ),
                ));
                let response = http.response();
                assert_eq!(
                    (response.status, response.text()),
                    (204, ""),
                    "{by:?} {target}"
                );
                is_for(&response, LISTED);
                let methods = response.header("access-control-allow-methods");
                assert_eq!(methods, Some("GET,HEAD,PUT,PATCH,POST,DELETE"));
                let allowed = response.header("access-control-allow-headers");
                assert_eq!(allowed, Some("x-a,content-type"));
                let vary = all(&response, "vary").join(", ");
                assert!(vary.contains("Access-Control-Request-Headers"), "{vary}");
            }
            http.send(from(FOREIGN, &preflight(POLL, "")));
            let response = http.response();
            assert_eq!(response.status, 204);
            is_for_nobody(&response);
            http.send(preflight(POLL, ""));
            is_for_nobody(&http.response());
            http.send(from(LISTED, &request("GET", POLL, "")));
            is_for(&http.response(), LISTED);
        }
    });
}

/// What a hostile page asks for is not said back.
#[test]
fn odd_header_names_are_not_said_back() {
    ours_only(Differs::Origins, Profile::Browsers, |server| {
        for by in BOTH {
            for odd in ["x y", "x: y", "a,,b", "\u{e4}"] {
                let headers = format!("Access-Control-Request-Headers: {odd}\r\n");
                let response = say(server, by, &from(LISTED, &preflight(POLL, &headers)));
                assert_eq!(response.status, 204);
                assert_eq!(
                    response.header("access-control-allow-headers"),
                    None,
                    "{odd}"
                );
            }
        }
    });
}

/// Without the option OPTIONS is what it always was: code 2, or 405 for a session.
#[test]
fn without_cors_there_are_no_preflights() {
    each(Profile::Calm, |server| {
        for by in BOTH {
            let response = say(server, by, &from(LISTED, &preflight(POLL, "")));
            response.is_error(2);
            assert!(
                !response
                    .head
                    .to_ascii_lowercase()
                    .contains("access-control-")
            );
            assert_eq!(response.header("vary"), None);
        }
    });
}

/// A slow body is answered 408, for the origin of its head; a slow head without one.
#[test]
fn late_requests_say_it_too() {
    ours_only(Differs::Waits, Profile::BriskBrowsers, |server| {
        for by in BOTH {
            let session = Polling::joined(server);
            let post = from(
                LISTED,
                &request("POST", &session.target(), r#"42["echo","x"]"#),
            );
            let mut http = connect(server, by);
            http.send(&post[..post.len() - 5]);
            let response = http.response();
            assert_eq!(response.status, 408, "{response:?}");
            is_for(&response, LISTED);
            let mut http = connect(server, by);
            http.send(&post[..60]);
            let response = http.response();
            assert_eq!(response.status, 408, "{response:?}");
            is_for_nobody(&response);
        }
    });
}

/// A head that breaks a rule names nobody: what it says of its origin is not believed.
#[test]
fn a_bad_head_is_for_nobody() {
    ours_only(Differs::LaterRequests, Profile::Browsers, |server| {
        for by in BOTH {
            let two = request("GET", POLL, "").replacen("\r\n", "\r\nHost: b\r\n", 1);
            let response = say(server, by, &from(LISTED, &two));
            assert_eq!(response.status, 400);
            is_for_nobody(&response);
        }
    });
}

/// Pages of listed origins and of the server's own host open WebSockets, and so does what is no browser.
#[test]
fn websockets_of_listed_origins() {
    ours_only(Differs::Origins, Profile::Browsers, |server| {
        for by in BOTH {
            for origin in [LISTED, BELOW, "http://localhost", "https://localhost"] {
                let mut http = connect(server, by);
                http.send(from(origin, &upgrade_request(WS)));
                let response = http.response();
                assert_eq!(response.status, 101, "{by:?} {origin}: {}", response.head);
                if [LISTED, BELOW].contains(&origin) {
                    is_for(&response, origin);
                }
                let mut ws = Ws { http };
                assert!(ws.text().starts_with("0{"));
            }
            let response = say(server, by, &upgrade_request(WS));
            assert_eq!(response.status, 101);
        }
    });
}

/// Others are refused before the 101: with a session and without, whatever else is wrong with the request.
#[test]
fn websockets_of_other_origins() {
    ours_only(Differs::Origins, Profile::Browsers, |server| {
        for by in BOTH {
            let session = Polling::joined(server);
            let probe = format!("{WS}&sid={}", session.sid);
            let below = [
                FOREIGN,
                "null",
                "https://b.example",
                "https://evil.example/.b.example",
                "http://localhost.evil.example",
            ];
            for origin in below {
                for target in [WS, &probe] {
                    let mut http = connect(server, by);
                    http.send(from(origin, &upgrade_request(target)));
                    let response = http.response();
                    assert_eq!(
                        (response.status, response.text()),
                        (403, "Forbidden"),
                        "{by:?} {origin}"
                    );
                    assert_eq!(response.header("connection"), Some("close"));
                    is_for_nobody(&response);
                }
            }
            let mut session = session;
            session.echoes("the session does not notice");
        }
    });
}

/// Without the option every page opens a WebSocket, as with the official server.
#[test]
fn without_the_option_every_origin_opens_a_websocket() {
    each(Profile::Calm, |server| {
        let (_http, response) = ask(server, &from(FOREIGN, &upgrade_request(WS)));
        assert_eq!(response.status, 101);
    });
}

/// The cookie comes with the polling handshake's answer, and with no other.
#[test]
fn the_cookie_comes_once() {
    each(Profile::Browsers, |server| {
        for by in BOTH {
            let mut http = connect(server, by);
            http.send(from(LISTED, &request("GET", POLL, "")));
            let response = http.response();
            let sid = field(response.text(), "sid").to_owned();
            let cookie = format!("io={sid}; Path=/; HttpOnly; SameSite=Lax");
            assert_eq!(all(&response, "set-cookie"), [cookie.as_str()]);
            let target = format!("{POLL}&sid={sid}");
            for request in [
                request("POST", &target, "40"),
                request("GET", &target, ""),
                request("GET", "/socket.io/?EIO=3&transport=polling", ""),
                from(LISTED, &preflight(POLL, "")),
            ] {
                http.send(request);
                assert_eq!(http.response().header("set-cookie"), None);
            }
            let response = say(server, by, &upgrade_request(WS));
            assert_eq!(
                (response.status, response.header("set-cookie")),
                (101, None)
            );
        }
    });
}

/// With `*` every answer says so, needs no origin for it, and is the same for all.
#[test]
fn any_origin() {
    each(Profile::AnyOrigin, |server| {
        for by in BOTH {
            for n in 0..requests(&Polling::joined(server)).len() {
                let session = Polling::joined(server);
                let (status, request) = requests(&session).swap_remove(n);
                for request in [request.clone(), from("null", &request)]
                    .iter()
                    .take(if status == 413 { 1 } else { 2 })
                {
                    let response = say(server, by, request);
                    assert_eq!(response.status, status, "{request}");
                    assert_eq!(
                        all(&response, "access-control-allow-origin"),
                        ["*"],
                        "{}",
                        response.head
                    );
                    assert_eq!(response.header("access-control-allow-credentials"), None);
                    assert_eq!(response.header("vary"), None);
                }
            }
            let response = say(server, by, &from(FOREIGN, &preflight(POLL, "")));
            assert_eq!(response.status, 204);
            assert_eq!(all(&response, "access-control-allow-origin"), ["*"]);
            let response = say(server, by, &from(FOREIGN, &upgrade_request(WS)));
            assert_eq!(response.status, 101);
        }
    });
}

/// Internet Explorer's filter of scripts breaks answers that look like one.
#[test]
fn old_browsers_are_told_not_to_filter() {
    each(Profile::Calm, |server| {
        for by in BOTH {
            let session = Polling::joined(server);
            for (agent, said) in [
                (
                    "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
                    Some("0"),
                ),
                ("Mozilla/4.0 (compatible;MSIE 8.0)", Some("0")),
                (
                    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0",
                    None,
                ),
                ("Tridentity MSIE", None),
            ] {
                let agent = format!("\r\nUser-Agent: {agent}\r\n");
                for request in [
                    request("GET", POLL, ""),
                    request("POST", &session.target(), "3"),
                ] {
                    let response = say(server, by, &request.replacen("\r\n", &agent, 1));
                    assert_eq!(response.status, 200);
                    assert_eq!(response.header("x-xss-protection"), said, "{by:?} {agent}");
                }
            }
        }
    });
}

/// Without options the heads of answers are these bytes, whatever a browser says of itself.
#[test]
fn without_options_nothing_is_added() {
    ours_only(Differs::Heads, Profile::Calm, |server| {
        for by in BOTH {
            let session = Polling::joined(server);
            let heads = [
                (
                    request("GET", POLL, ""),
                    "200 OK\r\ncontent-type: text/plain; charset=UTF-8\r\ncache-control: no-store\r\n",
                ),
                (
                    request("POST", &session.target(), "3"),
                    "200 OK\r\ncontent-type: text/html\r\ncache-control: no-store\r\n",
                ),
                (
                    request("POST", POLL, "3"),
                    "400 Bad Request\r\ncontent-type: application/json\r\ncache-control: no-store\r\n",
                ),
                (
                    request("PUT", &session.target(), ""),
                    "405 Method Not Allowed\r\ncache-control: no-store\r\nallow: GET, POST\r\n",
                ),
            ];
            for (request, head) in heads {
                let response = say(server, by, &from(LISTED, &request));
                let (said, after) = response
                    .head
                    .split_once("content-length: ")
                    .expect("a length");
                assert_eq!(said, format!("HTTP/1.1 {head}"), "{by:?} {request}");
                let (length, date) = after.split_once("\r\ndate: ").expect("a date");
                assert_eq!(length, response.body.len().to_string());
                assert_eq!(
                    date.len(),
                    "Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n".len(),
                    "{date}"
                );
            }
            let response = say(server, by, &from(LISTED, &upgrade_request(WS)));
            let names = response
                .head
                .split("\r\n")
                .filter_map(|line| line.split_once(':'));
            let mut names: Vec<_> = names.map(|(name, _)| name.to_ascii_lowercase()).collect();
            names.retain(|name| name != "date"); // hyper dates it
            names.sort();
            assert_eq!(names, ["connection", "sec-websocket-accept", "upgrade"]);
        }
    });
}
