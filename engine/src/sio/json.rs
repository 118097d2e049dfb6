//! Answers: is this text JSON, and where in it are the event's name and arguments.
//!
//! A scan: nothing is built, copied or recursed over. It makes every packet that reaches a handler
//! (or, unparsed, another client) well-formed and of bounded depth, without the cost of a parse for
//! events that nobody decodes. What the values mean is for serde in the shell.

use alloc::{borrow::Cow, string::String};
use core::ops::Range;

use crate::{error::PeerError, limits::JSON_DEPTH_MAX};

const _: () = assert!(JSON_DEPTH_MAX <= 128, "the open brackets are one u128");

type Result<T> = core::result::Result<T, PeerError>;

/// Where an event's parts are in its JSON array `["name",arg,…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventParts {
    /// The name between its quotes, or the digits of a numeric name.
    pub name: Range<usize>,
    /// The arguments with the commas between them; empty if there are none.
    pub args: Range<usize>,
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

    /// A string, from its opening quote; returns what is between the quotes, escapes unread.
    #[inline]
    fn string(&mut self) -> Result<Range<usize>> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let stop = plain_run(rest);
            self.at += stop + 1;
            match rest.get(stop) {
                Some(b'"') => return Ok(start..self.at - 1),
                Some(b'\\') => self.escape()?,
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

    /// A key and its colon.
    fn key(&mut self) -> Result<Range<usize>> {
        self.skip_space();
        let key = self.string()?;
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

/// How many bytes from the start are neither a quote, a backslash nor a control character. Sixteen
/// at a time without a branch, which the compiler makes one vector comparison each.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    let special = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    let none = |block: &&[u8]| !block.iter().fold(false, |any, b| any | special(*b));
    let run = bytes.chunks_exact(16).take_while(none).count() * 16;
    let tail = bytes.get(run..).unwrap_or_default();
    run + tail.iter().take_while(|b| !special(**b)).count()
}

fn scanner(text: &str) -> Scanner<'_> {
    Scanner {
        bytes: text.as_bytes(),
        at: 0,
    }
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

/// Checks that `text` is a JSON array and returns what is between its brackets.
///
/// # Errors
/// [`PeerError::Payload`] or [`PeerError::TooDeep`].
pub fn array(text: &str) -> Result<Range<usize>> {
    let mut scan = scanner(text);
    scan.skip_space();
    let start = scan.at + 1;
    if scan.peek() != Some(b'[') {
        return Err(PeerError::Payload);
    }
    scan.value(0)?;
    let end = scan.at - 1;
    scan.end()?;
    Ok(start..end)
}

/// Checks that `text` is an event: an array that begins with a string or a number.
///
/// # Errors
/// [`PeerError::Payload`] or [`PeerError::TooDeep`].
pub fn event(text: &str) -> Result<EventParts> {
    let mut scan = scanner(text);
    scan.skip_space();
    scan.expect(b'[')?;
    scan.skip_space();
    let name = if scan.peek() == Some(b'"') {
        scan.string()?
    } else {
        let start = scan.at;
        scan.number()?;
        start..scan.at
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

/// Checks that every placeholder in `values` names one of `count` attachments.
///
/// `values` are JSON values with commas between them, as [`array()`] and [`event`] return them.
///
/// # Errors
/// [`PeerError::Placeholder`].
pub fn placeholders(values: &str, count: usize) -> Result<()> {
    let mut scan = scanner(values);
    scan.skip_space();
    while scan.peek().is_some() {
        walk(&mut scan, count)?;
        scan.skip_space();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
        scan.skip_space();
    }
    Ok(())
}

/// Recursion is bounded by [`JSON_DEPTH_MAX`], which the first scan checked.
fn walk(scan: &mut Scanner<'_>, count: usize) -> Result<()> {
    scan.skip_space();
    match scan.peek() {
        Some(b'[') => {
            scan.at += 1;
            scan.skip_space();
            while scan.peek() != Some(b']') {
                walk(scan, count)?;
                scan.skip_space();
                if scan.peek() == Some(b',') {
                    scan.at += 1;
                }
            }
            scan.at += 1;
            Ok(())
        }
        Some(b'{') => walk_object(scan, count),
        _ => scan.value(0),
    }
}

fn walk_object(scan: &mut Scanner<'_>, count: usize) -> Result<()> {
    let bytes = scan.bytes;
    let mut placeholder = false;
    let mut valid = false;
    scan.at += 1;
    scan.skip_space();
    while scan.peek() != Some(b'}') {
        let key = scan.key()?;
        scan.skip_space();
        let start = scan.at;
        walk(scan, count)?;
        let value = &bytes[start..scan.at];
        match &*unescape(core::str::from_utf8(&bytes[key]).unwrap_or_default()) {
            "_placeholder" => placeholder = value == b"true",
            "num" => {
                let num = core::str::from_utf8(value)
                    .ok()
                    .and_then(|v| v.parse::<usize>().ok());
                valid = num.is_some_and(|num| num < count);
            }
            _ => {}
        }
        scan.skip_space();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
    }
    scan.at += 1;
    if placeholder && !valid {
        Err(PeerError::Placeholder)
    } else {
        Ok(())
    }
}

/// The text that a scanned JSON string stands for. Lone surrogates become U+FFFD: no Rust string
/// can hold them.
#[must_use]
#[inline]
pub fn unescape(raw: &str) -> Cow<'_, str> {
    match memchr::memchr(b'\\', raw.as_bytes()) {
        None => Cow::Borrowed(raw),
        Some(first) => Cow::Owned(unescape_from(raw, first)),
    }
}

#[cold]
fn unescape_from(raw: &str, first: usize) -> String {
    let mut out = String::from(&raw[..first]);
    let mut rest = &raw.as_bytes()[first..];
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'\\' {
            let run = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            out.push_str(&String::from_utf8_lossy(&rest[..run]));
            rest = &rest[run..];
            continue;
        }
        let Some((&escape, after)) = after.split_first() else {
            break;
        };
        rest = after;
        out.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => utf16(&mut rest),
            other => char::from(other),
        });
    }
    out
}

