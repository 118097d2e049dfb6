//! Answers: how is user code called without harm to the shard.
//!
//! No borrow of the hub is held while a handler runs; a panic is caught and ends that event alone.
//! A handler's future is polled once at once: only one that really waits becomes a task.

mod sockets;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{self, Poll, Waker},
};

use bytes::Bytes;
use stentor_engine::{
    error::CloseReason,
    hub::{Event, Incoming, Received, SessionKey, SocketKey},
    id::NamespaceId,
};

use super::{Application, Shard, take};
use crate::{
    api::{
        DISCONNECTED, NOT_CONNECTED,
        payload::Encoded,
        socket::{Farewell, Socket, StaysHere},
    },
    discard::discard,
    engine_server::{EngineHandlers, Message},
    handler::{
        Answered, Call, Cause, Context, Credentials, Handlers, INTERNAL_ERROR, LocalFuture,
        Outcome, Refused, Reject, Reply, Verdict, Wanted,
    },
    log::{self, About},
    post::Ask,
};

/// A future that ends with `None` when it panics, and may panic when it is dropped.
struct Guarded<R>(Option<LocalFuture<R>>);

impl<R> Future for Guarded<R> {
    type Output = Option<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<R>> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(None);
        };
        // Nothing of the shard is borrowed here, and the future is not polled again.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(panic) => {
                discard(panic);
                Poll::Ready(None)
            }
        }
    }
}

impl<R> Drop for Guarded<R> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}

/// What calling a handler came to.
enum Driven<R> {
    /// Its result; `None` if it panicked.
    Done(Option<Result<R, Reject>>),
    /// It waits for something.
    Waits(Guarded<R>),
}

/// Calls a handler and drives it as far as it goes without waiting.
#[inline]
fn begin<R>(call: &Rc<dyn Call<R>>, context: &Context<'_>) -> Driven<R> {
    let outcome = catch_unwind(AssertUnwindSafe(|| call.call(context)));
    let future = match outcome {
        Err(panic) => {
            discard(panic);
            return Driven::Done(None);
        }
        Ok(Outcome::Rejected(reject)) => return Driven::Done(Some(Err(reject))),
        Ok(Outcome::Done(result)) => return Driven::Done(Some(Ok(result))),
        Ok(Outcome::Begun(future)) => future,
    };
    let mut future = Guarded(Some(future));
    match Pin::new(&mut future).poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Driven::Done(result.map(Ok)),
        Poll::Pending => Driven::Waits(future),
    }
}

/// What a client is told whose handlers wait, so many that no more may.
const TOO_MANY_WAIT: &str = "Too many handlers are waiting";

/// A handler was not called. An operator need not hear what a client sent.
#[cold]
fn log_reject(about: impl FnOnce() -> About, event: &str, reject: &Reject) {
    if reject.is_internal() {
        log::line!(
            HandlerFailed,
            about(),
            event = log::peer(event),
            error = log::peer(reject)
        );
    } else {
        log::line!(
            NotCalled,
            about(),
            event = log::peer(event),
            error = log::peer(reject)
        );
    }
}

/// A handler has returned an error. An operator need not hear that its client has gone.
fn log_failure(about: impl FnOnce() -> About, event: &str, error: &str) {
    let event = log::peer(event);
    if error == NOT_CONNECTED || error == DISCONNECTED {
        log::line!(ClientGone, about(), event, error);
    } else {
        log::line!(HandlerFailed, about(), event, error = log::failure(error));
    }
}

