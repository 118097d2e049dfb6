//! Answers: how does hyper read a connection whose first bytes were read already, what does it not wait for,
//! and how does it leave one whose last bytes were not read.
//!
//! What hyper may see is the [`Gate`]'s decision; sockets and time are here. Nobody else has the
//! deadlines: hyper's own for heads closes without a word, and it has none for bodies and answers.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::net::{RecvFlags, recv, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::{Instant, Sleep},
};

use super::{
    LINGER_WAIT,
    gate::{Gate, Next},
    head::HeadError,
};

/// How much is read at once where a head is awaited.
const HEAD_READ_BYTES: usize = 4096;
/// A page's body may take longer than the longest time for the engine's, by so much for each byte that
/// has come: 500 bytes a second are enough, as for Apache.
const BODY_BYTE_TIME: Duration = Duration::from_millis(2);
/// How often a client is looked after that has sent something behind a request that waits for its answer.
const LOOK: Duration = Duration::from_secs(1);
/// What a time that the clock does not have becomes.
const LONG: Duration = Duration::from_hours(24 * 365);

/// How long a peer may keep us waiting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a whole head, and for a request's beginning.
    pub(crate) head: Duration,
    /// For the next byte of a body.
    pub(crate) piece: Duration,
    /// For a whole body.
    pub(crate) body: Duration,
    /// For taking more of an answer.
    pub(crate) answer: Duration,
}

