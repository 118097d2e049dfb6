//! Answers: what do the bytes on a connection say: requests, responses, WebSocket frames.
//!
//! It imports nothing of ours. Which connections there are, and what is done with what they say, is the
//! shard's.

pub mod encoding;
pub(crate) mod gate;
pub mod head;
pub(crate) mod replay;
pub mod request;
pub mod response;
pub mod ws;

use std::time::Duration;

use rustix::net::SendFlags;

/// How everything is sent: that the peer has gone is an error and no signal. Elsewhere than on Linux Rust's
/// runtime sees to it.
#[cfg(target_os = "linux")]
pub(crate) const SEND: SendFlags = SendFlags::NOSIGNAL;
/// See above.
#[cfg(not(target_os = "linux"))]
pub(crate) const SEND: SendFlags = SendFlags::empty();

/// How long a peer may take to close after we did.
pub(crate) const LINGER_WAIT: Duration = Duration::from_secs(2);