impl Shard {
    /// The same; `finish` gets the handler's result, now or later. One that waits is the socket's, if there
    /// is one ([`super::tasks`]).
    fn drive<R: 'static>(
        self: &Rc<Self>,
        socket: Option<SocketKey>,
        call: &Rc<dyn Call<R>>,
        context: &Context<'_>,
        finish: impl FnOnce(Option<Result<R, Reject>>) + 'static,
    ) {
        match begin(call, context) {
            Driven::Done(result) => finish(result),
            Driven::Waits(future) => {
                let bytes = context.args().0.len();
                self.wait_for(socket, bytes, future, |result| finish(result.map(Ok)));
            }
        }
    }

    fn handlers(&self, namespace: NamespaceId) -> Option<Rc<Handlers>> {
        match &*self.application.borrow() {
            Application::SocketIo(namespaces) => namespaces
                .get(usize::from(namespace.0))
                .map(|(_, handlers)| Rc::clone(handlers)),
            Application::EngineIo(_) => None,
        }
    }

    fn engine_handlers(&self) -> Option<Rc<EngineHandlers>> {
        match &*self.application.borrow() {
            Application::EngineIo(handlers) => Some(Rc::clone(handlers)),
            Application::SocketIo(_) => None,
        }
    }

    /// Whether any namespace wants to hear of upgrades.
    fn hears_upgrades(&self) -> bool {
        match &*self.application.borrow() {
            Application::SocketIo(all) => all.iter().any(|(_, ns)| !ns.upgrade.is_empty()),
            Application::EngineIo(_) => false,
        }
    }

    fn socket(self: &Rc<Self>, key: SocketKey, namespace: NamespaceId) -> Socket {
        Socket {
            stays: StaysHere::default(),
            shard: Rc::clone(self),
            key,
            namespace,
            farewell: None,
        }
    }

    /// What a packet came to reaches user code; then what followed from it.
    pub(super) fn dispatch(self: &Rc<Self>, session: SessionKey, received: &Received<'_>) {
        match received {
            Received::Nothing => {}
            Received::Event(incoming) => self.event(incoming),
            Received::Text(text) => self.engine_message(session, Message::Text(text)),
            Received::Binary(data) => self.engine_message(session, Message::Binary(data)),
        }
        self.drain_events();
    }

    fn event(self: &Rc<Self>, incoming: &Incoming<'_>) {
        let Some(handlers) = self.handlers(incoming.namespace) else {
            return;
        };
        let name = incoming.name.read(&incoming.text);
        let list = match handlers.events.get(&*name) {
            Some(list) => list.as_slice(),
            // As in the official server, an event nobody listens to is no error.
            None => handlers.fallback.as_slice(),
        };
        let socket = self.socket(incoming.socket, incoming.namespace);
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
            if self.tasks.is_full(key) && handler.may_wait() {
                self.refuse_event(key, Wanted::of(ack, &answered, alone), &name);
                continue;
            }
            match begin(handler, &context) {
                Driven::Done(Some(Ok(Reply::Silent))) => {}
                Driven::Done(Some(Ok(Reply::Ack(_)))) if ack.is_none() => {}
                Driven::Done(result) => {
                    self.finish_event(key, Wanted::of(ack, &answered, alone), &name, result);
                }
                Driven::Waits(future) => {
                    self.finish_later(incoming, Wanted::of(ack, &answered, alone), &name, future);
                }
            }
        }
    }

    /// Not inlined: a task is aligned to 128 bytes, and so would be the frame of every event.
    #[inline(never)]
    fn finish_later(
        self: &Rc<Self>,
        incoming: &Incoming<'_>,
        ack: Option<Wanted>,
        event: &str,
        future: Guarded<Reply>,
    ) {
        let (shard, event) = (Rc::clone(self), event.to_owned());
        let socket = incoming.socket;
        let attachments = incoming.attachments.iter().map(Bytes::len);
        let bytes = incoming.text.len() + attachments.sum::<usize>();
        self.wait_for(Some(socket), bytes, future, move |result| {
            shard.finish_event(socket, ack, &event, result.map(Ok));
        });
    }

    /// A handler is not called, because too many of its socket's wait.
    #[cold]
    fn refuse_event(&self, socket: SocketKey, ack: Option<Wanted>, event: &str) {
        let refused = self.tasks.note_refused();
        let event = log::peer(event);
        log::line!(TooManyWait, self.about_socket(socket), event, refused);
        if let Some(wanted) = ack {
            self.ack_error(socket, &wanted, TOO_MANY_WAIT);
        }
    }

    fn ack_error(&self, socket: SocketKey, wanted: &Wanted, message: &str) {
        let error = Encoded {
            args: serde_json::json!({ "error": { "message": message } }).to_string(),
            attachments: Vec::new(),
        };
        // One that does not fit either is what a bound of a few bytes brings about.
        let _ = wanted.answer(self, socket, &error);
    }

    fn finish_event(
        &self,
        socket: SocketKey,
        ack: Option<Wanted>,
        event: &str,
        result: Option<Result<Reply, Reject>>,
    ) {
        self.finish(socket, ack, event, result, || self.about_socket(socket));
    }

    fn finish(
        &self,
        socket: SocketKey,
        ack: Option<Wanted>,
        event: &str,
        result: Option<Result<Reply, Reject>>,
        about: impl FnOnce() -> About,
    ) {
        let error = match result {
            Some(Ok(Reply::Ack(encoded))) => {
                let Some(wanted) = &ack else { return };
                let Err(error) = wanted.answer(self, socket, &encoded) else {
                    return;
                };
                let (event, error) = (log::peer(event), log::failure(error));
                log::line!(AckNotSent, about(), event, error = &*error);
                error
            }
            Some(Ok(Reply::Silent)) => return,
            None => {
                log::line!(HandlerPanicked, about(), event = log::peer(event));
                INTERNAL_ERROR.to_owned()
            }
            Some(Ok(Reply::Failed(error))) => {
                log_failure(about, event, &error);
                error
            }
            Some(Err(reject)) => {
                log_reject(about, event, &reject);
                reject.message
            }
        };
        if let Some(wanted) = ack {
            self.ack_error(socket, &wanted, &error);
        }
    }

    /// Tells user code everything that has happened.
    #[inline]
    pub(super) fn drain_events(self: &Rc<Self>) {
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
                } => {
                    self.connecting(socket, namespace, auth.as_deref());
                }
                Event::Connected {
                    socket,
                    namespace,
                    auth,
                } => {
                    self.connected(socket, namespace, auth.as_deref());
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
                        extensions: take(&self.extensions, socket.to_bits()),
                        // Told before the session's end is, which forgets it.
                        handshake: self.handshake(session),
                    };
                    if connected {
                        self.disconnected(socket, namespace, reason, farewell);
                    }
                }
                Event::NotJoined {
                    namespace,
                    room,
                    sockets,
                } => {
                    let about = || About {
                        namespace: Some(log::peer(self.hub.borrow().namespace_name(namespace))),
                        ..self.about()
                    };
                    log::line!(NotAllJoined, about(), room = log::peer(&room), sockets);
                }
                Event::Closed { session, reason } => self.closed(session, reason),
                Event::Ack { token, news } => self.questions.tell(token, news),
            }
        }
    }

    /// A thread that is no shard asks clients for an answer.
    pub(super) fn ask_for(&self, ask: Ask) {
        let Ask {
            to,
            name,
            args,
            attachments,
            volatile,
            timeout,
            answers,
        } = ask;
        let emit = stentor_engine::hub::Emit {
            name: &name,
            args: &args,
            attachments: &attachments,
            volatile,
        };
        // The thread that asks has looked at its size.
        let _ = self.ask_many(to, &emit, timeout, answers);
    }

    // ---- Engine.IO alone ----

    /// A session has begun.
    pub(super) fn opened(self: &Rc<Self>, session: SessionKey) {
        if let Some(handlers) = self.engine_handlers() {
            handlers.opened(self, session);
        }
        self.drain_events();
    }

    fn engine_message(self: &Rc<Self>, session: SessionKey, message: Message<'_>) {
        if let Some(handlers) = self.engine_handlers() {
            handlers.message(self, session, message);
        }
    }

    fn closed(self: &Rc<Self>, session: SessionKey, reason: CloseReason) {
        take(&self.handshakes, session.to_bits());
        self.newcomer_closes(session);
        self.end_post(session);
        if let Some(handlers) = self.engine_handlers() {
            handlers.closed(self, session, reason);
        }
    }
}
