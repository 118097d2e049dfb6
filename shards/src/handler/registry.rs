//! Answers: which handlers does a namespace have.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    marker::PhantomData,
    mem::take,
    rc::Rc,
    sync::Arc,
};

use super::{
    ConnectReply, IntoReply, Reply,
    call::{AsyncHandler, Awaited, Call, Called, SyncHandler, Verdict},
};

use stentor_engine::limits::NAME_BYTES_MAX;

use crate::{discard::discard, shared::full_name};

type EventHandler = Rc<dyn Call<Reply>>;

/// One namespace's handlers.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) auth: Option<Rc<dyn Call<Verdict>>>,
    /// What the client proved itself with stays with its socket.
    pub(crate) keep_auth: bool,
    pub(crate) connect: Vec<EventHandler>,
    pub(crate) upgrade: Vec<EventHandler>,
    pub(crate) disconnect: Vec<EventHandler>,
    /// By name, in the order they were registered; the result of the first is the acknowledgement.
    pub(crate) events: HashMap<Rc<str>, Vec<EventHandler>, foldhash::fast::RandomState>,
    /// For events that have no handler of their own.
    pub(crate) fallback: Option<EventHandler>,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("events", &self.events.keys())
            .finish_non_exhaustive()
    }
}

/// What handlers have captured is user code's; whoever lets go of it ends a shard.
impl Drop for Handlers {
    fn drop(&mut self) {
        discard(self.auth.take());
        let events = take(&mut self.events).into_values().flatten();
        events
            .chain(take(&mut self.connect))
            .chain(take(&mut self.upgrade))
            .chain(take(&mut self.disconnect))
            .chain(self.fallback.take())
            .for_each(discard);
    }
}

/// State for all shards, by type.
#[derive(Default, Clone)]
pub(crate) struct States(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Arc::new(state));
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "States({})", self.0.len())
    }
}

/// The last shard lets go of the values.
impl Drop for States {
    fn drop(&mut self) {
        take(&mut self.0).into_values().for_each(discard);
    }
}

/// State of one shard, by type.
#[derive(Default)]
pub(crate) struct Locals(HashMap<TypeId, Rc<dyn Any>>);

impl Locals {
    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        take(&mut self.0).into_values().for_each(discard);
    }
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Locals({})", self.0.len())
    }
}

/// The application, as one shard runs it: built on every shard's thread by the closure given to
/// [`crate::Server::app`].
#[derive(Debug)]
pub struct App {
    pub(crate) namespaces: Vec<(Box<str>, Handlers)>,
    pub(crate) locals: Locals,
}

impl Default for App {
    fn default() -> Self {
        // `/` exists and comes first, as in the official server.
        Self {
            namespaces: vec![("/".into(), Handlers::default())],
            locals: Locals::default(),
        }
    }
}

impl App {
    /// A namespace, created if it is new. `/` exists anyway; a name that does not begin with `/`
    /// gets one. Clients that ask for one that was never named here are refused.
    ///
    /// # Panics
    /// If no client could join it: a comma ends a name on the wire, `?` and `#` end it in the client's URL,
    /// and a name over 1,024 bytes closes the connection. The start then fails with this in
    /// [`crate::ServerError::ShardDied`].
    pub fn ns(&mut self, name: &str) -> NamespaceBuilder<'_> {
        let name = full_name(name);
        if let Some(end) = name.find([',', '?', '#']) {
            let end = &name[end..=end];
            panic!("nobody can join a namespace with {end:?} in its name: {name:?}");
        }
        assert!(
            name.len() <= NAME_BYTES_MAX,
            "nobody can join a namespace whose name has {} bytes: {NAME_BYTES_MAX} may be sent",
            name.len()
        );
        let at = self.namespaces.iter().position(|(known, _)| *known == name);
        let at = at.unwrap_or_else(|| {
            self.namespaces.push((name, Handlers::default()));
            self.namespaces.len() - 1
        });
        NamespaceBuilder {
            handlers: &mut self.namespaces[at].1,
        }
    }

    /// State of this shard for [`crate::Local`]; need not be `Send`.
    pub fn local<T: 'static>(&mut self, state: T) -> &mut Self {
        self.locals.0.insert(TypeId::of::<T>(), Rc::new(state));
        self
    }
}

