//! Answers: what does a newcomer see first.

#![expect(
    clippy::needless_pass_by_value,
    reason = "handlers are given what they ask for"
)]

use stentor::prelude::*;

use crate::{cli::DemoOptions, pages::Pages};

/// A visitor's name.
struct Name(String);

/// Names are shown to everybody: kept short.
const NAME_CHARS: usize = 24;

fn join(s: Socket, Data(name): Data<String>) {
    let name: String = name.chars().take(NAME_CHARS).collect();
    let _ = s.broadcast().emit("joined", &name);
    s.set(Name(name));
}

fn say(s: Socket, Data(text): Data<String>) {
    if let Some(name) = s.get::<Name>() {
        let _ = s.all().emit("said", Args((&name.0, text)));
    }
}

async fn leave(s: Socket) {
    if let Some(name) = s.get::<Name>() {
        let _ = s.broadcast().emit("left", &name.0);
    }
}

fn app(app: &mut App) {
    app.ns("/")
        .on_sync("join", join)
        .on_sync("say", say)
        .on_disconnect(leave);
}

/// Serves the chat until a signal.
pub(crate) fn run(options: &DemoOptions) -> stentor::Result {
    let mut server = Server::new()
        .listen(format!("127.0.0.1:{}", options.port))
        .release_memory(crate::memory::release)
        .http(Pages)
        .app(app);
    if let Some(shards) = options.shards {
        server = server.shards(shards);
    }
    let signals = stentor::Signals::catch()?;
    let running = server.start()?;
    let port = running.address().port();
    crate::say(format_args!(
        "Stentor's chat is at http://localhost:{port} (open it in two tabs). Ctrl-C stops it."
    ));
    crate::say(format_args!(
        "A client of your own: const socket = io(\"http://localhost:{port}\");"
    ));
    running.wait_for(signals)?;
    crate::say(format_args!("stopping"));
    running.stop()
}
