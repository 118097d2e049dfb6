//! Answers: how does the application add headers to answers, and hear of refused requests, without harm.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::{HeaderMap, HeaderName, header};
use stentor_engine::eio::handshake::Refusal;

use crate::{
    discard::discard,
    handshake::Handshake,
    log::{self, About},
};

pub(crate) type HeaderHook = dyn Fn(&Handshake, &mut HeaderMap) + Send + Sync;
pub(crate) type ErrorHook = dyn Fn(&ConnectionError) + Send + Sync;

/// What says where an answer ends and what its connection is: the server's own.
pub(super) const FRAMING: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
];

/// The headers as a hook changes them, but for those that frame the answer. If it panics they stay as they were.
pub(super) fn run(hook: &HeaderHook, request: &Handshake, headers: HeaderMap) -> HeaderMap {
    let mut changed = headers.clone();
    let ran = catch_unwind(AssertUnwindSafe(|| hook(request, &mut changed)));
    if let Err(panic) = ran {
        log::line!(HeaderHookPanicked, About::here());
        discard(panic);
        return headers;
    }
    for name in FRAMING {
        changed.remove(name);
    }
    changed
}

/// Tells of a refused request. A panic is no harm.
pub(super) fn tell(hook: &ErrorHook, error: &ConnectionError) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| hook(error))) {
        log::line!(ErrorHookPanicked, About::here());
        discard(panic);
    }
}

/// Why a request is refused, closer than its code says: the official names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    InvalidOrigin,
    /// Sound, and not on the list for WebSockets.
    OriginNotAllowed,
    TransportMismatch,
    TransportHandshakeError,
    MiddlewareFailure,
}

impl Context {
    const fn name(self) -> &'static str {
        match self {
            Self::InvalidOrigin | Self::OriginNotAllowed => "INVALID_ORIGIN",
            Self::TransportMismatch => "TRANSPORT_MISMATCH",
            Self::TransportHandshakeError => "TRANSPORT_HANDSHAKE_ERROR",
            Self::MiddlewareFailure => "MIDDLEWARE_FAILURE",
        }
    }
}

/// A request that was refused (`connection_error`): see [`crate::Server::on_connection_error`].
#[derive(Debug)]
pub struct ConnectionError {
    request: Handshake,
    refusal: Refusal,
    message: String,
    context: Option<Context>,
}

impl ConnectionError {
    pub(super) fn new(
        request: Handshake,
        refusal: Refusal,
        message: Option<&str>,
        context: Option<Context>,
    ) -> Self {
        let message = message.unwrap_or_else(|| refusal.message()).to_owned();
        Self {
            request,
            refusal,
            message,
            context,
        }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Handshake {
        &self.request
    }

    /// The official code: 0 unknown transport, 1 unknown session id, 2 bad method, 3 bad request, 4 forbidden,
    /// 5 unsupported protocol version.
    #[must_use]
    pub const fn code(&self) -> u8 {
        self.refusal.code()
    }

    /// What the client was told: the official words for the code, or those of [`crate::Server::allow_request`].
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The official name of the reason, where it has one: `INVALID_ORIGIN`, `TRANSPORT_MISMATCH`,
    /// `TRANSPORT_HANDSHAKE_ERROR`, `MIDDLEWARE_FAILURE`.
    #[must_use]
    pub fn context(&self) -> Option<&'static str> {
        self.context.map(Context::name)
    }
}
