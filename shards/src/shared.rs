//! Answers: what do all threads of one server have in common.
//!
//! Everything here is read-only after start, atomic, or a mailbox: no lock on a message's path.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use stentor_engine::{
    hub::{Directory, ShardSet},
    id::{NamespaceId, ShardId},
};

use crate::{fd_table::PassageTo, log::LeftOut, mailbox::Sender, post::Post};

/// Buckets of the directory: 512 KiB a server. Two rooms in one bucket cost a mail too many now and
/// then, never one too few.
const BUCKETS: usize = 1 << 16;

/// Counters of joins that are under way to other shards, 4 KiB a server. While one is not zero, its
/// rooms are taken to have members everywhere: for the time of a turn, a mail too many.
const JOINING: usize = 1 << 10;

/// What other threads see of how a shard does; on cache lines of its own, as it is written every turn.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Vital {
    /// When its last turn began, as a [`stentor_engine::time::Tick`].
    pub(crate) turned: AtomicU64,
    /// Lines that were not logged, nor counted in the log.
    pub(crate) left_out: LeftOut,
}

/// What the threads of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Names this server among others in the process.
    pub(crate) server: u64,
    pub(crate) posts: OnceLock<Vec<Sender<Post>>>,
    /// How long a packet may be, for threads that encode one; set with `posts`.
    pub(crate) packet_bytes: OnceLock<usize>,
    /// Ways for connections to each shard; only if the shards' descriptor tables are apart.
    pub(crate) passages: OnceLock<Vec<PassageTo>>,
    /// The names of the namespaces in the order of their ids, told by the first shard that is up.
    pub(crate) namespaces: OnceLock<Vec<Box<str>>>,
    buckets: Box<[AtomicU64]>,
    joining: Box<[AtomicU32]>,
    pub(crate) seed: u64,
    /// Shards that are up; the server listens when all are.
    pub(crate) ready: AtomicUsize,
    /// Engine.IO sessions over all shards, counted at turns' ends.
    pub(crate) sessions: Box<[AtomicUsize]>,
    /// By shard.
    pub(crate) vitals: Box<[Vital]>,
    /// The first shard has mail that others have no room for: it takes none for them from threads
    /// that are no shard.
    pub(crate) congested: AtomicBool,
}

impl Shared {
    pub(crate) fn new(shards: usize, seed: u64) -> Arc<Self> {
        static SERVERS: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self {
            server: SERVERS.fetch_add(1, Ordering::Relaxed),
            posts: OnceLock::new(),
            packet_bytes: OnceLock::new(),
            passages: OnceLock::new(),
            namespaces: OnceLock::new(),
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            joining: (0..JOINING).map(|_| AtomicU32::new(0)).collect(),
            seed,
            ready: AtomicUsize::new(0),
            sessions: (0..shards).map(|_| AtomicUsize::new(0)).collect(),
            vitals: (0..shards).map(|_| Vital::default()).collect(),
            congested: AtomicBool::new(false),
        })
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<NamespaceId> {
        let names = self.namespaces.get()?;
        let at = names.iter().position(|known| **known == *name)?;
        Some(NamespaceId(at as u16)) // the hub takes no more than 2^16
    }

    fn bucket(&self, hash: u64) -> &AtomicU64 {
        &self.buckets[hash as usize % BUCKETS]
    }

    fn joining(&self, hash: u64) -> &AtomicU32 {
        &self.joining[hash as usize % JOINING]
    }

    fn shards(&self, hash: u64) -> ShardSet {
        // In this order: a counter that is back at zero has been brought there, by Release, after the
        // bits were set.
        if self.joining(hash).load(Ordering::Acquire) > 0 {
            return ShardSet::MAX >> (64 - self.sessions.len());
        }
        // Pairs with the AcqRel of `LocalDirectory`: who has seen a join's effect sees its bit.
        self.bucket(hash).load(Ordering::Acquire)
    }
}

/// One shard's end of the directory: counts its own rooms per bucket, so that the shared bit is
/// touched only when the first comes or the last goes.
#[derive(Debug)]
pub(crate) struct LocalDirectory {
    shared: Arc<Shared>,
    bit: ShardSet,
    counts: Box<[u32]>,
}

impl LocalDirectory {
    pub(crate) fn new(shared: Arc<Shared>, own: ShardId) -> Self {
        Self {
            shared,
            bit: 1 << own.0,
            counts: vec![0; BUCKETS].into(),
        }
    }
}

impl Directory for LocalDirectory {
    fn add(&mut self, hash: u64) {
        let count = &mut self.counts[hash as usize % BUCKETS];
        *count += 1;
        if *count == 1 {
            self.shared
                .bucket(hash)
                .fetch_or(self.bit, Ordering::AcqRel);
        }
    }

    fn remove(&mut self, hash: u64) {
        let count = &mut self.counts[hash as usize % BUCKETS];
        *count -= 1;
        if *count == 0 {
            self.shared
                .bucket(hash)
                .fetch_and(!self.bit, Ordering::AcqRel);
        }
    }

    // A counter and no bits: only its own shard can clear a bit, and would, when a room of the same
    // bucket empties before the mail comes.
    fn expect(&mut self, hash: u64, shards: ShardSet) {
        let joining = self.shared.joining(hash);
        joining.fetch_add(shards.count_ones(), Ordering::AcqRel);
    }

    fn settle(&mut self, hash: u64) {
        self.shared.joining(hash).fetch_sub(1, Ordering::AcqRel);
    }

    fn shards(&self, hash: u64) -> ShardSet {
        self.shared.shards(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_set_while_any_room_of_the_bucket_lives() {
        let shared = Shared::new(2, 1);
        let mut zero = LocalDirectory::new(Arc::clone(&shared), ShardId(0));
        let mut one = LocalDirectory::new(Arc::clone(&shared), ShardId(1));
        let (room, other) = (5, 5 + BUCKETS as u64);
        zero.add(room);
        zero.add(other);
        one.add(room);
        assert_eq!(shared.shards(room), 0b11);
        zero.remove(room);
        one.remove(room);
        assert_eq!(one.shards(other), 0b01);
        zero.remove(other);
        assert_eq!(shared.shards(room), 0);
    }

    #[test]
    fn who_is_told_to_join_counts_until_all_have() {
        let shared = Shared::new(3, 1);
        let [mut zero, mut one, mut two] =
            [0, 1, 2].map(|n| LocalDirectory::new(Arc::clone(&shared), ShardId(n)));
        one.add(5);
        zero.expect(5, 0b110);
        one.remove(5);
        assert_eq!(shared.shards(5), 0b111, "no shard that there is not");
        assert_eq!(shared.shards(6), 0);
        two.settle(5);
        assert_eq!(shared.shards(5), 0b111);
        one.add(5);
        one.settle(5);
        assert_eq!(shared.shards(5), 0b010);
    }
}
