//! Answers: what is kept of a message that has not all arrived, and how does it go on.
//!
//! Must not know how whole frames are read in place; that is `Reader::feed`. Memory grows with the data
//! that arrived, never with the length that a header claims, and goes when the message is complete.
//!
//! ```text
//!            ┌──── start kept ────┐         ┌─── payload kept ───┐
//!            ▼                    │         ▼                    │
//!   ┌─ between frames ── start whole ──► in a frame ── payload not all there
//!   │        ▲                              │
//!   │        └── not the message's last ────┤
//!   └─ no message under way ─► idle ◄───────┘ the last: delivered
//! ```

use std::cmp;
use std::ops::ControlFlow;

use fastwebsockets::{OpCode, unmask};

use super::parser::{At, LONGEST_CONTROL, parse};
use super::{FrameError, Incoming, ReadLimits, incoming, text};

/// The callback of `Reader::feed`. Not generic here: this path copies anyway, so it is compiled once.
type On<'a> = &'a mut dyn FnMut(Incoming<'_>) -> ControlFlow<()>;

/// The unfinished part of a connection's input.
#[derive(Debug, Default)]
pub(super) struct Partial {
    /// The start of a frame that cannot be acted on yet, as it arrived: an unfinished header, or a control
    /// frame whose payload is not all there.
    start: Box<[u8]>,
    /// The data message under way.
    message: Option<Message>,
    /// The data frame whose payload is arriving.
    frame: Option<Frame>,
}

#[derive(Debug, Default)]
struct Message {
    is_text: bool,
    /// Frames so far, the current one included.
    fragments: usize,
    /// Payload so far, unmasked.
    bytes: Vec<u8>,
    /// How many of `bytes` are known to be UTF-8: all but, at most, an unfinished character.
    valid: usize,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    fin: bool,
    /// Turned so that its first byte is for the next byte to arrive.
    mask: [u8; 4],
    /// Payload still to arrive.
    left: usize,
}

/// What became of the input.
pub(super) enum Resumed<'d> {
    /// Nothing is under way any more; this much of the input is left.
    Idle(&'d mut [u8]),
    /// The input is used up.
    Waiting(Box<Partial>),
    /// The callback broke.
    Stopped,
}

impl Partial {
    /// Goes on with `data` until the message under way is complete, or `data` is used up.
    pub(super) fn resume<'d>(
        mut self: Box<Self>,
        mut data: &'d mut [u8],
        limits: ReadLimits,
        on: On<'_>,
    ) -> Result<Resumed<'d>, FrameError> {
        loop {
            if let Some(frame) = self.frame.take() {
                let message = self.message.get_or_insert_default();
                let (now, after) = data.split_at_mut(cmp::min(frame.left, data.len()));
                data = after;
                self.frame = message.push(frame, now, limits)?;
                if self.frame.is_some() {
                    return Ok(Resumed::Waiting(self));
                }
                if frame.fin {
                    return Ok(match on(message.complete()?) {
                        ControlFlow::Continue(()) => Resumed::Idle(data),
                        ControlFlow::Break(()) => Resumed::Stopped,
                    });
                }
            }
            if data.is_empty() {
                return Ok(Resumed::Waiting(self));
            }
            let used = match self.start_frame(data, limits, on)? {
                ControlFlow::Continue(used) => used,
                ControlFlow::Break(()) => return Ok(Resumed::Stopped),
            };
            data = &mut data[used..];
            // A control frame between messages was all there was.
            if self.message.is_none() && self.start.is_empty() {
                return Ok(Resumed::Idle(data));
            }
        }
    }

    /// Allocated bytes, this structure included.
    pub(super) fn held_bytes(&self) -> usize {
        let message = self
            .message
            .as_ref()
            .map_or(0, |message| message.bytes.capacity());
        size_of::<Self>() + self.start.len() + message
    }

    /// Reads the start of a frame, kept bytes first, and acts on it if it is all there: a data frame is
    /// opened, a control frame delivered. Returns how much of `data` it used.
    fn start_frame(
        &mut self,
        data: &[u8],
        limits: ReadLimits,
        on: On<'_>,
    ) -> Result<ControlFlow<(), usize>, FrameError> {
        // Room for any control frame or header. Copying so little is cheaper than two code paths.
        let mut room = [0; LONGEST_CONTROL];
        let kept = self.start.len();
        let end = cmp::min(kept + data.len(), room.len());
        room[..kept].copy_from_slice(&self.start);
        room[kept..end].copy_from_slice(&data[..end - kept]);

        let message = self.message.as_ref();
        let at = At {
            fragments: message.map_or(0, |message| message.fragments),
            held: message.map_or(0, |message| message.bytes.len()),
            limits,
        };
        let head = match parse(&room[..end], at)? {
            Some(head) if !head.is_control() || head.size + head.payload <= end => head,
            // Not all there, and `room` holds more than that: so all of `data` is in `room[..end]`.
            _ => {
                self.start = room[..end].into();
                return Ok(ControlFlow::Continue(end - kept));
            }
        };
        self.start = Box::default();
        if head.is_control() {
            let payload = &mut room[head.size..head.size + head.payload];
            unmask(payload, head.mask);
            let used = head.size + head.payload - kept;
            return Ok(match on(incoming(head.opcode, payload)?) {
                ControlFlow::Continue(()) => ControlFlow::Continue(used),
                ControlFlow::Break(()) => ControlFlow::Break(()),
            });
        }
        let is_text = head.opcode == OpCode::Text;
        let message = self.message.get_or_insert_with(|| Message {
            is_text,
            ..Message::default()
        });
        message.fragments += 1;
        self.frame = Some(Frame {
            fin: head.fin,
            mask: head.mask,
            left: head.payload,
        });
        Ok(ControlFlow::Continue(head.size - kept))
    }
}

