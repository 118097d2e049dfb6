//! Answers: what does the client's half of the wire look like.
//!
//! WebSocket frames, HTTP answers, Engine.IO and Socket.IO packets and the stamped payload. Written apart
//! from the server's engine on purpose, so that a mistake there cannot hide here. Nothing below knows of
//! sockets, time or statistics.

pub mod http;
pub mod packet;
pub mod stamp;
pub mod ws;
