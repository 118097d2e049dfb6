//! Answers: what does the server say to browsers besides its answers: CORS, the cookie, headers of the application.
//!
//! Rules and header lines, as pure code. It must not know connections, sessions or how an answer is written.

mod cookie;
mod cors;
mod hooks;
mod middleware;
mod origin;

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use memchr::memmem;
use stentor_engine::eio::handshake::Refusal;

pub(crate) use self::hooks::{Context, ErrorHook, HeaderHook};
pub(crate) use self::middleware::boxed;
use self::{
    cookie::CookieRules,
    cors::CorsRules,
    middleware::Chain,
    origin::{Allowed, OriginRules},
};
pub use self::{
    cookie::{Cookie, Priority, SameSite},
    cors::Cors,
    hooks::ConnectionError,
    middleware::{HttpReply, RequestContext},
    origin::Origins,
};
use crate::{
    discard::discard,
    handshake::Handshake,
    net::response::{HeaderLines, HeaderSet, HeaderSets, Response, ResponseOptions},
};

/// Whether this can be the name of a header, a method or a cookie (RFC 9110 5.6.2).
fn is_token(text: impl AsRef<str>) -> bool {
    let text = text.as_ref();
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(in_token)
}

/// Which WebSocket requests are let in, by their origin.
#[derive(Debug, Default)]
pub(crate) enum WebSocketOrigins {
    #[default]
    All,
    Listed(Origins),
    /// Those of [`Cors`], and pages of the server's own host, about which browsers do not ask CORS either.
    AsCors,
}

/// The options, as they are given.
#[derive(Default)]
pub(crate) struct PolicyOptions {
    pub(crate) cors: Option<Cors>,
    pub(crate) websocket_origins: WebSocketOrigins,
    pub(crate) cookie: Option<Cookie>,
    pub(crate) initial_headers: Option<Box<HeaderHook>>,
    pub(crate) headers: Option<Box<HeaderHook>>,
    pub(crate) connection_error: Option<Box<ErrorHook>>,
    pub(crate) middleware: Chain,
    pub(crate) allow: Chain,
    /// How long each of them may take; `None` for the default.
    pub(crate) middleware_timeout: Option<Duration>,
}

/// How long a function of the application may think about a request.
const MIDDLEWARE_TIMEOUT: Duration = Duration::from_secs(10);

/// Rules for CORS, WebSockets and the cookie.
type Rules = (Option<CorsRules>, Option<OriginRules>, Option<CookieRules>);

impl PolicyOptions {
    /// Checks them.
    ///
    /// # Errors
    /// A sentence that begins with the option's name.
    pub(crate) fn check(&self) -> Result<(), String> {
        let within = self.middleware_timeout.unwrap_or(MIDDLEWARE_TIMEOUT);
        if within < Duration::from_millis(1) {
            return Err(
                "middleware_timeout: it must be at least 1 ms, or every request fails".to_owned(),
            );
        }
        self.rules().map(drop)
    }

    fn rules(&self) -> Result<Rules, String> {
        let cors = self.cors.as_ref().map(Cors::rules).transpose()?;
        let websocket = match (&self.websocket_origins, &cors) {
            (WebSocketOrigins::All, _) => None,
            (WebSocketOrigins::Listed(origins), _) => {
                let rules = origins.clone().rules();
                Some(rules.map_err(|why| format!("websocket_origins: {why}"))?)
            }
            (WebSocketOrigins::AsCors, Some(cors)) => Some(cors.origins().clone().and_same_host()),
            (WebSocketOrigins::AsCors, None) => {
                return Err(
                    "websocket_origins: they are to be as for CORS, and there is no `cors`"
                        .to_owned(),
                );
            }
        };
        let cookie = self.cookie.as_ref().map(Cookie::rules).transpose()?;
        Ok((cors, websocket, cookie))
    }

    /// What a running server goes by. What many answers say becomes sets of headers.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(crate) fn into_policy(self, sets: &mut HeaderSets) -> Result<Policy, String> {
        let (cors, websocket, cookie) = self.rules()?;
        let old_browser = sets.add(lines(&NO_FILTER.into_iter().collect()));
        let numbers = cors
            .as_ref()
            .map(|cors| listed(cors, sets))
            .unwrap_or_default();
        Ok(Policy {
            cors,
            websocket,
            cookie,
            numbers,
            old_browser,
            initial_headers: self.initial_headers,
            headers: self.headers,
            connection_error: self.connection_error,
            middleware: self.middleware,
            allow: self.allow,
            within: self.middleware_timeout.unwrap_or(MIDDLEWARE_TIMEOUT),
        })
    }
}

