//! Answers: which options are about browsers, and about what HTTP says besides the protocol.

use std::time::Duration;

use http::HeaderMap;
use stentor_engine::frame::Kind;

use super::Server;
use crate::{
    api::Message,
    handshake::Handshake,
    policy::{
        ConnectionError, Cookie, Cors, HttpReply, Origins, RequestContext, WebSocketOrigins, boxed,
    },
};

impl Server {
    /// Lets pages of other origins talk to this server over HTTP (`cors`). Default: none, as their browsers get no
    /// CORS headers.
    ///
    /// Preflights are answered before anything else of a request is looked at, and every answer has the headers, a
    /// refusal too. It is for the server's own path: pages of [`Server::http`] have their own.
    ///
    /// A list of origins that cannot be, or that allows everybody together with credentials, fails the start
    /// ([`crate::ServerError::Options`]).
    ///
    /// ```
    /// use stentor::{Cors, prelude::*};
    ///
    /// let server = Server::new().cors(Cors::new("https://app.example.com").credentials(true));
    /// ```
    #[must_use]
    pub fn cors(mut self, cors: Cors) -> Self {
        self.policy.cors = Some(cors);
        self
    }

    /// Lets only pages of these origins open WebSockets; others are refused with HTTP 403. Default: all may.
    ///
    /// Browsers let every page open a WebSocket to every server, and send the server's cookies along: a page of an
    /// attacker can act in the name of its visitor, if cookies are all that the application asks for. Requests without
    /// an `Origin` come from no browser, and are let in.
    ///
    /// ```
    /// use stentor::{Origins, prelude::*};
    ///
    /// let app = Origins::from("https://app.example.com").and_same_host();
    /// let server = Server::new().websocket_origins(app);
    /// ```
    #[must_use]
    pub fn websocket_origins(mut self, origins: impl Into<Origins>) -> Self {
        self.policy.websocket_origins = WebSocketOrigins::Listed(origins.into());
        self
    }

    /// Lets pages open WebSockets that may talk to this server over HTTP: those of [`Server::cors`], and pages of the
    /// server's own host ([`Origins::and_same_host`]). Others are refused with HTTP 403. Default: all may.
    ///
    /// ```
    /// use stentor::{Cors, prelude::*};
    ///
    /// let server = Server::new()
    ///     .cors(Cors::new("https://app.example.com"))
    ///     .websocket_origins_as_cors();
    /// ```
    #[must_use]
    pub fn websocket_origins_as_cors(mut self) -> Self {
        self.policy.websocket_origins = WebSocketOrigins::AsCors;
        self
    }

    /// Gives each session that begins over polling a cookie with its session id (`cookie`), for load balancers that
    /// keep a client at one server by it. It comes with the handshake's answer alone. Default: no cookie.
    ///
    /// ```
    /// use stentor::{Cookie, prelude::*};
    ///
    /// let plain = Server::new().cookie("io");
    /// let secure = Server::new().cookie(Cookie::new("io").secure(true));
    /// ```
    #[must_use]
    pub fn cookie(mut self, cookie: impl Into<Cookie>) -> Self {
        self.policy.cookie = Some(cookie.into());
        self
    }

