//! Answers: what does this request ask for, or which check refuses it, in the official order (PROTOCOL.md 2.2).
//!
//! The one judge of requests: of long-polling and of WebSocket handshakes, the first on a connection and later
//! ones. The order of the checks is
//!
//! ```text
//!   path ─► transport ─► origin ─► sid?
//!                                   ├─ none: method ─► upgrade ─► the application ─► version
//!                                   └─ some: is there such a session? ─► transport, version ─► method
//! ```
//!
//! The application and the sessions are not here. What is to be said after they have answered is part of
//! the [`Ask`].
//! It must not know about HTTP libraries: what a head says comes as [`Facts`].

use alloc::borrow::Cow;

use super::handshake::{Refusal, Transport, unescape};
use crate::{config::Config, id::Sid};

/// Whether a request's path is under the server's own, as the official server compares them: byte by byte, and
/// whatever follows. `own` ends with its slash.
#[must_use]
pub fn is_under(own: &str, path: &str) -> bool {
    path.starts_with(own)
}

/// The parameters of a request's query that the protocol knows. The last of duplicates counts;
/// unknown parameters (`t`, an application's own) are not an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query<'a> {
    transport: Option<Cow<'a, str>>,
    sid: Option<Cow<'a, str>>,
    version_4: bool,
    text_only: bool,
}

impl<'a> Query<'a> {
    /// Reads a query: what follows the `?`.
    #[must_use]
    pub fn parse(query: &'a str) -> Self {
        let mut parsed = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match &*unescape(name) {
                "transport" => parsed.transport = Some(unescape(value)),
                "sid" => parsed.sid = Some(unescape(value)),
                "EIO" => parsed.version_4 = unescape(value) == "4",
                // JavaScript's idea of true, as in the official server: `0` is a string.
                "b64" => parsed.text_only = !value.is_empty(),
                _ => {}
            }
        }
        parsed
    }

    /// Whether what is binary is to be sent as text over a WebSocket too (`b64=1`).
    #[must_use]
    pub const fn is_text_only(&self) -> bool {
        self.text_only
    }

    /// The transport, if it is one of those that the server offers.
    fn transport(&self, config: &Config) -> Option<Transport> {
        match self.transport.as_deref()? {
            "polling" if config.polling => Some(Transport::Polling),
            "websocket" if config.websocket => Some(Transport::WebSocket),
            _ => None,
        }
    }

    /// The session that the request is for; `None` if it asks for a new one. An error: a sid that cannot be
    /// one of ours.
    fn sid(&self) -> Result<Option<Sid>, Check> {
        match self.sid.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => match Sid::parse(text.as_bytes()) {
                Some(sid) => Ok(Some(sid)),
                None => Err(Check::Sid),
            },
        }
    }

    /// Sessions are all of version 4, so that requests for known ones must say so too.
    const fn version(&self, refusal: Refusal) -> Result<(), Refusal> {
        if self.version_4 { Ok(()) } else { Err(refusal) }
    }
}

/// A request's method, as far as Engine.IO has a use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// Any other, `HEAD` and `OPTIONS` too.
    Other,
}

impl Method {
    /// The method of this name. Names have a case (RFC 9110 9.1).
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "POST" => Self::Post,
            _ => Self::Other,
        }
    }
}

/// What a request's head says besides its query.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its method.
    pub method: Method,
    /// Whether it asks to become a WebSocket.
    pub upgrade: bool,
    /// The `Origin` header.
    pub origin: Option<&'a [u8]>,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// A new session. The application may refuse it, with [`Refusal::Forbidden`].
    Open {
        /// The transport that the session begins with.
        transport: Transport,
        /// What is said when the application has agreed: [`Refusal::UnsupportedVersion`], if anything.
        version: Result<(), Refusal>,
    },
    /// Something of a session. Without such a session it is refused with [`Refusal::SessionUnknown`].
    Session {
        /// Which session.
        sid: Sid,
        /// What of it. An error is what is said if there is such a session.
        want: Result<Want, Refusal>,
    },
}

/// What a request wants of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// To fetch packets.
    Get,
    /// To bring packets.
    Post,
    /// To become its WebSocket.
    Probe,
    /// By its method nothing that there is: HTTP 405.
    Unserved,
}

/// The checks of a request that need no answer of the application, and no look for a session, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The transport is one that the server offers.
    Transport,
    /// The origin has no control characters.
    Origin,
    /// The sid can be one of ours.
    Sid,
    /// A session begins with a GET.
    Method,
    /// A WebSocket begins with an upgrade, and nothing else does.
    Upgrade,
}

impl Check {
    /// What a request is refused with that fails it.
    #[must_use]
    pub const fn refusal(self) -> Refusal {
        match self {
            Self::Transport => Refusal::TransportUnknown,
            Self::Origin | Self::Upgrade => Refusal::BadRequest,
            Self::Sid => Refusal::SessionUnknown,
            Self::Method => Refusal::BadMethod,
        }
    }
}

/// Judges a request for the server's path.
///
/// # Errors
/// The first check that it fails.
pub fn judge(query: &Query<'_>, facts: Facts<'_>, config: &Config) -> Result<Ask, Check> {
    let transport = query.transport(config).ok_or(Check::Transport)?;
    if facts.origin.is_some_and(|origin| !is_printable(origin)) {
        return Err(Check::Origin);
    }
    let upgrade_fits = (transport == Transport::WebSocket) == facts.upgrade;
    match query.sid()? {
        Some(sid) if upgrade_fits => {
            let version = query.version(Refusal::BadRequest);
            let want = version.map(|()| want(facts));
            Ok(Ask::Session { sid, want })
        }
        Some(sid) => {
            let want = Err(Refusal::BadRequest);
            Ok(Ask::Session { sid, want })
        }
        None if facts.method != Method::Get => Err(Check::Method),
        None if !upgrade_fits => Err(Check::Upgrade),
        None => {
            let version = query.version(Refusal::UnsupportedVersion);
            Ok(Ask::Open { transport, version })
        }
    }
}

/// What is wanted of a session that the request fits.
const fn want(facts: Facts<'_>) -> Want {
    match facts.method {
        _ if facts.upgrade => Want::Probe,
        Method::Get => Want::Get,
        Method::Post => Want::Post,
        Method::Other => Want::Unserved,
    }
}

/// What Node lets into a header's value.
fn is_printable(value: &[u8]) -> bool {
    let printable = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7e | 0x80..=0xff);
    value.iter().all(printable)
}

#[cfg(test)]
mod tests;
