//! Answers: what did the request look like that a session began with.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use memchr::memmem;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use stentor_engine::eio::handshake::unescape;

/// Whether servers keep the request that each session began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// For the session's life, as the official server does: mostly 300 to 600 bytes each, at most
    /// 4 KiB ([`Handshake`]).
    #[default]
    Whole,
    /// Not at all.
    Nothing,
}

/// The request that a session began with: the official server's `socket.handshake`.
///
/// It is that request for the session's life. The later ones of a client that polls, and the one that
/// upgrades it to WebSocket, are served and forgotten: nothing of them is kept or shown.
///
/// At most 4 KiB are kept of it. Of a longer head the headers that do not fit are left out, each whole, in the
/// order in which they came; a target that does not fit alone loses its last query parameters.
/// [`crate::Server::allow_request`] sees all.
///
/// As a value of serde it is an object with the official names: `address` (without the port), `issued`
/// (milliseconds since 1970), `url`, `query` and `headers`. Of a parameter that came several times the
/// last counts, as in [`Handshake::query`]; headers have lower-case names, and those of one name
/// stand in one value with commas between them (cookies with semicolons), as RFC 9110 5.2 has it.
///
/// ```
/// use stentor::{NamespaceBuilder, prelude::*};
/// use std::rc::Rc;
///
/// fn events(ns: NamespaceBuilder<'_>) {
///     ns.on_sync("handshake", |handshake: Rc<Handshake>| serde_json::to_value(&*handshake))
///         .on_sync("parameters", |handshake: Rc<Handshake>| {
///             let names = handshake.query_pairs().map(|(name, _)| name.into_owned());
///             Ack(names.collect::<Vec<_>>())
///         });
/// }
/// ```
#[derive(Debug)]
pub struct Handshake {
    /// The head as it came, or put together again if hyper read it.
    head: Box<[u8]>,
    address: SocketAddr,
    issued: SystemTime,
}

/// Bytes of a head that are kept: a session's, and there may be many of those before they have cost their
/// client anything.
const KEPT_BYTES: usize = 4 * 1024;

/// What is kept of a head.
fn kept(head: &[u8]) -> Box<[u8]> {
    if head.len() <= KEPT_BYTES {
        return head.into();
    }
    let mut kept = Vec::with_capacity(KEPT_BYTES);
    let mut rest = head;
    while let Some(end) = memmem::find(rest, b"\r\n") {
        let (line, after) = rest.split_at(end + 2);
        rest = after;
        let room = KEPT_BYTES - kept.len();
        if line.len() <= room {
            kept.extend_from_slice(line);
        } else if kept.is_empty() {
            kept.extend_from_slice(request_line(line, room));
            kept.extend_from_slice(b" \r\n");
        }
    }
    kept.into()
}

/// The beginning of a request line that has room in so many bytes, with whole query parameters.
fn request_line(line: &[u8], room: usize) -> &[u8] {
    let fits = &line[..room - b" \r\n".len()];
    let end = fits.iter().rposition(|byte| matches!(byte, b'&' | b'?'));
    &fits[..end.unwrap_or(0)]
}

impl Handshake {
    /// A request that is looked at now.
    pub(crate) fn new(head: &[u8], address: SocketAddr) -> Self {
        Self {
            head: head.into(),
            address,
            issued: SystemTime::now(),
        }
    }

    /// A request that is kept.
    pub(crate) fn kept(head: &[u8], address: SocketAddr) -> Self {
        Self {
            head: kept(head),
            address,
            issued: SystemTime::now(),
        }
    }

    /// The TCP peer. Behind a proxy that is the proxy; see its headers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the session began, by the wall clock.
    #[must_use]
    pub const fn issued(&self) -> SystemTime {
        self.issued
    }

    /// The request's target: path and query.
    #[must_use]
    pub fn url(&self) -> &str {
        let target = self.head.split(|byte| *byte == b' ').nth(1);
        // The head's parser lets nothing else in.
        str::from_utf8(target.unwrap_or_default()).unwrap_or("")
    }

    /// The value of a query parameter, escapes read in name and value; the last of several.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.pairs()
            .rfind(|(known, _)| unescape(known) == name)
            .map(|(_, value)| unescape(value))
    }

    /// All query parameters in their order, escapes read: those of the protocol (`EIO`, `transport`)
    /// and the client's own.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.pairs()
            .map(|(name, value)| (unescape(name), unescape(value)))
    }

    fn pairs(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let query = self.url().split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The first header of this name, in any case. `None` too if its value is not UTF-8: see
    /// [`Handshake::header_bytes`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.header_bytes(name)?).ok()
    }

    /// The same, whatever bytes the value has.
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All headers whose values are UTF-8, as nearly all are.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields().filter_map(|(name, value)| {
            Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?))
        })
    }

    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.head.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }
}

