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
        event(&format!(r#"["a",{}]"#, nested(JSON_DEPTH_MAX - 1)), 0).map(drop),
        Ok(())
    );
    assert_eq!(
        event(&format!(r#"["a",{}]"#, nested(JSON_DEPTH_MAX)), 0),
        Err(PeerError::TooDeep)
    );
    assert_eq!(check(&"[".repeat(100_000)), Err(PeerError::TooDeep));
}

#[test]
fn finds_an_events_parts() {
    let parts = |text: &str| {
        let parts = event(text, 0).unwrap();
        (
            parts.name.read(text).into_owned(),
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
        assert_eq!(event(bad, 0), Err(PeerError::Payload), "{bad}");
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

proptest! {
    #[test]
    fn never_panics(text in "[\\[\\]{}\",:\\\\0-9eu.a \\-]{0,40}") {
        let _ = (check(&text), readable(&text));
        let _ = event(&text, 0);
        if let Ok(values) = array(&text, 0) {
            let _ = placeholders(&text[values.clone()], 1, 1);
            let _ = readable(&text[values]);
        }
    }

    /// Read in blocks that may overlap at the end, it says what a look at each byte would.
    #[test]
    fn a_run_of_plain_bytes_ends_at_the_first_special_one(
        len in 0usize..70,
        specials in prop::collection::vec(
            (0usize..70, prop::sample::select(b"\"\\\x00\x1f\n".to_vec())),
            0..3,
        ),
        filler in prop::sample::select(alloc::vec![b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xff]),
    ) {
        let mut bytes = alloc::vec![filler; len];
        for (at, special) in specials {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = special;
            }
        }
        let naive = bytes.iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\');
        prop_assert_eq!(plain_run(&bytes), naive.unwrap_or(len));
    }
}
