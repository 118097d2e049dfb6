//! Answers: what does this Socket.IO packet ask for (features 2.8).
//!
//! The header is read by slicing; the payload is scanned by [`super::json`], never parsed here.

use alloc::borrow::Cow;
use core::ops::Range;

use super::json;
use crate::{
    error::PeerError,
    limits::{ACK_DIGITS_MAX, NAME_BYTES_MAX},
};

/// Event names that are the application's own events on a socket and never come from a peer.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Whether an event of this name may not be sent, by either side.
#[must_use]
pub fn is_reserved(event: &str) -> bool {
    RESERVED.contains(&event)
}

/// What a packet is, with the parts of its text that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// `0`: join a namespace, with an optional object of credentials.
    Connect {
        /// The object, if there is one.
        auth: Option<Range<usize>>,
    },
    /// `1`: leave a namespace.
    Disconnect,
    /// `2` and `5`.
    Event {
        /// Between its quotes, escapes unread; or the digits of a number.
        name: Range<usize>,
        /// The arguments and the commas between them.
        args: Range<usize>,
    },
    /// `3` and `6`.
    Ack {
        /// The arguments and the commas between them.
        args: Range<usize>,
    },
    /// `4`: only servers send it.
    ConnectError,
}

/// One packet's header, with ranges into the text it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it asks for.
    pub body: Body,
    /// Binary messages that follow.
    pub attachments: usize,
    /// The namespace's name; empty means `/`.
    pub namespace: Range<usize>,
    /// The acknowledgement id.
    pub id: Option<u64>,
}

impl Packet {
    /// The namespace's name.
    #[must_use]
    pub fn namespace<'a>(&self, text: &'a str) -> &'a str {
        if self.namespace.is_empty() {
            "/"
        } else {
            &text[self.namespace.clone()]
        }
    }
}

/// The name of an event, escapes read.
#[must_use]
pub fn event_name<'a>(text: &'a str, name: &Range<usize>) -> Cow<'a, str> {
    json::unescape(&text[name.clone()])
}

/// Reads one packet.
///
/// # Errors
/// The [`PeerError`] of the first rule it breaks, in the order of features 2.8.2.
pub fn decode(text: &str, attachments_max: usize) -> Result<Packet, PeerError> {
    let bytes = text.as_bytes();
    let kind = match bytes.first() {
        Some(kind @ b'0'..=b'6') => *kind,
        _ => return Err(PeerError::PacketType),
    };
    let mut at = 1;
    let mut attachments = 0;
    if matches!(kind, b'5' | b'6') {
        let digits = digits(&bytes[at..]);
        if bytes.get(at + digits) != Some(&b'-') {
            return Err(PeerError::Attachments);
        }
        // No digits, zero or more than fit: the count of a binary packet is at least one.
        attachments = text[at..at + digits]
            .parse()
            .map_err(|_| PeerError::Attachments)?;
        match attachments {
            0 => return Err(PeerError::Attachments),
            n if n > attachments_max => return Err(PeerError::TooManyAttachments),
            _ => at += digits + 1,
        }
    }
    let namespace = namespace(bytes, at)?;
    if !namespace.is_empty() {
        at = (namespace.end + 1).min(bytes.len()); // the comma, if there is one
    }
    let digits = digits(&bytes[at..]);
    let id = match digits {
        0 => None,
        n if n > ACK_DIGITS_MAX => return Err(PeerError::AckId),
        n => Some(text[at..at + n].parse().map_err(|_| PeerError::AckId)?),
    };
    at += digits;
    let body = body(kind, text, at)?;
    Ok(Packet {
        body,
        attachments,
        namespace,
        id,
    })
}

#[inline]
fn digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

#[inline]
fn namespace(bytes: &[u8], at: usize) -> Result<Range<usize>, PeerError> {
    if bytes.get(at) != Some(&b'/') {
        return Ok(at..at);
    }
    let len = memchr::memchr(b',', &bytes[at..]).unwrap_or(bytes.len() - at);
    if len > NAME_BYTES_MAX {
        return Err(PeerError::NamespaceName);
    }
    Ok(at..at + len)
}

