//! Answers: what does the server say in HTTP to what it was asked, and how does that reach a connection.
//!
//! How a response is written is [`crate::net::response`]'s. Here the shard's words become one: those to a
//! long-polling request ([`Reply`]), refusals, and the options that a request has decided for its response.

use http::StatusCode;
use stentor_engine::{
    eio::{admit::Check, handshake::Refusal, payload::Payload},
    hub::SessionKey,
};

use super::{Shard, conns::ConnKey, polled::Polled};
use crate::{
    client_files::{self, ClientFile},
    compress::FOR_POLLS,
    handshake::Handshake,
    net::{
        encoding::Encoding,
        head::{HeadError, UpgradeError},
        request::Flow,
        response::{Response, ResponseOptions},
    },
    policy::{Asked, Context},
    post::Reply,
};

const JSON: &str = "application/json";
const HTML: &str = "text/html";

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Payload(Payload { bytes, compress }) => Self {
                compress,
                ..Self::new(StatusCode::OK, "text/plain; charset=UTF-8", bytes)
            },
            Reply::Ok | Reply::Continue => Self::new(StatusCode::OK, HTML, &b"ok"[..]),
            Reply::Refused(refusal) => refused(refusal, None),
            Reply::Status(code) => {
                let status = StatusCode::from_u16(code);
                Self::status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }
}

/// An official error; `message` instead of the official one if there is one.
pub(crate) fn refused(refusal: Refusal, message: Option<&str>) -> Response {
    let status = match refusal {
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = match message {
        Some(message) => {
            serde_json::json!({ "code": refusal.code(), "message": message }).to_string()
        }
        None => refusal.body(),
    };
    Response::new(status, JSON, body.into_bytes())
}

/// A request that is refused, of which the application hears.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// Instead of the official one.
    pub(crate) message: Option<String>,
    pub(crate) context: Option<Context>,
    /// The connection is closed after its response.
    close: bool,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            message: None,
            context: None,
            close: false,
        }
    }
}

/// A check of the core's has failed.
impl From<Check> for Refused {
    fn from(check: Check) -> Self {
        let context = match check {
            Check::Origin => Some(Context::InvalidOrigin),
            Check::Upgrade => Some(Context::TransportHandshakeError),
            Check::Transport | Check::Sid | Check::Method => None,
        };
        Self {
            context,
            ..check.refusal().into()
        }
    }
}

impl Refused {
    pub(crate) fn with(refusal: Refusal, context: Context) -> Self {
        Self {
            context: Some(context),
            ..refusal.into()
        }
    }

    /// The same, after which the connection is closed.
    pub(crate) const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// By the application, with its message.
    pub(crate) fn by_application(message: String) -> Self {
        Self {
            message: Some(message),
            ..Refusal::Forbidden.into()
        }
    }

    /// By a middleware.
    pub(super) fn by_middleware(
        refusal: Refusal,
        message: Option<String>,
        context: Option<Context>,
    ) -> Self {
        Self {
            message,
            context,
            ..refusal.into()
        }
    }

    /// A session's answer to a request that it does not take.
    pub(crate) fn by_session(reply: &Reply) -> Option<Self> {
        match reply {
            Reply::Refused(Refusal::BadRequest) => Some(Self::in_mismatch(Refusal::BadRequest)),
            Reply::Refused(refusal) => Some((*refusal).into()),
            Reply::Payload(_) | Reply::Ok | Reply::Continue | Reply::Status(_) => None,
        }
    }

    /// It does not fit its session's transport or version.
    pub(crate) fn in_mismatch(refusal: Refusal) -> Self {
        Self::with(refusal, Context::TransportMismatch)
    }

    /// What a long-polling request is told.
    pub(crate) fn response(&self) -> Response {
        let mut response = refused(self.refusal, self.message.as_deref());
        response.close = self.close;
        response
    }

    /// What a WebSocket request is told (PROTOCOL.md 2.2).
    pub(crate) fn upgrade_response(&self) -> Response {
        let message = self
            .message
            .as_deref()
            .unwrap_or_else(|| self.refusal.message());
        let mut response = upgrade_refused(message.to_owned());
        if self.context == Some(Context::OriginNotAllowed) {
            response.status = StatusCode::FORBIDDEN;
        }
        response
    }
}

/// A WebSocket request that is refused.
#[derive(Debug)]
pub(crate) enum NotUpgraded {
    /// By a check of Engine.IO's.
    Refused(Refused),
    /// By one of RFC 6455, with its own words.
    Response(Refused, Box<Response>),
}

impl From<Refused> for NotUpgraded {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Check> for NotUpgraded {
    fn from(check: Check) -> Self {
        Self::Refused(check.into())
    }
}

impl From<Refusal> for NotUpgraded {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.into())
    }
}

impl From<UpgradeError> for NotUpgraded {
    fn from(error: UpgradeError) -> Self {
        let refused = Refused {
            message: Some(error.to_string()),
            ..Refused::with(Refusal::BadRequest, Context::TransportHandshakeError)
        };
        Self::Response(refused, Box::new(error.response()))
    }
}

impl NotUpgraded {
    /// What the application hears.
    pub(crate) const fn told(&self) -> &Refused {
        match self {
            Self::Refused(refused) | Self::Response(refused, _) => refused,
        }
    }

    pub(crate) fn into_response(self) -> Response {
        match self {
            Self::Refused(refused) => refused.upgrade_response(),
            Self::Response(_, response) => *response,
        }
    }
}

