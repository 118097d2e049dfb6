//! `Io` from other threads, from axum, and its order beside `Socket`.

use std::{thread, time::Duration};

use axum::{Router, extract, routing};
use serde_json::json;
use stentor::{EmitError, prelude::*};

use crate::{Client, SHARD_COUNTS, client, crowd, server};

fn rooms(app: &mut App) {
    app.ns("/")
        .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room));
    app.ns("/other");
}

#[test]
fn io_reaches_everybody_from_another_thread() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(rooms).start().unwrap();
        let mut clients = crowd(&running);
        let mut other = Client::join_as(running.address(), "/other", "").unwrap();
        for (n, client) in clients.iter_mut().enumerate() {
            if n % 2 == 0 {
                assert_eq!(client.ask(r#"["join","even"]"#), json!([]));
            }
        }
        let io = running.io().clone();
        let emitted = thread::spawn(move || {
            io.emit("one", 1).unwrap();
            io.to("even").emit("two", Args(("a", "b"))).unwrap();
            io.except("even").emit("three", ()).unwrap();
            io.of("/other").emit("four", [4]).unwrap();
            io.of("/nowhere").emit("five", 5).unwrap();
            io.to("nobody").emit("six", 6).unwrap();
            io.to("even").to("even").emit("seven", 7).unwrap();
            io.emit("end", ()).unwrap();
        });
        emitted.join().unwrap();
        for (n, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.event(), json!(["one", 1]));
            if n % 2 == 0 {
                assert_eq!(client.event(), json!(["two", "a", "b"]));
                assert_eq!(
                    client.event(),
                    json!(["seven", 7]),
                    "once, in two equal rooms"
                );
            } else {
                assert_eq!(client.event(), json!(["three"]));
            }
            assert_eq!(client.event(), json!(["end"]));
        }
        assert_eq!(other.event(), json!(["four", [4]]));
        drop((clients, other));
        running.stop().unwrap();
    }
}

#[test]
fn io_moves_and_removes_clients_from_another_thread() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(rooms).start().unwrap();
        let mut clients = crowd(&running);
        let io = running.io();
        io.to(&clients[0].id)
            .to(&clients[1].id)
            .join("few")
            .unwrap();
        // What one thread asks for keeps its order: the rooms are joined when this comes.
        let question = io.to("few").timeout(Duration::ZERO);
        let few = crate::block_on(question.call::<()>("q", ()).all()).timed_out;
        let mut few: Vec<_> = few.iter().map(ToString::to_string).collect();
        let mut expected = vec![clients[0].id.clone(), clients[1].id.clone()];
        few.sort();
        expected.sort();
        assert_eq!(few, expected);
        io.to("few").disconnect(true).unwrap();
        for mut client in clients.drain(..2) {
            assert_eq!(client.question().1, json!(["q"]));
            assert_eq!(client.text().as_deref(), Some("41"));
            assert_eq!(client.text(), None);
        }
        io.emit("still here", ()).unwrap();
        for client in &mut clients {
            assert_eq!(client.event(), json!(["still here"]));
        }
        drop(clients);
        running.stop().unwrap();
    }
}

/// Everybody joins `round`, is emitted to there, asked and moved on.
fn go_round(io: &Io, round: usize) -> Result<(), EmitError> {
    let at = |step: &str| io.to(format!("{step}{round}"));
    io.all().join(format!("a{round}"))?;
    at("a").emit("joined", round)?;
    at("a").join(format!("b{round}"))?;
    at("a").leave(format!("a{round}"))?;
    at("a").emit("never", round)?;
    drop(at("b").call::<()>("asked", ()));
    at("b").emit("moved", round)
}

fn assert_went_round(clients: &mut [Client], round: usize) {
    for client in clients {
        assert_eq!(client.event(), json!(["joined", round]));
        assert_eq!(client.question().1, json!(["asked"]));
        assert_eq!(client.event(), json!(["moved", round]));
    }
}

