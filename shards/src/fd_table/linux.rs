//! Answers: how does a thread leave the process's table of descriptors, and how do connections go to one that has.
//!
//! `portable` beside it is what other systems have.

use std::{
    collections::HashMap,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::TcpStream,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
    thread::{UnshareFlags, unshare_unsafe},
};

/// Takes this thread's descriptors to a table of its own.
#[expect(unsafe_code, reason = "the one call that parts the tables")]
pub(super) fn leave_table() -> io::Result<()> {
    // SAFETY: the call is unsafe because a descriptor could be closed or used by its number from
    // a thread whose table has another file there. The server's own that cross threads were opened before
    // this and have their numbers in all tables, by the ground rules of [`super`]; shown by tests/fd_tables.rs,
    // which moves connections and mail between separated shards. For all others who asked for
    // `FdTables::per_shard` has promised the same. The thread that only tries uses no descriptor; its
    // copy of the table ends with it.
    unsafe { unshare_unsafe(UnshareFlags::FILES) }?;
    Ok(())
}

/// The sending end of the way by which connections come to one shard.
#[derive(Debug)]
pub(crate) struct PassageTo(OwnedFd);

/// The receiving end.
#[derive(Debug)]
pub(crate) struct Passage {
    from: OwnedFd,
    /// Connections that have come before the mail that speaks of them.
    waiting: HashMap<u64, TcpStream>,
}

/// A way for connections to one shard, to be opened before the tables part.
pub(crate) fn passage() -> io::Result<(PassageTo, Passage)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (to, from) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok((
        PassageTo(to),
        Passage {
            from,
            waiting: HashMap::new(),
        },
    ))
}

/// Whether a connection was not sent because too many are on the way: to this shard (278, measured
/// with the default `net.core.wmem_default`), or in all of the user's sockets.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let too_many = rustix::io::Errno::TOOMANYREFS.raw_os_error();
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(too_many)
}

impl PassageTo {
    /// Sends a connection under a number that the mail about it repeats.
    ///
    /// # Errors
    /// The system's; [`is_full`] if too many are on the way.
    pub(crate) fn send(&self, number: u64, stream: &TcpStream) -> io::Result<()> {
        let fds = [stream.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let pushed = control.push(SendAncillaryMessage::ScmRights(&fds));
        assert!(pushed, "the space is for one descriptor");
        let number = number.to_le_bytes();
        sendmsg(
            &self.0,
            &[IoSlice::new(&number)],
            &mut control,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }
}

impl Passage {
    /// The connection of this number, which was sent before its mail was.
    ///
    /// # Errors
    /// The system's; `NotFound` if it has not been sent.
    pub(crate) fn claim(&mut self, number: u64) -> io::Result<TcpStream> {
        loop {
            if let Some(stream) = self.waiting.remove(&number) {
                return Ok(stream);
            }
            let mut bytes = [0; 8];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            match recvmsg(&self.from, &mut parts, &mut control, flags) {
                Ok(_) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(io::ErrorKind::NotFound.into()),
                Err(error) => return Err(error.into()),
            }
            let number = u64::from_le_bytes(bytes);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(mut fds) = message
                    && let Some(fd) = fds.next()
                {
                    self.waiting.insert(number, fd.into());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn connections_come_through_under_their_numbers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (to, mut from) = passage().unwrap();
        let mut clients = Vec::new();
        for number in 0..3 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            to.send(number, &listener.accept().unwrap().0).unwrap();
        }
        for number in [2, 0, 1] {
            from.claim(number)
                .unwrap()
                .write_all(&[number as u8])
                .unwrap();
        }
        for (number, client) in clients.iter_mut().enumerate() {
            let mut byte = [9];
            client.read_exact(&mut byte).unwrap();
            assert_eq!(usize::from(byte[0]), number);
        }
        assert_eq!(from.claim(7).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
