//! Answers: what does user code hold, and what can it do with it.
//!
//! [`Socket`] and [`Broadcast`] are for the shard's own thread; [`Io`] is for any thread.

pub(crate) mod answers;
mod broadcast;
mod engine;
mod io;
pub(crate) mod payload;
pub(crate) mod socket;
mod value;

pub use answers::{AckError, Answer, Answers, FromAnswer, Gathered};
pub use broadcast::Broadcast;
pub use engine::{EngineSocket, Message};
pub use io::{EmitError, Io, Namespace};
pub use payload::{Args, Binary, EncodeError, IntoArgs, Raw};
pub use socket::{JoinError, Socket};
pub use value::Value;
pub(crate) use {
    answers::DISCONNECTED,
    io::{NOT_CONNECTED, full_name},
};

/// Whether this is the text of one of this module's errors that a client can cause while it is there.
pub(crate) fn is_caused_by_client(error: &str) -> bool {
    [answers::TIMED_OUT, answers::NOT_SENT, socket::FULL].contains(&error)
        || error.starts_with(answers::CANNOT_DECODE)
}
