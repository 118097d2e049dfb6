//! Answers: how does a second of a run look as one line.
//!
//! Must not know more than [`Progress`] says.

use crate::report::text::{bytes, count, time};
use crate::run::{Progress, Watcher};
use std::fmt::Write as _;

/// Prints a line a second to standard error, or nothing but notes when quiet.
#[derive(Debug)]
pub struct Lines {
    /// Notes only.
    pub quiet: bool,
}

impl Watcher for Lines {
    fn note(&mut self, text: &str) {
        eprintln!("{text}");
    }

    fn second(&mut self, progress: &Progress<'_>) {
        if !self.quiet
            && let Some(text) = line(progress)
        {
            eprintln!("{text}");
        }
    }
}

/// The line of the last second.
#[must_use]
pub fn line(progress: &Progress<'_>) -> Option<String> {
    let second = progress.seconds.last()?;
    let mut text = format!(
        "{:6.1} s  {:<10} {}/{} clients  sent {}/s  received {}/s",
        second.at,
        progress.phase,
        count(f64::from(second.ready)),
        count(f64::from(second.wanted)),
        count(second.sent),
        count(second.received),
    );
    if let Some(latency) = &second.latency {
        let _ = write!(
            text,
            "  p50 {}  p99 {}",
            time(latency.p50),
            time(latency.p99)
        );
        let _ = write!(text, "  lag p99 {}", time(second.lag_p99));
    }
    if let Some(server) = &second.server {
        let _ = write!(text, "  server {}", bytes(server.rss as f64));
    }
    if let Some(cores) = second.server_cores {
        let _ = write!(text, " {cores:.2} cores");
    }
    if second.errors > 0 {
        let _ = write!(text, "  ERRORS {}", second.errors);
    }
    Some(text)
}
