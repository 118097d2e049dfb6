//! Answers: which proxies are believed, and who is the client then?

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::{Caller, Peer, Source, forwarded, forwarded::ForwardedHeader};

/// The proxies that are believed. With none of them no header of a request is read for this.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trusted {
    networks: Vec<IpNet>,
    /// Programs that connect by a Unix socket.
    unix: bool,
    header: ForwardedHeader,
}

/// What stands for the clients of Unix sockets.
const UNIX: &str = "unix";
/// The bits before the IPv4 address in one that is mapped to IPv6.
const MAPPED_BITS: u8 = 96;

/// A network: `10.0.0.0/8`, or an address alone.
fn network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(ip) => IpNet::from(ip),
        Err(_) => text.parse().ok()?,
    };
    // Addresses are looked up in their own form.
    if let IpNet::V6(v6) = network
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(bits) = v6.prefix_len().checked_sub(MAPPED_BITS)
    {
        return Ipv4Net::new(v4, bits).ok().map(IpNet::V4);
    }
    Some(network)
}

impl Trusted {
    /// Reads what was configured.
    ///
    /// # Errors
    /// A sentence about the first that is not a network, an address or `unix`.
    pub(crate) fn new<S: AsRef<str>>(
        proxies: &[S],
        header: ForwardedHeader,
    ) -> Result<Self, String> {
        let mut trusted = Self {
            header,
            ..Self::default()
        };
        for text in proxies.iter().map(|proxy| proxy.as_ref().trim()) {
            if text.eq_ignore_ascii_case(UNIX) {
                trusted.unix = true;
                continue;
            }
            let network = network(text).ok_or_else(|| {
                format!(
                    "trusted_proxies: {text:?} cannot work: it must be a network (10.0.0.0/8, \
                     2001:db8::/32), an address, or `unix`"
                )
            });
            trusted.networks.push(network?);
        }
        Ok(trusted)
    }

    fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    fn trusts_ip(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }

    fn trusts(&self, peer: Peer) -> bool {
        peer.ip().map_or(self.unix, |ip| self.trusts_ip(ip))
    }

    /// Whether a peer's PROXY header is believed. Where no proxies are named all are: somebody has opened
    /// a listener for them alone.
    pub(crate) fn believes_header_of(&self, peer: Peer) -> bool {
        self.is_empty() || self.trusts(peer)
    }

    /// Who makes the request with this head.
    ///
    /// Beginning with the nearest, each address that is a trusted proxy's is left for the one for which that
    /// proxy asks; the first that is nobody's is the client's. Where a proxy does not say, or not in a way that
    /// can be read, its own address stands.
    pub(crate) fn caller(&self, source: &Source, head: &[u8]) -> Caller {
        let mut caller = Caller {
            peer: source.peer,
            address: source.ip(),
            secure: source.announced.is_some_and(|announced| announced.tls),
        };
        let is_proxy = match source.announced {
            Some(announced) => self.trusts_ip(announced.from.ip()),
            None => self.trusts(source.peer),
        };
        if is_proxy {
            match self.header {
                ForwardedHeader::XForwardedFor => {
                    caller.secure |= forwarded::is_proto_tls(head);
                    self.walk(&mut caller, forwarded::x_forwarded_for(head));
                }
                ForwardedHeader::Forwarded => self.walk(&mut caller, forwarded::forwarded(head)),
            }
        }
        caller
    }

