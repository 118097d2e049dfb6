//! Answers: when does what the hub has queued leave, and what is done with connections for it.

use std::{rc::Rc, sync::atomic::Ordering};

use stentor_engine::{
    frame::{Kind, write_head},
    hub::Signal,
    limits::SLICE_PARTS,
    time::Tick,
};

use super::intake::TURN_MS;
use crate::{
    net::ws,
    shard::{
        Shard,
        conns::{ConnKey, conn_key},
        port::Port,
    },
};

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

    /// Some of those who wait for a broadcast are given it, for as long as a turn may take. What is left
    /// is for the next turn. If clients wait to be read (`lags`), it is one part of a slice.
    pub(super) fn give_slice(self: &Rc<Self>, lags: bool) {
        let mut until = None;
        for _ in 0..if lags { 1 } else { SLICE_PARTS } {
            if self.hub.borrow().waiting() == 0 {
                return;
            }
            let clock = self.now.clock();
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
        if self.compressor.borrow().keeps_body() && self.hub.borrow().waiting() == 0 {
            self.compressor.borrow_mut().forget_body();
        }
        let sessions = self.hub.borrow().counts().sessions;
        self.shared.sessions[usize::from(self.id.0)].store(sessions, Ordering::Relaxed);
    }

    /// A connection that was paused is read from again.
    fn read_again(&self, key: ConnKey) {
        if self.conns.borrow_mut().unpause(key) {
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
