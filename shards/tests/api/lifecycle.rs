//! How servers start, fail to start, and stop.

use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use stentor::{ServerError, prelude::*};

use crate::{Client, SHARD_COUNTS, channel, client, crowd, server, start};

#[test]
fn the_number_of_shards_is_checked() {
    for shards in [0, 65, usize::MAX / 2] {
        let error = server(shards.min(1 << 20)).start().unwrap_err();
        assert!(matches!(error, ServerError::Shards(_)), "{error}");
    }
    let mut late = server(1);
    let _ = late.io();
    assert!(matches!(
        late.shards(2).start(),
        Err(ServerError::Shards(2))
    ));
    server(64).start().unwrap().stop().unwrap();
}

#[test]
fn an_address_that_cannot_be_listened_on_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_at = taken.local_addr().unwrap().to_string();
    let running = start(|_| ());
    let ours = running.address().to_string();
    for shards in SHARD_COUNTS {
        for address in [&*taken_at, &*ours, "127.0.0.1", "192.0.2.1:1"] {
            let error = server(shards).listen(address).start().unwrap_err();
            assert!(error.to_string().contains(address), "{error}");
            assert!(matches!(error, ServerError::Listen { .. }), "{error}");
        }
    }
    running.stop().unwrap();
}

/// Several shards share a port among themselves, and with nobody else.
#[test]
fn a_port_of_several_shards_is_taken_too() {
    let running = server(2).start().unwrap();
    for shards in [1, 2] {
        let again = server(shards).listen(running.address().to_string()).start();
        assert!(
            matches!(again, Err(ServerError::Listen { .. })),
            "{again:?}"
        );
    }
    running.stop().unwrap();
}

#[test]
fn an_app_that_panics_is_a_failed_start() {
    for shards in SHARD_COUNTS {
        let error = server(shards)
            .app(|_| panic!("as it should"))
            .start()
            .unwrap_err();
        assert!(matches!(error, ServerError::ShardDied { .. }), "{error}");
        assert!(error.to_string().ends_with("has died: as it should"));
    }
}

/// One shard fails: the others do not stay, nor does the port.
#[test]
fn a_failed_start_leaves_nothing() {
    let free = server(1).start().unwrap();
    let address = free.address().to_string();
    free.stop().unwrap();
    let calls = AtomicUsize::new(0);
    let failed = server(3)
        .listen(&*address)
        .app(move |_| assert_ne!(calls.fetch_add(1, Ordering::Relaxed), 1, "as it should"))
        .start();
    assert!(
        matches!(failed, Err(ServerError::ShardDied { .. })),
        "{failed:?}"
    );
    server(1).listen(address).start().unwrap().stop().unwrap();
}

#[test]
fn a_stopped_server_says_what_clients_reconnect_on() {
    for shards in SHARD_COUNTS {
        let running = server(shards).start().unwrap();
        let address = running.address();
        let mut clients = crowd(&running);
        running.stop().unwrap();
        for client in &mut clients {
            // No DISCONNECT of the namespace, which would mean: do not come back.
            assert_eq!(client.close_frame(), None);
        }
        for client in clients {
            client.assert_end();
        }
        // And the port is free at once.
        let again = server(shards).listen(address.to_string()).start().unwrap();
        drop(Client::join(again.address()));
        again.stop().unwrap();
    }
}

/// Sends a request and reads its answer; the connection stays.
fn kept_alive(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(client::PATIENCE)).unwrap();
    write!(stream, "{request}\r\nHost: x\r\n\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let length = length.lines().next().unwrap().parse().unwrap();
    stream.read_exact(&mut vec![0; length]).unwrap();
    stream
}

