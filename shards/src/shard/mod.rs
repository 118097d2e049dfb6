//! Answers: what is one shard, and how do its parts reach each other.
//!
//! A shard is a pinned thread with its own runtime, hub, connections and handlers. Nothing in it is
//! shared; other threads reach it by its mailbox. The hub is borrowed for the length of one call and
//! never while user code runs or something is awaited.

mod about;
mod asked;
mod budget;
mod congestion;
mod conns;
mod dispatch;
mod drains;
mod ebb;
mod frames;
mod handoff;
mod http;
mod intake;
mod looks;
mod newcomers;
mod output;
pub(crate) mod pages;
mod pauses;
mod polled;
mod polling;
pub(crate) mod questions;
mod reactor;
mod requests;
mod respond;
mod seldom;
mod tasks;
mod upgrade;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::Waker,
};

use stentor_engine::{
    error::PacketTooLarge,
    hub::{Alone, Hub, Mode, Namespace, SessionKey, Setup, SocketKey},
    id::ShardId,
    time::Tick,
};
use tokio::sync::Notify;

use self::pages::HttpService;
pub(crate) use self::reactor::{Reactor, WAKER, run};
use self::upgrade::handshake as keep_handshake;
use crate::{
    api::{Io, payload::Encoded, socket::Extensions},
    clock::Clock,
    config::ShardConfig,
    discard::discard,
    engine_server::EngineHandlers,
    fd_table::Passage,
    handler::{Handlers, Handshake, Locals, States},
    net::response::Writer,
    post::{List, Post},
    shared::{Shared, Vital},
};
use budget::Budget;
use congestion::{MAIL_KEPT, Overflow};
use conns::{ConnKey, Conns};
use drains::Drains;
use looks::Looks;
use newcomers::Newcomers;
use output::Port;
use pauses::Pauses;
use polling::Parked;
use questions::Questions;
use tasks::Tasks;

/// A clock that is read so much later than was expected says that the shard stood still.
const STANDSTILL_MS: u64 = 1_000;

/// One standstill in so long is left out of the clock. A shard that is always late has no standstills: its
/// time goes on, or it would send no pings and its clients would give it up.
const STANDSTILL_EVERY_MS: u64 = 30_000;

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
        shard.forget();
    }
}

/// What a shard runs: the layer that user code sees.
#[derive(Debug)]
pub(crate) enum Application {
    SocketIo(Vec<(Box<str>, Rc<Handlers>)>),
    EngineIo(Rc<EngineHandlers>),
}

