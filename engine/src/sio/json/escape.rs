//! Answers: what text does a JSON string stand for, and which JSON string stands for a text.

use alloc::{borrow::Cow, string::String};

/// The text that a scanned JSON string stands for. Lone surrogates become U+FFFD: no Rust string
/// can hold them.
#[must_use]
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
    use proptest::prelude::*;

    use super::{super::check, *};

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
        fn any_string_survives(text in any::<String>()) {
            let mut json = String::new();
            write_string(&mut json, &text);
            prop_assert_eq!(check(&json), Ok(()));
            prop_assert_eq!(unescape(&json[1..json.len() - 1]), text);
        }
    }
}
