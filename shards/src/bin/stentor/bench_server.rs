//! Answers: what does a server do that is being measured.
//!
//! The event contract of `measure/README.md` and of stentor-loadgen. Payloads are passed on as they
//! came (their JSON is checked, not parsed); docs/PERFORMANCE.md says what decoding adds.

use stentor::{Keep, prelude::*};

use crate::cli::ServeOptions;

/// Adds the contract's events to `/`.
pub(crate) fn events(app: &mut App) {
    app.ns("/")
        .on_sync("echo", |s: Socket, args: Raw| {
            s.emit("echo", args);
        })
        .on_sync("echo_ack", |args: Raw| args)
        .on_sync("broadcast", |io: Io, args: Raw| io.emit("broadcast", args))
        .on_sync("join", |s: Socket, Data(room): Data<String>| s.join(room))
        .on_sync("leave", |s: Socket, Data(room): Data<String>| s.leave(room))
        .on_sync("room", |io: Io, Data(room): Data<String>, args: Raw| {
            io.to(room).emit("room", args.rest())
        })
        .on_sync("volatile", |s: Socket, args: Raw| {
            s.all().volatile().emit("volatile", args)
        });
}

/// Runs the server until a signal.
pub(crate) fn run(options: &ServeOptions) -> stentor::Result {
    // Nobody asks for the handshake here, so it is not kept.
    let server = Server::new().keep_handshakes(Keep::Nothing).app(events);
    crate::serve(options.configure(server))
}
