//! Answers: what does a client get for what it said.
//!
//! Recognises each event by its first bytes, as the load generator writes them, and answers by copying the rest. A
//! server has to read names, numbers and JSON; what that costs is meant to be missing here. It must not know sockets
//! or who the clients are.

use super::frame::{self, Hangup, TEXT};

/// What a text asks for besides the answer that was appended.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish<'a> {
    /// Nothing.
    Nothing,
    /// It has joined the namespace.
    Ready,
    /// It answered a ping.
    Pong,
    /// It joins the room of this name.
    Join(&'a [u8]),
    /// This text goes to all, its sender too.
    All(&'a [u8]),
    /// `42["room"` and the rest go to the room of this name, its sender too.
    Room(&'a [u8], &'a [u8]),
}

/// Reads one text and appends to `out` what its sender is to get.
///
/// # Errors
/// If the load generator would not have said it.
#[inline]
pub fn hear<'a>(text: &'a [u8], sid: u64, out: &mut Vec<u8>) -> Result<Wish<'a>, Hangup> {
    if text.starts_with(b"42[\"echo\",") || text.starts_with(b"451-[\"echo\",") {
        frame::write(out, TEXT, &[text]);
        return Ok(Wish::Nothing);
    }
    if text == b"3" {
        return Ok(Wish::Pong);
    }
    if text.starts_with(b"42[\"broadcast\",") {
        return Ok(Wish::All(text));
    }
    if let Some(rest) = text.strip_prefix(b"42[\"room\",\"") {
        let (name, rest) = quoted(rest)?;
        return Ok(Wish::Room(name, rest));
    }
    if let Some(asked) = text.strip_prefix(b"42") {
        return ask(asked, out);
    }
    if text == b"40" {
        frame::write(out, TEXT, &[connected(sid).as_bytes()]);
        return Ok(Wish::Ready);
    }
    Err(Hangup)
}

/// An event with a number, which is answered by an acknowledgement.
fn ask<'a>(asked: &'a [u8], out: &mut Vec<u8>) -> Result<Wish<'a>, Hangup> {
    let digits = asked
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (id, event) = asked.split_at(digits);
    if let Some(rest) = event.strip_prefix(b"[\"echo_ack\",") {
        frame::write(out, TEXT, &[b"43", id, b"[", rest]);
        return Ok(Wish::Nothing);
    }
    if let Some(rest) = event.strip_prefix(b"[\"join\",\"") {
        let (name, _) = quoted(rest)?;
        frame::write(out, TEXT, &[b"43", id, b"[]"]);
        return Ok(Wish::Join(name));
    }
    Err(Hangup)
}

/// What stands before and after the next quotation mark.
fn quoted(rest: &[u8]) -> Result<(&[u8], &[u8]), Hangup> {
    let end = rest.iter().position(|byte| *byte == b'"').ok_or(Hangup)?;
    Ok((&rest[..end], &rest[end + 1..]))
}

/// The answer to a client that joins the namespace.
#[must_use]
pub fn connected(sid: u64) -> String {
    format!("40{{\"sid\":\"{sid:020x}\"}}")
}

/// The first packet of a session.
#[must_use]
pub fn open(sid: &str, upgrades: &str, ping_interval_ms: u64) -> String {
    let payload = frame::LARGEST;
    format!(
        "0{{\"sid\":\"{sid}\",\"upgrades\":[{upgrades}],\"pingInterval\":{ping_interval_ms},\
         \"pingTimeout\":20000,\"maxPayload\":{payload}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (Result<Wish<'_>, Hangup>, String) {
        let mut out = Vec::new();
        let wish = hear(text.as_bytes(), 7, &mut out);
        let answer = out.get(2..).unwrap_or_default().to_vec();
        (wish, String::from_utf8(answer).unwrap())
    }

    #[test]
    fn answers_the_contract() {
        let none = String::new;
        let echo = "42[\"echo\",\"x\"]";
        assert_eq!(said(echo), (Ok(Wish::Nothing), echo.to_owned()));
        assert_eq!(
            said("4212[\"echo_ack\",\"x\"]"),
            (Ok(Wish::Nothing), "4312[\"x\"]".to_owned())
        );
        assert_eq!(
            said("423[\"join\",\"r1\"]"),
            (Ok(Wish::Join(b"r1")), "433[]".to_owned())
        );
        assert_eq!(
            said("42[\"room\",\"r1\",\"x\"]"),
            (Ok(Wish::Room(b"r1", b",\"x\"]")), none())
        );
        let all = "42[\"broadcast\",\"x\"]";
        assert_eq!(said(all), (Ok(Wish::All(all.as_bytes())), none()));
        assert_eq!(said("3"), (Ok(Wish::Pong), none()));
        assert_eq!(said("40"), (Ok(Wish::Ready), connected(7)));
        assert_eq!(said("42[\"other\",1]"), (Err(Hangup), none()));
        assert_eq!(said("41"), (Err(Hangup), none()));
    }
}
