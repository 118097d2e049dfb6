//! Answers: what do the bytes on a connection say: request heads, responses, WebSocket frames.
//!
//! It imports nothing of ours. Which connections there are, and what is done with what they say, is the
//! shard's.

pub mod encoding;
pub(crate) mod gate;
pub mod head;
pub(crate) mod replay;
pub mod response;
pub mod ws;

use std::time::Duration;

/// How long a peer may take to close after we did.
pub(crate) const LINGER_WAIT: Duration = Duration::from_secs(2);
