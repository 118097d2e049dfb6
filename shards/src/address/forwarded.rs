//! Answers: what do proxies say in a request's head about who made it?
//!
//! Each proxy adds what it saw at the end: the address of its own peer. So the last entry is the nearest
//! proxy's word, and what stands before it is worth as much as the one that passed it on. Everything is read
//! from the right, and nothing to the left can change what something to the right means, whatever quotes,
//! commas or bytes a client puts there.

use std::net::IpAddr;

/// The header in which the trusted proxies say for whom they ask. Only one is read: a proxy that writes one
/// of them passes the other on as it came, with whatever a client wrote into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto` for whether the client speaks TLS.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239, with `for` and `proto`.
    Forwarded,
}

/// One proxy's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    /// Whom it was asked by; `None` if it does not say, or in no way that can be read.
    pub(super) from: Option<IpAddr>,
    /// Whether by TLS, as far as it is said here.
    pub(super) tls: bool,
}

/// The values of a header, the last line's first.
fn values<'a>(head: &'a [u8], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    head.rsplit(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let is_it = line[..colon].eq_ignore_ascii_case(name.as_bytes());
        is_it.then(|| line[colon + 1..].trim_ascii())
    })
}

/// What `X-Forwarded-For` says, the last entry first.
pub(super) fn x_forwarded_for(head: &[u8]) -> impl Iterator<Item = Hop> {
    let entries = values(head, "x-forwarded-for").flat_map(|value| value.rsplit(|b| *b == b','));
    entries
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
        .map(|entry| Hop {
            from: node(entry),
            tls: false,
        })
}

/// Whether the nearest proxy says by `X-Forwarded-Proto` that it was asked by TLS.
pub(super) fn is_proto_tls(head: &[u8]) -> bool {
    let last = values(head, "x-forwarded-proto").next();
    let last = last.and_then(|value| value.rsplit(|byte| *byte == b',').next());
    last.is_some_and(|proto| is_tls(proto.trim_ascii()))
}

fn is_tls(proto: &[u8]) -> bool {
    proto.eq_ignore_ascii_case(b"https") || proto.eq_ignore_ascii_case(b"wss")
}

/// What `Forwarded` says, the last element first.
pub(super) fn forwarded(head: &[u8]) -> impl Iterator<Item = Hop> {
    let elements = values(head, "forwarded").flat_map(|value| FromRight::new(value, b','));
    elements
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(element)
}

/// One element: `for=192.0.2.60;proto=https;by=…`. A parameter that comes twice says nothing.
fn element(element: &[u8]) -> Hop {
    let (mut from, mut proto) = (None, None);
    let mut twice = false;
    for parameter in FromRight::new(element, b';') {
        let Some(equals) = parameter.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (name, value) = (parameter[..equals].trim_ascii(), &parameter[equals + 1..]);
        let slot = if name.eq_ignore_ascii_case(b"for") {
            &mut from
        } else if name.eq_ignore_ascii_case(b"proto") {
            &mut proto
        } else {
            continue;
        };
        twice |= slot.replace(unquoted(value.trim_ascii())).is_some();
    }
    if twice {
        return Hop {
            from: None,
            tls: false,
        };
    }
    Hop {
        from: from.flatten().and_then(node),
        tls: proto.flatten().is_some_and(is_tls),
    }
}

/// A value without its quotes; `None` for one that has others, or escapes, which no address has.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    let inner = match value {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    };
    let is_plain = !inner.iter().any(|byte| matches!(byte, b'"' | b'\\'));
    is_plain.then_some(inner)
}

/// An address with or without a port, as both headers write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`,
/// `[2001:db8::1]`, `[2001:db8::1]:80`. `None` for `unknown`, for names, and for all else.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?;
    let ip = if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        if !port.is_empty() && !is_port(port.strip_prefix(':')?) {
            return None;
        }
        IpAddr::V6(ip.parse().ok()?)
    } else if let Ok(ip) = text.parse() {
        ip
    } else {
        let (ip, port) = text.split_once(':')?;
        IpAddr::V4(ip.parse().ok().filter(|_| is_port(port))?)
    };
    Some(ip.to_canonical())
}

/// A port in digits, or hidden behind a name (RFC 7239 6).
fn is_port(port: &str) -> bool {
    let hidden = port.strip_prefix('_').is_some_and(|name| !name.is_empty());
    hidden || (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The pieces of a text between separators that are not quoted, the last one first. What is quoted is found from
/// the right, too: a quote that a client left open at the left hides nothing.
#[derive(Debug)]
struct FromRight<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> FromRight<'a> {
    const fn new(text: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(text),
            separator,
        }
    }
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest.take()?;
        let mut quoted = false;
        for at in (0..text.len()).rev() {
            if text[at] == b'"' && !is_escaped(&text[..at]) {
                quoted = !quoted;
            } else if text[at] == self.separator && !quoted {
                self.rest = Some(&text[..at]);
                return Some(&text[at + 1..]);
            }
        }
        Some(text)
    }
}

