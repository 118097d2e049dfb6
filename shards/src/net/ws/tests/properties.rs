//! What holds for any stream in any split, and what tungstenite makes of the same bytes.

use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};

use super::super::{ReadLimits, Reader};
use super::{Got, LIMITS, frame, read};

/// The bytes of one message with what it means, cut into fragments with control frames between.
fn message() -> impl Strategy<Value = (Vec<u8>, Vec<Got>)> {
    let data = prop_oneof![
        ".{0,80}".prop_map(|text| (0x01, text.clone().into_bytes(), Got::Text(text))),
        vec(any::<u8>(), 0..300).prop_map(|bytes| (0x02, bytes.clone(), Got::Binary(bytes))),
    ];
    (data, vec((0..300_usize, control()), 0..4)).prop_map(|((opcode, payload, whole), cuts)| {
        let (mut bytes, mut meaning, mut first, mut rest) = (vec![], vec![], opcode, &payload[..]);
        for (at, (control, meant)) in cuts {
            let (now, later) = rest.split_at(at.min(rest.len()));
            bytes.extend(frame(first, now));
            bytes.extend(control);
            meaning.push(meant);
            (first, rest) = (0x00, later);
        }
        bytes.extend(frame(0x80 | first, rest));
        meaning.push(whole);
        (bytes, meaning)
    })
}

fn control() -> impl Strategy<Value = (Vec<u8>, Got)> {
    (any::<bool>(), vec(any::<u8>(), 0..=125)).prop_map(|(is_ping, payload)| {
        let first = if is_ping { 0x89 } else { 0x8a };
        let meant = if is_ping { Got::Ping } else { Got::Pong };
        (frame(first, &payload), meant(payload))
    })
}

/// Several messages, and control frames between them.
fn stream() -> impl Strategy<Value = (Vec<u8>, Vec<Got>)> {
    let one = prop_oneof![
        message(),
        control().prop_map(|(bytes, meant)| (bytes, vec![meant]))
    ];
    vec(one, 0..6).prop_map(|parts| {
        let (bytes, meaning): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        (bytes.concat(), meaning.concat())
    })
}

/// Cuts at the given places, taken round.
fn chunks<'b>(bytes: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let mut rest = bytes;
    let mut out = Vec::new();
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(size.min(rest.len()));
        out.push(now);
        rest = later;
    }
    out
}

/// Gives the bytes, then would block; swallows what is written.
struct Peer(Cursor<Vec<u8>>);

impl Read for Peer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            some => Ok(some),
        }
    }
}

impl Write for Peer {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite reads, and whether it refused the stream. Stops at a close, as we do.
fn tungstenite_reads(bytes: Vec<u8>) -> (Vec<Got>, bool) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMITS.message_bytes))
        .max_frame_size(Some(LIMITS.message_bytes));
    let mut socket =
        WebSocket::from_raw_socket(Peer(Cursor::new(bytes)), Role::Server, Some(config));
    let mut got = Vec::new();
    loop {
        got.push(match socket.read() {
            Ok(Message::Text(text)) => Got::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Got::Binary(bytes.to_vec()),
            Ok(Message::Ping(bytes)) => Got::Ping(bytes.to_vec()),
            Ok(Message::Pong(bytes)) => Got::Pong(bytes.to_vec()),
            Ok(Message::Close(close)) => {
                let close =
                    close.map(|close| (close.code.into(), close.reason.as_str().to_owned()));
                got.push(Got::Close(close));
                return (got, false);
            }
            Ok(Message::Frame(_)) => unreachable!("reading never gives a raw frame"),
            Err(tungstenite::Error::Io(_)) => return (got, false),
            Err(_) => return (got, true),
        });
    }
}

/// A stream of frames of which any may break a rule that tungstenite knows too.
fn doubtful() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x89, 0x8a]),
        1 => prop::sample::select(vec![0x08, 0x09, 0x83, 0x8b, 0xc1, 0xa2, 0x90]),
    ];
    let payload = prop_oneof![
        4 => ".{0,60}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..30),
        1 => (100..1_100_usize).prop_map(|len| vec![b'x'; len]),
    ];
    let one =
        (first, payload, prop::bool::weighted(0.05)).prop_map(|(first, payload, unmasked)| {
            let mut bytes = frame(first, &payload);
            if unmasked {
                bytes[1] &= 0x7f;
            }
            bytes
        });
    vec(one, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_messages((bytes, meaning) in stream(), sizes in vec(1..200_usize, 1..8)) {
        let mut reader = Reader::default();
        let (got, result) = read(&mut reader, chunks(&bytes, &sizes), LIMITS);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(got, meaning);
        prop_assert!(reader.is_idle());
    }

    #[test]
    fn memory_stays_within_the_limit((bytes, _) in stream(), sizes in vec(1..60_usize, 1..8)) {
        let mut reader = Reader::default();
        for chunk in chunks(&bytes, &sizes) {
            let fed = reader.feed(&mut chunk.to_vec(), LIMITS, |_| ControlFlow::Continue(()));
            prop_assert_eq!(fed, Ok(()));
            prop_assert!(reader.held_bytes() <= LIMITS.message_bytes + 300);
            prop_assert_eq!(reader.held_bytes() == 0, reader.is_idle());
        }
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..400),
        sizes in vec(1..50_usize, 1..5),
        message_bytes in prop_oneof![0..500_usize, Just(usize::MAX)],
        fragments in 0..4_usize,
    ) {
        let limits = ReadLimits { message_bytes, fragments };
        let mut reader = Reader::default();
        let in_pieces = read(&mut reader, chunks(&bytes, &sizes), limits);
        prop_assert!(reader.held_bytes() <= bytes.len() * 2 + 300);
        prop_assert!(in_pieces.1.is_ok() || reader.is_idle());
        // A piece may be refused, for its text, before the frame is whole; messages before it are the same.
        let whole = read(&mut Reader::default(), [&bytes[..]], limits);
        prop_assert_eq!(in_pieces, whole);
    }

    #[test]
    fn tungstenite_agrees(bytes in doubtful()) {
        let limits = ReadLimits { fragments: usize::MAX, ..LIMITS };
        let (got, result) = read(&mut Reader::default(), [&bytes[..]], limits);
        let (expected, refused) = tungstenite_reads(bytes);
        prop_assert_eq!(got, expected);
        prop_assert_eq!(result.is_err(), refused, "{:?}", result);
    }

    #[test]
    fn tungstenite_agrees_on_closes(payload in vec(any::<u8>(), 2..20), code in 1000..1020_u16) {
        let mut payload = payload;
        payload[..2].copy_from_slice(&code.to_be_bytes());
        let bytes = frame(0x88, &payload);
        let (got, result) = read(&mut Reader::default(), [&bytes[..]], LIMITS);
        let (expected, refused) = tungstenite_reads(bytes);
        // It tells the application of a code that must not be sent, where we refuse it; 1014 is one to it.
        if code != 1014 && result != Err(super::FrameError::CloseCode) {
            prop_assert_eq!(got, expected);
            prop_assert_eq!(result.is_err(), refused);
        }
    }
}
