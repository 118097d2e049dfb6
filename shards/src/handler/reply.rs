//! Answers: what does a handler's return value mean.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
    fmt::Display,
};

use serde::Serialize;
use stentor_engine::id::SocketId;

use super::extract::Reject;
use crate::api::{
    Binary, Value,
    payload::{Args, Encoded, IntoArgs, Raw},
};

/// What becomes of a handler's result.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Sent as the acknowledgement, if the client asked for one.
    Ack(Encoded),
    /// The handler answers by other means, or never.
    Silent,
    /// The handler failed: logged, and acknowledged as `{"error":{"message":…}}`.
    Failed(String),
    /// The handler did not want to do what the client asked for: acknowledged in the same way, with data.
    Refused(Box<Refused>),
    /// The handler says of itself what is said of one that could not be called.
    Rejected(Box<Reject>),
}

/// The acknowledgement `T`: for a type of your own, which is not a result by itself.
///
/// Inside of an `Option`, a `Result` or a list it needs no wrapping.
///
/// ```
/// use stentor::prelude::*;
///
/// #[derive(serde::Serialize)]
/// struct Point { x: i32, y: i32 }
///
/// fn app(app: &mut App) {
///     app.ns("/")
///         .on_sync("origin", || Ack(Point { x: 0, y: 0 }))
///         .on_sync("line", || vec![Point { x: 0, y: 0 }, Point { x: 1, y: 1 }])
///         .on_sync("find", |Data(x): Data<i32>| (x > 0).then_some(Point { x, y: 1 }))
///         .on_sync("parse", |Data(text): Data<String>| {
///             text.parse().map(|x| Point { x, y: 0 })
///         });
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<T>(pub T);

/// No acknowledgement, even if the client asked for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoAck;

/// What an event's handler may return. The value is the acknowledgement.
///
/// `()` acknowledges without arguments, so that a client that waits never waits in vain. A list, a map, an `Option` or a
/// `Result` may hold any value of serde; a type of your own alone is wrapped in [`Ack`]: Rust lets a library
/// say of all such types what they mean as a result, or of `Result`, and not of both.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}` as it is",
    label = "return `Ack(value)` if `{Self}` implements serde::Serialize",
    note = "several arguments are `Args((a, b))`, a tuple as one argument is `Ack((a, b))`",
    note = "without Ack: (), NoAck, a string, number, bool, serde_json::Value, Raw, Binary, SocketId, a list or map",
    note = "and Option<T>, or Result<T, E> where E implements Display, of any T that implements serde::Serialize",
    note = "if it is a future or an async block: the handler is async, and belongs to `on`, not `on_sync`"
)]
pub trait IntoReply {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the crate's own types implement it")]
    fn into_reply(self) -> Reply;
}

fn ack(args: impl IntoArgs) -> Reply {
    match args.encode() {
        Ok(encoded) => Reply::Ack(encoded),
        Err(error) => Reply::Failed(error.to_string()),
    }
}

/// Types of serde's that are one argument.
macro_rules! serialized {
    ($([$($generic:tt)*] $type:ty;)*) => {$(
        #[expect(private_interfaces, reason = "sealed by it")]
        impl<$($generic)*> IntoReply for $type {
            fn into_reply(self) -> Reply {
                ack(&self)
            }
        }
    )*};
}

