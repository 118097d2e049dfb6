//! Answers: which options does a server run with, besides the protocol's.

use std::{fmt, time::Duration};

use stentor_engine::config::Config;

use crate::{
    discard::discard,
    handler::{Handshake, Keep},
};

pub(crate) type AllowRequest = dyn Fn(&Handshake) -> Result<(), String> + Send + Sync;

/// How long HTTP connections may keep the server waiting, the application's pages too. What is late is
/// closed; a request that has begun is answered 408 before. A GET that waits for its answer is not waited for,
/// nor is a page that has not answered; and a connection that a page has made another protocol's is the page's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpWaits {
    /// Time to the next request of a connection that polls; to taking more of an answer, each byte begins it
    /// anew; and to the answer of a page whose client has ended its side. Default 60 s.
    pub idle: Duration,
    /// Time to a complete head (slowloris), and to the next request of a connection that asks for other
    /// things than polling. Default 10 s.
    pub head: Duration,
    /// Time to the next piece of a body. Default 10 s.
    pub piece: Duration,
    /// Time to a whole body; for a page 2 ms more with each byte that has come, so that uploads may be long.
    /// Default 60 s.
    pub body: Duration,
}

impl Default for HttpWaits {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(1),
            head: Duration::from_secs(10),
            piece: Duration::from_secs(10),
            body: Duration::from_mins(1),
        }
    }
}

/// How much one shard keeps for clients, besides what [`crate::Limits`] says of each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Handlers of one socket that wait for something. Default 1,024, at least 1. Above it async handlers of
    /// its events are not called: an event that asks for an acknowledgement gets an error.
    pub waiting_handlers: usize,
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            waiting_handlers: 1_024,
        }
    }
}

/// What all shards of a server are configured with.
pub(crate) struct ShardConfig {
    pub(crate) engine: Config,
    /// Begins and ends with `/`.
    pub(crate) path: Box<str>,
    pub(crate) keep: Keep,
    pub(crate) allow_request: Option<Box<AllowRequest>>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) waits: HttpWaits,
    pub(crate) release_memory: Option<fn()>,
    pub(crate) shard_limits: ShardLimits,
    pub(crate) farewell_timeout: Duration,
}

impl fmt::Debug for ShardConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardConfig")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The last shard lets go of what user code decides by.
impl Drop for ShardConfig {
    fn drop(&mut self) {
        discard(self.allow_request.take());
    }
}

/// Mail that one shard may have waiting: four turns' worth. The channel allocates its slots at once, some
/// 120 bytes each, 2 MB a shard (65,536 of them were 8 MB of the 12 that an idle server took); the senders
/// stop reading from their clients until there is room.
pub(crate) const MAILBOX_CAPACITY: usize = 1 << 14;

/// Connections the kernel may hold for a listener that is busy.
pub(crate) const BACKLOG: i32 = 4096;
