//! What is done with a selection of clients: who is in it, and namespaces by name.

use serde_json::json;
use stentor::prelude::*;

use crate::{Client, SHARD_COUNTS, block_on, crowd, server};

fn texts(ids: Vec<SocketId>) -> Vec<String> {
    let mut texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
    texts.sort();
    texts
}

fn ids(clients: &[Client]) -> Vec<String> {
    let mut ids: Vec<_> = clients.iter().map(|client| client.id.clone()).collect();
    ids.sort();
    ids
}

fn rooms(app: &mut App) {
    app.ns("/")
        .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room))
        .on("others", async |s: Socket, Data(room): Data<String>| {
            s.within(room).ids().await.map(|ids| Ack(texts(ids)))
        })
        // What a handler does is seen by what it asks for after, whichever shard is meant.
        .on("move", async |io: Io| {
            io.to("even").join("moved")?;
            io.to("even").leave("even")?;
            let (moved, even) = (io.to("moved").ids().await?, io.to("even").ids().await?);
            Ok::<_, EmitError>(Ack((texts(moved), texts(even))))
        })
        .on("evict", async |io: Io| {
            io.to("moved").disconnect(false)?;
            let (moved, all) = (io.to("moved").ids().await?, io.all().ids().await?);
            Ok::<_, EmitError>(Ack((texts(moved), texts(all))))
        });
    app.ns("/other");
}

#[test]
fn a_handler_finds_moves_and_removes_others() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(rooms).start().unwrap();
        let (mut even, mut odd) = (crowd(&running), crowd(&running));
        for client in &mut even {
            assert_eq!(client.ask(r#"["join","even"]"#), json!([]));
        }
        let others = even[0].ask(r#"["others","even"]"#);
        assert_eq!(others, json!([ids(&even[1..])]));
        let none: [&str; 0] = [];
        assert_eq!(odd[0].ask(r#"["move"]"#), json!([[ids(&even), none]]));
        assert_eq!(odd[0].ask(r#"["evict"]"#), json!([[none, ids(&odd)]]));
        for client in &mut even {
            assert_eq!(client.text().as_deref(), Some("41"), "its connection stays");
        }
        drop((even, odd));
        running.stop().unwrap();
    }
}

#[test]
fn a_thread_finds_whom_it_has_moved() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(rooms).start().unwrap();
        let clients = crowd(&running);
        let other = Client::join_as(running.address(), "/other", "").unwrap();
        let io = running.io();
        let everybody = texts(block_on(io.all().ids()).unwrap());
        assert_eq!(everybody, ids(&clients));
        io.all().except(&clients[0].id).join("rest").unwrap();
        let rest = texts(block_on(io.within("rest").ids()).unwrap());
        assert_eq!(rest, ids(&clients[1..]), "{shards} shards");
        let others = texts(block_on(io.of("other").all().ids()).unwrap());
        assert_eq!(others, ids(std::slice::from_ref(&other)));
        assert_eq!(block_on(io.of("/nowhere").all().ids()).unwrap(), []);
        assert_eq!(block_on(io.to("nobody").ids()).unwrap(), []);
        let io = io.clone();
        drop((clients, other));
        running.stop().unwrap();
        let error = block_on(io.all().ids()).unwrap_err();
        assert!(matches!(error, EmitError::NotRunning), "{error}");
    }
}

/// A handle that was made before the server started is as good as any.
#[test]
fn a_namespace_may_be_named_before_the_start() {
    let mut server = server(2).app(rooms);
    let other = server.io().of("other");
    let error = other.emit("early", ()).unwrap_err();
    assert!(matches!(error, EmitError::NotRunning), "{error}");
    let running = server.start().unwrap();
    let mut client = Client::join_as(running.address(), "/other", "").unwrap();
    other.emit("hello", 1).unwrap();
    assert_eq!(client.event(), json!(["hello", 1]));
    drop(client);
    running.stop().unwrap();
}

/// Several rooms at once, of one client and of a selection, on all shards.
#[test]
fn rooms_are_joined_and_left_together() {
    fn app(app: &mut App) {
        app.ns("/")
            .on_sync("join", |s: Socket, Args(rooms): Args<Vec<String>>| {
                s.join_each(rooms)
            })
            .on_sync("leave", |s: Socket, Args(rooms): Args<Vec<String>>| {
                s.leave_each(&rooms);
            })
            .on_sync("leave all", |s: Socket| s.leave_all())
            .on_sync("rooms", |s: Socket| {
                let mut rooms = s.rooms();
                rooms.sort();
                Ack(rooms)
            })
            .on("others", async |io: Io| {
                io.to("a").join_each(["c", "d"])?;
                io.to("c").leave_each(["a", "b"])?;
                let (a, c) = (io.to("a").ids().await?, io.to("c").ids().await?);
                Ok::<_, EmitError>(Ack((texts(a), texts(c))))
            });
    }
    for shards in SHARD_COUNTS {
        let running = server(shards).app(app).start().unwrap();
        let mut clients = crowd(&running);
        for client in &mut clients {
            assert_eq!(client.ask(r#"["join","a","b","own"]"#), json!([]));
            assert_eq!(client.ask(r#"["rooms"]"#), json!([["a", "b", "own"]]));
        }
        let none: [&str; 0] = [];
        let moved = clients[0].ask(r#"["others"]"#);
        assert_eq!(moved, json!([[none, ids(&clients)]]));
        for client in &mut clients {
            assert_eq!(client.ask(r#"["leave","c","nowhere"]"#), json!([]));
            assert_eq!(client.ask(r#"["rooms"]"#), json!([["d", "own"]]));
            assert_eq!(client.ask(r#"["leave all"]"#), json!([]));
            assert_eq!(client.ask(r#"["rooms"]"#), json!([none]));
        }
        // Its own room is not left: it can be reached.
        let one = &mut clients[0];
        running.io().to(&one.id).emit("still", ()).unwrap();
        assert_eq!(one.event(), json!(["still"]));
        drop(clients);
        running.stop().unwrap();
    }
}

#[test]
fn of_several_rooms_those_are_joined_that_can_be() {
    let limits = stentor::Limits {
        rooms_per_socket: 2,
        ..stentor::Limits::default()
    };
    let running = server(1)
        .limits(limits)
        .app(|app| {
            app.ns("/")
                .on_sync("join", |s: Socket| {
                    let long = "x".repeat(1025);
                    let joined = s.join_each(["a", &long, "b", "c"]);
                    Ack((joined.map_err(|error| error.to_string()), s.rooms().len()))
                })
                .on_sync("gone", |s: Socket| {
                    s.disconnect(false);
                    assert_eq!(s.join_each(["d"]), Err(JoinError::NotConnected));
                    s.leave_all();
                });
        })
        .start()
        .unwrap();
    let mut client = Client::join(running.address());
    let full = json!([[{ "Err": JoinError::Full.to_string() }, 2]]);
    assert_eq!(client.ask(r#"["join"]"#), full);
    client.emit(r#"["gone"]"#);
    assert_eq!(client.text().as_deref(), Some("41"));
    drop(client);
    running.stop().unwrap();
}
