//! Answers: how several packets share one polling body (PROTOCOL.md 2.3).
//!
//! Packets are separated by the record separator 0x1E; a binary message is `b` and base64.

use alloc::vec::Vec;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use crate::{error::PeerError, frame::Kind};

const SEPARATOR: u8 = 0x1e;

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
        Kind::Binary => {
            body.push(b'b');
            let start = body.len();
            let encoded = base64::encoded_len(payload.len(), true).expect("payload below 2^60");
            body.resize(start + encoded, 0);
            STANDARD
                .encode_slice(payload, &mut body[start..])
                .expect("the length was computed for it");
        }
    }
}

/// Reads the base64 of a `b` packet. Padding is optional and both alphabets are understood,
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
    fn base64_is_read_as_the_official_server_does() {
        for text in ["AQIDBA==", "AQIDBA"] {
            assert_eq!(binary(text), Ok(vec![1, 2, 3, 4]));
        }
        assert_eq!(binary("-_8="), binary("+/8="));
        assert_eq!(binary(""), Ok(vec![]));
        assert_eq!(binary("A*"), Err(PeerError::Base64));
    }
}
