//! Answers: what is queued for whom, and in which order it leaves.
//!
//! `palette` holds the packets encoded in this turn, each once; an `outbox` holds, per
//! session, which of them are due to it and what earlier turns could not send.
//! Neither may know why something was queued or where it goes.

mod held;
mod outbox;
mod palette;

pub use held::Held;
pub use outbox::{Flushed, Outbox, Run, SHARED_BYTES_MIN, Sink, Written};
pub use palette::{EntryId, Palette};
