//! A socket in a task that may run on any thread.

use stentor::prelude::*;

async fn later(s: Socket) {
    tokio::spawn(say_later(s));
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on("later", later);
    });
}

async fn say_later(s: Socket) {
    let _ = s.emit("later", ());
}
