//! A function that is not async given to `on`.

use stentor::prelude::*;

fn hello(Data(name): Data<String>) -> String {
    format!("hi {name}")
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on("hello", hello);
    });
}
