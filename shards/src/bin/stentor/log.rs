//! Answers: how is something logged when the log is full, stuck or gone.
//!
//! Lines go to a thread that writes them to stderr. Who logs never waits: what the queue has no room for is
//! lost and counted, and so is what cannot be written. When the log takes something again it is told how
//! many lines it lacks.

mod json;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    fmt::{Display, Write as _},
    io,
    panic::PanicHookInfo,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people; with colours on a terminal.
    #[default]
    Text,
    /// For programs: one object a line.
    Json,
}

/// Lines that may wait for a log that does not take them.
const LINES_MAX: usize = 4_096;
/// Bytes that may wait.
const BYTES_MAX: usize = 1 << 20;
/// How long the end of the process waits for what has been logged.
const END_WAIT: Duration = Duration::from_millis(500);
/// How often a stderr that does not block is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// Panics whose text is logged, a second.
const PANICS_PER_SECOND: u32 = 10;
/// The thread's stack: it calls little, and gets by whatever the shards' stacks are set to.
const STACK_BYTES: usize = 256 * 1024;
/// Bytes of a panic's message: a peer's text may be in it.
const PANIC_BYTES: usize = 1_000;
/// Bytes of its backtrace.
const TRACE_BYTES: usize = 16 * 1024;

enum Entry {
    Line(Vec<u8>),
    /// Everything before it has been written or lost.
    Done(SyncSender<()>),
}

#[derive(Default)]
struct Counts {
    /// Lines that were lost and not told.
    lost: AtomicU64,
    /// Bytes in the queue.
    bytes: AtomicUsize,
}

/// Where lines go.
#[derive(Clone)]
pub(crate) struct Log {
    lines: SyncSender<Entry>,
    counts: Arc<Counts>,
    format: Format,
}

/// Installs the log: for `tracing`, and for panics. What is said is `RUST_LOG`'s choice, or else this level's.
pub(crate) fn install(format: Format, level: Level) -> Log {
    let asked = env::var_os("RUST_LOG").filter(|asked| !asked.is_empty());
    let filter = asked.as_ref().map(|asked| {
        let asked = asked.to_str().ok_or_else(|| "it is not UTF-8".to_owned())?;
        EnvFilter::try_new(asked).map_err(|error| error.to_string())
    });
    let (filter, wrong) = match filter {
        Some(Ok(filter)) => (filter, None),
        Some(Err(why)) => (EnvFilter::new(level.as_str()), Some(why)),
        None => (EnvFilter::new(level.as_str()), None),
    };
    let log = Log::to(format, stderr);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(may_colour())
        .with_writer(log.clone())
        .log_internal_errors(false); // on stderr, which may be what has failed
    match format {
        Format::Text => subscriber.init(),
        Format::Json => subscriber.event_format(json::Json).init(),
    }
    if let Some(why) = wrong {
        log.say(
            Level::WARN,
            format_args!("RUST_LOG is not understood ({why}): {level} and above are logged"),
        );
    }
    let of_panics = log.clone();
    let (began, told) = (Instant::now(), AtomicU64::new(0));
    let in_second = AtomicU32::new(0);
    // The standard hook writes to stderr itself, and waits for it.
    std::panic::set_hook(Box::new(move |panic| {
        let second = began.elapsed().as_secs() + 1;
        if told.swap(second, Ordering::Relaxed) != second {
            in_second.store(0, Ordering::Relaxed);
        }
        if in_second.fetch_add(1, Ordering::Relaxed) < PANICS_PER_SECOND {
            of_panics.panic(panic);
        } else {
            of_panics.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }));
    log
}

fn may_colour() -> bool {
    let asked_not_to = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::IsTerminal::is_terminal(&io::stderr()) && !asked_not_to && !dumb
}

fn words(panic: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let message = panic.payload_as_str().unwrap_or("no words");
    let cut = message.floor_char_boundary(PANIC_BYTES);
    let mut words = format!("thread {:?} panicked", thread.name().unwrap_or("unnamed"));
    if let Some(place) = panic.location() {
        let _ = write!(words, " at {place}");
    }
    let _ = write!(words, ": {}", message[..cut].escape_debug());
    words
}

/// Where a panic came from, if that is asked for.
fn backtrace() -> Option<String> {
    let trace = Backtrace::capture();
    if trace.status() != BacktraceStatus::Captured {
        return None;
    }
    let mut trace = trace.to_string();
    trace.truncate(trace.floor_char_boundary(TRACE_BYTES));
    Some(trace)
}

/// One write to stderr, without its lock: a thread that waits for the log holds nobody up.
fn stderr(bytes: &[u8]) -> io::Result<usize> {
    loop {
        match rustix::io::write(io::stderr(), bytes) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => thread::sleep(RETRY),
            written => return written.map_err(io::Error::from),
        }
    }
}

impl Log {
    /// Starts the thread that writes. Without one every line is lost.
    fn to(format: Format, write: impl FnMut(&[u8]) -> io::Result<usize> + Send + 'static) -> Self {
        let (lines, queue) = sync_channel(LINES_MAX);
        let counts = Arc::<Counts>::default();
        let own = Arc::clone(&counts);
        let thread = thread::Builder::new().name("log".into());
        let thread = thread.stack_size(STACK_BYTES);
        drop(thread.spawn(move || pass_on(&queue, &own, format, write)));
        Self {
            lines,
            counts,
            format,
        }
    }

