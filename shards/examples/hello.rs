//! The ten lines of the crate's documentation.
//!
//! Run it with `cargo run -p stentor --example hello`, then from a client:
//! `socket.emitWithAck("hello", "Ada")` resolves to `hi Ada`, and `socket.emit("echo", 1, 2)` comes
//! back as the event `echo` with 1 and 2.

use stentor::prelude::*;

fn main() -> stentor::Result {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let server = Server::new()
        .listen(format!("127.0.0.1:{port}"))
        .app(|app| {
            app.ns("/")
                .on("hello", async |Data(name): Data<String>| {
                    format!("hi {name}")
                })
                .on_sync("echo", |s: Socket, args: Raw| s.emit("echo", args));
        });
    let running = server.start()?; // `server.run()` does all that follows, but prints nothing
    println!("listening on http://{}", running.address());
    running.wait_for_signal()?;
    running.stop()
}
