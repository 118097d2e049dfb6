//! Answers: what does this Socket.IO packet ask for (PROTOCOL.md 2.8).
//!
//! The header is read by slicing; the payload is scanned by [`super::json`], never parsed here.

use core::ops::Range;

use super::json::{self, Name};
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

/// What a packet asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `0`: join a namespace.
    Connect,
    /// `1`: leave a namespace.
    Disconnect,
    /// `2`, or `5` with attachments.
    Event,
    /// `3`, or `6` with attachments.
    Ack,
    /// `4`: only servers send it.
    ConnectError,
}

/// One packet's parts, with ranges into the text it was read from.
///
/// All packets have the same fields, although few have all of them: a value for each kind would be
/// moved from hand to hand, and this is taken apart in registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// What it asks for.
    pub kind: Kind,
    /// Binary messages that follow.
    pub attachments: usize,
    /// The namespace's name; empty means `/`.
    pub namespace: Range<usize>,
    /// The acknowledgement id.
    pub id: Option<u64>,
    /// An event's name. Empty for other packets.
    pub name: Name,
    /// An event's or acknowledgement's arguments with the commas between them; the object of
    /// credentials of a CONNECT, if there is one.
    pub payload: Range<usize>,
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

/// Reads one packet.
///
/// # Errors
/// The [`PeerError`] of the first rule it breaks, in the order of PROTOCOL.md 2.8.2.
#[expect(
    clippy::inline_always,
    reason = "its one caller takes the packet apart: built and moved it costs 3 % of a pipelined echo"
)]
#[inline(always)]
pub fn decode(text: &str, attachments_max: usize) -> Result<Packet, PeerError> {
    let bytes = text.as_bytes();
    let (kind, binary) = match bytes.first() {
        Some(b'0') => (Kind::Connect, false),
        Some(b'1') => (Kind::Disconnect, false),
        Some(b'2') => (Kind::Event, false),
        Some(b'3') => (Kind::Ack, false),
        Some(b'4') => (Kind::ConnectError, false),
        Some(b'5') => (Kind::Event, true),
        Some(b'6') => (Kind::Ack, true),
        _ => return Err(PeerError::PacketType),
    };
    let mut at = 1;
    let mut attachments = 0;
    if binary {
        (attachments, at) = count(text, attachments_max)?;
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
    let mut name = Name::default();
    let payload = match kind {
        Kind::Event => {
            let parts = json::event(text, at)?;
            name = parts.name;
            if is_reserved(&name.read(text)) {
                return Err(PeerError::Payload);
            }
            parts.args
        }
        Kind::Ack => json::array(text, at)?,
        Kind::Connect => credentials(text, at)?,
        Kind::Disconnect if at < text.len() => return Err(PeerError::Payload),
        Kind::Disconnect => at..at,
        Kind::ConnectError => reason(text, at)?,
    };
    Ok(Packet {
        kind,
        attachments,
        namespace,
        id,
        name,
        payload,
    })
}

/// How many attachments a binary packet announces, and where its text goes on.
fn count(text: &str, attachments_max: usize) -> Result<(usize, usize), PeerError> {
    let digits = digits(&text.as_bytes()[1..]);
    if text.as_bytes().get(1 + digits) != Some(&b'-') {
        return Err(PeerError::Attachments);
    }
    // No digits, zero or more than fit: the count of a binary packet is at least one.
    match text[1..=digits].parse() {
        Err(_) | Ok(0) => Err(PeerError::Attachments),
        Ok(n) if n > attachments_max => Err(PeerError::TooManyAttachments),
        Ok(n) => Ok((n, digits + 2)),
    }
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

/// A CONNECT's payload: nothing, or an object.
fn credentials(text: &str, at: usize) -> Result<Range<usize>, PeerError> {
    let payload = &text[at..];
    if !payload.is_empty() {
        if json::first_byte(payload) != Some(b'{') {
            return Err(PeerError::Payload);
        }
        json::check(payload)?;
    }
    Ok(at..text.len())
}

/// A `CONNECT_ERROR`'s payload: nothing, an object or a string. Only servers have reasons to give; what is
/// no reason at all is closed for that.
fn reason(text: &str, at: usize) -> Result<Range<usize>, PeerError> {
    let payload = &text[at..];
    if !payload.is_empty() {
        if !matches!(json::first_byte(payload), Some(b'{' | b'"')) {
            return Err(PeerError::Payload);
        }
        json::check(payload)?;
    }
    Ok(at..text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Result<(&str, Option<u64>, usize, &str), PeerError> {
        let packet = decode(text, 10)?;
        let rest = &text[packet.payload.clone()];
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
        for reason in ["", "{}", " {\"a\":1}", "\"no\""] {
            let text = alloc::format!("4{reason}");
            assert_eq!(parts(&text), Ok(("/", None, 0, reason)));
        }
        let binary = r#"51-["a",{"_placeholder":true,"num":0}]"#;
        assert_eq!(parts(binary).map(|p| p.2), Ok(1));
        let text = r#"2["\u0061b"]"#;
        let name = decode(text, 0).unwrap().name;
        assert_eq!(name.read(text), "ab");
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
            ("2 [\"a\"]", PeerError::Payload),
            ("2\t[\"a\"]", PeerError::Payload),
            ("25 [\"a\"]", PeerError::Payload),
            ("3 []", PeerError::Payload),
            ("35\n[]", PeerError::Payload),
            ("4[1", PeerError::Payload),
            ("4x", PeerError::Payload),
            ("4[]", PeerError::Payload),
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
