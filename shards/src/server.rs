//! Answers: how is a server configured and started.

mod check;
mod plan;
mod running;
mod signals;
mod watchdog;

use std::{
    any::Any,
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
    thread,
    time::Duration,
};

use stentor_engine::{
    config::Config,
    id::ShardId,
    limits::{Limits, SHARDS_MAX},
};

use self::{
    check::Options,
    plan::{Plan, Seat},
    running::Threads,
};
pub use self::{running::Running, signals::Signals};
use crate::{
    api::Io,
    clock::Clock,
    config::{AllowRequest, BACKLOG, HttpWaits, ShardConfig, ShardLimits},
    discard::discard,
    engine_server::EngineApp,
    entropy::Entropy,
    fd_table::{FdTables, Parting, passage},
    handler::{App, Handshake, Keep, States},
    log::{self, About},
    placement,
    shard::pages::{MakeHttpService, make_service},
    shared::Shared,
};

/// Why a server could not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// An option with which nobody could be served, in a sentence.
    #[error("the server cannot work: {0}")]
    Options(String),
    /// The address is none, or cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// As given.
        address: String,
        /// The system's word.
        error: io::Error,
    },
    /// A thread, a runtime or an epoll could not be made.
    #[error("cannot start a shard: {0}")]
    Start(io::Error),
    /// A shard that ran could not go on: its epoll failed.
    #[error("shard {shard} has failed: {error}")]
    ShardFailed {
        /// Which.
        shard: usize,
        /// The system's word.
        error: io::Error,
    },
    /// With [`FdTables::per_shard`] signals have to be caught before the start: by [`Server::run`], or
    /// by [`Signals::catch`] and [`Running::wait_for`].
    #[error("with descriptor tables per shard, signals must be caught before the start")]
    SignalsTooLate,
    /// More shards than there can be, or none.
    #[error("{0} shards: there must be 1 to {SHARDS_MAX}")]
    Shards(usize),
    /// A shard's thread panicked: in the closure given to `app`, or for a bug of this library.
    #[error("shard {shard} has died: {panic}")]
    ShardDied {
        /// Which.
        shard: usize,
        /// What it panicked with.
        panic: String,
    },
    /// A shard has not ended in time, because something blocks it: a handler, or a page. Its thread goes on
    /// until that returns, or the process ends. The shards after it may have been the same.
    #[error("shard {0} is stuck and has not ended")]
    ShardStuck(usize),
    /// [`Running::stop`] was called on a shard's own thread, as by a handler, where it cannot wait for the
    /// shard to end. The server stops nevertheless.
    #[error("a shard cannot wait for its own end; the server stops without being waited for")]
    StopOnShard,
}

/// The stacks of the threads beside the shards, whose own are as large as the program wants them.
const STACK_BYTES: usize = 512 * 1024;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a thread panicked with.
fn words(panic: Box<dyn Any + Send>) -> String {
    let words = panic.downcast_ref::<&str>().map(ToString::to_string);
    let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
    discard(panic);
    words.unwrap_or_else(|| "no words".to_owned())
}

type BuildSocketIo = dyn Fn(&mut App) + Send + Sync;
type BuildEngineIo = dyn Fn(&mut EngineApp) + Send + Sync;

#[derive(Clone)]
enum Build {
    SocketIo(Arc<BuildSocketIo>),
    EngineIo(Arc<BuildEngineIo>),
}

