//! Answers: what does a PROXY header say, and where does it end?
//!
//! The protocol is that of `HAProxy`, versions 1 and 2 (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>): a
//! proxy sends the header before all else on a connection. Where it ends is found here, so that one that
//! drips in costs nothing; what is in it, `ppp` reads.

use std::net::SocketAddr;

use memchr::memmem;
use ppp::{v1, v2};

use super::{Announced, canonical};

/// What the bytes that a connection begins with are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// More of it must come.
    Incomplete,
    /// None that can be read, and no more bytes would change that.
    Bad(&'static str),
    /// It has so many bytes. It says nothing (`LOCAL`, `UNKNOWN`, no internet address) if the proxy speaks for
    /// itself, as it does to see whether we are well.
    Complete(Option<Announced>, usize),
}

/// Bytes of a header of version 1 with its line's end.
const V1_BYTES_MAX: usize = 107;
/// Bytes of a header of version 2 that are read: the addresses and what proxies add to them. The protocol would
/// allow for 65,551, which none sends.
const V2_BYTES_MAX: usize = 4 * 1024;
/// How version 1 begins.
const V1_PREFIX: &[u8] = b"PROXY ";
/// Version 2 says here how much follows these.
const V2_FIXED_BYTES: usize = 16;
/// The addition that says how the client speaks to the proxy (2.2.5), and its bit for TLS.
const TLV_SSL: u8 = 0x20;
const CLIENT_SSL: u8 = 0x01;

/// Whether bytes begin as `prefix` does, as far as they have come.
fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    let n = bytes.len().min(prefix.len());
    bytes[..n] == prefix[..n]
}

/// Reads what a connection begins with.
pub(crate) fn parse(bytes: &[u8]) -> ProxyHeader {
    if begins(bytes, v2::PROTOCOL_PREFIX) {
        let Some(length) = bytes.get(V2_FIXED_BYTES - 2..V2_FIXED_BYTES) else {
            return ProxyHeader::Incomplete;
        };
        let len = V2_FIXED_BYTES + usize::from(u16::from_be_bytes([length[0], length[1]]));
        if len > V2_BYTES_MAX {
            return ProxyHeader::Bad("longer than is read");
        }
        match bytes.get(..len) {
            None => ProxyHeader::Incomplete,
            Some(header) => version_2(header),
        }
    } else if begins(bytes, V1_PREFIX) {
        let first = &bytes[..bytes.len().min(V1_BYTES_MAX)];
        match memmem::find(first, b"\r\n") {
            Some(end) => version_1(&first[..end + 2]),
            None if first.len() < V1_BYTES_MAX => ProxyHeader::Incomplete,
            None => ProxyHeader::Bad("a line that does not end"),
        }
    } else {
        ProxyHeader::Bad("none")
    }
}

fn version_1(bytes: &[u8]) -> ProxyHeader {
    let Ok(header) = v1::Header::try_from(bytes) else {
        return ProxyHeader::Bad("a wrong line");
    };
    let from: Option<SocketAddr> = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(tcp) => Some((tcp.source_address, tcp.source_port).into()),
        v1::Addresses::Tcp6(tcp) => Some((tcp.source_address, tcp.source_port).into()),
    };
    complete(from, false, bytes.len())
}

fn version_2(bytes: &[u8]) -> ProxyHeader {
    let Ok(header) = v2::Header::try_from(bytes) else {
        return ProxyHeader::Bad("wrong bytes");
    };
    let from: Option<SocketAddr> = match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(ip)) => {
            Some((ip.source_address, ip.source_port).into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(ip)) => {
            Some((ip.source_address, ip.source_port).into())
        }
        _ => None,
    };
    let tls = header.tlvs().map_while(Result::ok).any(|addition| {
        let client = addition.value.first().copied().unwrap_or_default();
        addition.kind == TLV_SSL && client & CLIENT_SSL != 0
    });
    complete(from, tls, bytes.len())
}

