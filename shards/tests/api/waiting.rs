//! What becomes of handlers that wait: how many a client may have, and when they go.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::Receiver,
    },
    time::{Duration, Instant},
};

use serde_json::json;
use stentor::{ShardLimits, prelude::*};

use crate::{Client, channel, client::PATIENCE, server};

/// Counts the futures that live and have it.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct Counted(Alive);

impl Alive {
    fn count(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits until as many are left.
    fn becomes(&self, count: usize) {
        let late = Instant::now() + PATIENCE;
        while self.get() != count {
            assert!(Instant::now() < late, "{} are left", self.get());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn handlers_that_wait_go_with_their_client() {
    let alive = Alive::default();
    let (tell, told) = channel();
    let seen = alive.clone();
    let server = server(1).farewell_timeout(Duration::from_millis(10));
    let server = server.app(move |app| {
        let (in_connect, in_auth, in_event) = (alive.clone(), alive.clone(), alive.clone());
        let tell = tell.clone();
        app.ns("/")
            .on_connect(async move || {
                let _counted = in_connect.count();
                pending::<()>().await;
            })
            .on("wait", async move || {
                let _counted = in_event.count();
                pending::<()>().await;
            })
            .on_disconnect(async move || {
                tokio::time::sleep(Duration::from_millis(20)).await;
                tell.send(()).unwrap();
            });
        app.ns("/gated").auth(async move || {
            let _counted = in_auth.count();
            pending::<()>().await;
        });
    });
    let running = server.start().unwrap();
    let mut stays = Client::join(running.address());
    let mut goes = Client::join(running.address());
    for client in [&mut stays, &mut goes] {
        client.send("40/gated,");
        client.emit(r#"["wait"]"#);
    }
    seen.becomes(6);
    goes.vanish();
    seen.becomes(3);
    next(&told); // a disconnect handler that waits finishes
    stays.leave(); // the session stays, with the namespace that has not let it in
    seen.becomes(1);
    next(&told);
    drop(stays);
    seen.becomes(0);
    running.stop().unwrap();
}

/// 100,000 events whose handlers never end: as many wait as may, the others are answered, all go with the client.
#[test]
fn a_client_has_so_many_handlers_waiting_and_no_more() {
    const EVENTS: usize = 100_000;
    const MOST: usize = 1_000;
    let alive = Alive::default();
    let seen = alive.clone();
    let running = server(1)
        .farewell_timeout(Duration::ZERO)
        .shard_limits(ShardLimits {
            waiting_handlers: MOST,
            ..ShardLimits::default()
        })
        .app(move |app| {
            let alive = alive.clone();
            app.ns("/")
                .on("wait", async move || {
                    let _counted = alive.count();
                    pending::<()>().await;
                })
                .on_sync("quick", || 1);
        })
        .start()
        .unwrap();
    let mut client = Client::join(running.address());
    let mut other = Client::join(running.address());
    for _ in 0..EVENTS {
        client.emit(r#"["wait"]"#);
    }
    let refused = json!([{"error": {"message": "Too many handlers are waiting"}}]);
    assert_eq!(client.ask(r#"["wait"]"#), refused);
    assert_eq!(client.ask(r#"["quick"]"#), json!([1]), "it need not wait");
    assert_eq!(seen.get(), MOST);
    other.emit(r#"["wait"]"#);
    seen.becomes(MOST + 1);
    drop(client);
    seen.becomes(1);
    let mut again = Client::join(running.address());
    again.emit(r#"["wait"]"#);
    seen.becomes(2);
    drop((again, other));
    seen.becomes(0);
    running.stop().unwrap();
}

/// As the official server's do, for a while; the time is an hour here.
#[test]
fn handlers_may_finish_what_they_do() {
    let (tell, told) = channel();
    let running = server(1)
        .farewell_timeout(Duration::from_hours(1))
        .app(move |app| {
            let (gone, done, kicked) = (tell.clone(), tell.clone(), tell.clone());
            app.ns("/")
                .on("work", async move || {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    done.send("done").unwrap();
                })
                .on("kick", async move |s: Socket| {
                    s.disconnect(true);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    kicked.send("done").unwrap();
                })
                .on_disconnect(async move || gone.send("gone").unwrap());
        })
        .start()
        .unwrap();
    for event in ["work", "kick"] {
        let mut client = Client::join(running.address());
        client.emit(&format!("[\"{event}\"]"));
        client.send("1");
        assert_eq!([next(&told), next(&told)], ["gone", "done"], "{event}");
    }
    running.stop().unwrap();
}

/// One that has ended its client before it waited, too.
#[test]
fn a_handler_that_ends_its_own_client_is_dropped_as_others_are() {
    let alive = Alive::default();
    let (tell, told) = channel();
    let running = server(1)
        .farewell_timeout(Duration::from_millis(10))
        .app(move |app| {
            let (alive, tell) = (alive.clone(), tell.clone());
            app.ns("/").on("kick", async move |s: Socket| {
                let _counted = alive.count();
                tell.send(alive.clone()).unwrap();
                s.disconnect(true);
                pending::<()>().await;
            });
        })
        .start()
        .unwrap();
    let mut client = Client::join(running.address());
    client.emit(r#"["kick"]"#);
    next(&told).becomes(0);
    running.stop().unwrap();
}

/// It is the server that goes, and not the client.
#[test]
fn handlers_finish_when_the_server_stops() {
    let (tell, told) = channel();
    let running = server(1)
        .stop_timeout(PATIENCE)
        .app(move |app| {
            let (begun, gone, done) = (tell.clone(), tell.clone(), tell.clone());
            app.ns("/")
                .on("work", async move || {
                    begun.send("begun").unwrap();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    done.send("done").unwrap();
                })
                .on_disconnect(async move || {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    gone.send("gone").unwrap();
                });
        })
        .start()
        .unwrap();
    let mut client = Client::join(running.address());
    client.emit(r#"["work"]"#);
    assert_eq!(next(&told), "begun");
    let reader = std::thread::spawn(move || while client.text().is_some() {});
    running.stop().unwrap();
    reader.join().unwrap();
    let mut said: Vec<_> = told.try_iter().collect();
    said.sort_unstable();
    assert_eq!(said, ["done", "gone"]);
}
