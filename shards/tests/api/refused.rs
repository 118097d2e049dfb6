//! What of an application the start refuses, in one error that says what and where.

use std::{
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
};

use stentor::{Keep, ServerError, prelude::*};

use crate::{SHARD_COUNTS, server, start};

/// Why a server does not start with an application, whatever the number of shards.
fn fault(app: impl Fn(&mut App) + Clone + Send + Sync + 'static) -> String {
    let faults = SHARD_COUNTS.map(|shards| {
        let server = server(shards).keep_handshakes(Keep::Nothing);
        match server.app(app.clone()).start() {
            Err(ServerError::App(fault)) => fault,
            other => panic!("{other:?}"),
        }
    });
    assert!(faults.iter().all(|fault| *fault == faults[0]), "{faults:?}");
    faults[0].clone()
}

#[test]
fn namespaces_that_nobody_can_join() {
    let long = format!("/{}", "x".repeat(1_024));
    for name in ["/acme, inc", "what?", "/a#b", &*long] {
        let name = name.to_owned();
        let fault = fault(move |app| {
            app.ns(&name);
        });
        assert!(fault.starts_with("nobody can join a namespace"), "{fault}");
        assert!(fault.len() < 200, "{fault}");
    }
}

#[test]
fn namespaces_that_are_patterns() {
    for name in [
        "/tenant-*",
        "/tenant/{id}",
        "tenant/:id",
        r"/^\/tenant-\d+$/",
    ] {
        let fault = fault(move |app| {
            app.ns(name);
        });
        assert!(fault.contains("looks like a pattern"), "{fault}");
    }
    start(|app| {
        app.ns("/a:b").on_sync("ping", || "pong");
    })
    .stop()
    .unwrap();
}

#[test]
fn handlers_of_reserved_events() {
    for (event, instead) in [
        ("connect", "on_connect"),
        ("disconnect", "on_disconnect"),
        ("newListener", ""),
    ] {
        let fault = fault(move |app| {
            app.ns("/chat").on_sync(event, || ());
        });
        let start =
            format!("{event:?}, which has a handler in \"/chat\", is a reserved event name");
        assert!(
            fault.starts_with(&start) && fault.contains(instead),
            "{fault}"
        );
    }
}

#[test]
fn parameters_that_never_can_be_made() {
    struct Absent;
    #[derive(Clone)]
    struct Unknown;
    let fault = fault(|app| {
        app.ns("/chat")
            .on_sync("state", |_: Socket, _: State<Unknown>| ())
            .on("local", async |_: Local<Absent>| ())
            .on_sync("reason", |_: Reason| ())
            .on_sync("auth", |_: Auth<()>| ())
            .on_connect(async |_: Rc<Handshake>| ())
            .on_disconnect(async |_: Data<u8>| ());
    });
    let faults: Vec<_> = fault.split("; ").collect();
    for (fault, (place, what)) in faults.iter().zip([
        (
            r#"the handler of "state" in "/chat" "#,
            "Server::state was given no",
        ),
        (
            r#"the handler of "local" in "/chat" "#,
            "App::local was given no",
        ),
        (
            r#"the handler of "reason" in "/chat" "#,
            "only `on_disconnect`",
        ),
        (r#"the handler of "auth" in "/chat" "#, "keep_auth"),
        (r#"`on_connect` in "/chat" "#, "keep_handshakes"),
        (r#"`on_disconnect` in "/chat" "#, "parameter Data"),
    ]) {
        assert!(fault.starts_with(place) && fault.contains(what), "{fault}");
    }
    assert_eq!(faults.len(), 6, "{fault}");
}

/// What may be missing may be missing; what is given later in the closure is given.
#[test]
fn parameters_that_can_be_made() {
    let running = server(2).state(7_u8).app(|app| {
        app.ns("/")
            .on_sync("maybe", |state: Option<State<u16>>, _: Option<Reason>| {
                state.is_some()
            })
            .on_sync("state", |State(n): State<u8>, _: Local<u8>| n)
            .on_sync("auth", |_: Auth<()>| ())
            .on_connect(async |_: Auth<Option<u8>>, _: Data<Option<u8>>| ())
            .on_disconnect(async |_: Reason, _: Option<Data<u8>>, _: Raw| ())
            .keep_auth();
        app.local(1_u8);
    });
    running.start().unwrap().stop().unwrap();
}

#[test]
fn namespaces_that_differ_from_shard_to_shard() {
    let calls = AtomicUsize::new(0);
    let error = server(2).app(move |app| {
        app.ns(&format!("/{}", calls.fetch_add(1, Ordering::Relaxed)));
    });
    let error = error.start().unwrap_err().to_string();
    assert_eq!(
        error,
        "the application cannot run: shard 1 was given the namespaces [\"/\", \"/1\"], and shard 0 \
         [\"/\", \"/0\"]: they must be the same, in the same order"
    );
}

/// It is not built on every shard to fail on each.
#[test]
fn a_closure_that_panics_is_called_once() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let server = server(4).app(|_| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        panic!("as it should")
    });
    let error = server.start().unwrap_err().to_string();
    assert_eq!(error, "shard 0 has died: as it should");
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}
