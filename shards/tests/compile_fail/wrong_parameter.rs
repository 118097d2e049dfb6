//! A handler's parameter that is no extractor: a plain value.

use stentor::prelude::*;

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/")
            .on("hello", async |name: String| format!("hi {name}"))
            .on_sync("bye", |s: Socket, name: String| s.emit("bye", &name));
    });
}
