//! Answers: how does what is queued leave at the turn's end.

use arrayvec::ArrayVec;

use super::{
    CHUNK, ConnId, Entry, Flushed, Io, Key, Outlet, Palette, Run, Sessions, Signal, Sink, Vec,
    Write, Written, payload,
};
use crate::limits::WRITES_TOGETHER;

struct ConnSink<'a, I, A> {
    io: &'a mut I,
    conn: ConnId,
    of: core::marker::PhantomData<A>,
}

impl<A, I: Io<A>> Sink for ConnSink<'_, I, A> {
    #[inline]
    fn write(&mut self, slices: &[&[u8]]) -> Written {
        self.io.write(self.conn, slices)
    }
}

#[inline]
fn flush_websocket<A>(
    entry: &mut Entry<A>,
    conn: ConnId,
    palette: &Palette,
    io: &mut impl Io<A>,
) -> Flushed {
    let flushed = if entry.blocked {
        entry.outbox.stash(palette);
        Flushed::Blocked
    } else {
        let of = core::marker::PhantomData;
        entry.outbox.flush(palette, &mut ConnSink { io, conn, of })
    };
    entry.blocked = flushed == Flushed::Blocked;
    flushed
}

impl<A> Sessions<A> {
    /// The connection can take more.
    pub fn writable(&mut self, key: Key<Entry<A>>) {
        if let Some(entry) = self.slab.get_mut(key)
            && core::mem::replace(&mut entry.blocked, false)
        {
            self.mark_dirty(key);
        }
    }

    /// From now on what is queued for a session over WebSocket waits for [`Sessions::release`]; not
    /// if it is more than the bound, and not if the session ends. What was queued before has left if
    /// the turn was flushed. False if the session is not one to be held.
    pub fn hold(&mut self, key: Key<Entry<A>>) -> bool {
        let Some(entry) = self.slab.get_mut(key) else {
            return false;
        };
        let outlet = entry.session.outlet();
        entry.held = entry.session.is_open() && matches!(outlet, Outlet::WebSocket(_));
        entry.held
    }

    /// What was held leaves.
    pub fn release(&mut self, key: Key<Entry<A>>) {
        if let Some(entry) = self.slab.get_mut(key)
            && core::mem::replace(&mut entry.held, false)
            && !entry.outbox.is_empty()
        {
            self.mark_dirty(key);
        }
    }

    /// What the shell must do to connections.
    pub fn next_signal(&mut self) -> Option<Signal> {
        let next = self.signals.pop_front();
        if next.is_none() {
            self.signals.shrink_to(CHUNK); // when all clients go at once it is long
        }
        next
    }

    /// See [`crate::hub::Hub::trim`].
    pub fn trim(&mut self) {
        self.palette.trim();
        self.dirty.shrink_to_fit();
        self.signals.shrink_to_fit();
        self.stranded.shrink_to_fit();
        self.due.shrink_to_fit();
    }

    /// How many sessions [`Sessions::flush`] has something to do for.
    #[must_use]
    pub fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// Ends the turn: every session that was given something gets one write, or its parked GET an
    /// answer. Sessions whose connection failed or who hold more than the bound are reported.
    pub fn flush(&mut self, io: &mut impl Io<A>, failed: &mut Vec<(Key<Entry<A>>, Flushed)>) {
        for key in self.stranded.drain(..) {
            io.answer(key, b"6".into());
        }
        let mut dirty = core::mem::take(&mut self.dirty);
        for group in dirty.chunks(WRITES_TOGETHER) {
            self.flush_group(group, io, failed);
        }
        dirty.clear();
        dirty.shrink_to(CHUNK); // a broadcast to all made it as long as the table
        self.dirty = dirty;
        // Closing what failed may queue more; the palette lives until that has left too.
        if failed.is_empty() {
            self.end_turn();
        }
    }

