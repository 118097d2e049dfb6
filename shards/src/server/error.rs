//! Answers: why has a server not started, or ended.

use std::{any::Any, fmt, io};

use stentor_engine::limits::SHARDS_MAX;

#[cfg(doc)]
use super::{Running, Server, Signals};
use crate::discard::discard;
#[cfg(doc)]
use crate::fd_table::FdTables;

/// Why a server could not start, or ended.
///
/// `Debug` says it in the same words as `Display`: a `main` that returns it is ended by a sentence.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An option with which nobody could be served, in a sentence.
    #[error("the server cannot work: {0}")]
    Options(String),
    /// The address is none, or cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// As given.
        address: String,
        /// The system's word.
        error: io::Error,
    },
    /// A thread, a runtime or an epoll could not be made.
    #[error("cannot start a shard: {0}")]
    Start(io::Error),
    /// A shard that ran could not go on: its epoll failed.
    #[error("shard {shard} has failed: {error}")]
    ShardFailed {
        /// Which.
        shard: usize,
        /// The system's word.
        error: io::Error,
    },
    /// With [`FdTables::per_shard`] signals have to be caught before the start: by [`Server::run`], or
    /// by [`Signals::catch`] and [`Running::wait_for`].
    #[error("with descriptor tables per shard, signals must be caught before the start")]
    SignalsTooLate,
    /// More shards than there can be, or none.
    #[error("{0} shards: there must be 1 to {SHARDS_MAX}")]
    Shards(usize),
    /// The application cannot run as it was given to [`Server::app`], in a sentence that says what and where: a handler for a
    /// reserved event, a namespace that nobody can join, other namespaces on one shard than on another, a
    /// [`crate::State`] that was not given.
    #[error("the application cannot run: {0}")]
    App(String),
    /// [`Server::run`], [`Running::wait_for_signal`] or [`Running::wait_for`] was called in a runtime that has only this thread,
    /// and would keep from running all else that is on it.
    #[error(
        "this would block a tokio runtime of one thread: write `server.serve().await`, or \
         `running.serve().await`, instead"
    )]
    WouldBlock,
    /// A shard's thread panicked: in the closure given to `app`, or for a bug of this library.
    #[error("shard {shard} has died: {panic}")]
    ShardDied {
        /// Which.
        shard: usize,
        /// What it panicked with.
        panic: String,
    },
    /// A shard has not ended in time, because something blocks it: a handler, or a page. Its thread goes on
    /// until that returns, or the process ends. The shards after it may have been the same.
    #[error("shard {0} is stuck and has not ended")]
    ShardStuck(usize),
    /// [`Running::stop`] was called on a shard's own thread, as by a handler, where it cannot wait for the
    /// shard to end. The server stops nevertheless.
    #[error("a shard cannot wait for its own end; the server stops without being waited for")]
    StopOnShard,
}

/// `main` prints the error that it returns by `Debug`.
impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a shard's thread has ended, though nobody told it to.
#[derive(Debug)]
pub(super) enum Failure {
    /// The system does not give what it needs.
    System(io::Error),
    /// The application cannot run.
    App(String),
    /// The first shard has failed before it ran, and says why.
    First,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// What a thread panicked with.
pub(super) fn words(panic: Box<dyn Any + Send>) -> String {
    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    discard(panic);
    words.unwrap_or_else(|| "no words".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_main_is_a_sentence() {
        let error = ServerError::Listen {
            address: "127.0.0.1:80".to_owned(),
            error: io::Error::from(io::ErrorKind::PermissionDenied),
        };
        let said = "cannot listen on 127.0.0.1:80: permission denied";
        assert_eq!(format!("{error:?}"), said);
    }
}
