//! Answers: how is a response written as HTTP/1.1: its status, its headers, its body.
//!
//! The one place that does it. Connections that the shard serves itself get bytes ([`Writer`]); those of
//! hyper get the same headers as values ([`Response::into_http`]). Why a response says what it says its
//! maker knows. Three places add headers, from the most frequent to the rarest:
//!
//! - every response: [`Response::each_header`];
//! - all responses to requests of one kind, such as those from one origin: a set of [`HeaderSets`], made when
//!   the server starts. The request is given its number when it is judged ([`ResponseOptions`]);
//! - one response, or the response to one request: [`HeaderLines`].

use std::{io::Write as _, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::Full;
use httpdate::HttpDate;

use super::encoding::Encoding;

/// A body up to this size is copied behind its head; a larger one is sent from where it is.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// A date is good for so long.
const DATE_MS: u64 = 1_000;
/// The length of a date: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
const DATE_BYTES: usize = 29;

/// Whole header lines as they are written, each with its CR LF. Without a line there is no memory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HeaderLines(Vec<u8>);

impl HeaderLines {
    /// Adds a line. The types vouch for it that nothing in it ends the line.
    pub fn push(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.push_checked(name.as_str(), value.as_bytes());
    }

    /// Adds a line of which is known that it is one.
    fn push_checked(&mut self, name: &str, value: &[u8]) {
        debug_assert!(HeaderName::from_bytes(name.as_bytes()).is_ok(), "{name}");
        debug_assert!(HeaderValue::from_bytes(value).is_ok(), "{name}");
        push_line(&mut self.0, name.as_bytes(), value);
    }

    /// Whether there is no line.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values in their order.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.0.split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = memchr::memchr(b':', line)?;
            Some((&line[..colon], &line[colon + 2..]))
        })
    }
}

/// Writes a header line.
fn push_line(to: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        to.extend_from_slice(part);
    }
}

/// The number of a set in [`HeaderSets`]; 0, the default, is the empty one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HeaderSet(u16);

/// The sets of header lines that a server's options make. They are written when the server starts, so that
/// a request needs to remember a number only.
#[derive(Debug, Default)]
pub struct HeaderSets(Vec<HeaderLines>);

impl HeaderSets {
    /// Adds a set. `None` if there are 65,535 already: such lines go with the request
    /// ([`ResponseOptions::lines`]).
    pub fn add(&mut self, lines: HeaderLines) -> Option<HeaderSet> {
        let number = u16::try_from(self.0.len() + 1).ok()?;
        self.0.push(lines);
        Some(HeaderSet(number))
    }

    fn get(&self, set: HeaderSet) -> Option<&HeaderLines> {
        self.0.get(usize::from(set.0).checked_sub(1)?)
    }
}

/// What a request decides about its response. It is decided when the request is judged, and kept in its
/// connection's row while a GET or a POST waits: so a number and a pointer, and no text. There is room for
/// six bytes beside the number.
#[derive(Debug, Default, Clone)]
pub struct ResponseOptions {
    /// Which of the server's sets of headers goes with the response.
    pub set: HeaderSet,
    /// Header lines that are this request's alone. Seldom any: they are an allocation each time.
    pub lines: Option<Box<HeaderLines>>,
    /// What the body may be compressed to.
    pub encoding: Option<Encoding>,
}

impl ResponseOptions {
    /// A set of headers and nothing else.
    #[must_use]
    pub const fn of(set: HeaderSet) -> Self {
        Self {
            set,
            lines: None,
            encoding: None,
        }
    }
}

/// A response, without what only its connection knows.
#[derive(Debug)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// `Content-Type`; empty if there is none.
    pub content_type: &'static str,
    /// `Cache-Control`; empty if there is none.
    pub cache_control: &'static str,
    /// The body.
    pub body: Bytes,
    /// Whether the body is worth compressing, if the request takes it so.
    pub compress: bool,
    /// The connection is closed after it.
    pub close: bool,
    /// Header lines of this response.
    pub lines: HeaderLines,
    /// What its request decided.
    pub options: ResponseOptions,
}

