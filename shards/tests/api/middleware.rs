//! Requests that the application looks at before they are served, and may make wait.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::Receiver,
    },
    time::Duration,
};

use http::{HeaderValue, Response, StatusCode};
use serde_json::json;
use stentor::{Cors, HttpReply, Keep, Running, prelude::*};
use tokio::sync::Notify;

use crate::{Client, SHARD_COUNTS, channel, client, server};

const POLLING: &str = "GET /socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

#[derive(Clone)]
struct User(String);

/// Sends a request and reads the head of its response, and the body that this announces.
fn exchange(stream: &mut TcpStream, request: &str) -> (String, String) {
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    response(stream)
}

fn response(stream: &mut TcpStream) -> (String, String) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head
        .split_once("content-length: ")
        .map_or("0", |(_, rest)| rest.lines().next().unwrap());
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn whoami(app: &mut App) {
    app.ns("/").on_sync("whoami", |s: Socket| {
        let handshake = s.handshake();
        let user = handshake
            .as_deref()
            .and_then(|handshake| handshake.extension::<User>());
        user.map(|user| user.0.clone())
    });
}

/// A server whose middleware tells method, transport, and whether a session begins, and sets two headers.
fn that_tells(shards: usize) -> (Running, Receiver<(String, String, bool)>) {
    let (tell, told) = channel();
    let running = server(shards)
        .middleware(async move |context| {
            tokio::task::yield_now().await;
            let transport = context
                .request()
                .query("transport")
                .unwrap_or_default()
                .into_owned();
            let seen = (
                context.method().to_string(),
                transport,
                context.begins_session(),
            );
            tell.send(seen).unwrap();
            context
                .headers_mut()
                .insert("x-seen", HeaderValue::from_static("yes"));
            context
                .headers_mut()
                .insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("9"));
            Ok(())
        })
        .start()
        .unwrap();
    (running, told)
}

/// Handshake, POST, GET, upgrade, and a WebSocket without polling: each is seen, and each answer has the header.
#[test]
fn sees_every_request() {
    for shards in SHARD_COUNTS {
        let (running, told) = that_tells(shards);
        let at = running.address();
        let seen = |method: &str, transport: &str, begins| {
            let expected = (method.to_owned(), transport.to_owned(), begins);
            assert_eq!(told.recv_timeout(client::PATIENCE).unwrap(), expected);
        };
        let mut stream = client::connect(at);
        let (head, body) = exchange(&mut stream, POLLING);
        assert!(
            head.contains("x-seen: yes\r\n") && !head.contains("length: 9\r\n"),
            "{head}"
        );
        seen("GET", "polling", true);
        let sid = body.split('"').nth(3).unwrap();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        for _ in 0..4 {
            let mut other = client::connect(at); // on any shard
            write!(
                other,
                "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3"
            )
            .unwrap();
            let (head, body) = response(&mut other);
            assert!(head.contains("x-seen: yes\r\n"), "{head}");
            assert_eq!(body, "ok");
            seen("POST", "polling", false);
        }
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40"
        )
        .unwrap();
        assert_eq!(response(&mut stream).1, "ok");
        seen("POST", "polling", false);
        assert!(
            exchange(&mut stream, &format!("GET {target}"))
                .1
                .starts_with("40{")
        );
        seen("GET", "polling", false);
        for _ in 0..4 {
            let mut client = Client::join(at);
            seen("GET", "websocket", true);
            client.emit(r#"["nothing"]"#);
        }
        let mut ws = client::websocket(at, &format!("{WEBSOCKET}&sid={sid}")).unwrap();
        seen("GET", "websocket", false);
        ws.send(tungstenite::Message::text("2probe")).unwrap();
        assert_eq!(ws.read().unwrap().into_text().unwrap().as_str(), "3probe");
        assert_eq!(
            exchange(&mut client::connect(at), "GET /elsewhere").0[..12],
            *"http/1.1 404"
        );
        assert!(told.try_recv().is_err(), "the path alone");
        running.stop().unwrap();
    }
}

