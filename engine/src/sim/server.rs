//! Answers: how does a shell drive a hub.
//!
//! Requests, messages and mail become calls; events, mail and signals are taken after each call,
//! output at the end of the turn. What a real shell does with sockets is done with [`super::net`].

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{
    client::{Sent, Upgrade, Via, What, Wire},
    net::{End, Inbound, Net},
    oracle::Outcome,
    wire::{self, Kind, Packet},
    world::{Task, World},
};
use crate::{
    error::{CloseReason, PeerError},
    hub::{Ending, Event, Hub, Incoming, Received, Signal, SocketKey},
    limits::DRAIN_WAIT,
    time::Tick,
};

/// Turns in which output may leave in slices before all of it has left, with a few clients on a hub.
const SLICES_MAX: u32 = 400;

impl World {
    /// The hub was called: its turn ends at this moment, after what else falls into it.
    pub(super) fn touch(&mut self, hub: usize) {
        self.touch_after(hub, 0);
    }

    fn touch_after(&mut self, hub: usize, wait: u64) {
        if !core::mem::replace(&mut self.turns[hub], true) {
            self.after(wait, Task::EndTurn(hub));
        }
    }

    pub(super) fn end_turn(&mut self, hub: usize) {
        self.turns[hub] = false;
        self.leave(hub);
        if self.hubs[hub].waiting() > 0 {
            self.flush_by(hub, Hub::flush_slice);
            self.leave(hub);
        }
        if self.hubs[hub].dirty() > 0 || self.hubs[hub].waiting() > 0 {
            // The next slice, with reads, timers and mail before it.
            self.slices[hub] += 1;
            let late = self.slices[hub] > SLICES_MAX;
            self.oracle.expect(!late, "output waits for ever");
            return self.touch_after(hub, self.slice_gap);
        }
        self.slices[hub] = 0;
        self.check_queues(hub);
    }

    /// What a shell does at a turn's end, and before it where answers are to leave: it does not flush
    /// where nothing is queued.
    pub(super) fn leave(&mut self, hub: usize) {
        loop {
            self.take(hub);
            self.oracle.drained();
            self.signals(hub);
            if self.hubs[hub].has_output() {
                self.flush_by(hub, Hub::flush);
            }
            self.signals(hub);
            let hub = &self.hubs[hub];
            if hub.dirty() == 0 && !hub.has_events() && !hub.has_mail() {
                break;
            }
        }
        self.check_left(hub);
    }

    fn flush_by(&mut self, hub: usize, flush: impl FnOnce(&mut Hub, Tick, &mut Net)) {
        flush(&mut self.hubs[hub], self.now, &mut self.net);
        self.check_writes();
        let waits = self.hubs[hub].waiting() > 0;
        self.oracle.turn_over(hub, waits);
        self.take(hub);
        self.oracle.drained();
        if let Some(wrong) = self.net.wrong.take() {
            self.oracle.blame(wrong);
        }
        for conn in core::mem::take(&mut self.net.written) {
            self.wrote(conn);
            self.soon(Task::Read(conn));
        }
        for (key, body) in core::mem::take(&mut self.net.answers) {
            match self.parked.remove(&(hub, key.to_bits())) {
                Some(client) => self.soon(Task::Answer(client, Some(body))),
                None => self.oracle.blame("an answer to no GET".into()),
            }
        }
        self.signals(hub);
        self.check_bounds(hub);
    }

    /// A connection was written to. What is held may leave before its time only if it is more than
    /// the bound.
    fn wrote(&mut self, conn: usize) {
        let conn = &self.net.conns[conn];
        if conn.full {
            // Its ping waits with the rest.
            let lapse = &mut self.oracle.sessions[conn.client].lapse;
            *lapse = (*lapse).max(self.now.0 + 1);
        }
        if !conn.probing && self.held.remove(&conn.client) {
            let ended = !self.oracle.sessions[conn.client].open;
            let much = conn.offered > self.config.limits.outbox_bytes;
            self.oracle
                .expect(ended || much, "what was held left before its time");
        }
    }

    // ---- what a hub says ----

    /// Takes what a call brought.
    pub(super) fn drain(&mut self, hub: usize) {
        self.take(hub);
        self.oracle.drained();
        if self.hubs[hub].is_full() {
            // As a shell does before user code queues more.
            self.flush_by(hub, Hub::flush_all);
        }
        self.touch(hub);
    }

    /// The same for all hubs, when all were called.
    pub(super) fn drain_all(&mut self) {
        for hub in 0..self.hubs.len() {
            self.take(hub);
            self.touch(hub);
        }
        self.oracle.drained();
    }

