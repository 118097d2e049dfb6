//! Engine.IO v4 and Socket.IO v5 as a pure state machine.
//!
//! No clock, socket, thread, lock, random source or `async`: time, randomness and bytes are
//! arguments. That makes whole servers of several hubs runnable in one thread under a seeded
//! simulator. The two protocols are two layers ([`eio`], [`sio`]) that do not know each other; only
//! [`hub`] composes them, with rooms, outboxes and the timer wheel.
//!
//! Start at [`hub::Hub`], which states the contract with the shell that drives it.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod chunks;
pub mod config;
pub mod eio;
pub mod error;
pub mod frame;
mod hash;
pub mod hub;
pub mod id;
pub mod limits;
pub mod out;
pub mod room;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod sio;
pub mod slab;
pub mod time;
pub mod wheel;
