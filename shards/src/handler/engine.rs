//! Answers: which functions does an application of Engine.IO alone consist of, and how are they called.
//!
//! A panic in one of them ends that call alone.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use stentor_engine::{
    error::CloseReason,
    hub::{Received, SessionKey},
};

use crate::{
    api::{EngineSocket, Message},
    discard::discard,
    log,
    shard::{Application, Shard},
};

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
    handlers: EngineHandlers,
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
struct EngineHandlers {
    connect: Option<OnSession>,
    upgrade: Option<OnSession>,
    message: Option<OnMessage>,
    close: Option<OnClose>,
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

impl EngineApp {
    /// What a shard tells of its sessions.
    pub(crate) fn into_application(self) -> Rc<dyn Application> {
        Rc::new(self.handlers)
    }
}

/// Calls a function, if there is one for what has happened.
#[inline]
fn call<F: ?Sized>(
    handler: Option<&F>,
    shard: &Rc<Shard>,
    session: SessionKey,
    call: impl FnOnce(&F, &EngineSocket),
) {
    let Some(handler) = handler else { return };
    let socket = EngineSocket::new(shard, session);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| call(handler, &socket))) {
        log::line!(EngineHandlerPanicked, shard.about_session(session));
        discard(panic);
    }
}

impl Application for EngineHandlers {
    fn has_namespaces(&self) -> bool {
        false
    }

    fn opened(&self, shard: &Rc<Shard>, session: SessionKey) {
        call(self.connect.as_deref(), shard, session, |f, socket| {
            f(socket);
        });
    }

    fn upgraded(&self, shard: &Rc<Shard>, session: SessionKey) {
        call(self.upgrade.as_deref(), shard, session, |f, socket| {
            f(socket);
        });
    }

    fn received(&self, shard: &Rc<Shard>, session: SessionKey, received: &Received<'_>) {
        let message = match received {
            Received::Text(text) => Message::Text(text),
            Received::Binary(data) => Message::Binary(data),
            Received::Event(_) | Received::Nothing => return,
        };
        call(self.message.as_deref(), shard, session, |f, socket| {
            f(socket, message);
        });
    }

    fn closed(&self, shard: &Rc<Shard>, session: SessionKey, reason: CloseReason) {
        call(self.close.as_deref(), shard, session, |f, socket| {
            f(socket, reason);
        });
    }
}
