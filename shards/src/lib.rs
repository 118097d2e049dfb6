//! Stentor: a Socket.IO and Engine.IO server, one shard per core.
//!
//! ```no_run
//! use stentor::prelude::*;
//!
//! fn main() -> stentor::Result {
//!     Server::new().listen("127.0.0.1:3000").app(|app| {
//!         app.ns("/")
//!             .on("hello", async |Data(name): Data<String>| format!("hi {name}"))
//!             .on_sync("echo", |s: Socket, args: Raw| { s.emit("echo", args); });
//!     }).run()
//! }
//! ```
//!
//! Every shard is a pinned thread with its own runtime, listener, sessions, rooms and timers. The
//! closure given to [`Server::app`] runs once on each: handlers and what they keep need not be
//! `Send`. [`Io`] reaches all shards from any thread. The protocols are in `stentor-engine`.

mod api;
mod clock;
mod config;
mod discard;
mod engine_server;
mod entropy;
mod fd_table;
mod handler;
mod log;
mod placement;
mod post;
mod server;
mod shard;
mod shared;

// Not of the interface, and promised to nobody: they are public because the workspace's benches
// measure them by themselves.
#[doc(hidden)]
pub mod mailbox;
#[doc(hidden)]
pub mod net;

pub use api::{
    AckError, Answer, Answers, Args, Binary, Broadcast, EmitError, EncodeError, FromAnswer,
    Gathered, IntoArgs, Io, JoinError, Namespace, Raw, Socket, Value,
};
pub use config::{HttpWaits, ShardLimits};
pub use engine_server::{EngineApp, EngineSocket, Message};
pub use fd_table::FdTables;
pub use handler::{
    Ack, AckHandle, App, AsyncHandler, Auth, ConnectReply, Context, Data, EventName, FromContext,
    Handshake, IntoReply, Keep, Local, NamespaceBuilder, NoAck, Reason, Refused, Reject, State,
    SyncHandler,
};
pub use placement::unpin_thread;
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
        EngineSocket, EventName, Handshake, Io, JoinError, Local, Message, NoAck, Raw, Reason,
        Refused, Server, Socket, SocketId, State, Value,
    };
}

/// The programs in the README and the guide are compiled with the documentation's tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/GUIDE.md")]
    struct Guide;
}
