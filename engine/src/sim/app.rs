//! Answers: what does the user's code do.
//!
//! Chance decides: it echoes, publishes, asks, moves sockets between rooms, removes them, answers
//! now, later or never. Before each call the oracle is told, so that it knows what must follow.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use bytes::Bytes;

use super::{
    client::{self, NAMESPACES},
    oracle::{Fate, Question, State, Target},
    wire::{self, Kind, Packet, Value},
    world::{Task, World},
};
use crate::{
    hub::{Emit, Hub, Selection, SocketKey},
    id::{NamespaceId, SocketId},
};

pub(super) const ROOMS: [&str; 6] = ["r0", "r1", "r2", "r3", "a room", "\"ö"];

/// An event that the application sends.
pub(super) struct Message {
    name: &'static str,
    args: Vec<Value>,
    json: String,
    parts: Vec<Bytes>,
}

impl Message {
    pub(super) const fn emit(&self, volatile: bool) -> Emit<'_> {
        Emit {
            name: self.name,
            args: self.json.as_str(),
            attachments: self.parts.as_slice(),
            volatile,
            compress: true,
        }
    }

    /// Bytes of the packet in a frame.
    fn bytes(&self, namespace: usize) -> usize {
        let frame = Hub::encode_event(NAMESPACES[namespace], &self.emit(false), usize::MAX);
        frame.map_or(0, |frame| frame.0.len())
    }

    pub(super) fn packet(&self, namespace: usize) -> Packet {
        let mut data = alloc::vec![Value::Text(self.name.into())];
        data.extend(self.args.iter().cloned());
        Packet {
            kind: Kind::Event,
            namespace: NAMESPACES[namespace].into(),
            id: None,
            data,
        }
    }
}

impl World {
    /// A new event; its number is in it.
    pub(super) fn compose(&mut self) -> Message {
        let number = self.number();
        let bound = self.config.limits.outbox_bytes;
        let long = match self.random.below(40) {
            0 => (bound / 4).min(70_000),
            _ => 2_000,
        };
        let args = client::arguments(&mut self.random, number, long);
        let mut parts = Vec::new();
        Message {
            name: client::name(&mut self.random),
            json: wire::write(&args, &mut parts),
            args,
            parts,
        }
    }

    /// A handler runs.
    pub(super) fn hears(&mut self, hub: usize, key: SocketKey, packet: &Packet) {
        let Some(socket) = self.oracle.socket(hub, key) else {
            return self.oracle.blame("an event for nobody".into());
        };
        let name = NAMESPACES[self.oracle.sockets[socket].namespace];
        let right = self.oracle.sockets[socket].state == State::In && name == packet.namespace;
        self.oracle
            .expect(right, "an event for a socket that is not there");
        if let Some(id) = packet.id {
            match self.random.below(10) {
                0..=5 => self.acknowledge(socket, id),
                6..=8 => {
                    let wait = self.random.below(300);
                    self.after(wait, Task::LateAck(socket, id));
                }
                _ => {}
            }
        }
        if self.playing && self.random.chance(60) {
            self.does(hub, Some(socket));
        }
    }

    pub(super) fn acknowledge(&mut self, socket: usize, id: u64) {
        let number = self.number();
        let data = client::arguments(&mut self.random, number, 100);
        let mut parts = Vec::new();
        let json = wire::write(&data, &mut parts);
        let (hub, key) = self.place(socket);
        let open = self.oracle.sockets[socket].state == State::In;
        if open {
            self.oracle.send(socket, Kind::Ack, Some(id), data);
        }
        let took = self.hubs[hub].ack(key, id, &json, &parts) == Ok(true);
        self.oracle
            .expect(took == open, "an answer to the wrong socket");
        self.drain(hub);
    }

    pub(super) fn place(&self, socket: usize) -> (usize, SocketKey) {
        let socket = &self.oracle.sockets[socket];
        (socket.hub, socket.key)
    }

    // ---- the door of /gate ----

    pub(super) fn knocks(&mut self, hub: usize, key: SocketKey) {
        let Some(socket) = self.oracle.socket(hub, key) else {
            return;
        };
        if self.random.chance(95) {
            let wait = self.random.below(250);
            self.after(wait, Task::Admit(socket));
        }
    }

