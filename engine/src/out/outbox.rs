//! Answers: what is still to be sent to one session.
//!
//! An outbox is empty nearly always: it then holds no memory beyond itself. Packets of this turn
//! are entry numbers into the palette; what a turn could not send is kept aside as the backlog.
//! Bytes leave in the order they were queued: backlog, then the run, then the rest of the turn.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use super::{
    held::Held,
    palette::{Entry, EntryId, Palette},
};
use crate::{
    eio::payload::{self, Payload},
    frame::{Frame, Frames},
    limits::SLICES_MAX,
    time::Tick,
};

/// Small packets of a backlog are gathered in chunks of this size: less overhead per packet.
const CHUNK_BYTES: usize = 16 * 1024;

/// A shared packet of so many bytes stays shared in a backlog: a thousand slow readers of it hold it
/// once. A smaller one costs less as a copy.
pub const SHARED_BYTES_MIN: usize = CHUNK_BYTES / 8;

/// Where flushed bytes go: one non-blocking vectored write.
pub trait Sink {
    /// Writes the slices in order, as far as it can without waiting.
    fn write(&mut self, slices: &[&[u8]]) -> Written;
}

/// What a [`Sink`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// That many bytes went. Fewer than given means that the sink is full.
    Bytes(usize),
    /// None went: the sink is full.
    Blocked,
    /// The connection is broken.
    Failed,
}

/// What a flush came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Everything went.
    Done,
    /// The sink is full; the rest waits in the backlog.
    Blocked,
    /// The connection is broken.
    Failed,
}

#[derive(Debug)]
enum Chunk {
    Own(Vec<u8>),
    Shared(Frame),
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(frame) => &frame.0,
        }
    }
}

/// How much a session with too large a backlog has taken since it is watched.
#[derive(Debug, Clone, Copy)]
struct Watch {
    until: Tick,
    taken: usize,
}

/// What only a session with more than one uninterrupted run of packets needs.
#[derive(Debug, Default)]
struct Rest {
    /// Entries of this turn after the run.
    more: Vec<u32>,
    /// Packets of earlier turns.
    backlog: VecDeque<Chunk>,
    /// Bytes of the first chunk that are gone already.
    sent: usize,
    backlog_bytes: usize,
    /// Bytes of the largest packet in the backlog, and how many bytes leave before its end has.
    largest: usize,
    largest_ends: usize,
    watch: Option<Watch>,
    /// Whether a packet in the backlog is worth compressing, should a poll fetch it.
    compress: bool,
}

/// Packets of this turn that lie side by side.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    first: u32,
    count: u32,
}

/// One session's queue of encoded packets.
#[derive(Debug, Default)]
pub struct Outbox {
    first: u32,
    count: u32,
    rest: Option<Box<Rest>>,
}

impl Outbox {
    /// Queues a packet of this turn.
    #[inline]
    pub fn push(&mut self, EntryId(entry): EntryId) {
        if self.count == 0 {
            (self.first, self.count) = (entry, 1);
            return;
        }
        match &self.rest {
            Some(rest) if !rest.more.is_empty() => self.push_apart(entry),
            _ if self.first + self.count == entry => self.count += 1,
            _ => self.push_apart(entry),
        }
    }

    #[cold]
    fn push_apart(&mut self, entry: u32) {
        self.rest.get_or_insert_default().more.push(entry);
    }