    fn walk(&self, caller: &mut Caller, hops: impl Iterator<Item = forwarded::Hop>) {
        let secure = caller.secure;
        for hop in hops {
            caller.secure = secure || hop.tls;
            let Some(from) = hop.from else { return };
            caller.address = Some(from);
            if !self.trusts_ip(from) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use proptest::prelude::*;

    use super::*;
    use crate::address::Announced;

    const PROXY: [u8; 4] = [10, 0, 0, 1];

    fn trusted(header: ForwardedHeader) -> Trusted {
        Trusted::new(&["10.0.0.0/8", "2001:db8::/32"], header).unwrap()
    }

    fn tcp(ip: impl Into<IpAddr>) -> Source {
        Source {
            peer: Peer::Tcp(SocketAddr::new(ip.into(), 5)),
            announced: None,
        }
    }

    fn announced(by: impl Into<IpAddr>, from: impl Into<IpAddr>, tls: bool) -> Source {
        let from = SocketAddr::new(from.into(), 6);
        Source {
            announced: Some(Announced { from, tls }),
            ..tcp(by)
        }
    }

    fn head(lines: &str) -> Vec<u8> {
        format!("GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").into_bytes()
    }

    fn address(source: &Source, lines: &str) -> String {
        let caller = trusted(ForwardedHeader::XForwardedFor).caller(source, &head(lines));
        assert_eq!(caller.peer, source.peer);
        caller.address.map_or_else(String::new, |ip| ip.to_string())
    }

    #[test]
    fn what_is_no_proxy_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "proxy.example",
            "10.0.0.0/",
            "::/129",
            "10.0.0",
            "unix:",
        ] {
            let error = Trusted::new(&[text], ForwardedHeader::default()).unwrap_err();
            let expected = format!("trusted_proxies: {text:?} cannot work: ");
            assert!(error.starts_with(&expected), "{error}");
        }
        for text in [
            "10.1.2.3/8",
            " ::1 ",
            "0.0.0.0/0",
            "::/0",
            "Unix",
            "::ffff:10.0.0.0/104",
        ] {
            Trusted::new(&[text], ForwardedHeader::default()).unwrap();
        }
    }

    #[test]
    fn mapped_networks_are_those_of_ipv4() {
        let of = |text| Trusted::new(&[text], ForwardedHeader::default()).unwrap();
        let ip = IpAddr::from(PROXY);
        assert!(of("::ffff:10.0.0.0/104").trusts_ip(ip));
        assert!(of("::ffff:10.0.0.1").trusts_ip(ip));
        assert!(!of("::ffff:11.0.0.0/104").trusts_ip(ip));
        assert!(!of("::/0").trusts_ip(ip), "that is IPv6");
        assert!(of("0.0.0.0/0").trusts_ip(ip));
    }

