//! Engine.IO alone: each message goes to all sessions, on all shards.
//!
//! Run it with `cargo run -p stentor --example engine_broadcast` and connect several engine.io-clients to
//! `/engine.io/`: what one sends, text or bytes, all get, the sender too.
//!
//! Each shard knows its own sessions only. So each has a table of them, and a task that sends them what comes
//! through one channel for all shards. The table and the task stay on their shard's thread.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use stentor::{EngineApp, EngineSocket, Message, Server};
use tokio::sync::broadcast::{self, error::RecvError};

/// A message on its way to all shards. A clone copies no bytes.
#[derive(Clone)]
enum Said {
    Text(std::sync::Arc<str>),
    Binary(std::sync::Arc<[u8]>),
}

impl Said {
    fn message(&self) -> Message<'_> {
        match self {
            Self::Text(text) => Message::Text(text),
            Self::Binary(bytes) => Message::Binary(bytes),
        }
    }
}

/// The sessions of one shard, by their keys.
type Sessions = Rc<RefCell<HashMap<u64, EngineSocket>>>;

/// Sends what comes to all sessions of its shard, until the shard ends.
async fn pass_on(mut said: broadcast::Receiver<Said>, sessions: Sessions) {
    loop {
        match said.recv().await {
            Ok(said) => {
                for session in sessions.borrow().values() {
                    // False if the session has just closed or the message is too long.
                    session.send(said.message());
                }
            }
            // This shard was so far behind that the channel has dropped messages.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

fn app(app: &mut EngineApp, to_all: &broadcast::Sender<Said>) {
    let sessions = Sessions::default();
    tokio::task::spawn_local(pass_on(to_all.subscribe(), Rc::clone(&sessions)));

    let here = Rc::clone(&sessions);
    app.on_connect(move |session| {
        here.borrow_mut().insert(session.key(), session.clone());
    });
    let to_all = to_all.clone();
    app.on_message(move |_, message| {
        let said = match message {
            Message::Text(text) => Said::Text(text.into()),
            Message::Binary(bytes) => Said::Binary(bytes.into()),
        };
        let _ = to_all.send(said); // an error says that no shard is there
    });
    app.on_close(move |session, _| {
        sessions.borrow_mut().remove(&session.key());
    });
}

fn main() -> stentor::Result {
    let port = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned());
    let (to_all, _) = broadcast::channel(1_024);
    let running = Server::engine(move |engine| app(engine, &to_all))
        .listen(format!("127.0.0.1:{port}"))
        .start()?;
    println!("listening on http://{}", running.address());
    running.wait_for_signal()?;
    running.stop()
}
