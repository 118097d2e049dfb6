//! Answers: what can user code do with many clients at once.

use std::{fmt, time::Duration};

use stentor_engine::{
    hub::{Action, Selection},
    id::SocketId,
};

use super::{
    answers::Answers,
    io::{EmitError, Io},
    payload::IntoArgs,
};
use crate::post::Flags;

/// A choice of clients of one namespace, on all shards: the official server's `BroadcastOperator`.
///
/// It says which clients to reach. Nothing is looked up before it is used. Each client is reached once, however many
/// of the rooms it is in.
///
/// ```
/// use stentor::prelude::*;
///
/// fn handler(s: Socket) -> Result<(), EmitError> {
///     s.to("a").to("b").except("c").emit("news", "in a or b, and not in c")
/// }
/// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
/// ```
#[must_use = "a selection does nothing until something is emitted to it"]
#[derive(Debug, Clone)]
pub struct Broadcast {
    io: Io,
    to: Selection,
    flags: Flags,
    timeout: Option<Duration>,
}

/// Rooms' names. The iterator and its items are user code: it is done before anything is borrowed.
pub(super) fn names<R: fmt::Display>(rooms: impl IntoIterator<Item = R>) -> Vec<Box<str>> {
    let rooms = rooms.into_iter();
    rooms.map(|room| room.to_string().into()).collect()
}

impl Broadcast {
    pub(crate) const fn new(io: Io, to: Selection) -> Self {
        Self {
            io,
            to,
            flags: Flags::USUAL,
            timeout: None,
        }
    }

    /// Adds the clients in this room. A selection without a room is everybody in the namespace.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io) -> Result<(), EmitError> {
    ///     io.to("red").to("blue").emit("start", ())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn to(mut self, room: impl fmt::Display) -> Self {
        self.to.rooms.push(room.to_string().into());
        self
    }

    /// The same as [`Broadcast::to`], which the official server calls `in`.
    pub fn within(self, room: impl fmt::Display) -> Self {
        self.to(room)
    }

    /// Leaves out the clients in this room. A socket's id is the room of that socket.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io, s: Socket) -> Result<(), EmitError> {
    ///     let Some(id) = s.id() else { return Ok(()) };
    ///     io.all().except(id).emit("news", "for all but this client")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn except(mut self, room: impl fmt::Display) -> Self {
        self.to.except.push(room.to_string().into());
        self
    }

    /// Makes the event volatile: the server drops it for clients that cannot take it now.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io) -> Result<(), EmitError> {
    ///     io.to("map").volatile().emit("position", &[1.5, 2.5])
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub const fn volatile(mut self) -> Self {
        self.flags.volatile = true;
        self
    }

    /// Whether the event is worth compressing (`compress`). Default true. An answer to a poll is compressed if one
    /// packet of it is ([`crate::Server::http_compression`]); over WebSocket nothing is.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io, Data(jpeg): Data<Binary>) -> Result<(), EmitError> {
    ///     io.all().compress(false).emit("picture", jpeg)
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub const fn compress(mut self, compress: bool) -> Self {
        self.flags.compress = compress;
        self
    }

    /// How long [`Broadcast::call`] waits for each answer; 20 s unless set. `Duration::MAX` is without
    /// limit: until everybody has answered or left.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// async fn count(io: Io) -> usize {
    ///     let wait = Duration::from_secs(2);
    ///     let all = io.to("room").timeout(wait).call::<bool>("ready?", ()).all().await;
    ///     all.ok.len()
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on("count", count); }
    /// ```
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends an event. It is encoded once for all receivers.
    ///
    /// # Errors
    /// [`EmitError`]; on a shard's own thread [`EmitError::MailboxFull`] only if another shard has been behind for long.
    pub fn emit(self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        let encoded = args.encode()?;
        self.io.publish(self.to, event, encoded, self.flags)
    }

    /// Sends an event and collects everybody's answer: who answered, timed out or left. The answers
    /// can be awaited on any thread.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// async fn poll(io: Io) -> String {
    ///     let all = io.all().call::<u32>("how many?", ()).all().await;
    ///     let sum: u32 = all.ok.iter().map(|(_, count)| count).sum();
    ///     format!("{sum}; {} did not answer in time", all.timed_out.len())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on("poll", poll); }
    /// ```
    pub fn call<T>(self, event: &str, args: impl IntoArgs) -> Answers<T> {
        self.io.ask(self.to, event, args, self.flags, self.timeout)
    }

    /// Puts all selected clients into a room: the official server's `socketsJoin`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io) -> Result<(), EmitError> {
    ///     io.to("lobby").join("game")?;
    ///     io.to("game").emit("begin", ())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    ///
    /// Who is in as many rooms as [`crate::Limits::rooms_per_socket`] allows stays out, and so does
    /// everybody if the name is longer than 1,024 bytes (`stentor_engine::limits::NAME_BYTES_MAX`). Each
    /// shard logs at debug how many of its clients those are; [`Broadcast::ids`] of the room says who
    /// is in it.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn join(self, room: impl fmt::Display) -> Result<(), EmitError> {
        self.join_each([room])
    }

    /// Puts all selected clients into each of these rooms, as [`Broadcast::join`] does with one.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn join_each<R: fmt::Display>(
        self,
        rooms: impl IntoIterator<Item = R>,
    ) -> Result<(), EmitError> {
        self.io.act(self.to, Action::Join(names(rooms)))
    }

    /// Takes all selected clients out of a room: the official server's `socketsLeave`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io) -> Result<(), EmitError> {
    ///     io.all().leave("game")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn leave(self, room: impl fmt::Display) -> Result<(), EmitError> {
        self.leave_each([room])
    }

    /// Takes all selected clients out of each of these rooms.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn leave_each<R: fmt::Display>(
        self,
        rooms: impl IntoIterator<Item = R>,
    ) -> Result<(), EmitError> {
        self.io.act(self.to, Action::Leave(names(rooms)))
    }

    /// Removes all selected clients from the namespace; with `close` it ends their whole connections. The official
    /// server's `disconnectSockets`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(io: Io, Data(user): Data<String>) -> Result<(), EmitError> {
    ///     io.to(format!("user:{user}")).disconnect(true)
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn disconnect(self, close: bool) -> Result<(), EmitError> {
        self.io.act(self.to, Action::Disconnect { close })
    }

    /// The ids of all selected clients, on all shards: the official server's `fetchSockets`. Each is a room
    /// of its own, so that `io.to(id)` reaches one of them. What the same handler or thread did before,
    /// such as [`Broadcast::join`], is seen.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// async fn members(io: Io, Data(room): Data<String>) -> Result<usize, EmitError> {
    ///     Ok(io.to(room).ids().await?.len())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on("members", members); }
    /// ```
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], [`EmitError::NotRunning`] and [`EmitError::OnlyHandlers`], from a
    /// thread that is no shard.
    pub async fn ids(self) -> Result<Vec<SocketId>, EmitError> {
        let mut found = self.io.list(self.to)?;
        let mut ids = Vec::new();
        while let Some(more) = found.recv().await {
            ids.extend(more);
        }
        Ok(ids)
    }
}
