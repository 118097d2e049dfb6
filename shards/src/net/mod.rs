//! Answers: what do the bytes on a connection say: request heads, WebSocket frames.
//!
//! It imports nothing of ours. Which connections there are, and what is done with what they say, is the
//! shard's.

pub mod head;
pub(crate) mod replay;
pub mod ws;
