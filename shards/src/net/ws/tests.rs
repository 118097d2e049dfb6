//! Tests of the reader and the encoders: each rule, then properties, then tungstenite as a second opinion.

mod properties;
mod rules;

use std::ops::ControlFlow;

use super::{FrameError, Incoming, ReadLimits, Reader};

const LIMITS: ReadLimits = ReadLimits {
    message_bytes: 1_000,
    fragments: 8,
};
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// An [`Incoming`] that owns its bytes.
#[derive(Debug, Clone, PartialEq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl From<Incoming<'_>> for Got {
    fn from(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text.to_owned()),
            Incoming::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Incoming::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Incoming::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Incoming::Close(close) => Self::Close(close.map(|(code, why)| (code, why.to_owned()))),
        }
    }
}

/// A client's frame, with the first byte as given. Masked by the RFC's own formula, not by the library.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ ..126 => out.push(0x80 | u8::try_from(len).unwrap()),
        len @ ..65_536 => {
            out.push(0x80 | 0x7e);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(0x80 | 0x7f);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

/// Feeds the chunks until one is refused.
fn read<'c>(
    reader: &mut Reader,
    chunks: impl IntoIterator<Item = &'c [u8]>,
    limits: ReadLimits,
) -> (Vec<Got>, Result<(), FrameError>) {
    let mut got = Vec::new();
    for chunk in chunks {
        let fed = reader.feed(&mut chunk.to_vec(), limits, |incoming| {
            got.push(incoming.into());
            ControlFlow::Continue(())
        });
        if fed.is_err() {
            return (got, fed);
        }
    }
    (got, Ok(()))
}

/// All at once.
fn read_whole(bytes: &[u8]) -> (Vec<Got>, Result<(), FrameError>) {
    read(&mut Reader::default(), [bytes], LIMITS)
}

/// The error of a stream, which must be the same, after the same messages, byte by byte.
fn refused(bytes: &[u8]) -> (FrameError, u16) {
    let (whole, result) = read_whole(bytes);
    let (dripped, drip_result) = read(&mut Reader::default(), bytes.chunks(1), LIMITS);
    assert_eq!((&whole, result), (&dripped, drip_result));
    let error = result.unwrap_err();
    (error, error.code())
}