    /// Adds headers to the first answer of each session: the polling handshake's, or the 101 that opens its WebSocket
    /// (`initial_headers`). The function runs on a shard's thread and must not block; if it panics, nothing is added.
    /// What frames an answer (`Content-Length`, `Connection`, `Upgrade`, …) is left out.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().initial_headers(|_, headers| {
    ///     headers.insert("x-server", HeaderValue::from_static("7"));
    /// });
    /// ```
    #[must_use]
    pub fn initial_headers(
        mut self,
        add: impl Fn(&Handshake, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.policy.initial_headers = Some(Box::new(add));
        self
    }

    /// Adds headers to each answer on the server's path, refusals and the 101 too (`headers`). The function is given
    /// the request and the CORS headers, which it may change; it runs when the request has come, on a shard's thread,
    /// and must not block. If it panics, nothing is changed. What frames an answer (`Content-Length`, `Connection`,
    /// `Upgrade`, …) is left out.
    ///
    /// A request that cannot be read has no such headers: there is nothing to ask the function about.
    ///
    /// ```
    /// use http::{HeaderValue, header};
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().headers(|_, headers| {
    ///     headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    /// });
    /// ```
    #[must_use]
    pub fn headers(
        mut self,
        add: impl Fn(&Handshake, &mut HeaderMap) + Send + Sync + 'static,
    ) -> Self {
        self.policy.headers = Some(Box::new(add));
        self
    }

    /// Hears of each request that is refused with one of the official codes (`connection_error`). The function runs on
    /// a shard's thread, and must not block; a panic does no harm.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().on_connection_error(|error| {
    ///     let peer = error.request().peer();
    ///     eprintln!("{peer}: {} {} {:?}", error.code(), error.message(), error.context());
    /// });
    /// ```
    #[must_use]
    pub fn on_connection_error(
        mut self,
        hear: impl Fn(&ConnectionError) + Send + Sync + 'static,
    ) -> Self {
        self.policy.connection_error = Some(Box::new(hear));
        self
    }

    /// Looks at every request on the server's path before it is judged (`io.engine.use`): handshakes, polls, posts and
    /// upgrades, but not preflights. Several are called in the order in which they were given, until one answers.
    ///
    /// A function may wait, add headers to the answer, attach a value to the session that begins
    /// ([`RequestContext::insert`]), and return an `Err`: then that is the answer, and nobody else sees the request. A
    /// request that waits holds up nothing but what comes behind it on its connection. What takes longer than
    /// [`Server::middleware_timeout`] is answered 503, a panic 500. If the client goes, the function ends at its
    /// `await`.
    ///
    /// With a middleware each connection of a client that polls is a task, and no longer served by the shard itself:
    /// polling costs more. WebSockets do not, once they are open.
    ///
    /// ```
    /// use stentor::{HttpReply, prelude::*};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// async fn look_up(token: &str) -> Option<User> {
    ///     Some(User(token.to_owned()))
    /// }
    ///
    /// let server = Server::new()
    ///     .middleware(async |context| {
    ///         if !context.begins_session() {
    ///             return Ok(());
    ///         }
    ///         let token = context.request().header("authorization").unwrap_or_default().to_owned();
    ///         let user = look_up(&token).await;
    ///         context.insert(user.ok_or_else(|| HttpReply::forbidden("who are you?"))?);
    ///         Ok(())
    ///     })
    ///     .app(|app| {
    ///         app.ns("/").on_sync("whoami", |s: Socket| {
    ///             let handshake = s.handshake();
    ///             let user = handshake.as_deref().and_then(|handshake| handshake.extension::<User>());
    ///             user.map(|user| user.0.clone())
    ///         });
    ///     });
    /// ```
    #[must_use]
    pub fn middleware<F>(mut self, function: F) -> Self
    where
        F: AsyncFn(&mut RequestContext) -> Result<(), HttpReply> + Send + Sync + 'static,
    {
        self.policy.middleware.0.push(boxed(function));
        self
    }

    /// Decides which sessions may begin (`allowRequest`), as [`Server::allow_request`] does, and may wait for something
    /// before it does: a database, another server. It is asked when the request has passed the protocol's checks, and
    /// before `allow_request`. See [`Server::middleware`] for what waiting costs.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// async fn is_known(key: &str) -> bool {
    ///     key == "secret"
    /// }
    ///
    /// let server = Server::new().allow_request_async(async |request| {
    ///     let key = request.query("key").unwrap_or_default();
    ///     if is_known(&key).await { Ok(()) } else { Err("the key is not known".to_owned()) }
    /// });
    /// ```
    #[must_use]
    pub fn allow_request_async<F>(mut self, allow: F) -> Self
    where
        F: AsyncFn(&Handshake) -> Result<(), String> + Send + Sync + 'static,
    {
        let ask = async move |context: &mut RequestContext| {
            let allowed = allow(context.request()).await;
            allowed.map_err(HttpReply::forbidden)
        };
        self.policy.allow.0.push(boxed(ask));
        self
    }

    /// How long one function of [`Server::middleware`] or [`Server::allow_request_async`] may take over a request; then
    /// it is dropped at its `await`, and the answer is 503. Default 10 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().middleware_timeout(Duration::from_secs(2));
    /// ```
    #[must_use]
    pub const fn middleware_timeout(mut self, timeout: Duration) -> Self {
        self.policy.middleware_timeout = Some(timeout);
        self
    }

    /// A message that each session gets behind its OPEN packet, in the same payload over polling (`initialPacket`).
    /// Default: none. It is an Engine.IO message: clients of Socket.IO want a packet of theirs.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::engine(|_| ()).initial_packet(Message::Text("hello"));
    /// ```
    #[must_use]
    pub fn initial_packet(mut self, message: Message<'_>) -> Self {
        self.initial_packet = Some(match message {
            Message::Text(text) => (Kind::Text, text.as_bytes().into()),
            Message::Binary(data) => (Kind::Binary, data.into()),
        });
        self
    }

    /// Whether requests need the slash behind [`Server::path`] (`addTrailingSlash`). Default true.
    ///
    /// With false `/socket.io` is served without the slash; and, as the path is matched as a prefix, also
    /// `/socket.io/` and `/socket.ionic`. In both cases everything below is: `/socket.io/x`.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().path("/realtime").add_trailing_slash(false);
    /// ```
    #[must_use]
    pub const fn add_trailing_slash(mut self, add: bool) -> Self {
        self.trailing_slash = add;
        self
    }

    /// The prefix of the paths that are served.
    pub(super) fn path_prefix(&self) -> &str {
        if self.trailing_slash {
            &self.path
        } else {
            self.path.trim_end_matches('/')
        }
    }
}
