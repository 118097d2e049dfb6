//! Answers: does every placeholder of a binary packet name one of its attachments, and are there no more
//! of them than attachments.

use super::{Result, Scanner, escape::unescape, scanner};
use crate::error::PeerError;

/// Checks that every placeholder in `values` names one of `count` attachments, and that there are no more
/// than `uses` of them: for a packet from a peer as many as attachments.
///
/// A placeholder is some thirty bytes and an attachment may be a million: where one attachment could be
/// named again and again, a small packet would be a large one for who decodes it and sends it on.
///
/// `values` are JSON values with commas between them, as [`array()`] and [`event`] return them.
///
/// # Errors
/// [`PeerError::Placeholder`].
pub fn placeholders(values: &str, count: usize, uses: usize) -> Result<()> {
    let mut scan = scanner(values);
    let mut uses = Uses { count, left: uses };
    scan.skip_space();
    while scan.peek().is_some() {
        if let Some(len) = as_clients_write_it(&scan.bytes[scan.at..], count) {
            uses.add(true)?;
            scan.at += len;
        } else {
            walk(&mut scan, &mut uses)?;
        }
        scan.skip_space();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
        scan.skip_space();
    }
    Ok(())
}

/// How often attachments are named.
struct Uses {
    /// How many attachments there are.
    count: usize,
    /// How many more placeholders there may be.
    left: usize,
}

impl Uses {
    /// One more placeholder; `valid` if it names an attachment.
    fn add(&mut self, valid: bool) -> Result<()> {
        self.left = self.left.checked_sub(1).ok_or(PeerError::Placeholder)?;
        if valid {
            Ok(())
        } else {
            Err(PeerError::Placeholder)
        }
    }
}

/// The length of a placeholder written as the official clients do and valid, if `values` begin with
/// one: an argument that is itself binary, which needs no walk.
fn as_clients_write_it(values: &[u8], count: usize) -> Option<usize> {
    const BEGIN: &[u8] = br#"{"_placeholder":true,"num":"#;
    let rest = values.strip_prefix(BEGIN)?;
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let valid = rest.get(len) == Some(&b'}') && is_number(&rest[..len], count);
    valid.then_some(BEGIN.len() + len + 1)
}

/// Whether a value is the number of one of `count` attachments. No more of it is read than such a number
/// has: the value of a key `num` may be the rest of the packet, at each level of it anew.
fn is_number(value: &[u8], count: usize) -> bool {
    const DIGITS_MAX: usize = 20; // of a usize
    let digits = Some(value).filter(|value| value.len() <= DIGITS_MAX);
    let digits = digits.and_then(|digits| core::str::from_utf8(digits).ok());
    digits.is_some_and(|digits| digits.parse().is_ok_and(|number: usize| number < count))
}

/// Recursion is bounded by [`JSON_DEPTH_MAX`], which the first scan checked.
fn walk(scan: &mut Scanner<'_>, uses: &mut Uses) -> Result<()> {
    scan.skip_space();
    match scan.peek() {
        Some(b'[') => {
            scan.at += 1;
            scan.skip_space();
            while scan.peek() != Some(b']') {
                walk(scan, uses)?;
                scan.skip_space();
                if scan.peek() == Some(b',') {
                    scan.at += 1;
                }
            }
            scan.at += 1;
            Ok(())
        }
        Some(b'{') => walk_object(scan, uses),
        _ => scan.value(0),
    }
}

fn walk_object(scan: &mut Scanner<'_>, uses: &mut Uses) -> Result<()> {
    let bytes = scan.bytes;
    let mut placeholder = false;
    let mut valid = false;
    scan.at += 1;
    scan.skip_space();
    while scan.peek() != Some(b'}') {
        let key = scan.key()?;
        scan.skip_space();
        let start = scan.at;
        walk(scan, uses)?;
        let value = &bytes[start..scan.at];
        match &*unescape(core::str::from_utf8(&bytes[key]).unwrap_or_default()) {
            "_placeholder" => placeholder = value == b"true",
            "num" => valid = is_number(value, uses.count),
            _ => {}
        }
        scan.skip_space();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
    }
    scan.at += 1;
    if placeholder { uses.add(valid) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_must_name_an_attachment() {
        for ok in [
            r#"[{"_placeholder":true,"num":0}]"#,
            r#"[{"num":1,"_placeholder": true}]"#,
            r#"[{"_placeholder":false,"num":9}]"#,
            r#"["_placeholder",{"a":{"_placeholder":1}}]"#,
            r#"{"_placeholder":true,"num":1},{"_placeholder":true,"num":0},[]"#,
            r#"{"_placeholder":true,"num":1},[{"_placeholder":true,"num":1}]"#,
            r#"{"_placeholder":true,"num":1,"num":0}"#,
        ] {
            assert_eq!(placeholders(ok, 2, 2), Ok(()), "{ok}");
        }
        for bad in [
            r#"[{"_placeholder":true,"num":2}]"#,
            r#"[{"_placeholder":true,"num":"splice"}]"#,
            r#"[{"_placeholder":true,"num":-1}]"#,
            r#"[{"_placeholder":true,"num":0.5}]"#,
            r#"[{"_placeholder":true}]"#,
            r#"[{"x":[{"_placeh\u006flder":true,"num":2}]}]"#,
            r#"1,{"_placeholder":true,"num":2}"#,
            r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":2}"#,
            r#"{"_placeholder":true,"num":0,"num":2}"#,
            r#"{"_placeholder":true,"num":99999999999999999999}"#,
            r#"{"_placeholder":true,"num":1},{"_placeholder":true,"num":1},{"_placeholder":true,"num":1}"#,
            r#"[{"num":0,"_placeholder":true},[{"num":0,"_placeholder":true}],{"num":0,"_placeholder":true}]"#,
            r#"{"_placeholder":true,"num":0,"a":{"_placeholder":true,"num":0,"a":{"_placeholder":true,"num":0}}}"#,
        ] {
            assert_eq!(
                placeholders(bad, 2, 2),
                Err(PeerError::Placeholder),
                "{bad}"
            );
        }
    }
}
