//! Answers: how does the shell tell a hub what requests and connections do to their sessions.
//!
//! What a session's transport may do in which state is `eio::session`'s; what is queued for it is `sessions`'.

use super::{ConnId, Hub, PeerError, SessionKey, Tick};
use crate::eio::{payload::Payload, session::Poll};

impl Hub {
    // ---- polling ----

    /// A GET arrives. [`Poll::Answer`] means: call [`Hub::take_poll`] now. `None` if the session is gone.
    ///
    /// # Errors
    /// [`PeerError::OverlappingPoll`]: the caller closes the session.
    pub fn recv_get(&mut self, key: SessionKey) -> Option<Result<Poll, PeerError>> {
        self.sessions.recv_get(key)
    }

    /// The body that answers a GET: all that is queued, and the close if the session is closing,
    /// after which it is gone.
    pub fn take_poll(&mut self, now: Tick, key: SessionKey) -> Payload {
        self.it_is(now);
        self.sessions.take_poll(now, key)
    }

    /// The client of the parked GET went away.
    pub fn poll_lost(&mut self, key: SessionKey) {
        self.sessions.poll_lost(key);
    }

    /// A POST begins. `None` if the session is gone, `Some(Ok(false))` if it is on the other transport.
    ///
    /// # Errors
    /// [`PeerError::OverlappingPost`]: the caller closes the session.
    pub fn recv_post(&mut self, key: SessionKey) -> Option<Result<bool, PeerError>> {
        self.sessions.recv_post(key)
    }

    /// The POST was handled.
    pub fn end_post(&mut self, key: SessionKey) {
        self.sessions.end_post(key);
    }

    // ---- upgrade ----

    /// A WebSocket with this session's sid opens. False if there is nothing to upgrade.
    pub fn recv_probe_open(&mut self, now: Tick, key: SessionKey, conn: ConnId) -> bool {
        self.it_is(now);
        self.sessions.recv_probe_open(now, key, conn)
    }

    /// The request that opened the session's WebSocket, in use or probing, has `b64`: what is binary
    /// goes over it as text.
    pub fn recv_b64(&mut self, key: SessionKey) {
        self.sessions.recv_b64(key);
    }

    /// Text arrives on the probing connection. If [`Hub::is_on`] says so afterwards, the connection
    /// is the session's transport, and what comes next on it is the session's.
    pub fn recv_probe(&mut self, now: Tick, key: SessionKey, conn: ConnId, text: &str) {
        self.it_is(now);
        self.sessions.recv_probe(now, key, conn, text);
    }

    /// Whether this connection is probing for the session.
    #[must_use]
    pub fn is_probing(&self, key: SessionKey, conn: ConnId) -> bool {
        self.sessions.is_probing(key, conn)
    }

    /// Whether this connection is the session's transport.
    #[must_use]
    pub fn is_on(&self, key: SessionKey, conn: ConnId) -> bool {
        self.sessions.is_on(key, conn)
    }

    /// The probing connection is gone; polling goes on.
    pub fn abandon_probe(&mut self, key: SessionKey, conn: ConnId) {
        self.sessions.abandon_probe(key, conn);
    }

    // ---- WebSocket ----

    /// The connection can take more.
    pub fn writable(&mut self, key: SessionKey) {
        self.sessions.writable(key);
    }

    /// Queues bytes that are no packet, a pong. Only for sessions over WebSocket: a poll cannot carry them.
    pub fn push_raw(&mut self, key: SessionKey, bytes: &[u8]) -> bool {
        self.sessions.push_raw(key, bytes)
    }

    /// From now on what is queued for a session over WebSocket waits for [`Hub::release`]; not
    /// if it is more than the bound, and not if the session ends. What was queued before has left if
    /// the turn was flushed. False if the session is not one to be held.
    pub fn hold(&mut self, key: SessionKey) -> bool {
        self.sessions.hold(key)
    }

    /// What was held leaves.
    pub fn release(&mut self, key: SessionKey) {
        self.sessions.release(key);
    }

    /// The connection of a session that is closing is gone: its last words cannot be sent.
    pub fn connection_lost(&mut self, key: SessionKey) {
        self.sessions.connection_lost(key);
    }

    /// Ends a session that is closing although it has not been sent all that was queued.
    pub fn give_up(&mut self, key: SessionKey) {
        self.sessions.give_up(key);
    }

    // ---- what is queued ----

    /// Whether something is queued for the session's peer.
    #[must_use]
    pub fn has_queued(&self, key: SessionKey) -> bool {
        self.sessions.has_queued(key)
    }

    /// Whether nothing is queued for a session, of this turn or an earlier one.
    #[must_use]
    pub fn is_drained(&self, key: SessionKey) -> bool {
        self.sessions.is_drained(key)
    }

    /// Bytes that wait for the session's peer to take them.
    #[must_use]
    pub fn backlog_bytes(&self, key: SessionKey) -> usize {
        self.sessions.backlog_bytes(key)
    }

    /// Whether a session has more queued than its bound, or had and has not taken half of it since.
    #[must_use]
    pub fn is_watched(&self, key: SessionKey) -> bool {
        self.sessions.is_watched(key)
    }
}