fn complete(from: Option<SocketAddr>, tls: bool, len: usize) -> ProxyHeader {
    let announced = from.map(|from| Announced {
        from: canonical(from),
        tls,
    });
    ProxyHeader::Complete(announced, len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as what it is compared with")]
    fn said(from: &str, tls: bool) -> Option<Announced> {
        Some(Announced {
            from: from.parse().unwrap(),
            tls,
        })
    }

    /// A header of version 2.
    fn binary(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([command, family]);
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];

    fn v6(ip: &str) -> Vec<u8> {
        let ip: std::net::Ipv6Addr = ip.parse().unwrap();
        [&ip.octets()[..], &[0; 16], &[0x12, 0x67, 0, 80]].concat()
    }

    #[test]
    fn lines_of_version_1() {
        for (line, expected) in [
            (
                "PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n",
                said("192.0.2.1:4711", false),
            ),
            (
                "PROXY TCP6 2001:db8::1 ::1 4711 80\r\n",
                said("[2001:db8::1]:4711", false),
            ),
            (
                "PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 80\r\n",
                said("192.0.2.1:4711", false),
            ),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", None),
        ] {
            let bytes = [line.as_bytes(), b"GET / HTTP/1.1\r\n"].concat();
            let expected = ProxyHeader::Complete(expected, line.len());
            assert_eq!(parse(&bytes), expected, "{line}");
        }
    }

    #[test]
    fn headers_of_version_2() {
        let tls = [&V4[..], &[4, 0, 1, 9, 0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
        let plain = [&V4[..], &[0x20, 0, 5, 0, 0, 0, 0, 0]].concat();
        let cut = [&V4[..], &[0x20, 0, 9, 1]].concat();
        for (header, expected) in [
            (binary(0x21, 0x11, &V4), said("192.0.2.1:4711", false)),
            (
                binary(0x21, 0x21, &v6("2001:db8::1")),
                said("[2001:db8::1]:4711", false),
            ),
            (
                binary(0x21, 0x21, &v6("::ffff:192.0.2.1")),
                said("192.0.2.1:4711", false),
            ),
            (binary(0x21, 0x11, &tls), said("192.0.2.1:4711", true)),
            (binary(0x21, 0x11, &plain), said("192.0.2.1:4711", false)),
            (binary(0x21, 0x11, &cut), said("192.0.2.1:4711", false)),
            (binary(0x20, 0x11, &V4), None), // LOCAL
            (binary(0x20, 0x00, &[]), None),
            (binary(0x21, 0x00, &[]), None),
            (binary(0x21, 0x31, &[0; 216]), None),
        ] {
            let bytes = [&header[..], b"GET"].concat();
            let expected = ProxyHeader::Complete(expected, header.len());
            assert_eq!(parse(&bytes), expected, "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXX",
            b"proxy TCP4 192.0.2.1 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80 7\r\n",
            b"PROXY TCP4 192.0.2.256 10.0.0.1 4711 80\r\n",
            b"PROXY TCP4 192.0.2.1 10.0.0.1 65536 80\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 4711 80\r\n",
            b"PROXY UDP4 192.0.2.1 10.0.0.1 4711 80\r\n",
            b"PROXY \r\n",
            b"PROXY TCP4 \xff\xfe\r\n",
            b"\r\n\r\n\0\r\nQUIX",
            &[b'P'; 2],
            &[b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat(),
            &binary(0x11, 0x11, &V4),
            &binary(0x22, 0x11, &V4),
            &binary(0x21, 0x41, &V4),
            &binary(0x21, 0x13, &V4),
            &binary(0x21, 0x11, &V4[..11]),
            &binary(0x21, 0x11, &vec![0; V2_BYTES_MAX - V2_FIXED_BYTES + 1]),
        ] {
            assert!(matches!(parse(bytes), ProxyHeader::Bad(_)), "{bytes:?}");
        }
        let longest = [&V4[..], &vec![4; V2_BYTES_MAX - V2_FIXED_BYTES - V4.len()]].concat();
        let longest = binary(0x21, 0x11, &longest);
        assert!(matches!(
            parse(&longest),
            ProxyHeader::Complete(_, V2_BYTES_MAX)
        ));
    }

    #[test]
    fn until_it_is_whole_more_is_awaited() {
        let headers = [
            b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY UNKNOWN\r\n".to_vec(),
            binary(0x21, 0x11, &V4),
            binary(0x21, 0x21, &v6("2001:db8::1")),
            binary(0x20, 0x00, &[]),
        ];
        for header in headers {
            for end in 0..header.len() {
                assert_eq!(
                    parse(&header[..end]),
                    ProxyHeader::Incomplete,
                    "{header:?} {end}"
                );
            }
            assert!(matches!(parse(&header), ProxyHeader::Complete(..)));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), version in 0..3_u8,
        ) {
            let prefix: &[u8] = match version {
                0 => b"",
                1 => b"PROXY TCP4 ",
                _ => b"\r\n\r\n\0\r\nQUIT\n",
            };
            let bytes = [prefix, &bytes].concat();
            let whole = parse(&bytes);
            if let ProxyHeader::Complete(_, len) = whole {
                prop_assert!(len <= bytes.len());
            }
            // What is not awaited any more does not change by what comes behind.
            for end in 0..bytes.len() {
                let part = parse(&bytes[..end]);
                prop_assert!(part == ProxyHeader::Incomplete || part == whole);
            }
        }
    }
}
