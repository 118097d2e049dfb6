//! Answers: what can user code do with one Engine.IO session that has no Socket.IO on it.
//!
//! Sessions and messages, as the official `engine.io` package has them: the application gives
//! messages their meaning.

use std::{fmt, rc::Rc};

use stentor_engine::{
    error::CloseReason,
    frame::Kind,
    hub::{Ending, SessionKey},
};

use crate::{handshake::Handshake, shard::Shard};

/// A message of a session.
///
/// ```
/// use stentor::prelude::*;
///
/// let server = Server::engine(|app| {
///     app.on_message(|s, message| match message {
///         Message::Text(text) => { s.send(Message::Text(&text.to_uppercase())); }
///         Message::Binary(_) => s.close(),
///     });
/// });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

/// One Engine.IO session. Cheap to clone, and only for the thread of its shard.
#[derive(Clone)]
pub struct EngineSocket {
    shard: Rc<Shard>,
    session: SessionKey,
}

impl fmt::Debug for EngineSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineSocket")
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

impl EngineSocket {
    pub(crate) fn new(shard: &Rc<Shard>, session: SessionKey) -> Self {
        Self {
            shard: Rc::clone(shard),
            session,
        }
    }

    /// Sends a message. False if the session has closed, or the message is longer than
    /// [`crate::Limits::packet_bytes`].
    #[expect(
        clippy::must_use_candidate,
        reason = "sending to who has gone is no error"
    )]
    pub fn send(&self, message: Message<'_>) -> bool {
        let (kind, data) = match message {
            Message::Text(text) => (Kind::Text, text.as_bytes()),
            Message::Binary(data) => (Kind::Binary, data),
        };
        self.shard
            .with_hub(|hub, _| hub.send(self.session, kind, data))
    }

    /// Closes the session after what is queued has been sent.
    pub fn close(&self) {
        self.shard.with_hub(|hub, now| {
            hub.close(now, self.session, CloseReason::ForcedClose, Ending::Polite);
        });
    }

    /// The session's id: a secret, as it lets its holder poll in the client's place. `None` if the
    /// session has closed.
    #[must_use]
    pub fn sid(&self) -> Option<String> {
        let sid = self.shard.hub.borrow().sid(self.session)?;
        Some(String::from_utf8_lossy(&sid.text()).into_owned())
    }

    /// `polling` or `websocket`, as it is now.
    #[must_use]
    pub fn transport(&self) -> Option<&'static str> {
        Some(self.shard.hub.borrow().transport(self.session)?.as_str())
    }

    /// The request the session began with, if the server keeps it.
    #[must_use]
    pub fn handshake(&self) -> Option<Rc<Handshake>> {
        self.shard.kept.handshake(self.session)
    }

    /// A number for the session, unique on its shard while it lives: a key for the application's
    /// own tables.
    #[must_use]
    pub const fn key(&self) -> u64 {
        self.session.to_bits()
    }
}
