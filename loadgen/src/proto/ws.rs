//! Answers: which bytes are one WebSocket frame.
//!
//! From the client's side (RFC 6455). Must not know what the frames carry.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Frame kinds in use.
pub mod opcode {
    /// Goes on with the message begun before.
    pub const CONTINUATION: u8 = 0;
    /// UTF-8 text.
    pub const TEXT: u8 = 1;
    /// Bytes.
    pub const BINARY: u8 = 2;
    /// The end of the connection.
    pub const CLOSE: u8 = 8;
    /// To be answered with a pong.
    pub const PING: u8 = 9;
    /// The answer to a ping.
    pub const PONG: u8 = 10;
}

/// A server frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Last frame of its message.
    pub fin: bool,
    /// One of [`opcode`].
    pub opcode: u8,
    /// Bytes of the header itself.
    pub header_len: usize,
    /// Bytes that follow it.
    pub payload_len: usize,
    /// The server masked, or set a reserved bit although no extension was agreed.
    pub illegal: bool,
}

/// Reads a header; `None` while bytes are missing.
#[must_use]
pub fn header(data: &[u8]) -> Option<Header> {
    let (&first, &second) = (data.first()?, data.get(1)?);
    let (header_len, payload_len) = match second & 0x7f {
        126 => (
            4,
            usize::from(u16::from_be_bytes(data.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(data.get(2..10)?.try_into().ok()?) as usize,
        ),
        short => (2, usize::from(short)),
    };
    Some(Header {
        fin: first & 0x80 != 0,
        opcode: first & 0x0f,
        header_len,
        payload_len,
        illegal: first & 0x70 != 0 || second & 0x80 != 0,
    })
}

/// Begins a client frame in `out` whose payload is appended by the caller and sealed by
/// [`finish`]. The ten spare bytes of the longest header are reserved and closed up there.
#[must_use]
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 14]);
    start
}

/// Seals the frame begun at `start`: writes its header, moves it against the payload, masks.
pub fn finish(out: &mut Vec<u8>, start: usize, opcode: u8, mask: [u8; 4]) {
    let body = start + 14;
    let len = out.len() - body;
    let mut head = [0u8; 14];
    head[0] = 0x80 | opcode;
    let used = match len {
        0..126 => {
            head[1] = 0x80 | len as u8;
            2
        }
        126..65_536 => {
            head[1] = 0x80 | 0x7e;
            head[2..4].copy_from_slice(&(len as u16).to_be_bytes());
            4
        }
        _ => {
            head[1] = 0x80 | 0x7f;
            head[2..10].copy_from_slice(&(len as u64).to_be_bytes());
            10
        }
    };
    head[used..used + 4].copy_from_slice(&mask);
    apply_mask(&mut out[body..], mask);
    let header_len = used + 4;
    out[start..start + header_len].copy_from_slice(&head[..header_len]);
    out.copy_within(body.., start + header_len);
    out.truncate(start + header_len + len);
}

fn apply_mask(data: &mut [u8], mask: [u8; 4]) {
    let word = u32::from_ne_bytes(mask);
    let wide = (u64::from(word) << 32) | u64::from(word);
    let mut chunks = data.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ wide).to_ne_bytes());
        }
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// The key a client offers and the answer it must be given.
#[derive(Clone, Debug)]
pub struct Key {
    /// `Sec-WebSocket-Key`.
    pub offered: String,
    /// `Sec-WebSocket-Accept` that proves the server read it.
    pub accept: String,
}

impl Key {
    /// Makes a key of 16 bytes; one per thread is enough, no secret hangs on it.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        let offered = BASE64_STANDARD.encode(bytes);
        let joined = format!("{offered}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = BASE64_STANDARD.encode(sha1_smol::Sha1::from(joined).digest().bytes());
        Self { offered, accept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_key_of_the_rfc() {
        let key = Key::new(*b"the sample nonce");
        assert_eq!(key.offered, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(key.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_of_every_length_class_unmask_to_what_went_in() {
        for len in [0usize, 1, 7, 8, 125, 126, 65_535, 65_536] {
            let body: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut out = b"before".to_vec();
            let start = begin(&mut out);
            out.extend_from_slice(&body);
            finish(&mut out, start, opcode::BINARY, [9, 8, 7, 6]);
            let frame = &out[6..];
            let head = header(frame).unwrap();
            assert!(
                head.illegal,
                "a client frame is masked, which a server's must not be"
            );
            assert_eq!(
                (head.fin, head.opcode, head.payload_len),
                (true, opcode::BINARY, len)
            );
            let mut data = frame[head.header_len + 4..].to_vec();
            apply_mask(&mut data, [9, 8, 7, 6]);
            assert_eq!(data, body);
        }
    }

    #[test]
    fn short_input_asks_for_more() {
        assert_eq!(header(&[0x81]), None);
        assert_eq!(header(&[0x81, 126, 1]), None);
        assert_eq!(header(&[0x81, 127, 0, 0, 0]), None);
    }
}
