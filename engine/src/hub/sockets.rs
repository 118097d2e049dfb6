//! Answers: who is this socket, where is it, what is it in.

use super::{ConnId, Hub, NamespaceId, SessionKey, SocketId, SocketKey, String, Vec};

impl Hub {
    /// The namespace of this name.
    #[must_use]
    pub fn namespace(&self, name: &str) -> Option<NamespaceId> {
        self.by_name.get(name).copied()
    }

    /// The name of a namespace.
    #[must_use]
    pub fn namespace_name(&self, id: NamespaceId) -> &str {
        &self.namespaces[usize::from(id.0)].name
    }

    /// Sockets connected to a namespace on this shard.
    #[must_use]
    pub fn population(&self, namespace: NamespaceId) -> usize {
        self.namespaces
            .get(usize::from(namespace.0))
            .map_or(0, |ns| ns.everyone.len())
    }

    /// The socket's public id; `None` if it is gone.
    #[must_use]
    pub fn socket_id(&self, key: SocketKey) -> Option<SocketId> {
        let socket = self.sockets.get(key)?;
        Some(SocketId::new(self.shard, key.index(), socket.random))
    }

    /// The connected socket of this public id.
    #[must_use]
    pub fn find_socket(&self, id: &SocketId) -> Option<SocketKey> {
        let key = self.sockets.key_at(id.slot());
        let connected = self.sockets.get(key)?.connected;
        (connected && self.socket_id(key) == Some(*id)).then_some(key)
    }

    /// The session a socket is on.
    #[must_use]
    pub fn session_of(&self, key: SocketKey) -> Option<SessionKey> {
        Some(self.sessions.key_at(self.sockets.get(key)?.session))
    }

    /// The namespace a socket is in.
    #[must_use]
    pub fn namespace_of(&self, key: SocketKey) -> Option<NamespaceId> {
        Some(self.sockets.get(key)?.namespace)
    }

    /// The connection that is a session's transport, if that is WebSocket.
    #[must_use]
    pub fn conn_of(&self, session: SessionKey) -> Option<ConnId> {
        self.sessions.conn_of(session)
    }

    /// The connected sockets of a session.
    #[must_use]
    pub fn sockets_on(&mut self, session: SessionKey) -> Vec<(SocketKey, NamespaceId)> {
        let slots = self.sessions.client(session).map(|client| client.sockets());
        let sockets = slots.into_iter().flatten().filter_map(|slot| {
            let key = self.sockets.key_at(slot);
            let socket = self.sockets.get(key)?;
            socket.connected.then_some((key, socket.namespace))
        });
        sockets.collect()
    }

    /// Whether the socket is connected.
    #[must_use]
    pub fn is_connected(&self, key: SocketKey) -> bool {
        self.sockets.get(key).is_some_and(|socket| socket.connected)
    }

    /// The names of the rooms a socket is in, its own id not included.
    #[must_use]
    pub fn rooms_of(&self, key: SocketKey) -> Vec<String> {
        if self.sockets.get(key).is_none() {
            return Vec::new();
        }
        self.rooms.of(key.index()).map(String::from).collect()
    }
}
