//! Answers: what can user code do with one client in one namespace.

use std::{fmt, marker::PhantomData, rc::Rc, sync::Arc, time::Duration};

use stentor_engine::{
    hub::{AckOutcome, Emit, Selection, SocketKey},
    id::{NamespaceId, SocketId},
    room::Change,
    sio::packet::is_reserved,
};

use super::{
    answers::{AckError, FromAnswer, decode},
    broadcast::{Broadcast, names},
    io::{EmitError, Io, NOT_CONNECTED},
    payload::{Encoded, IntoArgs, Raw},
};
use crate::{
    handshake::{Credentials, Handshake},
    log::About,
    post::Flags,
    shard::{
        Extensions, Farewell, Shard,
        acks::{DEFAULT_ACK_WAIT, PendingAck},
    },
};

/// What [`JoinError::Full`] says.
pub(super) const FULL: &str = "the socket is in too many rooms, or the room's name is too long";

/// Why a socket did not join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It is not connected (any more).
    #[error("{NOT_CONNECTED}")]
    NotConnected,
    /// It is in as many rooms as [`crate::Limits::rooms_per_socket`] allows, or the room's name is
    /// longer than 1,024 bytes (`stentor_engine::limits::NAME_BYTES_MAX`).
    #[error("{FULL}")]
    Full,
}

/// Keeps what has it on its thread. The compiler names the type when user code would send it elsewhere, as
/// `tokio::spawn` does.
pub(crate) type StaysHere = PhantomData<*const UseTokioTaskSpawnLocal>;

/// See [`StaysHere`].
pub(crate) struct UseTokioTaskSpawnLocal;

/// One client in one namespace: the official server's `Socket`.
///
/// Cheap to clone, and only for the thread of its shard. Holding it after the client has gone is
/// harmless: everything then answers "gone".
#[derive(Clone)]
pub struct Socket {
    stays: StaysHere,
    pub(crate) shard: Rc<Shard>,
    pub(crate) key: SocketKey,
    namespace: NamespaceId,
    farewell: Option<Rc<Farewell>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Socket {
    #[inline]
    pub(crate) fn new(shard: &Rc<Shard>, key: SocketKey, namespace: NamespaceId) -> Self {
        Self {
            stays: StaysHere::default(),
            shard: Rc::clone(shard),
            key,
            namespace,
            farewell: None,
        }
    }

    /// One that has left, for its disconnect handlers.
    pub(crate) fn gone(
        shard: &Rc<Shard>,
        key: SocketKey,
        namespace: NamespaceId,
        farewell: Farewell,
    ) -> Self {
        let farewell = Some(Rc::new(farewell));
        Self {
            farewell,
            ..Self::new(shard, key, namespace)
        }
    }

    /// The public id, `socket.id` on the client. It is there in `auth` too. `None` if the client has gone, except in its
    /// disconnect handlers.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> String {
    ///     s.id().map_or("gone".to_owned(), |id| id.to_string())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<SocketId> {
        match &self.farewell {
            Some(farewell) => Some(farewell.id),
            None => self.shard.hub.borrow().socket_id(self.key),
        }
    }

