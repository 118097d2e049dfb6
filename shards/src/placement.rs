//! Answers: which core is shard n's, how many shards are there by default, and how is a socket set up.
//!
//! Must not know what a shard does, nor what is said on a socket.

#[cfg(target_os = "linux")]
#[path = "placement/linux.rs"]
mod cores;
#[cfg(not(target_os = "linux"))]
#[path = "placement/portable.rs"]
mod cores;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use stentor_engine::limits::SHARDS_MAX;

/// Lets the calling thread run on every core that the process may use. For threads that a handler starts: a
/// thread begins on the cores of who starts it, and a shard's is one, which is to be kept free for the shard. (The
/// threads of `tokio::task::spawn_blocking` need no telling.) False if the system refuses.
///
/// ```
/// std::thread::spawn(|| {
///     stentor::unpin_thread();
///     // … work that would hold the shard up …
/// });
/// ```
#[expect(
    clippy::must_use_candidate,
    reason = "a thread that stays where it is works as well"
)]
pub fn unpin_thread() -> bool {
    cores::unpin()
}

/// Pins the calling thread to shard `shard`'s core, and returns the core's number. Only cores that the process
/// was allowed at the first call are used (`taskset`, cpusets), in order; with more shards than those
/// the count wraps round. `None` if the system refuses, or has no such thing: the thread then runs anywhere.
#[must_use]
pub(crate) fn pin(shard: usize) -> Option<usize> {
    cores::pin(shard)
}

/// One shard for each core that this process may use (allowed cores and cgroup quota), at most as many as a
/// server may have, at least one.
#[must_use]
pub(crate) fn default_shards() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(SHARDS_MAX))
}

/// Whether a listener may be opened at `addr` by who shares it with nobody. Between the answer and the opening
/// another process may take it.
///
/// # Errors
///
/// The system's; `AddrInUse` if somebody listens there, whether sharing or not.
pub(crate) fn check_free(addr: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?; // Old connections in TIME_WAIT are no listener.
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&addr.into())
}

/// A listening socket, non-blocking. With `reuse_port` several shards may listen on one address, and the kernel
/// deals the connections among them. An IPv6 address also takes IPv4 connections, where it is the wildcard.
///
/// # Errors
///
/// The system's, from making, setting, binding or listening.
pub(crate) fn listener(
    addr: SocketAddr,
    reuse_port: bool,
    backlog: i32,
) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server need not wait for its old connections to time out.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?; // On Windows this would let another process take the port.
    #[cfg(unix)]
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    if reuse_port {
        return Err(io::ErrorKind::Unsupported.into());
    }
    if addr.is_ipv6() {
        // Said, because the default is the system's (`net.ipv6.bindv6only`).
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Sets up an accepted connection: frames leave at once (no Nagle; a turn's frames are one write already), and
/// with `user_timeout` the kernel gives up on a peer that acknowledges nothing for so long. Zero means
/// the system's own timeout, and `None` leaves it as it is; only Linux has the option.
///
/// # Errors
///
/// The system's, as when the peer is gone already.
pub(crate) fn tune<'s>(
    stream: impl Into<SockRef<'s>>,
    user_timeout: Option<Duration>,
) -> io::Result<()> {
    let socket = stream.into();
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    if user_timeout.is_some() {
        socket.set_tcp_user_timeout(user_timeout)?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = user_timeout;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};

    use super::*;

    const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

    #[test]
    fn there_is_at_least_one_shard_and_a_cap() {
        assert!((1..=SHARDS_MAX).contains(&default_shards()));
    }

    #[test]
    fn a_port_is_shared_only_when_asked() {
        let first = listener(LOOPBACK.into(), true, 16).unwrap();
        let address = first.local_addr().unwrap();
        listener(address, true, 16).unwrap();
        assert_eq!(
            listener(address, false, 16).unwrap_err().kind(),
            ErrorKind::AddrInUse
        );
    }

    #[test]
    fn accepting_does_not_block_and_connections_are_tuned() {
        let listening = listener(LOOPBACK.into(), false, 16).unwrap();
        assert_eq!(
            listening.accept().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        let _client = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
        let (accepted, _) = loop {
            match listening.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                accepted => break accepted.unwrap(),
            }
        };
        let limit = Duration::from_secs(20);
        tune(&accepted, Some(limit)).unwrap();
        assert!(accepted.nodelay().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(
            SockRef::from(&accepted).tcp_user_timeout().unwrap(),
            Some(limit)
        );
        tune(&accepted, None).unwrap();
    }

    #[test]
    fn an_ipv6_listener_takes_ipv4() {
        // The mapped loopback, which an IPv6-only socket cannot bind; no test listens on a wildcard.
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        if listener((Ipv6Addr::LOCALHOST, 0).into(), false, 16).is_err() {
            return; // No IPv6 here.
        }
        let listening = listener((mapped, 0).into(), false, 16).unwrap();
        let port = listening.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    }
}
