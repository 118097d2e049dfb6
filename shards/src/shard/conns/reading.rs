//! Answers: may a connection be read from now, when its turn comes, or not?

use rustix::{
    io::{Errno, retry_on_intr},
    net::{RecvFlags, recv},
};

use super::{BEHIND_BYTES, Conn, ConnKey, Conns, Role};

/// Whether a connection is read from when it becomes ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// At once.
    Free,
    /// When its turn comes: it is listed.
    Listed,
    /// No: its session does not take what it has asked for.
    Paused,
    /// No, and it has become ready since.
    Missed,
}

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// There is no such connection, or nothing to read from it now.
    Nothing,
    Bytes(usize),
    /// The peer sends no more.
    End,
    Broken,
}

impl Conn {
    /// It has become ready and is not read.
    const fn missed(&mut self, end: bool) {
        self.end |= end;
        if matches!(self.reading, Reading::Paused) {
            self.reading = Reading::Missed;
        }
    }

    pub(super) const fn is_unread(&self) -> bool {
        matches!(self.reading, Reading::Listed | Reading::Missed)
    }
}

impl Conns {
    /// Reads once, if the connection is free to be read; `end` if its end is to be seen. What comes behind
    /// a request that waits is read up to [`BEHIND_BYTES`]: the rest is TCP's, until [`Conns::read_on`].
    #[inline]
    pub(crate) fn read(&mut self, key: ConnKey, buf: &mut [u8], end: bool) -> Read {
        let Some(conn) = self.table.get_mut(key) else {
            return Read::Nothing;
        };
        if conn.reading != Reading::Free {
            conn.missed(end);
            return Read::Nothing;
        }
        let mut buf = buf;
        if let Role::Polled(polled) = &conn.role
            && polled.reader.is_busy()
        {
            let room = BEHIND_BYTES.saturating_sub(polled.reader.kept().len());
            if room == 0 {
                return Read::Nothing;
            }
            let room = room.min(buf.len());
            buf = &mut buf[..room];
        }
        match retry_on_intr(|| recv(&conn.stream, &mut *buf, RecvFlags::empty())) {
            Ok((0, _)) => Read::End,
            Ok((n, _)) => Read::Bytes(n),
            Err(Errno::AGAIN) => Read::Nothing,
            Err(_) => Read::Broken,
        }
    }

    /// Marks a connection as listed to be read; `end` if its end is to be seen then. False if it is
    /// listed already, or will be when it is read from again.
    pub(crate) fn list(&mut self, key: ConnKey, end: bool) -> bool {
        let Some(conn) = self.table.get_mut(key) else {
            return false;
        };
        if conn.reading != Reading::Free {
            conn.missed(end);
            return false;
        }
        (conn.reading, conn.end) = (Reading::Listed, end);
        true
    }

    /// The turn of a listed connection has come. Whether its end is to be seen; `None` if it is not to
    /// be read.
    pub(crate) fn unlist(&mut self, key: ConnKey) -> Option<bool> {
        let conn = self.table.get_mut(key)?;
        if conn.reading != Reading::Listed {
            return None; // it was paused since, or paused and listed again, and read
        }
        conn.reading = Reading::Free;
        Some(std::mem::take(&mut conn.end))
    }

    /// Whether a connection is known to have more than was read.
    pub(crate) fn is_unread(&self, key: ConnKey) -> bool {
        self.table.get(key).is_some_and(Conn::is_unread)
    }

    /// Nothing is read from a connection for now.
    pub(crate) fn pause(&mut self, key: ConnKey) {
        if let Some(conn) = self.table.get_mut(key) {
            conn.reading = match conn.reading {
                Reading::Free | Reading::Paused => Reading::Paused,
                Reading::Listed | Reading::Missed => Reading::Missed,
            };
        }
    }

    /// It is read from again. True if it has become ready since: then it is among those that
    /// [`Conns::take_readable`] tells.
    pub(crate) fn unpause(&mut self, key: ConnKey) -> bool {
        let Some(conn) = self.table.get_mut(key) else {
            return false;
        };
        let missed = match conn.reading {
            Reading::Free | Reading::Listed => return false,
            Reading::Paused => false,
            Reading::Missed => true,
        };
        conn.reading = Reading::Free;
        if missed {
            let end = std::mem::take(&mut conn.end);
            self.readable.push((key, end));
        }
        missed
    }

    pub(crate) fn has_readable(&self) -> bool {
        !self.readable.is_empty()
    }

    /// The connections that can be read again, and whether their end is to be seen.
    pub(crate) fn take_readable(&mut self) -> Vec<(ConnKey, bool)> {
        std::mem::take(&mut self.readable)
    }
}
