//! What handlers are given, in which order they run, and what their failure costs.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::json;
use stentor::{JoinError, Limits, prelude::*};

use crate::{Client, SHARD_COUNTS, crowd, server, start};

#[derive(Clone, Default)]
struct Total(Arc<AtomicUsize>);

#[test]
fn state_is_the_servers_and_local_is_the_shards() {
    fn count(State(total): State<Total>, own: Local<Cell<usize>>) -> Ack<(usize, usize)> {
        own.set(own.get() + 1);
        Ack((total.0.fetch_add(1, Ordering::Relaxed) + 1, own.get()))
    }
    for shards in SHARD_COUNTS {
        let built = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&built);
        let running = server(shards)
            .state(Total::default())
            .app(move |app| {
                counted.fetch_add(1, Ordering::Relaxed);
                app.local(Cell::new(0_usize))
                    .ns("/")
                    .on_sync("count", count);
            })
            .start()
            .unwrap();
        assert_eq!(built.load(Ordering::Relaxed), shards, "once on each shard");
        let mut own = Vec::new();
        for (n, client) in crowd(&running).iter_mut().enumerate() {
            let answer = client.ask(r#"["count"]"#);
            assert_eq!(answer[0][0], n + 1);
            own.push(answer[0][1].as_u64().unwrap());
        }
        // Each shard counts for itself from one: so many ones as there are shards with clients.
        let shards_used = own.iter().filter(|n| **n == 1).count();
        assert!((1..=shards).contains(&shards_used), "{own:?}");
        assert!(shards > 1 || own == (1..=16).collect::<Vec<_>>(), "{own:?}");
        running.stop().unwrap();
    }
}

