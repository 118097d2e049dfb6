//! Stentor: a Socket.IO and Engine.IO server, one shard per core.
//!
//! ```no_run
//! use stentor::prelude::*;
//!
//! fn main() -> stentor::Result {
//!     Server::new().listen("127.0.0.1:3000").app(|app| {
//!         app.ns("/")
//!             .on("hello", async |Data(name): Data<String>| format!("hi {name}"))
//!             .on_sync("echo", |s: Socket, args: Raw| s.emit("echo", args));
//!     }).run()
//! }
//! ```
//!
//! A server runs one *shard* per core: a pinned thread with its own runtime, listener, sessions, rooms and timers.
//! The closure given to [`Server::app`] runs once on each shard. Handlers and what they keep stay there, so they need
//! not be `Send`. [`Io`] reaches the clients of all shards from any thread.
//!
//! # Handlers
//!
//! [`App::ns`] names a namespace, and its methods register handlers: `auth` decides who may join, `on_connect` and
//! `on_disconnect` run when a client joins and leaves, `on` (async) and `on_sync` (not async) run for an event. A
//! handler lists what it needs as up to six parameters, in any order:
//!
//! | parameter | gives |
//! |---|---|
//! | [`Socket`] | the client in this namespace |
//! | [`Data<T>`](Data), [`Args<T>`](Args), [`Raw`] | the first argument, all arguments, the arguments as they came |
//! | [`Auth<T>`](Auth) | what the client sent as `auth` |
//! | [`State<T>`](State), [`Local<T>`](Local) | a value of the server, of the shard |
//! | [`AckHandle`], [`EventName`], [`Reason`], [`Io`], `Rc<`[`Handshake`]`>` | what they say |
//! | `Option<P>` | `None` where `P` fails |
//!
//! If a parameter fails, the handler is not called, and a client that asked for an acknowledgement gets an error.
//! [`FromContext`] makes parameters of your own.
//!
//! ```
//! use stentor::prelude::*;
//!
//! #[derive(serde::Deserialize)]
//! struct Login { name: String }
//!
//! struct Name(String);
//!
//! fn app(app: &mut App) {
//!     app.ns("/chat")
//!         .auth(async |s: Socket, Auth(login): Auth<Login>| {
//!             if login.name.is_empty() {
//!                 return Err(Refused::new("tell us your name"));
//!             }
//!             s.set(Name(login.name));
//!             Ok(())
//!         })
//!         .on_sync("add", |Args((a, b)): Args<(i64, i64)>| a + b);
//! }
//! ```
//!
//! The result of a handler is the acknowledgement ([`IntoReply`]): `()`, a number, a text, [`Ack`] of any value, an
//! `Option`, or a `Result` whose error the client gets as `{"error":{"message":"…"}}`.
//!
//! Handlers of one client start in the order of its events. **Never block in one**: its shard does nothing else
//! meanwhile.
//!
//! # Sending
//!
//! [`Socket::emit`] reaches one client, a [`Broadcast`] many. A broadcast is encoded once.
//!
//! ```
//! use stentor::prelude::*;
//!
//! async fn enter(s: Socket, Data(room): Data<String>) -> Result<(), EmitError> {
//!     if s.join(&room).is_err() {
//!         return Ok(()); // it is in too many rooms
//!     }
//!     s.to(&room).emit("came", "somebody")?;            // all in the room but this client
//!     s.all().except(&room).emit("busy", &room)         // all in the namespace who are not in it
//! }
//! # fn app(app: &mut App) { app.ns("/").on("enter", enter); }
//! ```
//!
//! [`Socket::call`] asks one client and waits for its answer; [`Broadcast::call`] asks many. Every question settles: with
//! an answer, a timeout, or because the client left.
//!
//! ```
//! use stentor::prelude::*;
//!
//! async fn vote(s: Socket) -> Result<usize, AckError> {
//!     let own: bool = s.call("agree?", ()).await?;
//!     let others = s.broadcast().call::<bool>("agree?", ()).all().await;
//!     Ok(usize::from(own) + others.ok.iter().filter(|(_, yes)| *yes).count())
//! }
//! # fn app(app: &mut App) { app.ns("/").on("vote", vote); }
//! ```
//!
//! # Other threads, and HTTP
//!
//! [`Server::io`] gives an [`Io`] for any thread. [`Server::http`] serves a tower service, such as an axum router, on the
//! same port. [`Server::start`] returns a [`Running`] server; [`Server::run`] also waits for a signal and stops it.
//!
//! ```no_run
//! use stentor::prelude::*;
//!
//! # fn main() -> stentor::Result {
//! let mut server = Server::new().app(|app| { app.ns("/"); });
//! let io = server.io();
//! let running = server.start()?;
//! std::thread::spawn(move || io.to("room").emit("news", "from elsewhere"));
//! running.wait_for_signal()?;
//! running.stop()
//! # }
//! ```
//!
//! # Features
//!
//! `cli` (default) builds the `stentor` command, with its argument parser, log printer and allocator. A program on the
//! library sets `default-features = false`, and `serve-client` (default too) if it is to have the official client's files
//! for browsers, 0.6 MB ([`Server::serve_client`]).
//!
//! The repository's `docs` has a guide, recipes, a migration table, guarantees, and a page for operators. The protocols are in the crate
//! `stentor-engine`.

