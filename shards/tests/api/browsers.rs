//! What the application says in HTTP besides its pages: headers, the first packet, and what it hears of refusals.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{HeaderValue, header};
use stentor::{Cors, Message, Server, ServerError, ShardLimits};

use crate::{SHARD_COUNTS, channel, client, server};

const POLLING: &str = "GET /socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "GET /socket.io/?EIO=4&transport=websocket";
/// Headers of a request for a WebSocket.
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A connection that hyper reads.
fn hypers(at: SocketAddr) -> TcpStream {
    let mut stream = client::connect(at);
    assert_eq!(client::kept(&mut stream, "GET /nothing/here").0, 404);
    stream
}

/// Sends a request with these headers; the head of the response.
fn head(stream: &mut TcpStream, request: &str, headers: &str) -> String {
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// On a connection of the shard's, and on one of hyper's.
fn heads(at: SocketAddr, request: &str, headers: &str) -> [String; 2] {
    [client::connect(at), hypers(at)].map(|mut stream| head(&mut stream, request, headers))
}

/// Both hooks on each kind of answer: `headers` on all, `initial_headers` on the first of a session alone.
#[test]
fn headers_of_the_application() {
    for shards in SHARD_COUNTS {
        let running = server(shards)
            .headers(|request, headers| {
                let transport = request.query("transport").unwrap_or_default();
                headers.insert("x-all", HeaderValue::from_str(&transport).unwrap());
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("7"));
            })
            .initial_headers(|_, headers| {
                headers.append("x-first", HeaderValue::from_static("1"));
                headers.append("x-first", HeaderValue::from_static("2"));
            })
            .start()
            .unwrap();
        let at = running.address();
        for (request, headers, status, is_first) in [
            (POLLING, "", "200", true),
            (WEBSOCKET, UPGRADE, "101", true),
            (
                &format!("{POLLING}&sid=AAAAAAAAAAAAAAAAAAAA"),
                "",
                "400",
                false,
            ),
            (&format!("{WEBSOCKET}&sid=x"), UPGRADE, "400", false),
            ("PUT /socket.io/?EIO=4&transport=polling", "", "400", false),
        ] {
            for head in heads(at, request, headers) {
                assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
                let all = format!(
                    "x-all: {}\r\n",
                    request
                        .split("transport=")
                        .nth(1)
                        .unwrap()
                        .split('&')
                        .next()
                        .unwrap()
                );
                assert_eq!(head.matches(&all).count(), 1, "{head}");
                assert_eq!(
                    head.matches("x-first: ").count(),
                    if is_first { 2 } else { 0 },
                    "{head}"
                );
                assert!(!head.contains("content-length: 7\r\n"), "{head}");
            }
        }
        let mut stream = client::connect(at);
        assert!(
            !head(&mut stream, "GET /elsewhere", "").contains("x-all"),
            "the path alone"
        );
        running.stop().unwrap();
    }
}

/// Requests that are refused: the query, whether a WebSocket is asked for, and code, message and context of the refusal.
/// `POLLS` is a session that polls.
const REFUSALS: &str = "\
GET transport=none                              | no  | 0 | Transport unknown            |
GET transport=none                              | yes | 0 | Transport unknown            |
GET transport=polling&sid=AAAAAAAAAAAAAAAAAAAA  | no  | 1 | Session ID unknown           |
GET transport=polling&sid=nonsense              | no  | 1 | Session ID unknown           |
GET transport=websocket&sid=nonsense            | yes | 1 | Session ID unknown           |
POST transport=polling                          | no  | 2 | Bad handshake method         |
GET transport=websocket                         | no  | 3 | Bad request                  | TRANSPORT_HANDSHAKE_ERROR
GET transport=websocket&sid=POLLS               | no  | 3 | Bad request                  | TRANSPORT_MISMATCH
GET transport=polling&key=1                     | no  | 4 | not with a key               |
GET transport=websocket&key=1                   | yes | 4 | not with a key               |
GET transport=websocket&from=b                  | yes | 4 | Forbidden                    | INVALID_ORIGIN
GET transport=polling&EIO=3                     | no  | 5 | Unsupported protocol version |
GET transport=websocket&EIO=3                   | yes | 5 | Unsupported protocol version |";

