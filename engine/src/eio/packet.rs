//! Answers: which Engine.IO packet is this text (PROTOCOL.md 2.1).

use crate::error::PeerError;

/// One Engine.IO packet as a peer sends it, over either transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// `0`: only servers send it; ignored from peers.
    Open,
    /// `1`: the peer closes the session.
    Close,
    /// `2` with optional data (`2probe`).
    Ping(&'a str),
    /// `3`: the answer to the server's ping.
    Pong,
    /// `4` and the message's text.
    Message(&'a str),
    /// `5`: the peer wants the transport it sends this on.
    Upgrade,
    /// `6`: nothing.
    Noop,
    /// `b` and the base64 of a binary message: [`super::payload::binary`] reads it.
    Binary(&'a str),
}

/// Reads one text packet.
///
/// # Errors
/// [`PeerError::EnginePacket`] if it is empty or begins with none of `0` to `6` and `b`.
#[inline]
pub fn decode(text: &str) -> Result<Packet<'_>, PeerError> {
    // Only after the first byte is known to be ASCII is it certain that 1 is a char boundary.
    let packet = match text.as_bytes().first() {
        Some(b'4') => Packet::Message(&text[1..]),
        Some(b'3') => Packet::Pong,
        Some(b'2') => Packet::Ping(&text[1..]),
        Some(b'0') => Packet::Open,
        Some(b'1') => Packet::Close,
        Some(b'5') => Packet::Upgrade,
        Some(b'6') => Packet::Noop,
        Some(b'b') => Packet::Binary(&text[1..]),
        _ => return Err(PeerError::EnginePacket),
    };
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_type() {
        assert_eq!(decode("4hé"), Ok(Packet::Message("hé")));
        assert_eq!(decode("2probe"), Ok(Packet::Ping("probe")));
        assert_eq!(decode("3"), Ok(Packet::Pong));
        assert_eq!(decode("0{}"), Ok(Packet::Open));
        assert_eq!(decode("1"), Ok(Packet::Close));
        assert_eq!(decode("5"), Ok(Packet::Upgrade));
        assert_eq!(decode("6"), Ok(Packet::Noop));
        assert_eq!(decode("bAQID"), Ok(Packet::Binary("AQID")));
        for text in ["", "7", "abc", "é", "\u{1e}", "B"] {
            assert_eq!(decode(text), Err(PeerError::EnginePacket), "{text:?}");
        }
    }
}
