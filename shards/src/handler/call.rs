//! Answers: how is any function with any parameters called in one way.

use std::{future::Future, marker::PhantomData, pin::Pin, rc::Rc};

use bytes::Bytes;
use stentor_engine::{error::CloseReason, hub::Incoming};

use super::{
    extract::{FromContext, Reject},
    wanted::Answered,
};
use crate::api::Socket;

/// Why a handler is called.
#[derive(Debug)]
pub(crate) enum Cause<'a> {
    Event {
        name: &'a str,
        incoming: &'a Incoming<'a>,
        answered: &'a Answered,
    },
    Connect {
        auth: Option<&'a str>,
    },
    Upgrade,
    Disconnect {
        reason: CloseReason,
    },
}

/// What a handler's parameters are made from.
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) socket: &'a Socket,
    pub(crate) cause: Cause<'a>,
}

impl Context<'_> {
    /// The arguments' JSON with commas between them, and the binary parts.
    pub(crate) fn args(&self) -> (&str, &[Bytes]) {
        match &self.cause {
            Cause::Event { incoming, .. } => {
                (&incoming.text[incoming.args.clone()], &incoming.attachments)
            }
            Cause::Connect { auth } => (auth.unwrap_or("{}"), &[]),
            Cause::Upgrade | Cause::Disconnect { .. } => ("", &[]),
        }
    }
}

/// What a connecting client's object is called when it is not as it should be.
pub(super) const CREDENTIALS: &str = "credentials";

impl Context<'_> {
    /// What [`Context::args`] are called when they are not as they should be.
    pub(super) const fn name_of_args<'a>(&self, event_args: &'a str) -> &'a str {
        match &self.cause {
            Cause::Event { .. } | Cause::Upgrade | Cause::Disconnect { .. } => event_args,
            Cause::Connect { .. } => CREDENTIALS,
        }
    }
}

pub(crate) type LocalFuture<R> = Pin<Box<dyn Future<Output = R>>>;

/// What calling a handler came to.
pub(crate) enum Outcome<R> {
    /// It was not called.
    Rejected(Reject),
    /// It has returned.
    Done(R),
    /// It has not begun: the future has yet to be polled.
    Begun(LocalFuture<R>),
}

/// A handler whose parameters' types have been erased.
pub(crate) trait Call<R> {
    fn call(&self, context: &Context<'_>) -> Outcome<R>;

    /// Whether what it is called for may wait.
    fn may_wait(&self) -> bool;
}

/// An `async` function or closure whose parameters are [`FromContext`].
///
/// Nothing needs to be `Send`: handlers and their futures never leave their shard's thread.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no async handler",
    label = "not async, or a parameter that cannot be made from an event",
    note = "if it is not async: give it to `on_sync`, or write `async` before it",
    note = "if it is: a plain value such as `name: String` must be wrapped, `Data(name): Data<String>`; other parameters are Socket, Io, Args<T>, Raw, Auth<T>, State<T>, Local<T>, AckHandle, EventName, Reason, Rc<Handshake>, at most six in all"
)]
pub trait AsyncHandler<Params, R>: 'static {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the crate's own impls exist")]
    fn begin<Q>(self: &Rc<Self>, context: &Context<'_>, convert: fn(R) -> Q) -> Outcome<Q>
    where
        R: 'static,
        Q: 'static;
}

/// A function or closure, not `async`, whose parameters are [`FromContext`]: the fast path, called
/// without allocating a future.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    label = "has a parameter that cannot be made from an event",
    note = "a plain value such as `name: String` must be wrapped, `Data(name): Data<String>`; other parameters are Socket, Io, Args<T>, Raw, Auth<T>, State<T>, Local<T>, AckHandle, EventName, Reason, Rc<Handshake>, at most six in all"
)]
pub trait SyncHandler<Params, R>: 'static {
    #[doc(hidden)]
    fn run(&self, context: &Context<'_>) -> Result<R, Reject>;
}

