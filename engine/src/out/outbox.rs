//! Answers: what is still to be sent to one session.
//!
//! An outbox is empty nearly always: it then holds no memory beyond itself. Packets of this turn
//! are entry numbers into the palette; what a turn could not send is kept aside as the backlog.
//! Bytes leave in the order they were queued: backlog, then the run, then the rest of the turn.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use super::palette::{Entry, EntryId, Palette};
use crate::{
    frame::{Frame, Frames, Kind},
    limits::SLICES_MAX,
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
    /// The largest packet kept aside since the backlog was last empty.
    largest: usize,
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

    /// Whether earlier turns left more than `bound` bytes unsent. One packet alone is never too
    /// much: it would then be too large for any client, however fast.
    #[must_use]
    pub fn is_over(&self, bound: usize) -> bool {
        let over = |rest: &Rest| rest.backlog_bytes > bound.max(rest.largest);
        self.rest.as_deref().is_some_and(over)
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
    pub fn put_back(&mut self, Run { first, count }: Run, sent: usize, palette: &Palette) {
        (self.first, self.count) = (first, count);
        self.stash(palette);
        if let Some(rest) = &mut self.rest {
            rest.advance(sent);
        }
    }

    /// Writes what is queued; keeps what the sink does not take.
    pub fn flush(&mut self, palette: &Palette, sink: &mut impl Sink) -> Flushed {
        self.stash(palette);
        self.flush_backlog(sink)
    }

    fn flush_backlog(&mut self, sink: &mut impl Sink) -> Flushed {
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
                    rest.advance(n);
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
    pub fn stash(&mut self, palette: &Palette) {
        if self.count == 0 {
            return;
        }
        let run = self.first..self.first + core::mem::take(&mut self.count);
        let rest = self.rest.get_or_insert_default();
        let more = core::mem::take(&mut rest.more);
        for entry in run.chain(more) {
            rest.keep(palette, entry);
        }
    }

    /// The same for a receiver that gets packets in another form, where `form` knows one.
    pub fn stash_as(&mut self, palette: &Palette, form: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        if self.count == 0 {
            return;
        }
        let run = self.first..self.first + core::mem::take(&mut self.count);
        let rest = self.rest.get_or_insert_default();
        let more = core::mem::take(&mut rest.more);
        for entry in run.chain(more) {
            match form(palette.bytes(EntryId(entry))) {
                Some(bytes) => rest.keep_own(bytes),
                None => rest.keep(palette, entry),
            }
        }
    }

    /// Everything queued gets another form, where `form` knows one, which may join packets. Nothing of
    /// it may have left in part.
    pub fn reform(&mut self, palette: &Palette, form: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        self.stash(palette);
        let Some(rest) = &mut self.rest else { return };
        for chunk in core::mem::take(&mut rest.backlog) {
            let len = chunk.bytes().len();
            match form(chunk.bytes()) {
                Some(bytes) => {
                    rest.backlog_bytes -= len;
                    rest.keep_own(bytes);
                }
                None => rest.backlog.push_back(chunk),
            }
        }
    }

    /// Hands over every whole packet in order and forgets them: how a poll is answered.
    pub fn drain(&mut self, palette: &Palette, mut each: impl FnMut(Kind, &[u8])) {
        self.stash(palette);
        let Some(rest) = self.rest.take() else { return };
        for chunk in &rest.backlog {
            for (kind, payload) in Frames(chunk.bytes()) {
                each(kind, payload);
            }
        }
    }

    /// Forgets everything queued.
    pub fn discard(&mut self) {
        *self = Self::default();
    }
}

impl Rest {
    fn keep(&mut self, palette: &Palette, entry: u32) {
        let bytes = palette.bytes(EntryId(entry));
        self.backlog_bytes += bytes.len();
        self.largest = self.largest.max(bytes.len());
        match palette.entry(entry) {
            Entry::Shared(frame) if bytes.len() >= SHARED_BYTES_MIN => {
                self.backlog.push_back(Chunk::Shared(frame.clone()));
            }
            _ => match self.backlog.back_mut() {
                Some(Chunk::Own(chunk)) if chunk.len() + bytes.len() <= CHUNK_BYTES => {
                    chunk.extend_from_slice(bytes);
                }
                _ => self.backlog.push_back(Chunk::Own(bytes.to_vec())),
            },
        }
    }

    fn keep_own(&mut self, bytes: Vec<u8>) {
        self.backlog_bytes += bytes.len();
        self.largest = self.largest.max(bytes.len());
        self.backlog.push_back(Chunk::Own(bytes));
    }

    fn advance(&mut self, mut n: usize) {
        self.backlog_bytes -= n;
        while let Some(chunk) = self.backlog.front() {
            let left = chunk.bytes().len() - self.sent;
            if n < left {
                self.sent += n;
                return;
            }
            n -= left;
            self.sent = 0;
            self.backlog.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    /// Takes `room` bytes, then is full until given more.
    struct Pipe {
        taken: Vec<u8>,
        room: usize,
    }

    impl Sink for Pipe {
        fn write(&mut self, slices: &[&[u8]]) -> Written {
            if self.room == 0 {
                return Written::Blocked;
            }
            let mut n = 0;
            for slice in slices {
                let take = slice.len().min(self.room);
                self.taken.extend_from_slice(&slice[..take]);
                self.room -= take;
                n += take;
            }
            Written::Bytes(n)
        }
    }

    /// How the hub does it.
    fn leave(outbox: &mut Outbox, palette: &Palette, sink: &mut impl Sink) -> Flushed {
        let Some((run, bytes)) = outbox.take_run(palette) else {
            return outbox.flush(palette, sink);
        };
        match sink.write(&[bytes]) {
            Written::Bytes(n) if n == bytes.len() => return Flushed::Done,
            Written::Bytes(n) => outbox.put_back(run, n, palette),
            Written::Blocked => outbox.put_back(run, 0, palette),
            Written::Failed => return Flushed::Failed,
        }
        Flushed::Blocked
    }

    proptest! {
        /// Whatever the interleaving of own and shared packets of two sessions and the sink's
        /// appetite, bytes come out whole and in order, and the backlog's count is true.
        #[test]
        fn bytes_leave_in_order(
            turns in prop::collection::vec(
                (prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..5000), 0..12), 0usize..9000),
                1..12,
            ),
        ) {
            let mut palette = Palette::default();
            let mut ours = Outbox::default();
            let mut other = Outbox::default();
            let mut pipe = Pipe { taken: vec![], room: 0 };
            let mut expected = vec![];
            let mut mark = 0u8;
            for (packets, room) in turns {
                for (mine, shared, len) in packets {
                    mark = mark.wrapping_add(1);
                    let payload = vec![mark; len];
                    let entry = if shared {
                        let mut frame = vec![];
                        crate::frame::write_head(&mut frame, Kind::Text, len);
                        frame.extend_from_slice(&payload);
                        palette.share(Frame(Bytes::from(frame)))
                    } else {
                        palette.text(&payload)
                    };
                    let bytes = palette.bytes(entry).to_vec();
                    if mine {
                        expected.extend(bytes);
                        ours.push(entry);
                    } else {
                        other.push(entry);
                    }
                }
                pipe.room = room;
                let flushed = leave(&mut ours, &palette, &mut pipe);
                other.stash(&palette);
                prop_assert_eq!(flushed == Flushed::Done, ours.is_empty());
                prop_assert_eq!(pipe.taken.len() + ours.backlog_bytes(), expected.len());
                palette.clear();
            }
            pipe.room = usize::MAX;
            prop_assert_eq!(leave(&mut ours, &palette, &mut pipe), Flushed::Done);
            prop_assert_eq!(pipe.taken, expected);
        }
    }

    #[test]
    fn one_packet_alone_is_never_too_much() {
        let mut palette = Palette::default();
        let mut outbox = Outbox::default();
        outbox.push(palette.text(&[b'4'; 5000]));
        outbox.stash(&palette);
        assert!(!outbox.is_over(1000));
        palette.clear();
        outbox.push(palette.text(b"4"));
        outbox.stash(&palette);
        assert!(outbox.is_over(1000));
        assert!(!outbox.is_over(6000));
    }

    #[test]
    fn slow_readers_hold_a_large_packet_once() {
        let mut palette = Palette::default();
        let frame = Frame(Bytes::from(vec![b'4'; SHARED_BYTES_MIN]));
        let entry = palette.share(frame.clone());
        let mut readers = [(); 3].map(|()| Outbox::default());
        for reader in &mut readers {
            reader.push(entry);
            reader.stash(&palette);
        }
        palette.clear();
        for reader in &readers {
            let rest = reader.rest.as_ref().unwrap();
            assert_eq!(rest.backlog[0].bytes().as_ptr(), frame.0.as_ptr());
        }
    }

    #[test]
    fn a_run_is_one_slice() {
        let mut palette = Palette::default();
        let mut outbox = Outbox::default();
        for _ in 0..16 {
            outbox.push(palette.text(b"4hello"));
        }
        let (_, bytes) = outbox.take_run(&palette).unwrap();
        assert_eq!(bytes.len(), 16 * palette.bytes(EntryId(0)).len());
        assert!(outbox.is_empty());
        assert!(outbox.take_run(&palette).is_none());
    }
}
