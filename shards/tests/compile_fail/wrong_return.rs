//! A handler's result that is no acknowledgement: a type of its own, not wrapped in Ack.

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
            .on_sync("result", || Ok::<_, std::fmt::Error>(Point { x: 1 }));
    });
}