    /// Whoever knocked is let in or turned away.
    pub(super) fn admit(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let waits = self.oracle.sockets[socket].state == State::Connecting;
        if self.random.chance(75) {
            if waits {
                self.oracle.admit(socket);
            }
            let took = self.hubs[hub].accept(key);
            self.oracle
                .expect(took == waits, "a wrong socket was let in");
        } else {
            let data = self.random.chance(50).then_some("{\"why\":[1]}");
            if waits {
                let text = Value::Text("not \"you\"".into());
                let mut fields = alloc::vec![("message".into(), text)];
                if data.is_some() {
                    let list = Value::List(alloc::vec![Value::Number(1)]);
                    let object = Value::Object(alloc::vec![("why".into(), list)]);
                    fields.push(("data".into(), object));
                }
                self.oracle.refused(socket, Value::Object(fields));
            }
            let refused = self.hubs[hub].refuse(key, "not \"you\"", data);
            self.oracle
                .expect(refused.is_ok(), "a small packet is too large");
        }
        self.drain(hub);
    }

    // ---- deeds ----

    pub(super) fn deed(&mut self, hub: usize) {
        if self.playing {
            self.does(hub, None);
            let wait = self.random.between(5, 120);
            self.after(wait, Task::Deed(hub));
        }
    }

    fn does(&mut self, hub: usize, socket: Option<usize>) {
        let socket = socket.or_else(|| self.anybody(hub));
        match (self.random.below(110), socket) {
            (0..=17, Some(socket)) => self.emit(socket, false),
            (18..=26, Some(socket)) => self.emit(socket, true),
            (27..=44, socket) => self.publish(hub, socket),
            (45..=52, Some(socket)) => self.emit_with_ack(socket),
            (53..=60, socket) => self.publish_with_ack(hub, socket),
            (61..=79, Some(socket)) => self.join(socket),
            (80..=85, Some(socket)) => self.leave_room(socket),
            (86..=92, socket) => self.move_many(hub, socket),
            (93..=95, Some(socket)) => {
                let close = self.random.chance(40);
                self.kick(socket, close);
            }
            (96, _) => self.kick_many(hub),
            (97..=98, Some(socket)) => self.flood(socket),
            (99..=101, socket) => self.count(hub, socket),
            (102..=103, Some(socket)) => self.hold(socket),
            (104..=105, Some(socket)) => self.raw(socket),
            (106, _) => self.early(hub),
            (107..=109, socket) => self.relay(hub, socket),
            _ => {}
        }
    }

    /// What user code said so far leaves in the middle of a turn.
    fn early(&mut self, hub: usize) {
        if self.hubs[hub].dirty() > 0 {
            self.leave(hub);
        }
    }

    /// Some socket of a hub, mostly one that is in.
    fn anybody(&mut self, hub: usize) -> Option<usize> {
        let stale = self.random.chance(5);
        let fits = |at: &usize| {
            let socket = &self.oracle.sockets[*at];
            socket.hub == hub && (stale || socket.state == State::In)
        };
        let all: Vec<_> = (0..self.oracle.sockets.len()).filter(fits).collect();
        (!all.is_empty()).then(|| self.random.pick(&all))
    }

    pub(super) fn emit(&mut self, socket: usize, volatile: bool) {
        let (hub, key) = self.place(socket);
        let message = self.compose();
        self.see_who_takes(hub);
        let at = &self.oracle.sockets[socket];
        let (open, namespace) = (at.state == State::In, at.namespace);
        let fate = if volatile {
            self.oracle.fate(at.session)
        } else {
            Fate::Comes
        };
        let took = self.hubs[hub].emit(key, &message.emit(volatile)) == Ok(true);
        let right = match fate {
            Fate::Comes => took == open,
            Fate::Lost => !took,
            Fate::Either => open || !took,
        };
        self.oracle
            .expect(right, "an emit was wrongly taken or not");
        if took {
            let packet = message.packet(namespace);
            self.oracle.send(socket, Kind::Event, None, packet.data);
        }
        self.drain(hub);
    }

    /// Notes whose transport takes something at this moment.
    pub(super) fn see_who_takes(&mut self, hub: usize) {
        for at in 0..self.oracle.sessions.len() {
            let session = &self.oracle.sessions[at];
            if session.open && session.hub == hub {
                let parked = self.parked.contains_key(&(hub, session.key.to_bits()));
                let held = self.held.contains(&at);
                let carrier = self.net.carrier(at);
                let takes = carrier.map_or(parked, |conn| !self.net.conns[conn].full && !held);
                self.oracle.sessions[at].takes = takes;
            }
        }
    }

    /// More than the bound for somebody who may be slow to read.
    fn flood(&mut self, socket: usize) {
        let session = self.oracle.sockets[socket].session;
        if self.oracle.sessions[session].lapse > self.now.0 {
            for _ in 0..self.config.limits.outbox_bytes / 60 {
                self.emit(socket, false);
            }
        }
    }

