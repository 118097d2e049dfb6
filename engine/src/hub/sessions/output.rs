//! Answers: how does what is queued leave at the turn's end, or in slices of several turns.
//!
//! Sessions that were given something are *dirty*: they are few, and leave at the end of the turn.
//! Where they are many, as after a broadcast, they *wait*: each turn gives a slice of them what is theirs.
//! A session that waits and is given something more is dirty again, so that an answer does not stand
//! behind a broadcast to others; whatever it has queued leaves in one write, in order.

use arrayvec::ArrayVec;

use super::{
    CHUNK, ConnId, Entry, Flushed, Held, Outlet, Palette, Payload, Run, SessionKey, Sessions,
    Signal, Sink, Tick, Transmit, Vec, Write, Written, payload,
};
use crate::limits::{SLICE_BYTES, SLICE_PARTS, WRITES_TOGETHER};

/// A turn that has encoded no more cannot fill a slice with one group of writes.
const SMALL_BYTES: usize = SLICE_BYTES / WRITES_TOGETHER;

/// Sessions that have a ping among what they are given leave at once, as many as so many slices hold.
const PINGED_SLICES: usize = 4;

/// A session that waited so long for its slice had its ping no earlier.
const WAITED_LONG_MS: u64 = 100;

struct ConnSink<'a, I> {
    io: &'a mut I,
    conn: ConnId,
}

impl<I: Transmit> Sink for ConnSink<'_, I> {
    #[inline]
    fn write(&mut self, slices: &[&[u8]]) -> Written {
        self.io.write(self.conn, slices)
    }
}

#[inline]
fn flush_websocket(
    entry: &mut Entry,
    conn: ConnId,
    palette: &Palette,
    held: &mut Held,
    io: &mut impl Transmit,
) -> Flushed {
    let flushed = if entry.blocked {
        entry.outbox.stash(palette, held);
        Flushed::Blocked
    } else {
        let sink = &mut ConnSink { io, conn };
        entry.outbox.flush(palette, held, sink)
    };
    entry.blocked = flushed == Flushed::Blocked;
    flushed
}