    /// Whether the client is connected to the namespace.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> bool {
    ///     s.is_connected()
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shard.hub.borrow().is_connected(self.key)
    }

    /// The namespace's name.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> String {
    ///     s.namespace()
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn namespace(&self) -> String {
        self.shard
            .hub
            .borrow()
            .namespace_name(self.namespace)
            .to_owned()
    }

    /// `polling` or `websocket`, as it is now; `None` if the client has gone, and so in its disconnect handlers.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> bool {
    ///     s.transport() == Some("websocket")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn transport(&self) -> Option<&'static str> {
        let hub = self.shard.hub.borrow();
        Some(hub.transport(hub.session_of(self.key)?)?.as_str())
    }

    /// The request the session began with, with what the client sent as `auth` if the namespace keeps that; unless the server does not keep it
    /// ([`crate::Server::keep_handshakes`]) or the client has gone; its disconnect handlers still have it.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> String {
    ///     let Some(request) = s.handshake() else { return String::new() };
    ///     request.header("user-agent").unwrap_or_default().to_owned()
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn handshake(&self) -> Option<Rc<Handshake>> {
        let of_session = if let Some(farewell) = &self.farewell {
            farewell.handshake.clone()
        } else {
            let session = self.shard.hub.borrow().session_of(self.key)?;
            self.shard.kept.handshake(session)
        }?;
        Some(match self.get::<Credentials>() {
            Some(kept) => Rc::new(Handshake::of_socket(of_session, kept.0.as_deref())),
            None => of_session,
        })
    }

    // ---- sending ----

    /// What a log line that this socket causes says about the client.
    pub(crate) fn about(&self) -> About {
        if let Some(farewell) = &self.farewell {
            return farewell.about(&self.shard, self.namespace);
        }
        self.shard.about_socket(self.key)
    }

    /// Sends an event to this client. What it may say is any value of serde, [`crate::Args`] of several, `()`, or
    /// [`Raw`]: see [`IntoArgs`].
    ///
    /// It returns when the event is queued; [`Socket::drained`] tells when the client has been sent all.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// /// Something every second, until the client goes.
    /// async fn clock(s: Socket) -> Result<(), EmitError> {
    ///     for seconds in 1.. {
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///         s.emit("clock", seconds)?;
    ///     }
    ///     Ok(())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on("start", clock); }
    /// ```
    ///
    /// # Errors
    /// [`EmitError::NotConnected`] if the client has gone, or was not let in yet; [`EmitError::Encode`],
    /// [`EmitError::Reserved`] and [`EmitError::TooLarge`] for what cannot be sent to anybody.
    pub fn emit(&self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        self.emit_as(event, args, Flags::USUAL)
    }

    /// Sends an event that may be lost: it is dropped, without an error, if the client cannot take it now.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) {
    ///     let _ = s.emit_volatile("position", &[1.5, 2.5]);
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn emit_volatile(&self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        let flags = Flags {
            volatile: true,
            ..Flags::USUAL
        };
        self.emit_as(event, args, flags)
    }

    /// Sends an event that gains nothing from compression, such as a picture: the official server's
    /// `compress(false)`. See [`Broadcast::compress`].
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket, Data(jpeg): Data<Binary>) -> Result<(), EmitError> {
    ///     s.emit_uncompressed("picture", jpeg)
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    ///
    /// # Errors
    /// As [`Socket::emit`].
    pub fn emit_uncompressed(&self, event: &str, args: impl IntoArgs) -> Result<(), EmitError> {
        let flags = Flags {
            compress: false,
            ..Flags::USUAL
        };
        self.emit_as(event, args, flags)
    }

    fn emit_as(&self, event: &str, args: impl IntoArgs, flags: Flags) -> Result<(), EmitError> {
        if is_reserved(event) {
            return Err(EmitError::Reserved(event.to_owned()));
        }
        let Encoded { args, attachments } = args.encode()?;
        let emit = Emit {
            name: event,
            args: &args,
            attachments: &attachments,
            volatile: flags.volatile,
            compress: flags.compress,
        };
        let sent = self.shard.with_hub(|hub, _| hub.emit(self.key, &emit))?;
        if sent || flags.volatile && self.is_connected() {
            Ok(())
        } else {
            Err(EmitError::NotConnected)
        }
    }

    /// Sends an event and waits for the client's answer, for at most 20 s. It is the answer's first
    /// argument, or all of them as [`crate::Args`]; see [`FromAnswer`].
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// async fn handler(s: Socket) -> Result<u32, AckError> {
    ///     s.call("how old are you?", ()).await
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on("x", handler); }
    /// ```
    ///
    /// # Errors
    /// [`AckError`]: every question is settled, also when the client leaves.
    pub async fn call<T: FromAnswer>(
        &self,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<T, AckError> {
        self.call_timeout(DEFAULT_ACK_WAIT, event, args).await
    }

    /// The same with a wait of its own. `Duration::MAX` is without limit: until the client answers or
    /// leaves, as the official server waits unless told otherwise. Such a question goes on counting
    /// against [`crate::Limits::acks_per_socket`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// async fn consent(s: Socket) -> Result<bool, AckError> {
    ///     s.call_timeout(Duration::MAX, "do you agree?", ()).await
    /// }
    /// # let _ = consent;
    /// ```
    ///
    /// # Errors
    /// [`AckError`].
    pub async fn call_timeout<T: FromAnswer>(
        &self,
        timeout: Duration,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<T, AckError> {
        decode(self.ask(timeout, event, args).await?)
    }

    /// The same with the answer's arguments as they came.
    ///
    /// # Errors
    /// [`AckError`].
    pub async fn call_raw(
        &self,
        timeout: Duration,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<Raw, AckError> {
        self.call_timeout(timeout, event, args).await
    }

    async fn ask(
        &self,
        timeout: Duration,
        event: &str,
        args: impl IntoArgs,
    ) -> Result<AckOutcome, AckError> {
        if is_reserved(event) {
            return Err(AckError::Reserved(event.to_owned()));
        }
        let Encoded { args, attachments } = args.encode()?;
        let question = PendingAck::new(&self.shard);
        let emit = Emit {
            name: event,
            args: &args,
            attachments: &attachments,
            volatile: false,
            compress: true,
        };
        let token = question.token();
        let sent = self
            .shard
            .with_hub(|hub, now| hub.emit_with_ack(now, self.key, &emit, token, timeout))?;
        if !sent {
            return Err(AckError::NotSent);
        }
        Ok(question.answer().await)
    }

    /// Everybody in this room but this client: `socket.to(room)`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Result<(), EmitError> {
    ///     s.to("room").emit("news", "for the others in the room")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn to(&self, room: impl fmt::Display) -> Broadcast {
        self.broadcast().to(room)
    }

    /// The same as [`Socket::to`], which the official server calls `in`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Result<(), EmitError> {
    ///     s.within("room").emit("news", "for the others in the room")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn within(&self, room: impl fmt::Display) -> Broadcast {
        self.to(room)
    }

    /// Everybody in the namespace but this client who is not in this room.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Result<(), EmitError> {
    ///     s.except("busy").emit("news", "for the others who are not in `busy`")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn except(&self, room: impl fmt::Display) -> Broadcast {
        self.broadcast().except(room)
    }

    /// Everybody in the namespace but this client: `socket.broadcast`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Result<(), EmitError> {
    ///     s.broadcast().emit("news", "for all others")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn broadcast(&self) -> Broadcast {
        let to = Selection {
            not: self.id(),
            ..Selection::all(self.namespace)
        };
        Broadcast::new(self.io(), to)
    }

    /// The server; `io().of(…)` for another namespace. [`Socket::all`] stays in this one.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Result<(), EmitError> {
    ///     s.io().of("/admin").emit("news", "for another namespace")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn io(&self) -> Io {
        Io {
            shared: Arc::clone(&self.shard.shared),
        }
    }

    /// Everybody in the namespace, this client too.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Result<(), EmitError> {
    ///     s.all().emit("news", "for all, this client too")
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn all(&self) -> Broadcast {
        Broadcast::new(self.io(), Selection::all(self.namespace))
    }

    // ---- rooms ----

    /// Puts the client into a room. It is in its own room, named by its id, anyway.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket, Data(room): Data<String>) -> Result<(), JoinError> {
    ///     s.join(room)
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&self, room: impl fmt::Display) -> Result<(), JoinError> {
        self.join_each([room])
    }

    /// Puts the client into each of these rooms: the official server's `socket.join([…])`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn enter(s: Socket, Args((team, user)): Args<(String, u64)>) -> Result<(), JoinError> {
    ///     s.join_each([team, format!("user:{user}")])
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("enter", enter); }
    /// ```
    ///
    /// # Errors
    /// [`JoinError`]. After [`JoinError::Full`] it is in those that could be joined.
    pub fn join_each<R: fmt::Display>(
        &self,
        rooms: impl IntoIterator<Item = R>,
    ) -> Result<(), JoinError> {
        let rooms = names(rooms);
        self.shard.with_hub(|hub, _| {
            if !hub.is_connected(self.key) {
                return Err(JoinError::NotConnected);
            }
            let mut joined = Ok(());
            for room in &rooms {
                if hub.join(self.key, room) == Change::Full {
                    joined = Err(JoinError::Full);
                }
            }
            joined
        })
    }

    /// Takes the client out of a room.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket, Data(room): Data<String>) {
    ///     s.leave(room);
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn leave(&self, room: impl fmt::Display) {
        self.leave_each([room]);
    }

    /// Takes the client out of each of these rooms.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) {
    ///     s.leave_each(["red", "blue"]);
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn leave_each<R: fmt::Display>(&self, rooms: impl IntoIterator<Item = R>) {
        let rooms = names(rooms);
        self.shard.with_hub(|hub, _| {
            for room in &rooms {
                hub.leave(self.key, room);
            }
        });
    }

    /// Takes the client out of all rooms but its own, which nobody leaves.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) {
    ///     s.leave_all();
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn leave_all(&self) {
        self.shard.with_hub(|hub, _| {
            for room in hub.rooms_of(self.key) {
                hub.leave(self.key, &room);
            }
        });
    }

    /// The rooms the client is in, its own not included. In a disconnect handler: those it was in.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) -> Ack<Vec<String>> {
    ///     Ack(s.rooms())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn rooms(&self) -> Vec<String> {
        match &self.farewell {
            Some(farewell) => farewell.rooms.iter().map(ToString::to_string).collect(),
            None => self.shard.hub.borrow().rooms_of(self.key),
        }
    }

    /// Removes the client from the namespace. With `close`, its whole connection ends, other
    /// namespaces too. In an `auth` handler it refuses the client, whatever the handler returns. What was
    /// emitted before still arrives.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket) {
    ///     s.disconnect(true); // the whole connection, not the namespace alone
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn disconnect(&self, close: bool) {
        self.shard
            .with_hub(|hub, now| hub.disconnect(now, self.key, close));
    }

    /// Bytes that were sent to the client's session and that it has not taken yet, as of the end of the
    /// last turn: the client reads more slowly than it is sent to. What this turn has sent is not
    /// counted. 0 if the client has gone.
    ///
    /// Above [`crate::Limits::outbox_bytes`] nothing more is read from the client, and it is closed when
    /// it takes too little for five seconds.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket, Data(frame): Data<String>) {
    ///     if s.backlog() < 100_000 {
    ///         let _ = s.emit("frame", &frame); // else the client misses it
    ///     }
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn backlog(&self) -> usize {
        let session = self.shard.hub.borrow().session_of(self.key);
        session.map_or(0, |session| self.shard.backlog(session))
    }

    /// Waits until the client's connection has taken all that was sent to it: all is with the kernel, or
    /// in the answer to a poll. True if so, false if the client went before.
    ///
    /// A handler that sends much awaits it now and then, and so goes no faster than the client reads:
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// async fn history(socket: Socket) {
    ///     for page in 0..1_000 {
    ///         let _ = socket.emit("page", page);
    ///         if page % 100 == 99 && !socket.drained().await {
    ///             return; // the client has gone
    ///         }
    ///     }
    /// }
    /// ```
    pub async fn drained(&self) -> bool {
        let session = self.shard.hub.borrow().session_of(self.key);
        match session {
            Some(session) => self.shard.drained(session).await.is_ok(),
            None => false,
        }
    }

    // ---- data ----

    /// Keeps a value with the socket, in place of the one of the same type.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn handler(s: Socket, Data(name): Data<String>) {
    ///     struct Name(String);
    ///     s.set(Name(name));
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    pub fn set<T: 'static>(&self, value: T) {
        if let Some(extensions) = self.extensions(true) {
            extensions.set(value);
        }
    }

    /// The value of this type that was kept.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// struct Name(String);
    ///
    /// fn handler(s: Socket) -> Option<String> {
    ///     s.get::<Name>().map(|name| name.0.clone())
    /// }
    /// # fn app(app: &mut App) { app.ns("/").on_sync("x", handler); }
    /// ```
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<Rc<T>> {
        self.extensions(false)?.get()
    }

    fn extensions(&self, create: bool) -> Option<Rc<Extensions>> {
        match &self.farewell {
            Some(farewell) => farewell.extensions.clone(),
            None => self.shard.extensions(self.key, create),
        }
    }
}
