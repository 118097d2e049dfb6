//! Answers: how does any thread reach clients.
//!
//! On a shard's own thread an [`Io`] speaks to the hub at once, so that its order with
//! [`crate::Socket::emit`] is kept; elsewhere it posts what it wants to the first shard, without
//! waiting. That does it on all shards, so that the order of one thread is kept as well: who joined
//! a room gets what is emitted to it afterwards, and who left does not.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use stentor_engine::{
    error::PacketTooLarge,
    hub::{Action, Emit, Hub, Mail, Publication, Selection},
    id::{NamespaceId, SocketId},
    sio::packet::is_reserved,
};
use tokio::sync::mpsc;

use super::{
    answers::{AckError, Answers, Source},
    broadcast::Broadcast,
    payload::{EncodeError, Encoded, IntoArgs},
};
use crate::{
    mailbox::Full,
    post::{Ask, Flags, List, Post, Settled},
    shard::{self, acks::DEFAULT_ACK_WAIT},
    shared::Shared,
};

/// What an error says when the client is not there: that is no fault of the server's.
pub(crate) const NOT_CONNECTED: &str = "the socket is not connected";

/// Why an event was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// The client has gone, or was not let in yet: of [`crate::Socket::emit`]. To many, those who are there are meant.
    #[error("{NOT_CONNECTED}")]
    NotConnected,
    /// The arguments cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The name is one that only the protocol uses: `connect`, `disconnect`, ….
    #[error("{0:?} is a reserved event name")]
    Reserved(String),
    /// The event would be longer than [`crate::Limits::packet_bytes`]; nobody gets it.
    #[error("event not sent: {0}")]
    TooLarge(#[from] PacketTooLarge),
    /// A shard has as much mail as it may, and nobody was sent anything. On a shard's own thread it says
    /// that another has been behind for long: 16,384 letters wait for room there.
    #[error("a shard's mailbox is full")]
    MailboxFull,
    /// The server has not started or has stopped.
    #[error("the server is not running")]
    NotRunning,
    /// With [`crate::FdTables::per_shard`] a thread that is no shard cannot be told anything.
    #[error("with descriptor tables per shard only handlers can ask")]
    OnlyHandlers,
}

/// A namespace's name as it is kept: as in the official server, one without `/` gets one.
pub(crate) fn full_name(name: &str) -> Box<str> {
    if name.starts_with('/') {
        name.into()
    } else {
        format!("/{name}").into()
    }
}

/// The server, for any thread: the official server's `io`.
///
/// Without [`Io::of`] it is the namespace `/`.
///
/// ```
/// use stentor::prelude::*;
///
/// # fn main() -> stentor::Result {
/// let mut server = Server::new().listen("127.0.0.1:0").shards(1).pin(false).app(|app| { app.ns("/"); });
/// let io = server.io();
/// let running = server.start()?;
/// std::thread::spawn(move || io.emit("news", "from another thread")).join().unwrap().unwrap();
/// running.stop()
/// # }
/// ```
#[derive(Clone)]
pub struct Io {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("server", &self.shared.server)
            .finish_non_exhaustive()
    }
}

/// One namespace of the server, for any thread.
#[derive(Debug, Clone)]
pub struct Namespace {
    io: Io,
    name: Arc<str>,
}

