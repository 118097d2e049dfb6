//! Answers: what does the user's code do with rooms and sockets, and the shell with sessions.

use alloc::{boxed::Box, sync::Arc, vec::Vec};

use super::{
    app::{ROOMS, selection},
    mail::OUTSIDE,
    oracle::{State, Target},
    world::{Task, World},
};
use crate::{
    hub::{Action, Hub, Mail, Publication},
    room::Change,
    sim::client::NAMESPACES,
};

/// A WebSocket's pong without data.
pub(super) const PONG: [u8; 2] = [0x8a, 0];

impl World {
    pub(super) fn join(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let room = self.random.pick(&ROOMS);
        let open = self.oracle.sockets[socket].state == State::In;
        let was = self.oracle.sockets[socket].rooms.contains(room);
        let is = open && self.oracle.join(socket, room);
        let change = self.hubs[hub].join(key, room);
        let right = match (open && !was, is) {
            (false, _) => change == Change::None,
            (true, false) => change == Change::Full,
            (true, true) => change == self.oracle.change(socket, room),
        };
        self.log(format_args!("{socket} joins {room}: {change:?}"));
        self.oracle.expect(right, "a wrong answer to a join");
        self.drain(hub);
    }

    pub(super) fn leave_room(&mut self, socket: usize) {
        let (hub, key) = self.place(socket);
        let room = self.random.pick(&ROOMS);
        let was = self.oracle.sockets[socket].rooms.remove(room);
        let change = self.hubs[hub].leave(key, room);
        self.log(format_args!("{socket} leaves {room}: {change:?}"));
        let wanted = if was {
            self.oracle.change(socket, room)
        } else {
            Change::None
        };
        let right = change == wanted;
        self.oracle.expect(right, "a wrong answer to a leave");
        self.drain(hub);
    }

    pub(super) fn move_many(&mut self, hub: usize, socket: Option<usize>) {
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
        let selection = selection(to);
        if !self.has_room(hub, &selection) {
            return;
        }
        let reach = self.hubs[hub].reach(&selection);
        self.shells[hub].mailed = 0;
        self.oracle.act(hub, to, &action, self.now);
        self.hubs[hub].act(self.now, selection, action);
        self.drain(hub);
        self.check_reach(hub, reach);
    }

    // ---- removing ----

    /// A client is told something and its session ends, as one whose login has run out.
    pub(super) fn dismiss(&mut self, client: usize) {
        let sockets = &self.oracle.sockets;
        let is_in = |s: &super::oracle::Socket| s.session == client && s.state == State::In;
        if let Some(socket) = sockets.iter().position(is_in) {
            self.emit(socket, false);
            self.kick(socket, true);
        }
    }

    pub(super) fn kick(&mut self, socket: usize, close: bool) {
        let (hub, key) = self.place(socket);
        let there = self.oracle.sockets[socket].state != State::Out;
        self.log(format_args!("{socket} is removed, close {close}"));
        if there {
            self.oracle.kicked(socket, close, self.now);
        }
        let took = self.hubs[hub].disconnect(self.now, key, close);
        self.oracle
            .expect(took == there, "a wrong answer to a removal");
        self.drain(hub);
    }

    pub(super) fn kick_many(&mut self, hub: usize) {
        let mut to = self.target(None);
        if to.rooms.is_empty() {
            to.rooms.push(self.room());
        }
        let close = self.random.chance(30);
        self.act_on(hub, &to, Action::Disconnect { close });
    }

    // ---- asking who is there ----

    pub(super) fn count(&mut self, hub: usize, socket: Option<usize>) {
        let to = self.target(socket);
        let ids = self.hubs[hub].sockets(&selection(&to));
        let mut ids: Vec<_> = ids.iter().map(alloc::string::ToString::to_string).collect();
        let meant = self.oracle.meant(hub, &to).into_iter();
        let mut meant: Vec<_> = meant.map(|at| self.oracle.sockets[at].id.clone()).collect();
        ids.sort();
        meant.sort();
        self.oracle.expect(ids == meant, "others than were meant");
    }

    // ---- what a shell does ----

    /// What is queued for a session waits for a while.
    pub(super) fn hold(&mut self, socket: usize) {
        let client = self.oracle.sockets[socket].session;
        let session = &self.oracle.sessions[client];
        let (hub, key, open) = (session.hub, session.key, session.open);
        // What was queued before leaves, as it does before a shell holds a session.
        self.leave(hub);
        let open = open && self.oracle.sessions[client].open;
        let wanted = open && self.net.carrier(client).is_some();
        let took = self.hubs[hub].hold(key);
        self.log(format_args!("client {client} is held: {took}"));
        self.oracle
            .expect(took == wanted, "a session was wrongly held or not");
        if took {
            self.held.insert(client);
            let wait = self.random.below(40);
            self.after(wait, Task::Release(client));
        }
    }

    pub(super) fn release(&mut self, client: usize) {
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        if self.held.remove(&client) {
            // What was kept meanwhile still goes before.
            self.oracle.sessions[client].unsure = true;
        }
        self.hubs[hub].release(key);
        self.drain(hub);
    }

    /// The reader of a WebSocket answers a ping.
    pub(super) fn raw(&mut self, socket: usize) {
        let client = self.oracle.sockets[socket].session;
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        let wanted = session.open && self.net.carrier(client).is_some();
        let took = self.hubs[hub].push_raw(key, &PONG);
        self.oracle
            .expect(took == wanted, "raw bytes for a poll, or for nobody");
        if took {
            self.oracle.fills(client);
        }
        self.drain(hub);
    }

    /// Somebody who is no hub publishes through one, once or twice.
    pub(super) fn relay(&mut self, hub: usize, socket: Option<usize>) {
        for _ in 0..self.random.between(1, 2) {
            self.relay_one(hub, socket);
        }
    }

    fn relay_one(&mut self, hub: usize, socket: Option<usize>) {
        let mut to = self.target(socket);
        to.not = None;
        let volatile = self.random.chance(20);
        let message = self.compose();
        let packet = message.packet(to.namespace);
        self.log(format_args!("{packet:?} is relayed to {to:?} by {hub}"));
        let name = NAMESPACES[to.namespace];
        let Ok(frame) = Hub::encode_event(name, &message.emit(volatile), usize::MAX) else {
            return self.oracle.blame("a small packet is too large".into());
        };
        self.oracle.relay(hub, &to, packet, volatile);
        let publication = Publication {
            to: selection(&to),
            frame,
            volatile,
            compress: true,
            ack: None,
        };
        self.mail_leaves(OUTSIDE, hub, Mail::Relay(Arc::new(publication)));
    }
}