/// Whether what follows is escaped: an odd number of backslashes stands before it.
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    backslashes.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn froms(hops: impl Iterator<Item = Hop>) -> Vec<Option<IpAddr>> {
        hops.map(|hop| hop.from).collect()
    }

    #[test]
    fn addresses_in_all_forms() {
        for (text, expected) in [
            ("192.0.2.1", ip("192.0.2.1")),
            ("192.0.2.1:4711", ip("192.0.2.1")),
            ("2001:db8::1", ip("2001:db8::1")),
            ("[2001:db8::1]", ip("2001:db8::1")),
            ("[2001:db8::1]:4711", ip("2001:db8::1")),
            ("::ffff:192.0.2.1", ip("192.0.2.1")),
            ("[::ffff:192.0.2.1]:1", ip("192.0.2.1")),
            ("192.0.2.1:_hidden", ip("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:123456", None),
            ("192.0.2.1:x", None),
            ("192.0.2", None),
            ("192.0.2.01", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]4711", None),
            ("[2001:db8::1]:", None),
            ("fe80::1%eth0", None),
            ("localhost", None),
            ("192.0.2.1 ", None),
        ] {
            assert_eq!(node(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(node(b"\xff\xfe"), None);
    }

    #[test]
    fn lines_and_entries_come_from_the_right() {
        let head = b"GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\nHost: a\r\n\
            x-forwarded-for: , nobody ,10.0.0.4:80,\r\nX-Forwarded: 1.1.1.1\r\n\r\n";
        let expected = [ip("10.0.0.4"), None, ip("10.0.0.2"), ip("10.0.0.1")];
        assert_eq!(froms(x_forwarded_for(head)), expected);
        assert_eq!(x_forwarded_for(b"GET / HTTP/1.1\r\n\r\n").count(), 0);
    }

    #[test]
    fn the_nearest_proxy_says_what_it_was_asked_by() {
        let tls = |lines: &str| is_proto_tls(format!("GET / HTTP/1.1\r\n{lines}\r\n").as_bytes());
        assert!(tls("X-Forwarded-Proto: https\r\n"));
        assert!(tls(
            "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: HTTPS\r\n"
        ));
        assert!(tls("X-Forwarded-Proto: http, wss\r\n"));
        assert!(!tls("X-Forwarded-Proto: https, http\r\n"));
        assert!(!tls(
            "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n"
        ));
        assert!(!tls(""));
        assert!(!tls("X-Forwarded-Proto:\r\n"));
    }

    #[test]
    fn elements_of_forwarded() {
        let head = b"GET / HTTP/1.1\r\n\
            Forwarded: for=192.0.2.43, For=\"[2001:db8:cafe::17]:4711\" ; Proto=HTTPS\r\n\
            Forwarded: proto=http;by=203.0.113.43;for=192.0.2.60\r\n\
            Forwarded: for=_hidden;proto=https,for=unknown, for=1.1.1.1;for=2.2.2.2, by=3.3.3.3\r\n\r\n";
        let hops: Vec<_> = forwarded(head).map(|hop| (hop.from, hop.tls)).collect();
        let expected = [
            (None, false),
            (None, false),
            (None, false),
            (None, true),
            (ip("192.0.2.60"), false),
            (ip("2001:db8:cafe::17"), true),
            (ip("192.0.2.43"), false),
        ];
        assert_eq!(hops, expected);
    }

    /// A proxy that writes the client's `Host` quotes it, and escapes its quotes; a client writes its own
    /// `Forwarded` before what the proxy adds.
    #[test]
    fn quotes_hide_no_element() {
        for forged in [
            "for=6.6.6.6",
            "for=\"6.6.6.6",
            "for=6.6.6.6;host=\"",
            "\\\"\\",
            "for=\"[2001:db8::6]\\",
            "\"\"\"",
        ] {
            for host in [
                "a",
                "a,for=6.6.6.6",
                "a;for=6.6.6.6",
                "a\\\",for=6.6.6.6;x=\\\"",
                "\\\\",
            ] {
                let line =
                    format!("{forged}, for=\"[2001:db8::1]:80\";host=\"{host}\";proto=https");
                let head = format!("GET / HTTP/1.1\r\nForwarded: {line}\r\n\r\n");
                let hop = forwarded(head.as_bytes()).next().unwrap();
                assert_eq!((hop.from, hop.tls), (ip("2001:db8::1"), true), "{line}");
            }
        }
    }
}
