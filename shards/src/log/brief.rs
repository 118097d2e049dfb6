//! Answers: how is a text put into a line that somebody else wrote, in whole or in part.
//!
//! It is cut, and what is not plain text in it is escaped: line ends, escape codes of terminals, characters
//! that turn the direction of writing around or cannot be seen. Quotes stay: a field is a string, and
//! subscribers put quotes around it and escape those in it, as JSON and `{:?}` do.

use std::fmt::{self, Display, Write as _};

/// Bytes of a peer's text in a line.
const PEER_BYTES: usize = 200;
/// Bytes of an error's text in a line: the application's own, in which a peer's may be.
const ERROR_BYTES: usize = 1_000;

/// Of a peer's text, as much as tells what it was.
pub(crate) fn peer(text: impl Display) -> String {
    brief(text, PEER_BYTES)
}

/// Of an error of user code, in whose text a peer's may be.
pub(crate) fn failure(error: impl Display) -> String {
    brief(error, ERROR_BYTES)
}

fn brief(text: impl Display, max: usize) -> String {
    let mut brief = Brief {
        text: String::new(),
        max,
        more: 0,
    };
    let failed = write!(brief, "{text}").is_err();
    let Brief { mut text, more, .. } = brief;
    if more > 0 {
        let _ = write!(text, "… ({more} bytes more)");
    }
    if failed {
        text.push_str("… (its text cannot be written)");
    }
    text
}

/// Keeps what fits, escaped, and counts the rest.
struct Brief {
    text: String,
    max: usize,
    more: usize,
}

impl fmt::Write for Brief {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for (at, char) in part.char_indices() {
            if self.more > 0 {
                self.more += part.len() - at;
                break;
            }
            let before = self.text.len();
            match char {
                '"' | '\'' | '\\' => self.text.push(char),
                _ => self.text.extend(char.escape_debug()),
            }
            if self.text.len() > self.max {
                self.text.truncate(before);
                self.more = part.len() - at;
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_is_one_short_line() {
        let forged = "x\n2026-11-27T00:00:00Z ERROR admin logged in\u{1b}[0m\r";
        assert_eq!(
            peer(forged),
            r"x\n2026-11-27T00:00:00Z ERROR admin logged in\u{1b}[0m\r"
        );
        let long = "é".repeat(5_000);
        let said = format!("{}… (9800 bytes more)", "é".repeat(100));
        assert_eq!(peer(&long), said);
        assert_eq!(
            peer(format_args!("{}{}", &long[..5_000], &long[5_000..])),
            said
        );
        assert_eq!(peer(""), "");
        assert_eq!(
            peer(r#"unknown variant `a"\b`"#),
            r#"unknown variant `a"\b`"#
        );
    }

    /// Whatever is sent, what is said is visible, in the order in which it is written, and short.
    #[test]
    fn nothing_but_plain_text_is_said() {
        let directions = "\u{200e}\u{200f}\u{61c}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";
        let ends = "\u{85}\u{2028}\u{2029}\u{b}\u{c}";
        let controls: String = ('\0'..' ').chain('\u{7f}'..'\u{a0}').collect();
        for text in [
            directions,
            ends,
            &controls,
            "\u{200b}\u{feff}\u{ad}\u{e0001}",
        ] {
            for char in text.chars() {
                let said = peer(char);
                assert!(
                    said.is_ascii() && said.starts_with('\\'),
                    "{char:?}: {said}"
                );
            }
            assert!(peer(text.repeat(1_000)).len() < 250);
        }
        assert_eq!(failure("é שלום 👋"), "é שלום 👋");
    }

    struct Unwritable;

    impl Display for Unwritable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    #[test]
    fn an_error_that_cannot_be_written_harms_nobody() {
        assert_eq!(failure(Unwritable), "… (its text cannot be written)");
    }
}
