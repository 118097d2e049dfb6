//! Answers: which handlers does a namespace have.

use std::{collections::HashMap, fmt, marker::PhantomData, mem::take, rc::Rc};

use stentor_engine::limits::NAME_BYTES_MAX;

use super::{
    call::{Admission, AsyncHandler, Awaited, Call, Called, Params, SyncHandler},
    needs::{Needs, Needy, Place},
    reply::{ConnectReply, IntoReply, Reply},
};
use crate::{api::full_name, discard::discard, shard::Locals};

type EventHandler = Rc<dyn Call<Reply>>;

/// One namespace's handlers.
#[derive(Default)]
pub(crate) struct Handlers {
    pub(crate) auth: Option<Rc<dyn Call<Admission>>>,
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

/// The application, as one shard runs it: built on every shard's thread by the closure given to
/// [`crate::Server::app`].
#[derive(Debug)]
pub struct App {
    pub(crate) namespaces: Vec<(Box<str>, Handlers)>,
    pub(crate) locals: Locals,
    /// What cannot be, in sentences: the start fails with them.
    pub(super) faults: Vec<String>,
    pub(super) needy: Vec<Needy>,
}

impl Default for App {
    fn default() -> Self {
        // `/` exists and comes first, as in the official server.
        Self {
            namespaces: vec![("/".into(), Handlers::default())],
            locals: Locals::default(),
            faults: Vec::new(),
            needy: Vec::new(),
        }
    }
}

/// Why no client could join a namespace of this name, or why the name must be a mistake.
fn check_name(name: &str) -> Result<(), String> {
    if let Some(end) = name.find([',', '?', '#']) {
        let end = &name[end..=end];
        return Err(format!(
            "nobody can join a namespace with {end:?} in its name: {name:?}"
        ));
    }
    if name.len() > NAME_BYTES_MAX {
        let (len, start) = (name.len(), name.chars().take(40).collect::<String>());
        return Err(format!(
            "nobody can join a namespace whose name has {len} bytes, {start:?}…: {NAME_BYTES_MAX} may be sent"
        ));
    }
    if name.contains(['*', '{', '}', '^', '$', '\\']) || name.contains("/:") {
        return Err(format!(
            "{name:?} looks like a pattern, and a namespace has one name: name each of them"
        ));
    }
    Ok(())
}

impl App {
    /// A namespace, created if it is new. `/` exists anyway; a name that does not begin with `/`
    /// gets one. Clients that ask for one that was never named here are refused.
    ///
    /// With a name that no client could join the server does not start ([`crate::ServerError::App`]): a comma ends a name
    /// on the wire, `?` and `#` end it in the client's URL, and a name over 1,024 bytes closes the connection. Nor does it
    /// with one that looks like a pattern, such as `/tenant-*`: every namespace is named.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     for tenant in ["acme", "initech"] {
    ///         app.ns(&format!("/tenant-{tenant}")).on_sync("ping", || "pong");
    ///     }
    /// }
    /// ```
    pub fn ns(&mut self, name: &str) -> NamespaceBuilder<'_> {
        let name = full_name(name);
        if let Err(fault) = check_name(&name) {
            self.faults.push(fault);
        }
        let at = self.namespaces.iter().position(|(known, _)| *known == name);
        let number = at.unwrap_or_else(|| {
            self.namespaces.push((name, Handlers::default()));
            self.namespaces.len() - 1
        });
        NamespaceBuilder { app: self, number }
    }

    /// State of this shard for [`crate::Local`]; need not be `Send`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.local(std::cell::Cell::new(0_u32));
    /// }
    /// ```
    pub fn local<T: 'static>(&mut self, state: T) -> &mut Self {
        self.locals.insert(state);
        self
    }
}

/// Registers a namespace's handlers.
#[derive(Debug)]
pub struct NamespaceBuilder<'a> {
    app: &'a mut App,
    number: usize,
}

