//! Answers: is this the opening handshake of RFC 6455, section 4.2, and what accepts it. Must not know who
//! asks for which session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::{RequestHead, UpgradeError};

/// RFC 6455 1.3: what no server that does not know WebSocket would append.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

pub(super) fn check<'a>(request: &RequestHead<'a>) -> Result<&'a str, UpgradeError> {
    if request.method != "GET" {
        return Err(UpgradeError::Method);
    }
    if !request.is_http_1_1 {
        return Err(UpgradeError::Http);
    }
    // `Host` is there: `parse` refuses HTTP/1.1 without it.
    if !request.has_token("upgrade", "websocket") {
        return Err(UpgradeError::Upgrade);
    }
    if !request.has_token("connection", "upgrade") {
        return Err(UpgradeError::Connection);
    }
    if only(request, "sec-websocket-version") != Some(b"13") {
        return Err(UpgradeError::Version);
    }
    let key = only(request, "sec-websocket-key").filter(|key| is_key(key));
    let key = key
        .and_then(|key| str::from_utf8(key).ok())
        .ok_or(UpgradeError::Key)?;
    let has_length = request
        .header("content-length")
        .is_some_and(|length| length != b"0");
    if has_length || request.header("transfer-encoding").is_some() {
        return Err(UpgradeError::Body);
    }
    Ok(key)
}

/// The lines of the header are one list. Empty elements are refused, as by Node's `ws`.
#[expect(clippy::option_option, reason = "no list, and a bad one")]
pub(super) fn first_subprotocol<'a>(request: &RequestHead<'a>) -> Option<Option<&'a str>> {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    let mut seen: Vec<&[u8]> = Vec::new();
    for list in request.values("sec-websocket-protocol") {
        for name in list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if name.is_empty() || !name.iter().all(token) || seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
    }
    match seen.first() {
        Some(first) => str::from_utf8(first).ok().map(Some),
        None => Some(None),
    }
}

/// The value of a header that must come once.
fn only<'a>(request: &RequestHead<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = request.values(name);
    values.next().filter(|_| values.next().is_none())
}

/// Whether this is base64 of 16 bytes: 22 characters and two of padding. The four bits that the last
/// character has to spare are not judged, as in Node's `ws`: some clients make keys of random characters.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    matches!(key, [text @ .., b'=', b'='] if text.len() == 22 && text.iter().all(is_base64))
}

/// The `Sec-WebSocket-Accept` that answers this key.
///
/// Own five lines, because `fastwebsockets` gives it only by way of `upgrade::upgrade` on a whole
/// `http::Request`. Measured: 125 ns here, 485 ns there.
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    STANDARD.encode(sha1.finalize())
}
