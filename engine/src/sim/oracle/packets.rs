//! Answers: which packets must a session get, and what must a packet from it lead to.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use super::{Due, Expected, Letter, Oracle, Partial, Question, State, Target};
use crate::{
    error::CloseReason,
    hub::Action,
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
        let session = &mut self.sessions[self.sockets[socket].session];
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
        let kick = |e: &&Expected| e.packet.kind == Kind::Disconnect;
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

    /// A client sees its session's end. `closed` if by a close packet or the connection's end after
    /// everything that was sent; otherwise a request was turned away.
    pub(in crate::sim) fn ended(&mut self, at: usize, closed: bool) {
        let session = &self.sessions[at];
        let polite = matches!(
            session.closed,
            Some(
                CloseReason::ForcedClose
                    | CloseReason::ForcedServerClose
                    | CloseReason::ServerShuttingDown
            )
        );
        let unread = session.queue.iter().any(|expected| !expected.volatile);
        let must_read = closed && polite && !session.excused && !session.left;
        if session.open && !session.left && !session.excused {
            self.blame(format!("session {at} is open and its client was sent away"));
        } else if must_read && unread {
            let lost = session.queue.front().map(|e| &e.packet);
            let what = format!("session {at} closed politely and lost {lost:?}");
            self.blame(what);
        }
    }

    // ---- many ----

    /// The application publishes: here at once, elsewhere when the mail arrives. Returns how many
    /// mails go out.
    pub(in crate::sim) fn publish(
        &mut self,
        from: usize,
        to: &Target,
        packet: Packet,
        volatile: bool,
        question: Option<(Question, Tick)>,
    ) -> usize {
        let expected = Expected {
            packet,
            volatile,
            asks: None,
        };
        let hubs = self.addressed(from, to);
        for hub in &hubs {
            let question = question.map(|(question, _)| question);
            let letter = Letter::Publish(to.clone(), expected.clone(), question);
            self.letters
                .entry((from, *hub))
                .or_default()
                .push_back(letter);
        }
        self.deliver(from, to, &expected, question);
        hubs.len()
    }

    /// The application does something with many.
    pub(in crate::sim) fn act(&mut self, from: usize, to: &Target, action: &Action) -> usize {
        let hubs = self.addressed(from, to);
        for hub in &hubs {
            let letter = Letter::Act(to.clone(), action.clone());
            self.letters
                .entry((from, *hub))
                .or_default()
                .push_back(letter);
        }
        self.do_it(from, to, action);
        hubs.len()
    }

    /// A mail arrives. What is in it is not looked at: it must be the first that was written.
    pub(in crate::sim) fn letter_arrives(&mut self, from: usize, hub: usize, now: Tick) {
        let letters = self.letters.entry((from, hub)).or_default();
        match letters.pop_front() {
            Some(Letter::Publish(to, expected, question)) => {
                let question = question.map(|question| (question, now));
                self.deliver(hub, &to, &expected, question);
            }
            Some(Letter::Act(to, action)) => self.do_it(hub, &to, &action),
            None => self.blame(format!(
                "a mail from {from} to {hub} that nobody had to write"
            )),
        }
    }

    /// Letters that did not arrive.
    pub(in crate::sim) fn letters_left(&self) -> usize {
        self.letters.values().map(VecDeque::len).sum()
    }

    fn deliver(
        &mut self,
        hub: usize,
        to: &Target,
        expected: &Expected,
        question: Option<(Question, Tick)>,
    ) {
        let meant = self.meant(hub, to);
        let Some((question, now)) = question else {
            for socket in meant {
                self.queue(socket, expected.packet.clone(), None, expected.volatile);
            }
            return;
        };
        let mut asked = 0;
        for socket in meant {
            if self.may_ask(socket) {
                asked += 1;
                self.ask(socket, question, now);
                let asks = Some((socket, question.token));
                self.queue(socket, expected.packet.clone(), asks, false);
            }
        }
        self.due.push(Due::Asked(question.token, hub, asked));
    }

    fn do_it(&mut self, hub: usize, to: &Target, action: &Action) {
        for socket in self.meant(hub, to) {
            match action {
                Action::Join(rooms) => rooms.iter().for_each(|room| {
                    self.join(socket, room);
                }),
                Action::Leave(rooms) => rooms.iter().for_each(|room| {
                    self.sockets[socket].rooms.remove(&**room);
                }),
                Action::Disconnect { close } => self.kicked(socket, *close),
            }
        }
    }

    /// Whether a socket is in a room after it was to join.
    pub(in crate::sim) fn join(&mut self, socket: usize, room: &str) -> bool {
        let max = self.config.limits.rooms_per_socket;
        let rooms = &mut self.sockets[socket].rooms;
        if rooms.len() < max {
            rooms.insert(room.into());
        }
        rooms.contains(room)
    }

    // ---- what a packet must lead to ----

    /// A packet reaches the server: what it must answer, and what must follow.
    pub(in crate::sim) fn predict(&mut self, at: usize, what: &What, now: Tick) -> Outcome {
        let session = &mut self.sessions[at];
        if !session.open {
            return match what {
                // The hub need not look at what comes after the end, but may.
                What::BadEngine(_) => Outcome::Error,
                _ => Outcome::Nothing,
            };
        }
        session.heard = now.0;
        match what {
            What::Ignored | What::Probe => return Outcome::Nothing,
            What::Pong => {
                session.beat = now.0;
                return Outcome::Nothing;
            }
            What::Close => {
                self.ends(at, CloseReason::TransportClose);
                return Outcome::Nothing;
            }
            What::BadEngine(reason) => return self.wrong(at, *reason),
            What::Part(part) => return self.part(at, part),
            _ if session.partial.is_some() => return self.wrong(at, CloseReason::ForcedClose),
            _ => {}
        }
        match what {
            What::Connect(namespace) => self.predict_connect(at, namespace),
            What::Bad(reason, Some(namespace)) if self.home(at, namespace).is_some() => {
                self.wrong(at, *reason)
            }
            What::Bad(reason, None) => self.wrong(at, *reason),
            What::Leave(namespace) => {
                let Some(socket) = self.home(at, namespace) else {
                    return self.wrong(at, CloseReason::ForcedServerClose);
                };
                let reason = CloseReason::ClientNamespaceDisconnect;
                self.due.push(Due::Disconnected(socket, reason));
                Outcome::Nothing
            }
            What::Packet(packet, parts) if self.home(at, &packet.namespace).is_some() => {
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

    fn predict_connect(&mut self, at: usize, namespace: &str) -> Outcome {
        let Some(known) = NAMESPACES.iter().position(|name| *name == namespace) else {
            let text = Value::Text("Invalid namespace".into());
            let data = alloc::vec![Value::Object(alloc::vec![("message".into(), text)])];
            self.sessions[at].queue.push_back(Expected {
                packet: Packet {
                    kind: Kind::ConnectError,
                    namespace: NOWHERE.into(),
                    id: None,
                    data,
                },
                volatile: false,
                asks: None,
            });
            return Outcome::Nothing;
        };
        if self.socket_in(at, known).is_some() {
            return self.wrong(at, CloseReason::ForcedServerClose);
        }
        self.due.push(if namespace == "/gate" {
            Due::Connecting(at, known)
        } else {
            Due::Connected(at, known)
        });
        Outcome::Nothing
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
    pub(in crate::sim) fn settled(&self) -> Result<(), String> {
        for (at, session) in self.sessions.iter().enumerate() {
            let reads = session.open && !session.excused && !session.left;
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
