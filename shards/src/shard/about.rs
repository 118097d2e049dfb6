//! Answers: which shard and client is a line of the log about?
//!
//! Asked only when a line is written, and so at the price of a look into tables and a system call.

use stentor_engine::hub::{SessionKey, SocketKey};

use super::{
    Shard,
    conns::{ConnKey, conn_key},
    parked::Parked,
};
use crate::log::{self, About};

impl Shard {
    /// The shard, and nobody else.
    pub(crate) fn about(&self) -> About {
        About::shard(self.id.0)
    }

    pub(crate) fn about_conn(&self, key: ConnKey) -> About {
        About {
            peer: self.source(key).map(|source| source.to_string()),
            ..self.about()
        }
    }

    pub(crate) fn about_session(&self, session: SessionKey) -> About {
        let sid = self.hub.borrow().sid(session);
        About {
            sid: sid.map(|sid| String::from_utf8_lossy(&sid.text()).into_owned()),
            peer: self.peer_of(session),
            ..self.about()
        }
    }

    pub(crate) fn about_socket(&self, socket: SocketKey) -> About {
        let hub = self.hub.borrow();
        let namespace = hub.namespace_of(socket);
        let namespace = namespace.map(|id| log::peer(hub.namespace_name(id)));
        let id = hub.socket_id(socket).map(|id| id.to_string());
        let session = hub.session_of(socket);
        drop(hub);
        About {
            socket: id,
            namespace,
            ..session.map_or_else(|| self.about(), |session| self.about_session(session))
        }
    }

    /// The other end of a session: the client behind a proxy; or the end of its connection, of the one that brings
    /// its requests, or of the one that it began with.
    fn peer_of(&self, session: SessionKey) -> Option<String> {
        let handshake = self.kept.handshake(session);
        if let Some(proxied) = handshake
            .as_ref()
            .filter(|handshake| handshake.is_proxied())
        {
            return Some(proxied.client());
        }
        let conn = self.hub.borrow().conn_of(session).map(conn_key);
        let posted = || {
            let (by, conn) = self.posted.get()?;
            (by == session).then_some(conn)
        };
        let parked = || match self.parked.borrow().get(&session.to_bits()) {
            Some(Parked::Conn(key)) => Some(*key),
            Some(Parked::Task(_)) | None => None,
        };
        if let Some(peer) = conn
            .or_else(posted)
            .or_else(parked)
            .and_then(|key| self.source(key))
        {
            return Some(peer.to_string());
        }
        if let Some(handshake) = handshake {
            return Some(handshake.client());
        }
        let newcomer = self.newcomers.address(session);
        newcomer.map(|address| address.to_string())
    }
}
