//! Which requests are let in, and what is kept of them.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::json;
use stentor::{HttpWaits, Keep, Server, prelude::*};

use crate::{Client, SHARD_COUNTS, channel, client, leave::Bad, server};

const POLLING: &str = "GET /socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

fn guarded(shards: usize) -> Server {
    server(shards).allow_request(|request| {
        assert!(request.address().unwrap().is_loopback());
        match request.query("key").as_deref() {
            Some("open sesame") => Ok(()),
            Some(_) => Err("wrong \"key\"".to_owned()),
            None => Err("no key".to_owned()),
        }
    })
}

#[test]
fn refused_requests_say_so() {
    for shards in SHARD_COUNTS {
        for keep in [Keep::Whole, Keep::Nothing] {
            let running = guarded(shards).keep_handshakes(keep).start().unwrap();
            let at = running.address();
            let refused = (403, r#"{"code":4,"message":"no key"}"#.to_owned());
            assert_eq!(client::http(at, POLLING, ""), refused);
            let wrong = client::http(at, &format!("{POLLING}&key=x"), "");
            assert_eq!(
                wrong,
                (403, r#"{"code":4,"message":"wrong \"key\""}"#.to_owned())
            );
            let refused = client::websocket(at, WEBSOCKET).unwrap_err();
            assert_eq!(refused, (400, "no key".to_owned()));
            assert_eq!(running.io().sessions(), 0);
            let key = "&key=open%20sesame";
            let (status, body) = client::http(at, &format!("{POLLING}{key}"), "");
            assert!(status == 200 && body.starts_with("0{"), "{status} {body}");
            assert!(client::websocket(at, &format!("{WEBSOCKET}{key}")).is_ok());
            running.stop().unwrap();
        }
    }
}

/// Refused over long-polling, whoever reads the request, and over WebSocket, early and late. What the
/// handler panics with panics again when it is dropped.
#[test]
fn a_panic_refuses_and_the_server_goes_on() {
    for shards in SHARD_COUNTS {
        for keep in [Keep::Whole, Keep::Nothing] {
            let running = server(shards)
                .keep_handshakes(keep)
                .allow_request(|request| {
                    if request.query("key").is_none() {
                        std::panic::panic_any(Bad);
                    }
                    Ok(())
                })
                .start()
                .unwrap();
            let at = running.address();
            let polling = (
                403,
                r#"{"code":4,"message":"Internal server error"}"#.to_owned(),
            );
            let websocket = (400, "Internal server error".to_owned());
            for _ in 0..2 * shards {
                assert_eq!(client::http(at, POLLING, ""), polling);
                assert_eq!(client::kept(&mut client::connect(at), POLLING), polling);
                assert_eq!(client::websocket(at, WEBSOCKET).unwrap_err(), websocket);
                let late = client::upgrade(hypers(at), WEBSOCKET);
                assert_eq!(late.unwrap_err(), websocket);
            }
            let (status, _) = client::http(at, &format!("{POLLING}&key=x"), "");
            assert_eq!(status, 200);
            assert!(client::websocket(at, &format!("{WEBSOCKET}&key=x")).is_ok());
            running.stop().unwrap();
        }
    }
}

/// A connection that hyper reads.
fn hypers(at: SocketAddr) -> TcpStream {
    let mut stream = client::connect(at);
    assert_eq!(client::kept(&mut stream, "GET /nothing/here").0, 404);
    stream
}

/// A ticket that is good for one session.
#[test]
fn a_late_websocket_is_asked_about_once() {
    for shards in SHARD_COUNTS {
        let asked = AtomicUsize::new(0);
        let running = server(shards)
            .allow_request(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(()),
                _ => Err("used".to_owned()),
            })
            .app(asks)
            .start()
            .unwrap();
        let ws = client::upgrade(hypers(running.address()), WEBSOCKET).unwrap();
        let mut client = Client::join_over(ws, "/", "").unwrap();
        assert_eq!(client.ask(r#"["header"]"#), json!(["here"]));
        let again = client::upgrade(hypers(running.address()), WEBSOCKET);
        assert_eq!(again.unwrap_err(), (400, "used".to_owned()));
        drop(client);
        running.stop().unwrap();
    }
}

/// What is refused when the WebSocket is open already is not told in HTTP.
#[test]
fn a_late_websocket_for_no_session() {
    let running = server(2).start().unwrap();
    for sid in ["AAAAAAAAAAAAAAAAAAAA", "AQAAAAAAAAAAAAAAAAAA"].repeat(8) {
        let target = format!("{WEBSOCKET}&sid={sid}");
        match client::upgrade(hypers(running.address()), &target) {
            // The shard that read it is the sid's.
            Err(refused) => assert_eq!(refused, (400, "Session ID unknown".to_owned())),
            Ok(mut ws) => match ws.read().unwrap() {
                tungstenite::Message::Close(frame) => {
                    assert_eq!(u16::from(frame.unwrap().code), 1008);
                }
                other => panic!("{other:?}"),
            },
        }
    }
    running.stop().unwrap();
}

/// The heads of these are complete in the turn in which the server is told to stop.
#[test]
fn no_session_begins_while_the_server_stops() {
    let (tell, told) = channel();
    let (go, wait) = mpsc::channel();
    let wait = Arc::new(Mutex::new(wait));
    let running = server(1)
        .app(move |app| {
            let (tell, wait) = (tell.clone(), Arc::clone(&wait));
            app.ns("/").on_sync("block", move || {
                tell.send(()).unwrap();
                let () = wait.lock().unwrap().recv().unwrap();
            });
        })
        .start()
        .unwrap();
    let at = running.address();
    let (_, open) = client::kept(&mut client::connect(at), POLLING);
    let sid = open.split('"').nth(3).unwrap();
    let targets = [WEBSOCKET.to_owned(), format!("{WEBSOCKET}&sid={sid}")];
    let mut begun = targets.map(|target| {
        let mut stream = client::connect(at);
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n").unwrap();
        stream
    });
    // The server is told to stop when its shard has done all that was asked before: in the turn in
    // which the second event blocks it.
    let mut clients = [Client::join(at), Client::join(at)];
    clients[0].emit(r#"["block"]"#);
    told.recv().unwrap();
    clients[1].emit(r#"["block"]"#);
    let stop = thread::spawn(move || running.stop().unwrap());
    thread::sleep(Duration::from_millis(300)); // till the shard has the question in its mailbox
    go.send(()).unwrap();
    told.recv().unwrap();
    for stream in &mut begun {
        write!(
            stream,
            "Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .unwrap();
    }
    thread::sleep(Duration::from_millis(300)); // till the shard has the order in its mailbox
    go.send(()).unwrap();
    for mut stream in begun {
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    }
    drop(clients);
    stop.join().unwrap();
}

/// In the official order: the application before the version (features 2.2).
#[test]
fn the_application_is_asked_before_the_version() {
    for shards in SHARD_COUNTS {
        let running = guarded(shards).start().unwrap();
        let at = running.address();
        let targets = [POLLING, WEBSOCKET].map(|target| target.replace("EIO=4", "EIO=3"));
        let [polling, websocket] = targets;
        let refused = (403, r#"{"code":4,"message":"no key"}"#.to_owned());
        assert_eq!(client::http(at, &polling, ""), refused);
        let refused = client::websocket(at, &websocket).unwrap_err();
        assert_eq!(refused, (400, "no key".to_owned()));
        let key = "&key=open%20sesame";
        let version = "Unsupported protocol version";
        let refused = (400, format!(r#"{{"code":5,"message":"{version}"}}"#));
        assert_eq!(client::http(at, &format!("{polling}{key}"), ""), refused);
        let refused = client::websocket(at, &format!("{websocket}{key}")).unwrap_err();
        assert_eq!(refused, (400, version.to_owned()));
        running.stop().unwrap();
    }
}

#[test]
fn the_path_may_be_the_root() {
    for path in ["/", ""] {
        let running = server(1).path(path).start().unwrap();
        let at = running.address();
        let (status, body) = client::http(at, "GET /?EIO=4&transport=polling", "");
        assert!(status == 200 && body.starts_with("0{"), "{status} {body}");
        assert!(client::websocket(at, "/?EIO=4&transport=websocket").is_ok());
        running.stop().unwrap();
    }
}

#[test]
fn messages_may_be_of_any_size() {
    let running = server(1).max_payload(usize::MAX).start().unwrap();
    let at = running.address();
    let mut stream = client::connect(at);
    let (_, open) = client::kept(&mut stream, POLLING);
    let sid = open.split('"').nth(3).unwrap();
    // Behind a GET that waits.
    let get = format!("{POLLING}&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n");
    write!(stream, "{get}").unwrap();
    thread::sleep(Duration::from_millis(100));
    write!(stream, "{get}").unwrap();
    // A body that the address space does not hold.
    let mut other = client::connect(at);
    let post = get.replace("GET", "POST");
    let length = format!("Content-Length: {}\r\n\r\n", usize::MAX);
    write!(other, "{}\r\n{length}4", post.trim_end()).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert_eq!(client::http(at, POLLING, "").0, 200);
    running.stop().unwrap();
}

#[test]
fn waits_may_be_of_any_length() {
    let forever = HttpWaits {
        idle: Duration::MAX,
        head: Duration::MAX,
        piece: Duration::MAX,
        body: Duration::MAX,
    };
    let running = server(1).http_waits(forever).start().unwrap();
    let at = running.address();
    let mut stream = client::connect(at);
    let (_, open) = client::kept(&mut stream, POLLING);
    let sid = open.split('"').nth(3).unwrap();
    let post = format!("POST{}&sid={sid}", POLLING.trim_start_matches("GET"));
    assert_eq!(client::http(at, &post, "40"), (200, "ok".to_owned())); // by hyper
    running.stop().unwrap();
}

fn asks_whether(app: &mut App) {
    app.ns("/")
        .on_sync("kept", |s: Socket| s.handshake().is_some())
        .on_sync("optional", |handshake: Option<Rc<Handshake>>| {
            handshake.is_some()
        });
}

fn asks(app: &mut App) {
    asks_whether(app);
    app.ns("/")
        .on_sync("tag", |handshake: Rc<Handshake>| {
            handshake.query("tag").unwrap_or_default().into_owned()
        })
        .on_sync("header", |handshake: Rc<Handshake>| {
            handshake.header("x-test").unwrap_or_default().to_owned()
        })
        .on_sync("url", |handshake: Rc<Handshake>| handshake.url().to_owned());
}

#[test]
fn the_handshake_is_kept_whole() {
    let running = server(1).app(asks).start().unwrap();
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["kept"]"#), json!([true]));
    assert_eq!(client.ask(r#"["optional"]"#), json!([true]));
    assert_eq!(client.ask(r#"["tag"]"#), json!(["a b"]));
    assert_eq!(client.ask(r#"["header"]"#), json!(["here"]));
    let url = format!("{WEBSOCKET}&tag=a%20b");
    assert_eq!(client.ask(r#"["url"]"#), json!([url]));
    drop(client);
    running.stop().unwrap();
}

#[test]
fn or_not_at_all() {
    let running = server(1)
        .keep_handshakes(Keep::Nothing)
        .app(asks_whether)
        .start()
        .unwrap();
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["kept"]"#), json!([false]));
    assert_eq!(client.ask(r#"["optional"]"#), json!([false]));
    drop(client);
    running.stop().unwrap();
}

#[test]
fn auth_refuses_with_a_message_and_data() {
    #[derive(serde::Deserialize)]
    struct Login {
        token: String,
    }
    let running = server(2)
        .app(|app| {
            app.ns("/guarded")
                .auth(async |s: Socket, Auth(login): Auth<Login>| {
                    tokio::task::yield_now().await;
                    assert!(!s.is_connected() && s.emit("too soon", ()).is_err());
                    if login.token != "letmein" {
                        return Err(Refused::new("no").with_data(json!({ "why": login.token })));
                    }
                    s.set(login.token);
                    Ok(())
                })
                .on_connect(async |s: Socket| {
                    s.emit("welcome", &*s.get::<String>().unwrap()).unwrap();
                });
            app.ns("/panics")
                .auth(async || -> () { panic!("as it should") });
        })
        .start()
        .unwrap();
    let at = running.address();
    let join = |namespace, auth| Client::join_as(at, namespace, auth);
    let refused = join("/guarded", r#"{"token":"x"}"#).err().unwrap();
    assert_eq!(refused, json!({ "message": "no", "data": { "why": "x" } }));
    let refused = join("/guarded", "").err().unwrap();
    assert!(
        refused["message"].as_str().unwrap().contains("token"),
        "{refused}"
    );
    let refused = join("/panics", "").err().unwrap();
    assert_eq!(refused, json!({ "message": "Internal server error" }));
    let refused = join("/nowhere", "").err().unwrap();
    assert_eq!(refused, json!({ "message": "Invalid namespace" }));
    let mut client = join("/guarded", r#"{"token":"letmein"}"#).ok().unwrap();
    assert_eq!(client.event(), json!(["welcome", "letmein"]));
    drop(client);
    running.stop().unwrap();
}
