//! Answers: how does a server start, run and stop.

use std::{
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use stentor_engine::{
    config::Config,
    hub::{Alone, Directory, Hub, Mode, Namespace, Setup},
    id::ShardId,
    limits::{Limits, SHARDS_MAX},
};

use crate::{
    api::Io,
    clock::Clock,
    config::{AllowRequest, BACKLOG, MAILBOX_CAPACITY, ShardConfig},
    engine_server::EngineApp,
    entropy::Entropy,
    handler::{App, Handshake, Keep, Locals, States},
    mailbox::{Receiver, mailbox},
    net::http::{MakeHttpService, make_service},
    placement,
    post::Post,
    shard::{self, Application, Parts, Reactor, Shard},
    shared::{LocalDirectory, Shared},
};

/// Why a server could not start, or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
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
    /// More shards than there can be, or none.
    #[error("{0} shards: there must be 1 to {SHARDS_MAX}")]
    Shards(usize),
    /// A shard's thread panicked: a bug of this library, or of the closure given to `app`.
    #[error("shard {0} has died")]
    ShardDied(usize),
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
    path: String,
    config: Config,
    keep: Keep,
    tcp_user_timeout: Option<Duration>,
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
            path: "/socket.io/".to_owned(),
            config: Config::default(),
            keep: Keep::default(),
            tcp_user_timeout: None,
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

    /// The path that is served (`path`). Default `/socket.io`; requests need the slash after it.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = format!("/{}/", path.trim_matches('/'));
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

    /// Decides which sessions may begin (`allowRequest`), before anything is kept of them. An
    /// error's text is the message of the 403 (400 for WebSocket) that the client gets.
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
        if !(1..=SHARDS_MAX).contains(&shards) {
            return Err(ServerError::Shards(shards));
        }
        let io = self.io();
        if io.shared.sessions.len() != shards {
            return Err(ServerError::Shards(shards)); // `shards` was called after `io`
        }
        let (address, listeners) = self.listen_all()?;
        let mut seats = Vec::new();
        let mut posts = Vec::new();
        for listener in listeners {
            let (seat, post) = Seat::new(listener).map_err(ServerError::Start)?;
            seats.push(seat);
            posts.push(post);
        }
        io.shared.posts.set(posts).expect("a server starts once");
        let config = Arc::new(ShardConfig {
            engine: self.config,
            path: self.path.into(),
            keep: self.keep,
            allow_request: self.allow_request,
            tcp_user_timeout: self.tcp_user_timeout,
        });
        let build = self
            .build
            .unwrap_or_else(|| Build::SocketIo(Arc::new(|_| {})));
        let clock = Clock::start();
        let mut threads = Vec::new();
        for (index, seat) in seats.into_iter().enumerate() {
            let plan = Plan {
                id: ShardId(index as u8), // at most 64
                config: Arc::clone(&config),
                shared: Arc::clone(&io.shared),
                build: build.clone(),
                states: self.states.clone(),
                http: self.http.clone(),
                clock,
                pin: self.pin,
            };
            let thread = thread::Builder::new().name(format!("shard-{index}"));
            let thread = thread
                .spawn(move || plan.run(seat))
                .map_err(ServerError::Start)?;
            threads.push(thread);
        }
        let running = Running {
            address,
            io,
            threads,
        };
        running.await_ready()?;
        Ok(running)
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
        let mut listeners = Vec::new();
        for _ in 0..self.shards {
            // Also with one shard: so that a second process can take over a port without a gap.
            let listener = placement::listener(address, self.shards > 1, BACKLOG).map_err(fail)?;
            address = listener.local_addr().map_err(fail)?;
            listeners.push(listener);
        }
        Ok((address, listeners))
    }

    /// Starts the server and waits for SIGINT or SIGTERM, then stops it.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn run(self) -> Result<(), ServerError> {
        let running = self.start()?;
        running.wait_for_signal()?;
        running.stop()
    }
}

/// What a shard's thread begins with.
struct Seat {
    poll: mio::Poll,
    listener: std::net::TcpListener,
    mailbox: Receiver<Post>,
}

impl Seat {
    fn new(listener: std::net::TcpListener) -> io::Result<(Self, crate::mailbox::Sender<Post>)> {
        let poll = mio::Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), shard::WAKER)?;
        let (post, mailbox) = mailbox(MAILBOX_CAPACITY, move || {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "a shard could not be woken");
            }
        });
        Ok((
            Self {
                poll,
                listener,
                mailbox,
            },
            post,
        ))
    }
}

/// What a shard's thread builds itself from.
struct Plan {
    id: ShardId,
    config: Arc<ShardConfig>,
    shared: Arc<Shared>,
    build: Build,
    states: States,
    http: Option<MakeHttpService>,
    clock: Clock,
    pin: bool,
}

