//! A `rust_socketio` client whose every event is kept, so that a case may ask for it after it came.
//!
//! The asynchronous one, because the other burns a core for each client that was disconnected.

use std::collections::VecDeque;
use std::future::ready;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::FutureExt;
use rust_socketio::asynchronous::ClientBuilder;
use rust_socketio::{Event, Payload};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

/// Far above what any case needs; it only turns a hang into a failure.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq)]
pub enum Args {
    Text(Vec<Value>),
    Binary(Vec<u8>),
}

impl Args {
    pub fn text(self) -> Result<Vec<Value>> {
        match self {
            Self::Text(values) => Ok(values),
            Self::Binary(bytes) => bail!("binary instead of text: {bytes:?}"),
        }
    }
}

impl From<Payload> for Args {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Text(values) => Self::Text(values),
            Payload::Binary(bytes) => Self::Binary(bytes.to_vec()),
            #[allow(deprecated)]
            Payload::String(text) => Self::Text(vec![Value::String(text)]),
        }
    }
}

type Kept = (String, Args);

struct Inbox {
    coming: UnboundedReceiver<Kept>,
    kept: VecDeque<Kept>,
}

pub struct Client {
    inner: rust_socketio::asynchronous::Client,
    inbox: Mutex<Inbox>,
}

impl Client {
    pub async fn open(builder: ClientBuilder) -> Result<Self> {
        let (sender, coming) = unbounded_channel();
        let builder = keep(builder, Event::Connect, "connect", &sender);
        let builder = keep(builder, Event::Close, "close", &sender);
        let builder = keep(builder, Event::Error, "error", &sender);
        let inner = builder
            .on_any(move |event, payload, _| {
                // The receiver is gone once the case is over.
                let _ = sender.send((event.to_string(), payload.into()));
                ready(()).boxed()
            })
            .connect()
            .await?;
        let inbox = Mutex::new(Inbox {
            coming,
            kept: VecDeque::new(),
        });
        Ok(Self { inner, inbox })
    }

    pub async fn emit(&self, event: &str, payload: impl Into<Payload>) -> Result<()> {
        self.inner
            .emit(event, payload)
            .await
            .with_context(|| format!("emit {event}"))
    }

    /// Emits with an ack; returns the list of the ack's arguments.
    pub async fn call(&self, event: &str, args: Vec<Value>) -> Result<Vec<Value>> {
        let (sender, answer) = oneshot::channel();
        let mut sender = Some(sender);
        let on_answer = move |payload: Payload, _| {
            if let Some(sender) = sender.take() {
                let _ = sender.send(Args::from(payload)); // the case may be over
            }
            ready(()).boxed()
        };
        self.inner
            .emit_with_ack(event, args, DEADLINE, on_answer)
            .await?;
        let answer = timeout(DEADLINE, answer)
            .await
            .with_context(|| format!("waited too long for the ack of {event}"))??;
        match answer.text()?.as_slice() {
            [Value::Array(args)] => Ok(args.clone()),
            other => bail!("an ack is a list: {other:?}"),
        }
    }

    /// The arguments of the first `event` not yet taken, come or to come.
    pub async fn next(&self, event: &str) -> Result<Args> {
        self.next_where(event, |_| true).await
    }

    pub async fn next_where(&self, event: &str, matches: impl Fn(&Args) -> bool) -> Result<Args> {
        let wanted = |(name, args): &Kept| name == event && matches(args);
        let Inbox { coming, kept } = &mut *self.inbox.lock().await;
        if let Some(index) = kept.iter().position(wanted) {
            return Ok(kept.remove(index).expect("it was just found").1);
        }
        loop {
            let Ok(next) = timeout(DEADLINE, coming.recv()).await else {
                bail!("waited too long for {event}; came: {kept:?}");
            };
            let next = next.context("the client is gone")?;
            if wanted(&next) {
                return Ok(next.1);
            }
            kept.push_back(next);
        }
    }

    /// The arguments of what has come so far and was not taken.
    pub async fn untaken(&self, event: &str) -> Vec<Args> {
        let Inbox { coming, kept } = &mut *self.inbox.lock().await;
        while let Ok(next) = coming.try_recv() {
            kept.push_back(next);
        }
        kept.iter()
            .filter(|(name, _)| name == event)
            .map(|(_, args)| args.clone())
            .collect()
    }

    pub async fn disconnect(&self) -> Result<()> {
        Ok(self.inner.disconnect().await?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let _ = inner.disconnect().await; // it may be disconnected already
        });
    }
}

fn keep(
    builder: ClientBuilder,
    event: Event,
    name: &'static str,
    sender: &UnboundedSender<Kept>,
) -> ClientBuilder {
    let sender = sender.clone();
    builder.on(event, move |payload, _| {
        let _ = sender.send((name.to_owned(), payload.into()));
        ready(()).boxed()
    })
}
