//! Answers: what bytes go out, once, for every transport.
//!
//! A packet is encoded as the WebSocket frames a server sends (unmasked, no extension). That is
//! the one stored form: the polling form is read out of it (`eio::payload`), so a packet that was
//! queued while a session polled can leave over the WebSocket it upgraded to.
//! It must not know who receives the bytes.

use alloc::vec::Vec;

use bytes::Bytes;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;

/// Longest server frame header: two bytes and a 64-bit length.
pub const HEAD_MAX: usize = 10;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Opcode 1: an Engine.IO packet's text.
    Text,
    /// Opcode 2: a binary message.
    Binary,
}

/// One packet, encoded: one text frame, or one text frame and its attachments' binary frames,
/// to be sent without anything in between. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(pub Bytes);

/// Appends the header of a final, unmasked frame of `len` payload bytes.
#[inline]
pub fn write_head(out: &mut Vec<u8>, kind: Kind, len: usize) {
    let opcode = match kind {
        Kind::Text => TEXT,
        Kind::Binary => BINARY,
    };
    if len < 126 {
        out.extend_from_slice(&[opcode, len as u8]);
    } else if let Ok(len) = u16::try_from(len) {
        let [a, b] = len.to_be_bytes();
        out.extend_from_slice(&[opcode, 126, a, b]);
    } else {
        let mut head = [opcode, 127, 0, 0, 0, 0, 0, 0, 0, 0];
        head[2..].copy_from_slice(&(len as u64).to_be_bytes());
        out.extend_from_slice(&head);
    }
}

/// Whether queued bytes are a packet's frames. A pong and a handshake's response are not.
#[must_use]
pub fn is_packet(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(&(TEXT | BINARY)))
}

/// The frames in bytes that [`write_head`] and payloads made.
///
/// A frame that is cut off ends the iteration: that never happens for bytes of our own.
#[derive(Debug, Clone)]
pub struct Frames<'a>(pub &'a [u8]);

impl<'a> Iterator for Frames<'a> {
    type Item = (Kind, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[opcode, short], rest) = self.0.split_first_chunk::<2>()?;
        let kind = if opcode & 0x0f == 1 {
            Kind::Text
        } else {
            Kind::Binary
        };
        let (len, rest) = match short {
            126 => {
                let (len, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*len)), rest)
            }
            127 => {
                let (len, rest) = rest.split_first_chunk::<8>()?;
                (usize::try_from(u64::from_be_bytes(*len)).ok()?, rest)
            }
            short => (usize::from(short), rest),
        };
        let (payload, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some((kind, payload))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let mut out = Vec::new();
            for kind in [Kind::Text, Kind::Binary] {
                write_head(&mut out, kind, len);
                out.extend(vec![7; len]);
            }
            let frames: Vec<_> = Frames(&out).collect();
            assert_eq!(frames.len(), 2, "{len}");
            assert_eq!(frames[0], (Kind::Text, &vec![7; len][..]));
            assert_eq!(frames[1], (Kind::Binary, &vec![7; len][..]));
        }
    }

    #[test]
    fn heads_are_as_short_as_they_may_be() {
        let head = |kind, len| {
            let mut out = Vec::new();
            write_head(&mut out, kind, len);
            out
        };
        assert_eq!(head(Kind::Text, 125), [0x81, 125]);
        assert_eq!(head(Kind::Binary, 126), [0x82, 126, 0, 126]);
        assert_eq!(head(Kind::Text, 65_535), [0x81, 126, 255, 255]);
        let long = [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(head(Kind::Text, 65_536), long);
    }

    #[test]
    fn a_cut_frame_ends_the_iteration() {
        assert_eq!(Frames(&[0x81, 5, b'a']).count(), 0);
        assert_eq!(Frames(&[0x81]).count(), 0);
        assert_eq!(Frames(&[0x81, 127, 0, 0]).count(), 0);
    }
}
