//! Answers: how is JSON said that JavaScript writes and Rust cannot hold.
//!
//! Half of a surrogate pair is a string to JavaScript, which makes one whenever it cuts an emoji in two,
//! and a number beyond the largest double is its `Infinity`. Both are JSON. No Rust string and no parser of
//! numbers here takes them, so they are replaced by what comes nearest.

use alloc::string::String;
use core::ops::Range;

use memchr::memchr2;

/// What stands in a string for half of a pair, as it does in [`super::unescape`].
const REPLACEMENT: &str = "\\ufffd";
/// The largest double. Infinity has no JSON: what was sent on as that would be `null`, which is no number.
const LARGEST: &str = "1.7976931348623157e308";
/// Digits that any number of which there are no more fits a double with; without an exponent.
const DIGITS_SAFE: usize = 300;

/// The same JSON with U+FFFD for each half of a surrogate pair, and the largest double with its sign for
/// each number beyond it. `None` if there are none. `values` are as [`super::array`] and [`super::event`]
/// return them.
#[must_use]
pub fn readable(values: &str) -> Option<String> {
    let mut reader = Reader {
        values,
        out: String::new(),
        copied: 0,
    };
    let bytes = values.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'"' => reader.string(at + 1),
            b'-' | b'0'..=b'9' => reader.number(at),
            _ => at + 1,
        };
    }
    if reader.copied == 0 {
        return None;
    }
    let mut out = reader.out;
    out.push_str(&values[reader.copied..]);
    Some(out)
}

struct Reader<'a> {
    values: &'a str,
    out: String,
    /// What is before is in `out`.
    copied: usize,
}

impl Reader<'_> {
    fn replace(&mut self, what: Range<usize>, with: &str) {
        self.out.push_str(&self.values[self.copied..what.start]);
        self.out.push_str(with);
        self.copied = what.end;
    }

    /// The rest of a string; returns where it has ended.
    fn string(&mut self, mut at: usize) -> usize {
        let bytes = self.values.as_bytes();
        while let Some(more) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
            at += more;
            if bytes[at] == b'"' {
                return at + 1;
            }
            at = self.escape(at);
        }
        bytes.len()
    }

    /// An escape; returns where it has ended.
    fn escape(&mut self, at: usize) -> usize {
        match unit(self.values, at) {
            None => at + 2,
            Some(0xd800..=0xdbff) if matches!(unit(self.values, at + 6), Some(0xdc00..=0xdfff)) => {
                at + 12
            }
            Some(0xd800..=0xdfff) => {
                self.replace(at..at + 6, REPLACEMENT);
                at + 6
            }
            Some(_) => at + 6,
        }
    }

    /// A number; returns where it has ended.
    fn number(&mut self, at: usize) -> usize {
        let rest = &self.values[at..];
        let in_it = |b: &u8| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
        let len = rest.bytes().take_while(in_it).count();
        let number = &rest[..len];
        let small = len <= DIGITS_SAFE && !number.contains(['e', 'E']);
        if !small && number.parse().is_ok_and(f64::is_infinite) {
            let digits = at + usize::from(number.starts_with('-'));
            self.replace(digits..at + len, LARGEST);
        }
        at + len
    }
}

/// The UTF-16 unit of the escape `\uXXXX` at `at`, if there is one.
fn unit(values: &str, at: usize) -> Option<u16> {
    let hex = values.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::{
        super::{check, unescape},
        *,
    };

    #[test]
    fn what_rust_can_hold_is_left_alone() {
        for same in [
            "",
            "1,[2.5e300,-1E-400],{\"a\":null}",
            r#""\ud83d\ude00","\\ud800","é😀","\"","a\\""#,
            r#"{"1e400":"-1e400"}"#,
            "1.7976931348623157e308",
            "0.000000000000000000000000000000000000000000000000000000001",
        ] {
            assert_eq!(readable(same), None, "{same}");
        }
        let digits = format!("0.{}", "1".repeat(400));
        assert_eq!(readable(&digits), None);
    }

    #[test]
    fn what_it_cannot_is_replaced() {
        for (from, to) in [
            (r#""hi \ud83d""#, r#""hi \ufffd""#),
            (r#""\uD83Dx","\uDE00""#, r#""\ufffdx","\ufffd""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\ude00\n""#, r#""\ufffd\ud83d\ude00\n""#),
            (r#""\ud83d\\ude00""#, r#""\ufffd\\ude00""#),
            (r#"{"\ud83d":1}"#, r#"{"\ufffd":1}"#),
        ] {
            assert_eq!(readable(from).as_deref(), Some(to));
        }
        let largest = format!("[{LARGEST},-{LARGEST}],1e308");
        assert_eq!(readable("[1e400,-1E+309],1e308"), Some(largest));
        assert_eq!(readable(&"9".repeat(400)).as_deref(), Some(LARGEST));
    }

    proptest! {
        /// Whatever the scan lets through is JSON afterwards, its strings as `unescape` reads them.
        #[test]
        fn stays_json(text in "(\\\\u(d8|dc)00|\\\\n|\\\\\\\\|[a-z\\\\\"{}:,é0-9eE.+-]){0,12}") {
            for json in [format!("\"{text}\""), text.clone()] {
                let Some(other) = readable(&json) else { continue };
                if check(&json).is_ok() {
                    prop_assert_eq!(check(&other), Ok(()));
                    prop_assert_eq!(readable(&other), None);
                    if json.starts_with('"') {
                        let inner = |json: &str| unescape(&json[1..json.len() - 1]).into_owned();
                        prop_assert_eq!(inner(&json), inner(&other));
                    }
                }
            }
        }
    }
}
