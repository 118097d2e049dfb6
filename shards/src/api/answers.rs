//! Answers: what came of a question to clients.

use std::marker::PhantomData;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use stentor_engine::{error::PacketTooLarge, hub::AckOutcome, id::SocketId};
use tokio::sync::mpsc;

use super::{
    io::EmitError,
    payload::{self, Args, Encoded, Raw},
};
use crate::post::Settled;

/// What an error says when the client has gone amid a question, as the official server's does.
pub(crate) const DISCONNECTED: &str = "socket has been disconnected";
/// What it says when the client, which has not gone, can be the cause.
pub(super) const TIMED_OUT: &str = "operation has timed out";
pub(super) const NOT_SENT: &str = "the question could not be sent";
pub(super) const CANNOT_DECODE: &str = "cannot decode the answer";

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    #[error("{TIMED_OUT}")]
    TimedOut,
    /// The client left before it answered.
    #[error("{DISCONNECTED}")]
    Disconnected,
    /// The question was not sent: the socket is gone or owes too many answers already, or the server
    /// does not run or has too much to do.
    #[error("{NOT_SENT}")]
    NotSent,
    /// With [`crate::FdTables::per_shard`] a thread that is no shard cannot be told anything.
    #[error("with descriptor tables per shard only handlers can ask")]
    OnlyHandlers,
    /// The question's name is one that only the protocol uses: `connect`, `disconnect`, ….
    #[error("{0:?} is a reserved event name")]
    Reserved(String),
    /// The question would be longer than [`crate::Limits::packet_bytes`].
    #[error("question not sent: {0}")]
    TooLarge(#[from] PacketTooLarge),
    /// The answer is not what was expected.
    #[error("{CANNOT_DECODE}: {0}")]
    Decode(#[from] serde_json::Error),
    /// The question's arguments could not be encoded.
    #[error(transparent)]
    Encode(#[from] payload::EncodeError),
}

/// For a handler that emits or lists ids, and asks. [`EmitError::NotConnected`] is [`AckError::Disconnected`];
/// [`EmitError::MailboxFull`] and [`EmitError::NotRunning`] are [`AckError::NotSent`]; the others have the same names.
///
/// ```
/// use stentor::prelude::*;
///
/// async fn agree(s: Socket) -> Result<bool, AckError> {
///     s.emit("listen", ())?;                  // EmitError
///     s.call("do you agree?", ()).await       // AckError
/// }
/// # fn app(app: &mut App) { app.ns("/").on("agree", agree); }
/// ```
impl From<EmitError> for AckError {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::NotConnected => Self::Disconnected,
            EmitError::MailboxFull | EmitError::NotRunning => Self::NotSent,
            EmitError::OnlyHandlers => Self::OnlyHandlers,
            EmitError::Reserved(name) => Self::Reserved(name),
            EmitError::TooLarge(error) => Self::TooLarge(error),
            EmitError::Encode(error) => Self::Encode(error),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Source {
    /// Asked by a shard, which sends the answers here; so that they can be awaited on any thread.
    Asked(mpsc::UnboundedReceiver<Settled>),
    /// Not asked at all.
    Nobody(Option<AckError>),
}

/// What an answer can be taken as: its first argument as any type of serde, all arguments as
/// [`Args`] of a tuple or list, or [`Raw`], as they came.
///
/// An answer without arguments is `null`, so that `()` can be asked for.
///
/// ```
/// use stentor::prelude::*;
///
/// async fn ask(s: Socket) -> Result<(), AckError> {
///     let age: u32 = s.call("age", ()).await?; // the first argument, whatever follows
///     let Args((x, y)): Args<(f64, f64)> = s.call("where", ()).await?; // both
///     let _ = s.emit("thanks", Args((age, x, y)));
///     Ok(())
/// }
/// # let _ = ask;
/// ```
#[diagnostic::on_unimplemented(
    message = "an answer cannot be taken as `{Self}`",
    note = "ask for a type that implements serde::Deserialize, for Args<(A, B)> to get several arguments, or for Raw"
)]
pub trait FromAnswer: Sized {
    #[doc(hidden)]
    fn from_answer(args: Box<str>, attachments: Vec<Bytes>) -> Result<Self, serde_json::Error>;
}

impl<T: DeserializeOwned> FromAnswer for T {
    fn from_answer(args: Box<str>, attachments: Vec<Bytes>) -> Result<Self, serde_json::Error> {
        let args = if args.is_empty() { "null" } else { &*args };
        payload::first(args, &attachments)
    }
}

impl<T: DeserializeOwned> FromAnswer for Args<T> {
    fn from_answer(args: Box<str>, attachments: Vec<Bytes>) -> Result<Self, serde_json::Error> {
        payload::list(&args, &attachments).map(Self)
    }
}

impl FromAnswer for Raw {
    fn from_answer(args: Box<str>, attachments: Vec<Bytes>) -> Result<Self, serde_json::Error> {
        let args = args.into();
        Ok(Self {
            encoded: Encoded { args, attachments },
        })
    }
}

/// One client's answer, or why there is none.
pub type Answer<T> = (SocketId, Result<T, AckError>);

/// The answers to a question that was put to many, as they come. To be awaited on any thread, with any
/// executor.
#[must_use = "without reading them nobody learns the answers"]
#[derive(Debug)]
pub struct Answers<T> {
    source: Source,
    of: PhantomData<fn() -> T>,
}

/// All answers to a question.
#[derive(Debug)]
pub struct Gathered<T> {
    /// Who answered what.
    pub ok: Vec<(SocketId, T)>,
    /// Who did not answer in time.
    pub timed_out: Vec<SocketId>,
    /// Who left before answering.
    pub left: Vec<SocketId>,
    /// Whose answer could not be decoded.
    pub failed: Vec<(SocketId, AckError)>,
    /// Why nobody was asked, if there is a reason but that nobody is there; then the lists are empty.
    pub error: Option<AckError>,
}

pub(crate) fn decode<T: FromAnswer>(answer: AckOutcome) -> Result<T, AckError> {
    match answer {
        AckOutcome::Value(args, attachments) => Ok(T::from_answer(args, attachments)?),
        AckOutcome::TimedOut => Err(AckError::TimedOut),
        AckOutcome::Left => Err(AckError::Disconnected),
    }
}

impl<T> Answers<T> {
    pub(crate) const fn of(source: Source) -> Self {
        Self {
            source,
            of: PhantomData,
        }
    }

    /// Why nobody was asked, if there is a reason but that nobody is there.
    pub fn error(&mut self) -> Option<AckError> {
        match &mut self.source {
            Source::Nobody(error) => error.take(),
            Source::Asked(_) => None,
        }
    }
}

impl<T: FromAnswer> Answers<T> {
    /// The next answer; `None` when everybody has answered, timed out or left.
    pub async fn next(&mut self) -> Option<Answer<T>> {
        match &mut self.source {
            Source::Asked(receiver) => {
                let (who, answer) = receiver.recv().await?;
                Some((who, decode(answer)))
            }
            Source::Nobody(_) => None,
        }
    }

    /// The first answer. For a question to one client, `io.to(id).call(…)`: its answer.
    ///
    /// # Errors
    /// [`AckError`]; [`AckError::NotSent`] if nobody was there to be asked.
    pub async fn first(mut self) -> Result<T, AckError> {
        match self.next().await {
            Some((_, answer)) => answer,
            None => Err(self.error().unwrap_or(AckError::NotSent)),
        }
    }

    /// Waits for all of them.
    pub async fn all(mut self) -> Gathered<T> {
        let mut all = Gathered {
            ok: Vec::new(),
            timed_out: Vec::new(),
            left: Vec::new(),
            failed: Vec::new(),
            error: self.error(),
        };
        while let Some((who, answer)) = self.next().await {
            match answer {
                Ok(value) => all.ok.push((who, value)),
                Err(AckError::TimedOut) => all.timed_out.push(who),
                Err(AckError::Disconnected) => all.left.push(who),
                Err(error) => all.failed.push((who, error)),
            }
        }
        all
    }
}
