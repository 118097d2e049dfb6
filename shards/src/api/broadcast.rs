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

/// A choice of clients of one namespace, on all shards: the official server's `BroadcastOperator`.
///
/// It names whom to reach, nothing is looked up before it is used, and each client is reached
/// once however many of the rooms it is in.
#[must_use = "a selection does nothing until something is emitted to it"]
#[derive(Debug, Clone)]
pub struct Broadcast {
    io: Io,
    to: Selection,
    volatile: bool,
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
            volatile: false,
            timeout: None,
        }
    }

    /// And everybody in this room. Without any room: everybody in the namespace.
    pub fn to(mut self, room: impl fmt::Display) -> Self {
        self.to.rooms.push(room.to_string().into());
        self
    }

    /// The same as [`Broadcast::to`], which the official server calls `in`.
    pub fn within(self, room: impl fmt::Display) -> Self {
        self.to(room)
    }

    /// But nobody in this room. A socket's id is the room of that socket.
    pub fn except(mut self, room: impl fmt::Display) -> Self {
        self.to.except.push(room.to_string().into());
        self
    }

    /// The event may be lost by clients that cannot take it now.
    pub const fn volatile(mut self) -> Self {
        self.volatile = true;
        self
    }

    /// How long [`Broadcast::call`] waits for each answer; 20 s unless set. `Duration::MAX` is without
    /// limit: until everybody has answered or left.
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
        self.io.publish(self.to, event, encoded, self.volatile)
    }

    /// Sends an event and collects everybody's answer: who answered, timed out or left. The answers
    /// can be awaited on any thread.
    pub fn call<T>(self, event: &str, args: impl IntoArgs) -> Answers<T> {
        self.io
            .ask(self.to, event, args, self.volatile, self.timeout)
    }

    /// Puts everybody chosen into a room: the official server's
    /// `socketsJoin`.
    ///
    /// Who is in as many rooms as [`crate::Limits::rooms_per_socket`] allows stays out, and so does
    /// everybody if the name is longer than [`stentor_engine::limits::NAME_BYTES_MAX`] bytes. Each
    /// shard logs at debug how many of its clients those are; [`Broadcast::ids`] of the room says who
    /// is in it.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn join(self, room: impl fmt::Display) -> Result<(), EmitError> {
        self.join_each([room])
    }

    /// Puts everybody chosen into each of these rooms, as [`Broadcast::join`] does with one.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn join_each<R: fmt::Display>(
        self,
        rooms: impl IntoIterator<Item = R>,
    ) -> Result<(), EmitError> {
        self.io.act(self.to, Action::Join(names(rooms)))
    }

    /// Takes everybody chosen out of a room: the official server's
    /// `socketsLeave`.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn leave(self, room: impl fmt::Display) -> Result<(), EmitError> {
        self.leave_each([room])
    }

    /// Takes everybody chosen out of each of these rooms.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn leave_each<R: fmt::Display>(
        self,
        rooms: impl IntoIterator<Item = R>,
    ) -> Result<(), EmitError> {
        self.io.act(self.to, Action::Leave(names(rooms)))
    }

    /// Disconnects everybody chosen; with `close` their whole connections end: the official server's
    /// `disconnectSockets`.
    ///
    /// # Errors
    /// [`EmitError::MailboxFull`], and from a thread that is no shard [`EmitError::NotRunning`].
    pub fn disconnect(self, close: bool) -> Result<(), EmitError> {
        self.io.act(self.to, Action::Disconnect { close })
    }

    /// The ids of everybody chosen, on all shards: the official server's `fetchSockets`. Each is a room
    /// of its own, so that `io.to(id)` reaches one of them. What the same handler or thread did before,
    /// such as [`Broadcast::join`], is seen.
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
