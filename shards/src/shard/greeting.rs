//! Answers: when does what a connect handler says leave.
//!
//! The answer to a CONNECT leaves alone. A client that listens to one message at a time, as the
//! official test suite does, else misses the handler's first event: it comes in the same read, before
//! the client listens again. The official server sends each packet by itself, and the second one when
//! the first has left. Here the second waits a moment (docs/decisions/0014).

use std::rc::Rc;

use stentor_engine::{eio::handshake::Transport, hub::SocketKey, time::Tick};

use super::{Shard, reactor::Port};

/// Between the answer to a CONNECT and what follows it; the clock's grain takes up to one of them.
/// Measured with Node's `ws`: of 200 events after no pause 198 were missed, after 20 µs 90, after 200 µs
/// 2, after 500 µs 1.
const PAUSE_MS: u64 = 2;

/// Room for so many is kept when nobody is held.
const HELD_KEPT: usize = 1024;

impl Shard {
    /// The answer to a CONNECT leaves, and what follows is held, before handlers can say something.
    pub(super) fn send_connect(self: &Rc<Self>, socket: SocketKey) {
        let now = self.now.get();
        let mut hub = self.hub.borrow_mut();
        let Some(session) = hub.session_of(socket) else {
            return;
        };
        if hub.transport(session) != Some(Transport::WebSocket) {
            return; // one payload carries both packets
        }
        hub.flush(now, &mut Port(self));
        if hub.sessions().hold(session) {
            let due = Tick(now.0 + PAUSE_MS);
            self.held.borrow_mut().push_back((due, session));
        }
    }

    /// When the next session is released.
    pub(super) fn release_due(&self) -> Option<Tick> {
        self.held.borrow().front().map(|(due, _)| *due)
    }

    /// Releases the sessions that were held for long enough.
    pub(super) fn release_held(&self, now: Tick) {
        let mut held = self.held.borrow_mut();
        while let Some((due, session)) = held.front()
            && *due <= now
        {
            self.hub.borrow_mut().sessions().release(*session);
            held.pop_front();
        }
        if held.is_empty() {
            held.shrink_to(HELD_KEPT);
        }
    }
}
