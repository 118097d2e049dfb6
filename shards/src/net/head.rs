//! Answers: is a request's head all there, is it sound, does it ask for a WebSocket, and what is asked for.
//!
//! It is looked at before hyper sees it: so a connection can be moved to its shard once, and the first
//! request of a connection and a later one are judged alike ([`super::gate`]). Must not know sockets,
//! sessions, or the Engine.IO query.
//!
//! `httparse` reads the head, as in hyper. The checks here are those that hyper 1.12 leaves out and that
//! a proxy in front may judge differently, which is how requests are smuggled: hyper drops a
//! `Content-Length` beside `Transfer-Encoding`, and accepts bare line feeds and a missing `Host`.

mod error;
mod plain;
mod upgrade;

#[cfg(test)]
mod tests;

use std::mem::MaybeUninit;

pub use self::error::{HeadError, UpgradeError};
pub use self::plain::Plain;
pub use self::upgrade::accept_key;

/// Bytes of a head, its blank line included. Node's limit; browsers and proxies stay under 8 KiB.
pub const MAX_BYTES: usize = 16 << 10;
/// Header lines of a head. hyper's own limit, so that no head passes here and fails there.
pub const MAX_HEADERS: usize = 100;
/// How much of an unfinished head is judged. Bounded, because each new byte makes us look again.
const EARLY_LOOK: usize = 64;

/// What the bytes so far are.
#[derive(Debug)]
pub enum Head<'a> {
    /// The blank line has not arrived.
    Incomplete,
    /// The head breaks a rule; answer with [`HeadError::response`] and close.
    Bad(HeadError),
    /// A sound head.
    Request(RequestHead<'a>),
}

/// A request's head, borrowed from the bytes that it came in.
#[derive(Debug)]
pub struct RequestHead<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The target, as sent; see [`Self::path_and_query`].
    pub target: &'a str,
    /// Bytes of the head, with its blank line; what follows is body or frames.
    pub len: usize,
    /// Whether the request is HTTP/1.1, and not 1.0.
    pub is_http_1_1: bool,
    /// The header lines, which `httparse` has accepted. Split again when asked for: a request is asked for
    /// a few headers once, so that a table of a hundred would be more to move than to search.
    lines: &'a [u8],
}

/// Judges the bytes that have come where a request begins.
#[must_use]
pub fn parse(buf: &[u8]) -> Head<'_> {
    match read(buf) {
        Ok(Some(request)) => Head::Request(request),
        Ok(None) => Head::Incomplete,
        Err(error) => Head::Bad(error),
    }
}

impl<'a> RequestHead<'a> {
    /// The headers as sent, white space around the values removed.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        // No name of an accepted head fails this.
        self.fields()
            .filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)))
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// Whether the request asks to become a WebSocket, well or badly; [`Self::check_upgrade`] tells.
    #[must_use]
    pub fn wants_websocket(&self) -> bool {
        // Without `Connection: upgrade` the other header means nothing (RFC 9110 7.8).
        self.has_token("upgrade", "websocket") && self.has_token("connection", "upgrade")
    }

    /// The path, and the query without its `?`, empty if there is none. The absolute form, which any server
    /// must accept (RFC 9112 3.2.2), loses its scheme and authority.
    #[must_use]
    pub fn path_and_query(&self) -> (&'a str, &'a str) {
        let origin = match absolute(self.target) {
            Some((_, origin)) => origin,
            None => self.target,
        };
        let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
        (if path.is_empty() { "/" } else { path }, query)
    }

    /// RFC 6455 4.2.1: everything that an opening handshake must have. Returns the key, for [`accept_key`].
    ///
    /// # Errors
    ///
    /// What is missing; [`UpgradeError::response`] has the answer.
    pub fn check_upgrade(&self) -> Result<&'a str, UpgradeError> {
        upgrade::check(self)
    }

    /// The first of the subprotocols that are offered for a WebSocket, if there are any. The outer `None` if
    /// what is offered is no list of different tokens (RFC 6455 4.1).
    #[must_use]
    pub fn first_subprotocol(&self) -> Option<Option<&'a str>> {
        upgrade::first_subprotocol(self)
    }

    /// What the request says of its body, if an answer is all that it wants; `None` if it asks something
    /// of the connection too.
    #[must_use]
    pub fn plain(&self) -> Option<Plain<'a>> {
        plain::read(self)
    }

    fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.lines;
        std::iter::from_fn(move || {
            // Every line of an accepted head has a colon, and ends in CR LF; the value loses the CR here.
            let colon = memchr::memchr(b':', rest)?;
            let (name, after) = (&rest[..colon], &rest[colon + 1..]);
            let newline = memchr::memchr(b'\n', after)?;
            rest = &after[newline + 1..];
            Some((name, after[..newline].trim_ascii()))
        })
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.fields()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// Whether a list header, in all its lines, has this token.
    fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|other| other.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }
}

