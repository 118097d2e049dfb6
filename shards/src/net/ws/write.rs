//! Answers: what do the few frames look like that the network layer itself sends.
//!
//! A server's frames are unmasked and never fragmented. Must not know who sends them or when.

use fastwebsockets::OpCode;

const FIN: u8 = 0x80;
/// RFC 6455 5.5: what a control frame may carry.
const MAX_CONTROL_PAYLOAD: usize = 125;

/// A close frame, and how many of the bytes it takes. Without a code the reason is not sent, since it
/// has no place. A long reason is cut before the character that would pass 125 bytes of payload.
#[must_use]
pub fn close_frame(code: Option<u16>, reason: &str) -> ([u8; 127], usize) {
    let mut frame = [0; 2 + MAX_CONTROL_PAYLOAD];
    frame[0] = FIN | OpCode::Close as u8;
    let Some(code) = code else { return (frame, 2) };
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL_PAYLOAD - 2)];
    let end = 4 + reason.len();
    frame[1] = (end - 2) as u8; // at most 125
    frame[2..4].copy_from_slice(&code.to_be_bytes());
    frame[4..end].copy_from_slice(reason.as_bytes());
    (frame, end)
}

/// Appends the pong that answers a ping with this payload, which the reader has found to be at most 125
/// bytes; any more is cut.
pub fn pong_frame(payload: &[u8], out: &mut Vec<u8>) {
    let payload = &payload[..payload.len().min(MAX_CONTROL_PAYLOAD)];
    out.reserve(2 + payload.len());
    out.extend_from_slice(&[FIN | OpCode::Pong as u8, payload.len() as u8]);
    out.extend_from_slice(payload);
}