    /// Whether nothing is queued.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.rest.is_none()
    }

    /// Bytes that earlier turns could not send.
    #[must_use]
    pub fn backlog_bytes(&self) -> usize {
        self.rest.as_ref().map_or(0, |rest| rest.backlog_bytes)
    }

    /// Whether a part of a packet may have left, so that nothing but the rest of it can follow.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.sent > 0)
    }

    /// Whether earlier turns left more than `bound` bytes unsent, besides the largest packet: one
    /// packet alone is never too much, or it would be too large for any client, however fast.
    #[must_use]
    pub fn is_over(&self, bound: usize) -> bool {
        let over = |rest: &Rest| {
            let largest = rest.largest.min(rest.largest_ends);
            let beside = rest.backlog_bytes - largest;
            rest.backlog_bytes > bound && beside > bound.saturating_sub(rest.largest)
        };
        self.rest.as_deref().is_some_and(over)
    }

    /// From now on it counts what is taken.
    pub fn watch(&mut self, until: Tick) {
        if let Some(rest) = &mut self.rest {
            rest.watch = Some(Watch { until, taken: 0 });
        }
    }

    /// No more.
    pub fn unwatch(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.watch = None;
        }
    }

    /// Until when it is watched, and how much was taken since it is.
    #[must_use]
    pub fn watched(&self) -> Option<(Tick, usize)> {
        let watch = self.rest.as_ref()?.watch?;
        Some((watch.until, watch.taken))
    }

    /// Takes what is queued, if it is one slice and nothing of earlier turns goes before it: nearly
    /// always. What the sink does not take of it has to be [put back](Outbox::put_back).
    #[inline]
    pub fn take_run<'p>(&mut self, palette: &'p Palette) -> Option<(Run, &'p [u8])> {
        if self.rest.is_some() || self.count == 0 {
            return None;
        }
        let bytes = palette.run(self.first, self.count)?;
        let (first, count) = (self.first, core::mem::take(&mut self.count));
        Some((Run { first, count }, bytes))
    }

    /// Of a run that was taken no more than `sent` bytes have left: the rest is kept.
    #[cold]
    pub fn put_back(
        &mut self,
        Run { first, count }: Run,
        sent: usize,
        palette: &Palette,
        held: &mut Held,
    ) {
        debug_assert!(self.is_empty(), "nothing was queued since it was taken");
        (self.first, self.count) = (first, count);
        self.stash(palette, held);
        debug_assert!(sent <= self.backlog_bytes(), "more left than was taken");
        if let Some(rest) = &mut self.rest {
            rest.advance(sent, held);
        }
    }

    /// Writes what is queued; keeps what the sink does not take.
    pub fn flush(&mut self, palette: &Palette, held: &mut Held, sink: &mut impl Sink) -> Flushed {
        self.stash(palette, held);
        self.flush_backlog(held, sink)
    }

    fn flush_backlog(&mut self, held: &mut Held, sink: &mut impl Sink) -> Flushed {
        let Some(rest) = &mut self.rest else {
            return Flushed::Done;
        };
        while !rest.backlog.is_empty() {
            let mut slices: [&[u8]; SLICES_MAX] = [&[]; SLICES_MAX];
            let mut used = 0;
            let mut total = 0;
            for (slot, chunk) in slices.iter_mut().zip(&rest.backlog) {
                let skip = if used == 0 { rest.sent } else { 0 };
                *slot = &chunk.bytes()[skip..];
                total += slot.len();
                used += 1;
            }
            match sink.write(&slices[..used]) {
                Written::Bytes(n) => {
                    debug_assert!(n <= total, "more left than was given");
                    rest.advance(n, held);
                    if n < total {
                        return Flushed::Blocked;
                    }
                }
                Written::Blocked => return Flushed::Blocked,
                Written::Failed => return Flushed::Failed,
            }
        }
        self.rest = None;
        Flushed::Done
    }

    /// Moves the packets of this turn to the backlog, because the turn ends without a flush.
    pub fn stash(&mut self, palette: &Palette, held: &mut Held) {
        if self.count == 0 {
            debug_assert!(self.rest.iter().all(|rest| rest.more.is_empty()));
            return;
        }
        let run = self.first..self.first + core::mem::take(&mut self.count);
        let rest = self.rest.get_or_insert_default();
        let more = core::mem::take(&mut rest.more);
        for entry in run.chain(more) {
            rest.keep(palette, entry, held);
        }
    }

    /// The same for a receiver that gets packets in another form, where `form` knows one.
    pub fn stash_as(
        &mut self,
        palette: &Palette,
        held: &mut Held,
        form: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) {
        if self.count == 0 {
            return;
        }
        let run = self.first..self.first + core::mem::take(&mut self.count);
        let rest = self.rest.get_or_insert_default();
        let more = core::mem::take(&mut rest.more);
        for entry in run.chain(more) {
            match form(palette.bytes(EntryId(entry))) {
                Some(bytes) => rest.keep_own(bytes, held),
                None => rest.keep(palette, entry, held),
            }
        }
    }

    /// Everything queued gets another form, where `form` knows one, which may join packets. Nothing of
    /// it may have left in part.
    pub fn reform(
        &mut self,
        palette: &Palette,
        held: &mut Held,
        form: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) {
        self.stash(palette, held);
        let Some(rest) = &mut self.rest else { return };
        debug_assert!(rest.sent == 0, "a packet in two forms");
        for chunk in core::mem::take(&mut rest.backlog) {
            let len = chunk.bytes().len();
            match form(chunk.bytes()) {
                Some(bytes) => {
                    rest.backlog_bytes -= len;
                    chunk.give_back(held);
                    rest.keep_own(bytes, held);
                }
                None => rest.backlog.push_back(chunk),
            }
        }
    }

    /// Takes every packet, in order, as the body that answers a GET.
    pub fn take_payload(&mut self, palette: &mut Palette, held: &mut Held) -> Payload {
        if self.rest.is_none() && self.count > 0 {
            return palette.payload(self.first, core::mem::take(&mut self.count));
        }
        self.stash(palette, held);
        let mut body = Vec::new();
        let compress = self.rest.as_ref().is_some_and(|rest| rest.compress);
        for chunk in self.rest.iter().flat_map(|rest| &rest.backlog) {
            for (kind, data) in Frames(chunk.bytes()) {
                payload::push(&mut body, kind, data);
            }
        }
        self.discard(held);
        Payload {
            bytes: body.into(),
            compress,
        }
    }

    /// Forgets everything queued.
    pub fn discard(&mut self, held: &mut Held) {
        if let Some(mut rest) = self.rest.take() {
            for chunk in rest.backlog.drain(..) {
                chunk.give_back(held);
            }
        }
        self.count = 0;
    }

    /// What is true of it at any time.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn check(&self) {
        let Some(rest) = &self.rest else { return };
        let bytes: usize = rest.backlog.iter().map(|chunk| chunk.bytes().len()).sum();
        assert_eq!(
            bytes - rest.sent,
            rest.backlog_bytes,
            "what is left is counted"
        );
        assert!(
            self.count > 0 || rest.more.is_empty(),
            "a run comes before the rest"
        );
        assert!(
            self.count > 0 || bytes > 0,
            "an empty outbox holds no memory"
        );
    }
}

