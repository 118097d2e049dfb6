//! Answers: how is Engine.IO used without Socket.IO.
//!
//! Sessions and messages, as the official `engine.io` package has them: the application gives
//! messages their meaning.

use std::{fmt, rc::Rc};

use stentor_engine::{
    error::CloseReason,
    frame::Kind,
    hub::{Ending, SessionKey},
};

use crate::{discard::discard, handler::Handshake, log, shard::Shard};

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
        self.shard.handshake(self.session)
    }

    /// A number for the session, unique on its shard while it lives: a key for the application's
    /// own tables.
    #[must_use]
    pub const fn key(&self) -> u64 {
        self.session.to_bits()
    }
}

/// The application of an Engine.IO server, as one shard runs it: see [`crate::Server::engine`].
///
/// ```
/// use stentor::prelude::*;
///
/// let server = Server::engine(|app| {
///     app.on_connect(|s| { s.send(Message::Text("welcome")); })
///         .on_message(|s, message| { s.send(message); });
/// });
/// ```
#[derive(Default)]
pub struct EngineApp {
    pub(crate) handlers: EngineHandlers,
}

impl fmt::Debug for EngineApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineApp").finish_non_exhaustive()
    }
}

type OnSession = Box<dyn Fn(&EngineSocket)>;
type OnMessage = Box<dyn Fn(&EngineSocket, Message<'_>)>;
type OnClose = Box<dyn Fn(&EngineSocket, CloseReason)>;

/// The functions it consists of.
#[derive(Default)]
pub(crate) struct EngineHandlers {
    connect: Option<OnSession>,
    upgrade: Option<OnSession>,
    message: Option<OnMessage>,
    close: Option<OnClose>,
}

impl fmt::Debug for EngineHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineHandlers").finish_non_exhaustive()
    }
}

/// What the functions have captured is user code's; it is dropped when a shard ends.
impl Drop for EngineHandlers {
    fn drop(&mut self) {
        discard(self.connect.take());
        discard(self.upgrade.take());
        discard(self.message.take());
        discard(self.close.take());
    }
}

impl EngineApp {
    /// Runs when a session has begun.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::engine(|app| {
    ///     app.on_connect(|s| { s.send(Message::Text("welcome")); });
    /// });
    /// ```
    pub fn on_connect(&mut self, handler: impl Fn(&EngineSocket) + 'static) -> &mut Self {
        self.handlers.connect = Some(Box::new(handler));
        self
    }

    /// Runs when a session goes on over WebSocket that began with polling, before the messages it sends there.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::engine(|app| {
    ///     app.on_upgrade(|s| assert_eq!(s.transport(), Some("websocket")));
    /// });
    /// ```
    pub fn on_upgrade(&mut self, handler: impl Fn(&EngineSocket) + 'static) -> &mut Self {
        self.handlers.upgrade = Some(Box::new(handler));
        self
    }

    /// Runs for every message, in order.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::engine(|app| {
    ///     app.on_message(|s, message| { s.send(message); });
    /// });
    /// ```
    pub fn on_message(
        &mut self,
        handler: impl Fn(&EngineSocket, Message<'_>) + 'static,
    ) -> &mut Self {
        self.handlers.message = Some(Box::new(handler));
        self
    }

    /// Runs when a session has closed.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::engine(|app| {
    ///     app.on_close(|_, reason| println!("a session ended: {reason}"));
    /// });
    /// ```
    pub fn on_close(
        &mut self,
        handler: impl Fn(&EngineSocket, CloseReason) + 'static,
    ) -> &mut Self {
        self.handlers.close = Some(Box::new(handler));
        self
    }
}

/// A panic of user code ends that call alone.
fn guarded(shard: &Shard, session: SessionKey, call: impl FnOnce()) {
    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        log::line!(EngineHandlerPanicked, shard.about_session(session));
        discard(panic);
    }
}

fn socket(shard: &Rc<Shard>, session: SessionKey) -> EngineSocket {
    EngineSocket {
        shard: Rc::clone(shard),
        session,
    }
}

impl EngineHandlers {
    pub(crate) fn opened(&self, shard: &Rc<Shard>, session: SessionKey) {
        if let Some(handler) = &self.connect {
            guarded(shard, session, || handler(&socket(shard, session)));
        }
    }

    pub(crate) fn upgraded(&self, shard: &Rc<Shard>, session: SessionKey) {
        if let Some(handler) = &self.upgrade {
            guarded(shard, session, || handler(&socket(shard, session)));
        }
    }

    pub(crate) fn message(&self, shard: &Rc<Shard>, session: SessionKey, message: Message<'_>) {
        if let Some(handler) = &self.message {
            guarded(shard, session, || handler(&socket(shard, session), message));
        }
    }

    pub(crate) fn closed(&self, shard: &Rc<Shard>, session: SessionKey, reason: CloseReason) {
        if let Some(handler) = &self.close {
            guarded(shard, session, || handler(&socket(shard, session), reason));
        }
    }
}
