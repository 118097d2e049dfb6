//! Results that are no acknowledgement as they are: a type of its own, and a tuple.

use stentor::prelude::*;

#[derive(serde::Serialize)]
struct Point {
    x: i32,
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/")
            .on("async", async || Point { x: 1 })
            .on_sync("sync", || Point { x: 1 })
            .on_sync("tuple", || (1, 2));
    });
}