/// A server being configured: listen address, options, application.
///
/// ```no_run
/// use stentor::prelude::*;
///
/// fn main() -> stentor::Result {
///     Server::new().listen("127.0.0.1:3000").app(|app| {
///         app.ns("/").on("hello", async |Data(name): Data<String>| format!("hi {name}"));
///     }).run()
/// }
/// ```
pub struct Server {
    address: String,
    shards: usize,
    pin: bool,
    fd_tables: FdTables,
    path: String,
    config: Config,
    keep: Keep,
    tcp_user_timeout: Option<Duration>,
    stop_timeout: Duration,
    waits: HttpWaits,
    release_memory: Option<fn()>,
    shard_limits: ShardLimits,
    farewell_timeout: Duration,
    allow_request: Option<Box<AllowRequest>>,
    build: Option<Build>,
    states: States,
    http: Option<MakeHttpService>,
    shared: Option<Arc<Shared>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Server");
        debug
            .field("address", &self.address)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server on `0.0.0.0:3000` at `/socket.io/` with a shard for each core.
    #[must_use]
    pub fn new() -> Self {
        Self {
            address: "0.0.0.0:3000".to_owned(),
            shards: placement::default_shards(),
            pin: true,
            fd_tables: FdTables::default(),
            path: "/socket.io/".to_owned(),
            config: Config::default(),
            keep: Keep::default(),
            tcp_user_timeout: None,
            stop_timeout: Duration::from_secs(2),
            waits: HttpWaits::default(),
            release_memory: None,
            shard_limits: ShardLimits::default(),
            farewell_timeout: Duration::from_secs(10),
            allow_request: None,
            build: None,
            states: States::default(),
            http: None,
            shared: None,
        }
    }

    /// An Engine.IO server without Socket.IO, at `/engine.io/`.
    #[must_use]
    pub fn engine(app: impl Fn(&mut EngineApp) + Send + Sync + 'static) -> Self {
        let mut server = Self::new().path("/engine.io");
        server.build = Some(Build::EngineIo(Arc::new(app)));
        server
    }

    /// The address to listen on, `host:port`. Port 0 takes a free one.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// The number of shards, 1 to 64; unless set, the number of cores.
    #[must_use]
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Whether each shard's thread is pinned to a core. Default true.
    #[must_use]
    pub const fn pin(mut self, pin: bool) -> Self {
        self.pin = pin;
        self
    }

    /// How the shards keep their open files: one table's limit for all, or one each, which takes a promise.
    /// Default: shared.
    #[must_use]
    pub const fn fd_tables(mut self, tables: FdTables) -> Self {
        self.fd_tables = tables;
        self
    }

