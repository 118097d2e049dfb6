//! Answers: which options does a server run with, besides the protocol's.

use std::{fmt, time::Duration};

use stentor_engine::config::Config;

use crate::handler::{Handshake, Keep};

pub(crate) type AllowRequest = dyn Fn(&Handshake) -> Result<(), String> + Send + Sync;

/// What all shards of a server are configured with.
pub(crate) struct ShardConfig {
    pub(crate) engine: Config,
    /// Begins and ends with `/`.
    pub(crate) path: Box<str>,
    pub(crate) keep: Keep,
    pub(crate) allow_request: Option<Box<AllowRequest>>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) stop_timeout: Duration,
}

impl fmt::Debug for ShardConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardConfig")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Mail that one shard may have waiting. At some 100 bytes each a full one holds 7 MiB; the senders then
/// stop reading from their clients until there is room.
pub(crate) const MAILBOX_CAPACITY: usize = 1 << 16;

/// Connections the kernel may hold for a listener that is busy.
pub(crate) const BACKLOG: i32 = 4096;
