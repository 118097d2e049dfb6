//! Answers: what came of a question to clients.

use std::{
    collections::VecDeque,
    future::poll_fn,
    marker::PhantomData,
    task::{Poll, Waker},
};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use stentor_engine::{
    hub::{AckNews, Answer as EngineAnswer},
    id::SocketId,
};
use tokio::sync::mpsc;

use super::payload;
use crate::shard::questions::Question;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    #[error("operation has timed out")]
    TimedOut,
    /// The client left before it answered.
    #[error("socket has been disconnected")]
    Disconnected,
    /// The question was not sent: the socket is gone, or owes too many answers already.
    #[error("the question could not be sent")]
    NotSent,
    /// The answer is not what was expected.
    #[error("cannot decode the answer: {0}")]
    Decode(#[from] serde_json::Error),
    /// The question's arguments could not be encoded.
    #[error(transparent)]
    Encode(#[from] payload::EncodeError),
}

/// One socket's answer, undecoded.
pub(crate) type Settled = (SocketId, EngineAnswer);

/// The answers to one question that have arrived, and whether more may come.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// Shards that have not said how many sockets they asked.
    pub(crate) silent: u32,
    /// Sockets asked and not settled. May be negative in between: news of two shards are not
    /// ordered.
    open: isize,
    settled: VecDeque<Settled>,
    waker: Option<Waker>,
}

impl Collector {
    /// For a question put to so many shards.
    pub(crate) fn awaiting(shards: u32) -> Self {
        Self {
            silent: shards,
            ..Self::default()
        }
    }

    pub(crate) fn tell(&mut self, news: AckNews) {
        match news {
            AckNews::Asked(count) => {
                self.silent -= 1;
                self.open += count.cast_signed();
            }
            AckNews::Settled(who, answer) => {
                self.open -= 1;
                self.settled.push_back((who, answer));
            }
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.silent == 0 && self.open == 0
    }
}

#[derive(Debug)]
pub(crate) enum Source {
    /// Asked on this shard.
    Here(Question),
    /// Asked from another thread.
    Elsewhere(mpsc::UnboundedReceiver<Settled>),
    /// Not asked at all.
    Nobody(Option<AckError>),
}

/// One client's answer: its first argument, or why there is none.
pub type Answer<T> = (SocketId, Result<T, AckError>);

/// The answers to a question that was put to many, as they come.
#[must_use = "without reading them nobody learns the answers"]
#[derive(Debug)]
pub struct Answers<T> {
    pub(crate) source: Source,
    pub(crate) _of: PhantomData<fn() -> T>,
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
}

pub(crate) fn decode<T: DeserializeOwned>(answer: EngineAnswer) -> Result<T, AckError> {
    match answer {
        EngineAnswer::Value(args, attachments) => decode_args(&args, &attachments),
        EngineAnswer::TimedOut => Err(AckError::TimedOut),
        EngineAnswer::Left => Err(AckError::Disconnected),
    }
}

/// An answer without arguments is `null`, so that `()` can be asked for.
fn decode_args<T: DeserializeOwned>(args: &str, attachments: &[Bytes]) -> Result<T, AckError> {
    let args = if args.is_empty() { "null" } else { args };
    Ok(payload::first(args, attachments)?)
}

impl<T> Answers<T> {
    /// The next answer as it came, its arguments undecoded; `None` when all are in.
    pub(crate) async fn next_settled(&mut self) -> Option<Settled> {
        match &mut self.source {
            Source::Here(question) => {
                poll_fn(|cx| {
                    let mut collector = question.collector.borrow_mut();
                    if let Some(settled) = collector.settled.pop_front() {
                        return Poll::Ready(Some(settled));
                    }
                    if collector.is_complete() {
                        return Poll::Ready(None);
                    }
                    collector.waker = Some(cx.waker().clone());
                    Poll::Pending
                })
                .await
            }
            Source::Elsewhere(receiver) => receiver.recv().await,
            Source::Nobody(_) => None,
        }
    }

    /// Why nobody was asked, if so.
    pub fn error(&mut self) -> Option<AckError> {
        match &mut self.source {
            Source::Nobody(error) => error.take(),
            Source::Here(_) | Source::Elsewhere(_) => None,
        }
    }
}

impl<T: DeserializeOwned> Answers<T> {
    /// The next answer; `None` when everybody has answered, timed out or left.
    pub async fn next(&mut self) -> Option<Answer<T>> {
        let (who, answer) = self.next_settled().await?;
        Some((who, decode(answer)))
    }

    /// Waits for all of them.
    pub async fn all(mut self) -> Gathered<T> {
        let mut all = Gathered {
            ok: Vec::new(),
            timed_out: Vec::new(),
            left: Vec::new(),
            failed: Vec::new(),
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
