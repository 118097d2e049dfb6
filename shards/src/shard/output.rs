//! Answers: how does what the hub has queued reach connections and parked GETs.
//!
//! It must not know why something was queued, nor when turns begin.

use std::{rc::Rc, sync::atomic::Ordering};

use stentor_engine::{
    frame::{Kind, write_head},
    hub::{Client, Entry, Io, Signal, Write},
    id::ConnId,
    limits::SLICE_PARTS,
    out::Written,
    slab::Key,
    time::Tick,
};

use super::{
    Shard,
    conns::{ConnKey, conn_key},
    intake::TURN_MS,
    polling::Parked,
    take,
};
use crate::{net::ws, post::Reply};

/// How the hub's output reaches connections and parked GETs.
pub(super) struct Port<'a>(pub(super) &'a Shard);

impl Io<Client> for Port<'_> {
    fn write_each(&mut self, writes: &[Write<'_>], short: impl FnMut(usize, Written)) {
        self.0.conns.borrow().write_each(writes, short);
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Written {
        self.0.conns.borrow().write(conn_key(conn), slices)
    }

    fn answer(&mut self, session: Key<Entry<Client>>, body: Vec<u8>) {
        let parked = take(&self.0.parked, session.to_bits());
        match parked {
            Some(Parked::Conn(key)) => self.0.answer_parked(key, Reply::Payload(body)),
            Some(Parked::Task(reply)) => {
                // A client that went away meanwhile is noticed by its request's own guard.
                let _ = reply.send(Reply::Payload(body));
            }
            None => {}
        }
    }
}

impl Shard {
    /// In the middle of a turn: what is queued leaves if it goes to no more than `few` sessions, as
    /// answers do. What goes to many waits for the turn's end, where it leaves with what is still
    /// to come: a write for each session, not one for each of them and message.
    pub(super) fn flush_answers(self: &Rc<Self>, few: usize) {
        let dirty = self.hub.borrow().dirty();
        if (1..=few).contains(&dirty) {
            self.end_turn();
        }
    }

    /// Lets output leave when much is queued. True if it can leave in slices only: then nothing is read,
    /// and no mail taken, before it has.
    #[inline]
    pub(super) fn relieve(&self) -> bool {
        self.hub.borrow().is_full() && self.let_out()
    }

    #[cold]
    fn let_out(&self) -> bool {
        let mut hub = self.hub.borrow_mut();
        hub.flush(self.now.get(), &mut Port(self));
        hub.is_full()
    }

    /// Some of those who wait for a broadcast are given it, for as long as a turn may take. What is left
    /// is for the next turn.
    pub(super) fn give_slice(self: &Rc<Self>) {
        let mut until = None;
        for _ in 0..SLICE_PARTS {
            if self.hub.borrow().waiting() == 0 {
                return;
            }
            let clock = self.clock.get().now();
            if clock >= *until.get_or_insert(Tick(clock.0 + TURN_MS)) {
                return;
            }
            self.hub
                .borrow_mut()
                .flush_slice(self.now.get(), &mut Port(self));
            self.end_turn();
        }
    }

    /// User code hears what happened, then everything queued leaves, or waits for its slice.
    pub(super) fn end_turn(self: &Rc<Self>) {
        loop {
            self.drain_events();
            self.post_mail();
            self.obey_signals(); // a probe's answer goes before what its session says next
            // Also for packets that nobody was given after all: they go with the turn.
            if self.hub.borrow().has_output() {
                self.hub.borrow_mut().flush(self.now.get(), &mut Port(self));
            }
            self.obey_signals();
            self.answer_given_up();
            self.resume_all();
            self.keep_budget();
            let quiet = {
                let hub = self.hub.borrow();
                hub.dirty() == 0 && !hub.has_events() && !hub.has_mail()
            };
            if quiet {
                break;
            }
        }
        let sessions = self.hub.borrow().counts().sessions;
        self.shared.sessions[usize::from(self.id.0)].store(sessions, Ordering::Relaxed);
    }

    /// A connection that was paused is read from again.
    fn read_again(&self, key: ConnKey) {
        let missed = self.conns.borrow_mut().unpause(key);
        if let Some(end) = missed {
            self.readable.borrow_mut().push((key, end));
            self.want_turn();
        }
    }

    fn obey_signals(self: &Rc<Self>) {
        loop {
            let Some(signal) = self.hub.borrow_mut().next_signal() else {
                return;
            };
            match signal {
                Signal::Text(conn, text) => {
                    let mut frame = Vec::new();
                    write_head(&mut frame, Kind::Text, text.len());
                    frame.extend_from_slice(text.as_bytes());
                    self.say(conn_key(conn), &frame);
                }
                Signal::Close(conn, code) => {
                    let (frame, len) = ws::close_frame(code, "");
                    self.conns
                        .borrow_mut()
                        .finish(conn_key(conn), &frame[..len], self.now.get());
                }
                Signal::Pause(conn) => self.conns.borrow_mut().pause(conn_key(conn)),
                Signal::Resume(conn) => self.read_again(conn_key(conn)),
                Signal::Cut(conn) => {
                    let mut conns = self.conns.borrow_mut();
                    conns.finish(conn_key(conn), &[], self.now.get());
                }
            }
        }
    }
}