/// See the module's text.
pub(crate) struct Shard {
    pub(crate) id: ShardId,
    pub(crate) hub: RefCell<Hub>,
    pub(crate) config: Arc<ShardConfig>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) application: RefCell<Application>,
    pub(crate) states: RefCell<States>,
    pub(crate) locals: RefCell<Locals>,
    pub(crate) http: RefCell<Option<HttpService>>,
    pub(crate) questions: Questions,
    /// Handlers that wait.
    pub(crate) tasks: Tasks,
    clock: Cell<Clock>,
    now: Cell<Tick>,
    /// The clock is read again by then, or the shard stood still.
    expected: Cell<Tick>,
    /// Milliseconds that the clock is behind for that.
    stood_still: Cell<u64>,
    /// When it stood still last.
    stood_at: Cell<Option<Tick>>,
    conns: RefCell<Conns>,
    budget: RefCell<Budget>,
    newcomers: Newcomers,
    /// Parked GETs by session.
    parked: RefCell<HashMap<u64, Parked>>,
    /// The last session that posted, and its connection: for the log.
    posted: Cell<Option<(SessionKey, ConnKey)>>,
    /// POSTs whose bodies are coming, by session.
    posting: RefCell<HashMap<u64, Parked>>,
    /// Those whose session has ended, in this turn.
    given_up: RefCell<Vec<(SessionKey, Parked)>>,
    /// Connections whose parked GET was answered and behind which more has come.
    resumable: RefCell<Vec<ConnKey>>,
    writer: RefCell<Writer>,
    pauses: RefCell<Pauses>,
    extensions: RefCell<HashMap<u64, Rc<Extensions>>>,
    handshakes: RefCell<HashMap<u64, Rc<Handshake>>>,
    /// What mailboxes or passages had no room for.
    overflow: RefCell<Overflow>,
    congested: Cell<bool>,
    /// Counts the posts for which there was no room.
    stuck: Cell<u64>,
    /// Connections that can be read again, and whether their end is to be seen.
    readable: RefCell<Vec<(ConnKey, bool)>>,
    /// How many connections are put aside.
    aside: Cell<usize>,
    /// All that came before was handled, but for connections that are listed.
    seen: Cell<Tick>,
    looks: Looks,
    drains: Drains,
    /// A turn is under way: its end will see to what is queued.
    in_turn: Cell<bool>,
    turn_wanted: Cell<bool>,
    reactor: RefCell<Option<Waker>>,
    /// HTTP connections that hyper serves.
    pub(crate) http_open: Cell<usize>,
    /// Tells those connections that the server stops.
    pub(crate) http_stop: Notify,
    pub(crate) stopping: Cell<bool>,
    /// When it ends, if it stops, whoever is still there.
    pub(crate) stop_by: Cell<Tick>,
    /// Where connections come in, if every shard has a descriptor table of its own.
    passage: RefCell<Option<Passage>>,
    /// Connections given to other shards through their passages.
    handed_over: Cell<u64>,
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
    pub(crate) application: Application,
    pub(crate) states: States,
    pub(crate) locals: Locals,
    pub(crate) http: Option<HttpService>,
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

