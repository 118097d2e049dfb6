//! A handler's parameter that is no extractor: a plain value.

use stentor::prelude::*;

async fn hello(name: String) -> String {
    format!("hi {name}")
}

fn bye(s: Socket, name: String) {
    let _ = s.emit("bye", &name);
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on("hello", hello).on_sync("bye", bye);
    });
}
