//! Answers: how do bytes get from connections to the hub and back.
//!
//! It must not know about handlers or user code: the shard stands between.

pub(crate) mod answer;
pub mod head;
pub(crate) mod http;
pub(crate) mod replay;
pub mod ws;
