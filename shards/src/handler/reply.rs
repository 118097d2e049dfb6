//! Answers: what does a handler's return value mean.

use std::fmt::Display;

use serde::Serialize;

use crate::api::payload::{Args, Encoded, IntoArgs, Raw};

/// What becomes of a handler's result.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Sent as the acknowledgement, if the client asked for one.
    Ack(Encoded),
    /// The handler answers by other means, or never.
    Silent,
    /// The handler failed: logged, and acknowledged as `{"error":{"message":…}}`.
    Failed(String),
}

/// The acknowledgement `T`, for types that do not implement [`IntoReply`] themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<T>(pub T);

/// No acknowledgement, even if the client asked for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoAck;

/// What an event's handler may return. The value is the acknowledgement.
///
/// `()` acknowledges without arguments, so that a client that waits never waits in vain.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    note = "return (), NoAck, a string, number, bool, serde_json::Value, Raw, Binary, SocketId, or Ack(value) for any serde::Serialize value",
    note = "or Option<one of these>, or Result<one of these, E> where E implements Display",
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

macro_rules! serialized {
    ($($type:ty),*) => {$(
        #[expect(private_interfaces, reason = "sealed by it")]
        impl IntoReply for $type {
            fn into_reply(self) -> Reply {
                ack(&self)
            }
        }
    )*};
}

serialized!(
    bool,
    u8,
    u16,
    u32,
    u64,
    usize,
    i8,
    i16,
    i32,
    i64,
    isize,
    f32,
    f64,
    String,
    &str,
    serde_json::Value,
    crate::Binary,
    crate::SocketId,
    crate::Value
);

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoReply for () {
    fn into_reply(self) -> Reply {
        Reply::Ack(Encoded::default())
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoReply for NoAck {
    fn into_reply(self) -> Reply {
        Reply::Silent
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<T: Serialize> IntoReply for Ack<T> {
    fn into_reply(self) -> Reply {
        ack(&self.0)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<T: Serialize> IntoReply for Args<T> {
    fn into_reply(self) -> Reply {
        ack(self)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoReply for Raw {
    fn into_reply(self) -> Reply {
        ack(self)
    }
}

/// `None` is `null`, as it is inside of a value and as `undefined` is on the official server: who
/// waits is told that there is nothing. [`NoAck`] says nothing.
#[expect(private_interfaces, reason = "sealed by it")]
impl<R: IntoReply> IntoReply for Option<R> {
    fn into_reply(self) -> Reply {
        self.map_or_else(|| ack(&serde_json::Value::Null), IntoReply::into_reply)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<R: IntoReply, E: Display> IntoReply for Result<R, E> {
    fn into_reply(self) -> Reply {
        match self {
            Ok(value) => value.into_reply(),
            Err(error) => Reply::Failed(error.to_string()),
        }
    }
}

/// Why a client may not join a namespace: sent as its `connect_error`.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    pub(crate) message: String,
    pub(crate) data: Option<serde_json::Value>,
}

impl Refused {
    /// `connect_error` with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            data: None,
        }
    }

    /// And with this `err.data`.
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

/// What a namespace's `auth` may return: `()` lets the client in, an error refuses it.
#[diagnostic::on_unimplemented(
    message = "an auth handler cannot return `{Self}`",
    note = "return () or Result<(), E>, where E is Refused or implements std::error::Error"
)]
pub trait ConnectReply {
    #[doc(hidden)]
    fn into_verdict(self) -> Result<(), Refused>;
}

impl ConnectReply for () {
    fn into_verdict(self) -> Result<(), Refused> {
        Ok(())
    }
}

impl<E: Into<Refused>> ConnectReply for Result<(), E> {
    fn into_verdict(self) -> Result<(), Refused> {
        self.map_err(Into::into)
    }
}