impl Response {
    /// A response with a body. It is not to be kept by caches, as all that this server says.
    #[must_use]
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            cache_control: "no-store",
            body: body.into(),
            compress: false,
            close: false,
            lines: HeaderLines::default(),
            options: ResponseOptions::default(),
        }
    }

    /// A status and nothing else.
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self::new(status, "", &[][..])
    }

    /// The response that makes a connection a WebSocket (RFC 6455 4.2.2). The names are written as in the
    /// RFC: there are clients on small devices that look for just that.
    #[must_use]
    pub fn switching(accept_key: &str, subprotocol: Option<&str>) -> Self {
        let mut response = Self::status(StatusCode::SWITCHING_PROTOCOLS)
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Accept", accept_key);
        response.cache_control = "";
        match subprotocol {
            Some(subprotocol) => response.with("Sec-WebSocket-Protocol", subprotocol),
            None => response,
        }
    }

    /// With one more header, whose name and value are known to be sound.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.add(name, value);
        self
    }

    /// Adds such a header.
    pub fn add(&mut self, name: &'static str, value: &str) {
        self.lines.push_checked(name, value.as_bytes());
    }

    /// The same, after which the connection is closed.
    #[must_use]
    pub const fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// All headers but those that frame and date the message.
    fn each_header(&self, sets: &HeaderSets, mut on: impl FnMut(&[u8], &[u8])) {
        if !self.content_type.is_empty() {
            on(b"content-type", self.content_type.as_bytes());
        }
        if !self.cache_control.is_empty() {
            on(b"cache-control", self.cache_control.as_bytes());
        }
        if self.close {
            on(b"connection", b"close");
        }
        let options = &self.options;
        for lines in [
            sets.get(options.set),
            options.lines.as_deref(),
            Some(&self.lines),
        ] {
            for (name, value) in lines.into_iter().flat_map(HeaderLines::iter) {
                on(name, value);
            }
        }
    }

    /// Whether its length is said. Neither a 101 nor a 304 has a body.
    fn has_length(&self) -> bool {
        !self.status.is_informational() && self.status != StatusCode::NOT_MODIFIED
    }

    /// The response for hyper, which adds length and date.
    #[must_use]
    pub fn into_http(self, sets: &HeaderSets) -> http::Response<Full<Bytes>> {
        let mut headers = HeaderMap::new();
        self.each_header(sets, |name, value| {
            let (name, value) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        });
        let mut response = http::Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// Writes responses. It keeps its buffer and the date, so that a response costs neither.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    date: [u8; DATE_BYTES],
    /// By the caller's clock.
    date_until: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            date: [b' '; DATE_BYTES],
            date_until: 0,
        }
    }
}

impl Writer {
    /// The bytes of a response, in two parts of which the second may be empty. `now` is in milliseconds of
    /// any clock that goes on.
    pub fn write<'a>(
        &'a mut self,
        response: &'a Response,
        sets: &HeaderSets,
        now: u64,
    ) -> (&'a [u8], &'a [u8]) {
        if now >= self.date_until {
            self.date = date(SystemTime::now());
            self.date_until = now.saturating_add(DATE_MS);
        }
        let (bytes, status) = (&mut self.bytes, response.status);
        bytes.clear();
        bytes.extend_from_slice(b"HTTP/1.1 ");
        bytes.extend_from_slice(status.as_str().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
        bytes.extend_from_slice(b"\r\n");
        response.each_header(sets, |name, value| push_line(bytes, name, value));
        if response.has_length() {
            write!(bytes, "content-length: {}\r\n", response.body.len()).expect("a vector grows");
        }
        if !status.is_informational() {
            push_line(bytes, b"date", &self.date);
        }
        bytes.extend_from_slice(b"\r\n");
        if response.body.len() <= COPIED_BYTES_MAX {
            bytes.extend_from_slice(&response.body);
            return (bytes, &[]);
        }
        (bytes, &response.body)
    }
}

/// A date as HTTP has it. A clock outside the years that it has is as near as can be.
fn date(time: SystemTime) -> [u8; DATE_BYTES] {
    /// 31 December 9999, 23:59:59.
    const LAST: u64 = 253_402_300_799;
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs()).min(LAST);
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    let mut date = [b' '; DATE_BYTES];
    write!(&mut date[..], "{}", HttpDate::from(time)).expect("each date has this length");
    date
}

#[cfg(test)]
mod tests;