/// Connections that are owed nothing do not hold a stopping server: it would wait for an hour.
#[test]
fn idle_connections_end_when_the_server_stops() {
    for shards in SHARD_COUNTS {
        let running = server(shards)
            .stop_timeout(Duration::from_hours(1))
            .start()
            .unwrap();
        let at = running.address();
        let mut streams = vec![
            kept_alive(at, "GET /socket.io/?EIO=4&transport=polling HTTP/1.1"),
            kept_alive(at, "GET /nothing/here HTTP/1.1"), // hyper's
        ];
        let mut begun = TcpStream::connect(at).unwrap();
        begun.write_all(b"GET /socket.io/?EIO=4").unwrap();
        streams.push(begun);
        streams.push(TcpStream::connect(at).unwrap());
        running.stop().unwrap();
        for mut stream in streams {
            stream.set_read_timeout(Some(client::PATIENCE)).unwrap();
            match stream.read(&mut [0]) {
                Ok(n) => assert_eq!(n, 0),
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
            }
        }
    }
}

#[test]
fn servers_in_one_process_do_not_meet() {
    let one = start(|app| {
        app.ns("/").on_connect(async |io: Io| io.emit("one", ()));
    });
    let two = start(|app| {
        app.ns("/").on_connect(async |io: Io| io.emit("two", ()));
    });
    let (mut a, mut b) = (Client::join(one.address()), Client::join(two.address()));
    assert_eq!(a.event(), serde_json::json!(["one"]));
    assert_eq!(b.event(), serde_json::json!(["two"]));
    one.io().emit("end", ()).unwrap();
    assert_eq!(a.event(), serde_json::json!(["end"]));
    one.stop().unwrap();
    two.io().emit("end", ()).unwrap();
    assert_eq!(b.event(), serde_json::json!(["end"]));
    two.stop().unwrap();
}

#[test]
fn engine_io_alone() {
    for shards in SHARD_COUNTS {
        let (tell, told) = channel();
        let running = Server::engine(move |app| {
            let tell = tell.clone();
            app.on_connect(|socket| {
                socket.send(Message::Text("welcome"));
            })
            .on_message(|socket, message| match message {
                Message::Text("close") => socket.close(),
                Message::Text("panic") => panic!("as it should"),
                other => drop(socket.send(other)),
            })
            .on_close(move |socket, reason| {
                assert!(!socket.send(Message::Text("lost")));
                tell.send(reason.to_string()).unwrap();
            });
        })
        .listen("127.0.0.1:0")
        .shards(shards)
        .pin(false)
        .start()
        .unwrap();
        let target = "/engine.io/?EIO=4&transport=websocket";
        let mut ws = client::websocket(running.address(), target).unwrap();
        let mut text = |send: &str| {
            if !send.is_empty() {
                ws.send(send.into()).unwrap();
            }
            ws.read().unwrap().into_text().unwrap().as_str().to_owned()
        };
        assert!(text("").starts_with("0{"));
        assert_eq!(text(""), "4welcome");
        assert_eq!(text("4hello"), "4hello");
        assert_eq!(text("4panic\u{0}"), "4panic\u{0}");
        ws.send("4panic".into()).unwrap();
        ws.send("4close".into()).unwrap();
        assert!(ws.read().unwrap().is_close());
        assert_eq!(told.recv().unwrap(), "forced close");
        running.stop().unwrap();
    }
}

/// Sessions on all shards are reached by a channel that a task of each shard reads.
#[test]
fn a_task_of_the_shard_may_be_spawned_by_the_app() {
    for shards in SHARD_COUNTS {
        let (tell, _) = tokio::sync::broadcast::channel::<String>(8);
        let told = tell.clone();
        let running = Server::engine(move |app| {
            let sessions = Rc::new(RefCell::new(Vec::<EngineSocket>::new()));
            let (known, mut told) = (Rc::clone(&sessions), told.subscribe());
            tokio::task::spawn_local(async move {
                while let Ok(text) = told.recv().await {
                    for session in &*sessions.borrow() {
                        session.send(Message::Text(&text));
                    }
                }
            });
            app.on_connect(move |session| known.borrow_mut().push(session.clone()));
        })
        .listen("127.0.0.1:0")
        .shards(shards)
        .pin(false)
        .start()
        .unwrap();
        let target = "/engine.io/?EIO=4&transport=websocket";
        let mut clients: Vec<_> = (0..8)
            .map(|_| client::websocket(running.address(), target).unwrap())
            .collect();
        for client in &mut clients {
            assert!(client.read().unwrap().to_text().unwrap().starts_with("0{"));
        }
        tell.send("news".to_owned()).unwrap();
        for client in &mut clients {
            assert_eq!(client.read().unwrap().to_text().unwrap(), "4news");
        }
        drop(clients);
        running.stop().unwrap();
    }
}

