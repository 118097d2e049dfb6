//! Answers: how does a client reach the server.
//!
//! The target's address, source addresses, and one non-blocking connection with its unsent and unfinished
//! bytes. Must not know the protocol.

use crate::sys;
use anyhow::{Context as _, bail, ensure};
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Target {
    /// Address to connect to.
    pub address: SocketAddr,
    /// For the Host header.
    pub host: String,
    /// With slashes at both ends.
    pub path: String,
}

impl Target {
    /// Reads `http://host:port/path/` (also `ws://`, or without scheme) and looks the host up.
    ///
    /// # Errors
    /// When the address makes no sense or is unknown.
    pub fn parse(url: &str) -> anyhow::Result<Self> {
        let rest = match url.split_once("://") {
            Some(("http" | "ws", rest)) => rest,
            Some((scheme, _)) => bail!("{scheme}:// is not supported, only http:// and ws://"),
            None => url,
        };
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(h, p)| (h, p));
        ensure!(!host.is_empty(), "no host in {url}");
        let with_port = if host.rsplit(']').next().is_some_and(|h| h.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut found = with_port
            .to_socket_addrs()
            .with_context(|| format!("looking up {with_port}"))?;
        let address = found
            .next()
            .with_context(|| format!("{with_port} has no address"))?;
        let path = path.trim_matches('/');
        let path = if path.is_empty() { "socket.io" } else { path };
        Ok(Self {
            address,
            host: host.to_owned(),
            path: format!("/{path}/"),
        })
    }
}

/// Source addresses, so many clients to each.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    first: u32,
    count: u32,
    per_address: u32,
}

impl Sources {
    /// A range given as `a.b.c.d/len`. Addresses are used from the first usable one.
    ///
    /// # Errors
    /// When the text is no such range.
    pub fn parse(text: &str, per_address: u32) -> anyhow::Result<Self> {
        let (base, len) = text.split_once('/').unwrap_or((text, "32"));
        let base: Ipv4Addr = base
            .parse()
            .with_context(|| format!("source range {text}"))?;
        let len: u32 = len
            .parse()
            .with_context(|| format!("source range {text}"))?;
        ensure!(
            (1..=32).contains(&len) && per_address > 0,
            "source range {text}"
        );
        let size = 1u32 << (32 - len);
        let start = base.to_bits() & !(size - 1);
        if size < 4 {
            return Ok(Self {
                first: base.to_bits(),
                count: 1,
                per_address,
            });
        }
        Ok(Self {
            first: start + 1,
            count: size - 2,
            per_address,
        })
    }

    /// What suits the target: many addresses on loopback, the system's choice elsewhere.
    #[must_use]
    pub fn suited_to(target: SocketAddr, per_address: u32) -> Option<Self> {
        let loopback = matches!(target.ip(), IpAddr::V4(ip) if ip.is_loopback());
        loopback.then_some(Self {
            first: Ipv4Addr::new(127, 1, 0, 1).to_bits(),
            count: 0xfffe,
            per_address: per_address.max(1),
        })
    }

    /// The address of one client.
    #[must_use]
    pub fn address(&self, client: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first + client / self.per_address % self.count)
    }

    /// Clients that fit.
    #[must_use]
    pub fn room(&self) -> u64 {
        u64::from(self.count) * u64::from(self.per_address)
    }
}

/// One connection: its descriptor, and bytes only while they wait for more or for the kernel.
#[derive(Debug, Default)]
#[expect(
    clippy::box_collection,
    reason = "8 bytes instead of 24 in every client"
)]
pub struct Link {
    /// The socket; none before dialling and after the end.
    pub socket: Option<OwnedFd>,
    /// Received bytes of something unfinished.
    pub inbox: Option<Box<Vec<u8>>>,
    outbox: Option<Box<Vec<u8>>>,
}

impl Link {
    /// Starts connecting. Sending may begin at once; what cannot go yet waits in the outbox.
    ///
    /// # Errors
    /// When the socket cannot be had, or the connection is refused at once.
    pub fn dial(target: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<Self> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(target), kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        if let Some(source) = source {
            sys::bind_address_no_port(socket.as_fd())?;
            socket.bind(&SocketAddr::from((source, 0)).into())?;
        }
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(Self {
            socket: Some(OwnedFd::from(socket)),
            inbox: None,
            outbox: None,
        })
    }

    /// Sends, or keeps for later what the kernel does not take.
    ///
    /// # Errors
    /// The connection's end.
    pub fn send(&mut self, data: &[u8]) -> io::Result<()> {
        let mut done = 0;
        if self.outbox.is_none() {
            done = self.push(data)?;
        }
        if done < data.len() {
            self.outbox
                .get_or_insert_default()
                .extend_from_slice(&data[done..]);
        }
        Ok(())
    }

    /// Goes on sending what was kept, to be called when the socket becomes writable.
    ///
    /// # Errors
    /// The connection's end.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(mut waiting) = self.outbox.take() else {
            return Ok(());
        };
        let done = self.push(&waiting)?;
        if done < waiting.len() {
            waiting.drain(..done);
            self.outbox = Some(waiting);
        }
        Ok(())
    }

    fn push(&self, data: &[u8]) -> io::Result<usize> {
        let Some(socket) = &self.socket else {
            return Ok(data.len());
        };
        match rustix::net::send(socket, data, SendFlags::NOSIGNAL) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN | Errno::NOTCONN) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Bytes waiting for the kernel.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.as_ref().map_or(0, |b| b.len())
    }

    /// Receives; `None` when there is nothing now.
    ///
    /// # Errors
    /// The connection's end, other than in good order (which is `Some(0)`).
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(socket) = &self.socket else {
            return Ok(None);
        };
        match rustix::net::recv(socket, buffer, rustix::net::RecvFlags::empty()) {
            Ok((received, _)) => Ok(Some(received)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Closes; `abruptly` with a reset, which leaves no port in `TIME_WAIT`.
    pub fn close(&mut self, abruptly: bool) {
        if let Some(socket) = self.socket.take() {
            let socket = Socket::from(socket);
            if abruptly {
                // A socket that is gone already needs no reset.
                let _ = socket.set_linger(Some(Duration::ZERO));
            }
        }
        self.inbox = None;
        self.outbox = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let target = Target::parse("http://127.0.0.1:3000").unwrap();
        assert_eq!(
            (target.address.port(), target.path.as_str()),
            (3000, "/socket.io/")
        );
        let target = Target::parse("127.0.0.1:99/my/path/").unwrap();
        assert_eq!(
            (target.host.as_str(), target.path.as_str()),
            ("127.0.0.1:99", "/my/path/")
        );
        assert!(Target::parse("https://127.0.0.1").is_err());
        assert_eq!(Target::parse("ws://[::1]/").unwrap().address.port(), 80);
    }

    #[test]
    fn sources_spread_clients() {
        let sources = Sources::parse("127.0.5.0/24", 100).unwrap();
        assert_eq!(sources.address(0), Ipv4Addr::new(127, 0, 5, 1));
        assert_eq!(sources.address(99), Ipv4Addr::new(127, 0, 5, 1));
        assert_eq!(sources.address(100), Ipv4Addr::new(127, 0, 5, 2));
        assert_eq!(sources.room(), 25_400);
        assert_eq!(
            Sources::parse("10.0.0.7", 5).unwrap().address(12),
            Ipv4Addr::new(10, 0, 0, 7)
        );
        assert!(Sources::parse("10.0.0/8", 5).is_err());
        assert!(Sources::suited_to("10.0.0.1:1".parse().unwrap(), 5).is_none());
    }
}
