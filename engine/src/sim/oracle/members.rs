//! Answers: who comes, who is let in, who leaves, and with which words.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString as _},
    vec::Vec,
};

use super::{Due, Oracle, Socket, State};
use crate::{
    error::CloseReason,
    hub::SocketKey,
    id::{NamespaceId, SocketId},
    sim::{
        client::AUTHS,
        wire::{Kind, Value},
    },
    time::Tick,
};

/// The credentials of the clients, as [`Due`] names them.
fn known(auth: Option<&str>) -> Option<&'static str> {
    let known = |auth| AUTHS.iter().find(|known| **known == auth).copied();
    auth.map(|auth| known(auth).unwrap_or("something that no client said"))
}

impl Oracle {
    fn add(&mut self, hub: usize, key: SocketKey, id: String, at: (usize, usize), state: State) {
        self.by_key.insert((hub, key.to_bits()), self.sockets.len());
        let (session, namespace) = at;
        self.sockets.push(Socket {
            hub,
            key,
            id,
            namespace,
            session,
            state,
            rooms: BTreeSet::new(),
            pending: BTreeMap::new(),
        });
    }

    /// A socket came to be, as was due. False if it belongs to nobody.
    fn came(
        &mut self,
        hub: usize,
        key: SocketKey,
        id: Option<SocketId>,
        at: (Option<usize>, NamespaceId),
        due: impl FnOnce(usize, usize) -> Due,
    ) -> bool {
        let (Some(session), Some(id)) = (at.0, id) else {
            self.blame("a socket of nobody".into());
            return false;
        };
        let namespace = usize::from(at.1.0);
        self.happened(&due(session, namespace));
        let at = (session, namespace);
        self.add(hub, key, id.to_string(), at, State::Connecting);
        true
    }

    pub(in crate::sim) fn connecting(
        &mut self,
        hub: usize,
        key: SocketKey,
        id: Option<SocketId>,
        at: (Option<usize>, NamespaceId),
        auth: Option<&str>,
    ) {
        let auth = known(auth);
        self.came(hub, key, id, at, |s, n| Due::Connecting(s, n, auth));
    }

    pub(in crate::sim) fn connected(
        &mut self,
        hub: usize,
        key: SocketKey,
        id: Option<SocketId>,
        at: (Option<usize>, NamespaceId),
        auth: Option<&str>,
    ) {
        let auth = known(auth);
        if self.came(hub, key, id, at, |s, n| Due::Connected(s, n, auth)) {
            self.admit(self.sockets.len() - 1);
        }
    }

    /// A socket is let in: its client hears so.
    pub(in crate::sim) fn admit(&mut self, socket: usize) {
        let Socket { session, .. } = self.sockets[socket];
        self.sockets[socket].state = State::In;
        self.sessions[session].joined = true;
        let sid = Value::Text(self.sockets[socket].id.clone());
        let data = alloc::vec![Value::Object(alloc::vec![("sid".into(), sid)])];
        self.send(socket, Kind::Connect, None, data);
    }

    pub(in crate::sim) fn refused(&mut self, socket: usize, error: Value) {
        self.send(socket, Kind::ConnectError, None, alloc::vec![error]);
        self.sockets[socket].state = State::Out;
    }

    /// The server removes sockets from their namespaces, and with `close` ends the session.
    pub(in crate::sim) fn kicked(&mut self, socket: usize, close: bool, now: Tick) {
        let session = self.sockets[socket].session;
        for at in 0..self.sockets.len() {
            let other = &self.sockets[at];
            let leaves = at == socket || (close && other.session == session);
            if !leaves || other.state == State::Out {
                continue;
            }
            let namespace = other.namespace;
            if other.state == State::In {
                self.send(at, Kind::Disconnect, None, Vec::new());
                let until = now.after(self.config.ping_timeout);
                self.sessions[session].removed.insert(namespace, until.0);
            } else {
                let text = Value::Text("disconnected by the server".into());
                let error = Value::Object(alloc::vec![("message".into(), text)]);
                self.send(at, Kind::ConnectError, None, alloc::vec![error]);
            }
            let reason = CloseReason::ServerNamespaceDisconnect;
            self.due.push(Due::Disconnected(at, reason));
        }
        if close {
            let reason = CloseReason::ForcedServerClose;
            self.due.push(Due::Closed(session, reason));
        }
    }

    pub(in crate::sim) fn disconnected(
        &mut self,
        now: Tick,
        (socket, session): (Option<usize>, Option<usize>),
        reason: CloseReason,
        rooms: &BTreeSet<String>,
        connected: bool,
    ) {
        let Some(at) = socket else {
            return self.blame("a stranger disconnected".into());
        };
        if !self.was_due(&Due::Disconnected(at, reason)) {
            self.excuse(now, self.sockets[at].session, reason);
        }
        let right = session == Some(self.sockets[at].session);
        self.expect(right, "a socket was on another session");
        self.leaving.push(at);
        let socket = &mut self.sockets[at];
        let state = core::mem::replace(&mut socket.state, State::Out);
        let expected = core::mem::take(&mut socket.rooms);
        self.expect(state != State::Out, "a socket disconnected twice");
        self.expect(
            (state == State::In) == connected,
            "a wrong state at the end",
        );
        self.expect(
            *rooms == expected,
            "the rooms at the end are not those joined",
        );
    }

    /// A session is about to end for this reason, and its sockets with it.
    pub(in crate::sim) fn ends(&mut self, session: usize, reason: CloseReason) {
        if !self.sessions[session].open {
            return;
        }
        for at in 0..self.sockets.len() {
            let socket = &self.sockets[at];
            if socket.session == session && socket.state != State::Out {
                self.due.push(Due::Disconnected(at, reason));
            }
        }
        self.due.push(Due::Closed(session, reason));
    }

    /// A session is about to end because it sent more than it may.
    pub(in crate::sim) fn ends_too_large(&mut self, session: usize) {
        self.sessions[session].too_large |= self.sessions[session].open;
        self.ends(session, CloseReason::TransportError);
    }

    /// The code of the close frame that a session's WebSocket must get.
    pub(in crate::sim) fn close_code(&self, session: usize) -> Option<u16> {
        match self.sessions[session].closed {
            Some(CloseReason::SlowConsumer) => Some(1013),
            Some(CloseReason::TransportError) if self.sessions[session].too_large => Some(1009),
            _ => None,
        }
    }

    pub(in crate::sim) fn closed(
        &mut self,
        now: Tick,
        session: Option<usize>,
        reason: CloseReason,
    ) {
        let Some(at) = session else {
            return self.blame("a session closed that was never open".into());
        };
        if !self.was_due(&Due::Closed(at, reason)) {
            self.excuse(now, at, reason);
        }
        let left = |socket: &Socket| socket.session != at || socket.state == State::Out;
        self.expect(
            self.sockets.iter().all(left),
            "a session closed before its sockets",
        );
        let session = &mut self.sessions[at];
        let open = core::mem::replace(&mut session.open, false);
        session.closed = Some(reason);
        session.closed_at = now.0;
        session.partial = None;
        self.expect(open, "a session closed twice");
    }
}
