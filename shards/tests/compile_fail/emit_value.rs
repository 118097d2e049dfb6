//! An event's argument given by value.

use stentor::prelude::*;

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on_sync("hello", |s: Socket, io: Io| {
            s.emit("number", 5);
            s.emit("string", String::from("x"));
            s.emit("tuple", (1, 2));
            let _ = io.emit("list", vec![1]);
        });
    });
}
