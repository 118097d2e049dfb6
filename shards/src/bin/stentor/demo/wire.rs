//! Answers: what do the idle clients write and read.
//!
//! As little of WebSocket and Socket.IO as a client needs that the demo's own server serves.

use std::{io, net::SocketAddr};

/// A mask hides nothing from a server on the same machine.
const MASK: [u8; 4] = [0x5a, 0x17, 0xc3, 0x88];

/// The request that begins a session over WebSocket.
pub(super) fn upgrade(host: SocketAddr) -> Vec<u8> {
    format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}

/// Where the response ends that grants it; `None` if it has not come as a whole.
///
/// # Errors
/// It is refused.
pub(super) fn response(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    if bytes.starts_with(b"HTTP/1.1 101 ") {
        Ok(Some(end + 4))
    } else {
        Err(io::ErrorKind::ConnectionRefused.into())
    }
}

/// A text frame of a client, of less than 126 bytes.
pub(super) fn masked(text: &[u8]) -> Vec<u8> {
    debug_assert!(text.len() < 126);
    let mut frame = vec![0x81, 0x80 | text.len() as u8];
    frame.extend_from_slice(&MASK);
    frame.extend(text.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

/// A text that has come, and how long its frame is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) text: &'a [u8],
    pub(super) length: usize,
}

/// The frame at the beginning; `None` if it has not come as a whole.
///
/// # Errors
/// It is not a whole text: the server closes, or it is another server.
pub(super) fn frame(bytes: &[u8]) -> io::Result<Option<Frame<'_>>> {
    let (head, length) = match bytes {
        [0x81, short @ 0..=125, ..] => (2, usize::from(*short)),
        [0x81, 126, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        [] | [0x81] | [0x81, 126, ..] => return Ok(None),
        _ => return Err(io::ErrorKind::ConnectionReset.into()),
    };
    let length = head + length;
    let whole = bytes.get(head..length);
    Ok(whole.map(|text| Frame { text, length }))
}

/// The number and the instant of a broadcast.
pub(super) fn wave(text: &[u8]) -> Option<(u64, u64)> {
    let args = text
        .strip_prefix(b"42/idle,[\"all\",")?
        .strip_suffix(b"]")?;
    let (number, sent) = std::str::from_utf8(args).ok()?.split_once(',')?;
    Some((number.parse().ok()?, sent.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_when_they_are_whole() {
        let long = [&[0x81, 126, 1, 0][..], &[b'x'; 256]].concat();
        for (bytes, text, length) in [
            (&b"\x81\x012\x81"[..], &b"2"[..], 3),
            (&long, &[b'x'; 256], 260),
        ] {
            assert_eq!(frame(bytes).unwrap(), Some(Frame { text, length }));
            for cut in 0..length {
                assert_eq!(frame(&bytes[..cut]).unwrap(), None, "{cut}");
            }
        }
        assert!(frame(b"\x88\x02\x03\xe8").is_err());
        assert_eq!(
            masked(b"3"),
            [0x81, 0x81, 0x5a, 0x17, 0xc3, 0x88, b'3' ^ 0x5a]
        );
    }

    #[test]
    fn responses_and_broadcasts_are_read() {
        assert_eq!(
            response(b"HTTP/1.1 101 Switching Protocols\r\n").unwrap(),
            None
        );
        assert_eq!(response(b"HTTP/1.1 101 X\r\n\r\n\x81").unwrap(), Some(18));
        assert!(response(b"HTTP/1.1 503 X\r\n\r\n").is_err());
        assert_eq!(wave(b"42/idle,[\"all\",7,123]"), Some((7, 123)));
        assert_eq!(wave(b"42/idle,[\"all\",7]"), None);
    }
}