/// What a WebSocket request is told that is refused before it is one (PROTOCOL.md 2.2).
pub(crate) fn upgrade_refused(message: String) -> Response {
    Response::new(StatusCode::BAD_REQUEST, HTML, message.into_bytes()).closing()
}

/// What a request is told while the server stops.
pub(crate) fn unavailable() -> Response {
    Response::status(StatusCode::SERVICE_UNAVAILABLE).closing()
}

impl Shard {
    /// What a request decides about its response; `old_browser` if one of those has sent it that filter scripts.
    /// User code may run.
    pub(crate) fn response_options(
        &self,
        request: &impl Asked,
        old_browser: bool,
    ) -> ResponseOptions {
        self.config.policy.options(request, old_browser)
    }

    /// The official client's file of this path, if the server has them.
    #[inline]
    pub(super) fn client_file(&self, path: &str) -> Option<&'static ClientFile> {
        let name = path.strip_prefix(&*self.config.path)?;
        client_files::find(name).filter(|_| self.config.serve_client)
    }

    /// How the answer to a poll may be compressed, by the request's `Accept-Encoding`.
    #[inline]
    pub(super) fn poll_encoding<'a>(
        &self,
        accept: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<Encoding> {
        self.config.http_compression?;
        Encoding::choose(accept.into_iter(), &FOR_POLLS)
    }

    /// Compresses the body of a response if it is worth it and the request takes it so.
    pub(super) fn compress(&self, response: &mut Response) {
        if response.compress
            && let Some(encoding) = response.options.encoding
            && let Some(options) = self.config.http_compression
            && response.body.len() >= options.threshold
        {
            let mut compressor = self.compressor.borrow_mut();
            if let Some(body) = compressor.compress(options, encoding, &response.body) {
                response.body = body;
                response.add("content-encoding", encoding.name());
            }
        }
    }

    /// Answers the request that a connection is at. What becomes of its next one.
    pub(crate) fn respond(&self, key: ConnKey, mut response: Response) -> Flow {
        response.close |= self.stopping.get();
        let now = self.now.get();
        let mut conns = self.conns.borrow_mut();
        if let Some(polled) = conns.polled(key) {
            response.options = std::mem::take(&mut polled.options);
        }
        self.compress(&mut response);
        let mut writer = self.writer.borrow_mut();
        let bytes = writer.write(&response, &self.config.header_sets, now.0);
        conns.respond(key, bytes, response.close, now)
    }

    /// Tells the application of a request that is refused. User code may run.
    pub(crate) fn tell_refused(
        &self,
        refused: &Refused,
        request: impl FnOnce() -> Option<Handshake>,
    ) {
        let message = refused.message.as_deref();
        let policy = &self.config.policy;
        policy.tell(request, refused.refusal, message, refused.context);
    }

    /// Answers what cannot be read as a request, and ends the connection.
    pub(crate) fn refuse_unread(&self, key: ConnKey, error: HeadError) {
        let mut response = error.response();
        response.options = self.config.policy.options_unread();
        self.refuse(key, &response);
    }

    /// Answers the request that a connection began with, and ends the connection.
    pub(crate) fn refuse(&self, key: ConnKey, response: &Response) {
        let now = self.now.get();
        let mut writer = self.writer.borrow_mut();
        let (head, body) = writer.write(response, &self.config.header_sets, now.0);
        let whole;
        let bytes = if body.is_empty() {
            head
        } else {
            whole = [head, body].concat();
            &whole
        };
        self.conns.borrow_mut().finish(key, bytes, now);
    }

    /// Answers the GET that is parked on a connection. What is behind it is seen to later in the
    /// turn: the hub is not free here.
    pub(crate) fn answer_parked(&self, key: ConnKey, reply: Reply) {
        if let Some(polled) = self.conns.borrow_mut().polled(key) {
            polled.session = None;
        }
        if self.respond(key, reply.into()) == Flow::Next
            && let Some(polled) = self.conns.borrow_mut().polled(key)
            && !polled.reader.answered()
        {
            self.resumable.borrow_mut().push(key);
        }
    }

    /// Answers the POST whose body is coming on a connection, and reads no more of it.
    pub(crate) fn give_up_post(&self, key: ConnKey, session: SessionKey, reply: Reply) {
        let mut conns = self.conns.borrow_mut();
        let polled = conns.polled(key);
        let polled = polled.filter(|polled| polled.posting() == Some(session));
        let given_up = polled.and_then(Polled::give_up_post).is_some();
        conns.recount(key);
        drop(conns);
        if given_up {
            self.respond(key, Response::from(reply).closing());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_in_http() {
        let told = |reply: Reply| {
            let response = Response::from(reply);
            let body = String::from_utf8(response.body.into()).unwrap();
            (response.status.as_u16(), response.content_type, body)
        };
        let payload = Reply::Payload(Payload::bare("2"));
        let plain = "text/plain; charset=UTF-8";
        assert_eq!(told(payload), (200, plain, "2".to_owned()));
        assert_eq!(told(Reply::Ok), (200, HTML, "ok".to_owned()));
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        let refused = Reply::Refused(Refusal::SessionUnknown);
        assert_eq!(told(refused), (400, JSON, unknown.to_owned()));
        let forbidden = r#"{"code":4,"message":"Forbidden"}"#;
        let refused = Reply::Refused(Refusal::Forbidden);
        assert_eq!(told(refused), (403, JSON, forbidden.to_owned()));
        assert_eq!(told(Reply::Status(413)), (413, "", String::new()));
    }
}
