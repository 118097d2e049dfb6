//! Answers: how several packets share one polling body, and how a binary message is text
//! (PROTOCOL.md 2.1, 2.3).
//!
//! Packets are separated by the record separator 0x1E; a binary message is `b` and base64. A peer may
//! want that form over a WebSocket too.

use alloc::vec::Vec;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use bytes::Bytes;

use crate::{
    error::PeerError,
    frame::{Frames, Kind, is_packet, write_head},
};

const SEPARATOR: u8 = 0x1e;

/// The body of the answer to a GET.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Payload {
    /// The packets. The bodies of several clients that are sent the same packets are one allocation.
    pub bytes: Bytes,
    /// Whether it is worth compressing: false if every packet of it is one that gains nothing.
    pub compress: bool,
}

impl Payload {
    /// One packet that is not worth compressing.
    #[must_use]
    pub const fn bare(packet: &'static str) -> Self {
        Self {
            bytes: Bytes::from_static(packet.as_bytes()),
            compress: false,
        }
    }

    /// Adds the session's last words behind the packets.
    pub(crate) fn add(&mut self, words: &[&str]) {
        if words.is_empty() {
            return;
        }
        let mut body = core::mem::take(&mut self.bytes).into();
        for word in words {
            push(&mut body, Kind::Text, word.as_bytes());
        }
        self.bytes = body.into();
    }
}

/// The packets of a body, in order. An empty body is one empty packet, as in the official server.
pub fn packets(body: &str) -> impl Iterator<Item = &str> {
    body.split(SEPARATOR as char)
}

/// Appends a packet to a body that is being built.
pub fn push(body: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    match kind {
        Kind::Text => body.extend_from_slice(payload),
        Kind::Binary => write_binary(body, payload),
    }
}

fn binary_len(data: &[u8]) -> usize {
    base64::encoded_len(data.len(), true).expect("payload below 2^60")
}

fn write_binary(out: &mut Vec<u8>, data: &[u8]) {
    out.push(b'b');
    let start = out.len();
    out.resize(start + binary_len(data), 0);
    STANDARD
        .encode_slice(data, &mut out[start..])
        .expect("the length was computed for it");
}

/// A packet's frames for a peer that takes no binary ones: each is text instead, as in a polling body.
/// `None` if they are all text, or no packet's.
#[must_use]
pub fn as_text(frames: &[u8]) -> Option<Vec<u8>> {
    let binary = |(kind, _): (Kind, &[u8])| kind == Kind::Binary;
    if !is_packet(frames) || !Frames(frames).any(binary) {
        return None;
    }
    let mut out = Vec::with_capacity(frames.len() / 3 * 4 + 16);
    for (kind, payload) in Frames(frames) {
        match kind {
            Kind::Text => {
                write_head(&mut out, kind, payload.len());
                out.extend_from_slice(payload);
            }
            Kind::Binary => {
                write_head(&mut out, Kind::Text, 1 + binary_len(payload));
                write_binary(&mut out, payload);
            }
        }
    }
    Some(out)
}

/// Reads the base64 of a `b` packet, over either transport. Padding is optional and both alphabets are understood,
/// as in the official server; anything else is an error rather than ignored.
///
/// # Errors
/// [`PeerError::Base64`].
pub fn binary(base64: &str) -> Result<Vec<u8>, PeerError> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    PLAIN
        .decode(base64)
        .or_else(|_| URL.decode(base64))
        .map_err(|_| PeerError::Base64)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn splits_and_joins() {
        assert!(packets("4a\u{1e}4b").eq(["4a", "4b"]));
        assert!(packets("").eq([""]));
        assert!(packets("4a\u{1e}").eq(["4a", ""]));
        let mut body = vec![];
        push(&mut body, Kind::Text, b"4a");
        push(&mut body, Kind::Binary, &[1, 2, 3, 4]);
        assert_eq!(body, b"4a\x1ebAQIDBA==");
    }

    #[test]
    fn binary_frames_become_text() {
        let frame = |kind, payload: &[u8]| {
            let mut out = vec![];
            write_head(&mut out, kind, payload.len());
            out.extend_from_slice(payload);
            out
        };
        let head = frame(Kind::Text, b"451-[{}]");
        let binary = frame(Kind::Binary, &[1, 2, 3, 4]);
        let text = frame(Kind::Text, b"bAQIDBA==");
        let whole = [&*head, &*binary].concat();
        assert_eq!(as_text(&whole), Some([&*head, &*text].concat()));
        assert_eq!(as_text(&binary), Some(text));
        let long = frame(Kind::Binary, &vec![7; 100_000]);
        let text = as_text(&long).unwrap();
        let payload: Vec<_> = Frames(&text).collect();
        assert_eq!(payload.len(), 1);
        assert_eq!(payload[0].1.len(), 1 + 133_336);
        // Text, a pong, and a handshake's response with the packet that follows it.
        let mut response = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        response.extend_from_slice(&head);
        for bytes in [&*head, &[0x8a, 1, 7], &*response, b""] {
            assert_eq!(as_text(bytes), None);
        }
    }

    #[test]
    fn base64_is_read_as_the_official_server_does() {
        for text in ["AQIDBA==", "AQIDBA"] {
            assert_eq!(binary(text), Ok(vec![1, 2, 3, 4]));
        }
        assert_eq!(binary("-_8="), binary("+/8="));
        assert_eq!(binary(""), Ok(vec![]));
        assert_eq!(binary("A*"), Err(PeerError::Base64));
    }
}
