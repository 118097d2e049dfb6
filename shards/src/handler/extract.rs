//! Answers: how does a handler say what it wants to be given.
//!
//! Each parameter of a handler is made from the event's [`Context`]; one that cannot be made means
//! that the handler is not called and the event fails, alone.

use std::{any::type_name, fmt, rc::Rc};

use serde::de::DeserializeOwned;
use stentor_engine::error::CloseReason;

use super::{
    call::{CREDENTIALS, Cause, Context},
    needs::{Need, Needs, Type},
};
use crate::{
    api::{
        Args, Io, Raw, Socket,
        payload::{self, Encoded},
    },
    handshake::{Credentials, Handshake},
    shard::INTERNAL_ERROR,
};

/// Why a handler's parameter could not be made: a message for the client, and more for the log. A handler may return it as its
/// error too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    pub(crate) message: String,
    detail: Option<String>,
}

impl Reject {
    /// A reason in words, the client's fault; it is logged at debug, and sent to a client that asked for an acknowledgement.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            message: reason.into(),
            detail: None,
        }
    }

    /// A reason that is not the client's: it is logged, and the client hears `Internal server error`.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self {
            message: INTERNAL_ERROR.to_owned(),
            detail: Some(reason.into()),
        }
    }

    /// The message and what is for the log alone. `Reject` itself cannot be displayed, so that a handler that returns
    /// one does not tell the client both ([`super::HandlerError`]).
    pub(crate) fn for_log(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| match &self.detail {
            None => f.write_str(&self.message),
            Some(detail) => write!(f, "{}: {detail}", self.message),
        })
    }

    /// Whether the fault is the server's, and not what the client sent.
    pub(crate) fn is_internal(&self) -> bool {
        self.message == INTERNAL_ERROR
    }

    /// What came is no `T`. The client learns what is wrong with what it sent; what it should have been
    /// in Rust is nothing to it, and is logged.
    fn not_a<T>(what: &str, error: &serde_json::Error) -> Self {
        let mut why = error.to_string();
        // Where in the text it is says little: arguments are read one by one or as a list.
        let place = format!(" at line {} column {}", error.line(), error.column());
        if let Some(end) = why.strip_suffix(&place).map(str::len) {
            why.truncate(end);
        }
        let mut detail = format!("no {}", type_name::<T>());
        if why == payload::UNEXPECTED_BINARY {
            detail.push_str("; stentor::Value and Binary hold binary data");
        }
        Self {
            message: format!("invalid {what}: {why}"),
            detail: Some(detail),
        }
    }
}

/// A type that a handler can have as a parameter.
///
/// A type of your own is one that is made of others:
///
/// ```
/// use stentor::{Context, FromContext, Needs, Reject, prelude::*};
///
/// # #[derive(Clone)]
/// # struct Users;
/// # impl Users { fn name_of(&self, _: u64) -> Option<String> { None } }
/// struct UserId(u64);
///
/// /// The name of the user that `auth` has kept with the socket.
/// struct UserName(String);
///
/// impl FromContext for UserName {
///     fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
///         let State(users): State<Users> = FromContext::from_context(context)?;
///         let id: Kept<UserId> = FromContext::from_context(context)?;
///         let name = users.name_of(id.0.0).ok_or_else(|| Reject::new("you are unknown"))?;
///         Ok(Self(name))
///     }
///
///     fn needs(needs: &mut Needs) {
///         State::<Users>::needs(needs); // the start fails without it
///     }
/// }
///
/// fn app(app: &mut App) {
///     app.ns("/").on_sync("who am I?", |UserName(name): UserName| name);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a handler",
    label = "this handler has a parameter of type `{Self}`",
    note = "an argument of the event must be wrapped: `Data(name): Data<String>`, or `Args((a, b)): Args<(A, B)>` for several",
    note = "other parameters are Socket, Io, Raw, Auth<T>, State<T>, Local<T>, Kept<T>, AckHandle, EventName, Reason, Rc<Handshake>, or an Option of one of them",
    note = "a handler owns its parameters: `s: Socket`, not `s: &Socket`"
)]
pub trait FromContext: Sized {
    /// Makes the parameter.
    ///
    /// # Errors
    /// Why it cannot be made.
    fn from_context(context: &Context<'_>) -> Result<Self, Reject>;

    /// Says what the parameter needs of the server, so that a server without it does not start: what the
    /// parameters need that it is made of. By default nothing.
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }
}

/// The event's first argument, or the connection's credentials, as a `T`.
///
/// ```
/// use stentor::prelude::*;
///
/// fn app(app: &mut App) {
///     app.ns("/").on_sync("greet", |Data(name): Data<String>| format!("hi {name}"));
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Data<T>(pub T);

/// The object that the client sent when it connected (`auth` in the JavaScript client). In `auth` and
/// `on_connect`; in other handlers of a namespace that keeps it ([`crate::NamespaceBuilder::keep_auth`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Auth<T>(pub T);

/// State of the server, given to [`crate::Server::state`]: one for all shards, cloned out.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use stentor::prelude::*;
///
/// #[derive(Clone, Default)]
/// struct Count(Arc<AtomicUsize>);
///
/// let server = Server::new().state(Count::default()).app(|app| {
///     app.ns("/").on_sync("count", |State(count): State<Count>| count.0.fetch_add(1, Ordering::Relaxed));
/// });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State<T>(pub T);

/// State of the shard, given to [`crate::App::local`]: needs no lock and need not be `Send`.
///
/// ```
/// use stentor::prelude::*;
///
/// fn app(app: &mut App) {
///     app.local(std::cell::Cell::new(0_u32));
///     app.ns("/").on_sync("count", |Local(count): Local<std::cell::Cell<u32>>| {
///         count.set(count.get() + 1);
///         count.get() // of this shard
///     });
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Local<T>(pub Rc<T>);

