//! Answers: what do the bytes of a connection mean for the shard, and what does its end mean.
//!
//! The edge knows connections and the hub. It must not know the handlers, nor when turns begin.

mod frames;
mod handoff;
mod order;