impl Serialize for Handshake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let issued = self.issued.duration_since(UNIX_EPOCH).unwrap_or_default();
        let query: BTreeMap<_, _> = self.query_pairs().collect();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in self.headers() {
            let name = name.to_ascii_lowercase();
            let between = if name == "cookie" { "; " } else { ", " };
            headers
                .entry(name)
                .and_modify(|all| all.extend([between, value]))
                .or_insert_with(|| value.to_owned());
        }
        let mut object = serializer.serialize_struct("Handshake", 5)?;
        object.serialize_field("address", &self.address.ip())?;
        object.serialize_field("issued", &(issued.as_millis() as u64))?;
        object.serialize_field("url", self.url())?;
        object.serialize_field("query", &query)?;
        object.serialize_field("headers", &headers)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(head: &str) -> Handshake {
        Handshake {
            head: head.as_bytes().into(),
            address: ([127, 0, 0, 1], 5).into(),
            issued: SystemTime::UNIX_EPOCH + Duration::from_millis(7),
        }
    }

    #[test]
    fn reads_its_head() {
        let handshake =
            of("GET /socket.io/?EIO=4&tag=a&tag=c%20d HTTP/1.1\r\nHost: x:1\r\nX-A:  b \r\n\r\n");
        assert_eq!(handshake.query("tag").as_deref(), Some("c d"));
        assert_eq!(handshake.query("none"), None);
        assert_eq!(handshake.header("host"), Some("x:1"));
        assert_eq!(handshake.header("x-a"), Some("b"));
        assert_eq!(handshake.headers().count(), 2);
    }

    /// Escapes mean the same in names and in values, as they do where the protocol reads its own.
    #[test]
    fn reads_escapes_in_the_names_of_parameters() {
        let handshake = of(
            "GET /?user%20id=a%20b&%C3%A9=%C3%BC&a+b=8&tok%65n=x&=y&&z&a%3Db=c HTTP/1.1\r\n\r\n",
        );
        for (name, value) in [
            ("user id", "a b"),
            ("é", "ü"),
            ("a b", "8"),
            ("token", "x"),
            ("", "y"),
            ("z", ""),
            ("a=b", "c"),
        ] {
            assert_eq!(handshake.query(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(handshake.query("tok%65n"), None);
        let names: Vec<_> = handshake.query_pairs().map(|(name, _)| name).collect();
        assert_eq!(names, ["user id", "é", "a b", "token", "", "z", "a=b"]);
        assert_eq!(of("GET / HTTP/1.1\r\n\r\n").query_pairs().count(), 0);
    }

    #[test]
    fn is_an_object_with_the_official_names() {
        let handshake = of(
            "GET /x?a=1&a=2&b+c=%26 HTTP/1.1\r\nHost: y\r\nCookie: a=1\r\nX-F: 1\r\ncookie: b=2\r\nx-f: 2\r\n\r\n",
        );
        let expected = serde_json::json!({
            "address": "127.0.0.1",
            "issued": 7,
            "url": "/x?a=1&a=2&b+c=%26",
            "query": { "a": "2", "b c": "&" },
            "headers": { "host": "y", "cookie": "a=1; b=2", "x-f": "1, 2" },
        });
        assert_eq!(serde_json::to_value(&handshake).unwrap(), expected);
    }
    #[test]
    fn four_kilobytes_are_kept() {
        let address = ([127, 0, 0, 1], 5).into();
        let long = "\u{e9}".repeat(KEPT_BYTES / 2);
        let head = format!("GET /x?a=1 HTTP/1.1\r\nHost: y\r\nCookie: {long}\r\nX-A: b\r\n\r\n");
        let handshake = Handshake::kept(head.as_bytes(), address);
        let headers: Vec<_> = handshake.headers().collect();
        assert_eq!(headers, [("Host", "y"), ("X-A", "b")]);
        assert_eq!(handshake.url(), "/x?a=1");

        let query = "parameter=value&".repeat(1_000);
        let head = format!("GET /x?{query}last=1 HTTP/1.1\r\nHost: y\r\n\r\n");
        let handshake = Handshake::kept(head.as_bytes(), address);
        assert!(handshake.head.len() <= KEPT_BYTES);
        let pairs: Vec<_> = handshake.query_pairs().collect();
        assert!(pairs.len() > 250, "{}", pairs.len());
        assert!(
            pairs
                .iter()
                .all(|(name, value)| name == "parameter" && value == "value")
        );
        assert_eq!(
            Handshake::new(head.as_bytes(), address)
                .query("last")
                .as_deref(),
            Some("1")
        );
    }

    /// As many bytes are kept as came, and no replacements of three each.
    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let head = b"GET / HTTP/1.1\r\nX-A: \xff\xfe\r\nX-B: c\r\n\r\n";
        let handshake = Handshake::kept(head, ([127, 0, 0, 1], 5).into());
        assert_eq!(*handshake.head, *head);
        assert_eq!(handshake.header("x-a"), None);
        assert_eq!(handshake.header_bytes("x-a"), Some(&b"\xff\xfe"[..]));
        assert_eq!(handshake.header("x-b"), Some("c"));
    }
}
