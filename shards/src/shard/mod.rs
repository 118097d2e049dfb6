//! Answers: what is one shard, and how do its parts reach each other.
//!
//! A shard is a pinned thread with its own runtime, hub, connections and handlers. Nothing in it is
//! shared; other threads reach it by its mailbox. The hub is borrowed for the length of one call and
//! never while user code runs or something is awaited.

mod about;
pub(crate) mod acks;
mod application;
mod asked;
pub(crate) mod conns;
mod drains;
mod http;
pub(crate) mod judge;
mod kept;
pub(crate) mod link;
pub(crate) mod looks;
mod middleware;
mod newcomers;
pub(crate) mod now;
mod office;
pub(crate) mod pages;
mod parked;
pub(crate) mod pauses;
pub(crate) mod polled;
mod polling;
pub(crate) mod port;
mod requests;
mod respond;
mod route;
mod sources;
mod stopping;
mod tasks;
mod turning;
mod upgrade;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    rc::{Rc, Weak},
    sync::{Arc, atomic::Ordering},
};

use stentor_engine::{
    hub::{Alone, Hub, Mode, Namespace, SessionKey, Setup, SocketKey},
    id::ShardId,
    time::Tick,
};
use tokio::sync::Notify;

use self::{
    acks::Acks,
    conns::{ConnKey, Conns},
    drains::Drains,
    kept::UserState,
    looks::Looks,
    newcomers::Newcomers,
    now::Now,
    office::{MAIL_KEPT, Office},
    parked::Parked,
    pauses::Pauses,
    port::Port,
    stopping::Stopping,
    tasks::Tasks,
    turning::Turning,
};
pub(crate) use self::{
    application::{Application, INTERNAL_ERROR},
    kept::{Extensions, Farewell, HttpService, Locals, States},
};
use crate::{
    clock::Clock,
    compress::Compressor,
    config::ShardConfig,
    fd_table::Passage,
    log::{self, LeftOut, Seldom, Speaker},
    net::response::Writer,
    shared::{Shared, Vital},
};

thread_local! {
    static CURRENT: RefCell<Option<Rc<Shard>>> = const { RefCell::new(None) };
}

/// The shard whose thread this is, if it belongs to the same server.
pub(crate) fn current(shared: &Arc<Shared>) -> Option<Rc<Shard>> {
    let current = CURRENT.with_borrow(Clone::clone)?;
    (current.shared.server == shared.server).then_some(current)
}

/// The shard whose thread this is, of whatever server.
pub(crate) fn here() -> Option<Rc<Shard>> {
    CURRENT.with_borrow(Clone::clone)
}

/// The shard of this thread ends. Not left to the end of the thread: user code that is dropped there could
/// not ask which shard it is on.
pub(crate) fn leave() {
    if let Some(shard) = CURRENT.take() {
        log::speak_for(None);
        shard.forget();
    }
}

/// See the module's text.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) hub: RefCell<Hub>,
    pub(crate) config: Arc<ShardConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) kept: UserState,
    pub(crate) acks: Acks,
    /// Handlers that wait.
    pub(crate) tasks: Tasks,
    pub(crate) now: Now,
    pub(crate) conns: RefCell<Conns>,
    newcomers: Newcomers,
    bad_proxy_headers: RefCell<Seldom>,
    /// Parked GETs by session.
    pub(crate) parked: RefCell<HashMap<u64, Parked>>,
    /// The last session that posted, and its connection: for the log.
    posted: Cell<Option<(SessionKey, ConnKey)>>,
    /// POSTs whose bodies are coming, by session.
    posting: RefCell<HashMap<u64, Parked>>,
    /// Those whose session has ended, in this turn.
    given_up: RefCell<Vec<(SessionKey, Parked)>>,
    /// Connections whose parked GET was answered and behind which more has come.
    resumable: RefCell<Vec<ConnKey>>,
    writer: RefCell<Writer>,
    pub(crate) compressor: RefCell<Compressor>,
    pub(crate) pauses: RefCell<Pauses>,
    pub(crate) office: Office,
    pub(crate) looks: Looks,
    drains: Drains,
    pub(crate) turning: Turning,
    /// When clients were closed because all hold too much, for the log.
    pub(crate) holders_closed: RefCell<Seldom>,
    /// HTTP connections that hyper serves.
    pub(crate) http_open: Cell<usize>,
    /// Tells those connections that the server stops.
    pub(crate) http_stop: Notify,
    pub(crate) stopping: Stopping,
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) id: ShardId,
    pub(crate) hub: Hub,
    pub(crate) config: Arc<ShardConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) application: Rc<dyn Application>,
    pub(crate) states: States,
    pub(crate) locals: Locals,
    pub(crate) pages: Option<HttpService>,
    pub(crate) clock: Clock,
    pub(crate) registry: mio::Registry,
    pub(crate) passage: Option<Passage>,
}

