//! A chat: who may come in, what is known of each, and who is here.
//!
//! Run it with `cargo run -p stentor --example chat` and connect to `/chat` with `auth: { name }`;
//! without a name one gets `connect_error`. Everybody hears `online` with the number of people when
//! one comes, `left` when one goes, and `said` for every `say`, whose answer is how many were told.

#![expect(clippy::needless_pass_by_value, reason = "handlers own parameters")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize};
use stentor::prelude::*;

/// What a client sends when it connects.
#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Kept with each socket, which never leaves its shard.
struct Name(String);

/// One for all shards.
#[derive(Clone, Default)]
struct Online(Arc<AtomicUsize>);

#[derive(Serialize)]
struct Said<'a> {
    from: &'a str,
    text: &'a str,
}

async fn login(s: Socket, Auth(login): Auth<Login>) -> Result<(), Refused> {
    if login.name.is_empty() {
        return Err(Refused::new("tell us your name"));
    }
    s.set(Name(login.name));
    Ok(())
}

async fn come(s: Socket, State(online): State<Online>) -> Result<(), EmitError> {
    let count = online.0.fetch_add(1, Ordering::Relaxed) + 1;
    s.all().emit("online", count)
}

fn say(
    s: Socket,
    Kept(name): Kept<Name>,
    Data(text): Data<String>,
    State(online): State<Online>,
) -> Result<usize, EmitError> {
    let (from, text) = (name.0.as_str(), text.as_str());
    s.broadcast().emit("said", Said { from, text })?;
    Ok(online.0.load(Ordering::Relaxed) - 1)
}

async fn leave(
    s: Socket,
    Kept(name): Kept<Name>,
    reason: Reason,
    State(online): State<Online>,
) -> Result<(), EmitError> {
    online.0.fetch_sub(1, Ordering::Relaxed);
    s.broadcast()
        .emit("left", Args((&name.0, reason.to_string())))
}

fn main() -> stentor::Result {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let server = Server::new()
        .listen(format!("127.0.0.1:{port}"))
        .state(Online::default())
        .app(|app| {
            app.ns("/chat")
                .auth(login)
                .on_connect(come)
                .on_sync("say", say)
                .on_disconnect(leave);
        });
    let running = server.start()?;
    println!("listening on http://{}", running.address());
    running.wait_for_signal()?;
    running.stop()
}