impl Io {
    /// The namespace of this name; a `/` is put before it if it has none. Emitting to one that does
    /// not exist reaches nobody.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io) -> Result<(), EmitError> {
    ///     io.of("/admin").emit("news", "for all in /admin")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn of(&self, namespace: &str) -> Namespace {
        Namespace {
            io: self.clone(),
            name: full_name(namespace).into(),
        }
    }

    /// Everybody in `/`.
    pub fn all(&self) -> Broadcast {
        Broadcast::new(self.clone(), Selection::all(NamespaceId::ROOT))
    }

    /// Everybody in a room of `/`.
    pub fn to(&self, room: impl fmt::Display) -> Broadcast {
        self.all().to(room)
    }

    /// The same as [`Io::to`], which the official server calls `in`.
    pub fn within(&self, room: impl fmt::Display) -> Broadcast {
        self.to(room)
    }

    /// Everybody in `/` who is not in this room.
    pub fn except(&self, room: impl fmt::Display) -> Broadcast {
        self.all().except(room)
    }

    /// Sends an event to everybody in `/`.
    ///
    /// # Errors
    /// [`EmitError`].
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        self.all().emit(event, args)
    }

    /// Engine.IO sessions on all shards, as of their last turns.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io) -> usize {
    ///     io.sessions()
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn sessions(&self) -> usize {
        let counts = self.shared.sessions.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(crate) fn publish(
        &self,
        to: Selection,
        event: &str,
        Encoded { args, attachments }: Encoded,
        flags: Flags,
    ) -> Result<(), EmitError> {
        if is_reserved(event) {
            return Err(EmitError::Reserved(event.to_owned()));
        }
        let Some(namespace) = self.name_of(&to)? else {
            return Ok(());
        };
        let emit = Emit {
            name: event,
            args: &args,
            attachments: &attachments,
            volatile: flags.volatile,
            compress: flags.compress,
        };
        if let Some(shard) = shard::current(&self.shared) {
            if !shard.has_room(&to) {
                return Err(EmitError::MailboxFull);
            }
            shard.with_hub(|hub, now| hub.publish(now, to, &emit))?;
            return Ok(());
        }
        let frame = Hub::encode_event(namespace, &emit, self.packet_bytes()?)?;
        let publication = Arc::new(Publication {
            to,
            frame,
            volatile: flags.volatile,
            compress: flags.compress,
            ack: None,
        });
        self.post_first(Post::Mail(Mail::Relay(publication)))
    }

    /// How long a packet may be.
    fn packet_bytes(&self) -> Result<usize, EmitError> {
        let max = self.shared.packet_bytes.get();
        max.copied().ok_or(EmitError::NotRunning)
    }

    /// The name of the namespace that is meant; `None` if there is no such, and nobody in it.
    fn name_of(&self, to: &Selection) -> Result<Option<&str>, EmitError> {
        let names = self.shared.namespaces.get().ok_or(EmitError::NotRunning)?;
        Ok(names.get(usize::from(to.namespace.0)).map(|name| &**name))
    }

    pub(crate) fn ask<T>(
        &self,
        to: Selection,
        event: &str,
        args: impl IntoArgs,
        flags: Flags,
        timeout: Option<Duration>,
    ) -> Answers<T> {
        let encoded = if is_reserved(event) {
            Err(AckError::Reserved(event.to_owned()))
        } else {
            args.encode().map_err(AckError::Encode)
        };
        let timeout = timeout.unwrap_or(DEFAULT_ACK_WAIT);
        let asked = encoded
            .and_then(|encoded| self.ask_encoded(to, event, encoded, flags, timeout))
            .unwrap_or_else(|error| Source::Nobody(Some(error)));
        Answers::of(asked)
    }

    fn ask_encoded(
        &self,
        to: Selection,
        event: &str,
        Encoded { args, attachments }: Encoded,
        flags: Flags,
        timeout: Duration,
    ) -> Result<Source, AckError> {
        let not_sent = |_| AckError::NotSent;
        let Some(namespace) = self.name_of(&to).map_err(not_sent)? else {
            return Ok(Source::Nobody(None));
        };
        let (answers, receiver) = mpsc::unbounded_channel::<Settled>();
        let emit = Emit {
            name: event,
            args: &args,
            attachments: &attachments,
            volatile: flags.volatile,
            compress: flags.compress,
        };
        if let Some(shard) = shard::current(&self.shared) {
            if !shard.has_room(&to) {
                return Err(AckError::NotSent);
            }
            shard.publish_with_ack(to, &emit, timeout, answers)?;
            return Ok(Source::Asked(receiver));
        }
        // The shard that asks has no way to say that it did not.
        emit.check(namespace, self.packet_bytes().map_err(not_sent)?)?;
        if self.shared.passages.get().is_some() {
            return Err(AckError::OnlyHandlers);
        }
        let ask = Ask {
            to,
            name: event.into(),
            args: args.into(),
            attachments,
            flags,
            timeout,
            answers,
        };
        let sent = self.post_first(Post::Ask(Box::new(ask)));
        sent.map_err(not_sent)?;
        Ok(Source::Asked(receiver))
    }

    /// Posts to the shard that does what other threads want done on all of them, in their order.
    fn post_first(&self, post: Post) -> Result<(), EmitError> {
        let posts = self.shared.posts.get().ok_or(EmitError::NotRunning)?;
        if self.shared.congested.load(Ordering::Relaxed) {
            return Err(EmitError::MailboxFull);
        }
        posts[0].try_send(post).map_err(|error| match error {
            Full::Full(_) => EmitError::MailboxFull,
            Full::Closed(_) => EmitError::NotRunning,
        })
    }

    pub(crate) fn act(&self, to: Selection, action: Action) -> Result<(), EmitError> {
        if self.name_of(&to)?.is_none() {
            return Ok(());
        }
        if let Some(shard) = shard::current(&self.shared) {
            if !shard.has_room(&to) {
                return Err(EmitError::MailboxFull);
            }
            shard.with_hub(|hub, now| hub.act(now, to, action));
            return Ok(());
        }
        self.post_first(Post::Act(to, action))
    }

    /// Asks all shards whom a selection means; each sends one list, and then there are no more.
    pub(crate) fn list(
        &self,
        to: Selection,
    ) -> Result<mpsc::UnboundedReceiver<Vec<SocketId>>, EmitError> {
        let (found, receiver) = mpsc::unbounded_channel();
        if self.name_of(&to)?.is_none() {
            return Ok(receiver);
        }
        let list = List {
            to,
            found,
            everywhere: true,
        };
        if let Some(shard) = shard::current(&self.shared) {
            shard.list(list);
        } else if self.shared.passages.get().is_some() {
            return Err(EmitError::OnlyHandlers);
        } else {
            self.post_first(Post::List(Box::new(list)))?;
        }
        Ok(receiver)
    }

    /// A channel that ends when all that this thread asked for before has been done on all shards.
    pub(crate) fn barrier(&self) -> Result<mpsc::UnboundedReceiver<Vec<SocketId>>, EmitError> {
        let (found, receiver) = mpsc::unbounded_channel();
        let list = List {
            to: Selection::all(NamespaceId::ROOT).to(""), // whoever: asking is what matters
            found,
            everywhere: true,
        };
        self.post_first(Post::List(Box::new(list)))?;
        Ok(receiver)
    }
}

impl Namespace {
    /// Everybody in the namespace.
    pub fn all(&self) -> Broadcast {
        // Looked up now, as the namespace may have been named before the server started. An unknown
        // one is one that nobody can be in.
        let id = self.io.shared.namespace(&self.name);
        let id = id.unwrap_or(NamespaceId(u16::MAX));
        Broadcast::new(self.io.clone(), Selection::all(id))
    }

    /// Everybody in a room.
    pub fn to(&self, room: impl fmt::Display) -> Broadcast {
        self.all().to(room)
    }

    /// The same as [`Namespace::to`], which the official server calls `in`.
    pub fn within(&self, room: impl fmt::Display) -> Broadcast {
        self.to(room)
    }

    /// Everybody who is not in this room.
    pub fn except(&self, room: impl fmt::Display) -> Broadcast {
        self.all().except(room)
    }

    /// Sends an event to everybody in the namespace.
    ///
    /// # Errors
    /// [`EmitError`].
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        self.all().emit(event, args)
    }
}
