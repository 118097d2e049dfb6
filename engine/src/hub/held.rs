//! Answers: how much does a hub hold until its clients go on, and for whom.
//!
//! Output that is not taken, and packets whose attachments have not all come: each may be the bytes of
//! ten messages.

use super::{Client, Entry, Hub, SessionKey};
use crate::sio::assembler::Partial;

impl Client {
    /// Bytes of a packet whose attachments have not all come.
    pub(super) fn unfinished_bytes(&self) -> usize {
        let partial = self.extra.as_ref().and_then(|extra| extra.partial.as_ref());
        partial.map_or(0, Partial::held_bytes)
    }
}

impl Hub {
    /// Bytes held for all sessions until their clients go on.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.unfinished + self.sessions.backlog_total()
    }

    /// The sessions for which something is held, and how much.
    pub fn holders(&self) -> impl Iterator<Item = (SessionKey, usize)> {
        let rows = self.sessions.rows();
        let held = |entry: &Entry| entry.client.unfinished_bytes() + entry.backlog_bytes();
        let rows = rows.map(move |(key, entry)| (key, held(entry)));
        rows.filter(|(_, bytes)| *bytes > 0)
    }

    /// What a session has not sent whole is held no longer.
    pub(super) fn forget_unfinished(&mut self, key: SessionKey) {
        if let Some(client) = self.sessions.client(key) {
            self.unfinished -= client.unfinished_bytes();
            if let Some(extra) = &mut client.extra {
                extra.partial = None;
            }
            client.tidy();
        }
    }
}