impl Sessions {
    /// The connection can take more.
    pub(in crate::hub) fn writable(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key)
            && core::mem::replace(&mut entry.blocked, false)
        {
            self.mark_dirty(key);
        }
    }

    /// From now on what is queued for a session over WebSocket waits for [`Sessions::release`]; not
    /// if it is more than the bound, and not if the session ends. What was queued before has left if
    /// the turn was flushed. False if the session is not one to be held.
    pub(in crate::hub) fn hold(&mut self, key: SessionKey) -> bool {
        let Some(entry) = self.slab.get_mut(key) else {
            return false;
        };
        let outlet = entry.session.outlet();
        entry.held = entry.session.is_open() && matches!(outlet, Outlet::WebSocket(_));
        entry.held
    }

    /// What was held leaves.
    pub(in crate::hub) fn release(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key)
            && core::mem::replace(&mut entry.held, false)
            && !entry.outbox.is_empty()
        {
            self.mark_dirty(key);
        }
    }

    /// What the shell must do to connections.
    pub(in crate::hub) fn next_signal(&mut self) -> Option<Signal> {
        let next = self.signals.pop_front();
        if next.is_none() {
            self.signals.shrink_to(CHUNK); // when all clients go at once it is long
        }
        next
    }

    /// See [`crate::hub::Hub::trim`].
    pub(in crate::hub) fn trim(&mut self) {
        self.palette.trim();
        self.dirty.shrink_to_fit();
        self.signals.shrink_to_fit();
        self.stranded.shrink_to_fit();
        self.due.shrink_to_fit();
    }

    /// How many sessions [`Sessions::flush`] has something to do for.
    #[inline]
    #[must_use]
    pub(in crate::hub) const fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// How many sessions, at most, wait for [`Sessions::flush_slice`].
    #[inline]
    #[must_use]
    pub(in crate::hub) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Every session that was given something gets one write, or its parked GET an answer, if they
    /// are few; else they wait. Sessions whose connection failed or who hold too much are reported.
    pub(in crate::hub) fn flush(
        &mut self,
        now: Tick,
        io: &mut impl Transmit,
        failed: &mut Vec<(SessionKey, Flushed)>,
    ) {
        for key in self.stranded.drain(..) {
            io.answer(key, Payload::bare("6"));
        }
        let mut dirty = core::mem::take(&mut self.dirty);
        if dirty.len() <= WRITES_TOGETHER && self.palette.size() <= SMALL_BYTES {
            self.flush_group(now, &dirty, io, failed); // as answers are
        } else {
            self.flush_many(now, &dirty, io, failed);
        }
        dirty.clear();
        dirty.shrink_to(CHUNK); // a broadcast to all made it as long as the table
        debug_assert!(self.dirty.is_empty(), "a flush gives nobody anything");
        self.dirty = dirty;
    }

    fn flush_many(
        &mut self,
        now: Tick,
        dirty: &[u32],
        io: &mut impl Transmit,
        failed: &mut Vec<(SessionKey, Flushed)>,
    ) {
        let mut done = 0;
        if dirty.len() > self.config.limits.slice_sessions {
            self.flush_pinged(now, dirty, io, failed);
        } else {
            let mut room = SLICE_BYTES;
            for group in dirty.chunks(self.together()) {
                room = room.saturating_sub(self.flush_group(now, group, io, failed));
                done += group.len();
                if room == 0 {
                    break;
                }
            }
        }
        if done < dirty.len() {
            self.let_wait(now, &dirty[done..]);
        }
    }

    /// Of more sessions than a slice holds, those that wait for a pong are given theirs at once: the ping is
    /// among it, and behind a broadcast to all it could come so late that the client gives up. What would be
    /// more than [`PINGED_SLICES`] waits like the rest.
    fn flush_pinged(
        &mut self,
        now: Tick,
        dirty: &[u32],
        io: &mut impl Transmit,
        failed: &mut Vec<(SessionKey, Flushed)>,
    ) {
        let together = self.together();
        let mut room = SLICE_BYTES;
        let mut rest = dirty.iter().copied();
        let mut seen = 0;
        let most = self
            .config
            .limits
            .slice_sessions
            .saturating_mul(PINGED_SLICES);
        while room > 0 && seen < most {
            let pinged = rest.by_ref().filter(|slot| {
                self.slab
                    .at(*slot)
                    .is_some_and(|e| e.dirty && e.session.awaits_pong())
            });
            let group: ArrayVec<u32, WRITES_TOGETHER> = pinged.take(together).collect();
            if group.is_empty() {
                return;
            }
            seen += group.len();
            room = room.saturating_sub(self.flush_group(now, &group, io, failed));
        }
    }

    /// Sessions whose writes are gathered before the first is made: few where packets are large, so
    /// that a slice stays one.
    const fn together(&self) -> usize {
        if self.palette.size() > SMALL_BYTES {
            1
        } else {
            WRITES_TOGETHER
        }
    }

    /// These sessions get what is queued for them in the slices that follow.
    fn let_wait(&mut self, now: Tick, slots: &[u32]) {
        if self.waiting.is_empty() {
            self.waiting_since = now;
        }
        for slot in slots {
            if let Some(entry) = self.slab.at_mut(*slot)
                && core::mem::replace(&mut entry.dirty, false)
                && !core::mem::replace(&mut entry.waiting, true)
            {
                self.waiting.push_back(*slot);
            }
        }
        self.palette.keep();
    }

    /// A part of a slice: some of the sessions that wait get what is theirs. Ended by [`Sessions::end_turn`].
    pub(in crate::hub) fn flush_slice(
        &mut self,
        now: Tick,
        io: &mut impl Transmit,
        failed: &mut Vec<(SessionKey, Flushed)>,
    ) {
        let late = now.since(self.waiting_since) > WAITED_LONG_MS;
        let together = self.together();
        let sessions = self.config.limits.slice_sessions.div_ceil(SLICE_PARTS);
        let mut room = SLICE_BYTES / SLICE_PARTS;
        let mut seen = 0;
        let mut group = ArrayVec::<u32, WRITES_TOGETHER>::new();
        while room > 0 && seen < sessions {
            group.clear();
            while group.len() < together
                && let Some(slot) = self.waiting.pop_front()
            {
                seen += 1;
                if self.is_next(now, slot, late) {
                    group.push(slot);
                }
            }
            if group.is_empty() && self.waiting.is_empty() {
                break;
            }
            room = room.saturating_sub(self.flush_group(now, &group, io, failed));
        }
        if self.waiting.is_empty() {
            self.waiting.shrink_to(CHUNK);
        }
    }

    /// Whether a session that waited is to be given something now: not if it has had it already.
    fn is_next(&mut self, now: Tick, slot: u32, late: bool) -> bool {
        let Some(entry) = self.slab.at_mut(slot) else {
            return false;
        };
        if !core::mem::replace(&mut entry.waiting, false) || entry.dirty {
            return false; // the slot changed hands; or it is flushed with what came since
        }
        if entry.outbox.is_empty() && entry.session.is_open() {
            return false;
        }
        if late {
            entry.session.send_late(now, &self.config);
        }
        entry.dirty = true;
        true
    }

    /// Returns the bytes that were given to the kernel.
    fn flush_group(
        &mut self,
        now: Tick,
        group: &[u32],
        io: &mut impl Transmit,
        failed: &mut Vec<(SessionKey, Flushed)>,
    ) -> usize {
        let (taken, bytes) = self.flush_plain(now, group, io, failed);
        if taken < group.len() {
            for slot in group {
                if let Some(flushed) = self.flush_session(now, *slot, io) {
                    failed.push((self.slab.key_at(*slot), flushed));
                }
            }
        }
        bytes
    }

    /// What is one write for a session leaves, as it is for most. Returns for how many it was, and
    /// how many bytes.
    fn flush_plain(
        &mut self,
        now: Tick,
        group: &[u32],
        io: &mut impl Transmit,
        failed: &mut Vec<(SessionKey, Flushed)>,
    ) -> (usize, usize) {
        let Self { slab, palette, .. } = self;
        let mut taken = ArrayVec::<(u32, Run), WRITES_TOGETHER>::new();
        let mut writes = ArrayVec::<Write<'_>, WRITES_TOGETHER>::new();
        let mut total = 0;
        for slot in group {
            // A slot that changed hands is listed twice: the second time its outbox is empty.
            if let Some(entry) = slab.at_mut(*slot)
                && !entry.blocked
                && !entry.held
                && let Some(conn) = entry.session.websocket()
                && let Some((run, bytes)) = entry.outbox.take_run(palette)
            {
                entry.dirty = false;
                total += bytes.len();
                taken.push((*slot, run));
                writes.push(Write { conn, bytes });
            }
        }
        let mut short = ArrayVec::<(usize, Written), WRITES_TOGETHER>::new();
        io.write_each(&writes, |nth, written| short.push((nth, written)));
        drop(writes);
        for (nth, written) in short {
            if let Some((slot, run)) = taken.get(nth) {
                let key = self.slab.key_at(*slot);
                let flushed = self.keep_rest(now, key, *run, written);
                failed.extend(flushed.map(|flushed| (key, flushed)));
            }
        }
        (taken.len(), total)
    }

    /// A connection did not take all that it was given. `Some` if its session has to be closed.
    #[cold]
    fn keep_rest(
        &mut self,
        now: Tick,
        key: SessionKey,
        run: Run,
        written: Written,
    ) -> Option<Flushed> {
        let sent = match written {
            Written::Bytes(n) => n,
            Written::Blocked => 0,
            Written::Failed => return Some(Flushed::Failed),
        };
        let entry = self.slab.get_mut(key)?;
        entry.blocked = true;
        entry
            .outbox
            .put_back(run, sent, &self.palette, &mut self.held);
        self.weigh(now, key, false).then_some(Flushed::Blocked)
    }

    /// What is queued for one session leaves, whatever it is. `Some` if it has to be closed for that.
    fn flush_session(&mut self, now: Tick, slot: u32, io: &mut impl Transmit) -> Option<Flushed> {
        let entry = self.slab.at_mut(slot)?;
        if !core::mem::replace(&mut entry.dirty, false) {
            return None; // the slot changed hands and its new session is not dirty
        }
        let watched = entry.outbox.watched().is_some();
        let key = self.slab.key_at(slot);
        let entry = self.slab.at_mut(slot)?;
        if entry.session.is_text_only() {
            let Self { palette, held, .. } = self;
            entry.outbox.stash_as(palette, held, payload::as_text);
        }
        match entry.session.outlet() {
            Outlet::WebSocket(_) if entry.held => {
                entry.outbox.stash(&self.palette, &mut self.held);
                if !entry.outbox.is_over(self.config.limits.outbox_bytes) {
                    return None;
                }
                entry.held = false;
                entry.dirty = true;
                self.flush_session(now, slot, io)
            }
            Outlet::WebSocket(conn) => {
                let flushed = flush_websocket(entry, conn, &self.palette, &mut self.held, io);
                if entry.session.is_open() {
                    let close = flushed == Flushed::Failed || self.weigh(now, key, watched);
                    return close.then_some(flushed);
                }
                if flushed != Flushed::Blocked {
                    let code = entry.session.close_code();
                    self.signals.push_back(Signal::Close(conn, code));
                    self.remove(key);
                }
                None
            }
            // What made it dirty has left in answer to an earlier GET.
            Outlet::Poll if entry.session.is_open() && entry.outbox.is_empty() => None,
            Outlet::Poll => {
                let body = self.take_poll(now, key);
                io.answer(key, body);
                None
            }
            Outlet::None => {
                entry.outbox.stash(&self.palette, &mut self.held);
                let close = entry.session.is_open() && self.weigh(now, key, watched);
                close.then_some(Flushed::Blocked)
            }
        }
    }

    /// Ends what [`Sessions::flush`] and [`Sessions::flush_slice`] did: nothing that is dirty refers to
    /// the packets of this turn any more.
    pub(in crate::hub) fn end_turn(&mut self) {
        debug_assert!(self.dirty.is_empty(), "a dirty session was not flushed");
        if self.waiting.is_empty() {
            self.palette.clear();
        } else {
            self.palette.rewind();
        }
        self.moment = self.moment.wrapping_add(1);
    }
}