/// Panics whenever a shard drops it. As long as it lives it has a share of the count.
#[derive(Clone)]
struct Bad(Arc<()>);

impl Drop for Bad {
    fn drop(&mut self) {
        let on_shard = thread::current()
            .name()
            .is_some_and(|name| name.starts_with("shard-"));
        assert!(!on_shard, "as it should");
    }
}

impl Bad {
    /// What a closure has to call for having captured it.
    fn is_kept(&self) {
        assert!(Arc::strong_count(&self.0) > 0);
    }
}

/// Everything that user code can leave on a shard is dropped at its end, one value after the other:
/// none of them takes the others, the shard or the process along.
#[test]
fn values_that_panic_at_the_end_of_a_shard_harm_nobody() {
    for shards in SHARD_COUNTS {
        let alive = Arc::new(());
        let bad = Bad(Arc::clone(&alive));
        let (of_requests, of_router, of_shards) = (bad.clone(), bad.clone(), bad.clone());
        let page = axum::routing::get(async move || of_router.is_kept());
        let running = server(shards)
            .stop_timeout(Duration::ZERO)
            .state(bad.clone())
            .state((bad.clone(), "another type"))
            .allow_request(move |_| {
                of_requests.is_kept();
                Ok(())
            })
            .http(axum::Router::new().route("/", page))
            .app(move |app| {
                let bads = std::array::from_fn::<_, 8, _>(|_| of_shards.clone());
                let [
                    auth,
                    connect,
                    disconnect,
                    event,
                    sync,
                    fallback,
                    waits,
                    task,
                ] = bads;
                app.local(of_shards.clone());
                app.local((of_shards.clone(), "another type"));
                app.ns("/")
                    .auth(async move || auth.is_kept())
                    .on_connect(async move || connect.is_kept())
                    .on_disconnect(async move || disconnect.is_kept())
                    .on("event", async move || event.is_kept())
                    .on_sync("event", move || sync.is_kept())
                    .on_fallback(async move || fallback.is_kept())
                    .on_sync("set", move |s: Socket| s.set(waits.clone()))
                    .on("wait", async |s: Socket| {
                        let _kept = s.get::<Bad>().map(|bad| Bad::clone(&bad));
                        std::future::pending::<()>().await;
                    });
                tokio::task::spawn_local(async move {
                    std::future::pending::<()>().await;
                    task.is_kept();
                });
            })
            .start()
            .unwrap();
        let mut clients = crowd(&running);
        for client in &mut clients {
            assert_eq!(client.ask(r#"["set"]"#), serde_json::json!([]));
            client.emit(r#"["wait"]"#);
        }
        running.stop().unwrap();
        drop(bad);
        assert_eq!(Arc::strong_count(&alive), 1, "all were dropped");
    }
}

#[test]
fn values_that_panic_at_the_end_of_an_engine_io_shard_harm_nobody() {
    let alive = Arc::new(());
    let bad = Bad(Arc::clone(&alive));
    let running = Server::engine(move |app| {
        let [connect, message, close] = std::array::from_fn(|_| bad.clone());
        app.on_connect(move |_| connect.is_kept())
            .on_message(move |_, _| message.is_kept())
            .on_close(move |_, _| close.is_kept());
    });
    let running = running.listen("127.0.0.1:0").shards(2).pin(false);
    running.start().unwrap().stop().unwrap();
    assert_eq!(Arc::strong_count(&alive), 1, "all were dropped");
}
