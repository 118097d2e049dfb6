//! A server that is told to stop does, whatever user code does meanwhile.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use serde_json::json;
use stentor::{EmitError, Running, ServerError, prelude::*};

use crate::{Client, SHARD_COUNTS, channel, crowd, server, start};

/// The shard that runs this.
fn own_shard() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn a_handler_that_never_returns_keeps_no_other_shard() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let (tell, told) = channel();
    let running = server(4)
        .stop_timeout(Duration::ZERO)
        .app(move |app| {
            let (wait, tell) = (Arc::clone(&wait), tell.clone());
            app.ns("/")
                .on_sync("where", own_shard)
                .on_sync("block", move || {
                    tell.send(()).unwrap();
                    let _ = wait.lock().unwrap().recv();
                });
        })
        .start()
        .unwrap();
    let mut clients = crowd(&running);
    let shards: Vec<_> = clients
        .iter_mut()
        .map(|client| client.ask(r#"["where"]"#))
        .collect();
    clients[0].emit(r#"["block"]"#);
    told.recv().unwrap();
    let stop = thread::spawn(move || running.stop());
    for (client, shard) in clients.iter_mut().zip(&shards) {
        if *shard != shards[0] {
            assert_eq!(client.close_frame(), None);
        }
    }
    assert!(!stop.is_finished(), "the stuck shard is waited for");
    let error = stop.join().unwrap().unwrap_err();
    let ServerError::ShardStuck(stuck) = error else {
        panic!("{error}")
    };
    assert_eq!(json!([format!("shard-{stuck}")]), shards[0]);
    drop(go_on);
}

#[test]
fn a_stop_on_a_shards_own_thread_is_an_error_and_a_stop() {
    for shards in SHARD_COUNTS {
        type Kept = Arc<Mutex<Option<Running>>>;
        let kept = Kept::default();
        let running = server(shards)
            .state(Arc::clone(&kept))
            .app(|app| {
                app.ns("/").on_sync("stop", |State(kept): State<Kept>| {
                    let running = kept.lock().unwrap().take().unwrap();
                    let stopped = running.stop().unwrap_err();
                    assert!(matches!(stopped, ServerError::StopOnShard), "{stopped}");
                    "no deadlock"
                });
            })
            .start()
            .unwrap();
        let (address, io) = (running.address(), running.io().clone());
        *kept.lock().unwrap() = Some(running);
        let mut client = Client::join(address);
        assert_eq!(client.ask(r#"["stop"]"#), json!(["no deadlock"]));
        assert_eq!(client.close_frame(), None);
        client.assert_end();
        while !matches!(io.emit("x", ()), Err(EmitError::NotRunning)) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The same server again has nothing to wait for.
#[test]
fn blocking_work_does_not_hold_a_stop() {
    let done = Arc::new(AtomicBool::new(false));
    let (tell, told) = channel();
    let until = Arc::clone(&done);
    let running = server(2)
        .stop_timeout(Duration::ZERO)
        .app(move |app| {
            let (tell, until) = (tell.clone(), Arc::clone(&until));
            app.ns("/").on_connect(async move || {
                let (tell, until) = (tell.clone(), Arc::clone(&until));
                let work = tokio::task::spawn_blocking(move || {
                    tell.send(()).unwrap();
                    while !until.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_millis(1));
                    }
                });
                work.await.unwrap();
            });
        })
        .start()
        .unwrap();
    let _client = Client::join(running.address());
    told.recv().unwrap();
    running.stop().unwrap();
    done.store(true, Ordering::Relaxed);
}

/// The cores that the calling thread may run on.
fn cores() -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("Cpus_allowed_list"));
    line.unwrap().to_owned()
}

#[test]
fn blocking_work_is_not_pinned_to_its_shard() {
    let running = server(2)
        .pin(true)
        .app(|app| {
            app.ns("/")
                .on_sync("shard", cores)
                .on("blocking", async || {
                    tokio::task::spawn_blocking(cores).await.unwrap()
                })
                .on_sync("thread", || {
                    let thread = thread::spawn(|| {
                        assert!(stentor::unpin_thread());
                        cores()
                    });
                    thread.join().unwrap()
                });
        })
        .start()
        .unwrap();
    for mut client in crowd(&running) {
        let pinned = client.ask(r#"["shard"]"#);
        let core = pinned[0].as_str().unwrap().rsplit('\t').next().unwrap();
        assert!(core.parse::<usize>().is_ok(), "one core: {pinned}");
        let all = json!([cores()]);
        assert_eq!(client.ask(r#"["blocking"]"#), all);
        assert_eq!(client.ask(r#"["thread"]"#), all);
    }
    running.stop().unwrap();
}

#[test]
fn a_server_that_could_serve_nobody_does_not_start() {
    let refused = |server: Server| match server.start() {
        Err(ServerError::Options(why)) => why,
        other => panic!("{other:?}"),
    };
    let why = refused(server(1).ping_timeout(Duration::ZERO));
    assert!(why.starts_with("ping_timeout: "), "{why}");
    let why = refused(server(1).transports(false, false));
    assert!(why.starts_with("transports: "), "{why}");
    let why = refused(server(1).path("/a b"));
    assert!(why.starts_with("path: "), "{why}");
    let why = refused(server(1).max_payload(0));
    assert!(why.starts_with("max_payload: "), "{why}");
    let error = Server::engine(|_| ()).ping_interval(Duration::ZERO).start();
    assert!(matches!(error, Err(ServerError::Options(_))), "{error:?}");
}

#[test]
fn namespaces_with_odd_names_are_served() {
    let longest = format!("/{}", "x".repeat(1_023));
    let known = longest.clone();
    let running = start(move |app| {
        app.ns(&known).on_sync("ping", || "pong");
        app.ns("without a slash").on_sync("ping", || "pong");
    });
    for name in [&longest, "/without a slash"] {
        let mut client = Client::join_as(running.address(), name, "").unwrap();
        assert_eq!(client.ask(r#"["ping"]"#), json!(["pong"]));
    }
    running.stop().unwrap();
}
