//! Answers: how does the library say something by `tracing`, without harm to the shard that says it.
//!
//! Subscribers are user code, and what they write to may be gone or full. So nothing else in this
//! crate names `tracing`, and here:
//!
//! - A subscriber's panic is caught, and costs its line.
//! - Nothing of a shard is borrowed while a subscriber runs, so that it may emit to clients. Where something
//!   is, the line waits for the end of the turn ([`later`]).
//! - What a peer causes is said at debug at most, and its text is short and on one line ([`peer`]). That a
//!   bound of a whole shard is reached is said at warn, every ten seconds (`shard/seldom.rs`).
//! - What goes wrong once for each event or connection, a handler's error say, is said ten times a second
//!   and shard, then counted ([`has_room`]).

use std::{
    cell::{Cell, RefCell},
    fmt,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
};

use crate::shard;

/// Bytes of a peer's text in a line.
const PEER_BYTES: usize = 200;
/// Bytes of an error's text in a line: the application's own, in which a peer's may be.
const ERROR_BYTES: usize = 1_000;
/// Failures that are said, a second and shard.
const FAILURES_PER_SECOND: u32 = 10;
/// Lines that wait for the end of a turn. What is more is lost.
const LATER_MAX: usize = 64;

macro_rules! error_line {
    ($($line:tt)*) => { $crate::log::say(|| ::tracing::error!($($line)*)) };
}
macro_rules! warn_line {
    ($($line:tt)*) => { $crate::log::say(|| ::tracing::warn!($($line)*)) };
}
macro_rules! debug_line {
    ($($line:tt)*) => { $crate::log::say(|| ::tracing::debug!($($line)*)) };
}
/// A failure, if there is room for it: `failed!(level, "text", event, error)`, of which the
/// last two, the name of an event and what went wrong, may be missing.
macro_rules! failed_line {
    ($level:ident, $text:literal) => {
        if $crate::log::has_room() {
            $crate::log::$level!($text);
        }
    };
    ($level:ident, $text:literal, $error:expr) => {
        if $crate::log::has_room() {
            let error = $error.to_string();
            $crate::log::$level!(error = %$crate::log::failure(&error), $text);
        }
    };
    ($level:ident, $text:literal, $event:expr, $error:expr) => {
        if $crate::log::has_room() {
            let error = $error.to_string();
            let (event, error) = ($crate::log::peer($event), $crate::log::failure(&error));
            $crate::log::$level!(%event, %error, $text);
        }
    };
}
pub(crate) use {
    debug_line as debug, error_line as error, failed_line as failed, warn_line as warn,
};

type Line = Box<dyn FnOnce()>;

thread_local! {
    static LATER: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    /// The second in which failures are counted, and how many of it were said.
    static FAILURES: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// Calls a subscriber. Nothing of a shard may be borrowed.
pub(crate) fn say(line: impl FnOnce()) {
    debug_assert!(
        shard::here().is_none_or(|shard| shard.has_nothing_borrowed()),
        "a subscriber would meet what is borrowed here"
    );
    // A subscriber has nothing of the shard's in its hands; its own state is its own affair.
    let Err(panic) = catch_unwind(AssertUnwindSafe(line)) else {
        return;
    };
    // Not `discard`, which would log again.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        let _ = ManuallyDrop::new(again);
    }
}

/// Keeps a line for the end of the turn, where something of the shard is borrowed. Other threads have
/// borrowed nothing.
pub(crate) fn later(line: impl FnOnce() + 'static) {
    if shard::here().is_none() {
        return say(line);
    }
    LATER.with_borrow_mut(|lines| {
        if lines.len() < LATER_MAX {
            lines.push(Box::new(line));
        }
    });
}

/// Says what was kept. Nothing of the shard may be borrowed.
pub(crate) fn say_kept() {
    if LATER.with_borrow(Vec::is_empty) {
        return;
    }
    for line in LATER.take() {
        say(line);
    }
}

/// Whether one more failure may be said; what may not is counted, and the count is said
/// within seconds by the shard or its watchdog.
pub(crate) fn has_room() -> bool {
    let Some(shard) = shard::here() else {
        return true;
    };
    let second = shard.wall().0 / 1_000;
    let (last, said) = FAILURES.get();
    let said = if last == second { said } else { 0 };
    let vital = shard.vital();
    if said >= FAILURES_PER_SECOND {
        vital.unsaid.fetch_add(1, Ordering::Relaxed);
        return false;
    }
    FAILURES.set((second, said + 1));
    say_unsaid(shard.id.0.into(), vital.unsaid.swap(0, Ordering::Relaxed));
    true
}

/// Says how many failures of a shard were not said.
pub(crate) fn say_unsaid(shard: usize, count: u64) {
    if count > 0 {
        warn_line!(shard, count, "more failures were not logged");
    }
}

/// A text for a line: escaped, so that it is one line and nothing but text, and cut.
#[derive(Debug)]
pub(crate) struct Brief<'a> {
    text: &'a str,
    max: usize,
}

/// Of a peer's text, as much as tells what it was.
pub(crate) const fn peer(text: &str) -> Brief<'_> {
    Brief {
        text,
        max: PEER_BYTES,
    }
}

/// Of an error of user code, in whose text a peer's may be.
pub(crate) const fn failure(text: &str) -> Brief<'_> {
    Brief {
        text,
        max: ERROR_BYTES,
    }
}

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.text.floor_char_boundary(self.max);
        fmt::Display::fmt(&self.text[..cut].escape_debug(), f)?;
        match self.text.len() - cut {
            0 => Ok(()),
            more => write!(f, "… ({more} bytes more)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn a_peers_text_is_one_short_line() {
        let forged = "x\n2026-11-27T00:00:00Z ERROR admin logged in\u{1b}[0m";
        let said = peer(forged).to_string();
        assert_eq!(
            said,
            "x\\n2026-11-27T00:00:00Z ERROR admin logged in\\u{1b}[0m"
        );
        let long = "é".repeat(5_000);
        let said = peer(&long).to_string();
        assert_eq!(said, format!("{}… (9800 bytes more)", "é".repeat(100)));
        assert_eq!(peer("").to_string(), "");
    }

    /// What calls a subscriber in another way would be neither caught nor counted.
    #[test]
    fn nothing_else_in_the_library_names_tracing() {
        fn look(folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    if !path.ends_with("bin") {
                        look(&path, found);
                    }
                } else if !path.ends_with("src/log.rs")
                    && fs::read_to_string(&path).unwrap().contains("tracing::")
                {
                    found.push(path.display().to_string());
                }
            }
        }
        let mut found = Vec::new();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        look(Path::new(source), &mut found);
        assert!(found.is_empty(), "{found:?}");
    }
}
