//! Answers: may this request open or reach a session, and what does the server say (PROTOCOL.md 2.2).
//!
//! The checks are split where the sid's owner must be asked: [`Request::check`] needs nothing,
//! [`Request::check_new`] needs to know that there is no sid, and [`Request::check_version`] comes
//! when the application has agreed. Whether a session is on the request's transport it says itself
//! ([`super::session::Poll::Mismatch`]).
//! It must not know about HTTP libraries: method and headers come as facts.

use alloc::{borrow::Cow, string::String, vec::Vec};
use core::fmt::Write as _;

use crate::{config::Config, id::Sid};

/// The two transports of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP long-polling.
    Polling,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// The name in `transport=` and in `socket.conn.transport.name`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::WebSocket => "websocket",
        }
    }
}

/// Why a request is refused: the official codes 0 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 0: no such transport here.
    TransportUnknown,
    /// 1: no session of that id.
    SessionUnknown,
    /// 2: a session begins with a GET.
    BadMethod,
    /// 3: anything else that is wrong with the request.
    BadRequest,
    /// 4: the application said no. HTTP status 403.
    Forbidden,
    /// 5: not Engine.IO 4.
    UnsupportedVersion,
}

impl Refusal {
    /// The code in the body.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::TransportUnknown => 0,
            Self::SessionUnknown => 1,
            Self::BadMethod => 2,
            Self::BadRequest => 3,
            Self::Forbidden => 4,
            Self::UnsupportedVersion => 5,
        }
    }

    /// The message in the body.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::TransportUnknown => "Transport unknown",
            Self::SessionUnknown => "Session ID unknown",
            Self::BadMethod => "Bad handshake method",
            Self::BadRequest => "Bad request",
            Self::Forbidden => "Forbidden",
            Self::UnsupportedVersion => "Unsupported protocol version",
        }
    }

    /// The JSON body: `{"code":1,"message":"Session ID unknown"}`.
    #[must_use]
    pub fn body(self) -> String {
        let mut body = String::new();
        write!(
            body,
            r#"{{"code":{},"message":"{}"}}"#,
            self.code(),
            self.message()
        )
        .expect("writing to a string");
        body
    }
}

/// The parameters of a request's query that the protocol knows. The last of duplicates counts;
/// unknown parameters (`t`, an application's own) are not an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request<'a> {
    transport: Option<Cow<'a, str>>,
    sid: Option<Cow<'a, str>>,
    version_4: bool,
    text_only: bool,
}

/// A query parameter's value with its percent escapes and plus signs read.
#[must_use]
pub fn unescape(value: &str) -> Cow<'_, str> {
    if !value.bytes().any(|b| b == b'%' || b == b'+') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let hex = |b: u8| char::from(b).to_digit(16);
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let rest = bytes.as_slice();
                match rest
                    .split_first_chunk::<2>()
                    .map(|([a, b], _)| (hex(*a), hex(*b)))
                {
                    Some((Some(high), Some(low))) => {
                        bytes.nth(1);
                        (high * 16 + low) as u8
                    }
                    _ => b'%',
                }
            }
            other => other,
        });
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

impl<'a> Request<'a> {
    /// Reads a query: what follows the `?`.
    #[must_use]
    pub fn parse(query: &'a str) -> Self {
        let mut request = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match &*unescape(name) {
                "transport" => request.transport = Some(unescape(value)),
                "sid" => request.sid = Some(unescape(value)),
                "EIO" => request.version_4 = unescape(value) == "4",
                // JavaScript's idea of true, as in the official server: `0` is a string.
                "b64" => request.text_only = !value.is_empty(),
                _ => {}
            }
        }
        request
    }

    /// Checks that need no session: the transport is offered and the origin is printable.
    ///
    /// # Errors
    /// [`Refusal::TransportUnknown`] and [`Refusal::BadRequest`], in this order.
    pub fn check(&self, config: &Config, origin: Option<&[u8]>) -> Result<Transport, Refusal> {
        let transport = match self.transport.as_deref() {
            Some("polling") if config.polling => Transport::Polling,
            Some("websocket") if config.websocket => Transport::WebSocket,
            _ => return Err(Refusal::TransportUnknown),
        };
        let printable = |b: &u8| matches!(b, b'\t' | 0x20..=0x7e | 0x80..=0xff);
        if origin.is_some_and(|origin| !origin.iter().all(printable)) {
            return Err(Refusal::BadRequest);
        }
        Ok(transport)
    }

    /// The session the request is for; `None` if it asks for a new one.
    ///
    /// # Errors
    /// [`Refusal::SessionUnknown`] if there is a sid that cannot be one of ours.
    pub fn sid(&self) -> Result<Option<Sid>, Refusal> {
        match self.sid.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => Sid::parse(text.as_bytes())
                .map(Some)
                .ok_or(Refusal::SessionUnknown),
        }
    }

    /// Checks of a request without sid, before the application is asked. `upgrade` says whether it is
    /// a WebSocket upgrade.
    ///
    /// # Errors
    /// [`Refusal::BadMethod`] and [`Refusal::BadRequest`], in this order.
    pub fn check_new(&self, transport: Transport, get: bool, upgrade: bool) -> Result<(), Refusal> {
        if !get {
            return Err(Refusal::BadMethod);
        }
        if (transport == Transport::WebSocket) != upgrade {
            return Err(Refusal::BadRequest);
        }
        Ok(())
    }

    /// The last check of a request without sid, after the application has agreed.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedVersion`].
    pub const fn check_version(&self) -> Result<(), Refusal> {
        if self.version_4 {
            Ok(())
        } else {
            Err(Refusal::UnsupportedVersion)
        }
    }

    /// Whether the request names Engine.IO 4. Known sessions are all of version 4, and a WebSocket
    /// that upgrades one must say so too.
    #[must_use]
    pub const fn is_version_4(&self) -> bool {
        self.version_4
    }

    /// Whether what is binary is to be sent as text over a WebSocket too (`b64=1`).
    #[must_use]
    pub const fn is_text_only(&self) -> bool {
        self.text_only
    }
}

