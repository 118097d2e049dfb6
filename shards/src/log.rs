//! Answers: how does the library say something by `tracing`, without harm to the shard that says it.
//!
//! Subscribers are user code, and what they write to may be gone or full. So nothing else in this
//! crate names `tracing`, and here:
//!
//! - A subscriber's panic is caught, and costs its line.
//! - Nothing of a shard is borrowed while a subscriber runs, so that it may emit to clients. Where something
//!   is, the line waits for the end of the turn ([`later`]).
//! - What a peer causes is said at debug at most, and its text is short and on one line ([`peer`]). That a
//!   bound of a whole shard is reached is said at warn, every ten seconds ([`Seldom`]).
//! - Of each kind of line a shard says ten a second, and then how many more there were ([`say`]). What has a
//!   pace of its own, as the watchdog has, is a [`notice`].
//! - A line says which shard, session, namespace and address it is about ([`About`]). That is found out only
//!   for a line that is said.

mod brief;
mod kinds;
mod seldom;

use std::{
    cell::{Cell, RefCell},
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::{Rc, Weak},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tracing::Level;

pub(crate) use brief::{failure, peer};
use kinds::KINDS;
pub(crate) use kinds::Kind;
pub(crate) use seldom::Seldom;

/// Lines of a kind that are said, a second and shard.
const PER_SECOND: u32 = 10;
/// Lines that wait for the end of a turn. What is more is lost.
const LATER_MAX: usize = 64;

/// Says a line, if somebody listens and it is not one too many of its kind: `line!(kind, about, field = value, …)`.
/// What follows the kind is only evaluated if so. It cannot name this module: where an application turns on
/// `tracing/log`, as axum's defaults do, `log` is another one within `tracing`'s macros.
macro_rules! line {
    ($kind:ident, $($line:tt)+) => {
        $crate::log::say(
            $crate::log::Kind::$kind,
            || ::tracing::enabled!($crate::log::Kind::$kind.level()),
            || $crate::log::event!($kind, $($line)+),
        )
    };
}
/// The same, of a line that its caller does not let become many.
macro_rules! notice {
    ($kind:ident, $($line:tt)+) => {
        $crate::log::always(|| $crate::log::event!($kind, $($line)+))
    };
}
macro_rules! event {
    ($kind:ident, $about:expr $(, $($field:tt)+)?) => {{
        let about: $crate::log::About = $about;
        ::tracing::event!(
            $crate::log::Kind::$kind.level(),
            message = $crate::log::Kind::$kind.text(),
            shard = about.shard,
            sid = about.sid.as_deref(),
            socket = about.socket.as_deref(),
            namespace = about.namespace.as_deref(),
            peer = about.peer.as_deref(),
            $($($field)+)?
        );
    }};
}
pub(crate) use {event, line, notice};

/// A shard, as far as the lines of its thread need it.
pub(crate) trait Speaker {
    fn number(&self) -> usize;

    /// Whether a subscriber may run: it may call whatever it has a handle for.
    fn has_nothing_borrowed(&self) -> bool;

    /// The second by its clock.
    fn second(&self) -> u64;

    fn left_out(&self) -> &LeftOut;
}

/// From now on the lines of this thread are this shard's; `None` if they are no shard's.
pub(crate) fn speak_for(shard: Option<Weak<dyn Speaker>>) {
    SPEAKER.set(shard);
}

fn speaker() -> Option<Rc<dyn Speaker>> {
    SPEAKER.with_borrow(|shard| shard.as_ref()?.upgrade())
}

/// The client and shard that a line is about, as far as they are known.
#[derive(Debug, Default, Clone)]
pub(crate) struct About {
    pub(crate) shard: Option<usize>,
    /// The session's secret id, as a proxy's log has it.
    pub(crate) sid: Option<String>,
    /// The socket's public id, as the application's log has it.
    pub(crate) socket: Option<String>,
    pub(crate) namespace: Option<String>,
    /// The other end of the connection.
    pub(crate) peer: Option<String>,
}

impl About {
    /// The shard that this thread runs, if it runs one.
    pub(crate) fn here() -> Self {
        Self {
            shard: speaker().map(|shard| shard.number()),
            ..Self::default()
        }
    }

    pub(crate) fn shard(shard: impl Into<usize>) -> Self {
        Self {
            shard: Some(shard.into()),
            ..Self::default()
        }
    }
}

/// How many lines of each kind were left out and not told yet.
#[derive(Debug)]
pub(crate) struct LeftOut([AtomicU64; KINDS]);

impl Default for LeftOut {
    fn default() -> Self {
        Self::new()
    }
}

impl LeftOut {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; KINDS])
    }

    fn note(&self, kind: Kind) {
        self.0[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn tell_of(&self, kind: Kind, shard: Option<usize>) {
        let count = &self.0[kind as usize];
        if count.load(Ordering::Relaxed) > 0 {
            tell_left_out(kind, shard, count.swap(0, Ordering::Relaxed));
        }
    }

    /// Tells what no later line of the same kind has told.
    pub(crate) fn tell(&self, shard: usize) {
        for kind in Kind::ALL {
            self.tell_of(*kind, Some(shard));
        }
    }
}

fn tell_left_out(kind: Kind, shard: Option<usize>, count: u64) {
    const TEXT: &str = "more lines were not logged";
    let of = kind.text();
    // A level is a constant of each place.
    always(|| match kind.level() {
        Level::ERROR | Level::WARN => {
            tracing::event!(Level::WARN, message = TEXT, shard, count, of);
        }
        Level::INFO => tracing::event!(Level::INFO, message = TEXT, shard, count, of),
        _ => tracing::event!(Level::DEBUG, message = TEXT, shard, count, of),
    });
}

type Line = Box<dyn FnOnce()>;

/// What threads have left out that are no shard's.
static ELSEWHERE: LeftOut = LeftOut::new();
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static SPEAKER: RefCell<Option<Weak<dyn Speaker>>> = const { RefCell::new(None) };
    static LATER: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
    /// Of each kind, the second in which lines are counted, and how many there were.
    static SAID: [Cell<(u64, u32)>; KINDS] = const { [const { Cell::new((0, 0)) }; KINDS] };
}