    fn flush_group(
        &mut self,
        group: &[u32],
        io: &mut impl Io<A>,
        failed: &mut Vec<(Key<Entry<A>>, Flushed)>,
    ) {
        if self.flush_plain(group, io, failed) == group.len() {
            return;
        }
        for slot in group {
            if let Some(flushed) = self.flush_session(*slot, io) {
                failed.push((self.slab.key_at(*slot), flushed));
            }
        }
    }

    /// What is one write for a session leaves, as it is for most. Returns for how many it was.
    fn flush_plain(
        &mut self,
        group: &[u32],
        io: &mut impl Io<A>,
        failed: &mut Vec<(Key<Entry<A>>, Flushed)>,
    ) -> usize {
        let Self { slab, palette, .. } = self;
        let mut taken = ArrayVec::<(u32, Run), WRITES_TOGETHER>::new();
        let mut writes = ArrayVec::<Write<'_>, WRITES_TOGETHER>::new();
        for slot in group {
            // A slot that changed hands is listed twice: the second time its outbox is empty.
            if let Some(entry) = slab.at_mut(*slot)
                && !entry.blocked
                && !entry.held
                && let Some(conn) = entry.session.websocket()
                && let Some((run, bytes)) = entry.outbox.take_run(palette)
            {
                entry.dirty = false;
                taken.push((*slot, run));
                writes.push(Write { conn, bytes });
            }
        }
        let bound = self.config.limits.outbox_bytes;
        io.write_each(&writes, |nth, written| {
            let Some((slot, run)) = taken.get(nth) else {
                return;
            };
            let key = slab.key_at(*slot);
            let sent = match written {
                Written::Bytes(n) => n,
                Written::Blocked => 0,
                Written::Failed => return failed.push((key, Flushed::Failed)),
            };
            if let Some(entry) = slab.get_mut(key) {
                entry.blocked = true;
                entry.outbox.put_back(*run, sent, palette);
                if entry.outbox.is_over(bound) {
                    failed.push((key, Flushed::Blocked));
                }
            }
        });
        taken.len()
    }

    /// What is queued for one session leaves, whatever it is. `Some` if it has to be closed for that.
    fn flush_session(&mut self, slot: u32, io: &mut impl Io<A>) -> Option<Flushed> {
        let entry = self.slab.at_mut(slot)?;
        if !core::mem::replace(&mut entry.dirty, false) {
            return None; // the slot changed hands and its new session is not dirty
        }
        let bound = self.config.limits.outbox_bytes;
        if entry.session.is_text_only() {
            entry.outbox.stash_as(&self.palette, payload::as_text);
        }
        match entry.session.outlet() {
            Outlet::WebSocket(conn) => {
                if entry.held {
                    entry.outbox.stash(&self.palette);
                    if !entry.outbox.is_over(bound) {
                        return None;
                    }
                    entry.held = false;
                }
                let flushed = flush_websocket(entry, conn, &self.palette, io);
                if entry.session.is_open() {
                    let over = entry.outbox.is_over(bound);
                    return (flushed == Flushed::Failed || over).then_some(flushed);
                }
                if flushed != Flushed::Blocked {
                    let code = entry.session.close_code();
                    self.signals.push_back(Signal::Close(conn, code));
                    self.remove(self.slab.key_at(slot));
                }
                None
            }
            // What made it dirty has left in answer to an earlier GET.
            Outlet::Poll if entry.session.is_open() && entry.outbox.is_empty() => None,
            Outlet::Poll => {
                let key = self.slab.key_at(slot);
                let body = self.take_poll(key);
                io.answer(key, body);
                None
            }
            Outlet::None => {
                entry.outbox.stash(&self.palette);
                let over = entry.outbox.is_over(bound);
                (over && entry.session.is_open()).then_some(Flushed::Blocked)
            }
        }
    }

    /// Nothing queued refers to this turn's packets any more.
    pub fn end_turn(&mut self) {
        debug_assert!(self.dirty.is_empty(), "a dirty session was not flushed");
        self.palette.clear();
        self.moment = self.moment.wrapping_add(1);
    }
}
