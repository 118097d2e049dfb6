//! Answers: is this text JSON, and where in it are the event's name and arguments.
//!
//! A scan: nothing is built, copied or recursed over. It makes every packet that reaches a handler
//! (or, unparsed, another client) well-formed and of bounded depth, without the cost of a parse for
//! events that nobody decodes. What the values mean is for serde in the shell.

mod escape;
mod placeholders;
mod readable;
#[cfg(test)]
mod tests;

use alloc::borrow::Cow;
use core::ops::Range;

pub use self::{
    escape::{unescape, write_string},
    placeholders::{placeholders, replace_placeholders},
    readable::readable,
};

use wide::u8x16;

use crate::{error::PeerError, limits::JSON_DEPTH_MAX};

const _: () = assert!(JSON_DEPTH_MAX <= 128, "the open brackets are one u128");

type Result<T> = core::result::Result<T, PeerError>;

/// Where an event's parts are in its JSON array `["name",arg,…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventParts {
    /// The name.
    pub name: Name,
    /// The arguments with the commas between them; empty if there are none.
    pub args: Range<usize>,
}

/// Where an event's name is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name {
    /// Between its quotes, escapes unread; or the digits of a number.
    pub raw: Range<usize>,
    /// Whether there are escapes to be read.
    pub escaped: bool,
}

impl Name {
    /// The name in the text that it was found in, escapes read.
    #[must_use]
    #[inline]
    pub fn read<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let raw = &text[self.raw.clone()];
        if self.escaped {
            unescape(raw)
        } else {
            Cow::Borrowed(raw)
        }
    }
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek() != Some(byte) {
            return Err(PeerError::Payload);
        }
        self.at += 1;
        Ok(())
    }

    /// A string, from its opening quote to behind its closing one; returns whether there are escapes.
    /// No more, so that it comes in a register: this is the scan's inner loop.
    #[inline]
    fn string(&mut self) -> Result<bool> {
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let stop = plain_run(rest);
            self.at += stop + 1;
            match rest.get(stop) {
                Some(b'"') => return Ok(escaped),
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character, or no end.
                _ => return Err(PeerError::Payload),
            }
        }
    }

    #[cold]
    fn escape(&mut self) -> Result<()> {
        let digits = match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(PeerError::Payload),
        };
        let hex = self
            .bytes
            .get(self.at + 1..self.at + 1 + digits)
            .ok_or(PeerError::Payload)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(PeerError::Payload);
        }
        self.at += 1 + digits;
        Ok(())
    }

    fn digits(&mut self) -> Result<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(PeerError::Payload)
        } else {
            Ok(())
        }
    }

    fn number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<()> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(PeerError::Payload);
        }
        self.at += word.len();
        Ok(())
    }

    /// A key and its colon; returns what is between its quotes.
    fn key(&mut self) -> Result<Range<usize>> {
        self.skip_space();
        let start = self.at + 1;
        self.string()?;
        let key = start..self.at - 1;
        self.skip_space();
        self.expect(b':')?;
        Ok(key)
    }

    /// One value, however deep. The open brackets are bits of `objects`: 1 for `{`, 0 for `[`.
    fn value(&mut self, outer_depth: usize) -> Result<()> {
        let mut depth = 0;
        let mut objects = 0u128;
        loop {
            self.skip_space();
            let open = match self.peek().ok_or(PeerError::Payload)? {
                b'"' => self.string().map(|_| None)?,
                b't' => self.word(b"true").map(|()| None)?,
                b'f' => self.word(b"false").map(|()| None)?,
                b'n' => self.word(b"null").map(|()| None)?,
                bracket @ (b'[' | b'{') => Some(bracket),
                _ => self.number().map(|()| None)?,
            };
            if let Some(bracket) = open {
                if depth + outer_depth >= JSON_DEPTH_MAX {
                    return Err(PeerError::TooDeep);
                }
                self.at += 1;
                depth += 1;
                objects = objects << 1 | u128::from(bracket == b'{');
                self.skip_space();
                // `[` and `]` are two apart in ASCII, and so are `{` and `}`.
                if self.peek() != Some(bracket + 2) {
                    if bracket == b'{' {
                        self.key()?;
                    }
                    continue;
                }
            }
            if !self.close(&mut depth, &mut objects)? {
                return Ok(());
            }
        }
    }

    /// After a value: closes brackets until another value must follow (true) or none is open.
    fn close(&mut self, depth: &mut usize, objects: &mut u128) -> Result<bool> {
        while *depth > 0 {
            self.skip_space();
            let object = *objects & 1 == 1;
            match (self.peek(), object) {
                (Some(b','), _) => {
                    self.at += 1;
                    if object {
                        self.key()?;
                    }
                    return Ok(true);
                }
                (Some(b']'), false) | (Some(b'}'), true) => {
                    self.at += 1;
                    *depth -= 1;
                    *objects >>= 1;
                }
                _ => return Err(PeerError::Payload),
            }
        }
        Ok(false)
    }

    fn end(&mut self) -> Result<()> {
        self.skip_space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(PeerError::Payload)
        }
    }
}

