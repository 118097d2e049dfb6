//! Answers: how is any function with any parameters called in one way.

use std::{future::Future, marker::PhantomData, pin::Pin, rc::Rc};

use bytes::Bytes;
use stentor_engine::{error::CloseReason, hub::Incoming};

use super::{
    extract::{FromContext, Reject},
    needs::Needs,
    owed::Answered,
    reply::{ConnectReply, IntoReply, Refused, Reply},
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

/// The parameters of a handler: none, or up to six types that are [`FromContext`].
#[diagnostic::on_unimplemented(
    message = "a handler has at most six parameters",
    label = "too many parameters",
    note = "all arguments of an event can be one parameter: `Args((a, b, c)): Args<(A, B, C)>`",
    note = "a type of your own that implements FromContext can hold several: what it is made of has FromContext too"
)]
pub trait Params: Sized {
    #[doc(hidden)]
    fn from_context(context: &Context<'_>) -> Result<Self, Reject>;

    #[doc(hidden)]
    fn needs(needs: &mut Needs);
}

/// An `async` function or closure whose parameters are [`FromContext`].
///
/// Nothing needs to be `Send`: handlers and their futures never leave their shard's thread.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async function that can be a handler",
    label = "this has to be an async function or closure",
    note = "write `async` before it: `async fn name(…)`, `async |…| …`",
    note = "for an event, a function that is not async goes to `on_sync` instead of `on`"
)]
pub trait AsyncHandler<P, R>: 'static {
    #[doc(hidden)]
    fn begin<Q>(self: &Rc<Self>, params: P, convert: fn(R) -> Q) -> LocalFuture<Q>
    where
        P: 'static,
        R: 'static,
        Q: 'static;
}

/// A function or closure, not `async`, whose parameters are [`FromContext`]: the fast path, called
/// without allocating a future.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function that can be a handler",
    label = "this has to be a function or closure with parameters of its own",
    note = "a handler is called with what its parameters' types ask for: `fn name(s: Socket, Data(text): Data<String>)`"
)]
pub trait SyncHandler<P, R>: 'static {
    #[doc(hidden)]
    fn run(&self, params: P) -> R;
}

macro_rules! params {
    ($($param:ident),*) => {
        impl<$($param: FromContext),*> Params for ($($param,)*) {
            // Else what the handler is given is moved once more.
            #[inline(always)]
            fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
                let _ = context; // without parameters
                Ok(($($param::from_context(context)?,)*))
            }

            fn needs(needs: &mut Needs) {
                let _ = &needs; // without parameters
                $($param::needs(needs);)*
            }
        }
    };
}

macro_rules! handlers {
    ($($param:ident $value:ident),*) => {
        impl<F, R, $($param),*> AsyncHandler<($($param,)*), R> for F
        where
            F: AsyncFn($($param),*) -> R + 'static,
        {
            #[inline]
            fn begin<Q>(
                self: &Rc<Self>,
                ($($value,)*): ($($param,)*),
                convert: fn(R) -> Q,
            ) -> LocalFuture<Q>
            where
                ($($param,)*): 'static,
                R: 'static,
                Q: 'static,
            {
                // The future borrows the function, so it takes it along.
                let function = Rc::clone(self);
                Box::pin(async move { convert(function($($value),*).await) })
            }
        }

        impl<F, R, $($param),*> SyncHandler<($($param,)*), R> for F
        where
            F: Fn($($param),*) -> R + 'static,
        {
            #[inline(always)]
            fn run(&self, ($($value,)*): ($($param,)*)) -> R {
                self($($value),*)
            }
        }
    };
}

params!();
params!(A);
params!(A, B);
params!(A, B, C);
params!(A, B, C, D);
params!(A, B, C, D, E);
params!(A, B, C, D, E, G);

handlers!();
handlers!(A a);
handlers!(A a, B b);
handlers!(A a, B b, C c);
handlers!(A a, B b, C c, D d);
handlers!(A a, B b, C c, D d, E e);
handlers!(A a, B b, C c, D d, E e, G g);
// No handler may have so many parameters. With these the compiler says that, and not that it is not a function.
handlers!(A a, B b, C c, D d, E e, G g, H h);
handlers!(A a, B b, C c, D d, E e, G g, H h, I i);
handlers!(A a, B b, C c, D d, E e, G g, H h, I i, J j);

/// An async handler as a [`Call`].
pub(crate) struct Awaited<F, P, R> {
    pub(crate) handler: Rc<F>,
    pub(crate) _of: PhantomData<fn(P) -> R>,
}

/// What turns a handler's own result into what the caller wants.
pub(crate) trait Convert<R> {
    fn convert(self) -> R;
}

impl<T: IntoReply> Convert<Reply> for T {
    fn convert(self) -> Reply {
        self.into_reply()
    }
}

/// The verdict on a connecting client.
#[derive(Debug)]
pub(crate) struct Admission(pub(crate) Result<(), Refused>);

/// Results of auth handlers: a type of its own, because `Result<(), E>` is a reply too.
pub(crate) struct AsAdmission<T>(pub(crate) T);

impl<T: ConnectReply> Convert<Admission> for AsAdmission<T> {
    fn convert(self) -> Admission {
        Admission(self.0.into_admission())
    }
}

impl<F, P, T> Awaited<F, P, T>
where
    F: AsyncHandler<P, T>,
    P: Params + 'static,
    T: 'static,
{
    fn begin<Q: 'static>(&self, context: &Context<'_>, convert: fn(T) -> Q) -> Outcome<Q> {
        match P::from_context(context) {
            Ok(params) => Outcome::Begun(self.handler.begin(params, convert)),
            Err(reject) => Outcome::Rejected(reject),
        }
    }
}

impl<F, P, T> Call<Reply> for Awaited<F, P, T>
where
    F: AsyncHandler<P, T>,
    P: Params + 'static,
    T: IntoReply + 'static,
{
    fn call(&self, context: &Context<'_>) -> Outcome<Reply> {
        self.begin(context, Convert::convert)
    }

    fn may_wait(&self) -> bool {
        true
    }
}

impl<F, P, T> Call<Admission> for Awaited<F, P, T>
where
    F: AsyncHandler<P, T>,
    P: Params + 'static,
    T: ConnectReply + 'static,
{
    fn call(&self, context: &Context<'_>) -> Outcome<Admission> {
        self.begin(context, |value| AsAdmission(value).convert())
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

impl<F, P, T> Call<Reply> for Called<F, P, T>
where
    F: SyncHandler<P, T>,
    P: Params,
    T: IntoReply + 'static,
{
    fn call(&self, context: &Context<'_>) -> Outcome<Reply> {
        match P::from_context(context) {
            Ok(params) => Outcome::Done(self.handler.run(params).convert()),
            Err(reject) => Outcome::Rejected(reject),
        }
    }

    fn may_wait(&self) -> bool {
        false
    }
}
