//! Engine.IO alone: sessions and messages, without namespaces, events and rooms.
//!
//! Run it with `cargo run -p stentor --example engine_only` and connect engine.io-client to
//! `/engine.io/`: the server says `welcome`, sends text back in capitals and bytes in reverse, and
//! prints why each session ended.

use stentor::{EngineApp, Message, Server};

fn app(app: &mut EngineApp) {
    app.on_connect(|socket| {
        socket.send(Message::Text("welcome"));
    });
    app.on_message(|socket, message| {
        match message {
            Message::Text(text) => socket.send(Message::Text(&text.to_uppercase())),
            Message::Binary(bytes) => {
                let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
                socket.send(Message::Binary(&reversed))
            }
        };
    });
    app.on_close(|_, reason| println!("a session ended: {reason}"));
}

fn main() -> stentor::Result {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let running = Server::engine(app)
        .listen(format!("127.0.0.1:{port}"))
        .start()?;
    println!("listening on http://{}", running.address());
    running.wait_for_signal()?;
    running.stop()
}