fn utf16(rest: &mut &[u8]) -> char {
    let unit = |hex: &[u8]| -> Option<u16> {
        u16::from_str_radix(core::str::from_utf8(hex.get(..4)?).ok()?, 16).ok()
    };
    let Some(high) = unit(rest) else {
        return char::REPLACEMENT_CHARACTER;
    };
    *rest = &rest[4..];
    let low = rest.strip_prefix(b"\\u").and_then(unit);
    if let Some(low) = low.filter(|low| (0xdc00..0xe000).contains(low))
        && (0xd800..0xdc00).contains(&high)
    {
        *rest = &rest[6..];
        let pair = 0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(low - 0xdc00);
        return char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.push_str("\\u00");
                out.push(char::from(HEX[c as usize >> 4]));
                out.push(char::from(HEX[c as usize & 15]));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::String};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_json_is_and_nothing_else() {
        for ok in [
            "null",
            " [ ] ",
            "{}",
            r#"{"a":[1,{"b":"c\u00e9\n"}],"d":-1.5e+3}"#,
            "0",
            "-0.1",
            r#""\ud800""#,
            "[1 , 2]",
            "\"\u{7f}\"",
        ] {
            assert_eq!(check(ok), Ok(()), "{ok}");
        }
        for bad in [
            "",
            "nul",
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            "1e",
            "-",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[1]x",
            "[1}",
            "{\"a\":1]",
            "{\"a\":1,}",
            "'a'",
            "[1 2]",
            "\u{feff}1",
        ] {
            assert_eq!(check(bad), Err(PeerError::Payload), "{bad}");
        }
    }

    #[test]
    fn depth_is_bounded_exactly() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check(&nested(JSON_DEPTH_MAX)), Ok(()));
        assert_eq!(check(&nested(JSON_DEPTH_MAX + 1)), Err(PeerError::TooDeep));
        assert_eq!(
            event(&format!(r#"["a",{}]"#, nested(JSON_DEPTH_MAX - 1))).map(drop),
            Ok(())
        );
        assert_eq!(
            event(&format!(r#"["a",{}]"#, nested(JSON_DEPTH_MAX))),
            Err(PeerError::TooDeep)
        );
        assert_eq!(check(&"[".repeat(100_000)), Err(PeerError::TooDeep));
    }

    #[test]
    fn finds_an_events_parts() {
        let parts = |text: &str| {
            let parts = event(text).unwrap();
            (
                String::from(&text[parts.name]),
                String::from(&text[parts.args]),
            )
        };
        assert_eq!(parts(r#"["a"]"#), ("a".into(), String::new()));
        assert_eq!(
            parts(r#"[ "a" , {"b":[1]} ,2 ]"#).1.trim(),
            r#"{"b":[1]} ,2"#
        );
        assert_eq!(parts("[12,null]"), ("12".into(), "null".into()));
        for bad in [
            "[]",
            "{}",
            "[null]",
            "[[]]",
            r#"["a",]"#,
            r#"["a" 1]"#,
            r#"["a"]]"#,
            "[\"a\"",
        ] {
            assert_eq!(event(bad), Err(PeerError::Payload), "{bad}");
        }
    }

    #[test]
    fn a_special_byte_is_found_wherever_it_stands() {
        for at in 0..50 {
            let plain = "x".repeat(at);
            let good = format!("\"{plain}\\n{plain}\"");
            assert_eq!(check(&good), Ok(()), "{at}");
            assert_eq!(
                check(&format!("\"{plain}\t{plain}\"")),
                Err(PeerError::Payload),
                "{at}"
            );
            assert_eq!(
                check(&good[..good.len() - 1]),
                Err(PeerError::Payload),
                "{at}"
            );
        }
    }

    #[test]
    fn values_are_taken_one_by_one() {
        assert_eq!(first_value_end(r#"{"a":","} ,2"#), 11);
        assert_eq!(first_value_end("1"), 1);
        assert_eq!(first_value_end(""), 0);
    }

    #[test]
    fn placeholders_must_name_an_attachment() {
        for ok in [
            r#"[{"_placeholder":true,"num":0}]"#,
            r#"[{"num":1,"_placeholder": true}]"#,
            r#"[{"_placeholder":false,"num":9}]"#,
            r#"["_placeholder",{"a":{"_placeholder":1}}]"#,
        ] {
            assert_eq!(placeholders(ok, 2), Ok(()), "{ok}");
        }
        for bad in [
            r#"[{"_placeholder":true,"num":2}]"#,
            r#"[{"_placeholder":true,"num":"splice"}]"#,
            r#"[{"_placeholder":true,"num":-1}]"#,
            r#"[{"_placeholder":true,"num":0.5}]"#,
            r#"[{"_placeholder":true}]"#,
            r#"[{"x":[{"_placeh\u006flder":true,"num":2}]}]"#,
            r#"1,{"_placeholder":true,"num":2}"#,
        ] {
            assert_eq!(placeholders(bad, 2), Err(PeerError::Placeholder), "{bad}");
        }
    }

    #[test]
    fn strings_are_written_and_read() {
        let text = "a\"\\\n\u{1}é😀";
        let mut json = String::new();
        write_string(&mut json, text);
        assert_eq!(check(&json), Ok(()));
        assert_eq!(unescape(&json[1..json.len() - 1]), text);
        assert_eq!(unescape(r"\ud83d\ude00\ud800x"), "😀\u{fffd}x");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[\\[\\]{}\",:\\\\0-9eu.a \\-]{0,40}") {
            let _ = check(&text);
            let _ = event(&text);
            if let Ok(values) = array(&text) {
                let _ = placeholders(&text[values], 1);
            }
        }

        #[test]
        fn any_string_survives(text in any::<String>()) {
            let mut json = String::new();
            write_string(&mut json, &text);
            prop_assert_eq!(check(&json), Ok(()));
            prop_assert_eq!(unescape(&json[1..json.len() - 1]), text);
        }
    }
}
