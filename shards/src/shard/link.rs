//! Answers: what goes along when a connection leaves a shard's epoll, for hyper or for another shard?

use std::{io, net::TcpStream};

use crate::address::{Announcement, Peer, Source};

/// A connection on its way.
#[derive(Debug)]
pub(crate) struct Link {
    /// Over TCP or a Unix socket: see [`crate::listen::Listener::accept`].
    pub(crate) stream: TcpStream,
    pub(crate) announcement: Announcement,
}

impl Link {
    /// Where the connection comes from.
    ///
    /// # Errors
    /// The system's, as when the peer is gone already.
    pub(super) fn source(&self) -> io::Result<Source> {
        let announced = match self.announcement {
            Announcement::Said(announced) => Some(announced),
            Announcement::Nothing | Announcement::Awaited => None,
        };
        let peer = Peer::of(&self.stream)?;
        Ok(Source { peer, announced })
    }
}
