//! Answers: what does the server do that the official clients are tested against.
//!
//! scripts/clients/CONTRACT.md is the specification; scripts/clients/node-reference is the same on
//! the official server.

#![expect(
    clippy::needless_pass_by_value,
    reason = "handlers are given what they ask for"
)]

use std::{rc::Rc, time::Duration};

use serde::Deserialize;
use serde_json::json;
use stentor::{NamespaceBuilder, prelude::*};

use crate::cli::ServeOptions;

#[derive(Deserialize)]
struct Token {
    token: Option<serde_json::Value>,
}

/// What a socket that asked `watch` tells when it is gone.
struct Watched(String);

async fn greet(s: Socket, Auth(auth): Auth<serde_json::Value>) -> Result<(), EmitError> {
    s.emit("auth", auth)
}

async fn guard(Auth(auth): Auth<Token>) -> Result<(), Refused> {
    if auth.token == Some(json!("letmein")) {
        return Ok(());
    }
    let data = json!({ "code": "E_AUTH", "token": auth.token });
    Err(Refused::new("not authorized").with_data(data))
}

async fn gone(s: Socket, io: Io, reason: Reason) {
    if let Some(watched) = s.get::<Watched>() {
        let room = format!("gone:{}", watched.0);
        let _ = io
            .to(room)
            .emit("gone", Args((&watched.0, reason.to_string())));
    }
}

fn whoami(s: Socket) -> serde_json::Value {
    let handshake = s.handshake();
    let tag = handshake
        .as_deref()
        .and_then(|handshake| handshake.query("tag"));
    json!({ "id": s.id().map(|id| id.to_string()), "transport": s.transport(), "tag": tag })
}

async fn late_ack(Data(ms): Data<u64>, args: Raw) -> Raw {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    args.rest()
}

async fn ask(s: Socket, Data(ms): Data<u64>, args: Raw) -> Result<NoAck, EmitError> {
    let answer = s
        .call_raw(Duration::from_millis(ms), "question", args.rest())
        .await;
    match answer {
        Ok(answer) => s.emit("asked", answer.prefixed(&serde_json::Value::Null)),
        Err(error) => s.emit("asked", error.to_string()),
    }?;
    Ok(NoAck)
}

async fn survey(
    s: Socket,
    Args((ms, room, data)): Args<(u64, String, Value)>,
) -> Args<(bool, Vec<Value>)> {
    let answers = s
        .all()
        .to(room)
        .timeout(Duration::from_millis(ms))
        .call("question", &data);
    let all = answers.all().await;
    Args((
        !all.timed_out.is_empty(),
        all.ok.into_iter().map(|(_, answer)| answer).collect(),
    ))
}

fn flood(s: Socket, Args((n, data)): Args<(u32, Value)>) -> Result<(), EmitError> {
    (0..n).try_for_each(|i| s.emit("flood", Args((i, &data))))
}

async fn dismiss(s: Socket, Args((ms, n)): Args<(u64, u32)>) -> NoAck {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    for i in 0..n {
        let _ = s.emit("flood", i);
    }
    s.disconnect(true);
    NoAck
}

fn events(ns: NamespaceBuilder<'_>) {
    ns.keep_auth()
        .on_connect(greet)
        .on_disconnect(gone)
        .on_sync("message", |s: Socket, args: Raw| {
            s.emit("message-back", args)
        })
        .on_sync("message-with-ack", |args: Raw| args)
        .on_sync("echo", |s: Socket, args: Raw| s.emit("echo", args))
        .on_sync("echo_ack", |args: Raw| args)
        .on_sync("whoami", whoami)
        .on_sync("handshake", |handshake: Rc<Handshake>| {
            serde_json::to_value(&*handshake)
        })
        .on("late-ack", late_ack)
        .on_sync("never-ack", || NoAck)
        .on_sync("throw", || -> NoAck {
            panic!("the contract asks for a handler that panics")
        })
        .on_sync("error", || -> Result<(), std::fmt::Error> {
            Err(std::fmt::Error)
        })
        .on("ask", ask)
        .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room))
        .on_sync("leave", |s: Socket, Data(room): Data<String>| s.leave(room))
        .on_sync("room", |s: Socket, Data(room): Data<String>, args: Raw| {
            s.all().to(room).emit("room", args.rest())
        })
        .on_sync(
            "room-others",
            |s: Socket, Data(room): Data<String>, args: Raw| s.to(room).emit("room", args.rest()),
        )
        .on_sync(
            "room-except",
            |s: Socket, Data(room): Data<String>, args: Raw| {
                let args = args.rest();
                let except: String = args.decode()?;
                Ok::<_, Box<dyn std::error::Error>>(
                    s.all().to(room).except(except).emit("room", args.rest())?,
                )
            },
        )
        .on_sync("broadcast", |s: Socket, args: Raw| {
            s.all().emit("broadcast", args)
        })
        .on_sync("broadcast-others", |s: Socket, args: Raw| {
            s.broadcast().emit("broadcast", args)
        })
        .on("survey", survey)
        .on_sync("volatile", |s: Socket, args: Raw| {
            s.emit_volatile("volatile", args)
        })
        .on_sync("flood", flood)
        .on("dismiss", dismiss)
        .on_sync("watch", |s: Socket, Data(tag): Data<String>| {
            s.set(Watched(tag));
        })
        .on_sync("kick", |s: Socket, Data(close): Data<bool>| -> NoAck {
            s.disconnect(close);
            NoAck
        });
}

fn app(app: &mut App) {
    events(app.ns("/"));
    events(app.ns("/custom"));
    events(app.ns("/guarded").auth(guard));
}

/// Runs the Socket.IO server until a signal.
pub(crate) fn run(options: &ServeOptions) -> stentor::Result {
    crate::serve(options.configure(Server::new().app(app)))
}

/// Runs the Engine.IO server until a signal.
pub(crate) fn run_engine(options: &ServeOptions) -> stentor::Result {
    let server = Server::engine(|app| {
        app.on_message(|socket, message| {
            socket.send(message);
        });
    });
    crate::serve(options.configure(server))
}