#[test]
fn who_was_told_to_join_is_emitted_to() {
    for shards in SHARD_COUNTS {
        let running = server(shards)
            .app(|app| {
                app.ns("/")
                    .on_sync("go", |io: Io, Data(round): Data<usize>| {
                        go_round(&io, round).map(|()| NoAck)
                    });
            })
            .start()
            .unwrap();
        let mut clients = crowd(&running);
        for round in 0..20 {
            let round = 2 * round;
            go_round(running.io(), round).unwrap();
            assert_went_round(&mut clients, round);
            clients[0].emit(&format!(r#"["go",{}]"#, round + 1));
            assert_went_round(&mut clients, round + 1);
        }
        drop(clients);
        running.stop().unwrap();
    }
}

#[test]
fn what_was_emitted_before_the_stop_is_sent() {
    for shards in SHARD_COUNTS {
        let server = server(shards).app(rooms);
        let running = server
            .stop_timeout(Duration::from_millis(300))
            .start()
            .unwrap();
        let mut clients = crowd(&running);
        running.io().all().join("last").unwrap();
        running.io().to("last").emit("bye", ()).unwrap();
        running.stop().unwrap();
        for client in &mut clients {
            assert_eq!(client.event(), json!(["bye"]));
            assert_eq!(client.text(), None);
        }
    }
}

#[test]
fn what_cannot_be_emitted_is_an_error() {
    let mut unstarted = server(1);
    assert!(matches!(
        unstarted.io().emit("a", ()),
        Err(EmitError::NotRunning)
    ));
    let running = unstarted.app(rooms).start().unwrap();
    let io = running.io().clone();
    assert!(
        matches!(io.emit("disconnect", ()), Err(EmitError::Reserved(name)) if name == "disconnect")
    );
    assert!(matches!(io.emit("a", Args(5)), Err(EmitError::Encode(_))));
    running.stop().unwrap();
    assert!(matches!(io.emit("a", ()), Err(EmitError::NotRunning)));
    assert!(matches!(io.to("b").join("c"), Err(EmitError::NotRunning)));
}

#[test]
fn io_and_socket_keep_their_order_in_a_handler() {
    fn mix(s: Socket, io: Io) -> Result<(), Box<dyn std::error::Error>> {
        s.join("mine")?;
        s.emit("a", ()).unwrap();
        io.emit("b", ())?;
        s.emit("c", ()).unwrap();
        io.to("mine").emit("d", ())?;
        s.all().emit("e", ())?;
        s.emit("f", ()).unwrap();
        Ok(())
    }
    for shards in SHARD_COUNTS {
        let running = server(shards)
            .app(|app| {
                app.ns("/").on_sync("mix", mix);
            })
            .start()
            .unwrap();
        let mut client = Client::join(running.address());
        for _ in 0..100 {
            client.emit(r#"["mix"]"#);
        }
        for _ in 0..100 {
            for name in ["a", "b", "c", "d", "e", "f"] {
                assert_eq!(client.event(), json!([name]));
            }
        }
        drop(client);
        running.stop().unwrap();
    }
}

async fn publish(extract::State(io): extract::State<Io>, body: String) -> String {
    match io.emit("news", &body) {
        Ok(()) => io.sessions().to_string(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn axum_emits_on_the_same_port() {
    for shards in SHARD_COUNTS {
        let mut server = server(shards).app(rooms);
        let router = Router::new()
            .route("/publish", routing::post(publish))
            .route("/socket.io", routing::get(|| async { "no slash: axum's" }))
            .with_state(server.io());
        let running = server.http(router).start().unwrap();
        let mut clients = crowd(&running);
        let answer = client::http(running.address(), "POST /publish", "it rains");
        assert_eq!(answer, (200, "16".to_owned()));
        for client in &mut clients {
            assert_eq!(client.event(), json!(["news", "it rains"]));
        }
        let (status, _) = client::http(running.address(), "GET /nowhere", "");
        assert_eq!(status, 404);
        let page = client::http(running.address(), "GET /socket.io", "");
        assert_eq!(page, (200, "no slash: axum's".to_owned()));
        drop(clients);
        running.stop().unwrap();
    }
}

/// What a thread emits is not kept on the first shard without bound for a shard that is behind.
#[test]
fn a_shard_that_is_behind_is_told_to_threads() {
    let (go, may_go) = std::sync::mpsc::sync_channel::<()>(0);
    let may_go = std::sync::Arc::new(std::sync::Mutex::new(may_go));
    let running = server(2)
        .app(move |app| {
            let may_go = may_go.clone();
            app.ns("/").on_sync("block", move || {
                may_go.lock().unwrap().recv().unwrap();
            });
        })
        .start()
        .unwrap();
    let shard = |client: &Client| client.id.parse::<SocketId>().unwrap().shard().0;
    let mut clients = crowd(&running);
    clients.sort_by_key(shard);
    let mut behind = clients.pop().unwrap();
    assert_eq!((shard(&clients[0]), shard(&behind)), (0, 1));
    behind.emit(r#"["block"]"#);
    let io = running.io();
    let mut sent = 0;
    let full = |result| match result {
        Ok(()) => false,
        Err(EmitError::MailboxFull) => true,
        Err(error) => panic!("{error}"),
    };
    let mut refused = 0;
    while refused < 3 {
        if full(io.to(&behind.id).emit("x", ())) {
            refused += 1;
            thread::sleep(Duration::from_millis(50));
        } else {
            (sent, refused) = (sent + 1, 0);
            assert!(sent < 1 << 17, "no bound");
        }
    }
    go.send(()).unwrap();
    for _ in 0..sent {
        assert_eq!(behind.event(), json!(["x"]));
    }
    while full(io.emit("end", ())) {
        thread::yield_now();
    }
    clients.push(behind);
    for client in &mut clients {
        assert_eq!(client.event(), json!(["end"]));
    }
    drop(clients);
    running.stop().unwrap();
}

/// What a packet may not be longer than, in the test of it.
const PACKET: usize = 10_000;

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn too_long(app: &mut App) {
    let text = || "x".repeat(PACKET);
    app.ns("/")
        .on_sync("emit", move |s: Socket| {
            let parts = [vec![0; PACKET / 2], vec![1; PACKET / 2]].map(Binary::from);
            [
                s.emit("long", text()),
                s.emit("long", &parts),
                s.emit("short", 1),
            ]
            .map(|sent| sent.is_ok().to_string())
            .join(" ")
        })
        .on_sync("many", move |s: Socket, io: Io| {
            let to = |room| io.to(room).emit("long", text()).unwrap_err();
            [
                said(to("nobody")),
                said(s.all().emit("long", text()).unwrap_err()),
            ]
            .join("; ")
        })
        .on("ask", async move |s: Socket| {
            let one = s.call::<()>("long", &text()).await.unwrap_err();
            let many = s.all().call::<()>("long", &text()).all().await;
            [said(one), said(many.error.unwrap())].join("; ")
        })
        .on_sync("answer", text)
        .on_sync("answer later", move |ack: AckHandle| {
            assert!(!ack.send(text()));
            NoAck
        });
}

/// What would be longer than a packet may be is not encoded, and who emits is told.
#[test]
fn who_emits_too_much_is_told() {
    for shards in SHARD_COUNTS {
        let limits = stentor::Limits {
            packet_bytes: PACKET,
            ..stentor::Limits::default()
        };
        let running = server(shards).limits(limits).app(too_long).start().unwrap();
        let mut clients = crowd(&running);
        let client = &mut clients[0];
        client.send(r#"427["emit"]"#);
        assert_eq!(client.event(), json!(["short", 1]));
        assert_eq!(client.text().unwrap(), r#"437["false false true"]"#);
        let is_told = |answer: serde_json::Value, what: &str, times: usize| {
            let text = answer.to_string();
            assert_eq!(text.matches(what).count(), times, "{text}");
            assert_eq!(
                text.matches("is longer than one may be").count(),
                times,
                "{text}"
            );
        };
        is_told(
            client.ask(r#"["many"]"#),
            "event not sent: a packet of 10",
            2,
        );
        is_told(
            client.ask(r#"["ask"]"#),
            "question not sent: a packet of 10",
            2,
        );
        is_told(
            client.ask(r#"["answer"]"#),
            r#"[{"error":{"message":"a packet"#,
            1,
        );
        client.send(r#"427["answer later"]"#);

        let io = running.io().clone();
        let text = "x".repeat(PACKET);
        let error = io.to("nobody").emit("long", &text).unwrap_err();
        assert!(matches!(error, EmitError::TooLarge(_)), "{error}");
        let error = crate::block_on(io.all().call::<()>("long", &text).first()).unwrap_err();
        assert!(matches!(error, AckError::TooLarge(_)), "{error}");
        io.emit("end", ()).unwrap();
        for client in &mut clients {
            assert_eq!(client.event(), json!(["end"]));
        }
        drop(clients);
        running.stop().unwrap();
    }
}
