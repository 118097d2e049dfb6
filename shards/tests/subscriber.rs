//! What listens to the log is user code too: it may panic and it may emit to clients; and what
//! it hears of a client is short, on one line, and at debug.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "api/client.rs"]
#[expect(dead_code, reason = "other tests' client")]
mod client;

use std::{
    cell::Cell,
    error::Error,
    fmt::{self, Write as _},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc},
    time::Duration,
};

use client::Client;
use serde::Deserialize;
use serde_json::json;
use stentor::{Reject, Running, prelude::*};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// A line that was heard: its level and its text.
type Heard = (Level, String);
type Listener = Arc<dyn Fn(Heard) + Send + Sync>;

static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

struct Told;

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("stentor")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        let listener = LISTENER.lock().unwrap().clone();
        if let Some(listener) = listener {
            listener((*event.metadata().level(), words.0));
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The one listener there is, while this test runs.
fn listen(listener: impl Fn(Heard) + Send + Sync + 'static) -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    static ONCE: OnceLock<()> = OnceLock::new();
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    ONCE.get_or_init(|| tracing::subscriber::set_global_default(Told).unwrap());
    *LISTENER.lock().unwrap() = Some(Arc::new(listener));
    one
}

/// A listener that passes each line on.
fn hear() -> (MutexGuard<'static, ()>, mpsc::Receiver<Heard>) {
    let (say, said) = mpsc::channel();
    let say = Mutex::new(say);
    let one = listen(move |line| {
        let _ = say.lock().unwrap().send(line);
    });
    (one, said)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Red,
}

/// Everything that makes the library say something.
fn server() -> Server {
    Server::new()
        .listen("127.0.0.1:0")
        .shards(2)
        .pin(false)
        .allow_request(|request| {
            assert!(request.query("panic").is_none(), "as it should");
            Ok(())
        })
        .app(|app| {
            app.ns("/")
                .on_sync("colour", |Data(colour): Data<Colour>| format!("{colour:?}"))
                .on_sync("error", || Err::<(), _>("as it should"))
                .on_sync("panic", || -> NoAck { panic!("as it should") })
                .on_sync("reserved", |s: Socket| s.emit("connect", ()))
                .on_sync("state", |_: Kept<u8>| ())
                .on_sync("join", |io: Io| io.all().join("x".repeat(1_025)))
                .on_sync("ping", || "pong");
            app.ns("/gate").auth(async |Auth(_): Auth<Colour>| ());
        })
}

fn start() -> Running {
    server().start().unwrap()
}

/// Has the library say each of its lines that a client can cause.
fn provoke(running: &Running) -> Client {
    let mut client = Client::join(running.address());
    for event in ["colour", "error", "panic", "reserved", "state", "join"] {
        client.emit(&json!([event, "blue"]).to_string());
    }
    let refused = "/socket.io/?EIO=4&transport=websocket&panic=1";
    client::websocket(running.address(), refused).unwrap_err();
    assert!(Client::join_as(running.address(), "/gate", "{}").is_err());
    client
}

#[test]
fn a_subscriber_that_panics_harms_nobody() {
    let _one = listen(|_| panic!("as it should"));
    let running = start();
    let mut client = provoke(&running);
    assert_eq!(client.ask(r#"["ping"]"#), json!(["pong"]));
    client.send("no packet"); // closes the session, which is said
    for _ in 0..8 {
        let mut other = Client::join(running.address());
        assert_eq!(other.ask(r#"["ping"]"#), json!(["pong"]));
    }
    running.stop().unwrap();
}

#[test]
fn a_subscriber_may_emit_to_clients_and_ask_who_is_there() {
    thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });
    let mut server = server();
    let io = server.io();
    let _one = listen(move |(_, words)| {
        if !INSIDE.replace(true) {
            let _ = io.emit("log", &words);
            drop(io.all().ids());
            let _ = io.all().call::<()>("anybody?", ());
            INSIDE.set(false);
        }
    });
    let running = server.start().unwrap();
    let mut client = provoke(&running);
    let mut seen = String::new();
    client.emit(r#"["join"]"#); // what is said of it was said with the hub borrowed
    while seen.matches("did not all join").count() < 2 {
        seen += &client.text().unwrap();
    }
    running.stop().unwrap();
}

/// The shard that a handler blocks is named while it does, and not another one.
#[test]
fn a_shard_that_is_stuck_is_named() {
    let (say, said) = mpsc::channel();
    let say = Mutex::new(say);
    let _one = listen(move |(level, words)| {
        if level == Level::WARN {
            say.lock().unwrap().send(words).unwrap();
        }
    });
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let server = Server::new().listen("127.0.0.1:0").shards(3).pin(false);
    let running = server.app(move |app| {
        let wait = Arc::clone(&wait);
        let shard = || std::thread::current().name().unwrap_or_default().to_owned();
        app.ns("/")
            .on_sync("where", shard)
            .on_sync("block", move || {
                let _ = wait.lock().unwrap().recv();
            });
    });
    let running = running.start().unwrap();
    let mut client = Client::join(running.address());
    let shard = client.ask(r#"["where"]"#);
    let number = shard[0].as_str().unwrap().trim_start_matches("shard-");
    client.emit(r#"["block"]"#);
    let words = said.recv_timeout(client::PATIENCE).unwrap();
    let stuck = format!("shard={number} ");
    assert!(
        words.contains("is stuck") && words.contains(&stuck),
        "{words}"
    );
    drop(go_on);
    let words = said.recv_timeout(client::PATIENCE).unwrap();
    assert!(
        words.contains("goes on") && words.contains(&stuck),
        "{words}"
    );
    assert_eq!(client.ask(r#"["where"]"#), shard);
    running.stop().unwrap();
}

#[test]
fn what_a_client_sends_is_a_short_line_at_debug() {
    let heard = Arc::<Mutex<Vec<Heard>>>::default();
    let lines = Arc::clone(&heard);
    let _one = listen(move |line| lines.lock().unwrap().push(line));
    let running = start();
    let mut client = Client::join(running.address());
    let forged = "x\n2026-11-27T00:00:00Z ERROR stentor::auth: admin logged in from 10.0.0.1";
    let long = "y".repeat(500_000);
    for text in [forged, &long] {
        let answer = client.ask(&json!(["colour", text]).to_string());
        assert!(answer[0]["error"]["message"].is_string(), "{answer}");
    }
    drop(client);
    running.stop().unwrap();
    let heard = heard.lock().unwrap();
    let of_both: Vec<_> = heard
        .iter()
        .filter(|(_, words)| words.contains("unknown variant"))
        .collect();
    assert_eq!(of_both.len(), 2, "{heard:?}");
    for (level, words) in of_both {
        assert_eq!(*level, Level::DEBUG);
        assert!(!words.contains('\n') && words.len() < 700, "{words:?}");
        for field in [
            "sid=\"",
            "socket=\"",
            "namespace=\"/\"",
            "peer=\"127.0.0.1:",
        ] {
            assert!(words.contains(field), "{field}: {words}");
        }
    }
}

/// Of each kind of line ten a second and shard, and a count that every subscriber gets.
#[test]
fn what_a_client_sends_over_and_over_is_counted() {
    const MANY: u64 = 2_000;
    let (say, said) = mpsc::channel();
    let say = Mutex::new(say);
    let _one = listen(move |(_, words)| {
        let _ = say.lock().unwrap().send(words);
    });
    let running = start();
    let mut client = Client::join(running.address());
    for _ in 0..MANY {
        client.emit(r#"["colour","blue"]"#);
    }
    let (mut lines, mut counted) = (0, 0);
    while lines + counted < MANY {
        let words = said.recv_timeout(client::PATIENCE).unwrap();
        if words.contains("more lines were not logged") {
            assert!(words.contains("of=\"a handler was not called\""), "{words}");
            let (_, count) = words.split_once("count=").unwrap();
            counted += count.split(' ').next().unwrap().parse::<u64>().unwrap();
        } else if words.contains("a handler was not called") {
            lines += 1;
        }
    }
    assert_eq!(lines + counted, MANY);
    assert!(lines < MANY / 10, "{lines} lines");
    running.stop().unwrap();
}

/// What a client can cause as often as it likes is no warning, whatever way the handler tells it.
#[test]
fn a_handler_that_fails_for_its_client_is_told_at_debug() {
    let (_one, said) = hear();
    let server = Server::new().listen("127.0.0.1:0").shards(1).pin(false);
    let running = server.app(|app| {
        app.ns("/")
            .on_sync("refuse", || {
                let data = json!({ "room": "tea" });
                Err::<NoAck, _>(Refused::new("join first").with_data(data))
            })
            .on_sync("reject", || Err::<(), _>(Reject::new("join first")))
            .on_sync("boxed", |s: Socket| -> Result<(), Box<dyn Error>> {
                Ok(s.join("x".repeat(1_025))?)
            })
            .on("silent", async |s: Socket| {
                let wait = Duration::from_millis(1);
                s.call_timeout::<u32>(wait, "age", ()).await
            })
            .on("age", async |s: Socket| {
                let age = s.call_timeout::<u32>(client::PATIENCE, "age", ()).await;
                age.map_err(|error| error.to_string())
            });
    });
    let running = running.start().unwrap();
    let mut client = Client::join(running.address());
    let refused = json!([{ "error": { "message": "join first", "data": { "room": "tea" } } }]);
    assert_eq!(client.ask(r#"["refuse"]"#), refused);
    let rejected = json!([{ "error": { "message": "join first" } }]);
    assert_eq!(client.ask(r#"["reject"]"#), rejected);
    client.ask(r#"["boxed"]"#);
    client.emit(r#"["silent"]"#);
    client.question();
    client.emit(r#"["age"]"#);
    let (id, _) = client.question();
    client.answer(id, r#"["old"]"#);
    let mut wanted = vec![
        ("a handler refused an event", "refuse"),
        ("a handler refused an event", "reject"),
        ("because of what its client", "boxed"),
        ("because of what its client", "silent"),
        ("because of what its client", "age"),
    ];
    while !wanted.is_empty() {
        let (level, words) = said.recv_timeout(client::PATIENCE).unwrap();
        assert!(level >= Level::INFO, "{level} {words}"); // a lower level is greater
        wanted.retain(|(text, event)| {
            let event = format!("event=\"{event}\"");
            !words.contains(text) || !words.contains(&event)
        });
    }
    running.stop().unwrap();
}

/// A handler's own errors stay what an operator is warned of, what the server is to blame for too.
#[test]
fn a_handler_that_fails_by_itself_is_told_as_a_warning() {
    let (_one, said) = hear();
    let server = Server::new().listen("127.0.0.1:0").shards(1).pin(false);
    let running = server.app(|app| {
        app.ns("/")
            .on_sync("fails", || Err::<(), _>("the database is away"))
            .on_sync("internal", || Err::<(), _>(Reject::internal("no table")));
    });
    let running = running.start().unwrap();
    let mut client = Client::join(running.address());
    client.ask(r#"["fails"]"#);
    let told = json!([{ "error": { "message": "Internal server error" } }]);
    assert_eq!(client.ask(r#"["internal"]"#), told);
    for error in ["the database is away", "no table"] {
        let words = loop {
            let (level, words) = said.recv_timeout(client::PATIENCE).unwrap();
            if level == Level::WARN {
                break words;
            }
        };
        assert!(words.contains("a handler failed"), "{words}");
        assert!(words.contains(error), "{words}");
    }
    running.stop().unwrap();
}
