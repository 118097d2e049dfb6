//! Answers: which messages has a WebSocket client completed, and which rule of RFC 6455 has it broken.
//!
//! Bytes in, whole messages out, and nothing kept between messages. Sans-IO: it must
//! not know sockets, sessions, the Engine.IO protocol, or time. It never writes; a pong or a close is
//! the caller's decision, for which `write` has the encoders.
//!
//! `fastwebsockets` lends `unmask`, `OpCode` and `CloseCode`. Its reader is not used: it reserves
//! 8 KiB a connection and the claimed length of a frame, is not cancel-safe, and accepts unmasked
//! frames, long control frames, interrupted messages and messages over the limit in pieces.
//!
//! ```text
//!   recv ──► shard's buffer ──► feed ──► whole frame: unmasked in place, borrowed ──► on(message)
//!                                  └───► anything else: Partial (boxed) ──► complete ──► on(message)
//! ```

mod error;
mod parser;
mod partial;
mod write;

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use fastwebsockets::{CloseCode, OpCode, unmask};

pub use self::error::FrameError;
pub use self::write::{close_frame, pong_frame};

use self::parser::At;
use self::partial::{Partial, Resumed};

/// Reads one connection's frames. One pointer, and no memory behind it, while no message is under way.
#[derive(Debug, Default)]
pub struct Reader {
    /// What could not be delivered yet. `None` between messages.
    partial: Option<Box<Partial>>,
}

/// How much one message may be.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Payload bytes of one message, all fragments together, inclusive.
    pub message_bytes: usize,
    /// Frames of one message, empty ones included, besides one for each [`FRAGMENT_BYTES`] of payload.
    /// An unfragmented message is always allowed.
    pub fragments: usize,
}

/// Payload that pays for a fragment: pieces of this size are somebody's buffer, smaller ones cost more
/// than they bring. The tests of Autobahn cut 4 MiB into pieces of 64 bytes.
const FRAGMENT_BYTES: usize = 64;

impl ReadLimits {
    /// Frames that a message may have of which so many bytes have come.
    fn fragments_with(self, held: usize) -> usize {
        self.fragments.saturating_add(held / FRAGMENT_BYTES)
    }
}

/// One complete message or control frame, unmasked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Incoming<'a> {
    /// A text message, known to be UTF-8.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping; the answer is a pong with the same payload.
    Ping(&'a [u8]),
    /// A pong, asked for or not.
    Pong(&'a [u8]),
    /// A close, with its code and reason if it had any. The caller should break: RFC 6455 gives no
    /// meaning to what follows.
    Close(Option<(u16, &'a str)>),
}

impl Reader {
    /// Feeds what one `recv` brought. Calls `on` for each complete message, in order: borrowed from
    /// `data`, unmasked in place, where it lies whole and unfragmented in it, and from memory kept
    /// aside otherwise. When `on` breaks the rest is dropped, with all that was kept.
    ///
    /// # Errors
    ///
    /// The rule that the peer broke. Messages before it were delivered; nothing is kept, and the
    /// connection must be closed with [`FrameError::code`], since the stream cannot be followed further.
    #[inline]
    pub fn feed(
        &mut self,
        data: &mut [u8],
        limits: ReadLimits,
        mut on: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(), FrameError> {
        let mut rest = data;
        // Taken out rather than borrowed: an error or a break then drops it by itself.
        let mut kept = self.partial.take();
        while kept.is_some() || !rest.is_empty() {
            if kept.is_none()
                && let Some(head) = parser::parse(rest, At::start(limits))?
                && head.fin
                && head.payload <= rest.len() - head.size
            {
                let (frame, after) = rest.split_at_mut(head.size + head.payload);
                let payload = &mut frame[head.size..];
                unmask(payload, head.mask);
                if on(incoming(head.opcode, payload)?).is_break() {
                    return Ok(());
                }
                rest = after;
                continue;
            }
            match kept
                .take()
                .unwrap_or_default()
                .resume(rest, limits, &mut on)?
            {
                Resumed::Idle(after) => rest = after,
                Resumed::Waiting(partial) => {
                    self.partial = Some(partial);
                    return Ok(());
                }
                Resumed::Stopped => return Ok(()),
            }
        }
        Ok(())
    }

    /// Whether nothing is kept aside: the next byte starts a message.
    #[cfg(test)]
    fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Memory kept aside for a message under way, allocated bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.partial.as_deref().map_or(0, Partial::held_bytes)
    }
}

/// The meaning of a whole, unmasked payload.
#[inline]
fn incoming(opcode: OpCode, payload: &[u8]) -> Result<Incoming<'_>, FrameError> {
    Ok(match opcode {
        OpCode::Text => Incoming::Text(text(payload)?),
        OpCode::Binary => Incoming::Binary(payload),
        OpCode::Ping => Incoming::Ping(payload),
        OpCode::Pong => Incoming::Pong(payload),
        OpCode::Close => Incoming::Close(close(payload)?),
        // The parser lets it through only inside a message, which is not read here.
        OpCode::Continuation => return Err(FrameError::UnexpectedContinuation),
    })
}

/// Up to so many bytes the standard library's check is the faster one: nearly all short messages
/// are ASCII, which it reads two words at a time, and simdutf8 copies what is not 64 bytes long.
const SHORT_TEXT: usize = 256;

#[inline]
fn text(payload: &[u8]) -> Result<&str, FrameError> {
    if payload.len() <= SHORT_TEXT {
        return std::str::from_utf8(payload).map_err(|_| FrameError::TextNotUtf8);
    }
    simdutf8::basic::from_utf8(payload).map_err(|_| FrameError::TextNotUtf8)
}

/// RFC 6455 5.5.1 and 7.4: nothing, or a code that may be sent and a UTF-8 reason.
fn close(payload: &[u8]) -> Result<Option<(u16, &str)>, FrameError> {
    /// Registered at IANA after RFC 6455 (bad gateway), sent by proxies, unknown to `CloseCode`.
    const BAD_GATEWAY: u16 = 1014;
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() {
            Ok(None)
        } else {
            Err(FrameError::ShortClose)
        };
    };
    let code = u16::from_be_bytes(*code);
    if code != BAD_GATEWAY && !CloseCode::from(code).is_allowed() {
        return Err(FrameError::CloseCode);
    }
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| FrameError::ReasonNotUtf8)?;
    Ok(Some((code, reason)))
}
