//! Answers: where does the answer to a request go that waits.

use tokio::sync::oneshot;

use super::conns::ConnKey;
use crate::post::Reply;

/// Where the answer to a request that waits goes.
#[derive(Debug)]
pub(crate) enum Parked {
    /// To a connection of this shard.
    Conn(ConnKey),
    /// To a task of hyper's, here or on another shard.
    Task(oneshot::Sender<Reply>),
}
