//! A program that has a runtime: how it awaits its server, and whose its connections are.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use stentor::{ServerError, prelude::*};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::{Mutex, oneshot, watch},
};

use crate::{Client, server};

fn runtimes() -> [Runtime; 2] {
    let many = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let one = Builder::new_current_thread().enable_all().build();
    [many.unwrap(), one.unwrap()]
}

#[test]
fn a_server_is_awaited_until_something_ends_it() {
    for runtime in runtimes() {
        let (end, ended) = oneshot::channel::<()>();
        let mut server = server(2).app(|app| {
            app.ns("/").on_sync("ping", || "pong");
        });
        let io = server.io();
        let running = async { server.serve_until(async { drop(ended.await) }).await };
        let used = async {
            while io.emit("anybody?", ()).is_err() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            end.send(()).unwrap();
        };
        runtime
            .block_on(async { tokio::join!(running, used) })
            .0
            .unwrap();
        assert!(io.emit("anybody?", ()).is_err(), "it has stopped");
    }
}

/// What has started may be ended by what ends something else too, and its address is known before.
#[test]
fn a_running_server_is_awaited_until_something_ends_it() {
    for runtime in runtimes() {
        let (end, ended) = watch::channel(false);
        let until = |mut ended: watch::Receiver<bool>| async move {
            let _ = ended.wait_for(|ended| *ended).await;
        };
        let beside = until(ended.clone());
        let served = runtime.block_on(async {
            let running = server(2)
                .app(|app| {
                    app.ns("/").on_sync("ping", || "pong");
                })
                .start()
                .unwrap();
            let (address, io) = (running.address(), running.io().clone());
            let used = async {
                let asked = std::thread::spawn(move || Client::join(address).ask(r#"["ping"]"#));
                while !asked.is_finished() {
                    tokio::time::sleep(Duration::from_millis(1)).await; // the runtime goes on
                }
                assert_eq!(asked.join().unwrap(), json!(["pong"]));
                end.send(true).unwrap();
            };
            let (served, (), ()) = tokio::join!(running.serve_until(until(ended)), used, beside);
            assert!(io.emit("anybody?", ()).is_err(), "it has stopped");
            served
        });
        served.unwrap();
    }
}

/// Who does not await it to its end does not leave it running.
#[test]
fn a_server_that_is_not_awaited_any_more_stops() {
    for runtime in runtimes() {
        let mut server = server(1);
        let io = server.io();
        let outcome = runtime.block_on(async {
            tokio::select! {
                ended = server.serve() => Some(ended),
                () = tokio::time::sleep(Duration::from_millis(50)) => None,
            }
        });
        assert!(outcome.is_none(), "{outcome:?}");
        let stopped = (0..6_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            io.emit("anybody?", ()).is_err()
        });
        assert!(stopped, "it serves on");
    }
}

#[test]
fn a_start_that_fails_is_awaited_too() {
    for runtime in runtimes() {
        let error = runtime.block_on(server(0).serve()).unwrap_err();
        assert!(matches!(error, ServerError::Shards(0)), "{error}");
    }
}

/// A blocking wait in a runtime of one thread would keep that from its other work.
#[test]
fn the_only_thread_of_a_runtime_is_not_blocked() {
    let [many, one] = runtimes();
    let error = one.block_on(async { server(1).run() }).unwrap_err();
    assert!(matches!(error, ServerError::WouldBlock), "{error}");
    assert!(error.to_string().contains(".serve().await"), "{error}");
    let waited = one.block_on(async {
        let running = server(1).start().unwrap();
        let waited = running.wait_for_signal();
        running.stop().unwrap();
        waited
    });
    assert!(matches!(waited, Err(ServerError::WouldBlock)), "{waited:?}");
    drop(many);
}

/// A connection that the program has made is of the program's runtime, and can be awaited on any shard.
#[test]
fn a_connection_of_the_programs_runtime_is_awaited_on_a_shard() {
    let [runtime, _] = runtimes();
    let (echo, stream) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let echo = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        (echo, TcpStream::connect(address).await.unwrap())
    });
    let handle = runtime.handle().clone();
    let running = server(2)
        .state(Arc::new(Mutex::new(stream)))
        .app(move |app| {
            let handle = handle.clone();
            let talk = async |stream: Arc<Mutex<TcpStream>>, text: String| {
                let mut stream = stream.lock().await;
                stream.write_all(text.as_bytes()).await?;
                let mut back = vec![0; text.len()];
                stream.read_exact(&mut back).await?;
                std::io::Result::Ok(String::from_utf8_lossy(&back).into_owned())
            };
            app.ns("/")
                .on(
                    "here",
                    async move |State(stream): State<Arc<Mutex<TcpStream>>>,
                                Data(text): Data<String>| {
                        talk(stream, text).await
                    },
                )
                .on(
                    "there",
                    async move |State(stream): State<Arc<Mutex<TcpStream>>>,
                                Data(text): Data<String>| {
                        let work = async move {
                            let mut stream = stream.lock().await;
                            stream.write_all(text.as_bytes()).await?;
                            let mut back = vec![0; text.len()];
                            stream.read_exact(&mut back).await?;
                            let thread = std::thread::current();
                            let is_shard =
                                thread.name().is_some_and(|name| name.starts_with("shard"));
                            std::io::Result::Ok((
                                String::from_utf8_lossy(&back).into_owned(),
                                is_shard,
                            ))
                        };
                        handle.spawn(work).await.map_err(std::io::Error::other)?
                    },
                );
        });
    let running = running.start().unwrap();
    let mut clients: Vec<_> = (0..8).map(|_| Client::join(running.address())).collect();
    for client in &mut clients {
        assert_eq!(client.ask(r#"["here","hello"]"#), json!(["hello"]));
        assert_eq!(
            client.ask(r#"["there","again"]"#),
            json!([["again", false]])
        );
    }
    drop(clients);
    running.stop().unwrap();
    echo.abort();
}