/// What the two sides of a connection at hyper know of each other: the one that reads and writes, and the
/// one that answers requests. hyper asks for a head when it has sent the answer to the one before,
/// so that what is said here is said of one request.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    /// The head that was given last stands for one that is refused.
    refused: OnceLock<HeadError>,
    /// The connection speaks another protocol now.
    through: AtomicBool,
    /// The body that is read now has a fixed time.
    brief: AtomicBool,
    /// The body that is read now did not come in time.
    late: AtomicBool,
    /// The last word was said, or cannot be.
    said: Notify,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Arc<Self> {
        Arc::new(Self {
            stream,
            refused: OnceLock::new(),
            through: AtomicBool::new(false),
            brief: AtomicBool::new(false),
            late: AtomicBool::new(false),
            said: Notify::new(),
        })
    }

    /// Why the request that is being answered is refused.
    pub(crate) fn refused(&self) -> Option<HeadError> {
        self.refused.get().copied()
    }

    /// The answer that is given now changes the protocol.
    pub(crate) fn open(&self) {
        self.through.store(true, Ordering::Relaxed);
    }

    /// Whether the body of the request that is being answered must come within [`Patience::body`],
    /// however long it is.
    pub(crate) fn set_brief(&self, brief: bool) {
        self.brief.store(brief, Ordering::Relaxed);
    }

    /// Whether the body of the request that is being answered is given up.
    pub(crate) fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Until the connection's last word has left, or cannot.
    pub(crate) async fn said(&self) {
        self.said.notified().await;
    }

    /// Until the peer has ended its side, or the connection broke. What it sends meanwhile stays where
    /// it is. Only while hyper does not read.
    pub(crate) async fn ended(&self) {
        loop {
            match self.stream.ready(Interest::READABLE).await {
                Ok(ready) if !ready.is_read_closed() => {}
                _ => return,
            }
            let peek = || Ok(recv(&self.stream, &mut [0; 1][..], RecvFlags::PEEK)?.0);
            match self.stream.try_io(Interest::READABLE, peek) {
                Ok(0) => return,
                Ok(_) => tokio::time::sleep(LOOK).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    fn is_open(&self) -> bool {
        self.through.load(Ordering::Relaxed)
    }

    fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self.stream.try_read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return Poll::Ready(read),
            }
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write_vectored(bufs) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

/// A timer that is set while something is waited for.
#[derive(Debug, Default)]
struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    is_set: bool,
}

impl Timer {
    fn set(&mut self, at: Instant) {
        self.is_set = true;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    fn clear(&mut self) {
        self.is_set = false;
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let over = |sleep: &mut Pin<Box<Sleep>>| sleep.as_mut().poll(cx).is_ready();
        self.is_set && self.sleep.as_mut().is_some_and(over)
    }
}

fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or_else(|| now + LONG)
}

/// A stream for hyper. When it is shut down, what still comes is thrown away until the peer closes too:
/// else the kernel would reset the connection of a client that sends a body which was refused, and the
/// client would not see why.
#[derive(Debug)]
pub(crate) struct Replay {
    wire: Arc<Wire>,
    gate: Gate,
    patience: Patience,
    reading: Timer,
    writing: Timer,
    /// When the body must be here that is read now.
    body_until: Instant,
    /// Set when our side is shut down.
    linger: Option<Pin<Box<Sleep>>>,
}

impl Replay {
    pub(crate) fn new(read: Vec<u8>, wire: Arc<Wire>, patience: Patience) -> Self {
        Self {
            wire,
            gate: Gate::new(read),
            patience,
            reading: Timer::default(),
            writing: Timer::default(),
            body_until: Instant::now(),
            linger: None,
        }
    }

    /// The bytes that were read and not used, and the stream, unless somebody else still has it.
    pub(crate) fn into_parts(mut self) -> Option<(Vec<u8>, TcpStream)> {
        let gate = std::mem::replace(&mut self.gate, Gate::new(Vec::new()));
        let wire = Arc::clone(&self.wire);
        drop(self);
        Some((gate.into_rest(), Arc::into_inner(wire)?.stream))
    }

    /// Gives hyper what it may have already. False if there is nothing.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let given = self.gate.give(buf.remaining());
        if self.gate.has_begun() {
            self.reading.clear();
            self.wire.late.store(false, Ordering::Relaxed);
            self.body_until = after(self.patience.body);
            if let Some(error) = self.gate.refused() {
                self.wire.refused.get_or_init(|| error);
            }
        }
        buf.put_slice(&given);
        !given.is_empty()
    }

    /// Some of a body has come.
    fn body_came(&mut self, n: usize) {
        self.reading.clear();
        self.gate.passed(n);
        if !self.wire.brief.load(Ordering::Relaxed) {
            let time = BODY_BYTE_TIME.saturating_mul(u32::try_from(n).unwrap_or(u32::MAX));
            self.body_until = self.body_until.checked_add(time).unwrap_or(self.body_until);
        }
    }

    /// Reads a head, or a part of it. True if hyper may be given something.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut scratch = [0; HEAD_READ_BYTES];
        let read = match self.wire.poll_recv(cx, &mut scratch) {
            Poll::Ready(read) => read?,
            Poll::Pending => {
                if !self.reading.is_set {
                    self.reading.set(after(self.patience.head));
                }
                if !self.reading.is_over(cx) {
                    return Poll::Pending;
                }
                match self.last_look(&mut scratch) {
                    Some(read) => read?,
                    None if self.gate.is_in_head() => {
                        self.gate.refuse(HeadError::Late);
                        return Poll::Ready(Ok(true));
                    }
                    None => 0, // it is idle: nothing is owed to it
                }
            }
        };
        self.gate.feed(&scratch[..read]);
        Poll::Ready(Ok(read > 0))
    }

    /// Reads what the gate need not see, at most `max` bytes of it.
    fn poll_past(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let max = max.min(buf.remaining());
        let room = buf.initialize_unfilled_to(max);
        let read = match self.wire.poll_recv(cx, room) {
            Poll::Ready(read) => read?,
            Poll::Pending if self.wire.is_open() => return Poll::Pending,
            Poll::Pending => {
                if !self.reading.is_set {
                    let piece = after(self.patience.piece);
                    self.reading.set(piece.min(self.body_until));
                }
                if !self.reading.is_over(cx) {
                    return Poll::Pending;
                }
                let Some(read) = self.last_look(room) else {
                    self.wire.late.store(true, Ordering::Relaxed);
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                };
                read?
            }
        };
        buf.advance(read);
        self.body_came(read);
        Poll::Ready(Ok(()))
    }

    /// Time is up: what has come is read all the same, even if the runtime has not heard of it. After a
    /// standstill of the process it hears of the time first.
    fn last_look(&mut self, buf: &mut [u8]) -> Option<io::Result<usize>> {
        self.reading.clear();
        match recv(&self.wire.stream, &mut *buf, RecvFlags::empty()) {
            Ok((n, _)) => Some(Ok(n)),
            Err(rustix::io::Errno::AGAIN) => None,
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Reads to the end, or until the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; HEAD_READ_BYTES];
        loop {
            if let Some(linger) = &mut self.linger
                && linger.as_mut().poll(cx).is_ready()
            {
                return Poll::Ready(());
            }
            match ready!(self.wire.poll_recv(cx, &mut scratch)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }
}

/// Who waits for the last word waits no longer.
impl Drop for Replay {
    fn drop(&mut self) {
        self.wire.said.notify_one();
    }
}

impl AsyncRead for Replay {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.wire.is_open() {
            this.gate.open();
        }
        loop {
            if this.give(buf) {
                return Poll::Ready(Ok(()));
            }
            match this.gate.next() {
                Next::Head => {
                    if !ready!(this.poll_head(cx))? {
                        return Poll::Ready(Ok(())); // the end
                    }
                }
                Next::Body(left) => {
                    let max = usize::try_from(left).unwrap_or(usize::MAX);
                    return this.poll_past(cx, max, buf);
                }
                Next::Chunks | Next::Through => return this.poll_past(cx, usize::MAX, buf),
                Next::End => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for Replay {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            rustix::net::shutdown(&self.wire.stream, rustix::net::Shutdown::Write)?;
            self.wire.said.notify_one();
            self.linger = Some(Box::pin(tokio::time::sleep(LINGER_WAIT)));
        }
        self.poll_linger(cx).map(Ok)
    }

    /// An answer that is not taken is given up; each byte that is gives more time.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = this.wire.poll_send(cx, bufs);
        if written.is_ready() {
            this.writing.clear();
            return written;
        }
        if this.wire.is_open() {
            return Poll::Pending;
        }
        if !this.writing.is_set {
            this.writing.set(after(this.patience.answer));
        }
        if !this.writing.is_over(cx) {
            return Poll::Pending;
        }
        this.writing.clear();
        let first = bufs.iter().find(|buf| !buf.is_empty());
        let first = first.map_or(&[][..], |buf| buf);
        let sent = send(&this.wire.stream, first, super::SEND);
        Poll::Ready(match sent {
            Err(rustix::io::Errno::AGAIN) => Err(io::ErrorKind::TimedOut.into()),
            sent => sent.map_err(Into::into),
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