mod address;
mod api;
mod client_files;
mod clock;
mod compress;
mod config;
mod discard;
mod edge;
mod entropy;
mod fd_table;
mod handler;
mod handshake;
mod listen;
mod log;
mod placement;
mod policy;
mod post;
mod server;
mod shard;
mod shared;
mod turn;

// Not of the interface, and promised to nobody: they are public because the workspace's benches
// measure them by themselves.
#[doc(hidden)]
pub mod mailbox;
#[doc(hidden)]
pub mod net;

pub use address::{ForwardedHeader, Peer};
pub use api::{
    AckError, Answer, Answers, Args, Binary, Broadcast, EmitError, EncodeError, EngineSocket,
    FromAnswer, Gathered, IntoArgs, Io, JoinError, Message, Namespace, Raw, Socket, Value,
};
pub use compress::HttpCompression;
pub use config::{HttpWaits, ShardLimits};
pub use fd_table::FdTables;
pub use handler::{
    Ack, AckHandle, App, AsyncHandler, Auth, ConnectReply, Context, Data, EngineApp, EventName,
    FromContext, HandlerError, IntoReply, Kept, Local, NamespaceBuilder, Needs, NoAck, Params,
    Reason, Refused, Reject, State, SyncHandler,
};
pub use handshake::{Handshake, Keep};
pub use listen::{Endpoint, Listen};
pub use placement::unpin_thread;
pub use policy::{
    ConnectionError, Cookie, Cors, HttpReply, Origins, Priority, RequestContext, SameSite,
};
pub use server::{Running, Server, ServerError, Signals};
pub use stentor_engine::{
    error::{CloseReason, PacketTooLarge},
    id::SocketId,
    limits::Limits,
};

/// What `main` may return.
pub type Result<T = (), E = ServerError> = std::result::Result<T, E>;

/// What most programs need.
pub mod prelude {
    pub use crate::{
        Ack, AckError, AckHandle, App, Args, Auth, Binary, Broadcast, Data, EmitError, EngineApp,
        EngineSocket, EventName, Handshake, Io, JoinError, Kept, Local, Message, NoAck, Raw,
        Reason, Refused, Server, Socket, SocketId, State, Value,
    };
}

/// The programs in the README and the guide are compiled with the documentation's tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/GUIDE.md")]
    struct Guide;
    #[doc = include_str!("../../docs/RECIPES.md")]
    struct Recipes;
}