    pub(super) fn room(&mut self) -> String {
        let sockets = self.oracle.sockets.len();
        if sockets > 0 && self.random.chance(12) {
            // A socket's id is its room, also when it is gone.
            let at = self.random.index(sockets);
            return self.oracle.sockets[at].id.clone();
        }
        self.random.pick(&ROOMS).into()
    }

    pub(super) fn target(&mut self, socket: Option<usize>) -> Target {
        let of = socket.map(|socket| &self.oracle.sockets[socket]);
        let namespace = of.map(|s| s.namespace);
        let not = of.map(|s| s.id.clone());
        let not = not.filter(|_| self.random.chance(40));
        let namespace = namespace.unwrap_or_else(|| self.random.index(NAMESPACES.len()));
        let rooms = self.random.pick(&[0, 1, 1, 1, 2, 3]);
        let except = self.random.pick(&[0, 0, 0, 1, 2]);
        Target {
            namespace,
            rooms: (0..rooms).map(|_| self.room()).collect(),
            except: (0..except).map(|_| self.room()).collect(),
            not,
        }
    }

    fn publish(&mut self, hub: usize, socket: Option<usize>) {
        let to = self.target(socket);
        let volatile = self.random.chance(20);
        let message = self.compose();
        let packet = message.packet(to.namespace);
        self.log(format_args!("hub {hub} publishes {packet:?} to {to:?}"));
        let selection = selection(&to);
        if !self.has_room(hub, &selection) {
            return;
        }
        self.see_who_takes(hub);
        let reach = self.hubs[hub].reach(&selection);
        self.shells[hub].mailed = 0;
        let (before, most) = (self.encoded(hub), message.bytes(to.namespace));
        let some = !self.oracle.meant(hub, &to).is_empty();
        self.oracle.publish(hub, &to, packet, volatile, None);
        let published = self.hubs[hub].publish(self.now, selection, &message.emit(volatile));
        self.oracle
            .expect(published.is_ok(), "a small packet is too large");
        let bytes = self.encoded(hub) - before;
        let right = bytes <= if some { most } else { 0 };
        self.oracle
            .expect(right, "more was encoded than one packet, or for nobody");
        self.drain(hub);
        self.check_reach(hub, reach);
    }

    fn question(&mut self) -> Question {
        Question {
            token: self.number(),
            wait: self.random.between(30, 700),
        }
    }

    fn emit_with_ack(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let message = self.compose();
        let question = self.question();
        let at = &self.oracle.sockets[socket];
        let right = at.state == State::In && self.oracle.may_ask(socket);
        if right {
            let packet = message.packet(at.namespace);
            self.oracle
                .emit_with_ack(socket, packet, question, self.now);
        }
        let wait = Duration::from_millis(question.wait);
        let (emit, token) = (message.emit(false), question.token);
        let took = self.hubs[hub].emit_with_ack(self.now, key, &emit, token, wait) == Ok(true);
        self.oracle
            .expect(took == right, "a question to the wrong socket");
        self.drain(hub);
    }

    fn publish_with_ack(&mut self, hub: usize, socket: Option<usize>) {
        let to = self.target(socket);
        let message = self.compose();
        let question = self.question();
        let packet = message.packet(to.namespace);
        self.log(format_args!("hub {hub} asks {packet:?} of {to:?}"));
        let selection = selection(&to);
        if !self.has_room(hub, &selection) {
            return;
        }
        let asks = Some((question, self.now));
        self.see_who_takes(hub);
        // Who loses a volatile question is not asked: to be foretold only where one hub decides.
        let certain = self.hubs.len() == 1 && self.oracle.is_certain(hub, &to);
        let volatile = certain && self.random.chance(30);
        let others = self.oracle.publish(hub, &to, packet, volatile, asks);
        let wait = Duration::from_millis(question.wait);
        let (emit, token) = (message.emit(volatile), question.token);
        let asked = self.hubs[hub].publish_with_ack(self.now, selection, &emit, token, wait);
        let right = asked == Ok(1 + others as u32);
        self.oracle
            .expect(right, "a wrong number of hubs was asked");
        self.drain(hub);
    }
}

pub(super) fn selection(to: &Target) -> Selection {
    let mut selection = Selection::all(NamespaceId(to.namespace as u16));
    for room in &to.rooms {
        selection = selection.to(room.as_str());
    }
    for room in &to.except {
        selection = selection.except(room.as_str());
    }
    selection.not = to.not.as_deref().and_then(SocketId::parse);
    selection
}
