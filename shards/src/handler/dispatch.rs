//! Answers: which handlers run for what has happened in a namespace, and what becomes of their results.
//!
//! No borrow of the hub is held while a handler runs.

mod sockets;

use std::rc::Rc;

use bytes::Bytes;
use stentor_engine::{
    error::CloseReason,
    hub::{Incoming, Received, SessionKey, SocketKey},
    id::NamespaceId,
};

use super::{
    call::{Cause, Context},
    drive::{Driven, Guarded, begin},
    extract::Reject,
    owed::{Answered, OwedAck},
    registry::Handlers,
    reply::{Refused, Reply},
};
use crate::{
    api::{DISCONNECTED, NOT_CONNECTED, Socket, is_caused_by_client, payload::Encoded},
    log::{self, About, failure, peer},
    shard::{Application, Farewell, INTERNAL_ERROR, Shard},
};

/// What a client is told whose handlers wait, so many that no more may.
const TOO_MANY_WAIT: &str = "Too many handlers are waiting";

/// The handlers of all namespaces, in the order of the namespaces' ids.
pub(crate) struct Namespaces(Vec<Rc<Handlers>>);

impl Namespaces {
    pub(crate) fn new(namespaces: impl Iterator<Item = Handlers>) -> Self {
        Self(namespaces.map(Rc::new).collect())
    }

    fn of(&self, namespace: NamespaceId) -> Option<&Rc<Handlers>> {
        self.0.get(usize::from(namespace.0))
    }
}

impl Application for Namespaces {
    fn has_namespaces(&self) -> bool {
        true
    }

    fn received(&self, shard: &Rc<Shard>, _: SessionKey, received: &Received<'_>) {
        if let Received::Event(incoming) = received
            && let Some(handlers) = self.of(incoming.namespace)
        {
            event(shard, handlers, incoming);
        }
    }

    fn connecting(
        &self,
        shard: &Rc<Shard>,
        socket: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
        if let Some(handlers) = self.of(namespace) {
            sockets::connecting(shard, handlers, socket, namespace, auth);
        }
    }

    fn connected(
        &self,
        shard: &Rc<Shard>,
        socket: SocketKey,
        namespace: NamespaceId,
        auth: Option<&str>,
    ) {
        if let Some(handlers) = self.of(namespace) {
            sockets::connected(shard, handlers, socket, namespace, auth);
        }
    }

    fn upgraded(&self, shard: &Rc<Shard>, session: SessionKey) {
        if self.0.iter().all(|handlers| handlers.upgrade.is_empty()) {
            return;
        }
        let on_it = shard.hub.borrow_mut().sockets_on(session);
        for (socket, namespace) in on_it {
            if let Some(handlers) = self.of(namespace) {
                sockets::upgraded(shard, handlers, socket, namespace);
            }
        }
        shard.drain_events();
    }

    fn disconnected(
        &self,
        shard: &Rc<Shard>,
        socket: SocketKey,
        namespace: NamespaceId,
        reason: CloseReason,
        farewell: Farewell,
    ) {
        if let Some(handlers) = self.of(namespace) {
            sockets::disconnected(shard, handlers, socket, namespace, reason, farewell);
        }
    }
}

/// A handler was not called. An operator need not hear what a client sent.
#[cold]
fn log_reject(about: impl FnOnce() -> About, event: &str, reject: &Reject) {
    if reject.is_internal() {
        log::line!(
            HandlerFailed,
            about(),
            event = peer(event),
            error = peer(reject.for_log())
        );
    } else {
        log::line!(
            NotCalled,
            about(),
            event = peer(event),
            error = peer(reject.for_log())
        );
    }
}

/// A handler has returned an error. An operator need not hear what a client can cause. The error may have been made a
/// `Box<dyn Error>` or a text, so that its text is all that there is to go by.
fn log_failure(about: impl FnOnce() -> About, event: &str, error: &str) {
    let event = peer(event);
    if error == NOT_CONNECTED || error == DISCONNECTED {
        log::line!(ClientGone, about(), event, error);
    } else if is_caused_by_client(error) {
        log::line!(ClientFailed, about(), event, error = peer(error));
    } else {
        log::line!(HandlerFailed, about(), event, error = failure(error));
    }
}

