//! An async function given to `on_sync`, where nobody would await it.

use stentor::prelude::*;

async fn hello(Data(name): Data<String>) -> String {
    format!("hi {name}")
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on_sync("hello", hello);
    });
}
