//! Answers: what does a frame's header say, and which rules does it break, before any payload has arrived.
//!
//! Must not know where the bytes are kept. Own code because `fastwebsockets` has its header parser
//! inside its reader, and misses half of these checks.

use fastwebsockets::OpCode;

use super::{FrameError, ReadLimits};

/// The longest control frame from a client: 2 bytes, the mask, 125 bytes of payload.
pub(super) const LONGEST_CONTROL: usize = 2 + 4 + MAX_CONTROL_PAYLOAD as usize;

const MAX_CONTROL_PAYLOAD: u8 = 125;
const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
/// Set in the opcodes of control frames.
const CONTROL: u8 = 0x08;
const MASKED: u8 = 0x80;

/// A complete header that broke no rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) opcode: OpCode,
    pub(super) fin: bool,
    pub(super) mask: [u8; 4],
    /// Bytes of the header itself.
    pub(super) size: usize,
    /// Bytes of payload. Within the limits, so it fits.
    pub(super) payload: usize,
}

impl Head {
    pub(super) fn is_control(&self) -> bool {
        self.opcode as u8 & CONTROL != 0
    }
}

/// Where in a message the header stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Frames of the message so far; none: the header starts a message.
    pub(super) fragments: usize,
    /// Payload of the message so far.
    pub(super) held: usize,
    pub(super) limits: ReadLimits,
}

impl At {
    /// Between messages.
    #[inline]
    pub(super) fn start(limits: ReadLimits) -> Self {
        Self {
            fragments: 0,
            held: 0,
            limits,
        }
    }
}

/// Reads the header at the start of `data`; `None` if it is not all there. A rule is checked as soon as
/// the byte that breaks it is there.
#[expect(
    clippy::inline_always,
    reason = "the header stays in registers: returned in memory it is put together from bytes"
)]
#[inline(always)]
pub(super) fn parse(data: &[u8], at: At) -> Result<Option<Head>, FrameError> {
    let Some(&first) = data.first() else {
        return Ok(None);
    };
    if first & RESERVED != 0 {
        return Err(FrameError::ReservedBit);
    }
    let opcode = OpCode::try_from(first & OPCODE).map_err(|_| FrameError::ReservedOpcode)?;
    let fin = first & FIN != 0;
    let control = first & CONTROL != 0;
    if control {
        if !fin {
            return Err(FrameError::FragmentedControl);
        }
    } else {
        check_sequence(opcode, at)?;
    }

    let Some(&second) = data.get(1) else {
        return Ok(None);
    };
    if second & MASKED == 0 {
        return Err(FrameError::Unmasked);
    }
    let short = second & !MASKED;
    if control && short > MAX_CONTROL_PAYLOAD {
        return Err(FrameError::LongControl);
    }
    let Some((length, length_bytes)) = length(short, &data[2..])? else {
        return Ok(None);
    };
    // No overflow: the length has 63 bits, and what is held is memory.
    if !control && at.held as u64 + length > at.limits.message_bytes as u64 {
        return Err(FrameError::TooBig);
    }

    let Some(&mask) = data[2 + length_bytes..].first_chunk() else {
        return Ok(None);
    };
    let size = 2 + length_bytes + mask.len();
    Ok(Some(Head {
        opcode,
        fin,
        mask,
        size,
        payload: length as usize,
    }))
}

/// Whether a data frame with this opcode may come now, RFC 6455 5.4.
#[inline]
fn check_sequence(opcode: OpCode, at: At) -> Result<(), FrameError> {
    match (at.fragments, opcode) {
        (0, OpCode::Continuation) => Err(FrameError::UnexpectedContinuation),
        (0, _) => Ok(()),
        (so_far, OpCode::Continuation) if so_far >= at.limits.fragments_with(at.held) => {
            Err(FrameError::TooManyFragments)
        }
        (_, OpCode::Continuation) => Ok(()),
        _ => Err(FrameError::InterruptedMessage),
    }
}

/// The payload length, and how many bytes beyond the first two it took.
#[inline]
fn length(short: u8, after: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    let (length, bytes, shortest) = match short {
        126 => match after.first_chunk() {
            Some(&bytes) => (u64::from(u16::from_be_bytes(bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match after.first_chunk() {
            Some(&bytes) => (u64::from_be_bytes(bytes), 8, 1 << 16),
            None => return Ok(None),
        },
        short => return Ok(Some((u64::from(short), 0))),
    };
    if length >> 63 != 0 {
        return Err(FrameError::LengthTopBit);
    }
    if length < shortest {
        return Err(FrameError::LongLength);
    }
    Ok(Some((length, bytes)))
}
