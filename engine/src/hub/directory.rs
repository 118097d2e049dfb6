//! Answers: which shards have a member of this room.
//!
//! A broadcast to a small room must not wake shards that have nobody in it. The directory maps the
//! hash of a room to a set of shards. It may name a shard too many (two rooms share a hash), never
//! one too few: a shard is in the set before a join is acknowledged, and while a mail is under way
//! that lets sockets there join. Whether it is shared memory or a table in a simulator is the
//! shell's business.

use super::Selection;
use crate::{
    hash::SecretHash,
    id::{NamespaceId, ShardId, SocketId},
};

/// A set of shards: bit n is shard n.
pub type ShardSet = u64;

/// One shard's view of the directory.
pub trait Directory {
    /// This shard has a member of the room with this hash; called once per room.
    fn add(&mut self, hash: u64);
    /// This shard has none any more; called once per [`Directory::add`].
    fn remove(&mut self, hash: u64);
    /// Sockets of these shards are told to join: they count as having a member, until each of them
    /// has called [`Directory::settle`].
    fn expect(&mut self, hash: u64, shards: ShardSet);
    /// Who on this shard was told to join has joined, or has not; called once per
    /// [`Directory::expect`] that names this shard.
    fn settle(&mut self, hash: u64);
    /// The shards of this server that have added a room of this hash and not removed it, or are
    /// expected to. It may name some too many.
    fn shards(&self, hash: u64) -> ShardSet;
}

/// The directory of a server with one shard.
#[derive(Debug, Default, Clone, Copy)]
pub struct Alone;

impl Directory for Alone {
    fn add(&mut self, _: u64) {}
    fn remove(&mut self, _: u64) {}
    fn expect(&mut self, _: u64, _: ShardSet) {}
    fn settle(&mut self, _: u64) {}
    fn shards(&self, _: u64) -> ShardSet {
        0
    }
}

/// Turns rooms into hashes, the same on every shard of a server.
#[derive(Debug, Clone)]
pub struct RoomHash(SecretHash);

impl RoomHash {
    /// `seed` is the server's: one for all shards, unpredictable to peers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(SecretHash::new(seed))
    }

    /// The hash of a room.
    #[must_use]
    pub fn room(&self, namespace: NamespaceId, name: &str) -> u64 {
        self.0.of((namespace, name))
    }

    /// The hash of everybody in a namespace.
    #[must_use]
    pub fn everyone(&self, namespace: NamespaceId) -> u64 {
        self.0.of((namespace, 0u8))
    }

    /// The shards that may have somebody whom `selection` means.
    #[must_use]
    pub fn shards(&self, selection: &Selection, directory: &dyn Directory) -> ShardSet {
        let everyone = directory.shards(self.everyone(selection.namespace));
        if selection.rooms.is_empty() {
            return everyone;
        }
        let mut set = 0;
        for room in &selection.rooms {
            set |= directory.shards(self.room(selection.namespace, room));
            if let Some(ShardId(shard @ 0..64)) = SocketId::parse(room).map(|id| id.shard()) {
                set |= 1 << shard & everyone;
            }
        }
        set
    }
}