impl<T> std::ops::Deref for Local<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A value of this type that was kept with the client ([`Socket::set`]), mostly by `auth`.
///
/// If none was kept the handler is not called: that is logged, and the client hears `Internal server error`. Where a
/// client may come before a value is kept, `Option<Kept<T>>` is the parameter to have.
///
/// ```
/// use stentor::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct User { name: String }
///
/// fn app(app: &mut App) {
///     app.ns("/")
///         .auth(async |s: Socket, Auth(user): Auth<User>| s.set(user))
///         .on_sync("say", |s: Socket, user: Kept<User>, Data(text): Data<String>| {
///             s.broadcast().emit("said", Args((&user.name, text)))
///         });
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Kept<T>(pub Rc<T>);

impl<T> std::ops::Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Why a client left, with the official strings.
///
/// ```
/// use stentor::prelude::*;
///
/// fn app(app: &mut App) {
///     app.ns("/").on_disconnect(async |reason: Reason| println!("a client left: {reason}"));
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub CloseReason);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

/// The event's name.
///
/// ```
/// use stentor::prelude::*;
///
/// fn app(app: &mut App) {
///     app.ns("/").on_fallback(async |EventName(name): EventName| format!("there is no `{name}`"));
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventName(pub String);

impl FromContext for Socket {
    #[inline]
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        Ok(context.socket.clone())
    }
}

impl FromContext for Io {
    #[inline]
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        Ok(context.socket.io())
    }
}

impl<T: DeserializeOwned> FromContext for Data<T> {
    #[inline]
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let (args, attachments) = context.args();
        if args.is_empty() {
            return Err(Reject::new("argument 1 is missing"));
        }
        let what = context.name_of_args("argument 1");
        let data = payload::first(args, attachments);
        data.map(Self)
            .map_err(|error| Reject::not_a::<T>(what, &error))
    }

    fn needs(needs: &mut Needs) {
        needs.add(Need::Arguments);
    }
}

impl<T: DeserializeOwned> FromContext for Args<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let (args, attachments) = context.args();
        let what = context.name_of_args("arguments");
        let list = payload::list(args, attachments);
        list.map(Self)
            .map_err(|error| Reject::not_a::<T>(what, &error))
    }
}

impl FromContext for Raw {
    #[expect(
        clippy::inline_always,
        reason = "else it is moved twice; 2 % of a pipelined echo"
    )]
    #[inline(always)]
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let (args, attachments) = context.args();
        Ok(Self {
            encoded: Encoded {
                args: args.to_owned(),
                attachments: attachments.to_vec(),
            },
        })
    }
}

impl<T: DeserializeOwned> FromContext for Auth<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let kept;
        let auth = if let Cause::Connect { auth } = &context.cause {
            *auth
        } else {
            let missing = "credentials are only known while connecting, if NamespaceBuilder::keep_auth is not called";
            kept = context.socket.get::<Credentials>();
            kept.as_deref()
                .ok_or_else(|| Reject::internal(missing))?
                .0
                .as_deref()
        };
        let auth = payload::first(auth.unwrap_or("{}"), &[]);
        auth.map(Self)
            .map_err(|error| Reject::not_a::<T>(CREDENTIALS, &error))
    }

    fn needs(needs: &mut Needs) {
        needs.add(Need::Credentials);
    }
}

impl<T: Clone + 'static> FromContext for State<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let missing =
            || Reject::internal(format!("Server::state was given no {}", type_name::<T>()));
        let state = context.socket.shard.kept.state();
        state.map(Self).ok_or_else(missing)
    }

    fn needs(needs: &mut Needs) {
        needs.add(Need::State(Type::of::<T>()));
    }
}

impl<T: 'static> FromContext for Local<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let missing = || Reject::internal(format!("App::local was given no {}", type_name::<T>()));
        let local = context.socket.shard.kept.local();
        local.map(Self).ok_or_else(missing)
    }

    fn needs(needs: &mut Needs) {
        needs.add(Need::Local(Type::of::<T>()));
    }
}

impl<T: 'static> FromContext for Kept<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let missing = || {
            let name = type_name::<T>();
            Reject::internal(format!(
                "no {name} is kept with the socket: Socket::set was not called with one"
            ))
        };
        context.socket.get().map(Self).ok_or_else(missing)
    }
}

impl FromContext for EventName {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        match &context.cause {
            Cause::Event { name, .. } => Ok(Self((*name).to_owned())),
            Cause::Connect { .. } => Ok(Self("connect".to_owned())),
            Cause::Upgrade => Ok(Self("upgrade".to_owned())),
            Cause::Disconnect { .. } => Ok(Self("disconnect".to_owned())),
        }
    }
}

impl FromContext for Reason {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        match &context.cause {
            Cause::Disconnect { reason } => Ok(Self(*reason)),
            Cause::Event { .. } | Cause::Connect { .. } | Cause::Upgrade => Err(Reject::internal(
                "a reason is only known to disconnect handlers",
            )),
        }
    }

    fn needs(needs: &mut Needs) {
        needs.add(Need::Reason);
    }
}

impl FromContext for Rc<Handshake> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let kept = context.socket.handshake();
        let kept = kept.ok_or_else(|| Reject::internal("the handshake is not kept"))?;
        Ok(match &context.cause {
            Cause::Connect { auth } => Self::new(Handshake::of_socket(kept, *auth)),
            _ => kept,
        })
    }

    fn needs(needs: &mut Needs) {
        needs.add(Need::Handshake);
    }
}

impl<T: FromContext> FromContext for Option<T> {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        Ok(T::from_context(context).ok())
    }
}