impl NamespaceBuilder<'_> {
    fn handlers(&mut self) -> &mut Handlers {
        &mut self.app.namespaces[self.number].1
    }

    /// Writes down what a handler needs, and where it is registered.
    fn note<P: Params>(&mut self, place: Place) {
        let mut needs = Needs::default();
        P::needs(&mut needs);
        self.app.needy.push(Needy {
            namespace: self.number,
            place,
            needs,
        });
    }
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
    pub fn auth<F, P, T>(mut self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: Params + 'static,
        T: ConnectReply + 'static,
    {
        self.note::<P>(Place::Auth);
        self.handlers().auth = Some(Rc::new(awaited(handler)));
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
    pub fn keep_auth(mut self) -> Self {
        self.handlers().keep_auth = true;
        self
    }

    /// Runs when a client has joined.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.ns("/").on_connect(async |s: Socket| {
    ///         let _ = s.emit("welcome", ());
    ///     });
    /// }
    /// ```
    pub fn on_connect<F, P, T>(mut self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: Params + 'static,
        T: IntoReply + 'static,
    {
        self.note::<P>(Place::Connect);
        self.handlers().connect.push(Rc::new(awaited(handler)));
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
    ///         s.emit("you are on", s.transport())
    ///     });
    /// }
    /// ```
    pub fn on_upgrade<F, P, T>(mut self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: Params + 'static,
        T: IntoReply + 'static,
    {
        self.note::<P>(Place::Upgrade);
        self.handlers().upgrade.push(Rc::new(awaited(handler)));
        self
    }

    /// Runs when a client has left, whatever the reason. It is out of its rooms already; which
    /// they were, its data and its id can still be read.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.ns("/").on_disconnect(async |s: Socket, reason: Reason| {
    ///         let _ = s.broadcast().emit("left", &reason.to_string());
    ///     });
    /// }
    /// ```
    pub fn on_disconnect<F, P, T>(mut self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: Params + 'static,
        T: IntoReply + 'static,
    {
        self.note::<P>(Place::Disconnect);
        self.handlers().disconnect.push(Rc::new(awaited(handler)));
        self
    }

    fn add<P: Params>(mut self, event: &str, handler: EventHandler) -> Self {
        if stentor_engine::sio::packet::is_reserved(event) {
            let instead = match event {
                "connect" => ": on_connect runs when one has joined",
                "disconnect" | "disconnecting" => ": on_disconnect runs when one has left",
                _ => "",
            };
            let namespace = &self.app.namespaces[self.number].0;
            let fault = format!(
                "{event:?}, which has a handler in {namespace:?}, is a reserved event name and never comes from a client{instead}"
            );
            self.app.faults.push(fault);
        }
        self.note::<P>(Place::Event(event.into()));
        self.handlers()
            .events
            .entry(event.into())
            .or_default()
            .push(handler);
        self
    }

    /// Runs for an event. Handlers of one client *start* in the order of its events, always; one
    /// that awaits lets the next start.
    ///
    /// With a name that is reserved (`connect`, `disconnect`, …) the server does not start.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.ns("/").on("later", async |Data(seconds): Data<u64>| {
    ///         tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    ///         "now" // the acknowledgement
    ///     });
    /// }
    /// ```
    pub fn on<F, P, T>(self, event: &str, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: Params + 'static,
        T: IntoReply + 'static,
    {
        self.add::<P>(event, Rc::new(awaited(handler)))
    }

    /// Runs for an event, without a future: the fast path. It must not block: while it runs, so
    /// waits its whole shard.
    ///
    /// With a name that is reserved (`connect`, `disconnect`, …) the server does not start.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.ns("/").on_sync("add", |Args((a, b)): Args<(i64, i64)>| a + b);
    /// }
    /// ```
    pub fn on_sync<F, P, T>(self, event: &str, handler: F) -> Self
    where
        F: SyncHandler<P, T>,
        P: Params + 'static,
        T: IntoReply + 'static,
    {
        self.add::<P>(
            event,
            Rc::new(Called {
                handler,
                _of: PhantomData,
            }),
        )
    }

    /// Runs for events that have no handler of their own; [`crate::EventName`] says which it is.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn app(app: &mut App) {
    ///     app.ns("/").on_fallback(async |EventName(name): EventName| format!("there is no `{name}`"));
    /// }
    /// ```
    pub fn on_fallback<F, P, T>(mut self, handler: F) -> Self
    where
        F: AsyncHandler<P, T>,
        P: Params + 'static,
        T: IntoReply + 'static,
    {
        self.note::<P>(Place::Fallback);
        self.handlers().fallback = Some(Rc::new(awaited(handler)));
        self
    }
}
