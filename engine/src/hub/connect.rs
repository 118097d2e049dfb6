//! Answers: how does a socket come into its namespace, into rooms, and out again.

use alloc::{boxed::Box, string::String, vec::Vec};

use super::{
    AckOutcome, Client, Ending, Event, Extra, Hub, NONE, SessionKey, Socket, SocketKey,
    publish::queue,
};
use crate::{
    chunks::trim,
    error::{CloseReason, PacketTooLarge, PeerError},
    id::{NamespaceId, SocketId},
    limits::NAME_BYTES_MAX,
    room::{Change, Member},
    sio::{
        encode::{Body, Outgoing},
        json,
    },
    time::Tick,
};

/// What a peer is told whose socket was removed before it was let in.
const REMOVED: &str = r#"{"message":"disconnected by the server"}"#;

impl Hub {
    /// CONNECT arrives.
    pub(super) fn recv_connect(
        &mut self,
        session: SessionKey,
        name: &str,
        auth: Option<&str>,
    ) -> Result<(), PeerError> {
        let Some(namespace) = self.namespace(name) else {
            let _ = self.connect_error(session, name, r#"{"message":"Invalid namespace"}"#);
            return Ok(());
        };
        let max = self.config().limits.namespaces_per_session;
        let Some(client) = self.sessions.client(session) else {
            return Ok(());
        };
        client.forget_removal(namespace); // what comes from now on is for the new socket
        if client.socket(namespace).is_some() {
            return Err(PeerError::Namespace);
        }
        if client.sockets().len() >= max {
            let _ = self.connect_error(session, name, r#"{"message":"Too many namespaces"}"#);
            return Ok(());
        }
        // The lowest free slot is used, so none is beyond the bound.
        if self.sockets.len() >= self.sockets_max {
            let _ = self.connect_error(session, name, r#"{"message":"Too many sockets"}"#);
            return Ok(());
        }
        let mut random = [0; 11];
        (self.entropy)(&mut random);
        let socket = self.sockets.insert(Socket {
            random,
            connected: false,
            namespace,
            session: session.index(),
            place: NONE,
            visited: 0,
            acks: None,
        });
        let auth = auth.map(Box::from);
        if self.namespaces[usize::from(namespace.0)].gated {
            let client = self.sessions.client(session).expect("seen above");
            client
                .extra
                .get_or_insert_default()
                .more
                .push((namespace, socket.index()));
            self.events.push_back(Event::Connecting {
                socket,
                namespace,
                auth,
            });
        } else {
            self.admit(socket);
            self.events.push_back(Event::Connected {
                socket,
                namespace,
                auth,
            });
        }
        Ok(())
    }

    /// Lets a connecting socket in. False if its peer has gone in the meantime.
    ///
    /// The shell tells user code itself: no [`Event::Connected`] follows.
    pub fn accept(&mut self, key: SocketKey) -> bool {
        let Some(socket) = self.sockets.get(key) else {
            return false;
        };
        if socket.connected {
            return false;
        }
        let session = self.sessions.key_at(socket.session);
        if let Some(client) = self.sessions.client(session) {
            client.remove(key.index());
        }
        self.admit(key);
        true
    }

    fn admit(&mut self, key: SocketKey) {
        let socket = self.sockets.get_mut(key).expect("the caller holds it");
        let (namespace, session) = (socket.namespace, socket.session);
        let state = &mut self.namespaces[usize::from(namespace.0)];
        socket.connected = true;
        socket.place = state.everyone.len() as u32;
        state.everyone.push(Member {
            socket: key.index(),
            session,
        });
        if state.everyone.len() == 1 {
            self.directory.add(self.hash.everyone(namespace));
        }
        let id = SocketId::new(self.shard, key.index(), socket.random).text();
        let id = core::str::from_utf8(&id).expect("base64 is ASCII");
        let mut json = String::with_capacity(40);
        json.push_str("{\"sid\":\"");
        json.push_str(id);
        json.push_str("\"}");
        let state = &self.namespaces[usize::from(namespace.0)];
        let packet = Outgoing {
            namespace: &state.name,
            id: None,
            body: Body::Connect(&json),
            attachments: &[],
        };
        let packet = self.sessions.palette.encode(|out| packet.write(out));
        self.sessions.push(session, packet);
        let session = self.sessions.key_at(session);
        let Some(client) = self.sessions.client(session) else {
            return;
        };
        client.add(namespace, key.index());
        // The deadline for the first namespace is met; one for binary parts is not.
        let waiting = client.extra.as_ref().is_some_and(|e| e.partial.is_some());
        if !waiting {
            self.sessions.set_client_deadline(session, Tick::NEVER);
        }
    }

    /// Turns a connecting socket away with `{"message":…}` and, if given, `"data":…` (JSON).
    ///
    /// # Errors
    /// If that would be too large; it is turned away without a message.
    pub fn refuse(
        &mut self,
        key: SocketKey,
        message: &str,
        data: Option<&str>,
    ) -> Result<(), PacketTooLarge> {
        let Some(socket) = self.sockets.get(key) else {
            return Ok(());
        };
        if socket.connected {
            return Ok(());
        }
        let session = self.sessions.key_at(socket.session);
        let name: String = self.namespace_name(socket.namespace).into();
        let mut json = String::from("{\"message\":");
        json::write_string(&mut json, message);
        if let Some(data) = data {
            json.push_str(",\"data\":");
            json.push_str(data);
        }
        json.push('}');
        let refused = self.connect_error(session, &name, &json);
        if refused.is_err() {
            let _ = self.connect_error(session, &name, r#"{"message":""}"#);
        }
        self.take_out(key);
        refused
    }

    fn connect_error(
        &mut self,
        session: SessionKey,
        name: &str,
        json: &str,
    ) -> Result<(), PacketTooLarge> {
        let packet = Outgoing {
            namespace: name,
            id: None,
            body: Body::ConnectError(json),
            attachments: &[],
        };
        queue(&mut self.sessions, session.index(), &packet).map(drop)
    }

    /// Takes a socket out of every table. Returns it and the rooms it was in.
    fn take_out(&mut self, key: SocketKey) -> Option<(Socket, Vec<Box<str>>)> {
        let socket = self.sockets.remove(key)?;
        let namespace = socket.namespace;
        let mut rooms = Vec::new();
        for (name, gone) in self.rooms.leave_all(key.index()) {
            if gone {
                self.directory.remove(self.hash.room(namespace, &name));
            }
            rooms.push(name);
        }
        if socket.connected {
            let everyone = &mut self.namespaces[usize::from(namespace.0)].everyone;
            everyone.swap_remove(socket.place as usize);
            trim(everyone);
            if let Some(moved) = everyone.get(socket.place as usize) {
                let moved = self
                    .sockets
                    .at_mut(moved.socket)
                    .expect("listed sockets exist");
                moved.place = socket.place;
            }
            if everyone.is_empty() {
                self.directory.remove(self.hash.everyone(namespace));
            }
        }
        if let Some(client) = self.sessions.client_at(socket.session) {
            client.remove(key.index());
        }
        Some((socket, rooms))
    }

    /// A socket leaves: ack requests to it are settled and user code is told.
    pub(super) fn drop_socket(&mut self, key: SocketKey, reason: CloseReason) {
        let Some(id) = self.socket_id(key) else {
            return;
        };
        let Some((socket, rooms)) = self.take_out(key) else {
            return;
        };
        for pending in socket.acks.into_iter().flat_map(|acks| *acks) {
            self.settle(pending, id, AckOutcome::Left);
        }
        self.events.push_back(Event::Disconnected {
            session: self.sessions.key_at(socket.session),
            socket: key,
            id,
            namespace: socket.namespace,
            reason,
            rooms,
            connected: socket.connected,
        });
    }

    /// Removes a socket from its namespace: it gets a DISCONNECT packet and, with `close`, its
    /// session ends with all its sockets. One that was not let in yet is refused: every CONNECT is
    /// answered.
    pub fn disconnect(&mut self, now: Tick, key: SocketKey, close: bool) -> bool {
        self.it_is(now);
        let Some(socket) = self.sockets.get(key) else {
            return false;
        };
        let session = self.sessions.key_at(socket.session);
        let leaving = match self.sessions.client(session) {
            Some(client) if close => client.sockets(),
            _ => [key.index()].into(),
        };
        for slot in leaving {
            let Some(socket) = self.sockets.at(slot) else {
                continue;
            };
            let (namespace, connected) = (socket.namespace, socket.connected);
            let packet = Outgoing {
                namespace: &self.namespaces[usize::from(namespace.0)].name,
                id: None,
                body: if connected {
                    Body::Disconnect
                } else {
                    Body::ConnectError(REMOVED)
                },
                attachments: &[],
            };
            let packet = self.sessions.palette.encode(|out| packet.write(out));
            self.sessions.push(session.index(), packet);
            let key = self.sockets.key_at(slot);
            self.drop_socket(key, CloseReason::ServerNamespaceDisconnect);
            if connected && !close {
                let until = now.after(self.config().ping_timeout);
                if let Some(client) = self.sessions.client(session) {
                    client.remember_removal(namespace, now, until);
                }
            }
        }
        if close {
            self.close(now, session, CloseReason::ForcedServerClose, Ending::Polite);
        }
        true
    }

    /// Puts a connected socket into a room. [`Change::Full`] at the bound, also for a name that is
    /// too long; [`Change::None`] if the socket is not connected or is in the room already.
    pub fn join(&mut self, key: SocketKey, room: &str) -> Change {
        let Some(socket) = self.sockets.get(key).filter(|s| s.connected) else {
            return Change::None;
        };
        if room.len() > NAME_BYTES_MAX {
            return Change::Full;
        }
        let namespace = socket.namespace;
        let member = Member {
            socket: key.index(),
            session: socket.session,
        };
        let max = self.config().limits.rooms_per_socket;
        let change = self.rooms.join(namespace, room, member, max);
        if change == Change::Room {
            self.directory.add(self.hash.room(namespace, room));
        }
        change
    }

    /// Takes a socket out of a room. Its own id is not a room one can leave.
    pub fn leave(&mut self, key: SocketKey, room: &str) -> Change {
        let Some(socket) = self.sockets.get(key) else {
            return Change::None;
        };
        let namespace = socket.namespace;
        let change = self.rooms.leave(namespace, room, key.index());
        if change == Change::Room {
            self.directory.remove(self.hash.room(namespace, room));
        }
        change
    }

    /// The connected socket a session has in a namespace.
    pub(super) fn socket_in(
        &mut self,
        session: SessionKey,
        namespace: NamespaceId,
    ) -> Option<SocketKey> {
        let client: &mut Client = self.sessions.client(session)?;
        let slot = client.socket(namespace)?;
        let key = self.sockets.key_at(slot);
        self.sockets
            .get(key)
            .filter(|socket| socket.connected)
            .map(|_| key)
    }

    pub(super) fn extra(&mut self, session: SessionKey) -> Option<&mut Extra> {
        self.sessions.client(session)?.extra.as_deref_mut()
    }
}
