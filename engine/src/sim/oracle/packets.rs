//! Answers: which packets must a session get, and what must a packet from it lead to.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use super::{Due, Expected, Oracle, Partial, State};
use crate::{
    error::CloseReason,
    sim::{
        client::{NAMESPACES, NOWHERE, What},
        wire::{Kind, Packet, Value},
    },
    time::Tick,
};

/// What the hub must answer to a packet.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sim) enum Outcome {
    Nothing,
    Event(Packet),
    Error,
}

impl Oracle {
    /// A packet for one socket is queued.
    pub(in crate::sim) fn send(
        &mut self,
        socket: usize,
        kind: Kind,
        id: Option<u64>,
        data: Vec<Value>,
    ) {
        let namespace = NAMESPACES[self.sockets[socket].namespace].into();
        let packet = Packet {
            kind,
            namespace,
            id,
            data,
        };
        self.queue(socket, packet, None, false);
    }

    pub(super) fn queue(
        &mut self,
        socket: usize,
        packet: Packet,
        asks: Option<(usize, u64)>,
        volatile: bool,
    ) {
        self.queue_for(self.sockets[socket].session, packet, asks, volatile);
    }

    fn queue_for(
        &mut self,
        session: usize,
        packet: Packet,
        asks: Option<(usize, u64)>,
        volatile: bool,
    ) {
        let session = &mut self.sessions[session];
        if volatile {
            session.unsure = true;
        } else {
            session.moment = self.moments[session.hub];
        }
        session.queue.push_back(Expected {
            packet,
            volatile,
            asks,
        });
    }

    /// A client has read a packet. Returns the question it asks.
    pub(in crate::sim) fn received(&mut self, session: usize, packet: &Packet) {
        let queue = &mut self.sessions[session].queue;
        // The order of namespaces in which a session's sockets are removed is the hub's choice.
        let kick = |e: &&Expected| {
            matches!(e.packet.kind, Kind::Disconnect | Kind::ConnectError) && !e.volatile
        };
        let first = queue.iter().take_while(|e| e.volatile || kick(e));
        let at = first
            .into_iter()
            .position(|e| kick(&e) && e.packet == *packet);
        let expected = match at {
            Some(at) => queue.remove(at),
            None => loop {
                match queue.pop_front() {
                    Some(next) if next.volatile && !same(&next, packet) => {}
                    next => break next,
                }
            },
        };
        match expected {
            Some(expected) if same(&expected, packet) => {
                self.received += 1;
                if let (Some((socket, token)), Some(id)) = (expected.asks, packet.id) {
                    self.asked(socket, token, id);
                }
            }
            expected => {
                let expected = expected.map(|e| e.packet);
                self.blame(format!(
                    "session {session} got {packet:?} in place of {expected:?}"
                ));
            }
        }
    }

    /// A client sees its session's end: its connection ended, or its GET brought the close.
    /// `served` says whether the server ended it when all had left that was queued: then all must
    /// have been read, by however slow a client.
    pub(in crate::sim) fn ended(&mut self, at: usize, served: bool, now: Tick) {
        let session = &self.sessions[at];
        let polite = session.is_polite();
        let unread = session.queue.iter().find(|expected| !expected.volatile);
        if session.open && !session.left && session.lapse < now.0 {
            self.blame(format!("session {at} is open and its client was sent away"));
        } else if let Some(lost) = unread.filter(|_| served && polite && !session.left) {
            let what = format!("session {at} closed politely and lost {:?}", lost.packet);
            self.blame(what);
        }
    }

    /// A packet reaches the server: what it must answer, and what must follow.
    pub(in crate::sim) fn predict(&mut self, at: usize, what: &What, now: Tick) -> Outcome {
        self.stirs(self.sessions[at].hub, what);
        let session = &mut self.sessions[at];
        if !session.open {
            return match what {
                // The hub need not look at what comes after the end, but may.
                What::BadEngine(_) => Outcome::Error,
                _ => Outcome::Nothing,
            };
        }
        session.heard = now.0;
        if !matches!(what, What::Pong | What::Probe) {
            self.hears(at, now);
        }
        match what {
            What::Ignored | What::Probe => return Outcome::Nothing,
            What::Pong => {
                self.rests(at, now);
                return Outcome::Nothing;
            }
            What::TooLarge => {
                self.ends_too_large(at);
                return Outcome::Error;
            }
            What::Close => {
                self.ends(at, CloseReason::TransportClose);
                return Outcome::Nothing;
            }
            What::BadEngine(reason) => return self.wrong(at, *reason),
            What::Part(part) => return self.part(at, part),
            _ if self.sessions[at].partial.is_some() => {
                return self.wrong(at, CloseReason::ForcedClose);
            }
            _ => {}
        }
        match what {
            What::Connect(namespace, auth) => self.predict_connect(at, namespace, *auth),
            What::Bad(reason, Some(namespace)) if self.knows(at, namespace, now) => {
                self.wrong(at, *reason)
            }
            What::Bad(reason, None) => self.wrong(at, *reason),
            What::Leave(namespace) => {
                let Some(socket) = self.home(at, namespace) else {
                    if self.knows(at, namespace, now) {
                        return Outcome::Nothing;
                    }
                    return self.wrong(at, CloseReason::ForcedServerClose);
                };
                let reason = CloseReason::ClientNamespaceDisconnect;
                self.due.push(Due::Disconnected(socket, reason));
                Outcome::Nothing
            }
            What::Packet(packet, parts) if self.knows(at, &packet.namespace, now) => {
                if *parts == 0 {
                    return self.whole(at, packet.clone());
                }
                self.sessions[at].partial = Some(Partial {
                    packet: packet.clone(),
                    parts: *parts,
                    got: VecDeque::new(),
                    until: now.after(self.config.limits.attachments_wait).0,
                });
                Outcome::Nothing
            }
            _ => self.wrong(at, CloseReason::ForcedServerClose),
        }
    }

