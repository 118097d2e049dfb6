//! Answers: what do requests of long-polling and connections that probe mean for their session.

use super::{
    ConnId, Outlet, Payload, PeerError, Poll, Probed, SessionKey, Sessions, Signal, Tick, payload,
};

impl Sessions {
    // ---- polling ----

    /// A GET arrives. [`Poll::Answer`] means: call [`Sessions::take_poll`] now.
    ///
    /// # Errors
    /// [`PeerError::OverlappingPoll`]: the caller closes the session.
    pub(in crate::hub) fn recv_get(&mut self, key: SessionKey) -> Option<Result<Poll, PeerError>> {
        let entry = self.slab.get_mut(key)?;
        Some(entry.session.recv_get(!entry.outbox.is_empty()))
    }

    /// The body that answers a GET: all that is queued, and the close if the session is closing,
    /// after which it is gone.
    pub(in crate::hub) fn take_poll(&mut self, now: Tick, key: SessionKey) -> Payload {
        let Some(entry) = self.slab.get_mut(key) else {
            return Payload::default();
        };
        let Self { palette, held, .. } = self;
        let mut body = entry.outbox.take_payload(palette, held);
        let carries = !body.bytes.is_empty();
        body.add(entry.session.last_words(carries));
        entry.session.carry(now, &self.config);
        entry.session.send_poll();
        if !entry.session.is_open() {
            if carries {
                self.arm(key);
            } else {
                self.remove(key);
            }
        }
        body
    }

    /// A POST begins. `Some(Ok(false))` if the session is on the other transport.
    ///
    /// # Errors
    /// [`PeerError::OverlappingPost`]: the caller closes the session.
    pub(in crate::hub) fn recv_post(&mut self, key: SessionKey) -> Option<Result<bool, PeerError>> {
        Some(self.slab.get_mut(key)?.session.recv_post())
    }

    /// The POST was handled.
    pub(in crate::hub) fn end_post(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.session.end_post();
        }
    }

    // ---- upgrade ----

    /// A WebSocket with this session's sid opens. False if there is nothing to upgrade.
    pub(in crate::hub) fn recv_probe_open(
        &mut self,
        now: Tick,
        key: SessionKey,
        conn: ConnId,
    ) -> bool {
        let Some(entry) = self.slab.get_mut(key) else {
            return false;
        };
        let open =
            self.config.allow_upgrades && entry.session.recv_probe_open(now, &self.config, conn);
        if open {
            self.arm(key);
        }
        open
    }

    /// The request that opened the session's WebSocket, in use or probing, has `b64`: what is binary
    /// goes over it as text.
    pub(in crate::hub) fn recv_b64(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.session.recv_b64();
        }
    }

    /// Text arrives on the probing connection. If [`Sessions::is_on`] says so afterwards, the connection
    /// is the session's transport, and what comes next on it is the session's.
    pub(in crate::hub) fn recv_probe(
        &mut self,
        now: Tick,
        key: SessionKey,
        conn: ConnId,
        text: &str,
    ) {
        let Some(entry) = self.slab.get_mut(key) else {
            self.signals.push_back(Signal::Close(conn, None));
            return;
        };
        let (ping, upgrade) = (text == "2probe", text == "5");
        if entry.session.probing() != Some(conn) {
            // Given up on, or never the one: it has no say in what another connection probes for.
            self.signals.push_back(Signal::Close(conn, None));
            return;
        }
        let parked = entry.session.outlet() == Outlet::Poll;
        match entry.session.recv_probe(now, &self.config, ping, upgrade) {
            Probed::Pong => {
                self.signals.push_back(Signal::Text(conn, "3probe"));
                self.release_poll(key);
            }
            Probed::Upgraded => {
                if entry.session.is_text_only() {
                    entry
                        .outbox
                        .reform(&self.palette, &mut self.held, payload::as_text);
                }
                if parked {
                    self.stranded.push(key);
                }
                self.arm(key);
                self.mark_dirty(key);
            }
            Probed::Abandon => self.signals.push_back(Signal::Close(conn, None)),
        }
    }

    /// Lets a parked GET go with a noop, so that the client can pause polling.
    fn release_poll(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get(key)
            && entry.session.outlet() == Outlet::Poll
            && entry.outbox.is_empty()
        {
            let noop = self.palette.text(b"6");
            self.push(key.index(), noop);
        }
    }

    /// Whether this connection is probing for the session.
    #[must_use]
    pub(in crate::hub) fn is_probing(&self, key: SessionKey, conn: ConnId) -> bool {
        self.slab
            .get(key)
            .is_some_and(|entry| entry.session.probing() == Some(conn))
    }

    /// The connection that is the session's transport, if that is WebSocket.
    #[must_use]
    pub(in crate::hub) fn conn_of(&self, key: SessionKey) -> Option<ConnId> {
        match self.slab.get(key)?.session.outlet() {
            Outlet::WebSocket(conn) => Some(conn),
            _ => None,
        }
    }

    /// Whether this connection is the session's transport.
    #[must_use]
    pub(in crate::hub) fn is_on(&self, key: SessionKey, conn: ConnId) -> bool {
        self.slab
            .get(key)
            .is_some_and(|entry| entry.session.outlet() == Outlet::WebSocket(conn))
    }

    /// The client of the parked GET went away.
    pub(in crate::hub) fn poll_lost(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.session.send_poll();
            self.arm(key); // a session that is closing now waits for another GET, for a while
        }
    }

    /// The connection of a session that is closing is gone: its last words cannot be sent.
    pub(in crate::hub) fn connection_lost(&mut self, key: SessionKey) {
        let Some(entry) = self.slab.get(key) else {
            return;
        };
        if !entry.session.is_open() && matches!(entry.session.outlet(), Outlet::WebSocket(_)) {
            self.remove(key);
        }
    }

    /// The probing connection is gone; polling goes on.
    pub(in crate::hub) fn abandon_probe(&mut self, key: SessionKey, conn: ConnId) {
        if let Some(entry) = self.slab.get_mut(key)
            && entry.session.probing() == Some(conn)
        {
            entry.session.abandon_probe();
        }
    }
}
