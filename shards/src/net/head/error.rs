//! Answers: which rule did a request's head break, and what is the client told.

use std::fmt::Display;

use http::StatusCode;

use crate::net::response::Response;

/// A response that ends the connection and says why.
fn closing(status: StatusCode, why: impl Display) -> Response {
    Response::new(status, "text/plain", why.to_string().into_bytes()).closing()
}

/// Why a head is refused: one variant per rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// More than [`MAX_BYTES`](super::MAX_BYTES).
    #[error("head too long")]
    TooLong,
    /// More than [`MAX_HEADERS`](super::MAX_HEADERS).
    #[error("too many headers")]
    TooManyHeaders,
    /// Neither HTTP/1.1 nor HTTP/1.0; also HTTP/2's preface.
    #[error("HTTP version not supported")]
    Version,
    /// It did not come in time.
    #[error("request head too slow")]
    Late,
    /// The method or the target is not one.
    #[error("bad request line")]
    RequestLine,
    /// A header's name is not a token: white space before the colon, a folded line, a control byte.
    #[error("bad header name")]
    HeaderName,
    /// A header's value has a control byte.
    #[error("bad header value")]
    HeaderValue,
    /// A line ends in LF without CR, or has a CR inside.
    #[error("bad line end")]
    LineEnd,
    /// HTTP/1.1 without `Host`.
    #[error("no Host")]
    NoHost,
    /// Several `Host` headers.
    #[error("several Host headers")]
    SeveralHosts,
    /// `Content-Length` is not a number.
    #[error("bad Content-Length")]
    ContentLength,
    /// Several `Content-Length` headers.
    #[error("several Content-Length headers")]
    SeveralContentLengths,
    /// `Content-Length` and `Transfer-Encoding`: two ideas of where the body ends.
    #[error("Content-Length with Transfer-Encoding")]
    LengthAndEncoding,
    /// `Transfer-Encoding` other than one `chunked`, or in HTTP/1.0.
    #[error("bad Transfer-Encoding")]
    TransferEncoding,
}

impl HeadError {
    /// The status of [`Self::response`].
    fn status(self) -> StatusCode {
        match self {
            Self::TooLong | Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            // Not 501, which RFC 9112 6.1 would have for an unknown coding: most of these are attempts.
            Self::TransferEncoding
            | Self::RequestLine
            | Self::HeaderName
            | Self::HeaderValue
            | Self::LineEnd
            | Self::NoHost
            | Self::SeveralHosts
            | Self::ContentLength
            | Self::SeveralContentLengths
            | Self::LengthAndEncoding => StatusCode::BAD_REQUEST,
        }
    }

    /// What the client is told; the connection is closed after it.
    #[must_use]
    pub fn response(self) -> Response {
        closing(self.status(), self)
    }
}

impl From<httparse::Error> for HeadError {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders,
            httparse::Error::Version => Self::Version,
            httparse::Error::HeaderName => Self::HeaderName,
            httparse::Error::HeaderValue => Self::HeaderValue,
            httparse::Error::NewLine => Self::LineEnd,
            // `Status` is a response's.
            httparse::Error::Token | httparse::Error::Status => Self::RequestLine,
        }
    }
}

/// Why a request that wants a WebSocket does not get one: one variant per rule of RFC 6455 4.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// Not a GET.
    #[error("method is not GET")]
    Method,
    /// Not HTTP/1.1.
    #[error("not HTTP/1.1")]
    Http,
    /// `Upgrade` does not have `websocket`.
    #[error("Upgrade does not have websocket")]
    Upgrade,
    /// `Connection` does not have `upgrade`.
    #[error("Connection does not have upgrade")]
    Connection,
    /// No `Sec-WebSocket-Key`, or several, or not 16 bytes in base64.
    #[error("bad Sec-WebSocket-Key")]
    Key,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("Sec-WebSocket-Version is not 13")]
    Version,
    /// A body is announced: its bytes would be read as frames.
    #[error("WebSocket request with a body")]
    Body,
}

impl UpgradeError {
    /// What the client is told; the connection is closed after it. For a wrong version it names ours, as
    /// RFC 6455 4.4 asks, with 400 as Node's `ws` has it (the RFC's 426 is "an appropriate code such as").
    #[must_use]
    pub fn response(self) -> Response {
        match self {
            Self::Method => closing(StatusCode::METHOD_NOT_ALLOWED, self).with("allow", "GET"),
            Self::Version => {
                closing(StatusCode::BAD_REQUEST, self).with("sec-websocket-version", "13")
            }
            Self::Http | Self::Upgrade | Self::Connection | Self::Key | Self::Body => {
                closing(StatusCode::BAD_REQUEST, self)
            }
        }
    }
}
