//! A handler with one parameter too many.

use stentor::prelude::*;

fn all(
    _: Socket,
    _: Io,
    _: EventName,
    _: AckHandle,
    _: Data<u8>,
    _: Raw,
    _: Args<(u8, u8)>,
) {
}

async fn all_later(
    _: Socket,
    _: Io,
    _: EventName,
    _: AckHandle,
    _: Data<u8>,
    _: Raw,
    _: Args<(u8, u8)>,
) {
}

fn main() {
    let _ = Server::new().app(|app| {
        app.ns("/").on_sync("all", all).on("all later", all_later);
    });
}
