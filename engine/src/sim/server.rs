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
    client::{Sent, Upgrade, Wire},
    net::Inbound,
    oracle::Outcome,
    wire::{self, Kind, Packet},
    world::{Task, World},
};
use crate::{
    eio::{payload, session::Poll},
    error::{CloseReason, PeerError},
    hub::{Ending, Event, Incoming, Mail, Received, SessionKey, Signal, SocketKey},
    id::Sid,
};

impl World {
    /// The hub was called: its turn ends at this moment, after what else falls into it.
    pub(super) fn touch(&mut self, hub: usize) {
        if !core::mem::replace(&mut self.turns[hub], true) {
            self.after(0, Task::EndTurn(hub));
        }
    }

    pub(super) fn end_turn(&mut self, hub: usize) {
        self.turns[hub] = false;
        self.hubs[hub].flush(self.now, &mut self.net);
        self.take(hub);
        self.oracle.drained();
        if let Some(wrong) = self.net.wrong.take() {
            self.oracle.blame(wrong);
        }
        for conn in core::mem::take(&mut self.net.written) {
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
        if self.hubs[hub].dirty() > 0 {
            self.touch(hub);
        }
    }

    fn check_bounds(&mut self, hub: usize) {
        let max = self.config.limits.outbox_bytes;
        let mut keys = self
            .oracle
            .sessions
            .iter()
            .filter(|s| s.open && s.hub == hub);
        let hub = &mut self.hubs[hub];
        let over = keys.any(|session| hub.sessions().backlog_bytes(session.key) > max);
        self.oracle.expect(!over, "a backlog is over its bound");
        let counts = hub.counts();
        let right = counts.timers == counts.sessions + counts.questions;
        self.oracle
            .expect(right, "a timer of nothing, or something without timer");
    }

    // ---- what a hub says ----

    /// Takes what a call brought.
    pub(super) fn drain(&mut self, hub: usize) {
        self.take(hub);
        self.oracle.drained();
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
                socket, namespace, ..
            } => {
                let id = self.hubs[hub].socket_id(socket);
                let at = (self.session_of(hub, socket), namespace);
                self.oracle.connecting(hub, socket, id, at);
                self.knocks(hub, socket);
            }
            Event::Connected {
                socket, namespace, ..
            } => {
                let id = self.hubs[hub].socket_id(socket);
                let at = (self.session_of(hub, socket), namespace);
                self.oracle.connected(hub, socket, id, at);
            }
            Event::Disconnected {
                socket,
                reason,
                rooms,
                connected,
                ..
            } => {
                let at = self.oracle.socket(hub, socket);
                let rooms: BTreeSet<String> = rooms.iter().map(ToString::to_string).collect();
                self.oracle
                    .disconnected(self.now, at, reason, &rooms, connected);
            }
            Event::NotJoined { sockets, .. } => {
                self.oracle.expect(sockets > 0, "nobody was refused");
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
                Signal::Text(id, text) => {
                    if let Some(conn) = self.net.find(id) {
                        let pipe = &mut self.net.conns[conn].pipe;
                        pipe.extend([0x81, text.len() as u8]);
                        pipe.extend(text.bytes());
                        self.soon(Task::Read(conn));
                    }
                }
                // The same close may be ordered twice.
                Signal::Close(id, _) | Signal::Cut(id) => {
                    if let Some(conn) = self.net.find(id) {
                        self.server_closes(conn);
                    }
                }
            }
        }
    }

    fn server_closes(&mut self, at: usize) {
        let conn = &self.net.conns[at];
        let client = &self.clients[conn.client];
        let session = &self.oracle.sessions[conn.client];
        let good = matches!(
            client.upgrade,
            Upgrade::Pausing(c) | Upgrade::Asked(c, super::client::Style::Good) if c == at
        );
        if good && conn.probing && session.open && !session.excused && !session.left {
            self.oracle.blame("a good upgrade was cut off".into());
        }
        self.net.free(at);
        self.soon(Task::Read(at));
    }

    // ---- mail ----

    fn mail_leaves(&mut self, from: usize, to: usize, mail: Mail) {
        self.log(format_args!("mail {from} to {to}: {mail:?}"));
        if let Mail::Ack { token, news } = &mail {
            self.oracle.news_leave(from, to, *token, news, self.now);
        }
        let wait = self.random.below(self.mail_lag);
        let last = self.last_mail.entry((from, to)).or_default();
        *last = (*last).max(self.now.0 + wait);
        let wait = *last - self.now.0;
        for mail in self.spoil(from, to, mail) {
            self.mail.entry((from, to)).or_default().push_back(mail);
            self.after(wait, Task::Mail(from, to));
        }
    }

    pub(super) fn mail_arrives(&mut self, from: usize, to: usize) {
        let Some(mail) = self.mail.entry((from, to)).or_default().pop_front() else {
            return;
        };
        if !matches!(mail, Mail::Ack { .. }) {
            self.oracle.letter_arrives(from, to, self.now);
        }
        self.arriving = matches!(mail, Mail::Ack { .. }).then_some(from);
        self.hubs[to].receive_mail(self.now, mail);
        self.drain(to);
        self.arriving = None;
    }

    // ---- connections ----

    pub(super) fn writable(&mut self, at: usize) {
        let conn = &self.net.conns[at];
        if conn.id.is_some() && !conn.probing {
            let (hub, key) = (conn.hub, conn.key);
            self.hubs[hub].sessions().writable(key);
            self.drain(hub);
        }
    }

    /// The next thing on a connection reaches the server.
    pub(super) fn recv(&mut self, at: usize) {
        let conn = &mut self.net.conns[at];
        let Some(id) = conn.id else { return };
        let (hub, key, client) = (conn.hub, conn.key, conn.client);
        match (conn.inbound.pop_front(), conn.probing) {
            (None, _) => {}
            (Some(Inbound::End), true) => {
                // Nothing may still be meant for the connection when its name is free.
                self.signals(hub);
                if self.net.conns[at].id == Some(id) {
                    self.hubs[hub].sessions().abandon_probe(key, id);
                    self.net.free(at);
                    self.drain(hub);
                }
            }
            (Some(Inbound::End), false) => {
                let reason = CloseReason::TransportClose;
                self.oracle.ends(client, reason);
                self.hubs[hub].close(self.now, key, reason, Ending::ByPeer);
                self.hubs[hub].sessions().connection_lost(key);
                self.drain(hub);
                self.signals(hub);
                self.net.free(at);
            }
            (Some(Inbound::Message(sent)), true) => {
                let text = match &sent.wire {
                    Wire::Text(text) => text,
                    Wire::Binary(_) => "",
                };
                self.log(format_args!("client {client} probes with {text}"));
                let now = self.now;
                let sessions = self.hubs[hub].sessions();
                sessions.recv_probe(now, key, id, text);
                if sessions.is_on(key, id) {
                    self.net.conns[at].probing = false;
                    self.oracle.upgraded(client, now);
                }
                self.drain(hub);
                self.signals(hub);
            }
            (Some(Inbound::Message(sent)), false) => self.message(client, &sent),
        }
    }

    /// A message for a session.
    fn message(&mut self, client: usize, sent: &Sent) {
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        self.log(format_args!("client {client} said {sent:?}"));
        let expected = self.oracle.predict(client, &sent.what, self.now);
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

    // ---- requests ----

    /// The session that a request's sid names.
    fn find(&self, client: usize) -> Option<(usize, SessionKey)> {
        let sid = Sid::parse(self.clients[client].sid.as_ref()?.as_bytes())?;
        let hub = usize::from(sid.shard().0);
        Some((hub, self.hubs.get(hub)?.find(&sid)?))
    }

    pub(super) fn get(&mut self, client: usize) {
        let Some((hub, key)) = self.find(client) else {
            return self.soon(Task::Answer(client, None));
        };
        let parked = self.parked.contains_key(&(hub, key.to_bits()));
        self.log(format_args!("client {client} polls"));
        match self.hubs[hub].sessions().recv_get(key) {
            Some(Ok(Poll::Park)) => {
                self.parked.insert((hub, key.to_bits()), client);
            }
            Some(Ok(Poll::Answer)) => {
                let body = self.hubs[hub].sessions().take_poll(key);
                self.soon(Task::Answer(client, Some(body)));
            }
            Some(Ok(Poll::Mismatch)) | None => self.soon(Task::Answer(client, None)),
            Some(Err(error)) => {
                self.oracle.expect(parked, "an overlap of one GET");
                self.oracle.ends(client, error.close_reason());
                self.hubs[hub].fail(self.now, key, error);
                self.soon(Task::Answer(client, None));
            }
        }
        self.drain(hub);
    }

    /// The head of a POST arrives.
    pub(super) fn post(&mut self, client: usize, body: Vec<Sent>) {
        let Some((hub, key)) = self.find(client) else {
            return self.soon(Task::Posted(client, false));
        };
        match self.hubs[hub].sessions().recv_post(key) {
            Some(Ok(true)) => {
                self.posting.insert(client);
                self.soon(Task::PostBody(client, body));
            }
            Some(Ok(false)) | None => self.soon(Task::Posted(client, false)),
            Some(Err(error)) => {
                let posting = self.posting.contains(&client);
                self.oracle.expect(posting, "an overlap of one POST");
                self.oracle.ends(client, error.close_reason());
                self.hubs[hub].fail(self.now, key, error);
                self.soon(Task::Posted(client, false));
            }
        }
        self.drain(hub);
    }

    /// The body of a POST has arrived.
    pub(super) fn post_body(&mut self, client: usize, messages: &[Sent]) {
        self.posting.remove(&client);
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        let mut body = String::new();
        for (at, sent) in messages.iter().enumerate() {
            body.push_str(if at == 0 { "" } else { "\u{1e}" });
            match &sent.wire {
                Wire::Text(text) => body.push_str(text),
                Wire::Binary(data) => {
                    body.push('b');
                    body.push_str(&wire::to_base64(data));
                }
            }
        }
        let packets: Vec<_> = payload::packets(&body).collect();
        let whole = packets.len() == messages.len();
        self.oracle.expect(whole, "a body fell into other packets");
        for (packet, sent) in packets.into_iter().zip(messages) {
            let wire = match packet.strip_prefix('b').map(payload::binary) {
                None => Wire::Text(packet.into()),
                Some(Ok(data)) => Wire::Binary(data),
                Some(Err(error)) => {
                    self.base64(client, error);
                    continue;
                }
            };
            let what = sent.what.clone();
            self.message(client, &Sent { wire, what });
        }
        self.hubs[hub].sessions().end_post(key);
        self.touch(hub);
        self.soon(Task::Posted(client, true));
    }

    fn base64(&mut self, client: usize, error: PeerError) {
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        self.oracle.ends(client, CloseReason::ParseError);
        self.hubs[hub].fail(self.now, key, error);
        self.drain(hub);
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
