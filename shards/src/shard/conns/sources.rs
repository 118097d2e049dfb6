//! Answers: what does a connection begin with, and where does it come from?

use std::io;

use super::{ConnKey, Conns, Role, TcpStream, Tick};
use crate::address::{Announced, Announcement, Peer, Source};

impl Conns {
    /// Takes in a connection of which nothing was decided yet.
    pub(crate) fn begin(
        &mut self,
        stream: TcpStream,
        announcement: Announcement,
        now: Tick,
    ) -> io::Result<ConnKey> {
        let role = match announcement {
            Announcement::Awaited => Role::ProxyHeader(Vec::new()),
            Announcement::Nothing | Announcement::Said(_) => Role::Head(Vec::new()),
        };
        let key = self.add(stream, role, now)?;
        if let Announcement::Said(announced) = announcement {
            self.announced.insert(key.to_bits(), announced);
        }
        Ok(key)
    }

    /// A connection's PROXY header is read: its first request is to come. What it said is kept, if it is believed.
    pub(in crate::shard) fn announce(&mut self, key: ConnKey, announced: Option<Announced>) {
        self.set_role(key, Role::Head(Vec::new()));
        if let Some(announced) = announced {
            self.announced.insert(key.to_bits(), announced);
        }
    }

    /// Where a connection comes from. `None` if it has gone.
    pub(in crate::shard) fn source(&self, key: ConnKey) -> Option<Source> {
        let announced = if self.announced.is_empty() {
            None
        } else {
            self.announced.get(&key.to_bits()).copied()
        };
        let peer = Peer::of(&self.table.get(key)?.stream).ok()?;
        Some(Source { peer, announced })
    }
}
