//! Answers: how is a server configured.

mod check;
mod error;
mod first;
mod http_options;
mod options;
mod plan;
mod running;
mod serve;
mod signals;
mod start;
mod watchdog;

use std::{fmt, sync::Arc, time::Duration};

use stentor_engine::{config::Config, limits::Limits};

use self::error::words;
pub use self::{error::ServerError, running::Running, signals::Signals};
use crate::{
    address::ForwardedHeader,
    api::Io,
    compress::HttpCompression,
    config::{AllowRequest, HttpWaits, InitialPacket, ShardLimits},
    entropy::Entropy,
    fd_table::FdTables,
    handler::{App, EngineApp},
    handshake::{Handshake, Keep},
    listen::Listen,
    placement,
    policy::PolicyOptions,
    shard::{
        States,
        pages::{MakeHttpService, make_service},
    },
    shared::Shared,
};

/// The stacks of the threads beside the shards, whose own are as large as the program wants them.
const STACK_BYTES: usize = 512 * 1024;

/// Where a server listens that was told nothing.
const EVERYWHERE: &str = "0.0.0.0:3000";

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
    /// Where it listens; if nothing was said, at [`EVERYWHERE`].
    listens: Vec<Listen>,
    trusted_proxies: Vec<String>,
    forwarded_header: ForwardedHeader,
    shards: usize,
    pin: bool,
    fd_tables: FdTables,
    path: String,
    trailing_slash: bool,
    config: Config,
    keep: Keep,
    tcp_user_timeout: Option<Duration>,
    stop_timeout: Duration,
    waits: HttpWaits,
    http_compression: Option<HttpCompression>,
    serve_client: bool,
    release_memory: Option<fn()>,
    shard_limits: ShardLimits,
    farewell_timeout: Duration,
    allow_request: Option<Box<AllowRequest>>,
    policy: PolicyOptions,
    initial_packet: Option<InitialPacket>,
    build: Option<Build>,
    states: States,
    http: Option<MakeHttpService>,
    shared: Option<Arc<Shared>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Server");
        debug
            .field("listens", &self.listens)
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
            listens: Vec::new(),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::default(),
            shards: placement::default_shards(),
            pin: true,
            fd_tables: FdTables::default(),
            path: "/socket.io/".to_owned(),
            trailing_slash: true,
            config: Config::default(),
            keep: Keep::default(),
            tcp_user_timeout: None,
            stop_timeout: Duration::from_secs(2),
            waits: HttpWaits::default(),
            http_compression: Some(HttpCompression::default()),
            serve_client: true,
            release_memory: None,
            shard_limits: ShardLimits::default(),
            farewell_timeout: Duration::from_secs(10),
            allow_request: None,
            policy: PolicyOptions::default(),
            initial_packet: None,
            build: None,
            states: States::default(),
            http: None,
            shared: None,
        }
    }

    /// An Engine.IO server without Socket.IO, at `/engine.io/`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::engine(|app| {
    ///     app.on_message(|s, message| { s.send(message); });
    /// });
    /// ```
    #[must_use]
    pub fn engine(app: impl Fn(&mut EngineApp) + Send + Sync + 'static) -> Self {
        let mut server = Self::new().path("/engine.io");
        server.serve_client = false;
        server.build = Some(Build::EngineIo(Arc::new(app)));
        server
    }

    /// Where to listen: an address, `host:port`, or any [`Listen`]. Port 0 takes a free one. It replaces what was said
    /// before; [`Server::also_listen`] adds to it. Default `0.0.0.0:3000`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().listen("127.0.0.1:0");
    /// ```
    #[must_use]
    pub fn listen(mut self, place: impl Into<Listen>) -> Self {
        self.listens = vec![place.into()];
        self
    }

    /// One more place to listen at, beside those said before. Without [`Server::listen`] the default address
    /// is not listened on.
    ///
    /// ```
    /// use stentor::{Listen, prelude::*};
    ///
    /// let server = Server::new()
    ///     .listen("127.0.0.1:0")
    ///     .also_listen("[::1]:0")
    ///     .also_listen(Listen::tcp("127.0.0.1:0").proxy_protocol(true));
    /// ```
    #[must_use]
    pub fn also_listen(mut self, place: impl Into<Listen>) -> Self {
        self.listens.push(place.into());
        self
    }

    /// The same for a Unix socket at a path: [`Listen::unix`].
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().unix("/run/chat/stentor.sock"); // and nowhere else
    /// ```
    #[cfg(unix)]
    #[must_use]
    pub fn unix(self, path: impl Into<std::path::PathBuf>) -> Self {
        self.also_listen(Listen::unix(path))
    }

    /// The proxies whose word about their clients is believed: networks (`10.0.0.0/8`), addresses, and `unix` for
    /// whoever connects to a Unix socket. Default: none, and then no header of a request says where it is from.
    ///
    /// What they say is read from one header, [`Server::forwarded_header`], from right to left: the first address that is
    /// none of theirs is the client's ([`Handshake::address`]). What stands to the left of it is the client's own
    /// word and is not read. The bound of sessions for each address ([`ShardLimits::unjoined_per_address`]) goes by it.
    /// If there are such proxies the PROXY headers of others are not believed either ([`Listen::proxy_protocol`]).
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().trusted_proxies(["10.0.0.0/8", "2001:db8::1", "unix"]);
    /// ```
    #[must_use]
    pub fn trusted_proxies<S: Into<String>>(
        mut self,
        proxies: impl IntoIterator<Item = S>,
    ) -> Self {
        self.trusted_proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// The header in which the trusted proxies name their clients. Default `X-Forwarded-For`. The other one
    /// is not read: a proxy passes it on as the client sent it.
    ///
    /// ```
    /// use stentor::{ForwardedHeader, prelude::*};
    ///
    /// let server = Server::new()
    ///     .trusted_proxies(["10.0.0.0/8"])
    ///     .forwarded_header(ForwardedHeader::Forwarded); // RFC 7239
    /// ```
    #[must_use]
    pub const fn forwarded_header(mut self, header: ForwardedHeader) -> Self {
        self.forwarded_header = header;
        self
    }

    /// The number of shards, 1 to 64; unless set, the number of cores.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().shards(2);
    /// ```
    #[must_use]
    pub const fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Whether each shard's thread is pinned to a core. Default true.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().pin(false);
    /// ```
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

    /// The path that is served (`path`). Default `/socket.io`; requests need the slash after it
    /// ([`Server::add_trailing_slash`]). What is below it is served too. With `/` every path is.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().path("/realtime");
    /// ```
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        self.path = match path.trim_matches('/') {
            "" => "/".to_owned(),
            name => format!("/{name}/"),
        };
        self
    }

    /// Time between a pong and the next ping (`pingInterval`). Default 25 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().ping_interval(Duration::from_secs(10));
    /// ```
    #[must_use]
    pub const fn ping_interval(mut self, interval: Duration) -> Self {
        self.config.ping_interval = interval;
        self
    }

    /// Time a client has to answer a ping (`pingTimeout`). Default 20 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().ping_timeout(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub const fn ping_timeout(mut self, timeout: Duration) -> Self {
        self.config.ping_timeout = timeout;
        self
    }

    /// Time an upgrade to WebSocket may take (`upgradeTimeout`). Default 10 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().upgrade_timeout(Duration::from_secs(5));
    /// ```
    #[must_use]
    pub const fn upgrade_timeout(mut self, timeout: Duration) -> Self {
        self.config.upgrade_timeout = timeout;
        self
    }

    /// Time a client has to join its first namespace (`connectTimeout`). Default 45 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().connect_timeout(Duration::from_secs(10));
    /// ```
    #[must_use]
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Bytes of one message (`maxHttpBufferSize`), inclusive. Default 1,000,000.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().max_payload(10_000_000);
    /// ```
    #[must_use]
    pub const fn max_payload(mut self, bytes: usize) -> Self {
        self.config.limits.payload_bytes = bytes;
        self
    }

    /// The transports (`transports`). Default both.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().transports(false, true); // WebSocket alone
    /// ```
    #[must_use]
    pub const fn transports(mut self, polling: bool, websocket: bool) -> Self {
        self.config.polling = polling;
        self.config.websocket = websocket;
        self
    }

    /// Whether polling clients may upgrade (`allowUpgrades`). Default true.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().allow_upgrades(false);
    /// ```
    #[must_use]
    pub const fn allow_upgrades(mut self, allow: bool) -> Self {
        self.config.allow_upgrades = allow;
        self
    }

    /// The bounds of what one client may cost.
    ///
    /// ```
    /// use stentor::{Limits, prelude::*};
    ///
    /// let limits = Limits { outbox_bytes: 4 << 20, ..Limits::default() };
    /// let server = Server::new().limits(limits);
    /// ```
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
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().farewell_timeout(Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn farewell_timeout(mut self, timeout: Duration) -> Self {
        self.farewell_timeout = timeout;
        self
    }

    /// Whether [`crate::Socket::handshake`] is kept. Default: whole.
    ///
    /// ```
    /// use stentor::{Keep, prelude::*};
    ///
    /// let server = Server::new().keep_handshakes(Keep::Nothing);
    /// ```
    #[must_use]
    pub const fn keep_handshakes(mut self, keep: Keep) -> Self {
        self.keep = keep;
        self
    }

    /// How long sent data may stay unacknowledged before the kernel gives a connection up
    /// (`TCP_USER_TIMEOUT`). Default: the kernel's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().tcp_user_timeout(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub const fn tcp_user_timeout(mut self, timeout: Duration) -> Self {
        self.tcp_user_timeout = Some(timeout);
        self
    }

    /// How long a server that stops waits for its clients to take their last words, for requests
    /// that are being answered, for handlers that wait for something, and for `spawn_blocking`. Default 2 s. It stops
    /// earlier when all of them have ended.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().stop_timeout(Duration::from_secs(10));
    /// ```
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
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().allow_request(|request| match request.query("key") {
    ///     Some(key) if key == "secret" => Ok(()),
    ///     _ => Err("the key is missing".to_owned()),
    /// });
    /// ```
    #[must_use]
    pub fn allow_request(
        mut self,
        allow: impl Fn(&Handshake) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.allow_request = Some(Box::new(allow));
        self
    }

    /// State for all shards, for [`crate::State`].
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().state(String::from("of the whole server")).app(|app| {
    ///     app.ns("/").on_sync("read", |State(text): State<String>| text);
    /// });
    /// ```
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
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let pages = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
    /// let server = Server::new().http(pages).app(|app| { app.ns("/"); });
    /// ```
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
    /// needs to be `Send`; it must name the same namespaces in the same order each time. It runs on the first shard, and if that is well
    /// on the others. What cannot be, such as a handler that wants a [`crate::State`] which was not given, fails the start
    /// ([`ServerError::App`]).
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().app(|app| {
    ///     app.ns("/").on_sync("ping", || "pong");
    ///     app.ns("/admin").auth(async || Err::<(), _>(Refused::new("closed")));
    /// });
    /// ```
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
}