/// What a table holds under a key, and gives memory back of a table that is nearly empty.
fn take<V>(table: &RefCell<HashMap<u64, V>>, key: u64) -> Option<V> {
    /// A smaller table is left as it is.
    const SMALL: usize = 64;
    let mut table = table.borrow_mut();
    let value = table.remove(&key)?;
    if table.capacity() > SMALL && table.len() < table.capacity() / 8 {
        let half = table.capacity() / 2;
        table.shrink_to(half);
    }
    Some(value)
}

impl Speaker for Shard {
    fn number(&self) -> usize {
        self.id.0.into()
    }

    fn has_nothing_borrowed(&self) -> bool {
        self.hub.try_borrow_mut().is_ok()
            && self.conns.try_borrow_mut().is_ok()
            && self.office.has_nothing_borrowed()
            && self.kept.has_nothing_borrowed()
            && self.parked.try_borrow_mut().is_ok()
    }

    /// By the clock, not the turn's time: what user code fails at may be long after its beginning.
    fn second(&self) -> u64 {
        self.now.clock().0 / 1_000
    }

    fn left_out(&self) -> &LeftOut {
        &self.vital().left_out
    }
}

impl Shard {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let shards = parts.shared.sessions.len();
        let shard = Rc::new(Self {
            id: parts.id,
            hub: RefCell::new(parts.hub),
            conns: RefCell::new(Conns::new(parts.registry, parts.config.waits)),
            shared: parts.shared,
            kept: UserState::new(parts.application, parts.pages, parts.states, parts.locals),
            acks: Acks::default(),
            tasks: Tasks::new(parts.config.shard_limits.waiting_handlers),
            now: Now::new(parts.clock),
            newcomers: Newcomers::default(),
            bad_proxy_headers: RefCell::default(),
            parked: RefCell::default(),
            posted: Cell::new(None),
            posting: RefCell::default(),
            given_up: RefCell::default(),
            resumable: RefCell::default(),
            writer: RefCell::default(),
            compressor: RefCell::default(),
            pauses: RefCell::default(),
            office: Office::new(shards, parts.passage),
            looks: Looks::default(),
            drains: Drains::default(),
            turning: Turning::default(),
            holders_closed: RefCell::default(),
            http_open: Cell::new(0),
            http_stop: Notify::new(),
            stopping: Stopping::default(),
            config: parts.config,
        });
        CURRENT.set(Some(Rc::clone(&shard)));
        let speaker: Weak<dyn Speaker> = Rc::<Self>::downgrade(&shard);
        log::speak_for(Some(speaker));
        shard
    }

    /// The shard has ended. Sockets that user code keeps keep it, in the shard's own tables too: in an
    /// `App::local`, or in what a handler has captured. So what it has goes now, and only who asks is told "gone".
    fn forget(&self) {
        self.kept.forget();
        drop(self.parked.take());
        self.conns.borrow_mut().close_all();
        let names = self.shared.namespaces.get().into_iter().flatten();
        let namespaces = names.map(|name| Namespace {
            name: name.clone(),
            gated: false,
        });
        let empty = Hub::new(Setup {
            config: self.config.engine.clone(),
            shard: self.id,
            shards: self.shared.sessions.len(),
            mode: Mode::SocketIo(namespaces.collect()),
            seed: self.shared.seed,
            directory: Box::new(Alone),
            entropy: Box::new(|_| ()),
        });
        drop(self.hub.replace(empty));
        self.shared.sessions[usize::from(self.id.0)].store(0, Ordering::Relaxed);
        self.office.forget();
        drop(self.writer.take());
        drop(self.compressor.take());
        self.turning.forget();
    }

    pub(crate) fn vital(&self) -> &Vital {
        &self.shared.vitals[usize::from(self.id.0)]
    }

    /// One call of the hub, from wherever. What it queues leaves at the end of the turn.
    pub(crate) fn with_hub<R>(&self, call: impl FnOnce(&mut Hub, Tick) -> R) -> R {
        self.enter();
        let now = self.now.get();
        let mut hub = self.hub.borrow_mut();
        let result = call(&mut hub, now);
        if hub.is_full() {
            hub.flush_all(now, &mut Port(self)); // it waits for whom it emits to
        }
        let letters = hub.mail_len();
        drop(hub);
        if letters > MAIL_KEPT {
            self.post_mail();
        }
        result
    }

    /// Before anything that is done outside a turn: the time is read, and a turn will follow.
    pub(crate) fn enter(&self) {
        if !self.turning.is_under_way() {
            self.now.read();
            self.turning.want();
        }
    }

    /// Makes the reactor run a turn, soon.
    pub(crate) fn want_turn(&self) {
        self.turning.want();
    }

    pub(crate) fn extensions(&self, socket: SocketKey, create: bool) -> Option<Rc<Extensions>> {
        if !create {
            return self.kept.extensions(socket);
        }
        self.hub.borrow().socket_id(socket)?; // not for a socket that is gone: nothing would free it
        Some(self.kept.new_extensions(socket))
    }
}
