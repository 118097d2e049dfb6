//! Answers: what do any bytes do, and calls in any order.
//!
//! Each function takes bytes, draws from them what it does, and panics if something is wrong. The
//! test of this crate runs each of them on seeded bytes; `scripts/fuzz` runs them under libFuzzer,
//! which looks for bytes that reach what others did not.

mod events;
mod head;
mod hub;
mod input;
mod json;
mod packet;
#[cfg(test)]
mod tests;
mod websocket;
mod wire;

pub use head::head;
pub use hub::hub;
pub use json::json;
pub use packet::packet;
pub use websocket::websocket;