/// What is attached to the request that begins a session reaches its handlers, over both transports.
#[test]
fn what_it_attaches_reaches_the_handshake() {
    for keep in [Keep::Whole, Keep::Nothing] {
        let running = server(2)
            .keep_handshakes(keep)
            .middleware(async |context| {
                let name = context
                    .request()
                    .query("tag")
                    .unwrap_or_default()
                    .into_owned();
                context.insert(User(name));
                Ok(())
            })
            .app(whoami)
            .start()
            .unwrap();
        let at = running.address();
        let kept = match keep {
            Keep::Whole => json!(["a b"]),
            Keep::Nothing => json!([null]),
        };
        assert_eq!(Client::join(at).ask(r#"["whoami"]"#), kept);
        let mut stream = client::connect(at);
        let (_, body) = exchange(&mut stream, &format!("{POLLING}&tag=a%20b"));
        let target = format!(
            "/socket.io/?EIO=4&transport=polling&sid={}",
            body.split('"').nth(3).unwrap()
        );
        for (packet, answer) in [("40", "40{"), (r#"420["whoami"]"#, &*format!("430{kept}"))] {
            let length = packet.len();
            write!(
                stream,
                "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{packet}"
            )
            .unwrap();
            assert_eq!(response(&mut stream).1, "ok");
            let (_, body) = exchange(&mut stream, &format!("GET {target}"));
            assert!(body.starts_with(answer), "{body}");
        }
        running.stop().unwrap();
    }
}

/// One behind the other, until one answers: with a response, or with a refusal, of which the application hears.
#[test]
fn the_first_that_answers_is_the_last_that_sees() {
    let (tell, told) = channel();
    let seconds = Arc::new(AtomicUsize::new(0));
    let second = Arc::clone(&seconds);
    let running = server(2)
        .middleware(async |context| {
            context
                .headers_mut()
                .insert("x-first", HeaderValue::from_static("1"));
            match context.request().query("do").as_deref() {
                Some("answer") => {
                    let teapot = Response::builder()
                        .status(StatusCode::IM_A_TEAPOT)
                        .header("x-tea", "green");
                    Err(HttpReply::from(teapot.body("short and stout").unwrap()))
                }
                Some("fail") => Err(HttpReply::bad_request()),
                Some("forbid") => Err(HttpReply::forbidden("not you")),
                Some("panic") => panic!("as it should"),
                _ => Ok(()),
            }
        })
        .middleware(async move |_| {
            second.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .on_connection_error(move |error| {
            tell.send((error.code(), error.message().to_owned(), error.context()))
                .unwrap();
        })
        .start()
        .unwrap();
    let at = running.address();
    let mut stream = client::connect(at);
    let mut asks = |what: &str| exchange(&mut stream, &format!("{POLLING}&do={what}"));
    let (head, body) = asks("answer");
    assert!(
        head.starts_with("http/1.1 418") && head.contains("x-tea: green\r\n"),
        "{head}"
    );
    assert!(head.contains("x-first: 1\r\n"), "{head}");
    assert_eq!(body, "short and stout");
    let (head, body) = asks("fail");
    assert!(head.starts_with("http/1.1 400"), "{head}");
    assert_eq!(body, r#"{"code":3,"message":"Bad request"}"#);
    assert_eq!(
        told.recv().unwrap(),
        (3, "Bad request".to_owned(), Some("MIDDLEWARE_FAILURE"))
    );
    let (head, body) = asks("forbid");
    assert!(head.starts_with("http/1.1 403"), "{head}");
    assert_eq!(body, r#"{"code":4,"message":"not you"}"#);
    assert_eq!(told.recv().unwrap(), (4, "not you".to_owned(), None));
    let (head, _) = asks("panic");
    assert!(head.starts_with("http/1.1 500"), "{head}");
    assert_eq!(seconds.load(Ordering::Relaxed), 0);
    let (head, _) = asks("nothing");
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(seconds.load(Ordering::Relaxed), 1);
    for (what, refused) in [
        ("answer", (418, "short and stout")),
        ("fail", (400, "Bad request")),
        ("forbid", (400, "not you")),
    ] {
        let (status, body) = client::websocket(at, &format!("{WEBSOCKET}&do={what}")).unwrap_err();
        assert_eq!((status, &*body), refused);
    }
    running.stop().unwrap();
}

/// A request that waits holds up its own connection, whose order it keeps, and nobody else.
#[test]
fn a_request_that_waits() {
    let go = Arc::new(Notify::new());
    let (tell, told) = channel();
    let goes = Arc::clone(&go);
    let running = server(1)
        .middleware(async move |context| {
            if context.request().query("wait").is_some() {
                tell.send(()).unwrap();
                goes.notified().await;
            }
            Ok(())
        })
        .start()
        .unwrap();
    let at = running.address();
    let mut stream = client::connect(at);
    write!(
        stream,
        "{POLLING}&wait HTTP/1.1\r\nHost: x\r\n\r\nGET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    .unwrap();
    told.recv_timeout(client::PATIENCE).unwrap();
    assert_eq!(client::http(at, POLLING, "").0, 200);
    drop(Client::join(at));
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    assert!(
        stream.peek(&mut [0]).is_err(),
        "nothing behind it is answered before it"
    );
    stream.set_read_timeout(Some(client::PATIENCE)).unwrap();
    go.notify_one();
    assert!(response(&mut stream).0.starts_with("http/1.1 200"));
    assert!(response(&mut stream).0.starts_with("http/1.1 404"));
    running.stop().unwrap();
}

/// What takes too long is answered 503; what its client gives up ends at its `await`.
#[test]
fn a_request_that_waits_in_vain() {
    struct Gone(std::sync::mpsc::SyncSender<&'static str>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.send("gone").unwrap();
        }
    }
    let (tell, told) = channel();
    let running = server(1)
        .middleware_timeout(Duration::from_secs(2))
        .middleware(async move |context| {
            if context.request().query("wait").is_some() {
                let _gone = Gone(tell.clone());
                tell.send("waits").unwrap();
                std::future::pending::<()>().await;
            }
            Ok(())
        })
        .start()
        .unwrap();
    let at = running.address();
    let wait = |what| assert_eq!(told.recv_timeout(client::PATIENCE).unwrap(), what);
    let (status, _) = client::kept(&mut client::connect(at), &format!("{POLLING}&wait"));
    assert_eq!(status, 503);
    wait("waits");
    wait("gone");
    assert_eq!(
        client::websocket(at, &format!("{WEBSOCKET}&wait"))
            .unwrap_err()
            .0,
        503
    );
    wait("waits");
    wait("gone");
    let mut stream = client::connect(at);
    write!(stream, "{POLLING}&wait HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    wait("waits");
    drop(stream);
    wait("gone");
    assert_eq!(client::http(at, POLLING, "").0, 200);
    running.stop().unwrap();
}

/// It is asked of requests for a session that have passed the checks before it, and of no others.
#[test]
fn allow_request_may_wait() {
    for shards in SHARD_COUNTS {
        let asked = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&asked);
        let running = server(shards)
            .allow_request_async(async move |request| {
                tokio::time::sleep(Duration::from_millis(1)).await;
                counts.fetch_add(1, Ordering::Relaxed);
                match request.query("key").as_deref() {
                    Some("open sesame") => Ok(()),
                    _ => Err("no key".to_owned()),
                }
            })
            .app(whoami)
            .start()
            .unwrap();
        let at = running.address();
        let refused = (403, r#"{"code":4,"message":"no key"}"#.to_owned());
        assert_eq!(client::http(at, POLLING, ""), refused);
        assert_eq!(
            client::websocket(at, WEBSOCKET).unwrap_err(),
            (400, "no key".to_owned())
        );
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        for (request, code) in [
            ("GET /socket.io/?EIO=4&transport=none", 0),
            (
                "GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA",
                1,
            ),
            ("PUT /socket.io/?EIO=4&transport=polling", 2),
            ("GET /socket.io/?EIO=4&transport=websocket", 3),
        ] {
            let (status, body) = client::http(at, request, "");
            assert_eq!(status, 400);
            assert!(body.starts_with(&format!(r#"{{"code":{code},"#)), "{body}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        let key = "&key=open%20sesame";
        assert_eq!(client::http(at, &format!("{POLLING}{key}"), "").0, 200);
        assert!(client::websocket(at, &format!("{WEBSOCKET}{key}")).is_ok());
        let (status, body) = client::http(
            at,
            &format!("GET /socket.io/?EIO=3&transport=polling{key}"),
            "",
        );
        assert_eq!((status, &body[..10]), (400, r#"{"code":5,"#));
        running.stop().unwrap();
    }
}

/// CORS is before it: a preflight is not seen, and what middleware answers has the headers.
#[test]
fn cors_is_before_it() {
    let running = server(1)
        .cors(Cors::new("https://a.example"))
        .middleware(async |_| Err(HttpReply::bad_request()))
        .start()
        .unwrap();
    let mut stream = client::connect(running.address());
    for (request, status) in [("OPTIONS /socket.io/", "204"), (POLLING, "400")] {
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n"
        )
        .unwrap();
        let (head, _) = response(&mut stream);
        assert_eq!(head[9..12], *status, "{head}");
        assert!(
            head.contains("access-control-allow-origin: https://a.example\r\n"),
            "{head}"
        );
    }
    running.stop().unwrap();
}