    #[test]
    fn the_nearest_that_is_no_proxy_is_the_client() {
        let proxy = tcp(PROXY);
        for (lines, expected) in [
            ("", "10.0.0.1"),
            ("X-Forwarded-For: 192.0.2.1", "192.0.2.1"),
            ("X-Forwarded-For: 6.6.6.6, 192.0.2.1", "192.0.2.1"),
            ("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.9.9.9", "192.0.2.1"),
            (
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1",
                "192.0.2.1",
            ),
            ("X-Forwarded-For: 192.0.2.1, 2001:db8::1", "192.0.2.1"),
            ("X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3"), // a client of our own network
            ("X-Forwarded-For: 6.6.6.6, unknown", "10.0.0.1"),
            ("X-Forwarded-For: 6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
            ("Forwarded: for=6.6.6.6", "10.0.0.1"), // the other header is not read
        ] {
            assert_eq!(address(&proxy, lines), expected, "{lines}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let stranger = tcp([192, 0, 2, 7]);
        let lines = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https";
        assert_eq!(address(&stranger, lines), "192.0.2.7");
        let none = Trusted::default();
        for source in [stranger, tcp(PROXY)] {
            let caller = none.caller(&source, &head(lines));
            assert_eq!((caller.address, caller.secure), (source.peer.ip(), false));
        }
        let unix = Source {
            peer: Peer::Unix,
            announced: None,
        };
        assert_eq!(address(&unix, lines), "");
        let trusted = Trusted::new(&["unix"], ForwardedHeader::default()).unwrap();
        let caller = trusted.caller(&unix, &head(lines));
        assert_eq!(
            (caller.address, caller.secure),
            (Some([6, 6, 6, 6].into()), true)
        );
    }

    #[test]
    fn a_proxy_header_names_the_next_one() {
        let lines = "X-Forwarded-For: 192.0.2.1";
        assert_eq!(
            address(&announced([9, 9, 9, 9], [203, 0, 113, 5], false), lines),
            "203.0.113.5"
        );
        assert_eq!(
            address(&announced([9, 9, 9, 9], [10, 0, 0, 8], false), lines),
            "192.0.2.1"
        );
        let of = |tls| announced([9, 9, 9, 9], [203, 0, 113, 5], tls);
        let trusted = trusted(ForwardedHeader::default());
        assert!(trusted.caller(&of(true), &head("")).secure);
        assert!(
            !trusted
                .caller(&of(false), &head("X-Forwarded-Proto: https"))
                .secure
        );
    }

    #[test]
    fn whose_proxy_header_is_believed() {
        let stranger = Peer::Tcp(([192, 0, 2, 7], 5).into());
        let none = Trusted::default();
        assert!(none.believes_header_of(stranger) && none.believes_header_of(Peer::Unix));
        let some = trusted(ForwardedHeader::default());
        assert!(some.believes_header_of(Peer::Tcp((PROXY, 5).into())));
        assert!(!some.believes_header_of(stranger) && !some.believes_header_of(Peer::Unix));
    }

    #[test]
    fn the_protocol_is_the_clients() {
        let lines = "Forwarded: for=192.0.2.1;proto=https, for=10.0.0.2;proto=http";
        let caller = trusted(ForwardedHeader::Forwarded).caller(&tcp(PROXY), &head(lines));
        assert_eq!(
            (caller.address, caller.secure),
            (Some([192, 0, 2, 1].into()), true)
        );
        let lines = "Forwarded: for=6.6.6.6;proto=https, for=192.0.2.1;proto=http";
        let caller = trusted(ForwardedHeader::Forwarded).caller(&tcp(PROXY), &head(lines));
        assert_eq!(
            (caller.address, caller.secure),
            (Some([192, 0, 2, 1].into()), false)
        );
        let lines = "Forwarded: for=_hidden;proto=https";
        let caller = trusted(ForwardedHeader::Forwarded).caller(&tcp(PROXY), &head(lines));
        assert_eq!((caller.address, caller.secure), (Some(PROXY.into()), true));
    }

    /// A header's value as a client may have written it: any bytes but a line's end.
    fn value() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop_oneof![
            any::<u8>(),
            proptest::sample::select(b"\",;=\\ []:.for16protohttps".as_slice()),
        ];
        let no_end = |byte: u8| {
            if matches!(byte, b'\n' | b'\r') {
                b','
            } else {
                byte
            }
        };
        proptest::collection::vec(bytes.prop_map(no_end), 0..80)
    }

    /// A head in which `forged` came from the client, and a proxy added `true`.
    fn passed_on(name: &str, forged: &[u8], said: &str, same_line: bool) -> Vec<u8> {
        let mut head = format!("GET / HTTP/1.1\r\n{name}: ").into_bytes();
        head.extend_from_slice(forged);
        let between = if same_line {
            ", ".to_owned()
        } else {
            format!("\r\n{name}: ")
        };
        head.extend_from_slice(between.as_bytes());
        head.extend_from_slice(said.as_bytes());
        head.extend_from_slice(b"\r\n\r\n");
        head
    }

    proptest! {
        #[test]
        fn nothing_forged_changes_what_the_proxy_says(
            forged in value(), client in any::<[u8; 4]>(), same_line in any::<bool>(), host in "[^\"\\\\\r\n]{0,20}",
        ) {
            prop_assume!(client[0] != 10);
            let client = Ipv4Addr::from(client);
            let plain = passed_on("X-Forwarded-For", &forged, &client.to_string(), same_line);
            let caller = trusted(ForwardedHeader::XForwardedFor).caller(&tcp(PROXY), &plain);
            prop_assert_eq!(caller.address, Some(IpAddr::V4(client)));
            let said = format!("host=\"{host}\";for=\"{client}:80\";proto=http");
            let standard = passed_on("Forwarded", &forged, &said, same_line);
            let caller = trusted(ForwardedHeader::Forwarded).caller(&tcp(PROXY), &standard);
            prop_assert_eq!((caller.address, caller.secure), (Some(IpAddr::V4(client)), false));
        }

        #[test]
        fn any_bytes_are_read(head in proptest::collection::vec(any::<u8>(), 0..200), value in value()) {
            for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
                let _ = trusted(header).caller(&tcp(PROXY), &head);
                for name in ["X-Forwarded-For", "Forwarded", "X-Forwarded-Proto"] {
                    let _ = trusted(header).caller(&tcp(PROXY), &passed_on(name, &value, "", true));
                }
            }
            let stranger = tcp([192, 0, 2, 7]);
            let caller = trusted(ForwardedHeader::Forwarded).caller(&stranger, &head);
            prop_assert_eq!((caller.address, caller.secure), (stranger.peer.ip(), false));
        }
    }
}
