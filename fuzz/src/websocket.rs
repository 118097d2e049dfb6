//! Answers: does a stream of WebSocket frames mean the same in whatever pieces it comes.

use core::ops::ControlFlow;

use stentor::net::ws::{Incoming, ReadLimits, Reader};

use crate::input::Input;

const LIMITS: ReadLimits = ReadLimits {
    message_bytes: 1_000,
    fragments: 8,
};

/// Reads a stream at once and in pieces.
///
/// # Panics
/// If it makes a difference, or if more is kept than a message may have.
pub fn websocket(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let sizes = [input.byte(), input.byte(), input.byte()].map(|size| usize::from(size) + 1);
    let stream = input.rest();
    let whole = read(stream, &[stream.len().max(1)]);
    let pieces = read(stream, &sizes);
    assert_eq!(whole, pieces);
}

/// What was said, and whether the stream was refused.
fn read(stream: &[u8], sizes: &[usize]) -> (Vec<String>, bool) {
    let mut reader = Reader::default();
    let mut said = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*size));
        rest = after;
        let mut piece = piece.to_vec();
        let mut over = false;
        let fed = reader.feed(&mut piece, LIMITS, |message| {
            said.push(format!("{message:?}"));
            over = matches!(message, Incoming::Close(_));
            if over {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        // A frame's head and a character cut in two come on top.
        assert!(reader.held_bytes() <= 4 * LIMITS.message_bytes);
        if fed.is_err() || over {
            return (said, fed.is_err());
        }
    }
    (said, false)
}