/// The OPEN packet, `0{…}`: exactly the keys that the official test suite knows.
#[must_use]
pub fn open_packet(sid: &Sid, transport: Transport, config: &Config) -> String {
    let text = sid.text();
    let sid = core::str::from_utf8(&text).expect("base64 is ASCII");
    let upgrade = transport == Transport::Polling && config.allow_upgrades && config.websocket;
    let upgrades = if upgrade { r#"["websocket"]"# } else { "[]" };
    let mut packet = String::with_capacity(128);
    write!(
        packet,
        r#"0{{"sid":"{sid}","upgrades":{upgrades},"pingInterval":{},"pingTimeout":{},"maxPayload":{}}}"#,
        config.ping_interval.as_millis(),
        config.ping_timeout.as_millis(),
        config.limits.payload_bytes,
    )
    .expect("writing to a string");
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ShardId;

    #[test]
    fn the_last_duplicate_counts_and_escapes_are_read() {
        let request = Request::parse("EIO=3&transport=x&EIO=4&t=abc&transport=poll%69ng");
        assert_eq!(
            request.check(&Config::default(), None),
            Ok(Transport::Polling)
        );
        assert!(request.is_version_4());
        assert!(!request.is_text_only());
        assert!(Request::parse("b64=1&x=2").is_text_only());
        assert!(!Request::parse("b64=1&b64=").is_text_only());
        assert_eq!(unescape("a%zz+%41%"), "a%zz A%");
    }

    #[test]
    fn refuses_in_the_official_order() {
        let config = Config::default();
        let check = |query: &str, origin: &[u8], get, upgrade| {
            let request = Request::parse(query);
            let transport = request.check(&config, Some(origin))?;
            if request.sid()?.is_some() {
                return Ok(());
            }
            request.check_new(transport, get, upgrade)?;
            request.check_version()
        };
        let ok = b"http://a";
        assert_eq!(
            check("transport=constructor", b"\x01", false, true),
            Err(Refusal::TransportUnknown)
        );
        assert_eq!(
            check("transport=polling", b"\x01", false, false),
            Err(Refusal::BadRequest)
        );
        assert_eq!(
            check("transport=polling&sid=x", ok, false, false),
            Err(Refusal::SessionUnknown)
        );
        assert_eq!(
            check("transport=polling", ok, false, false),
            Err(Refusal::BadMethod)
        );
        assert_eq!(
            check("transport=websocket", ok, true, false),
            Err(Refusal::BadRequest)
        );
        assert_eq!(
            check("transport=polling&EIO=3", ok, true, false),
            Err(Refusal::UnsupportedVersion)
        );
        assert_eq!(
            check("transport=polling&EIO=4&sid=", ok, true, false),
            Ok(())
        );
        assert_eq!(check("transport=websocket&EIO=4", ok, true, true), Ok(()));
    }

    #[test]
    fn the_open_packet_is_the_official_one() {
        let sid = Sid::new(ShardId(0), [0; 14]);
        assert_eq!(
            open_packet(&sid, Transport::Polling, &Config::default()),
            r#"0{"sid":"AAAAAAAAAAAAAAAAAAAA","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#
        );
        assert!(
            open_packet(&sid, Transport::WebSocket, &Config::default())
                .contains(r#""upgrades":[]"#)
        );
        assert_eq!(
            Refusal::SessionUnknown.body(),
            r#"{"code":1,"message":"Session ID unknown"}"#
        );
    }
}
