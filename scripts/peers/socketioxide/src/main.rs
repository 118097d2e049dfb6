//! The event contract on socketioxide. PORT (3000), PING_MS (25000), WORKERS (1: one thread, which
//! keeps the events of a client in order; more threads do not).

use rmpv::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

// Failures to send mean that the client has gone, which the library handles itself.
async fn connected(socket: SocketRef) {
    socket.on("echo", async |socket: SocketRef, Data::<Value>(data)| {
        let _ = socket.emit("echo", &data);
    });
    socket.on("echo_ack", async |Data::<Value>(data), ack: AckSender| {
        let _ = ack.send(&data);
    });
    socket.on("broadcast", async |io: SocketIo, Data::<Value>(data)| {
        let _ = io.emit("broadcast", &data).await;
    });
    socket.on("join", async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
        socket.join(room);
        let _ = ack.send(&());
    });
    socket.on("room", async |io: SocketIo, Data::<(String, Value)>((room, data))| {
        let _ = io.to(room).emit("room", &data).await;
    });
    // What scripts/rude asks for.
    socket.on("burst", async |socket: SocketRef, Data::<(u32, usize)>((rows, bytes))| {
        let row = "x".repeat(bytes);
        for _ in 0..rows {
            let _ = socket.emit("burst", &row);
        }
    });
    socket.on("late", async |Data::<u64>(ms), ack: AckSender| {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        let _ = ack.send(&());
    });
}

async fn serve() -> std::io::Result<()> {
    let (layer, io) = SocketIo::builder()
        .ping_interval(Duration::from_millis(number("PING_MS", 25_000)))
        .ping_timeout(Duration::from_millis(number("PING_TIMEOUT_MS", 20_000)))
        .max_buffer_size(4096)
        .build_layer();
    io.ns("/", connected);
    let port = number("PORT", 3000);
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, axum::Router::new().layer(layer)).await
}

fn main() -> std::io::Result<()> {
    let workers = number("WORKERS", 1) as usize;
    let runtime = if workers > 1 {
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?
    } else {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?
    };
    runtime.block_on(serve())
}
