//! Answers: which packets were encoded in this turn.
//!
//! A packet for one session is encoded into the turn's arena; a packet for many is a shared
//! [`Frame`]. Outboxes hold entry numbers, so a broadcast costs its recipients an integer each:
//! no copy, no allocation, no reference count. The palette empties when the turn ends, but for what
//! sessions still wait to be given in later slices: that stays below the mark.

use alloc::vec::Vec;

use crate::{
    eio::payload::{self, Payload},
    frame::{Frame, Frames, Kind, write_head},
    limits::{PALETTE_BYTES_MAX, PALETTE_PACKETS_MAX, PALETTE_SHARED_MAX},
};

/// A packet of this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryId(pub(super) u32);

#[derive(Debug)]
pub(super) enum Entry {
    /// A range of the arena. `after` so many shared ones: own entries with the same number lie side
    /// by side.
    Own {
        start: usize,
        end: usize,
        after: u32,
    },
    Shared(Frame),
}

/// Arena bytes kept from turn to turn; more is given back after a burst.
const ARENA_KEPT: usize = 64 * 1024;

/// What lies below it is still to be given to sessions that wait for their slice.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    arena: usize,
    entries: usize,
    size: usize,
    shared: u32,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Palette {
    arena: Vec<u8>,
    entries: Vec<Entry>,
    /// Bytes of all entries.
    size: usize,
    /// How many entries are shared.
    shared: u32,
    /// The ping of this turn: many heartbeats fall into one turn and share it.
    ping: Option<EntryId>,
    /// Packets that gain nothing from compression, in order; nearly always none.
    uncompressed: Vec<u32>,
    /// The polling form of some entries, made last: many that poll are often sent the same.
    polled: Option<Polled>,
    mark: Mark,
}

/// The polling form of `count` entries from `first`.
#[derive(Debug)]
struct Polled {
    first: u32,
    count: u32,
    payload: Payload,
}

impl Palette {
    #[inline]
    fn add(&mut self, entry: Entry) -> EntryId {
        let id =
            EntryId(u32::try_from(self.entries.len()).expect("fewer than 2^32 packets a turn"));
        self.size += match &entry {
            Entry::Own { start, end, .. } => end - start,
            Entry::Shared(frame) => frame.0.len(),
        };
        self.entries.push(entry);
        id
    }

