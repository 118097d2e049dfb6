//! Answers: where does a server listen, and how are its listeners opened and asked?
//!
//! It must not know what a shard does, nor what is said on a connection.

#[cfg(unix)]
mod unix;

use std::{
    fmt, io,
    net::{Shutdown, SocketAddr, ToSocketAddrs},
    path::PathBuf,
};

use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::placement;

/// Where a server listens: a TCP address, or a Unix socket.
///
/// ```
/// use stentor::{Listen, prelude::*};
///
/// let server = Server::new()
///     .listen("0.0.0.0:3000") // the same as Listen::tcp("0.0.0.0:3000")
///     .also_listen(Listen::tcp("10.0.0.1:3001").proxy_protocol(true))
///     .also_listen(Listen::unix("/run/chat/stentor.sock").mode(0o660));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    place: Place,
    proxy_protocol: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Tcp(String),
    #[cfg(unix)]
    Unix {
        path: PathBuf,
        mode: Option<u32>,
    },
}

impl Listen {
    /// A TCP address, `host:port`. Port 0 takes a free one; a host's name stands for its first address.
    #[must_use]
    pub fn tcp(address: impl Into<String>) -> Self {
        Self {
            place: Place::Tcp(address.into()),
            proxy_protocol: false,
        }
    }

    /// A Unix socket at a path, for a proxy on the same machine.
    ///
    /// The server makes the file when it starts and removes it when it stops. If a socket is there already on which
    /// nobody listens, as a server that was killed leaves it, it is replaced; if somebody listens on it, or it is
    /// no socket, the server does not start. Who may connect is who may write to the file: see [`Listen::mode`].
    #[cfg(unix)]
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self {
            place: Place::Unix {
                path: path.into(),
                mode: None,
            },
            proxy_protocol: false,
        }
    }

    /// The permissions of a Unix socket's file, such as `0o660` for owner and group. Default: what the process's umask
    /// leaves of `0o777`, mostly `0o755`, and so only the owner may connect. A TCP address has none.
    #[cfg(unix)]
    #[must_use]
    pub fn mode(mut self, permissions: u32) -> Self {
        if let Place::Unix { mode, .. } = &mut self.place {
            *mode = Some(permissions);
        }
        self
    }

    /// Whether each connection begins with a PROXY header (`HAProxy`'s protocol, version 1 or 2). Default false.
    ///
    /// A connection that does not begin with one is closed without a word, and one whose header does not come within
    /// [`crate::HttpWaits::head`]. The header's address is the client's ([`crate::Handshake::address`]), unless
    /// [`crate::Server::trusted_proxies`] names proxies and the peer is none of them: then the header is
    /// read and not believed. Without that list everybody is believed who can reach the listener: it must be
    /// reachable for the proxy alone.
    #[must_use]
    pub const fn proxy_protocol(mut self, expected: bool) -> Self {
        self.proxy_protocol = expected;
        self
    }

    /// Opens it for so many shards: a listener of each one's own, or the first one's alone.
    ///
    /// # Errors
    /// The system's; `InvalidInput` for a name without an address.
    pub(crate) fn open(
        &self,
        shards: usize,
        backlog: i32,
    ) -> io::Result<(Endpoint, Vec<Listening>)> {
        let listening = |socket| Listening {
            socket,
            proxy_protocol: self.proxy_protocol,
        };
        match &self.place {
            Place::Tcp(address) => {
                let (address, sockets) = open_tcp(address, shards, backlog)?;
                let sockets = sockets.into_iter().map(Socket::Tcp).map(listening);
                Ok((Endpoint::Tcp(address), sockets.collect()))
            }
            #[cfg(unix)]
            Place::Unix { path, mode } => {
                let (socket, file) = unix::listener(path, *mode, backlog)?;
                let endpoint = Endpoint::Unix(file.path().to_owned());
                Ok((endpoint, vec![listening(Socket::Unix(socket, file))]))
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(address) => f.write_str(address),
            #[cfg(unix)]
            Place::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<String> for Listen {
    fn from(address: String) -> Self {
        Self::tcp(address)
    }
}

impl From<&String> for Listen {
    fn from(address: &String) -> Self {
        Self::tcp(address)
    }
}

impl From<&str> for Listen {
    fn from(address: &str) -> Self {
        Self::tcp(address)
    }
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self::tcp(address.to_string())
    }
}

/// Where a server that runs listens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// At this TCP address, with the port that it has got.
    Tcp(SocketAddr),
    /// On the Unix socket at this path.
    Unix(PathBuf),
}

/// `127.0.0.1:3000`, or `unix:/run/stentor.sock`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn open_tcp(
    address: &str,
    shards: usize,
    backlog: i32,
) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    let none = || io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    let mut address = address.to_socket_addrs()?.next().ok_or_else(none)?;
    if shards > 1 {
        // Shards share the port by SO_REUSEPORT, which another server would share in as well.
        placement::check_free(address)?;
    }
    let mut listeners = Vec::new();
    for _ in 0..shards {
        let listener = placement::listener(address, shards > 1, backlog)?;
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok((address, listeners))
}