macro_rules! handlers {
    ($($param:ident $value:ident),*) => {
        #[expect(private_interfaces, reason = "sealed by it")]
        impl<F, R, $($param),*> AsyncHandler<($($param,)*), R> for F
        where
            F: AsyncFn($($param),*) -> R + 'static,
            R: 'static,
            $($param: FromContext + 'static),*
        {
            fn begin<Q>(self: &Rc<Self>, context: &Context<'_>, convert: fn(R) -> Q) -> Outcome<Q>
            where
                Q: 'static,
            {
                let _ = context; // without parameters
                $(let $value = match $param::from_context(context) {
                    Ok(value) => value,
                    Err(reject) => return Outcome::Rejected(reject),
                };)*
                // The future borrows the function, so it takes it along.
                let function = Rc::clone(self);
                Outcome::Begun(Box::pin(async move { convert(function($($value),*).await) }))
            }
        }

        impl<F, R, $($param),*> SyncHandler<($($param,)*), R> for F
        where
            F: Fn($($param),*) -> R + 'static,
            $($param: FromContext),*
        {
            fn run(&self, context: &Context<'_>) -> Result<R, Reject> {
                let _ = context; // without parameters
                $(let $value = $param::from_context(context)?;)*
                Ok(self($($value),*))
            }
        }
    };
}

handlers!();
handlers!(A a);
handlers!(A a, B b);
handlers!(A a, B b, C c);
handlers!(A a, B b, C c, D d);
handlers!(A a, B b, C c, D d, E e);
handlers!(A a, B b, C c, D d, E e, G g);

/// An async handler as a [`Call`].
pub(crate) struct Awaited<F, P, R> {
    pub(crate) handler: Rc<F>,
    pub(crate) _of: PhantomData<fn(P) -> R>,
}

/// What turns a handler's own result into what the caller wants.
pub(crate) trait Convert<R> {
    fn convert(self) -> R;
}

impl<T: super::IntoReply> Convert<super::Reply> for T {
    fn convert(self) -> super::Reply {
        self.into_reply()
    }
}

/// The verdict on a connecting client.
#[derive(Debug)]
pub(crate) struct Verdict(pub(crate) Result<(), super::Refused>);

/// Results of auth handlers: a type of its own, because `Result<(), E>` is a reply too.
pub(crate) struct AsVerdict<T>(pub(crate) T);

impl<T: super::ConnectReply> Convert<Verdict> for AsVerdict<T> {
    fn convert(self) -> Verdict {
        Verdict(self.0.into_verdict())
    }
}

impl<F, P, T> Call<super::Reply> for Awaited<F, P, T>
where
    F: AsyncHandler<P, T>,
    T: super::IntoReply + 'static,
{
    fn call(&self, context: &Context<'_>) -> Outcome<super::Reply> {
        self.handler.begin(context, Convert::convert)
    }

    fn may_wait(&self) -> bool {
        true
    }
}

impl<F, P, T> Call<Verdict> for Awaited<F, P, T>
where
    F: AsyncHandler<P, T>,
    T: super::ConnectReply + 'static,
{
    fn call(&self, context: &Context<'_>) -> Outcome<Verdict> {
        self.handler
            .begin(context, |value| AsVerdict(value).convert())
    }

    fn may_wait(&self) -> bool {
        true
    }
}

/// A handler that is not async as a [`Call`].
pub(crate) struct Called<F, P, R> {
    pub(crate) handler: F,
    pub(crate) _of: PhantomData<fn(P) -> R>,
}

impl<F, P, T> Call<super::Reply> for Called<F, P, T>
where
    F: SyncHandler<P, T>,
    T: super::IntoReply + 'static,
{
    fn call(&self, context: &Context<'_>) -> Outcome<super::Reply> {
        match self.handler.run(context) {
            Ok(value) => Outcome::Done(value.convert()),
            Err(reject) => Outcome::Rejected(reject),
        }
    }

    fn may_wait(&self) -> bool {
        false
    }
}
