//! Answers: what does a shard tell the application, which stands above it.
//!
//! The application is the handlers of namespaces (`handler/dispatch.rs`), or the functions of Engine.IO alone
//! (`handler/engine.rs`). Each call runs user code: nothing of the shard is borrowed meanwhile.

use std::rc::Rc;

use stentor_engine::{
    error::CloseReason,
    hub::{Event, Received, SessionKey, SocketKey},
    id::NamespaceId,
};

use super::{Farewell, Shard};
use crate::log::{self, About, peer};

/// What a client is told of an error that is not its own.
pub(crate) const INTERNAL_ERROR: &str = "Internal server error";

/// See the module's text. What an application does not hear of happens without it.
#[expect(unused_variables, reason = "the names say what is told")]
pub(crate) trait Application {
    /// Whether clients join namespaces. If not, a session is all there is.
    fn has_namespaces(&self) -> bool;

    /// A session has begun.
    fn opened(&self, shard: &Rc<Shard>, session: SessionKey) {}

    /// A message has come. [`Received::Nothing`] is not told.
    fn received(&self, shard: &Rc<Shard>, session: SessionKey, received: &Received<'_>);

    /// A session that polled has gone on to WebSocket.
    fn upgraded(&self, shard: &Rc<Shard>, session: SessionKey) {}

    /// A client wants to join a namespace that asks who it is: [`stentor_engine::hub::Hub::accept`] or
    /// [`stentor_engine::hub::Hub::refuse`] is to be called, now or later.
    fn connecting(
        &self,
        shard: &Rc<Shard>,
        socket: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
    }

    /// A client has joined a namespace that does not ask.
    fn connected(
        &self,
        shard: &Rc<Shard>,
        socket: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
    }

    /// A client that had joined a namespace has left it.
    fn disconnected(
        &self,
        shard: &Rc<Shard>,
        socket: SocketKey,
        namespace: NamespaceId,
        reason: CloseReason,
        farewell: Farewell,
    ) {
    }

    /// A session has closed.
    fn closed(&self, shard: &Rc<Shard>, session: SessionKey, reason: CloseReason) {}
}

impl Shard {
    /// Tells the application. After the shard's end there is none.
    #[inline]
    fn tell(&self, what: impl FnOnce(&dyn Application)) {
        if let Some(application) = self.kept.application() {
            what(&*application);
        }
    }

    /// Whether there are no namespaces.
    pub(super) fn is_engine_only(&self) -> bool {
        let application = self.kept.application();
        application.is_some_and(|application| !application.has_namespaces())
    }

    /// What a packet came to reaches user code; then what followed from it.
    pub(crate) fn dispatch(self: &Rc<Self>, session: SessionKey, received: &Received<'_>) {
        if !matches!(received, Received::Nothing) {
            self.tell(|application| application.received(self, session, received));
        }
        self.drain_events();
    }

    /// A session has begun.
    pub(crate) fn opened(self: &Rc<Self>, session: SessionKey) {
        self.tell(|application| application.opened(self, session));
        self.drain_events();
    }

    /// A session that polled has gone on to WebSocket.
    pub(crate) fn upgraded(self: &Rc<Self>, session: SessionKey) {
        self.tell(|application| application.upgraded(self, session));
    }

    /// Tells user code everything that has happened.
    #[inline]
    pub(crate) fn drain_events(self: &Rc<Self>) {
        if self.hub.borrow().has_events() {
            self.tell_events();
        }
    }

    fn tell_events(self: &Rc<Self>) {
        loop {
            let Some(event) = self.hub.borrow_mut().next_event() else {
                return;
            };
            match event {
                Event::Connecting {
                    socket,
                    namespace,
                    auth,
                } => self.tell(|to| to.connecting(self, socket, namespace, auth.as_deref())),
                Event::Connected {
                    socket,
                    namespace,
                    auth,
                } => {
                    self.newcomer_joins(socket);
                    self.tell(|to| to.connected(self, socket, namespace, auth.as_deref()));
                }
                Event::Disconnected {
                    session,
                    socket,
                    id,
                    namespace,
                    reason,
                    rooms,
                    connected,
                } => {
                    if reason != CloseReason::ServerShuttingDown {
                        self.leave_handlers(socket);
                    }
                    let farewell = Farewell {
                        id,
                        rooms,
                        extensions: self.kept.take_extensions(socket),
                        // Told before the session's end is, which forgets it.
                        handshake: self.kept.handshake(session),
                    };
                    if connected {
                        self.tell(|to| to.disconnected(self, socket, namespace, reason, farewell));
                    }
                }
                Event::NotJoined {
                    namespace,
                    room,
                    sockets,
                } => {
                    let about = || About {
                        namespace: Some(peer(self.hub.borrow().namespace_name(namespace))),
                        ..self.about()
                    };
                    log::line!(NotAllJoined, about(), room = peer(&room), sockets);
                }
                Event::Closed { session, reason } => self.closed(session, reason),
                Event::Ack { token, news } => self.acks.tell(token, news),
            }
        }
    }

    fn closed(self: &Rc<Self>, session: SessionKey, reason: CloseReason) {
        self.kept.forget_handshake(session);
        self.newcomer_closes(session);
        self.end_post(session);
        self.tell(|application| application.closed(self, session, reason));
    }
}
