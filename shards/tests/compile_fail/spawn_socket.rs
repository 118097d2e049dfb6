//! A socket in a task that may run on any thread.

use stentor::prelude::*;

async fn later(s: Socket) {
    tokio::spawn(async move {
        let _ = s.emit("later", ());
    });
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on("later", later);
    });
}