    fn take(&mut self, hub: usize) {
        while let Some(event) = self.hubs[hub].next_event() {
            self.event(hub, event);
        }
        let mail: Vec<_> = self.hubs[hub].take_mail().collect();
        for (to, mail) in mail {
            self.mail_leaves(hub, usize::from(to.0), mail);
        }
    }

    fn event(&mut self, hub: usize, event: Event) {
        self.log(format_args!("hub {hub}: {event:?}"));
        match event {
            Event::Connecting {
                socket,
                namespace,
                auth,
            } => {
                let id = self.hubs[hub].socket_id(socket);
                let at = (self.session_of(hub, socket), namespace);
                self.oracle.connecting(hub, socket, id, at, auth.as_deref());
                self.knocks(hub, socket);
            }
            Event::Connected {
                socket,
                namespace,
                auth,
            } => {
                let id = self.hubs[hub].socket_id(socket);
                let at = (self.session_of(hub, socket), namespace);
                self.oracle.connected(hub, socket, id, at, auth.as_deref());
            }
            Event::Disconnected {
                session,
                socket,
                reason,
                rooms,
                connected,
                ..
            } => {
                let at = (
                    self.oracle.socket(hub, socket),
                    self.oracle.session(hub, session),
                );
                let rooms: BTreeSet<String> = rooms.iter().map(ToString::to_string).collect();
                self.oracle
                    .disconnected(self.now, at, reason, &rooms, connected);
            }
            Event::NotJoined {
                namespace,
                room,
                sockets,
            } => {
                let namespace = usize::from(namespace.0);
                self.oracle.not_joined(hub, namespace, &room, sockets);
            }
            Event::Closed { session, reason } => {
                let at = self.oracle.session(hub, session);
                self.oracle.closed(self.now, at, reason);
            }
            Event::Ack { token, news } => match self.arriving {
                Some(from) => self.oracle.news_arrive(from, hub, token, &news),
                None => self.oracle.news_leave(hub, hub, token, &news, self.now),
            },
        }
    }

    fn session_of(&self, hub: usize, socket: SocketKey) -> Option<usize> {
        let key = self.hubs[hub].session_of(socket)?;
        self.oracle.session(hub, key)
    }

    /// What is to be done to connections.
    pub(super) fn signals(&mut self, hub: usize) {
        while let Some(signal) = self.hubs[hub].next_signal() {
            self.log(format_args!("hub {hub}: {signal:?}"));
            match signal {
                Signal::Pause(id) => {
                    if let Some(conn) = self.net.find(id) {
                        self.net.conns[conn].paused = true;
                        self.do_not_read(conn);
                    }
                }
                Signal::Resume(id) => {
                    if let Some(conn) = self.net.find(id) {
                        self.net.conns[conn].paused = false;
                        self.free_to_read(conn);
                    }
                }
                Signal::Text(id, text) => {
                    if let Some(conn) = self.net.find(id) {
                        let pipe = &mut self.net.conns[conn].pipe;
                        pipe.extend([0x81, text.len() as u8]);
                        pipe.extend(text.bytes());
                        self.soon(Task::Read(conn));
                    }
                }
                // The same close may be ordered twice.
                Signal::Close(id, code) => {
                    if let Some(conn) = self.net.find(id) {
                        self.check_code(conn, code);
                        self.server_closes(conn, End::Close);
                    }
                }
                Signal::Cut(id) => {
                    if let Some(conn) = self.net.find(id) {
                        self.server_closes(conn, End::Cut);
                    }
                }
            }
        }
    }

    /// A close frame says why its session ended, unless it had no time left to say all it had to.
    fn check_code(&mut self, at: usize, code: Option<u16>) {
        let conn = &self.net.conns[at];
        let session = &self.oracle.sessions[conn.client];
        let said = self.oracle.close_code(conn.client);
        let wanted = said.filter(|_| !conn.probing);
        let late = self.now.0 >= session.closed_at + DRAIN_WAIT.as_millis() as u64;
        let right = code == wanted || (late && code.is_none());
        self.oracle.expect(right, "a wrong close code");
    }

    fn server_closes(&mut self, at: usize, how: End) {
        let conn = &self.net.conns[at];
        let client = &self.clients[conn.client];
        let session = &self.oracle.sessions[conn.client];
        let good = client.via == Via::Ws(at)
            || matches!(
                client.upgrade,
                Upgrade::Pausing(c) | Upgrade::Asked(c, super::client::Style::Good) if c == at
            );
        let patience = self.config.upgrade_timeout.as_millis() as u64;
        // A client that was not heard in time did nothing wrong.
        let heard = self.oracle.looked_since(conn.client, conn.opened);
        let sound = session.lapse.saturating_add(patience) < self.now.0 && !session.left && heard;
        let changed = client.via == Via::Ws(at);
        let cut = good && conn.probing && session.open;
        if cut && sound {
            self.oracle.blame("a good upgrade was cut off".into());
        } else if cut && changed {
            // It was too late to say so, and has left polling.
            self.oracle.sessions[conn.client].lapse = u64::MAX;
        }
        self.held.remove(&conn.client);
        self.net.free(at, self.now, how);
        self.soon(Task::Read(at));
    }

