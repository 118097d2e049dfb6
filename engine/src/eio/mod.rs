//! Answers: what Engine.IO v4 says, packet by packet and session by session.
//!
//! It must not know about Socket.IO, rooms, outboxes or IO. Section numbers are those of
//! docs/PROTOCOL.md, which follows the official protocol.

pub mod admit;
pub mod handshake;
pub mod packet;
pub mod payload;
pub mod session;
