//! A socket that leaves is gone, whatever its disconnect handlers do.

use std::task::{Context, Poll};

use serde_json::json;
use stentor::prelude::*;

use crate::{Client, SHARD_COUNTS, await_empty, channel, crowd, server};

#[derive(Clone)]
struct NeverGiven;

/// Nobody is in the room, on any shard.
fn assert_empty(io: &Io, room: &str) {
    let all = crate::block_on(io.to(room).call::<()>("anybody?", ()).all());
    assert!(
        all.ok.is_empty() && all.timed_out.is_empty() && all.left.is_empty(),
        "{all:?}"
    );
}

#[test]
fn a_failing_disconnect_handler_keeps_nothing() {
    for shards in SHARD_COUNTS {
        let (tell, told) = channel();
        let running = server(shards)
            .app(move |app| {
                let (tell, last) = (tell.clone(), tell.clone());
                app.ns("/")
                    .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room))
                    // A parameter that cannot be made, a panic, an error: the others still run.
                    .on_disconnect(async |_: Kept<NeverGiven>| ())
                    .on_disconnect(async || -> NoAck { panic!("as it should") })
                    .on_disconnect(async || Err::<(), _>("as it should"))
                    .on_disconnect(async move |s: Socket, reason: Reason| {
                        assert!(!s.is_connected() && s.emit("lost", ()).is_err());
                        tell.send((s.id().unwrap().to_string(), s.rooms(), reason.to_string()))
                            .unwrap();
                    })
                    .on_disconnect(async move |s: Socket| {
                        tokio::task::yield_now().await;
                        // Also later its id and rooms are known.
                        last.send((s.id().unwrap().to_string(), s.rooms(), "later".to_owned()))
                            .unwrap();
                    });
            })
            .start()
            .unwrap();
        let mut clients = crowd(&running);
        let mut expected = Vec::new();
        for client in &mut clients {
            assert_eq!(client.ask(r#"["join","all"]"#), json!([]));
            let all = || vec!["all".to_owned()];
            expected.push((client.id.clone(), all(), "later".to_owned()));
            expected.push((client.id.clone(), all(), "transport close".to_owned()));
        }
        for client in clients {
            client.vanish();
        }
        let mut heard: Vec<_> = (0..expected.len()).map(|_| told.recv().unwrap()).collect();
        heard.sort();
        expected.sort();
        assert_eq!(heard, expected);
        await_empty(running.io());
        assert_empty(running.io(), "all");
        running.stop().unwrap();
    }
}

#[test]
fn the_reason_is_the_official_string() {
    let (tell, told) = channel();
    let running = crate::start(move |app| {
        let tell = tell.clone();
        app.ns("/")
            .on_sync("kick", |s: Socket, Data(close): Data<bool>| {
                s.disconnect(close);
                NoAck
            })
            .on_disconnect(async move |reason: Reason| tell.send(reason.to_string()).unwrap());
    });
    let join = || Client::join(running.address());
    let mut client = join();
    client.leave();
    assert_eq!(told.recv().unwrap(), "client namespace disconnect");
    let mut client = join();
    client.emit(r#"["kick",false]"#);
    assert_eq!(client.text().as_deref(), Some("41"));
    assert_eq!(told.recv().unwrap(), "server namespace disconnect");
    let mut client = join();
    client.emit(r#"["kick",true]"#);
    assert_eq!(told.recv().unwrap(), "server namespace disconnect");
    let mut client = join();
    client.send("no packet");
    assert_eq!(told.recv().unwrap(), "parse error");
    let mut client = join();
    client.send("4no packet");
    assert_eq!(told.recv().unwrap(), "forced close");
    let mut client = join();
    client.send("42/nowhere,[1]");
    assert_eq!(told.recv().unwrap(), "forced server close");
    let mut client = join();
    client.send("2");
    assert_eq!(told.recv().unwrap(), "transport error");
    let client = join();
    running.stop().unwrap();
    assert_eq!(told.recv().unwrap(), "server shutting down");
    drop(client);
}

#[test]
fn an_auth_handler_that_never_ends_keeps_nothing() {
    let (tell, told) = channel();
    let running = crate::start(move |app| {
        let tell = tell.clone();
        app.ns("/")
            .auth(async move |s: Socket| {
                s.set("kept while it waits");
                tell.send(s.clone().id().is_some()).unwrap();
                std::future::pending::<()>().await;
            })
            .on_connect(async || -> NoAck { panic!("nobody is let in") });
        app.ns("/open").on_sync("ping", || "pong");
    });
    let mut client = Client::join_as(running.address(), "/open", "").unwrap();
    client.send("40");
    let _ = told.recv().unwrap();
    assert_eq!(client.ask(r#"["ping"]"#), json!(["pong"]));
    client.vanish();
    await_empty(running.io());
    running.stop().unwrap();
}

/// Panics when it is dropped, by anything but a panic.
pub(crate) struct Bad;

impl Drop for Bad {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "as it should");
    }
}

impl Future for Bad {
    type Output = &'static str;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready("ready")
    }
}

#[test]
fn values_that_panic_when_they_are_dropped_harm_nobody() {
    let (tell, told) = channel();
    let running = crate::start(move |app| {
        let tell = tell.clone();
        app.ns("/")
            .on_sync("set", |s: Socket| {
                s.set(Bad);
                s.set((Bad, Bad));
            })
            .on_sync("replace", |s: Socket| s.set(Bad))
            .on("future", || Bad)
            .on_sync("panic", || -> NoAck { std::panic::panic_any(Bad) })
            .on_disconnect(async move |s: Socket| tell.send(s.get::<Bad>().is_some()).unwrap());
        // Nobody is told that a socket has left it.
        app.ns("/silent").on_sync("set", |s: Socket| s.set(Bad));
        app.ns("/gate").auth(async |s: Socket| {
            s.set(Bad);
            Err::<(), _>(Refused::new("as it should"))
        });
        app.ns("/later").on("future", async || {
            tokio::task::yield_now().await;
            Bad.await
        });
    });
    let join = |namespace| Client::join_as(running.address(), namespace, "");
    let mut others = Client::join(running.address());
    let error = json!([{ "error": { "message": "Internal server error" } }]);
    for _ in 0..3 {
        let mut client = join("/").unwrap();
        assert_eq!(client.ask(r#"["set"]"#), json!([]));
        assert_eq!(client.ask(r#"["replace"]"#), error);
        assert_eq!(client.ask(r#"["future"]"#), error);
        assert_eq!(client.ask(r#"["panic"]"#), error);
        client.vanish();
        assert!(told.recv().unwrap());
        let mut client = join("/silent").unwrap();
        assert_eq!(client.ask(r#"["set"]"#), json!([]));
        client.leave();
        let refused = join("/gate").err().unwrap();
        assert_eq!(refused, json!({ "message": "as it should" }));
        assert_eq!(join("/later").unwrap().ask(r#"["future"]"#), error);
        assert_eq!(others.ask(r#"["future"]"#), error);
    }
    assert_eq!(others.ask(r#"["set"]"#), json!([]));
    running.stop().unwrap();
}