#[test]
fn what_was_not_given_fails_the_event_alone() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("kept", |_: Kept<Total>| ())
            .on_sync("data", |Data(n): Data<u8>| n)
            .on_sync("maybe", |n: Option<Data<u8>>| n.is_some())
            .on_sync("state", |state: Option<State<Total>>| state.is_some())
            .on_sync("reason", |reason: Option<Reason>| reason.is_some());
    });
    let mut client = Client::join(running.address());
    for event in ["kept", "data"] {
        let answer = client.ask(&format!(r#"["{event}","x"]"#));
        assert!(
            answer[0]["error"]["message"].is_string(),
            "{event}: {answer}"
        );
    }
    for event in ["maybe", "state", "reason"] {
        assert_eq!(client.ask(&format!(r#"["{event}","x"]"#)), json!([false]));
    }
    assert_eq!(client.ask(r#"["maybe",1]"#), json!([true]));
    assert_eq!(client.ask(r#"["data",7]"#), json!([7]));
    drop(client);
    running.stop().unwrap();
}

#[test]
fn several_handlers_run_in_their_order_and_the_first_answers() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("e", |s: Socket| {
                s.emit("first", ()).unwrap();
                1
            })
            .on("e", async |s: Socket| {
                s.emit("second", ()).unwrap();
                2
            });
        // The namespace is asked for again: what it has stays.
        app.ns("/").on_sync("e", |s: Socket| {
            s.emit("third", ()).unwrap();
            3
        });
    });
    let mut client = Client::join(running.address());
    client.send(r#"425["e"]"#);
    let packets: Vec<_> = (0..4).map(|_| client.text().unwrap()).collect();
    assert_eq!(
        packets,
        [
            r#"42["first"]"#,
            "435[1]",
            r#"42["second"]"#,
            r#"42["third"]"#
        ]
    );
    drop(client);
    running.stop().unwrap();
}

/// What a client is told of its arguments is about them, and nothing of Rust's.
#[test]
fn arguments_that_do_not_fit_are_named_neutrally() {
    #[derive(serde::Deserialize)]
    struct Login {
        name: String,
    }
    let running = start(|app| {
        app.ns("/")
            .on_sync("text", |Data(text): Data<String>| text)
            .on_sync("login", |Data(login): Data<Login>| login.name)
            .on_sync("pair", |Args((a, b)): Args<(u8, String)>| format!("{a}{b}"));
        app.ns("/guarded").auth(async |login: Auth<Login>| {
            drop(login.0.name);
        });
    });
    let mut client = Client::join(running.address());
    let padding = "x".repeat(1000);
    for (event, expected) in [
        (
            r#"["text",5]"#,
            "invalid argument 1: invalid type: integer `5`, expected a string",
        ),
        (r#"["text"]"#, "argument 1 is missing"),
        (
            r#"["login",{}]"#,
            "invalid argument 1: missing field `name`",
        ),
        (
            r#"["pair",1]"#,
            "invalid arguments: invalid length 1, expected a tuple of size 2",
        ),
        (
            &format!(r#"["pair","{padding}"]"#), // long lists have another parser
            &format!("invalid arguments: invalid type: string \"{padding}\", expected u8"),
        ),
    ] {
        let error = json!([{ "error": { "message": expected } }]);
        assert_eq!(client.ask(event), error, "{event}");
    }
    let refused = Client::join_as(running.address(), "/guarded", "").err();
    let expected = json!({ "message": "invalid credentials: missing field `name`" });
    assert_eq!(refused, Some(expected));
    drop(client);
    running.stop().unwrap();
}

#[test]
fn ids_travel_as_text() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("who", |s: Socket| s.id().ok_or("gone"))
            .on_sync("tell", |s: Socket, Data(id): Data<SocketId>| {
                let is_own = s.id() == Some(id);
                s.io().to(id).emit("told", Args((id, is_own)))
            });
    });
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["who"]"#), json!([client.id]));
    let id = client.id.clone();
    client.emit(&json!(["tell", id]).to_string());
    assert_eq!(client.event(), json!(["told", id, true]));
    let error = client.ask(r#"["tell","nobody"]"#);
    let expected = r#"invalid argument 1: invalid value: string "nobody", expected a socket id"#;
    assert_eq!(error, json!([{ "error": { "message": expected } }]));
    let parsed: SocketId = id.parse().unwrap();
    assert_eq!(parsed.to_string(), id);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn the_fallback_has_what_nobody_else_has() {
    let running = start(|app| {
        app.ns("/").on_sync("known", || "known").on_fallback(
            async |EventName(name): EventName, args: Raw| format!("{name}: {}", args.json()),
        );
        app.ns("/bare");
    });
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["known"]"#), json!(["known"]));
    assert_eq!(client.ask(r#"["other",1,"b"]"#), json!([r#"other: 1,"b""#]));
    // Without one, what nobody listens to is no error.
    let mut bare = Client::join_as(running.address(), "/bare", "").unwrap();
    bare.emit(r#"["other"]"#);
    bare.leave();
    assert_eq!(client.ask(r#"["known"]"#), json!(["known"]));
    drop((client, bare));
    running.stop().unwrap();
}

/// Nothing is `null`, as on the official server: who waits hears of it.
#[test]
fn a_handler_may_have_nothing_to_say() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("find", |Data(n): Data<u32>| (n > 0).then_some(n))
            .on("try", async |Data(n): Data<u32>| match n {
                0 => Err("zero"),
                n => Ok((n > 1).then_some((n, n))),
            })
            .on_sync("two", |Data(n): Data<u32>| (n > 1).then_some(Args((n, n))));
    });
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["find",3]"#), json!([3]));
    assert_eq!(client.ask(r#"["find",0]"#), json!([null]));
    assert_eq!(client.ask(r#"["try",2]"#), json!([[2, 2]]));
    assert_eq!(client.ask(r#"["two",2]"#), json!([2, 2]));
    assert_eq!(client.ask(r#"["two",1]"#), json!([null]));
    assert_eq!(client.ask(r#"["try",1]"#), json!([null]));
    let error = json!([{ "error": { "message": "zero" } }]);
    assert_eq!(client.ask(r#"["try",0]"#), error);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn a_handler_that_fails_harms_only_its_event() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("panics", || -> NoAck { panic!("as it should") })
            .on_sync("extracts", |_: Kept<u8>| ())
            .on("panics later", async || -> NoAck {
                tokio::task::yield_now().await;
                panic!("as it should")
            })
            .on_sync("errs", || Err::<(), _>("sorry"))
            .on("errs later", async || {
                tokio::task::yield_now().await;
                Err::<(), _>("sorry later")
            })
            .on_sync("fine", || "fine");
    });
    let mut client = Client::join(running.address());
    let mut other = Client::join(running.address());
    client.emit(r#"["panics"]"#);
    client.emit(r#"["panics later"]"#);
    let internal = json!([{ "error": { "message": "Internal server error" } }]);
    for event in ["panics", "panics later", "extracts"] {
        assert_eq!(client.ask(&format!(r#"["{event}"]"#)), internal, "{event}");
    }
    assert_eq!(
        client.ask(r#"["errs"]"#),
        json!([{ "error": { "message": "sorry" } }])
    );
    let later = json!([{ "error": { "message": "sorry later" } }]);
    assert_eq!(client.ask(r#"["errs later"]"#), later);
    assert_eq!(client.ask(r#"["fine"]"#), json!(["fine"]));
    assert_eq!(other.ask(r#"["fine"]"#), json!(["fine"]));
    drop((client, other));
    running.stop().unwrap();
}

#[test]
fn handlers_of_one_client_start_in_the_order_of_its_events() {
    let running = start(|app| {
        app.ns("/")
            .on("slow", async |s: Socket, Data(n): Data<u32>| {
                s.emit("began", n).unwrap();
                if n % 2 == 0 {
                    tokio::task::yield_now().await;
                }
                NoAck
            })
            .on_sync("fast", |s: Socket, Data(n): Data<u32>| {
                s.emit("began", n).unwrap();
            });
    });
    let mut client = Client::join(running.address());
    for n in 0..100 {
        let name = if n % 3 == 0 { "fast" } else { "slow" };
        client.emit(&format!(r#"["{name}",{n}]"#));
    }
    for n in 0..100 {
        assert_eq!(client.event(), json!(["began", n]));
    }
    drop(client);
    running.stop().unwrap();
}

#[test]
fn an_answer_may_come_later_and_from_elsewhere() {
    let running = start(|app| {
        app.ns("/").on_sync("later", |ack: AckHandle| {
            assert!(ack.is_wanted());
            tokio::task::spawn_local(async move {
                tokio::task::yield_now().await;
                ack.send(Args((1, Binary::from("x"))));
            });
            NoAck
        });
    });
    let mut client = Client::join(running.address());
    client.send(r#"429["later"]"#);
    let packet = client.text().unwrap();
    assert_eq!(packet, r#"461-9[1,{"_placeholder":true,"num":0}]"#);
    drop(client);
    running.stop().unwrap();
}

#[test]
fn joining_says_why_not() {
    let limits = Limits {
        rooms_per_socket: 2,
        ..Limits::default()
    };
    let running = server(1)
        .limits(limits)
        .app(|app| {
            app.ns("/")
                .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room))
                .on_sync("long", |s: Socket| s.join("x".repeat(1025)))
                .on_sync("rooms", |s: Socket| {
                    let mut rooms = s.rooms();
                    rooms.sort();
                    Ack(rooms)
                })
                .on_sync("gone", |s: Socket| {
                    s.disconnect(false);
                    assert_eq!(s.join("c"), Err(JoinError::NotConnected));
                    assert!(s.rooms().is_empty() && s.id().is_none() && !s.is_connected());
                    assert!(s.emit("lost", ()).is_err());
                    s.io().emit("checked", ())
                });
        })
        .start()
        .unwrap();
    let mut client = Client::join(running.address());
    let mut other = Client::join(running.address());
    assert_eq!(client.ask(r#"["join","a"]"#), json!([]));
    assert_eq!(client.ask(r#"["join","b"]"#), json!([]));
    assert_eq!(client.ask(r#"["join","a"]"#), json!([]), "already there");
    let full = json!([{ "error": { "message": JoinError::Full.to_string() } }]);
    assert_eq!(client.ask(r#"["join","c"]"#), full);
    assert_eq!(client.ask(r#"["rooms"]"#), json!([["a", "b"]]));
    assert_eq!(other.ask(r#"["long"]"#), full);
    client.emit(r#"["gone"]"#);
    assert_eq!(client.text().unwrap(), "41");
    assert_eq!(other.event(), json!(["checked"]));
    drop((client, other));
    running.stop().unwrap();
}

#[test]
fn what_is_kept_with_a_socket_is_its_own() {
    struct Name(String);
    let running = start(|app| {
        app.ns("/")
            .on_sync("set", |s: Socket, Data(name): Data<String>| {
                s.set(Rc::new(Name(name)));
            })
            .on_sync("get", |s: Socket| {
                s.get::<Rc<Name>>()
                    .map_or_else(String::new, |n| n.0.clone())
            });
    });
    let mut a = Client::join(running.address());
    let mut b = Client::join(running.address());
    assert_eq!(a.ask(r#"["set","ada"]"#), json!([]));
    assert_eq!(
        a.ask(r#"["set","Ada"]"#),
        json!([]),
        "in place of the first"
    );
    assert_eq!(a.ask(r#"["get"]"#), json!(["Ada"]));
    assert_eq!(b.ask(r#"["get"]"#), json!([""]));
    drop((a, b));
    running.stop().unwrap();
}

#[test]
fn a_value_that_is_replaced_may_use_the_socket_while_it_is_dropped() {
    struct Busy(Socket, usize);
    impl Drop for Busy {
        fn drop(&mut self) {
            if let Some(next) = self.0.get::<Self>() {
                self.0.set(format!("{} after {}", next.1, self.1));
            }
        }
    }
    let running = start(|app| {
        app.ns("/").on_sync("twice", |s: Socket| {
            s.set(Busy(s.clone(), 1));
            s.set(Busy(s.clone(), 2));
            String::clone(&s.get::<String>().unwrap())
        });
    });
    let mut client = Client::join(running.address());
    assert_eq!(client.ask(r#"["twice"]"#), json!(["2 after 1"]));
    drop(client);
    running.stop().unwrap();
}
