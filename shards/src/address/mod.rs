//! Answers: where does a connection come from, and who is the client of a request on it?
//!
//! The system names the other end of a connection: its *peer*. Behind a proxy that is the proxy. The client
//! is then found in what the proxy says: a PROXY header before the first request ([`proxy_protocol`]), or a
//! header of each request ([`forwarded`]). Anybody can say so; [`trusted`] decides whom to believe.
//!
//! Nothing here knows shards, sessions or HTTP's other parts.

pub(crate) mod forwarded;
pub(crate) mod proxy_protocol;
pub(crate) mod trusted;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
};

use socket2::SockRef;

pub use forwarded::ForwardedHeader;
pub(crate) use trusted::Trusted;

/// The other end of a connection, as the system names it.
///
/// An IPv4 client of a listener on `[::]` has its IPv4 address here, and not `::ffff:192.0.2.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// It is connected by TCP.
    Tcp(SocketAddr),
    /// It is connected by a Unix socket: a program on this machine, which has no address.
    Unix,
}

impl Peer {
    /// The peer of a connected socket.
    ///
    /// # Errors
    /// The system's, as when the peer is gone already.
    pub(crate) fn of<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<Self> {
        let address = socket.into().peer_addr()?;
        // A server listens on sockets of these two kinds only.
        Ok(address
            .as_socket()
            .map_or(Self::Unix, |address| Self::Tcp(canonical(address))))
    }

    /// Its IP address, if it has one.
    ///
    /// ```
    /// use stentor::Peer;
    ///
    /// assert_eq!(Peer::Tcp(([192, 0, 2, 1], 4711).into()).ip(), Some([192, 0, 2, 1].into()));
    /// assert_eq!(Peer::Unix.ip(), None);
    /// ```
    #[must_use]
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

/// `192.0.2.1:4711`, or `unix`.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

/// An address of IPv4 as such, and not as one of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What a PROXY header says of the connection that it stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Announced {
    /// Who connected to the proxy.
    pub(crate) from: SocketAddr,
    /// Whether over TLS.
    pub(crate) tls: bool,
}

/// What is known of a connection that goes from one place to another: what its PROXY header is, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// There is none, or it said nothing.
    Nothing,
    /// It is to come before the first request.
    Awaited,
    Said(Announced),
}

impl From<Option<Announced>> for Announcement {
    fn from(said: Option<Announced>) -> Self {
        said.map_or(Self::Nothing, Self::Said)
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) peer: Peer,
    /// What its PROXY header said, if there was one that is believed.
    pub(crate) announced: Option<Announced>,
}

impl Source {
    /// The nearest end that is known: of the connection to the proxy, or of the one to us.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        match self.announced {
            Some(announced) => Some(announced.from.ip()),
            None => self.peer.ip(),
        }
    }
}

/// The nearest end that is known.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.announced {
            Some(announced) => announced.from.fmt(f),
            None => self.peer.fmt(f),
        }
    }
}

/// Who makes a request, as far as is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The other end of the connection.
    pub(crate) peer: Peer,
    /// The client's address. `None` if nobody but a Unix socket brings the request.
    pub(crate) address: Option<IpAddr>,
    /// Whether the client speaks TLS, to a proxy.
    pub(crate) secure: bool,
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn peers_are_named_as_they_are() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, address) = listener.accept().unwrap();
        assert_eq!(Peer::of(&accepted).unwrap(), Peer::Tcp(address));
        assert_eq!(
            Peer::of(&accepted).unwrap().to_string(),
            client.local_addr().unwrap().to_string()
        );
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(Peer::of(&one).unwrap(), Peer::Unix);
        assert_eq!(Peer::Unix.to_string(), "unix");
    }

    #[test]
    fn ipv4_is_never_ipv6() {
        let mapped = Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
        let address = canonical((mapped, 5).into());
        assert_eq!(address, ([192, 0, 2, 1], 5).into());
        let own = SocketAddr::from((Ipv6Addr::LOCALHOST, 5));
        assert_eq!(canonical(own), own);
    }
}
