//! Results that say neither yes nor no to a connecting client.

use stentor::prelude::*;

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/bool").auth(async || true);
        app.ns("/user").auth(async || Ok::<_, Refused>("ada"));
    });
}