    /// Whether a packet for a namespace is none of a stranger: the session is in it, or was removed so
    /// lately that its client may not know.
    fn knows(&self, at: usize, namespace: &str, now: Tick) -> bool {
        let known = NAMESPACES.iter().position(|name| *name == namespace);
        let removed = &self.sessions[at].removed;
        let until = known.and_then(|known| removed.get(&known));
        self.home(at, namespace).is_some() || until.is_some_and(|until| now.0 < *until)
    }

    fn predict_connect(
        &mut self,
        at: usize,
        namespace: &str,
        auth: Option<&'static str>,
    ) -> Outcome {
        let Some(known) = NAMESPACES.iter().position(|name| *name == namespace) else {
            self.turned_away(at, NOWHERE, "Invalid namespace");
            return Outcome::Nothing;
        };
        self.sessions[at].removed.remove(&known);
        if self.socket_in(at, known).is_some() {
            return self.wrong(at, CloseReason::ForcedServerClose);
        }
        let mine = |namespace: &usize| self.socket_in(at, *namespace).is_some();
        let count = (0..NAMESPACES.len()).filter(mine).count();
        if count >= self.config.limits.namespaces_per_session {
            self.turned_away(at, namespace, "Too many namespaces");
            return Outcome::Nothing;
        }
        self.due.push(if namespace == "/gate" {
            Due::Connecting(at, known, auth)
        } else {
            Due::Connected(at, known, auth)
        });
        Outcome::Nothing
    }

    /// A client hears that it may not join.
    fn turned_away(&mut self, at: usize, namespace: &str, why: &str) {
        let why = Value::Text(why.into());
        let packet = Packet {
            kind: Kind::ConnectError,
            namespace: namespace.into(),
            id: None,
            data: alloc::vec![Value::Object(alloc::vec![("message".into(), why)])],
        };
        self.queue_for(at, packet, None, false);
    }

    fn wrong(&mut self, at: usize, reason: CloseReason) -> Outcome {
        self.ends(at, reason);
        Outcome::Error
    }

    fn part(&mut self, at: usize, part: &[u8]) -> Outcome {
        let Some(partial) = &mut self.sessions[at].partial else {
            return self.wrong(at, CloseReason::ForcedClose);
        };
        partial.got.push_back(part.to_vec());
        if partial.got.len() < partial.parts {
            return Outcome::Nothing;
        }
        let Some(mut partial) = self.sessions[at].partial.take() else {
            return Outcome::Nothing;
        };
        partial
            .packet
            .data
            .iter_mut()
            .for_each(|value| put(value, &mut partial.got));
        self.whole(at, partial.packet)
    }

    fn whole(&mut self, at: usize, packet: Packet) -> Outcome {
        let Some(socket) = self.home(at, &packet.namespace) else {
            return Outcome::Nothing; // removed while parts were due
        };
        if packet.kind == Kind::Event {
            return Outcome::Event(packet);
        }
        if let Some(token) = packet.id.and_then(|id| self.answers(socket, id)) {
            self.due.push(Due::Answered(token, socket, packet.data));
        }
        Outcome::Nothing
    }

    /// Whether all that open sessions were to get has been read, by clients who read.
    pub(in crate::sim) fn settled(&self, now: Tick) -> Result<(), String> {
        for (at, session) in self.sessions.iter().enumerate() {
            let reads = session.open && session.lapse < now.0 && !session.left;
            let missing = session.queue.iter().find(|e| !e.volatile);
            if let Some(missing) = missing.filter(|_| reads) {
                return Err(format!("session {at} never got {:?}", missing.packet));
            }
        }
        Ok(())
    }

    pub(in crate::sim) fn sockets_open(&self) -> usize {
        let open = |state| state != State::Out;
        self.sockets.iter().filter(|s| open(s.state)).count()
    }
}

/// Puts the parts that came in the place of those that were promised: a client may break its word.
fn put(value: &mut Value, parts: &mut VecDeque<Vec<u8>>) {
    match value {
        Value::Binary(bytes) => *bytes = parts.pop_front().unwrap_or_default(),
        Value::List(list) => list.iter_mut().for_each(|value| put(value, parts)),
        Value::Object(fields) => fields.iter_mut().for_each(|(_, value)| put(value, parts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// Whether this is the packet that was expected. A question's id is the hub's choice.
fn same(expected: &Expected, packet: &Packet) -> bool {
    if expected.asks.is_none() {
        return expected.packet == *packet;
    }
    let mut wanted = expected.packet.clone();
    wanted.id = packet.id;
    packet.id.is_some() && wanted == *packet
}