#[inline]
fn body(kind: u8, text: &str, at: usize) -> Result<Body, PeerError> {
    let payload = &text[at..];
    let shift = |range: Range<usize>| at + range.start..at + range.end;
    match kind {
        b'2' | b'5' => {
            let parts = json::event(payload)?;
            let (name, args) = (shift(parts.name), shift(parts.args));
            let numeric = !text[..name.start].ends_with('"');
            if !numeric && is_reserved(&event_name(text, &name)) {
                return Err(PeerError::Payload);
            }
            Ok(Body::Event { name, args })
        }
        b'3' | b'6' => Ok(Body::Ack {
            args: shift(json::array(payload)?),
        }),
        b'0' if payload.is_empty() => Ok(Body::Connect { auth: None }),
        b'0' => {
            if json::first_byte(payload) != Some(b'{') {
                return Err(PeerError::Payload);
            }
            json::check(payload)?;
            Ok(Body::Connect {
                auth: Some(at..text.len()),
            })
        }
        b'1' if payload.is_empty() => Ok(Body::Disconnect),
        b'4' => Ok(Body::ConnectError),
        _ => Err(PeerError::Payload),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Result<(&str, Option<u64>, usize, &str), PeerError> {
        let packet = decode(text, 10)?;
        let rest = match &packet.body {
            Body::Event { args, .. } | Body::Ack { args } => &text[args.clone()],
            Body::Connect { auth: Some(auth) } => &text[auth.clone()],
            Body::Connect { auth: None } | Body::Disconnect | Body::ConnectError => "",
        };
        Ok((packet.namespace(text), packet.id, packet.attachments, rest))
    }

    #[test]
    fn reads_the_examples_of_the_specification() {
        assert_eq!(parts("0"), Ok(("/", None, 0, "")));
        assert_eq!(parts("0/admin,"), Ok(("/admin", None, 0, "")));
        assert_eq!(parts("0/admin"), Ok(("/admin", None, 0, "")));
        assert_eq!(
            parts(r#"0/admin,{"a":1}"#),
            Ok(("/admin", None, 0, r#"{"a":1}"#))
        );
        assert_eq!(
            parts(r#"2/admin,13["ev",1,"x"]"#),
            Ok(("/admin", Some(13), 0, r#"1,"x""#))
        );
        assert_eq!(parts("313[]"), Ok(("/", Some(13), 0, "")));
        assert_eq!(parts("1/admin,"), Ok(("/admin", None, 0, "")));
        let binary = r#"51-["a",{"_placeholder":true,"num":0}]"#;
        assert_eq!(parts(binary).map(|p| p.2), Ok(1));
        let text = r#"2["\u0061b"]"#;
        let Body::Event { name, .. } = decode(text, 0).unwrap().body else {
            panic!()
        };
        assert_eq!(event_name(text, &name), "ab");
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, error) in [
            ("", PeerError::PacketType),
            ("7", PeerError::PacketType),
            ("abc", PeerError::PacketType),
            ("5[\"a\"]", PeerError::Attachments),
            ("5-[\"a\"]", PeerError::Attachments),
            ("50-[\"a\"]", PeerError::Attachments),
            ("51.5-[\"a\"]", PeerError::Attachments),
            ("51e1-[\"a\"]", PeerError::Attachments),
            ("511-[\"a\"]", PeerError::TooManyAttachments),
            ("5999999999999999999999999-[\"a\"]", PeerError::Attachments),
            ("2", PeerError::Payload),
            ("2{}", PeerError::Payload),
            ("2[]", PeerError::Payload),
            ("2[{\"toString\":\"foo\"}]", PeerError::Payload),
            ("2[\"disconnecting\"]", PeerError::Payload),
            ("2[\"conn\\u0065ct\"]", PeerError::Payload),
            ("2[\"a\"]trailing", PeerError::Payload),
            ("2 1[\"a\"]", PeerError::Payload),
            ("2123456789012345678901[\"a\"]", PeerError::AckId),
            ("299999999999999999999[\"a\"]", PeerError::AckId),
            ("0[]", PeerError::Payload),
            ("0\"x\"", PeerError::Payload),
            ("0null", PeerError::Payload),
            ("0{", PeerError::Payload),
            ("1{}", PeerError::Payload),
            ("3", PeerError::Payload),
            ("30{}", PeerError::Payload),
        ] {
            assert_eq!(parts(text), Err(error), "{text}");
        }
        let long = alloc::format!("0/{}", "a".repeat(NAME_BYTES_MAX));
        assert_eq!(parts(&long), Err(PeerError::NamespaceName));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-6]?[0-9]{0,3}-?(/[a-zé]{0,3},?)?[0-9]{0,3}.{0,12}") {
            if let Ok(packet) = decode(&text, 10) {
                let _ = packet.namespace(&text);
            }
        }
    }
}