serialized! {
    [] bool;
    [] char;
    [] u8;
    [] u16;
    [] u32;
    [] u64;
    [] usize;
    [] i8;
    [] i16;
    [] i32;
    [] i64;
    [] isize;
    [] f32;
    [] f64;
    [] String;
    [T: Serialize + ?Sized] &T;
    [T: Serialize + ?Sized] Box<T>;
    [T: Serialize + ToOwned + ?Sized] Cow<'_, T>;
    [T: Serialize] Vec<T>;
    [T: Serialize] VecDeque<T>;
    [T: Serialize, S] HashSet<T, S>;
    [T: Serialize] BTreeSet<T>;
    [K: Serialize, V: Serialize, S] HashMap<K, V, S>;
    [K: Serialize, V: Serialize] BTreeMap<K, V>;
    [] serde_json::Value;
    [] serde_json::Map<String, serde_json::Value>;
    [] Binary;
    [] SocketId;
    [] Value;
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<T, const N: usize> IntoReply for [T; N]
where
    [T; N]: Serialize,
{
    fn into_reply(self) -> Reply {
        ack(&self)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoReply for () {
    fn into_reply(self) -> Reply {
        Reply::Ack(Encoded::default())
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<T: Serialize> IntoReply for Option<T> {
    fn into_reply(self) -> Reply {
        ack(&self)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<T: Serialize, E: HandlerError> IntoReply for Result<T, E> {
    fn into_reply(self) -> Reply {
        self.map_or_else(HandlerError::into_failure, ack)
    }
}

/// What a handler may return as the error of a `Result`. The client gets it as `{"error":{"message":"…"}}`, if it asked for an
/// acknowledgement.
///
/// - Anything that can be displayed, an error of any library and a text too: the handler has failed, which is logged as a warning. If the
///   text is that of [`crate::AckError`], [`crate::EmitError`] or [`crate::JoinError`] and says what a client can cause (it has gone, has
///   not answered in time, answered something else, is in too many rooms), it is logged at debug.
/// - [`Refused`]: the client may not do that. It is logged at debug, as a client can cause it as often as it likes; what
///   [`Refused::with_data`] adds is beside the message.
/// - [`Reject`]: as for a parameter that could not be made.
///
/// ```
/// use stentor::prelude::*;
///
/// fn say(s: Socket, Args((room, text)): Args<(String, String)>) -> Result<(), Refused> {
///     if !s.rooms().contains(&room) {
///         return Err(Refused::new("join first"));
///     }
///     s.to(room).emit("said", text)?; // `?` makes a `Refused` of any error
///     Ok(())
/// }
/// # fn app(app: &mut App) { app.ns("/").on_sync("say", say); }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}` as an error",
    note = "the error of a handler's Result is Refused, or any type that implements Display"
)]
pub trait HandlerError {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the crate calls it")]
    fn into_failure(self) -> Reply;
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<E: Display> HandlerError for E {
    fn into_failure(self) -> Reply {
        Reply::Failed(self.to_string())
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl HandlerError for Refused {
    fn into_failure(self) -> Reply {
        Reply::Refused(Box::new(self))
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl HandlerError for Reject {
    fn into_failure(self) -> Reply {
        if self.is_internal() {
            Reply::Rejected(Box::new(self))
        } else {
            Refused::from(self).into_failure()
        }
    }
}

/// `None` is `null`, as it is inside of a value and as `undefined` is on the official server: who
/// waits is told that there is nothing. [`NoAck`] says nothing.
fn or_null(reply: Option<impl IntoReply>) -> Reply {
    reply.map_or_else(|| ack(&serde_json::Value::Null), IntoReply::into_reply)
}

/// Types that mean something else than serde would, in an `Option` and a `Result` too.
macro_rules! special {
    ($([$($generic:tt)*] $type:ty: |$value:ident| $reply:expr;)*) => {$(
        #[expect(private_interfaces, reason = "sealed by it")]
        impl<$($generic)*> IntoReply for $type {
            fn into_reply(self) -> Reply {
                let $value = self;
                $reply
            }
        }

        #[expect(private_interfaces, reason = "sealed by it")]
        impl<$($generic)*> IntoReply for Option<$type> {
            fn into_reply(self) -> Reply {
                or_null(self)
            }
        }

        #[expect(private_interfaces, reason = "sealed by it")]
        impl<E: HandlerError, $($generic)*> IntoReply for Result<$type, E> {
            fn into_reply(self) -> Reply {
                self.map_or_else(HandlerError::into_failure, IntoReply::into_reply)
            }
        }
    )*};
}

special! {
    [] NoAck: |_none| Reply::Silent;
    [] Raw: |args| ack(args);
    [T: Serialize] Args<T>: |args| ack(args);
    [T: Serialize] Ack<T>: |value| ack(&value.0);
}

/// Why a client may not join a namespace: sent as its `connect_error`. Of an event's handler: why the client may not
/// do that, its acknowledgement `{"error":{"message":"…"}}` ([`HandlerError`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub(crate) message: String,
    pub(crate) data: Option<serde_json::Value>,
}

impl Refused {
    /// `connect_error`, or an acknowledgement, with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// And with this `err.data`; in an acknowledgement `error.data`.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }
}

impl<E: std::error::Error> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

// It is no `std::error::Error`, or its detail would be the client's.
impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self::new(reject.message)
    }
}

/// What a namespace's `auth` may return: `()` lets the client in, an error refuses it.
///
/// Any error that can be displayed will do, a text too, which is the message of the client's `connect_error`;
/// [`Refused`] adds data to it.
///
/// ```
/// use stentor::prelude::*;
///
/// # #[derive(serde::Deserialize)]
/// # struct Login { token: String }
/// fn app(app: &mut App) {
///     app.ns("/").auth(async |Auth(login): Auth<Login>| {
///         if login.token == "letmein" { Ok(()) } else { Err("who are you?") }
///     });
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "an auth handler cannot return `{Self}`",
    label = "neither () nor a Result<(), E>",
    note = "return `Ok(())` to let the client in and `Err(why)` to refuse it: Result<(), E>, where E is Refused or implements Display, as &str and String do"
)]
pub trait ConnectReply {
    #[doc(hidden)]
    fn into_admission(self) -> Result<(), Refused>;
}

impl ConnectReply for () {
    fn into_admission(self) -> Result<(), Refused> {
        Ok(())
    }
}

impl ConnectReply for Result<(), Refused> {
    fn into_admission(self) -> Self {
        self
    }
}

impl ConnectReply for Result<(), Reject> {
    fn into_admission(self) -> Result<(), Refused> {
        self.map_err(Refused::from)
    }
}

// `Refused` has no `Display`, so that it is not meant here: its data would be lost.
impl<E: Display> ConnectReply for Result<(), E> {
    fn into_admission(self) -> Result<(), Refused> {
        self.map_err(|error| Refused::new(error.to_string()))
    }
}