    // ---- connections ----

    pub(super) fn writable(&mut self, at: usize) {
        let conn = &self.net.conns[at];
        if conn.id.is_some() && !conn.probing {
            let (hub, key) = (conn.hub, conn.key);
            self.hubs[hub].writable(key);
            self.drain(hub);
        }
    }

    /// The next thing on a connection reaches the server.
    pub(super) fn recv(&mut self, at: usize) {
        let conn = &mut self.net.conns[at];
        let Some(id) = conn.id else { return };
        if conn.listed || conn.inbound.is_empty() {
            return;
        }
        if self.playing && self.random.chance(1) {
            return self.list(at);
        }
        let conn = &mut self.net.conns[at];
        let (hub, key, client) = (conn.hub, conn.key, conn.client);
        match (conn.inbound.pop_front(), conn.probing) {
            (None, _) => {}
            (Some(Inbound::End), true) => {
                // Nothing may still be meant for the connection when its name is free.
                self.signals(hub);
                if self.net.conns[at].id == Some(id) {
                    self.hubs[hub].abandon_probe(key, id);
                    self.net.free(at, self.now, End::Quiet);
                    self.drain(hub);
                }
            }
            (Some(Inbound::End), false) => {
                let reason = CloseReason::TransportClose;
                self.oracle.ends(client, reason);
                self.hubs[hub].close(self.now, key, reason, Ending::ByPeer);
                self.hubs[hub].connection_lost(key);
                self.drain(hub);
                self.signals(hub);
                self.held.remove(&client);
                self.net.free(at, self.now, End::Quiet);
            }
            (Some(Inbound::Message(sent)), true) => {
                let text = match &sent.wire {
                    Wire::Text(text) => text,
                    Wire::Binary(_) => "",
                };
                self.log(format_args!("client {client} probes with {text}"));
                let now = self.now;
                self.hubs[hub].recv_probe(now, key, id, text);
                self.oracle.sessions[client].unsure = true;
                if self.hubs[hub].is_on(key, id) {
                    self.net.conns[at].probing = false;
                    self.oracle.upgraded(client, now);
                }
                self.drain(hub);
                self.signals(hub);
                // Sessions end at any moment, but this one is short and must be met.
                if self.random.chance(10) {
                    let wait = self.random.below(2 * self.lag);
                    self.after(wait, Task::Dismiss(client));
                }
            }
            (Some(Inbound::Message(sent)), false) => {
                let stuck = self.stuck(client);
                self.message(client, &sent);
                self.put_aside(client, stuck);
            }
        }
    }

    /// A message for a session.
    pub(super) fn message(&mut self, client: usize, sent: &Sent) {
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        self.log(format_args!("client {client} said {sent:?}"));
        let expected = self.oracle.predict(client, &sent.what, self.now);
        if let What::TooLarge = sent.what {
            self.hubs[hub].fail(self.now, key, PeerError::TooLarge);
            return self.drain(hub);
        }
        let mut from = None;
        let received = match &sent.wire {
            Wire::Text(text) => self.hubs[hub].receive_text(self.now, key, text),
            Wire::Binary(data) => self.hubs[hub].receive_binary(self.now, key, data),
        };
        let got = match received {
            Ok(Received::Event(incoming)) => {
                from = Some(incoming.socket);
                let names = crate::sim::client::NAMESPACES;
                event(&incoming, names[usize::from(incoming.namespace.0)])
            }
            Ok(Received::Nothing) => Ok(Outcome::Nothing),
            Ok(other) => Err(format!("{other:?} from Socket.IO")),
            Err(_) => Ok(Outcome::Error),
        };
        self.drain(hub);
        if got.as_ref() != Ok(&expected) {
            let what = format!("{sent:?} led to {got:?} in place of {expected:?}");
            return self.oracle.blame(what);
        }
        if let (Outcome::Event(packet), Some(socket)) = (expected, from) {
            self.hears(hub, socket, &packet);
        }
    }
}

/// An event as the application reads it.
fn event(incoming: &Incoming<'_>, namespace: &str) -> Result<Outcome, String> {
    let name = incoming.name.read(&incoming.text).into_owned();
    let args = &incoming.text[incoming.args.clone()];
    let mut data = alloc::vec![wire::Value::Text(name)];
    data.extend(wire::read_args(args, &incoming.attachments)?);
    Ok(Outcome::Event(Packet {
        kind: Kind::Event,
        namespace: namespace.into(),
        id: incoming.ack,
        data,
    }))
}
