//! A handler that borrows its parameters.

use stentor::prelude::*;

fn hello(s: &Socket) {
    let _ = s.emit("hello", ());
}

async fn bye(s: &Socket) {
    let _ = s.emit("bye", ());
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on_sync("hello", hello).on("bye", bye);
    });
}
