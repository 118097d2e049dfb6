//! Answers: how does user code hear that a socket comes, changes its transport and goes.

use super::{
    CloseReason, Farewell, Handlers, NamespaceId, Rc, Shard, Socket, SocketKey, finish,
    finish_event, log_reject,
};
use crate::{
    handler::{
        call::{Admission, Cause, Context},
        drive::drive,
        reply::Refused,
    },
    handshake::Credentials,
    log,
    shard::INTERNAL_ERROR,
};

pub(super) fn connecting(
    shard: &Rc<Shard>,
    handlers: &Rc<Handlers>,
    key: SocketKey,
    namespace: NamespaceId,
    auth: Option<&str>,
) {
    let Some(handler) = &handlers.auth else {
        return admit(shard, handlers, key, namespace, auth);
    };
    let socket = Socket::new(shard, key, namespace);
    keep_auth(handlers, &socket, auth);
    let context = Context {
        socket: &socket,
        cause: Cause::Connect { auth },
    };
    let (asked, handlers) = (Rc::clone(shard), Rc::clone(handlers));
    let credentials: Option<Box<str>> = auth.map(Into::into);
    drive(shard, Some(key), handler, &context, move |result| {
        let shard = asked;
        let refused = match result {
            Some(Ok(Admission(Ok(())))) => {
                admit(&shard, &handlers, key, namespace, credentials.as_deref());
                return shard.drain_events();
            }
            Some(Ok(Admission(Err(refused)))) => refused,
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
        drop(shard.kept.take_extensions(key));
    });
}

/// Keeps a client's credentials where the namespace wants that.
fn keep_auth(handlers: &Handlers, socket: &Socket, auth: Option<&str>) {
    if handlers.keep_auth {
        socket.set(Credentials(auth.map(Into::into)));
    }
}

fn admit(
    shard: &Rc<Shard>,
    handlers: &Handlers,
    key: SocketKey,
    namespace: NamespaceId,
    auth: Option<&str>,
) {
    if shard.with_hub(|hub, _| hub.accept(key)) {
        shard.newcomer_joins(key);
        connected(shard, handlers, key, namespace, auth);
    }
}

pub(super) fn connected(
    shard: &Rc<Shard>,
    handlers: &Handlers,
    key: SocketKey,
    namespace: NamespaceId,
    auth: Option<&str>,
) {
    let socket = Socket::new(shard, key, namespace);
    if handlers.auth.is_none() {
        keep_auth(handlers, &socket, auth);
    }
    if handlers.connect.is_empty() {
        return;
    }
    shard.send_connect(key);
    let context = Context {
        socket: &socket,
        cause: Cause::Connect { auth },
    };
    for handler in &handlers.connect {
        let finishing = Rc::clone(shard);
        drive(shard, Some(key), handler, &context, move |result| {
            finish_event(&finishing, key, None, "connect", result);
        });
    }
}

/// A session that polled has gone on to WebSocket.
pub(super) fn upgraded(
    shard: &Rc<Shard>,
    handlers: &Handlers,
    key: SocketKey,
    namespace: NamespaceId,
) {
    let socket = Socket::new(shard, key, namespace);
    let context = Context {
        socket: &socket,
        cause: Cause::Upgrade,
    };
    for handler in &handlers.upgrade {
        let finishing = Rc::clone(shard);
        drive(shard, Some(key), handler, &context, move |result| {
            finish_event(&finishing, key, None, "upgrade", result);
        });
    }
}

/// The socket is out of every table before user code hears of it: whatever that does, nothing
/// of the socket stays.
pub(super) fn disconnected(
    shard: &Rc<Shard>,
    handlers: &Handlers,
    key: SocketKey,
    namespace: NamespaceId,
    reason: CloseReason,
    farewell: Farewell,
) {
    if handlers.disconnect.is_empty() {
        return;
    }
    let socket = Socket::gone(shard, key, namespace, farewell);
    let context = Context {
        socket: &socket,
        cause: Cause::Disconnect { reason },
    };
    for handler in &handlers.disconnect {
        let left = socket.clone();
        drive(shard, None, handler, &context, move |result| {
            let about = || left.about();
            finish(&left.shard, key, None, "disconnect", result, about);
        });
    }
}