/// A listening socket of a shard, before the shard runs.
#[derive(Debug)]
pub(crate) struct Listening {
    socket: Socket,
    proxy_protocol: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(std::net::TcpListener),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, unix::SocketFile),
}

/// A listening socket that a shard's epoll watches.
#[derive(Debug)]
pub(crate) struct Listener {
    watched: Watched,
    /// Each connection begins with a PROXY header.
    pub(crate) proxy_protocol: bool,
}

#[derive(Debug)]
enum Watched {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix {
        socket: mio::net::UnixListener,
        /// Removed with this.
        _file: unix::SocketFile,
    },
}

impl From<Listening> for Listener {
    fn from(listening: Listening) -> Self {
        Self {
            watched: match listening.socket {
                Socket::Tcp(socket) => Watched::Tcp(mio::net::TcpListener::from_std(socket)),
                #[cfg(unix)]
                Socket::Unix(socket, file) => Watched::Unix {
                    socket: mio::net::UnixListener::from_std(socket),
                    _file: file,
                },
            },
            proxy_protocol: listening.proxy_protocol,
        }
    }
}

impl Listener {
    /// Has it watched.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.watched {
            Watched::Tcp(socket) => registry.register(socket, token, Interest::READABLE),
            #[cfg(unix)]
            Watched::Unix { socket, .. } => registry.register(socket, token, Interest::READABLE),
        }
    }

    /// Whether other shards have none for the same place: its connections are dealt among all of them.
    pub(crate) const fn is_alone(&self) -> bool {
        match &self.watched {
            Watched::Tcp(_) => false,
            #[cfg(unix)]
            Watched::Unix { .. } => true,
        }
    }

    /// The next connection. One over a Unix socket is given out as a [`mio::net::TcpStream`], too: shards only do with
    /// it what all stream sockets can, and ask [`crate::address::Peer::of`] where it comes from.
    ///
    /// # Errors
    /// The system's; `WouldBlock` if there is none.
    pub(crate) fn accept(&self) -> io::Result<mio::net::TcpStream> {
        match &self.watched {
            Watched::Tcp(socket) => Ok(socket.accept()?.0),
            #[cfg(unix)]
            Watched::Unix { socket, .. } => Ok(unix::as_stream(socket.accept()?.0)),
        }
    }

    /// Refuses who comes from now on, even if another table of descriptors still has the listener, and removes
    /// a Unix socket's file.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn stop(self) -> io::Result<()> {
        match &self.watched {
            Watched::Tcp(socket) => SockRef::from(socket).shutdown(Shutdown::Both),
            #[cfg(unix)]
            Watched::Unix { socket, .. } => SockRef::from(socket).shutdown(Shutdown::Both),
        }
    }
}
