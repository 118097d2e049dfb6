//! Answers: does a request ask nothing of its connection. Must not know what it asks of the server.

use super::RequestHead;

/// A request after which its connection goes on as before, with a body of known length if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plain<'a> {
    /// `Content-Length`.
    pub length: Option<usize>,
    /// `Content-Type`.
    pub kind: Option<&'a [u8]>,
    /// `Origin`.
    pub origin: Option<&'a [u8]>,
    /// `User-Agent`.
    pub agent: Option<&'a [u8]>,
    /// `Accept-Encoding`.
    pub accept_encoding: Option<&'a [u8]>,
}

/// `None` if the request wants something else than an answer: another protocol, the connection closed, a
/// word before its body is sent, or brings a body in chunks or compressed.
pub(super) fn read<'a>(request: &RequestHead<'a>) -> Option<Plain<'a>> {
    if !request.is_http_1_1 {
        return None;
    }
    let mut plain = Plain::default();
    for (name, value) in request.fields() {
        // The lengths keep apart what needs no look.
        match name.len() {
            6 if name.eq_ignore_ascii_case(b"origin") => {
                plain.origin = plain.origin.or(Some(value));
            }
            6 if name.eq_ignore_ascii_case(b"expect") => return None,
            7 if name.eq_ignore_ascii_case(b"upgrade") => return None,
            10 if name.eq_ignore_ascii_case(b"connection")
                && !value.eq_ignore_ascii_case(b"keep-alive") =>
            {
                return None;
            }
            10 if name.eq_ignore_ascii_case(b"user-agent") => {
                plain.agent = plain.agent.or(Some(value));
            }
            12 if name.eq_ignore_ascii_case(b"content-type") => {
                plain.kind = plain.kind.or(Some(value));
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                plain.length = Some(str::from_utf8(value).ok()?.parse().ok()?);
            }
            15 if name.eq_ignore_ascii_case(b"accept-encoding") => {
                plain.accept_encoding = plain.accept_encoding.or(Some(value));
            }
            16 if name.eq_ignore_ascii_case(b"content-encoding")
                && !value.eq_ignore_ascii_case(b"identity") =>
            {
                return None;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => return None,
            _ => {}
        }
    }
    Some(plain)
}