/// Registers a namespace's handlers.
#[derive(Debug)]
pub struct NamespaceBuilder<'a> {
    handlers: &'a mut Handlers,
}

fn awaited<F, P, T>(handler: F) -> Awaited<F, P, T> {
    Awaited {
        handler: Rc::new(handler),
        _of: PhantomData,
    }
}

#[expect(
    clippy::return_self_not_must_use,
    clippy::must_use_candidate,
    reason = "a handler is registered whether or not another follows"
)]
impl NamespaceBuilder<'_> {
    /// Decides who may join: the official server's namespace middleware. Until it is done, the
    /// client is not connected and cannot send or join rooms. Replaces an earlier one.
    pub fn auth<F, P, T>(self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: 'static,
        T: ConnectReply + 'static,
    {
        self.handlers.auth = Some(Rc::new(awaited(handler)));
        self
    }

    /// Keeps what each client sent as `auth` for as long as it is connected, so that [`crate::Auth`] can
    /// be a parameter of all handlers of the namespace, `on_disconnect` included: the official server's
    /// `socket.handshake.auth`. It costs the size of that JSON for each client, and some 200 bytes if nothing
    /// else is kept with it ([`crate::Socket::set`]).
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// # #[derive(serde::Deserialize)]
    /// # struct Login { user: String }
    /// fn app(app: &mut App) {
    ///     app.ns("/")
    ///         .keep_auth()
    ///         .on_sync("who am I?", |Auth(login): Auth<Login>| login.user);
    /// }
    /// ```
    pub const fn keep_auth(self) -> Self {
        self.handlers.keep_auth = true;
        self
    }

    /// Runs when a client has joined.
    pub fn on_connect<F, P, T>(self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: 'static,
        T: IntoReply + 'static,
    {
        self.handlers.connect.push(Rc::new(awaited(handler)));
        self
    }

    /// Runs when a client that had joined over long-polling goes on over WebSocket: the official
    /// server's `socket.conn.on("upgrade")`. It runs before what the client sends there. Who joins after the
    /// upgrade or began with WebSocket is not told: [`crate::Socket::transport`] always says which it is.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.ns("/").on_upgrade(async |s: Socket| {
    ///         s.emit("you are on", s.transport().unwrap_or("nothing any more"));
    ///     });
    /// }
    /// ```
    pub fn on_upgrade<F, P, T>(self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: 'static,
        T: IntoReply + 'static,
    {
        self.handlers.upgrade.push(Rc::new(awaited(handler)));
        self
    }

    /// Runs when a client has left, whatever the reason. It is out of its rooms already; which
    /// they were, its data and its id can still be read.
    pub fn on_disconnect<F, P, T>(self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: 'static,
        T: IntoReply + 'static,
    {
        self.handlers.disconnect.push(Rc::new(awaited(handler)));
        self
    }

    fn add(self, event: &str, handler: EventHandler) -> Self {
        assert!(
            !stentor_engine::sio::packet::is_reserved(event),
            "{event:?} is a reserved event name and never comes from a client"
        );
        self.handlers
            .events
            .entry(event.into())
            .or_default()
            .push(handler);
        self
    }

    /// Runs for an event. Handlers of one client *start* in the order of its events, always; one
    /// that awaits lets the next start.
    ///
    /// # Panics
    /// If the name is reserved (`connect`, `disconnect`, …).
    pub fn on<F, P, T>(self, event: &str, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: 'static,
        T: IntoReply + 'static,
    {
        self.add(event, Rc::new(awaited(handler)))
    }

    /// Runs for an event, without a future: the fast path. It must not block: while it runs, so
    /// waits its whole shard.
    ///
    /// # Panics
    /// If the name is reserved (`connect`, `disconnect`, …).
    pub fn on_sync<F, P, T>(self, event: &str, handler: F) -> Self
    where
        F: SyncHandler<P, T>,
        P: 'static,
        T: IntoReply + 'static,
    {
        self.add(
            event,
            Rc::new(Called {
                handler,
                _of: PhantomData,
            }),
        )
    }

    /// Runs for events that have no handler of their own; [`crate::EventName`] says which it is.
    pub fn on_fallback<F, P, T>(self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: 'static,
        T: IntoReply + 'static,
    {
        self.handlers.fallback = Some(Rc::new(awaited(handler)));
        self
    }
}