/// Internet Explorer's filter of scripts breaks answers that look like one.
const NO_FILTER: [(HeaderName, HeaderValue); 1] =
    [(header::X_XSS_PROTECTION, HeaderValue::from_static("0"))];

/// Sets of headers: for a request without an origin or with one that is not allowed, and for each listed origin.
fn listed(cors: &CorsRules, sets: &mut HeaderSets) -> Vec<Option<HeaderSet>> {
    let listed = cors.origins().exact().iter();
    let origins = std::iter::once(None).chain(listed.map(|origin| Some(origin.as_bytes())));
    origins
        .map(|origin| sets.add(lines(&cors.answer(origin))))
        .collect()
}

/// Headers as they are written.
pub(crate) fn lines(headers: &HeaderMap) -> HeaderLines {
    let mut lines = HeaderLines::default();
    for (name, value) in headers {
        lines.push(name, value);
    }
    lines
}

/// The same for one request.
fn own(headers: &HeaderMap) -> ResponseOptions {
    ResponseOptions {
        lines: (!headers.is_empty()).then(|| Box::new(lines(headers))),
        ..ResponseOptions::default()
    }
}

/// The rules of a running server.
#[derive(Default)]
pub(crate) struct Policy {
    cors: Option<CorsRules>,
    websocket: Option<OriginRules>,
    cookie: Option<CookieRules>,
    /// The set for a request without an origin, and for each listed origin. None for one too many.
    numbers: Vec<Option<HeaderSet>>,
    /// The set for old browsers, where nothing else is said.
    old_browser: Option<HeaderSet>,
    initial_headers: Option<Box<HeaderHook>>,
    headers: Option<Box<HeaderHook>>,
    connection_error: Option<Box<ErrorHook>>,
    middleware: Chain,
    allow: Chain,
    /// How long each of their functions may take.
    within: Duration,
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("cors", &self.cors)
            .field("websocket", &self.websocket)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}

/// The last shard lets go of what user code decides by.
impl Drop for Policy {
    fn drop(&mut self) {
        discard(self.cors.take());
        discard(self.websocket.take());
        discard(self.initial_headers.take());
        discard(self.headers.take());
        discard(self.connection_error.take());
        for function in [&mut self.middleware, &mut self.allow]
            .into_iter()
            .flat_map(|chain| chain.0.drain(..))
        {
            discard(function);
        }
    }
}

/// A request, as far as policies go by it.
pub(crate) trait Asked {
    /// The first header of this name.
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// All of it, for user code; `None` if its connection has gone.
    fn handshake(&self) -> Option<Handshake>;
}

/// Whether a `User-Agent` is a browser's that filters scripts, as the official server knows them.
pub(crate) fn is_old_browser(agent: &[u8]) -> bool {
    let has = |word: &[u8]| memmem::find(agent, word).is_some();
    has(b"Trident/") || has(b";MSIE")
}

impl Policy {
    /// Whether the application thinks about requests before they are served, for which it may wait.
    pub(crate) fn has_middleware(&self) -> bool {
        !self.middleware.0.is_empty() || !self.allow.0.is_empty()
    }

    /// What the application does with each request: headers and what it attaches; an error is the answer.
    pub(crate) async fn run_middleware(
        &self,
        context: RequestContext,
    ) -> (RequestContext, Result<(), HttpReply>) {
        self.middleware.run(context, self.within).await
    }

    /// Whether the application agrees to a new session. An error is the answer.
    pub(crate) async fn run_allow(&self, context: RequestContext) -> Result<(), HttpReply> {
        self.allow.run(context, self.within).await.1
    }

    /// Whether the request is a preflight: then its answer is [`Self::preflight`].
    pub(crate) fn takes_for_preflight(&self, method: &str) -> bool {
        self.cors.is_some() && method == "OPTIONS"
    }

    /// What the answer to a request says besides its own. User code may run.
    pub(crate) fn options(&self, request: &impl Asked, old_browser: bool) -> ResponseOptions {
        if old_browser || self.headers.is_some() {
            return self.seldom_options(request, old_browser);
        }
        match &self.cors {
            None => ResponseOptions::default(),
            Some(cors) => self.cors_options(cors, request.header("origin")),
        }
    }

