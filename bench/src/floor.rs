//! Answers: what is the least that a Socket.IO server must do for each message.
//!
//! A server of one thread that speaks just the load generator's events (`docs/LOADGEN.md`), spelled as the load
//! generator spells them: one `recv` and one `send` a message, a shared frame for a broadcast, no JSON parser, no
//! handlers, no bounds, no defence. What it uses is the floor that `scripts/floor` holds other servers against. It
//! must use nothing of the engine or the server, and it must never be used for anything but measuring.
//!
//! [`frame`] reads and writes WebSocket frames, [`contract`] knows the events, [`polling`] the requests, [`serve`]
//! owns the sockets, and [`family`] spreads a million of them over processes.

pub mod contract;
pub mod family;
pub mod frame;
pub mod polling;
pub mod serve;
