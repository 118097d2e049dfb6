//! Answers: is user code told about each session and socket once, and in order.

use std::collections::{HashMap, HashSet};

use stentor_engine::{
    hub::{AckNews, Event, SessionKey, SocketKey},
    id::SocketId,
};

/// What user code of one hub knows.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Sessions that were not said to have ended.
    pub(crate) open: HashSet<u64>,
    /// Sockets, and whether they are let in.
    pub(crate) sockets: HashMap<u64, (SocketKey, bool)>,
    /// Sockets that owe an answer to a question of this hub: settled once each.
    settled: HashSet<(u64, SocketId)>,
}

impl Known {
    pub(crate) fn opened(&mut self, key: SessionKey) {
        assert!(self.open.insert(key.to_bits()), "one key for two sessions");
    }

    pub(crate) fn hears(&mut self, event: &Event) {
        match event {
            Event::Connecting { socket, .. } => self.comes(*socket, false),
            Event::Connected { socket, .. } => self.comes(*socket, true),
            Event::Disconnected { socket, .. } => {
                let known = self.sockets.remove(&socket.to_bits());
                assert!(known.is_some(), "a stranger left");
            }
            Event::Closed { session, .. } => {
                let known = self.open.remove(&session.to_bits());
                assert!(known, "a session ended twice, or never began");
            }
            Event::NotJoined { sockets, .. } => assert!(*sockets > 0),
            Event::Ack { token, news } => {
                if let AckNews::Settled(who, _) = news {
                    let first = self.settled.insert((*token, *who));
                    assert!(first, "a question was settled twice");
                }
            }
        }
    }

    fn comes(&mut self, socket: SocketKey, connected: bool) {
        let known = self.sockets.insert(socket.to_bits(), (socket, connected));
        assert!(known.is_none(), "one key for two sockets");
    }
}
