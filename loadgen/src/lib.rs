//! Answers: what does a Socket.IO server do under load, and does it do it right.
//!
//! A load generator: open loop, checked, up to a million clients. It imports nothing of the server it was
//! written beside, so that it can see that server's mistakes. `plan` says what to do, `swarm` does it and
//! counts, `run` conducts, `report` tells.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes become floats only to be shown or compared; 2^53 is enough"
)]

pub mod bootstrap;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod limits;
pub mod net;
pub mod observe;
pub mod plan;
pub mod proto;
pub mod report;
pub mod rude;
pub mod run;
pub mod screen;
pub mod stats;
pub mod swarm;
mod sys;
pub mod units;
pub mod versus;