fn read(buf: &[u8]) -> Result<Option<RequestHead<'_>>, HeadError> {
    let Some(extent) = extent(buf)? else {
        check_start(buf)?;
        return Ok(None);
    };
    let mut slots = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    // The blank line is there, so that "partial" can only mean that httparse sees lines otherwise than we.
    let parsed = request.parse_with_uninit_headers(&buf[..extent.end], &mut slots);
    let (httparse::Status::Complete(len), Some(method), Some(target), Some(minor)) =
        (parsed?, request.method, request.path, request.version)
    else {
        return Err(HeadError::LineEnd);
    };
    if len != extent.end {
        return Err(HeadError::LineEnd);
    }
    if !is_target(method, target) {
        return Err(HeadError::RequestLine);
    }
    let is_http_1_1 = minor == 1;
    check_headers(request.headers, is_http_1_1)?;
    let lines = &buf[extent.headers..extent.end - 2];
    Ok(Some(RequestHead {
        method,
        target,
        len,
        is_http_1_1,
        lines,
    }))
}

/// The authority of an absolute form, and what follows it. Schemes with other signs than letters and
/// digits are not HTTP's.
fn absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    is_scheme.then(|| rest.split_at(end))
}

/// Whether this is one of the four forms of RFC 9112 3.2. hyper asks the same of an authority.
fn is_target(method: &str, target: &str) -> bool {
    if target.starts_with('/') || target == "*" {
        return true;
    }
    let is_authority = |authority: &str| authority.parse::<http::uri::Authority>().is_ok();
    match absolute(target) {
        Some((authority, _)) => is_authority(authority),
        None => method == "CONNECT" && is_authority(target),
    }
}

/// Where the parts of a head are.
struct Extent {
    /// The first header line.
    headers: usize,
    /// Behind the blank line.
    end: usize,
}

/// Finds the blank line; each line must end in CR LF (RFC 9112 2.2 lets us accept LF alone; then a proxy
/// that does not would see another request). Empty lines before the request are skipped, as it asks.
fn extent(buf: &[u8]) -> Result<Option<Extent>, HeadError> {
    let mut headers = None;
    let mut line = 0;
    for newline in memchr::memchr_iter(b'\n', &buf[..buf.len().min(MAX_BYTES)]) {
        match (&buf[line..newline], headers) {
            (b"\r", Some(headers)) => {
                return Ok(Some(Extent {
                    headers,
                    end: newline + 1,
                }));
            }
            (b"\r", None) => {}
            ([.., b'\r'], _) => headers = headers.or(Some(newline + 1)),
            _ => return Err(HeadError::LineEnd),
        }
        line = newline + 1;
    }
    if buf.len() >= MAX_BYTES {
        Err(HeadError::TooLong)
    } else {
        Ok(None)
    }
}

/// Refuses what cannot become a request (TLS on a plain port, noise) without waiting for a blank line.
fn check_start(buf: &[u8]) -> Result<(), HeadError> {
    let start = &buf[..buf.len().min(EARLY_LOOK)];
    match httparse::Request::new(&mut []).parse(start) {
        // No room for headers was given: the request line is sound.
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether this is a number, and one that a length can be.
fn is_length(value: &[u8]) -> bool {
    let number = || str::from_utf8(value).ok()?.parse::<u64>().ok();
    value.iter().all(u8::is_ascii_digit) && number().is_some()
}

/// The rules about what the headers say together.
fn check_headers(headers: &[httparse::Header<'_>], is_http_1_1: bool) -> Result<(), HeadError> {
    let mut hosts = 0;
    let mut length: Option<&[u8]> = None;
    let mut encodings = 0;
    for header in headers {
        let is = |name| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            hosts += 1;
        } else if is("content-length") {
            if !is_length(header.value) {
                return Err(HeadError::ContentLength);
            }
            // Also if they agree: a proxy may take the first, the last, or a list of both.
            if length.replace(header.value).is_some() {
                return Err(HeadError::SeveralContentLengths);
            }
        } else if is("transfer-encoding") {
            encodings += 1;
            // Once, alone, and not from a 1.0 peer, which cannot know it (RFC 9112 6.1).
            if encodings > 1 || !is_http_1_1 || !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(HeadError::TransferEncoding);
            }
        }
    }
    match hosts {
        0 if is_http_1_1 => return Err(HeadError::NoHost),
        0 | 1 => {}
        _ => return Err(HeadError::SeveralHosts),
    }
    if length.is_some() && encodings > 0 {
        return Err(HeadError::LengthAndEncoding);
    }
    Ok(())
}
