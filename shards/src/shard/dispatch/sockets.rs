//! Answers: how does user code hear that a socket comes, changes its transport and goes.

use super::{
    Cause, CloseReason, Context, Credentials, Farewell, INTERNAL_ERROR, NamespaceId, Rc, Refused,
    SessionKey, Shard, Socket, SocketKey, Verdict, log, log_reject, take,
};

impl Shard {
    pub(super) fn connecting(
        self: &Rc<Self>,
        key: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
        let socket = self.socket(key, namespace);
        let handler = self
            .handlers(namespace)
            .and_then(|handlers| handlers.auth.clone());
        let Some(handler) = handler else {
            return self.admit(key, namespace, auth);
        };
        self.keep_auth(&socket, auth);
        let shard = Rc::clone(self);
        let cause = Cause::Connect { auth };
        let context = Context {
            socket: &socket,
            cause,
        };
        let credentials: Option<Box<str>> = auth.map(Into::into);
        self.drive(Some(key), &handler, &context, move |result| {
            let refused = match result {
                Some(Ok(Verdict(Ok(())))) => {
                    shard.admit(key, namespace, credentials.as_deref());
                    return shard.drain_events();
                }
                Some(Ok(Verdict(Err(refused)))) => refused,
                Some(Err(reject)) => {
                    log_reject(|| shard.about_socket(key), "auth", &reject);
                    Refused::new(reject.message)
                }
                None => {
                    log::line!(AuthPanicked, shard.about_socket(key));
                    Refused::new(INTERNAL_ERROR)
                }
            };
            let data = refused.data.map(|data| data.to_string());
            let told = shard.with_hub(|hub, _| hub.refuse(key, &refused.message, data.as_deref()));
            if let Err(error) = told {
                log::line!(RefusalNotSent, shard.about(), %error);
            }
            take(&shard.extensions, key.to_bits());
        });
    }

    /// Keeps a client's credentials where the namespace wants that.
    fn keep_auth(&self, socket: &Socket, auth: Option<&str>) {
        let handlers = self.handlers(socket.namespace);
        if handlers.is_some_and(|handlers| handlers.keep_auth) {
            socket.set(Credentials(auth.map(Into::into)));
        }
    }

    pub(super) fn admit(
        self: &Rc<Self>,
        key: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
        if self.with_hub(|hub, _| hub.accept(key)) {
            self.connected(key, namespace, auth);
        }
    }

    pub(super) fn connected(
        self: &Rc<Self>,
        key: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
        self.newcomer_joins(key);
        let Some(handlers) = self.handlers(namespace) else {
            return;
        };
        if handlers.keep_auth && handlers.auth.is_none() {
            self.keep_auth(&self.socket(key, namespace), auth);
        }
        if handlers.connect.is_empty() {
            return;
        }
        self.send_connect(key);
        let socket = self.socket(key, namespace);
        let context = Context {
            socket: &socket,
            cause: Cause::Connect { auth },
        };
        for handler in &handlers.connect {
            let shard = Rc::clone(self);
            self.drive(Some(key), handler, &context, move |result| {
                shard.finish_event(key, None, "connect", result);
            });
        }
    }

    /// A session that polled has gone on to WebSocket.
    pub(in crate::shard) fn upgraded(self: &Rc<Self>, session: SessionKey) {
        if let Some(handlers) = self.engine_handlers() {
            return handlers.upgraded(self, session);
        }
        if !self.hears_upgrades() {
            return;
        }
        let sockets = self.hub.borrow_mut().sockets_on(session);
        for (key, namespace) in sockets {
            let socket = self.socket(key, namespace);
            let context = Context {
                socket: &socket,
                cause: Cause::Upgrade,
            };
            let handlers = self.handlers(namespace);
            let upgrade = handlers.as_ref().map(|handlers| &handlers.upgrade[..]);
            for handler in upgrade.unwrap_or_default() {
                let shard = Rc::clone(self);
                self.drive(Some(key), handler, &context, move |result| {
                    shard.finish_event(key, None, "upgrade", result);
                });
            }
        }
        self.drain_events();
    }

    /// The socket is out of every table before user code hears of it: whatever that does, nothing
    /// of the socket stays.
    pub(super) fn disconnected(
        self: &Rc<Self>,
        key: SocketKey,
        namespace: NamespaceId,
        reason: CloseReason,
        farewell: Farewell,
    ) {
        let Some(handlers) = self.handlers(namespace) else {
            return;
        };
        if handlers.disconnect.is_empty() {
            return;
        }
        let farewell = Some(Rc::new(farewell));
        let socket = Socket {
            farewell,
            ..self.socket(key, namespace)
        };
        let context = Context {
            socket: &socket,
            cause: Cause::Disconnect { reason },
        };
        for handler in &handlers.disconnect {
            let socket = socket.clone();
            self.drive(None, handler, &context, move |result| {
                let about = || socket.about();
                socket.shard.finish(key, None, "disconnect", result, about);
            });
        }
    }
}
