//! Answers: which words does a handshake have: transports, refusals, a query's escapes, the OPEN packet
//! (PROTOCOL.md 2.2).
//!
//! Who may begin a session is [`super::admit`]'s. It must not know about HTTP libraries.

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
    fn escapes_are_read() {
        assert_eq!(unescape("poll%69ng"), "polling");
        assert_eq!(unescape("a%zz+%41%"), "a%zz A%");
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