fn event(shard: &Rc<Shard>, handlers: &Handlers, incoming: &Incoming<'_>) {
    let name = incoming.name.read(&incoming.text);
    let list = match handlers.events.get(&*name) {
        Some(list) => list.as_slice(),
        // As in the official server, an event nobody listens to is no error.
        None => handlers.fallback.as_slice(),
    };
    let socket = Socket::new(shard, incoming.socket, incoming.namespace);
    let answered = Answered::default();
    let cause = Cause::Event {
        name: &name,
        incoming,
        answered: &answered,
    };
    let context = Context {
        socket: &socket,
        cause,
    };
    let alone = list.len() == 1;
    for (nth, handler) in list.iter().enumerate() {
        let ack = incoming.ack.filter(|_| nth == 0);
        let key = incoming.socket;
        if shard.tasks.is_full(key) && handler.may_wait() {
            refuse_event(shard, key, OwedAck::of(ack, &answered, alone), &name);
            continue;
        }
        match begin(handler, &context) {
            Driven::Done(Some(Ok(Reply::Silent))) => {}
            Driven::Done(Some(Ok(Reply::Ack(_)))) if ack.is_none() => {}
            Driven::Done(result) => {
                let wanted = OwedAck::of(ack, &answered, alone);
                finish_event(shard, key, wanted, &name, result);
            }
            Driven::Waits(future) => {
                let wanted = OwedAck::of(ack, &answered, alone);
                finish_later(shard, incoming, wanted, &name, future);
            }
        }
    }
}

/// Not inlined: a task is aligned to 128 bytes, and so would be the frame of every event.
#[inline(never)]
fn finish_later(
    shard: &Rc<Shard>,
    incoming: &Incoming<'_>,
    ack: Option<OwedAck>,
    event: &str,
    future: Guarded<Reply>,
) {
    let (finishing, event) = (Rc::clone(shard), event.to_owned());
    let socket = incoming.socket;
    let attachments = incoming.attachments.iter().map(Bytes::len);
    let bytes = incoming.text.len() + attachments.sum::<usize>();
    shard.wait_for(Some(socket), bytes, future, move |result| {
        finish_event(&finishing, socket, ack, &event, result.map(Ok));
    });
}

/// A handler is not called, because too many of its socket's wait.
#[cold]
fn refuse_event(shard: &Shard, socket: SocketKey, ack: Option<OwedAck>, event: &str) {
    let refused = shard.tasks.note_refused();
    let event = peer(event);
    log::line!(TooManyWait, shard.about_socket(socket), event, refused);
    if let Some(wanted) = ack {
        ack_error(shard, socket, &wanted, TOO_MANY_WAIT);
    }
}

fn ack_error(shard: &Shard, socket: SocketKey, wanted: &OwedAck, message: &str) {
    ack_refusal(shard, socket, wanted, message, None);
}

fn ack_refusal(
    shard: &Shard,
    socket: SocketKey,
    wanted: &OwedAck,
    message: &str,
    data: Option<serde_json::Value>,
) {
    let mut error = serde_json::json!({ "message": message });
    if let Some(data) = data {
        error["data"] = data;
    }
    let error = Encoded {
        args: serde_json::json!({ "error": error }).to_string(),
        attachments: Vec::new(),
    };
    // One that does not fit either is what a bound of a few bytes brings about.
    let _ = wanted.answer(shard, socket, &error);
}

fn finish_event(
    shard: &Shard,
    socket: SocketKey,
    ack: Option<OwedAck>,
    event: &str,
    result: Option<Result<Reply, Reject>>,
) {
    let about = || shard.about_socket(socket);
    finish(shard, socket, ack, event, result, about);
}

fn finish(
    shard: &Shard,
    socket: SocketKey,
    ack: Option<OwedAck>,
    event: &str,
    result: Option<Result<Reply, Reject>>,
    about: impl FnOnce() -> About,
) {
    let error = match result {
        Some(Ok(Reply::Ack(encoded))) => {
            let Some(wanted) = &ack else { return };
            let Err(error) = wanted.answer(shard, socket, &encoded) else {
                return;
            };
            let (event, error) = (peer(event), failure(error));
            log::line!(AckNotSent, about(), event, error = &*error);
            error
        }
        Some(Ok(Reply::Silent)) => return,
        None => {
            log::line!(HandlerPanicked, about(), event = peer(event));
            INTERNAL_ERROR.to_owned()
        }
        Some(Ok(Reply::Failed(error))) => {
            log_failure(about, event, &error);
            error
        }
        Some(Ok(Reply::Refused(refused))) => {
            log::line!(
                EventRefused,
                about(),
                event = peer(event),
                error = peer(&refused.message)
            );
            let Refused { message, data } = *refused;
            if let Some(wanted) = &ack {
                ack_refusal(shard, socket, wanted, &message, data);
            }
            return;
        }
        Some(Ok(Reply::Rejected(reject))) => {
            log_reject(about, event, &reject);
            reject.message
        }
        Some(Err(reject)) => {
            log_reject(about, event, &reject);
            reject.message
        }
    };
    if let Some(wanted) = ack {
        ack_error(shard, socket, &wanted, &error);
    }
}
