//! Answers: what Socket.IO v5 says, packet by packet.
//!
//! It must not know about Engine.IO, sessions, rooms or IO. Section numbers are those of
//! docs/PROTOCOL.md, which follows the official parser.

pub mod assembler;
pub mod encode;
pub mod json;
pub mod packet;
