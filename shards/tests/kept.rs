//! Sockets that user code keeps do not keep their shard, when the server has stopped.
//!
//! One test in a process: it counts the process's descriptors.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "api/client.rs"]
#[expect(dead_code, reason = "other tests' client")]
mod client;

use std::{cell::RefCell, fs, rc::Rc, sync::Arc};

use client::Client;
use stentor::{Message, prelude::*};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Keeps each socket where its shard keeps it, and in what its handlers have captured; `alive` with them.
fn socket_io(alive: &Arc<()>) -> Server {
    let alive = Arc::clone(alive);
    Server::new().app(move |app| {
        type Kept = RefCell<Vec<(Socket, Arc<()>)>>;
        let (alive, captured) = (Arc::clone(&alive), Rc::<Kept>::default());
        app.local(Kept::default());
        app.ns("/")
            .on_connect(async move |s: Socket, kept: Local<Kept>| {
                s.set(Arc::clone(&alive));
                kept.borrow_mut().push((s.clone(), Arc::clone(&alive)));
                captured.borrow_mut().push((s, Arc::clone(&alive)));
            })
            .on_sync("ping", || "pong");
    })
}

fn engine_io(alive: &Arc<()>) -> Server {
    let alive = Arc::clone(alive);
    Server::engine(move |app| {
        let (alive, kept) = (Arc::clone(&alive), RefCell::new(Vec::new()));
        app.on_connect(move |socket| {
            kept.borrow_mut().push((socket.clone(), Arc::clone(&alive)));
            socket.send(Message::Text("welcome"));
        });
    })
}

/// What is open, and alive, after a server has had 20 clients and stopped.
fn after(server: Server, clients: impl Fn(std::net::SocketAddr)) -> usize {
    let server = server.listen("127.0.0.1:0").shards(2).pin(false);
    let running = server.start().unwrap();
    let io = running.io().clone(); // is kept too
    clients(running.address());
    running.stop().unwrap();
    assert_eq!(io.sessions(), 0);
    descriptors()
}

#[test]
fn kept_sockets_keep_nothing_of_a_server_that_has_stopped() {
    let socket_io_clients = |address| {
        let mut clients: Vec<_> = (0..20).map(|_| Client::join(address)).collect();
        for client in &mut clients {
            client.ask(r#"["ping"]"#);
        }
    };
    let engine_io_clients = |address| {
        let target = "/engine.io/?EIO=4&transport=websocket";
        let join = |_| client::websocket(address, target).unwrap();
        let mut clients: Vec<_> = (0..20).map(join).collect();
        for client in &mut clients {
            client.read().unwrap();
        }
    };
    let alive = Arc::new(());
    // What the process opens once, for whatever server.
    let before = after(Server::new(), |_| ());
    for _ in 0..2 {
        assert_eq!(after(socket_io(&alive), socket_io_clients), before);
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(after(engine_io(&alive), engine_io_clients), before);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