/// How many bytes from the start are neither a quote, a backslash nor a control character.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let marks = special_marks(*block);
        if marks != 0 {
            return at + marks.trailing_zeros() as usize;
        }
        at += BLOCK;
    }
    let Some(last) = bytes.last_chunk() else {
        let special = |b: u8| b < FIRST_PLAIN || b == b'"' || b == b'\\';
        return bytes.iter().take_while(|b| !special(**b)).count();
    };
    // The last block once more: what of it was seen already has no marks.
    let marks = special_marks(*last);
    if marks == 0 {
        bytes.len()
    } else {
        bytes.len() - BLOCK + marks.trailing_zeros() as usize
    }
}

const BLOCK: usize = 16;
/// Below are the control characters.
const FIRST_PLAIN: u8 = 0x20;

/// A bit for each byte that is special, as [`plain_run`] means it; the first byte's is the lowest.
#[inline]
fn special_marks(block: [u8; BLOCK]) -> u32 {
    let block = u8x16::from(block);
    let quote = block.simd_eq(u8x16::splat(b'"'));
    let backslash = block.simd_eq(u8x16::splat(b'\\'));
    let control = block.min(u8x16::splat(FIRST_PLAIN - 1)).simd_eq(block);
    (quote | backslash | control).to_bitmask()
}

fn scanner(text: &str) -> Scanner<'_> {
    Scanner {
        bytes: text.as_bytes(),
        at: 0,
    }
}

/// Whether a text stands in a JSON string as it is, without an escape.
#[must_use]
#[inline]
pub fn is_plain(text: &str) -> bool {
    plain_run(text.as_bytes()) == text.len()
}

/// The first byte that is not white space.
#[must_use]
pub fn first_byte(text: &str) -> Option<u8> {
    let mut scan = scanner(text);
    scan.skip_space();
    scan.peek()
}

/// Checks that `text` is exactly one JSON value.
///
/// # Errors
/// [`PeerError::Payload`] or [`PeerError::TooDeep`].
pub fn check(text: &str) -> Result<()> {
    let mut scan = scanner(text);
    scan.value(0)?;
    scan.end()
}

/// Checks that `text` is, from `at` on, a JSON array and returns what is between its brackets. It begins at
/// `at`: white space there would stand in the place of an id.
///
/// # Errors
/// [`PeerError::Payload`] or [`PeerError::TooDeep`].
pub fn array(text: &str, at: usize) -> Result<Range<usize>> {
    let mut scan = scanner(text);
    scan.at = at;
    let start = at + 1;
    if scan.peek() != Some(b'[') {
        return Err(PeerError::Payload);
    }
    scan.value(0)?;
    let end = scan.at - 1;
    scan.end()?;
    Ok(start..end)
}

/// Checks that `text` is, from `at` on, an event: an array that begins with a string or a number. It begins
/// at `at`, as [`array()`] does.
///
/// # Errors
/// [`PeerError::Payload`] or [`PeerError::TooDeep`].
#[expect(clippy::inline_always, reason = "as `super::packet::decode`")]
#[inline(always)]
pub fn event(text: &str, at: usize) -> Result<EventParts> {
    let mut scan = scanner(text);
    scan.at = at;
    scan.expect(b'[')?;
    scan.skip_space();
    let start = scan.at;
    let name = if scan.peek() == Some(b'"') {
        let escaped = scan.string()?;
        let raw = start + 1..scan.at - 1;
        Name { raw, escaped }
    } else {
        scan.number()?;
        let raw = start..scan.at;
        let escaped = false;
        Name { raw, escaped }
    };
    scan.skip_space();
    let mut args = scan.at..scan.at;
    if scan.peek() == Some(b',') {
        scan.at += 1;
        args.start = scan.at;
        loop {
            scan.value(1)?;
            scan.skip_space();
            if scan.peek() != Some(b',') {
                break;
            }
            scan.at += 1;
        }
        args.end = scan.at;
    }
    scan.expect(b']')?;
    scan.end()?;
    Ok(EventParts { name, args })
}

/// Where the first of several values ends, its comma included. `values` are as [`array()`] and
/// [`event`] return them.
#[must_use]
pub fn first_value_end(values: &str) -> usize {
    let mut scan = scanner(values);
    if scan.value(0).is_err() {
        return values.len();
    }
    scan.skip_space();
    if scan.peek() == Some(b',') {
        scan.at + 1
    } else {
        values.len()
    }
}
