//! Answers: what does the user's code do.
//!
//! Chance decides: it echoes, publishes, asks, moves sockets between rooms, removes them, answers
//! now, later or never. Before each call the oracle is told, so that it knows what must follow.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::time::Duration;

use bytes::Bytes;

use super::{
    client::{self, NAMESPACES},
    oracle::{Question, State, Target},
    wire::{self, Kind, Packet, Value},
    world::{Task, World},
};
use crate::{
    hub::{Action, Emit, Selection, SocketKey},
    id::{NamespaceId, SocketId},
    room::Change,
};

const ROOMS: [&str; 6] = ["r0", "r1", "r2", "r3", "a room", "\"ö"];

/// An event that the application sends.
struct Message {
    name: &'static str,
    args: Vec<Value>,
    json: String,
    parts: Vec<Bytes>,
}

impl Message {
    const fn emit(&self, volatile: bool) -> Emit<'_> {
        Emit {
            name: self.name,
            args: self.json.as_str(),
            attachments: self.parts.as_slice(),
            volatile,
        }
    }

    fn packet(&self, namespace: usize) -> Packet {
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
    fn compose(&mut self) -> Message {
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

    fn place(&self, socket: usize) -> (usize, SocketKey) {
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
        match (self.random.below(100), socket) {
            (0..=19, Some(socket)) => self.emit(socket, false),
            (20..=24, Some(socket)) => self.emit(socket, true),
            (25..=44, socket) => self.publish(hub, socket),
            (45..=52, Some(socket)) => self.ask_one(socket),
            (53..=60, socket) => self.ask_many(hub, socket),
            (61..=79, Some(socket)) => self.join(socket),
            (80..=85, Some(socket)) => self.leave_room(socket),
            (86..=92, socket) => self.move_many(hub, socket),
            (93..=95, Some(socket)) => self.kick(socket),
            (96, _) => self.kick_many(hub),
            (97..=98, Some(socket)) => self.flood(socket),
            _ => {}
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

    fn emit(&mut self, socket: usize, volatile: bool) {
        let (hub, key) = self.place(socket);
        let message = self.compose();
        let at = &self.oracle.sockets[socket];
        let (open, namespace) = (at.state == State::In, at.namespace);
        let took = self.hubs[hub].emit(key, &message.emit(volatile)) == Ok(true);
        let right = took == open || (volatile && open);
        self.oracle.expect(right, "an emit to the wrong socket");
        if took {
            let packet = message.packet(namespace);
            self.oracle.send(socket, Kind::Event, None, packet.data);
        }
        self.drain(hub);
    }

    /// More than the bound for somebody who may be slow to read.
    fn flood(&mut self, socket: usize) {
        let session = self.oracle.sockets[socket].session;
        if self.oracle.sessions[session].excused {
            for _ in 0..self.config.limits.outbox_bytes / 60 {
                self.emit(socket, false);
            }
        }
    }

    fn room(&mut self) -> String {
        let sockets = self.oracle.sockets.len();
        if sockets > 0 && self.random.chance(12) {
            // A socket's id is its room, also when it is gone.
            let at = self.random.index(sockets);
            return self.oracle.sockets[at].id.clone();
        }
        self.random.pick(&ROOMS).into()
    }

    fn target(&mut self, socket: Option<usize>) -> Target {
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
        let volatile = self.random.chance(10);
        let message = self.compose();
        let packet = message.packet(to.namespace);
        self.log(format_args!("hub {hub} publishes {packet:?} to {to:?}"));
        let selection = selection(&to);
        self.oracle.publish(hub, &to, packet, volatile, None);
        let published = self.hubs[hub].publish(self.now, selection, &message.emit(volatile));
        self.oracle
            .expect(published.is_ok(), "a small packet is too large");
        self.drain(hub);
    }

    fn question(&mut self) -> Question {
        Question {
            token: self.number(),
            wait: self.random.between(30, 700),
        }
    }

    fn ask_one(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let message = self.compose();
        let question = self.question();
        let at = &self.oracle.sockets[socket];
        let right = at.state == State::In && self.oracle.may_ask(socket);
        if right {
            let packet = message.packet(at.namespace);
            self.oracle.ask_one(socket, packet, question, self.now);
        }
        let wait = Duration::from_millis(question.wait);
        let (emit, token) = (message.emit(false), question.token);
        let took = self.hubs[hub].ask_one(self.now, key, &emit, token, wait) == Ok(true);
        self.oracle
            .expect(took == right, "a question to the wrong socket");
        self.drain(hub);
    }

    fn ask_many(&mut self, hub: usize, socket: Option<usize>) {
        let to = self.target(socket);
        let message = self.compose();
        let question = self.question();
        let packet = message.packet(to.namespace);
        self.log(format_args!("hub {hub} asks {packet:?} of {to:?}"));
        let selection = selection(&to);
        let asks = Some((question, self.now));
        let others = self.oracle.publish(hub, &to, packet, false, asks);
        let wait = Duration::from_millis(question.wait);
        let (emit, token) = (message.emit(false), question.token);
        let asked = self.hubs[hub].ask_many(self.now, selection, &emit, token, wait);
        let right = asked == Ok(1 + others as u32);
        self.oracle
            .expect(right, "a wrong number of hubs was asked");
        self.drain(hub);
    }

    // ---- rooms ----

    fn join(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let room = self.random.pick(&ROOMS);
        let open = self.oracle.sockets[socket].state == State::In;
        let was = self.oracle.sockets[socket].rooms.contains(room);
        let is = open && self.oracle.join(socket, room);
        let change = self.hubs[hub].join(key, room);
        let right = match change {
            Change::None => !open || was,
            Change::Full => open && !is,
            Change::Member | Change::Room => is && !was,
        };
        self.log(format_args!("{socket} joins {room}: {change:?}"));
        self.oracle.expect(right, "a wrong answer to a join");
        self.drain(hub);
    }

    fn leave_room(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let room = self.random.pick(&ROOMS);
        let was = self.oracle.sockets[socket].rooms.remove(room);
        let change = self.hubs[hub].leave(key, room);
        self.log(format_args!("{socket} leaves {room}: {change:?}"));
        let right = (change != Change::None) == was;
        self.oracle.expect(right, "a wrong answer to a leave");
        self.drain(hub);
    }

    fn move_many(&mut self, hub: usize, socket: Option<usize>) {
        let to = self.target(socket);
        let rooms = alloc::vec![Box::from(self.random.pick(&ROOMS))];
        let action = if self.random.chance(65) {
            Action::Join(rooms)
        } else {
            Action::Leave(rooms)
        };
        self.act_on(hub, &to, action);
    }

    fn act_on(&mut self, hub: usize, to: &Target, action: Action) {
        self.log(format_args!("hub {hub}: {action:?} for {to:?}"));
        self.oracle.act(hub, to, &action);
        self.hubs[hub].act(self.now, selection(to), action);
        self.drain(hub);
    }

    // ---- removing ----

    fn kick(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let close = self.random.chance(40);
        let there = self.oracle.sockets[socket].state != State::Out;
        self.log(format_args!("{socket} is removed, close {close}"));
        if there {
            self.oracle.kicked(socket, close);
        }
        let took = self.hubs[hub].disconnect(self.now, key, close);
        self.oracle
            .expect(took == there, "a wrong answer to a removal");
        self.drain(hub);
    }

    fn kick_many(&mut self, hub: usize) {
        let mut to = self.target(None);
        if to.rooms.is_empty() {
            to.rooms.push(self.room());
        }
        let close = self.random.chance(30);
        self.act_on(hub, &to, Action::Disconnect { close });
    }
}

fn selection(to: &Target) -> Selection {
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
