//! What is shown while a run goes on: a live screen on a terminal, else one line a second.
//! Must not know how figures come about.

pub mod lines;
