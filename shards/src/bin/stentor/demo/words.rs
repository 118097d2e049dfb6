//! Answers: which names and texts of visitors are shown to others, and in what form.

use serde::Serialize;
use stentor::Ack;

/// Characters of a name.
pub(super) const NAME_CHARS: usize = 24;
/// Characters of a message.
pub(super) const TEXT_CHARS: usize = 500;
/// The name of a visitor who gives none that can be seen.
pub(super) const NO_NAME: &str = "Guest";
/// Marks on one letter: a tower of them covers other lines.
const MARKS: usize = 3;

/// Why a visitor is not given what it asks for. It is told this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a message needs some text")]
    Empty,
    #[error("a message has at most {TEXT_CHARS} characters")]
    TooLong,
    #[error("a message needs an id of 8 to 40 letters and digits")]
    BadId,
    #[error("the demo takes no more visitors")]
    Full,
    #[error("these buttons work only if the demo listens on this machine alone")]
    NoPowers,
    #[error("one at a time: try again in a moment")]
    TooSoon,
    #[error("there is no such shard")]
    NoShard,
    #[error("there is no room for so many idle clients")]
    NoRoom,
    #[error("the server is too busy to do it now")]
    Busy,
}

/// An acknowledgement: what was asked for, or why not, in the form of Stentor's own errors. The log
/// does not record a visitor who asks for too much.
pub(super) fn told<T: Serialize>(result: Result<T, Refusal>) -> Ack<Told<T>> {
    Ack(result.map_or_else(
        |why| Told::Refused {
            error: Why {
                message: why.to_string(),
            },
        },
        Told::Done,
    ))
}

/// See [`told`].
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Told<T> {
    Done(T),
    Refused { error: Why },
}

#[derive(Debug, Serialize)]
pub(super) struct Why {
    message: String,
}

/// Characters that show nothing, and turn text around, join it or hide in it. The two joiners that
/// emoji and some scripts need are not among them.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Marks that are drawn on the letter before them.
const fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{489}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Whether a name of this character alone could be seen.
fn is_seen(c: char) -> bool {
    !c.is_whitespace()
        && !is_mark(c)
        && !matches!(
            c,
            '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{2800}'
        )
}

/// Without the marks beyond [`MARKS`] on one letter.
fn few_marks(text: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut marks = 0;
    text.filter(move |c| {
        marks = if is_mark(*c) { marks + 1 } else { 0 };
        marks <= MARKS
    })
}

/// The name that others see: in one line, without characters that change what stands beside it, cut to
/// [`NAME_CHARS`].
pub(super) fn name(given: &str) -> String {
    let spaced = given
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c });
    let shown = few_marks(spaced.filter(|c| !c.is_control() && !is_invisible(*c)));
    let mut name = String::new();
    for c in shown {
        if c == ' ' && (name.is_empty() || name.ends_with(' ')) {
            continue;
        }
        if name.chars().count() == NAME_CHARS {
            break;
        }
        name.push(c);
    }
    name.truncate(name.trim_end().len());
    if name.chars().any(is_seen) {
        name
    } else {
        NO_NAME.to_owned()
    }
}

/// The text of a message in one line. The page shows it apart from what stands around it, so that a
/// text may turn itself around.
///
/// # Errors
/// [`Refusal::Empty`], [`Refusal::TooLong`]: a text is not cut, as its writer would not learn it.
pub(super) fn text(given: &str) -> Result<String, Refusal> {
    let shown = given.chars().map(|c| if c.is_control() { ' ' } else { c });
    let text: String = few_marks(shown).collect();
    let text = text.trim();
    if text.chars().nth(TEXT_CHARS).is_some() {
        return Err(Refusal::TooLong);
    }
    if !text.chars().any(|c| is_seen(c) && !is_invisible(c)) {
        return Err(Refusal::Empty);
    }
    Ok(text.to_owned())
}

/// Whether this is an id as the page makes them, for a message or a tab.
pub(super) fn is_id(id: &str) -> bool {
    (8..=40).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_short_line_that_leaves_others_alone() {
        assert_eq!(name("Ann"), "Ann");
        assert_eq!(name("  Ann \n\t of   Cleves "), "Ann of Cleves");
        assert_eq!(
            name("a\u{202e}b\u{2066}c\u{200f}d\u{0}e\u{1b}[31m"),
            "abcde[31m"
        );
        assert_eq!(name("\u{5d0}\u{5d1}"), "\u{5d0}\u{5d1}");
        assert_eq!(name("👩\u{200d}💻"), "👩\u{200d}💻");
        assert_eq!(name(&"x".repeat(1_000)), "x".repeat(NAME_CHARS));
        assert_eq!(
            name(&format!("{} yz", "x".repeat(NAME_CHARS - 1))),
            "x".repeat(NAME_CHARS - 1)
        );
        assert_eq!(
            name(&format!("o{}", "\u{301}".repeat(20))),
            format!("o{}", "\u{301}".repeat(MARKS))
        );
        for nothing in [
            "",
            " \n ",
            "\u{200b}\u{feff}",
            "\u{200d}",
            "\u{3164}",
            "\u{e0041}",
            "\u{301}",
        ] {
            assert_eq!(name(nothing), NO_NAME, "{nothing:?}");
        }
    }

    #[test]
    fn texts_are_bounded_and_not_cut() {
        assert_eq!(text(" a\nb\u{7}c ").as_deref(), Ok("a b c"));
        let long = "é".repeat(TEXT_CHARS);
        assert_eq!(text(&long), Ok(long.clone()));
        assert_eq!(text(&format!("{long}x")), Err(Refusal::TooLong));
        for nothing in ["", "  \n", "\u{200b}", "\u{202e}"] {
            assert_eq!(text(nothing), Err(Refusal::Empty), "{nothing:?}");
        }
    }

    #[test]
    fn ids_are_short_and_plain() {
        assert!(is_id("0123abcd"));
        assert!(
            !is_id("0123abc")
                && !is_id(&"a".repeat(41))
                && !is_id("0123abcd\n")
                && !is_id("é1234567")
        );
    }
}