/// Each refusal, with code, message and the official name of its reason.
/// The shard reads a request, or hyper does: the hook runs once for it.
#[test]
fn a_request_runs_the_hook_once() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let running = server(1)
        .headers(move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
        .start()
        .unwrap();
    for (request, headers) in [
        (POLLING, ""),
        (WEBSOCKET, UPGRADE),
        (&format!("{WEBSOCKET}&sid=x"), UPGRADE),
    ] {
        for mut stream in [
            client::connect(running.address()),
            hypers(running.address()),
        ] {
            let before = runs.load(Ordering::SeqCst);
            let head = head(&mut stream, request, headers);
            assert_eq!(runs.load(Ordering::SeqCst) - before, 1, "{request}: {head}");
        }
    }
    running.stop().unwrap();
}

#[test]
fn refused_requests_are_told_of() {
    for shards in SHARD_COUNTS {
        let (tell, told) = channel();
        let running = server(shards)
            .allow_request(|request| match request.query("key") {
                Some(_) => Err("not with a key".to_owned()),
                None => Ok(()),
            })
            .websocket_origins("https://a.example")
            .on_connection_error(move |error| {
                let (url, context) = (error.request().url(), error.context().unwrap_or_default());
                let said = format!("{url} {} {} {context}", error.code(), error.message());
                tell.send(said).unwrap();
            })
            .start()
            .unwrap();
        let at = running.address();
        let (_, open) = client::http(at, POLLING, "");
        let polls = open.split('"').nth(3).unwrap();
        for line in REFUSALS.lines() {
            let columns: Vec<_> = line.split('|').map(str::trim).collect();
            let [request, upgrade, code, message, context] = columns[..] else {
                panic!("{line}");
            };
            let (method, query) = request.split_once(' ').unwrap();
            let url = format!("/socket.io/?EIO=4&{}", query.replace("POLLS", polls));
            let mut headers = if upgrade == "yes" {
                UPGRADE.to_owned()
            } else {
                String::new()
            };
            if query.contains("from=b") {
                headers.push_str("Origin: https://b.example\r\n");
            }
            let _ = heads(at, &format!("{method} {url}"), &headers);
            for _ in 0..2 {
                let heard = told.recv_timeout(client::PATIENCE).unwrap();
                assert_eq!(heard, format!("{url} {code} {message} {context}"));
            }
        }
        assert!(told.try_recv().is_err(), "nothing else was refused");
        running.stop().unwrap();
    }
}

/// Behind OPEN: in one payload over polling, as the next frame over WebSocket.
#[test]
fn an_initial_packet() {
    for shards in SHARD_COUNTS {
        let engine = |message| {
            Server::engine(|_| ())
                .listen("127.0.0.1:0")
                .shards(shards)
                .pin(false)
                .initial_packet(message)
                .start()
                .unwrap()
        };
        let running = engine(Message::Text("héllo"));
        let polling = "GET /engine.io/?EIO=4&transport=polling";
        let mut both = [
            client::connect(running.address()),
            hypers(running.address()),
        ];
        for stream in &mut both {
            let (_, payload) = client::kept(stream, polling);
            let (open, first) = payload.split_once('\u{1e}').unwrap();
            assert!(open.starts_with("0{"), "{open}");
            assert_eq!(first, "4héllo");
        }
        let target = "/engine.io/?EIO=4&transport=websocket";
        for stream in [
            client::connect(running.address()),
            hypers(running.address()),
        ] {
            let mut ws = client::upgrade(stream, target).unwrap();
            assert!(ws.read().unwrap().into_text().unwrap().starts_with("0{"));
            assert_eq!(ws.read().unwrap().into_text().unwrap().as_str(), "4héllo");
        }
        running.stop().unwrap();
        let running = engine(Message::Binary(&[1, 2, 3]));
        let mut ws = client::websocket(running.address(), target).unwrap();
        ws.read().unwrap();
        assert_eq!(*ws.read().unwrap().into_data(), [1, 2, 3]);
        running.stop().unwrap();
    }
}