impl Shard {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let shards = parts.shared.sessions.len();
        let shard = Rc::new(Self {
            id: parts.id,
            hub: RefCell::new(parts.hub),
            conns: RefCell::new(Conns::new(parts.registry, parts.config.waits)),
            shared: parts.shared,
            application: RefCell::new(parts.application),
            states: RefCell::new(parts.states),
            locals: RefCell::new(parts.locals),
            http: RefCell::new(parts.http),
            questions: Questions::default(),
            tasks: Tasks::new(parts.config.shard_limits.waiting_handlers),
            clock: Cell::new(parts.clock),
            now: Cell::new(parts.clock.now()),
            expected: Cell::new(Tick::NEVER),
            stood_still: Cell::new(0),
            stood_at: Cell::new(None),
            budget: RefCell::default(),
            newcomers: Newcomers::default(),
            parked: RefCell::default(),
            posted: Cell::new(None),
            posting: RefCell::default(),
            given_up: RefCell::default(),
            resumable: RefCell::default(),
            writer: RefCell::default(),
            pauses: RefCell::default(),
            extensions: RefCell::default(),
            handshakes: RefCell::default(),
            overflow: RefCell::new(Overflow::new(shards)),
            congested: Cell::new(false),
            stuck: Cell::new(0),
            readable: RefCell::default(),
            aside: Cell::new(0),
            seen: Cell::new(Tick(0)),
            looks: Looks::default(),
            drains: Drains::default(),
            in_turn: Cell::new(false),
            turn_wanted: Cell::new(false),
            reactor: RefCell::new(None),
            http_open: Cell::new(0),
            http_stop: Notify::new(),
            stopping: Cell::new(false),
            stop_by: Cell::new(Tick(0)),
            passage: RefCell::new(parts.passage),
            handed_over: Cell::new(0),
            config: parts.config,
        });
        CURRENT.set(Some(Rc::clone(&shard)));
        shard
    }

    /// The shard has ended. Sockets that user code keeps keep it, in the shard's own tables too: in an
    /// `App::local`, or in what a handler has captured. So what it has goes now, and only who asks is told "gone".
    fn forget(&self) {
        // User code drops nothing while something is borrowed.
        discard(self.http.take());
        drop(self.application.replace(Application::SocketIo(Vec::new())));
        drop(self.locals.take());
        drop(self.states.take());
        drop(self.extensions.take());
        drop(self.handshakes.take());
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
        drop(self.overflow.take());
        drop(self.writer.take());
        drop(self.passage.take());
        drop(self.reactor.take());
    }

    pub(crate) fn io(&self) -> Io {
        Io {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Whether user code may run: it may call whatever it has a handle for.
    pub(crate) fn has_nothing_borrowed(&self) -> bool {
        self.hub.try_borrow_mut().is_ok()
            && self.conns.try_borrow_mut().is_ok()
            && self.overflow.try_borrow_mut().is_ok()
            && self.extensions.try_borrow_mut().is_ok()
            && self.parked.try_borrow_mut().is_ok()
    }

    /// The time by the clock, not the turn's: what user code fails at may be long after its beginning.
    pub(crate) fn wall(&self) -> Tick {
        self.clock.get().now()
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
    fn enter(&self) {
        if !self.in_turn.get() {
            self.read_clock();
            self.want_turn();
        }
    }

    /// A moment of this shard's clock on the one that the server's threads share.
    fn on_server_clock(&self, own: Tick) -> Tick {
        Tick(own.0.saturating_add(self.stood_still.get()))
    }

    /// The other way round.
    fn on_own_clock(&self, server: Tick) -> Tick {
        match server {
            Tick::NEVER => Tick::NEVER,
            Tick(at) => Tick(at.saturating_sub(self.stood_still.get())),
        }
    }

    /// Reads the clock. What the shard stood still, with its process or its machine or in user code, has
    /// not passed for its peers: they may have stood still too, or have spoken and not been heard.
    fn read_clock(&self) {
        let now = self.clock.get().now();
        let late = now.since(self.expected.get().min(now));
        let last = self.stood_at.get();
        let seldom = last.is_none_or(|at| now.since(at) > STANDSTILL_EVERY_MS + late);
        if late > STANDSTILL_MS && seldom {
            self.stood_at.set(Some(self.expected.get()));
            self.clock.set(self.clock.get().without(late));
            self.stood_still.set(self.stood_still.get() + late);
        }
        let now = self.clock.get().now().max(self.now.get());
        self.expected.set(now);
        self.now.set(now);
    }

    /// Makes the reactor run a turn, soon.
    pub(crate) fn want_turn(&self) {
        if !self.turn_wanted.replace(true)
            && let Some(waker) = &*self.reactor.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// Answers a client's question.
    pub(crate) fn ack(
        &self,
        socket: SocketKey,
        id: u64,
        encoded: &Encoded,
    ) -> Result<bool, PacketTooLarge> {
        self.with_hub(|hub, _| hub.ack(socket, id, &encoded.args, &encoded.attachments))
    }

    pub(crate) fn handshake(&self, session: SessionKey) -> Option<Rc<Handshake>> {
        self.handshakes.borrow().get(&session.to_bits()).cloned()
    }

    pub(crate) fn extensions(&self, socket: SocketKey, create: bool) -> Option<Rc<Extensions>> {
        let mut extensions = self.extensions.borrow_mut();
        if !create {
            return extensions.get(&socket.to_bits()).cloned();
        }
        self.hub.borrow().socket_id(socket)?; // not for a socket that is gone: nothing would free it
        Some(Rc::clone(extensions.entry(socket.to_bits()).or_default()))
    }

    // ---- other shards ----

    /// Tells the ids of the sockets that a selection means.
    pub(crate) fn list(&self, list: List) {
        let List {
            to,
            found,
            everywhere,
        } = list;
        if everywhere {
            self.post_mail(); // what was done to the sockets before is to be seen
            for shard in 0..self.shared.sessions.len() as u8 {
                if shard != self.id.0 {
                    let list = List {
                        to: to.clone(),
                        found: found.clone(),
                        everywhere: false,
                    };
                    self.post(ShardId(shard), Post::List(Box::new(list)));
                }
            }
        }
        let ids = self.with_hub(|hub, _| hub.sockets(&to));
        let _ = found.send(ids); // who asked may have gone
    }
}
