//! Answers: what does a server do that is being measured.
//!
//! The event contract of `measure/README.md` and of stentor-loadgen. Payloads are passed on as they
//! came (their JSON is checked, not parsed); docs/PERFORMANCE.md says what decoding adds.

use std::time::Duration;

use stentor::{Keep, prelude::*};

use crate::cli::BenchOptions;

/// Adds the contract's events to `/`.
pub(crate) fn events(app: &mut App) {
    app.ns("/")
        .on_sync("echo", |s: Socket, args: Raw| s.emit("echo", args))
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

/// Adds what `scripts/rude` asks for to `/`: handlers as they should not be, and what shows the harm.
fn rude_events(app: &mut App) {
    app.ns("/")
        // A handler that holds its shard up.
        .on_sync("block", |Data(ms): Data<u64>| {
            std::thread::sleep(Duration::from_millis(ms));
        })
        // One that says all it has at once.
        .on_sync(
            "burst",
            |s: Socket, Args((rows, bytes)): Args<(u32, usize)>| {
                let row = "x".repeat(bytes);
                for _ in 0..rows {
                    s.emit("burst", &row)?;
                }
                Ok::<_, EmitError>(())
            },
        )
        // One that waits, and is a task of the runtime meanwhile.
        .on("late", async |Data(ms): Data<u64>| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        })
        // Which shard a client is on.
        .on_sync("shard", || std::thread::current().name().map(str::to_owned));
}

/// Runs the server until a signal.
pub(crate) fn run(options: &BenchOptions) -> stentor::Result {
    let rude = options.rude;
    // Nobody asks for the handshake here, so it is not kept.
    let server = Server::new()
        .keep_handshakes(Keep::Nothing)
        .app(move |app| {
            events(app);
            if rude {
                rude_events(app);
            }
        });
    crate::serve(options.serve.configure(server))
}