    #[cold]
    fn seldom_options(&self, request: &impl Asked, old_browser: bool) -> ResponseOptions {
        if let (None, None, Some(set)) = (&self.headers, &self.cors, self.old_browser) {
            return ResponseOptions::of(set);
        }
        let origin = request.header("origin");
        let cors = self.cors.as_ref().map(|cors| cors.answer(origin));
        let mut headers = cors.unwrap_or_default();
        if old_browser {
            headers.extend(NO_FILTER);
        }
        own(&self.with_hook(request, headers))
    }

    /// The headers as the application changes them.
    fn with_hook(&self, request: &impl Asked, headers: HeaderMap) -> HeaderMap {
        let hook = self.headers.as_ref();
        match hook.and_then(|hook| Some((hook, request.handshake()?))) {
            Some((hook, handshake)) => hooks::run(&**hook, &handshake, headers),
            None => headers,
        }
    }

    /// What the answer says to a request that cannot be read.
    pub(crate) fn options_unread(&self) -> ResponseOptions {
        match &self.cors {
            None => ResponseOptions::default(),
            Some(cors) => self.cors_options(cors, None),
        }
    }

    fn cors_options(&self, cors: &CorsRules, origin: Option<&[u8]>) -> ResponseOptions {
        let allowed = origin.map_or(Allowed::No, |origin| cors.origins().allows(origin, None));
        let number = match allowed {
            Allowed::No | Allowed::Any => 0,
            Allowed::Listed(index) => 1 + index,
            Allowed::Named(_) => return own(&cors.answer(origin)),
        };
        match self.numbers.get(number).copied().flatten() {
            Some(set) => ResponseOptions::of(set),
            None => own(&cors.answer(origin)),
        }
    }

    /// A preflight's answer. User code may run.
    pub(crate) fn preflight(&self, request: &impl Asked) -> Response {
        let (mut status, mut headers) = (StatusCode::NO_CONTENT, HeaderMap::new());
        if let Some(cors) = &self.cors {
            let requested = request.header("access-control-request-headers");
            headers = cors.preflight(request.header("origin"), requested);
            status = cors.status();
        }
        let mut response = Response::status(status);
        response.options = own(&self.with_hook(request, headers));
        response
    }

    /// Whether the first answer of a session says more than others do: [`Self::add_initial`].
    pub(crate) const fn adds_initial(&self) -> bool {
        self.initial_headers.is_some() || self.cookie.is_some()
    }

    /// Adds what only the first answer of a session says. `sid` if the session polls. User code may run.
    pub(crate) fn add_initial(
        &self,
        to: &mut HeaderLines,
        sid: Option<&[u8]>,
        request: impl FnOnce() -> Option<Handshake>,
    ) {
        let mut headers = HeaderMap::new();
        if let Some(hook) = &self.initial_headers
            && let Some(request) = request()
        {
            headers = hooks::run(&**hook, &request, headers);
        }
        if let (Some(cookie), Some(sid)) = (&self.cookie, sid)
            && let Some(cookie) = cookie.value(sid)
        {
            headers.append(header::SET_COOKIE, cookie);
        }
        for (name, value) in &headers {
            to.push(name, value);
        }
    }

    /// Whether a WebSocket request may come from where it comes. Without an origin it comes from no browser.
    pub(crate) fn lets_websocket_in(&self, request: &impl Asked) -> bool {
        let Some(origins) = &self.websocket else {
            return true;
        };
        request
            .header("origin")
            .is_none_or(|origin| origins.allows(origin, request.header("host")) != Allowed::No)
    }

    /// Whether the application wants to hear of refused requests.
    pub(crate) const fn hears_errors(&self) -> bool {
        self.connection_error.is_some()
    }

    /// Tells the application of a request that is refused. User code may run.
    pub(crate) fn tell(
        &self,
        request: impl FnOnce() -> Option<Handshake>,
        refusal: Refusal,
        message: Option<&str>,
        context: Option<Context>,
    ) {
        if let Some(hook) = &self.connection_error
            && let Some(request) = request()
        {
            hooks::tell(
                &**hook,
                &ConnectionError::new(request, refusal, message, context),
            );
        }
    }
}

#[cfg(test)]
mod tests;