impl Message {
    /// Adds the next bytes of `frame`, and returns it if more are to come.
    fn push(
        &mut self,
        mut frame: Frame,
        now: &mut [u8],
        limits: ReadLimits,
    ) -> Result<Option<Frame>, FrameError> {
        unmask(now, frame.mask);
        frame.left -= now.len();
        frame.mask.rotate_left(now.len() % 4);
        let so_far = self.bytes.len() + now.len();
        let most = if frame.fin {
            so_far + frame.left
        } else {
            limits.message_bytes
        };
        self.reserve(now.len(), most);
        self.bytes.extend_from_slice(now);
        if self.is_text {
            self.check_text()?;
        }
        Ok((frame.left != 0).then_some(frame))
    }

    /// Makes room for `more` bytes: exactly that at first, later half as much again, so that a message that
    /// drips in is not copied for each drop; never more than the message can become.
    fn reserve(&mut self, more: usize, most: usize) {
        let need = self.bytes.len() + more;
        if need > self.bytes.capacity() {
            let ahead = if self.bytes.is_empty() { 0 } else { need / 2 };
            let room = cmp::max(need, cmp::min(need.saturating_add(ahead), most));
            self.bytes.reserve_exact(room - self.bytes.len());
        }
    }

    /// Fails as soon as no continuation could make the text UTF-8. Looks at new bytes only.
    fn check_text(&mut self) -> Result<(), FrameError> {
        match simdutf8::compat::from_utf8(&self.bytes[self.valid..]) {
            Ok(_) => self.valid = self.bytes.len(),
            // The end may yet become a character.
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(FrameError::TextNotUtf8),
        }
        Ok(())
    }

    /// The whole message, its last frame being complete.
    fn complete(&self) -> Result<Incoming<'_>, FrameError> {
        // The second look at the text turns bytes into `str` without unsafe code; SIMD makes it small
        // beside the copy that brought them here.
        Ok(if self.is_text {
            Incoming::Text(text(&self.bytes)?)
        } else {
            Incoming::Binary(&self.bytes)
        })
    }
}
