//! Answers: what must be remembered of one client.
//!
//! And nothing more: at a million clients every byte here is a megabyte. Must not do anything.

use super::setup::Carrier;
use crate::clock::Nanos;
use crate::net::Link;

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Not wanted (yet, or any more).
    Vacant,
    /// The WebSocket is asked for.
    Requesting,
    /// The Engine.IO handshake is due.
    Opening,
    /// The Socket.IO CONNECT is to be answered.
    Connecting,
    /// Changing from polling to WebSocket.
    Upgrading,
    /// The room's acknowledgement is due.
    Joining,
    /// At work.
    Ready,
    /// Failed or lost.
    Gone,
}

/// A client. No buffer unless something is unfinished.
#[derive(Debug)]
pub(super) struct Client {
    /// The WebSocket, or the connection that polls.
    pub(super) main: Link,
    /// Only for clients on polling.
    pub(super) polling: Option<Box<Polling>>,
    /// Joined pieces of a fragmented message.
    pub(super) pieces: Option<Box<Pieces>>,
    /// The wish to connect.
    pub(super) since: Nanos,
    /// When the server's last ping (or the handshake) came, in milliseconds.
    pub(super) pinged: u32,
    pub(super) echo_sent: u32,
    pub(super) echo_next: u32,
    pub(super) ack_sent: u32,
    pub(super) ack_next: u32,
    /// The acknowledgement whose attachment is due.
    pub(super) attachment_id: u32,
    pub(super) state: State,
    pub(super) carrier: Carrier,
    /// What the next attachment belongs to.
    pub(super) attachment: Attachment,
    pub(super) slow: bool,
    /// Deliveries to it count for the last receiver: neither slow nor to be taken away.
    pub(super) counted: bool,
    /// Comes back from a storm rather than for the first time.
    pub(super) returning: bool,
}

/// What an attachment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attachment {
    /// None is due.
    None,
    /// The acknowledgement with the client's `attachment_id`.
    Ack,
    /// An event, by its place in the setup's list.
    Event(u8),
}

/// A message of several frames.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) opcode: u8,
    pub(super) data: Vec<u8>,
}

/// What polling needs beyond the connection that polls.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for one request or promise"
)]
pub(super) struct Polling {
    pub(super) sid: String,
    /// The connection that posts; opened when first needed.
    pub(super) post: Link,
    /// The WebSocket being tried.
    pub(super) probe: Link,
    /// Packets to post.
    pub(super) queue: Vec<u8>,
    pub(super) posting: bool,
    pub(super) getting: bool,
    /// The server agreed to the WebSocket: no more polls.
    pub(super) pausing: bool,
    /// The WebSocket handshake of the probe is answered.
    pub(super) probe_open: bool,
    pub(super) probe_since: Nanos,
}

impl Client {
    pub(super) fn vacant() -> Self {
        Self {
            main: Link::default(),
            polling: None,
            pieces: None,
            since: 0,
            pinged: 0,
            echo_sent: 0,
            echo_next: 0,
            ack_sent: 0,
            ack_next: 0,
            attachment_id: 0,
            state: State::Vacant,
            carrier: Carrier::WebSocket,
            attachment: Attachment::None,
            slow: false,
            counted: false,
            returning: false,
        }
    }

    /// A handshake is going on.
    pub(super) fn is_arriving(&self) -> bool {
        !matches!(self.state, State::Vacant | State::Ready | State::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_stay_small() {
        assert!(size_of::<Client>() <= 104, "{} B", size_of::<Client>());
        assert!(size_of::<Client>() + size_of::<Polling>() <= 400 - 32);
    }
}