impl Chunk {
    fn give_back(self, held: &mut Held) {
        match self {
            Self::Own(bytes) => held.shrink(bytes.capacity()),
            Self::Shared(frame) => held.unshare(&frame),
        }
    }
}

impl Rest {
    fn keep(&mut self, palette: &Palette, entry: u32, held: &mut Held) {
        let bytes = palette.bytes(EntryId(entry));
        self.backlog_bytes += bytes.len();
        self.note_largest(bytes.len());
        self.compress |= palette.compresses(entry);
        match palette.entry(entry) {
            Entry::Shared(frame) if bytes.len() >= SHARED_BYTES_MIN => {
                held.share(frame);
                self.backlog.push_back(Chunk::Shared(frame.clone()));
            }
            _ => match self.backlog.back_mut() {
                Some(Chunk::Own(chunk)) if chunk.len() + bytes.len() <= CHUNK_BYTES => {
                    let had = chunk.capacity();
                    chunk.extend_from_slice(bytes);
                    held.grow(chunk.capacity() - had);
                }
                _ => {
                    let chunk = bytes.to_vec();
                    held.grow(chunk.capacity());
                    self.backlog.push_back(Chunk::Own(chunk));
                }
            },
        }
    }

    fn keep_own(&mut self, bytes: Vec<u8>, held: &mut Held) {
        self.backlog_bytes += bytes.len();
        self.note_largest(bytes.len());
        held.grow(bytes.capacity());
        self.backlog.push_back(Chunk::Own(bytes));
    }

    /// A packet of so many bytes was put behind the others.
    const fn note_largest(&mut self, bytes: usize) {
        if bytes > self.largest {
            (self.largest, self.largest_ends) = (bytes, self.backlog_bytes);
        }
    }

    fn advance(&mut self, mut n: usize, held: &mut Held) {
        debug_assert!(n <= self.backlog_bytes, "more left than there was");
        self.backlog_bytes -= n;
        self.largest_ends = self.largest_ends.saturating_sub(n);
        if self.largest_ends == 0 {
            self.largest = 0; // it has left, and with it what it excused
        }
        if let Some(watch) = &mut self.watch {
            watch.taken += n;
        }
        while let Some(chunk) = self.backlog.front() {
            debug_assert!(self.sent <= chunk.bytes().len(), "of the first chunk");
            let left = chunk.bytes().len() - self.sent;
            if n < left {
                self.sent += n;
                return;
            }
            n -= left;
            self.sent = 0;
            if let Some(chunk) = self.backlog.pop_front() {
                chunk.give_back(held);
            }
        }
    }
}

#[cfg(test)]
mod tests;