    /// Logs what the command itself has to say.
    pub(crate) fn say(&self, level: Level, words: impl Display) {
        self.line(self.format.own(level, words, &[]).into_bytes());
    }

    fn panic(&self, panic: &PanicHookInfo<'_>) {
        let (words, trace) = (words(panic), backtrace());
        let line = match (self.format, trace) {
            (Format::Text, Some(trace)) => format!("{words}\n{}\n", trace.trim_end()),
            (format, trace) => {
                let fields = trace.iter().map(|trace| ("backtrace", trace.as_str()));
                format.own(Level::ERROR, words, &fields.collect::<Vec<_>>())
            }
        };
        self.line(line.into_bytes());
    }

    /// Logs a line, or loses it. Never waits.
    pub(crate) fn line(&self, line: Vec<u8>) {
        let len = line.len();
        let waiting = self.counts.bytes.fetch_add(len, Ordering::Relaxed);
        if waiting + len > BYTES_MAX || self.lines.try_send(Entry::Line(line)).is_err() {
            self.counts.bytes.fetch_sub(len, Ordering::Relaxed);
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything has been written, but not for long.
    pub(crate) fn end(&self) {
        let (done, told) = sync_channel(1);
        if self.lines.try_send(Entry::Done(done)).is_ok() {
            let _ = told.recv_timeout(END_WAIT);
        }
    }
}

fn pass_on(
    queue: &Receiver<Entry>,
    counts: &Counts,
    format: Format,
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) {
    // A line that was written in part is ended before the next one.
    let mut torn = false;
    let mut whole = |line: &[u8], torn: &mut bool| {
        let mut rest = line;
        while !rest.is_empty() {
            match write(rest) {
                Ok(n) if n > 0 => rest = &rest[n..],
                _ => {
                    *torn |= rest.len() < line.len();
                    return false;
                }
            }
        }
        true
    };
    for entry in queue {
        let line = match entry {
            Entry::Line(line) => line,
            Entry::Done(done) => {
                let _ = done.try_send(());
                continue;
            }
        };
        counts.bytes.fetch_sub(line.len(), Ordering::Relaxed);
        let lost = counts.lost.load(Ordering::Relaxed);
        if lost > 0 || torn {
            let end = if torn { "\n" } else { "" };
            let note = format_args!("{lost} lines of the log were lost");
            let note = end.to_owned() + &format.own(Level::WARN, note, &[]);
            torn = false;
            if whole(note.as_bytes(), &mut torn) {
                counts.lost.fetch_sub(lost, Ordering::Relaxed);
            }
        }
        if !whole(&line, &mut torn) {
            counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Format {
    /// A line that does not come by `tracing`.
    fn own(self, level: Level, words: impl Display, fields: &[(&str, &str)]) -> String {
        if self == Self::Text {
            return format!("{words}\n");
        }
        let mut line = json::Line::new(level);
        line.field("message", words.to_string());
        for (name, value) in fields {
            line.field(name, value);
        }
        line.end()
    }
}

/// `tracing-subscriber` makes a line whole before it writes it.
impl io::Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line.to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        mpsc::{Sender, channel},
    };

    use super::*;

    /// What is to become of a write.
    type How = Sender<io::Result<usize>>;

    /// A log that writes when it is told how much it may, or that it fails.
    fn told_how() -> (Log, How, Arc<Mutex<Vec<u8>>>) {
        let (tell, how) = channel::<io::Result<usize>>();
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let text = Arc::clone(&written);
        let log = Log::to(Format::Text, move |bytes| {
            let n = how.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            text.lock().unwrap().extend_from_slice(&bytes[..n]);
            Ok(n)
        });
        (log, tell, written)
    }

    fn text(written: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn what_a_stuck_log_has_no_room_for_is_counted() {
        let (log, go_on, written) = told_how();
        for _ in 0..2 * LINES_MAX {
            log.line(b"a line\n".to_vec());
        }
        log.end(); // does not wait for ever
        drop(go_on);
        // A line of which it is known that it has been written.
        while log.counts.lost.load(Ordering::Relaxed) > 0 {
            log.end();
        }
        log.line(b"the last\n".to_vec());
        log.end();
        let text = text(&written);
        let lines = text.matches("a line\n").count();
        assert!((LINES_MAX..=LINES_MAX + 1).contains(&lines), "{lines}");
        // Two notes, if the thread came to its first line when some were lost.
        let lost: usize = text
            .lines()
            .filter_map(|line| line.strip_suffix(" lines of the log were lost"))
            .map(|n| n.parse::<usize>().unwrap())
            .sum();
        assert_eq!(lines + lost, 2 * LINES_MAX);
        assert!(text.ends_with("the last\n"));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let (log, _go_on, _) = told_how();
        for _ in 0..100 {
            log.line(vec![b'x'; BYTES_MAX / 10]);
        }
        let lost = log.counts.lost.load(Ordering::Relaxed);
        assert!((89..=90).contains(&lost), "{lost}"); // the thread may have taken one
    }

    #[test]
    fn a_line_that_cannot_be_written_is_lost_alone() {
        let (log, how, written) = told_how();
        how.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        how.send(Ok(usize::MAX)).unwrap(); // the note
        how.send(Ok(2)).unwrap();
        how.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        drop(how);
        for line in ["one\n", "two\n", "three\n"] {
            log.line(line.as_bytes().to_vec());
        }
        log.end();
        let lost = "1 lines of the log were lost\n";
        assert_eq!(text(&written), format!("{lost}tw\n{lost}three\n"));
    }
}