/// Calls a subscriber. Nothing of a shard may be borrowed. `None` if it panics.
fn protect<R>(call: impl FnOnce() -> R) -> Option<R> {
    debug_assert!(
        speaker().is_none_or(|shard| shard.has_nothing_borrowed()),
        "a subscriber would meet what is borrowed here"
    );
    // A subscriber has nothing of the shard's in its hands; its own state is its own affair.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Some(result),
        Err(panic) => {
            // Not `discard`, which would log again.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                let _ = ManuallyDrop::new(again);
            }
            None
        }
    }
}

/// Says a line, however many there are.
pub(crate) fn always(line: impl FnOnce()) {
    let _ = protect(line);
}

/// Says a line of this kind, if it is wanted and there is room for it; else it is counted. The count is told
/// before the next line of the kind, or within seconds by the watchdog. Nothing of a shard may be borrowed.
pub(crate) fn say(kind: Kind, is_wanted: impl FnOnce() -> bool, line: impl FnOnce()) {
    if protect(is_wanted) == Some(true) && has_room(kind) {
        always(line);
    }
}

fn has_room(kind: Kind) -> bool {
    let shard = speaker();
    let (second, left_out) = match &shard {
        Some(shard) => (shard.second(), shard.left_out()),
        None => (BEGAN.elapsed().as_secs(), &ELSEWHERE),
    };
    let before = SAID.with(|said| {
        let said = &said[kind as usize];
        let (last, count) = said.get();
        let before = if last == second { count } else { 0 };
        said.set((second, before.saturating_add(1)));
        before
    });
    if before >= PER_SECOND {
        left_out.note(kind);
        return false;
    }
    left_out.tell_of(kind, shard.as_ref().map(|shard| shard.number()));
    true
}

/// Keeps a line for the end of the turn, where something of the shard is borrowed. Other threads have
/// borrowed nothing.
pub(crate) fn later(line: impl FnOnce() + 'static) {
    if speaker().is_none() {
        return line();
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
        line();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn of_each_kind_ten_a_second() {
        let second = || BEGAN.elapsed().as_secs();
        let said = loop {
            let begun = second();
            let said: Vec<_> = (0..25).map(|_| has_room(Kind::NotCalled)).collect();
            let other = has_room(Kind::Closing);
            if begun == second() {
                assert!(other);
                break said;
            }
        };
        assert!(said.iter().filter(|said| **said).count() <= 10, "{said:?}");
        assert!(ELSEWHERE.0[Kind::NotCalled as usize].load(Ordering::Relaxed) >= 15);
    }

    /// What calls a subscriber in another way would be neither caught nor counted.
    #[test]
    fn nothing_else_in_the_library_names_tracing() {
        fn look(folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    if !path.ends_with("bin") && !path.ends_with("src/log") {
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
