//! Rooms, and a question to everybody in one.
//!
//! Run it with `cargo run -p stentor --example rooms`. `join` and `leave` take a room and are
//! acknowledged with the client's rooms; `say` takes a room and a text, which everybody else there
//! hears as `said`; `shout` reaches everybody else who is not in the room `quiet`. `ask` takes a
//! room and a question, puts `question` to everybody else there, and is acknowledged with who
//! answered what, who did not within half a second, and who left.

#![expect(clippy::needless_pass_by_value, reason = "handlers own parameters")]

use std::time::Duration;

use serde_json::json;
use stentor::prelude::*;

fn join(s: Socket, Data(room): Data<String>) -> Result<Vec<String>, JoinError> {
    s.join(room)?;
    Ok(s.rooms())
}

fn leave(s: Socket, Data(room): Data<String>) -> Vec<String> {
    s.leave(room);
    s.rooms()
}

fn say(s: Socket, Args((room, text)): Args<(String, String)>) -> Result<(), EmitError> {
    s.to(room).emit("said", &text)
}

fn shout(s: Socket, Data(text): Data<String>) -> Result<(), EmitError> {
    s.broadcast().except("quiet").emit("said", &text)
}

async fn ask(s: Socket, Args((room, question)): Args<(String, Value)>) -> serde_json::Value {
    let wait = Duration::from_millis(500);
    let answers = s
        .to(room)
        .timeout(wait)
        .call::<serde_json::Value>("question", &question);
    let all = answers.all().await;
    let answered = all
        .ok
        .into_iter()
        .map(|(id, answer)| (id.to_string(), answer));
    json!({
        "answered": answered.collect::<serde_json::Map<_, _>>(),
        "timedOut": all.timed_out,
        "left": all.left,
    })
}

fn main() -> stentor::Result {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let server = Server::new()
        .listen(format!("127.0.0.1:{port}"))
        .app(|app| {
            app.ns("/")
                .on_sync("join", join)
                .on_sync("leave", leave)
                .on_sync("say", say)
                .on_sync("shout", shout)
                .on("ask", ask);
        });
    let running = server.start()?;
    println!("listening on http://{}", running.address());
    running.wait_for_signal()?;
    running.stop()
}
