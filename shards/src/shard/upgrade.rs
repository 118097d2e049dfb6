//! Answers: how does a connection become a WebSocket.
//!
//! Without hyper: the response and the OPEN packet leave in one write, and the connection never
//! belongs to a task.

use std::rc::Rc;

use stentor_engine::{eio::handshake::Refusal, hub::SessionKey};

use super::{
    Shard,
    conns::{ConnKey, Role, conn_id},
    respond::NotUpgraded,
};
use crate::net::{
    head::{RequestHead, accept_key},
    response::Response,
    ws,
};

/// The response that makes a connection a WebSocket, or what a request is told that is none. The first
/// offered subprotocol is accepted, as by the official server; without that browsers that offer
/// one would close.
pub(super) fn switching(request: &RequestHead<'_>) -> Result<Response, NotUpgraded> {
    let key = request.check_upgrade()?;
    let offered = request.first_subprotocol();
    let offered = offered.ok_or(Refusal::BadRequest)?;
    Ok(Response::switching(&accept_key(key), offered))
}

impl Shard {
    /// A session over WebSocket begins: the response goes first, with the OPEN packet behind it.
    pub(super) fn open_websocket(
        &self,
        key: ConnKey,
        response: Option<&Response>,
        text_only: bool,
    ) -> SessionKey {
        let now = self.now.get();
        let mut writer = self.writer.borrow_mut();
        let written = response.map(|response| {
            let (head, _) = writer.write(response, &self.config.header_sets, now.0);
            head
        });
        let mut hub = self.hub.borrow_mut();
        let session = hub.open(now, Some((conn_id(key), written.unwrap_or_default())));
        if text_only {
            hub.recv_b64(session);
        }
        drop((hub, writer));
        self.send_initial_packet(session);
        session
    }

    /// Closes a WebSocket that is no session's.
    pub(super) fn finish_websocket(&self, key: ConnKey, code: u16) {
        let (frame, len) = ws::close_frame(Some(code), "");
        let now = self.now.get();
        self.conns.borrow_mut().finish(key, &frame[..len], now);
    }

    /// A WebSocket for a session that polls. False, and the connection is finished, if the session
    /// has upgraded or is upgrading already.
    pub(super) fn begin_probe(
        self: &Rc<Self>,
        key: ConnKey,
        session: SessionKey,
        response: Option<Response>,
    ) -> bool {
        let now = self.now.get();
        self.newcomer_asks(session);
        let probing = self
            .hub
            .borrow_mut()
            .recv_probe_open(now, session, conn_id(key));
        // Copied: the log hears of a connection that does not take it, and user code may hear the log.
        let response = response.map(|response| {
            let mut writer = self.writer.borrow_mut();
            writer
                .write(&response, &self.config.header_sets, now.0)
                .0
                .to_vec()
        });
        if let Some(response) = response
            && !self.say(key, &response)
        {
            if probing {
                let mut hub = self.hub.borrow_mut();
                hub.abandon_probe(session, conn_id(key));
            }
            return false;
        }
        if !probing {
            // Upgraded or upgrading already: opened and closed, as the official test suites have it.
            let (frame, len) = ws::close_frame(None, "");
            self.conns.borrow_mut().finish(key, &frame[..len], now);
            return false;
        }
        let reader = ws::Reader::default();
        self.become_websocket(key, Role::Probe { session, reader });
        true
    }

    pub(crate) fn become_websocket(&self, key: ConnKey, role: Role) {
        self.conns.borrow_mut().set_role(key, role);
    }
}
