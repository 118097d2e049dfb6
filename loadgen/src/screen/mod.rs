//! Answers: what is shown while a run goes on.
//!
//! A live screen on a terminal, else one line a second. Must not know how figures come about.

pub mod lines;
pub mod live;

use crate::run::{Stop, Watcher};
use std::io::IsTerminal as _;

/// The watcher that suits where the output goes. `stop` ends the run from the live screen.
#[must_use]
pub fn suited(plain: bool, quiet: bool, stop: &Stop) -> Box<dyn Watcher> {
    let terminal = std::io::stderr().is_terminal() && std::io::stdin().is_terminal();
    if terminal
        && !plain
        && !quiet
        && let Ok(live) = live::Live::open(stop.clone())
    {
        return Box::new(live);
    }
    Box::new(lines::Lines { quiet })
}
