//! Answers: does every placeholder of a binary packet name one of its attachments, and are there no more
//! of them than attachments; what stands there without them.

use alloc::{string::String, vec::Vec};
use core::ops::Range;

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
    let mut left = uses;
    each(values, count, &mut |_, number| {
        left = left.checked_sub(1).ok_or(PeerError::Placeholder)?;
        number.map(drop).ok_or(PeerError::Placeholder)
    })
}

/// The same values with `with` in place of each placeholder whose number `which` says yes to; `None` if there
/// are none. `values` have been checked ([`placeholders`]).
#[must_use]
pub fn replace_placeholders(
    values: &str,
    which: impl Fn(usize) -> bool,
    with: &str,
) -> Option<String> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let walked = each(values, usize::MAX, &mut |range, number| {
        if number.is_some_and(&which) {
            // One that stands in another one came first.
            while found.pop_if(|inner| inner.start > range.start).is_some() {}
            found.push(range);
        }
        Ok(())
    });
    if walked.is_err() || found.is_empty() {
        return None;
    }
    let (mut out, mut copied) = (String::with_capacity(values.len()), 0);
    for range in found {
        out.push_str(&values[copied..range.start]);
        out.push_str(with);
        copied = range.end;
    }
    out.push_str(&values[copied..]);
    Some(out)
}

/// Told of a placeholder: where it stands, and its number if that is one of so many.
trait Tell: FnMut(Range<usize>, Option<usize>) -> Result<()> {}

impl<F: FnMut(Range<usize>, Option<usize>) -> Result<()>> Tell for F {}

/// Tells of each placeholder in `values`, of which `count` have a number.
fn each(values: &str, count: usize, tell: &mut impl Tell) -> Result<()> {
    let mut scan = scanner(values);
    scan.skip_space();
    while scan.peek().is_some() {
        let at = scan.at;
        if let Some((len, number)) = as_clients_write_it(&scan.bytes[at..], count) {
            scan.at += len;
            tell(at..scan.at, Some(number))?;
        } else {
            walk(&mut scan, count, tell)?;
        }
        scan.skip_space();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
        scan.skip_space();
    }
    Ok(())
}

/// The length and number of a placeholder written as the official clients do and valid, if `values` begin
/// with one: an argument that is itself binary, which needs no walk.
fn as_clients_write_it(values: &[u8], count: usize) -> Option<(usize, usize)> {
    const BEGIN: &[u8] = br#"{"_placeholder":true,"num":"#;
    let rest = values.strip_prefix(BEGIN)?;
    let len = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let number = number(&rest[..len], count)?;
    (rest.get(len) == Some(&b'}')).then_some((BEGIN.len() + len + 1, number))
}

/// A value that is the number of one of `count` attachments. No more of it is read than such a number
/// has: the value of a key `num` may be the rest of the packet, at each level of it anew.
fn number(value: &[u8], count: usize) -> Option<usize> {
    const DIGITS_MAX: usize = 20; // of a usize
    let digits = Some(value).filter(|value| value.len() <= DIGITS_MAX);
    let digits = digits.and_then(|digits| core::str::from_utf8(digits).ok());
    digits?.parse().ok().filter(|number| *number < count)
}

/// Recursion is bounded by [`JSON_DEPTH_MAX`], which the first scan checked.
fn walk(scan: &mut Scanner<'_>, count: usize, tell: &mut impl Tell) -> Result<()> {
    scan.skip_space();
    match scan.peek() {
        Some(b'[') => {
            scan.at += 1;
            scan.skip_space();
            while scan.peek() != Some(b']') {
                walk(scan, count, tell)?;
                scan.skip_space();
                if scan.peek() == Some(b',') {
                    scan.at += 1;
                }
            }
            scan.at += 1;
            Ok(())
        }
        Some(b'{') => walk_object(scan, count, tell),
        _ => scan.value(0),
    }
}

fn walk_object(scan: &mut Scanner<'_>, count: usize, tell: &mut impl Tell) -> Result<()> {
    let bytes = scan.bytes;
    let begin = scan.at;
    let mut placeholder = false;
    let mut named = None;
    scan.at += 1;
    scan.skip_space();
    while scan.peek() != Some(b'}') {
        let key = scan.key()?;
        scan.skip_space();
        let start = scan.at;
        walk(scan, count, tell)?;
        let value = &bytes[start..scan.at];
        match &*unescape(core::str::from_utf8(&bytes[key]).unwrap_or_default()) {
            "_placeholder" => placeholder = value == b"true",
            "num" => named = number(value, count),
            _ => {}
        }
        scan.skip_space();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
    }
    scan.at += 1;
    if placeholder {
        tell(begin..scan.at, named)
    } else {
        Ok(())
    }
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

    #[test]
    fn placeholders_are_replaced_by_number() {
        let values = r#"{"_placeholder":true,"num":0},[{"num":1,"_placeholder":true}],{"num":0}"#;
        let replaced = |which: &[usize]| replace_placeholders(values, |n| which.contains(&n), "x");
        assert_eq!(replaced(&[2]), None);
        let all = r#"x,[x],{"num":0}"#;
        assert_eq!(replaced(&[0, 1]).as_deref(), Some(all));
        let second = r#"{"_placeholder":true,"num":0},[x],{"num":0}"#;
        assert_eq!(replaced(&[1]).as_deref(), Some(second));
        let nested = r#"[1,{"_placeholder":true,"a":{"_placeholder":true,"num":1},"num":0}]"#;
        assert_eq!(
            replace_placeholders(nested, |_| true, "x").as_deref(),
            Some("[1,x]")
        );
    }
}