impl Plan {
    fn run(self, seat: Seat) -> io::Result<()> {
        if self.pin && placement::pin(usize::from(self.id.0)).is_none() {
            tracing::warn!(shard = self.id.0, "the thread could not be pinned");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())?;
        let shared = Arc::clone(&self.shared);
        let registry = seat.poll.registry().try_clone()?;
        runtime.block_on(async move {
            let shard = self.build(registry);
            shared.ready.fetch_add(1, Ordering::Release);
            let listener = Some(mio::net::TcpListener::from_std(seat.listener));
            shard::run(
                shard,
                Reactor {
                    poll: seat.poll,
                    listener,
                    mailbox: seat.mailbox,
                },
            )
            .await
        })
    }

    fn build(self, registry: mio::Registry) -> std::rc::Rc<Shard> {
        let (mode, application, locals) = match self.build {
            Build::SocketIo(build) => {
                let mut app = App::default();
                build(&mut app);
                let names: Vec<Box<str>> = app
                    .namespaces
                    .iter()
                    .map(|(name, _)| name.clone())
                    .collect();
                let known = self.shared.namespaces.get_or_init(|| names.clone());
                assert!(
                    *known == names,
                    "the app's namespaces differ from shard to shard"
                );
                let gates = app.namespaces.iter().map(|(name, handlers)| Namespace {
                    name: name.clone(),
                    gated: handlers.auth.is_some(),
                });
                let mode = Mode::SocketIo(gates.collect());
                (mode, Application::SocketIo(app.namespaces), app.locals)
            }
            Build::EngineIo(build) => {
                let mut app = EngineApp::default();
                build(&mut app);
                self.shared.namespaces.get_or_init(Vec::new);
                (
                    Mode::EngineIo,
                    Application::EngineIo(app.handlers),
                    Locals::default(),
                )
            }
        };
        let shards = self.shared.sessions.len();
        let directory: Box<dyn Directory> = if shards == 1 {
            Box::new(Alone)
        } else {
            Box::new(LocalDirectory::new(Arc::clone(&self.shared), self.id))
        };
        let mut entropy = Entropy::default();
        let hub = Hub::new(Setup {
            config: self.config.engine.clone(),
            shard: self.id,
            shards,
            mode,
            seed: self.shared.seed,
            directory,
            entropy: Box::new(move |bytes| entropy.fill(bytes)),
        });
        Shard::new(Parts {
            id: self.id,
            hub,
            config: self.config,
            shared: self.shared,
            application,
            states: self.states,
            locals,
            http: self.http.map(|make| make()),
            clock: self.clock,
            registry,
        })
    }
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    io: Io,
    threads: Vec<thread::JoinHandle<io::Result<()>>>,
}

impl Running {
    /// The address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's handle for any thread.
    #[must_use]
    pub const fn io(&self) -> &Io {
        &self.io
    }

    fn await_ready(&self) -> Result<(), ServerError> {
        while self.io.shared.ready.load(Ordering::Acquire) < self.threads.len() {
            if let Some(dead) = self
                .threads
                .iter()
                .position(thread::JoinHandle::is_finished)
            {
                return Err(ServerError::ShardDied(dead));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits for SIGINT or SIGTERM.
    ///
    /// # Errors
    /// [`ServerError::Start`] if signals cannot be waited for; [`ServerError::ShardDied`].
    pub fn wait_for_signal(&self) -> Result<(), ServerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.map_err(ServerError::Start)?.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Start)?;
            let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Start)?;
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Ok(()),
                    _ = interrupt.recv() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
                if let Some(dead) = self
                    .threads
                    .iter()
                    .position(thread::JoinHandle::is_finished)
                {
                    return Err(ServerError::ShardDied(dead));
                }
            }
        })
    }

    /// Closes every session with `server shutting down`, which clients reconnect on, and waits for
    /// the shards to end: at most some seconds.
    ///
    /// # Errors
    /// [`ServerError::ShardDied`].
    pub fn stop(self) -> Result<(), ServerError> {
        for post in self.io.shared.posts.get().into_iter().flatten() {
            // A full mailbox is being drained.
            let mut stop = Some(Post::Stop);
            while let Some(post_stop) = stop.take() {
                if let Err(crate::mailbox::Full::Full(again)) = post.try_send(post_stop) {
                    stop = Some(again);
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let mut result = Ok(());
        for (index, thread) in self.threads.into_iter().enumerate() {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(ServerError::Start(error)),
                Err(_) => result = Err(ServerError::ShardDied(index)),
            }
        }
        result
    }
}
