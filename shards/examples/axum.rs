//! An axum router on the same port, whose handlers reach every client.
//!
//! Run it with `cargo run -p stentor --example axum`. `curl -d "it rains" localhost:3000/publish`
//! sends the event `news` to every client that is connected and answers how many sessions there
//! are; `/ask` puts `question` to all of them and answers how many said yes; `/` is a page.
//! Axum's handlers run on the shard that read the request.

use std::time::Duration;

use axum::{Router, extract, http::StatusCode, routing};
use stentor::{Io, prelude::*};

async fn publish(
    extract::State(io): extract::State<Io>,
    news: String,
) -> Result<String, (StatusCode, String)> {
    io.emit("news", &news)
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(format!("sent; {} sessions\n", io.sessions()))
}

async fn ask(extract::State(io): extract::State<Io>) -> String {
    let wait = Duration::from_secs(1);
    let answers = io
        .all()
        .timeout(wait)
        .call::<bool>("question", "does it rain?");
    let all = answers.all().await;
    let yes = all.ok.iter().filter(|(_, yes)| *yes).count();
    format!("{yes} of {} say yes\n", all.ok.len())
}

fn main() -> stentor::Result {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let mut server = Server::new()
        .listen(format!("127.0.0.1:{port}"))
        .app(|app| {
            app.ns("/")
                .on_sync("hello", |Data(name): Data<String>| format!("hi {name}"));
        });
    let router = Router::new()
        .route(
            "/",
            routing::get(|| async { "axum and Socket.IO on one port\n" }),
        )
        .route("/publish", routing::post(publish))
        .route("/ask", routing::get(ask))
        .with_state(server.io());
    let running = server.http(router).start()?;
    println!("listening on http://{}", running.address());
    running.wait_for_signal()?;
    running.stop()
}