    /// The path that is served (`path`). Default `/socket.io`; requests need the slash after it. With
    /// `/` every path is.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = match path.trim_matches('/') {
            "" => "/".to_owned(),
            name => format!("/{name}/"),
        };
        self
    }

    /// Time between a pong and the next ping (`pingInterval`). Default 25 s.
    #[must_use]
    pub const fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// Time a client has to answer a ping (`pingTimeout`). Default 20 s.
    #[must_use]
    pub const fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// Time an upgrade to WebSocket may take (`upgradeTimeout`). Default 10 s.
    #[must_use]
    pub const fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.config.upgrade_timeout = timeout;
        self
    }

    /// Time a client has to join its first namespace (`connectTimeout`). Default 45 s.
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Bytes of one message (`maxHttpBufferSize`), inclusive. Default 1,000,000.
    #[must_use]
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.config.limits.payload_bytes = bytes;
        self
    }

    /// The transports (`transports`). Default both.
    #[must_use]
    pub const fn transports(mut self, polling: bool, websocket: bool) -> Self {
        self.config.polling = polling;
        self.config.websocket = websocket;
        self
    }

    /// Whether polling clients may upgrade (`allowUpgrades`). Default true.
    #[must_use]
    pub const fn allow_upgrades(mut self, allow: bool) -> Self {
        self.config.allow_upgrades = allow;
        self
    }

    /// The bounds of what one client may cost.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// The bounds of what one shard keeps for all its clients together.
    #[must_use]
    pub const fn shard_limits(mut self, limits: ShardLimits) -> Self {
        self.shard_limits = limits;
        self
    }

    /// How long handlers that wait for something may go on after their client has gone; then they are
    /// dropped at their `await`. Default 10 s. [`Duration::ZERO`] drops them at once,
    /// [`Duration::MAX`] never: a future that never ends then outlives its client for ever. Disconnect
    /// handlers are not meant: they finish. What takes longer, and has to be done whether or not the client
    /// is still there, can be a task of its own (`tokio::task::spawn_local`).
    ///
    /// A server that stops waits for all of them, for [`Server::stop_timeout`].
    #[must_use]
    pub const fn farewell_timeout(mut self, timeout: Duration) -> Self {
        self.farewell_timeout = timeout;
        self
    }

    /// Whether [`crate::Socket::handshake`] is kept. Default: whole.
    #[must_use]
    pub const fn keep_handshakes(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// How long sent data may stay unacknowledged before the kernel gives a connection up
    /// (`TCP_USER_TIMEOUT`). Default: the kernel's.
    #[must_use]
    pub const fn tcp_user_timeout(mut self, timeout: Duration) -> Self {
        self.tcp_user_timeout = Some(timeout);
        self
    }

    /// How long a server that stops waits for its clients to take their last words, for requests
    /// that are being answered, for handlers that wait for something, and for `spawn_blocking`. Default 2 s. It stops
    /// earlier when all of them have ended.
    #[must_use]
    pub const fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// How long HTTP connections may keep the server waiting.
    #[must_use]
    pub const fn http_waits(mut self, waits: HttpWaits) -> Self {
        self.waits = waits;
        self
    }

    /// How freed memory gets back to the system, for allocators that keep it until the thread asks:
    /// with mimalloc, `mi_collect(true)`. Called on a shard's thread, between turns, some seconds after
    /// three quarters of its clients (1,024 at least) have gone. Default: nothing is called.
    #[must_use]
    pub const fn release_memory(mut self, release: fn()) -> Self {
        self.release_memory = Some(release);
        self
    }

    /// Decides which sessions may begin (`allowRequest`), before anything is kept of them. An
    /// error's text is the message of the 403 (400 for WebSocket) that the client gets. A panic
    /// refuses too.
    #[must_use]
    pub fn allow_request(
        mut self,
        allow: impl Fn(&Handshake) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.allow_request = Some(Box::new(allow));
        self
    }

    /// State for all shards, for [`crate::State`].
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, state: T) -> Self {
        self.states.insert(state);
        self
    }

    /// What is served on other paths of the same port: a tower service, such as an axum router.
    ///
    /// A page that panics is answered for with 500, and its connection serves on. Its requests are judged like the
    /// engine's, and the times of [`HttpWaits`] hold for their heads and bodies and for taking its answers; how
    /// long it may take to answer is its own affair, as long as its client listens.
    #[must_use]
    pub fn http<S, B>(mut self, service: S) -> Self
    where
        S: tower_service::Service<
                http::Request<hyper::body::Incoming>,
                Response = http::Response<B>,
            > + Clone
            + Send
            + Sync
            + 'static,
        S::Error: fmt::Display,
        S::Future: 'static,
        B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.http = Some(make_service(service));
        self
    }

    /// The application. The closure runs once on every shard's thread, so that nothing it builds
    /// needs to be `Send`; it must name the same namespaces in the same order each time.
    #[must_use]
    pub fn app(mut self, app: impl Fn(&mut App) + Send + Sync + 'static) -> Self {
        self.build = Some(Build::SocketIo(Arc::new(app)));
        self
    }

    /// The server's handle for any thread. It works once the server has started.
    pub fn io(&mut self) -> Io {
        let shards = self.shards;
        let shared = self
            .shared
            .get_or_insert_with(|| Shared::new(shards, Entropy::seed()));
        Io {
            shared: Arc::clone(shared),
        }
    }

    /// Starts the server on threads of its own.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(mut self) -> Result<Running, ServerError> {
        let shards = self.shards;
        self.check()?;
        log::notice!(Starting, About::default(), version = VERSION, shards);
        let io = self.io();
        let (address, listeners) = self.listen_all()?;
        let seats = self
            .seats(listeners, &io.shared)
            .map_err(ServerError::Start)?;
        let parting = self
            .fd_tables
            .are_apart()
            .then(|| Arc::new(Parting::new(shards)));
        let config = Arc::new(ShardConfig {
            engine: self.config,
            path: self.path.into(),
            keep: self.keep,
            allow_request: self.allow_request,
            tcp_user_timeout: self.tcp_user_timeout,
            waits: self.waits,
            release_memory: self.release_memory,
            shard_limits: self.shard_limits,
            farewell_timeout: self.farewell_timeout,
        });
        let build = self
            .build
            .unwrap_or_else(|| Build::SocketIo(Arc::new(|_| {})));
        let clock = Clock::start();
        let running = Running {
            address,
            io,
            clock,
            stop_timeout: self.stop_timeout,
            threads: Threads::default(),
            parted: parting.is_some(),
        };
        for (index, seat) in seats.into_iter().enumerate() {
            let plan = Plan {
                id: ShardId(index as u8), // at most 64
                config: Arc::clone(&config),
                shared: Arc::clone(&running.io.shared),
                build: build.clone(),
                states: self.states.clone(),
                http: self.http.clone(),
                clock,
                pin: self.pin,
                parting: parting.clone(),
            };
            let thread = thread::Builder::new().name(format!("shard-{index}"));
            match thread.spawn(move || plan.run(seat)) {
                Ok(thread) => running.threads.add(thread),
                Err(error) => {
                    if let Some(parting) = &parting {
                        parting.call_off();
                    }
                    let text = format!("no thread for shard {index}: {error}");
                    let error = io::Error::new(error.kind(), text);
                    return Err(running.abandon(ServerError::Start(error)));
                }
            }
        }
        if let Err(error) = running.await_ready() {
            return Err(running.abandon(error));
        }
        watchdog::start(Arc::clone(&running.io.shared), clock);
        log::notice!(Listening, About::default(), %address);
        Ok(running)
    }

    fn check(&self) -> Result<(), ServerError> {
        let shards = self.shards;
        let shared = self.shared.as_ref();
        let is_late = shared.is_some_and(|shared| shared.sessions.len() != shards); // than `io`
        if !(1..=SHARDS_MAX).contains(&shards) || is_late {
            return Err(ServerError::Shards(shards));
        }
        let options = Options {
            config: &self.config,
            waits: &self.waits,
            shard_limits: &self.shard_limits,
            path: &self.path,
            tcp_user_timeout: self.tcp_user_timeout,
        };
        options.check().map_err(ServerError::Options)
    }

    /// What the shards' threads begin with; the ways by which they are reached become the server's.
    fn seats(
        &self,
        listeners: Vec<std::net::TcpListener>,
        shared: &Shared,
    ) -> io::Result<Vec<Seat>> {
        let apart = self.fd_tables.are_apart();
        let (mut seats, mut posts, mut passages) = (Vec::new(), Vec::new(), Vec::new());
        for listener in listeners {
            let (mut seat, post) = Seat::new(listener)?;
            if apart {
                let (to, from) = passage()?;
                seat.passage = Some(from);
                passages.push(to);
            }
            seats.push(seat);
            posts.push(post);
        }
        let packet_bytes = self.config.limits.packet_bytes;
        let set = shared.packet_bytes.set(packet_bytes);
        set.expect("a server starts once");
        shared.posts.set(posts).expect("a server starts once");
        if apart {
            let set = shared.passages.set(passages);
            set.expect("a server starts once");
        }
        Ok(seats)
    }

    fn listen_all(&self) -> Result<(SocketAddr, Vec<std::net::TcpListener>), ServerError> {
        let fail = |error| ServerError::Listen {
            address: self.address.clone(),
            error,
        };
        let mut address = self
            .address
            .to_socket_addrs()
            .map_err(fail)?
            .next()
            .ok_or_else(|| {
                fail(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "the name has no address",
                ))
            })?;
        if self.shards > 1 {
            // Shards share the port by SO_REUSEPORT, which another server would share in as well.
            placement::check_free(address).map_err(fail)?;
        }
        let mut listeners = Vec::new();
        for _ in 0..self.shards {
            let listener = placement::listener(address, self.shards > 1, BACKLOG).map_err(fail)?;
            address = listener.local_addr().map_err(fail)?;
            listeners.push(listener);
        }
        Ok((address, listeners))
    }

    /// Starts the server and waits for SIGINT or SIGTERM, then stops it. A second signal ends the
    /// process at once ([`Signals`]).
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn run(self) -> Result<(), ServerError> {
        let signals = Signals::catch()?;
        let running = self.start()?;
        running.wait_for(signals)?;
        running.stop()
    }
}
