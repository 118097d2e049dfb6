//! What cannot be the argument of an event.

use stentor::prelude::*;

struct Point {
    x: i32,
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on_sync("hello", |s: Socket, io: Io| {
            let _ = s.emit("by value", Point { x: 1 });
            let _ = io.emit("by reference", &Point { x: 1 });
        });
    });
}