/// As the official server's: a prefix, with the slash unless it is not to be added.
#[test]
fn paths_are_prefixes() {
    let query = "?EIO=4&transport=polling";
    let asks = |server: Server, paths: &[(&str, u16)]| {
        let running = server.start().unwrap();
        for (path, status) in paths {
            for head in heads(running.address(), &format!("GET {path}{query}"), "") {
                assert_eq!(head[9..12].parse(), Ok(*status), "{path}: {head}");
            }
        }
        running.stop().unwrap();
    };
    let below = [
        ("/a/b/", 200),
        ("/a/b/c", 200),
        ("/a/b", 404),
        ("/a/bc", 404),
        ("/A/b/", 404),
        ("/a//b/", 404),
    ];
    asks(server(1).path("/a/b"), &below);
    asks(server(1).path("/a/b/"), &below);
    let bare = [
        ("/a/b/", 200),
        ("/a/b/c", 200),
        ("/a/b", 200),
        ("/a/bc", 200),
        ("/a", 404),
        ("/x/a/b", 404),
    ];
    asks(server(1).path("/a/b").add_trailing_slash(false), &bare);
    asks(server(1).add_trailing_slash(false).path("/a/b/"), &bare);
    let running = server(1)
        .path("/")
        .add_trailing_slash(false)
        .start()
        .unwrap();
    for path in ["/", "/x"] {
        let (status, _) = client::http(running.address(), &format!("GET {path}{query}"), "");
        assert_eq!(status, 200, "{path}");
    }
    running.stop().unwrap();
}

/// 429 and 503, which come before anything of the request is looked at.
#[test]
fn refusals_of_a_full_server_say_it_too() {
    for (limits, status) in [
        (
            ShardLimits {
                unjoined_sessions: 1,
                ..ShardLimits::default()
            },
            "503",
        ),
        (
            ShardLimits {
                unjoined_per_address: 1,
                ..ShardLimits::default()
            },
            "429",
        ),
        (
            ShardLimits {
                unjoined_per_connection: 1,
                ..ShardLimits::default()
            },
            "429",
        ),
    ] {
        let running = server(1)
            .cors(Cors::new("https://a.example"))
            .shard_limits(limits)
            .start()
            .unwrap();
        let mut first = client::connect(running.address());
        let origin = "Origin: https://a.example\r\n";
        assert_eq!(client::kept(&mut first, POLLING).0, 200);
        let mut streams = if limits.unjoined_per_connection == 1 {
            vec![first]
        } else {
            vec![
                client::connect(running.address()),
                hypers(running.address()),
            ]
        };
        for stream in &mut streams {
            let head = head(stream, POLLING, origin);
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
            assert!(
                head.contains("access-control-allow-origin: https://a.example\r\n"),
                "{head}"
            );
            assert!(head.contains("vary: Origin\r\n"), "{head}");
        }
        running.stop().unwrap();
    }
}

/// Options that cannot work fail the start, in a sentence that names them.
#[test]
fn options_that_cannot_work() {
    let why = |server: Server| match server.start() {
        Err(ServerError::Options(why)) => why,
        other => panic!("{other:?}"),
    };
    let error = why(server(1).cors(Cors::new("*").credentials(true)));
    assert!(
        error.starts_with("cors.origins and cors.credentials: `*` allows every page"),
        "{error}"
    );
    let error = why(server(1).cors(Cors::new("https://a.example/")));
    assert!(
        error.starts_with("cors.origins: \"https://a.example/\" is no origin"),
        "{error}"
    );
    let error = why(server(1).websocket_origins_as_cors());
    assert!(error.starts_with("websocket_origins: "), "{error}");
    let error = why(server(1).cookie("a b"));
    assert!(error.starts_with("cookie.name: "), "{error}");
}
