//! `Io` from other threads, from axum, and its order beside `Socket`.

use std::thread;

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
            io.emit("one", &1).unwrap();
            io.to("even").emit("two", Args(("a", "b"))).unwrap();
            io.except("even").emit("three", ()).unwrap();
            io.of("/other").emit("four", &[4]).unwrap();
            io.of("/nowhere").emit("five", &5).unwrap();
            io.to("nobody").emit("six", &6).unwrap();
            io.to("even").to("even").emit("seven", &7).unwrap();
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
        // Posts of one thread to one shard keep their order: the rooms are joined when this comes.
        // To a room of another shard they do not, so the joined are asked for.
        let few = crate::block_on(async {
            loop {
                let answers = io
                    .to("few")
                    .timeout(std::time::Duration::ZERO)
                    .call::<()>("q", ());
                let all = answers.all().await;
                if all.timed_out.len() == 2 {
                    return all.timed_out;
                }
            }
        });
        let mut few: Vec<_> = few.iter().map(ToString::to_string).collect();
        let mut expected = vec![clients[0].id.clone(), clients[1].id.clone()];
        few.sort();
        expected.sort();
        assert_eq!(few, expected);
        io.to("few").disconnect(true).unwrap();
        for client in clients.drain(..2) {
            ended_after_questions(client);
        }
        io.emit("still here", ()).unwrap();
        for client in &mut clients {
            assert_eq!(client.event(), json!(["still here"]));
        }
        drop(clients);
        running.stop().unwrap();
    }
}

/// Reads the questions that were put meanwhile, then the DISCONNECT and the end.
fn ended_after_questions(mut client: Client) {
    loop {
        match client.text().as_deref() {
            Some(text) if text.ends_with(r#"["q"]"#) => {}
            Some("41") => {}
            Some(other) => panic!("{other}"),
            None => return,
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
        s.emit("a", ());
        io.emit("b", ())?;
        s.emit("c", ());
        io.to("mine").emit("d", ())?;
        s.all().emit("e", ())?;
        s.emit("f", ());
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