    /// Bytes of this turn's packets.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Whether so much was encoded that it has to leave before more is: large packets that are shared
    /// count less, because their receivers hold them once.
    #[inline]
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.arena.len() > PALETTE_BYTES_MAX
            || self.size > PALETTE_SHARED_MAX
            || self.entries.len() > PALETTE_PACKETS_MAX
    }

    /// Adds the packet that `write` appends: whole WebSocket frames.
    #[inline]
    pub fn encode(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> EntryId {
        let start = self.arena.len();
        write(&mut self.arena);
        let end = self.arena.len();
        debug_assert!(end >= start, "what is encoded is appended");
        let after = self.shared;
        self.add(Entry::Own { start, end, after })
    }

    /// Adds a text packet given whole.
    pub fn text(&mut self, text: &[u8]) -> EntryId {
        self.encode(|out| {
            write_head(out, Kind::Text, text.len());
            out.extend_from_slice(text);
        })
    }

    /// Adds a frame that others share: other shards, or the backlogs of many sessions.
    pub fn share(&mut self, frame: Frame) -> EntryId {
        self.shared += 1;
        self.add(Entry::Shared(frame))
    }

    /// The turn's one ping packet.
    pub fn ping(&mut self) -> EntryId {
        if let Some(ping) = self.ping {
            return ping;
        }
        let ping = self.text(b"2");
        self.ping = Some(ping);
        ping
    }

    /// A packet of this turn gains nothing from compression.
    pub fn leave_uncompressed(&mut self, EntryId(entry): EntryId) {
        debug_assert!(
            self.uncompressed.last().is_none_or(|last| *last < entry),
            "packets are marked in their order"
        );
        self.uncompressed.push(entry);
    }

    /// Whether a packet gains from compression.
    pub(super) fn compresses(&self, entry: u32) -> bool {
        self.uncompressed.is_empty() || self.uncompressed.binary_search(&entry).is_err()
    }

    /// The body in which `count` entries from `first` answer a GET. Made once for all those that are sent
    /// the same one after the other, as the receivers of a broadcast are.
    pub(super) fn payload(&mut self, first: u32, count: u32) -> Payload {
        if let Some(polled) = &self.polled
            && (polled.first, polled.count) == (first, count)
        {
            return polled.payload.clone();
        }
        let mut body = Vec::new();
        let mut compress = false;
        for entry in first..first + count {
            for (kind, data) in Frames(self.bytes(EntryId(entry))) {
                payload::push(&mut body, kind, data);
            }
            compress |= self.compresses(entry);
        }
        let payload = Payload {
            bytes: body.into(),
            compress,
        };
        self.polled = Some(Polled {
            first,
            count,
            payload: payload.clone(),
        });
        payload
    }

    /// How many packets of this turn are shared.
    #[cfg(test)]
    pub(crate) const fn shared(&self) -> u32 {
        self.shared
    }

    pub(super) fn entry(&self, id: u32) -> &Entry {
        &self.entries[id as usize]
    }

    /// The encoded bytes of a packet.
    #[inline]
    #[must_use]
    pub fn bytes(&self, id: EntryId) -> &[u8] {
        match self.entry(id.0) {
            Entry::Own { start, end, .. } => &self.arena[*start..*end],
            Entry::Shared(frame) => &frame.0,
        }
    }

    /// The bytes of `count` entries from `first`, if they lie side by side in the arena: packets
    /// queued for one session in a row leave as one slice.
    #[inline]
    pub(super) fn run(&self, first: u32, count: u32) -> Option<&[u8]> {
        let run = &self.entries[first as usize..(first + count) as usize];
        match (run.first()?, run.last()?) {
            (
                Entry::Own { start, after, .. },
                Entry::Own {
                    end, after: same, ..
                },
            ) => {
                // Only `encode` grows the arena.
                (after == same).then(|| &self.arena[*start..*end])
            }
            (Entry::Shared(frame), _) if count == 1 => Some(&frame.0),
            _ => None,
        }
    }

    /// Whether something was encoded in this turn.
    #[inline]
    #[must_use]
    pub const fn has_new(&self) -> bool {
        self.entries.len() > self.mark.entries
    }

    /// What was encoded up to now stays, for sessions that wait for their slice.
    pub(crate) fn keep(&mut self) {
        debug_assert!(
            self.entries.len() >= self.mark.entries,
            "what is kept stays"
        );
        self.mark = Mark {
            arena: self.arena.len(),
            entries: self.entries.len(),
            size: self.size,
            shared: self.shared,
        };
    }

    /// Ends the turn: forgets what was encoded since the last [`Palette::keep`]. Every outbox that
    /// was given something of it must have been flushed or stashed before.
    pub fn rewind(&mut self) {
        let Mark {
            arena,
            entries,
            size,
            shared,
        } = self.mark;
        debug_assert!(arena <= self.arena.len() && entries <= self.entries.len());
        self.arena.truncate(arena);
        self.entries.truncate(entries);
        self.ping = self.ping.filter(|ping| (ping.0 as usize) < entries);
        let kept = |entry: &u32| (*entry as usize) < entries;
        self.uncompressed
            .truncate(self.uncompressed.partition_point(kept));
        self.polled
            .take_if(|polled| (polled.first + polled.count) as usize > entries);
        (self.size, self.shared) = (size, shared);
    }

    /// Forgets everything. Every outbox must have been flushed or stashed before.
    #[inline]
    pub fn clear(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(ARENA_KEPT);
        self.entries.clear();
        self.entries.shrink_to(ARENA_KEPT / size_of::<Entry>());
        self.ping = None;
        self.uncompressed.clear();
        self.polled = None;
        (self.size, self.shared) = (0, 0);
        self.mark = Mark::default();
    }

    /// Gives back the room that is kept for the next turn.
    pub(crate) fn trim(&mut self) {
        self.arena.shrink_to_fit();
        self.entries.shrink_to_fit();
        self.uncompressed.shrink_to_fit();
    }

    /// Whether nothing was encoded in this turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
