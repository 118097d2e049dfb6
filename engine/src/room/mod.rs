//! Answers: who is in this room, and which rooms is this socket in.
//!
//! It must not know about frames, sessions' state or IO: members are numbers. Both directions are
//! kept in step: a membership knows its place in the room's list, so that leaving is O(1) in the
//! room's size.

use alloc::{boxed::Box, vec::Vec};

use hashbrown::HashTable;

use crate::{
    chunks::{Chunks, trim, trimmed},
    hash::SecretHash,
    id::NamespaceId,
    slab::Slab,
};

/// A socket in a room. The session's slot stands beside the socket's, because a broadcast needs
/// only the session: one cache miss per recipient less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The socket's slot.
    pub socket: u32,
    /// Its session's slot.
    pub session: u32,
}

#[derive(Debug)]
struct Room {
    namespace: NamespaceId,
    name: Box<str>,
    members: Vec<Member>,
}

#[derive(Debug, Clone, Copy)]
struct Membership {
    room: u32,
    /// Where the socket stands in the room's list.
    place: u32,
}

/// What a join or a leave changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was so already.
    None,
    /// The socket is in, or out.
    Member,
    /// The same, and the room is new, or empty and gone.
    Room,
    /// The socket is in as many rooms as it may be.
    Full,
}

/// All rooms of one hub.
#[derive(Debug)]
pub struct Rooms {
    slab: Slab<Room>,
    index: HashTable<u32>,
    /// Peers choose room names, so the hash is seeded.
    hasher: SecretHash,
    /// By socket slot. Most sockets are in no room and cost a null pointer.
    #[expect(
        clippy::box_collection,
        reason = "a socket in no room costs 8 bytes, not 24"
    )]
    of: Chunks<Option<Box<Vec<Membership>>>>,
}

fn hash_of(rooms: &Slab<Room>, hasher: &SecretHash, slot: u32) -> u64 {
    rooms
        .at(slot)
        .map_or(0, |room| hasher.of((room.namespace, &*room.name)))
}

impl Rooms {
    /// Bytes of a membership, for the guard against growth.
    #[doc(hidden)]
    pub const MEMBERSHIP_BYTES: usize = size_of::<Membership>();

    /// No rooms. `seed` must be unpredictable to peers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            slab: Slab::default(),
            index: HashTable::new(),
            hasher: SecretHash::new(seed),
            of: Chunks::default(),
        }
    }

    /// Rooms that have a member.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// Names that lead to a room; one for each room.
    #[must_use]
    pub fn names(&self) -> usize {
        self.index.len()
    }

    /// Whether no socket is in any room.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    fn find(&self, namespace: NamespaceId, name: &str) -> Option<u32> {
        let hash = self.hasher.of((namespace, name));
        let is_it = |slot: &u32| {
            self.slab
                .at(*slot)
                .is_some_and(|r| r.namespace == namespace && *r.name == *name)
        };
        self.index.find(hash, is_it).copied()
    }

    fn create(&mut self, namespace: NamespaceId, name: &str) -> u32 {
        let room = Room {
            namespace,
            name: name.into(),
            members: Vec::new(),
        };
        let slot = self.slab.insert(room).index();
        let (rooms, hasher) = (&self.slab, &self.hasher);
        let hash = hash_of(rooms, hasher, slot);
        self.index
            .insert_unique(hash, slot, |slot| hash_of(rooms, hasher, *slot));
        debug_assert!(self.index.len() == self.slab.len(), "one name a room");
        slot
    }

    /// The members of a room; empty if there is no such room.
    #[must_use]
    pub fn members(&self, namespace: NamespaceId, name: &str) -> &[Member] {
        let room = self
            .find(namespace, name)
            .and_then(|slot| self.slab.at(slot));
        room.map_or(&[], |room| &room.members)
    }

    /// Puts a socket into a room unless it is in `max` others already.
    pub fn join(
        &mut self,
        namespace: NamespaceId,
        name: &str,
        member: Member,
        max: usize,
    ) -> Change {
        let known = self.find(namespace, name);
        let slot = member.socket as usize;
        let joined = self.of.get(slot).and_then(|joined| joined.as_deref());
        let joined = joined.map_or(&[][..], Vec::as_slice);
        if known.is_some_and(|room| joined.iter().any(|m| m.room == room)) {
            return Change::None;
        }
        if joined.len() >= max {
            return Change::Full;
        }
        let room = known.unwrap_or_else(|| self.create(namespace, name));
        let members = &mut self.slab.at_mut(room).expect("found or just made").members;
        debug_assert!(
            known.is_none() || !members.is_empty(),
            "an empty room is gone"
        );
        let place = members.len() as u32;
        members.push(member);
        let membership = Membership { room, place };
        match self.of.get_mut(slot) {
            Some(Some(joined)) => joined.push(membership),
            _ => *self.of.enter(slot, || None) = Some(Box::new([membership].into())),
        }
        if known.is_some() {
            Change::Member
        } else {
            Change::Room
        }
    }

    /// Takes a socket out of a room.
    pub fn leave(&mut self, namespace: NamespaceId, name: &str, socket: u32) -> Change {
        let Some(room) = self.find(namespace, name) else {
            return Change::None;
        };
        let Some(Some(joined)) = self.of.get_mut(socket as usize) else {
            return Change::None;
        };
        let Some(at) = joined.iter().position(|m| m.room == room) else {
            return Change::None;
        };
        let membership = joined.swap_remove(at);
        if joined.is_empty() {
            self.forget(socket);
        }
        if self.unseat(membership) {
            Change::Room
        } else {
            Change::Member
        }
    }

    /// Takes a socket out of all its rooms and returns their names, with whether each is gone.
    pub fn leave_all(&mut self, socket: u32) -> Vec<(Box<str>, bool)> {
        let mut left = Vec::new();
        for membership in self.forget(socket) {
            let room = self
                .slab
                .at(membership.room)
                .expect("a membership's room exists");
            let name = room.name.clone();
            let gone = self.unseat(membership);
            left.push((name, gone));
        }
        left
    }

    /// Takes a socket's list of rooms.
    fn forget(&mut self, socket: u32) -> Vec<Membership> {
        let joined = self.of.get_mut(socket as usize).and_then(Option::take);
        if joined.is_some() {
            self.of.leave(socket as usize);
        }
        joined.map(|joined| *joined).unwrap_or_default()
    }

    /// Removes one member from its room; true if the room is empty and gone.
    fn unseat(&mut self, Membership { room: slot, place }: Membership) -> bool {
        let room = self.slab.at_mut(slot).expect("a membership's room exists");
        debug_assert!(
            (place as usize) < room.members.len(),
            "both directions agree"
        );
        room.members.swap_remove(place as usize);
        trim(&mut room.members);
        if let Some(moved) = room.members.get(place as usize) {
            let joined = self.of.get_mut(moved.socket as usize);
            let joined = joined
                .and_then(Option::as_mut)
                .expect("a member has memberships");
            let membership = joined.iter_mut().find(|m| m.room == slot);
            membership.expect("both directions agree").place = place;
            return false;
        }
        if !room.members.is_empty() {
            return false;
        }
        let hash = self.hasher.of((room.namespace, &*room.name));
        self.index
            .find_entry(hash, |s| *s == slot)
            .expect("a room is listed")
            .remove();
        self.slab.remove(self.slab.key_at(slot));
        debug_assert!(self.index.len() == self.slab.len(), "one name a room");
        if let Some(rows) = trimmed(self.index.len(), self.index.capacity()) {
            let (rooms, hasher) = (&self.slab, &self.hasher);
            self.index
                .shrink_to(rows, |slot| hash_of(rooms, hasher, *slot));
        }
        true
    }

    /// What is true of them at any time.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn check(&self) {
        self.slab.check();
        let mut members = 0;
        for (key, room) in self.slab.iter() {
            assert!(!room.members.is_empty(), "an empty room is gone");
            for (place, member) in room.members.iter().enumerate() {
                let joined = self
                    .of
                    .get(member.socket as usize)
                    .and_then(|j| j.as_deref());
                let is_it = |m: &Membership| m.room == key.index() && m.place as usize == place;
                assert!(
                    joined.is_some_and(|j| j.iter().any(is_it)),
                    "both directions agree"
                );
                members += 1;
            }
        }
        let memberships = self.of.iter().filter_map(|(_, joined)| joined.as_deref());
        let memberships: usize = memberships.map(Vec::len).sum();
        assert_eq!(members, memberships, "both directions agree");
    }

    /// The names of a socket's rooms.
    pub fn of(&self, socket: u32) -> impl Iterator<Item = &str> {
        let joined = self.of.get(socket as usize).and_then(|j| j.as_deref());
        joined
            .into_iter()
            .flatten()
            .filter_map(|m| Some(&*self.slab.at(m.room)?.name))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{
        collections::{BTreeMap, BTreeSet},
        format,
        string::String,
        vec::Vec,
    };

    use proptest::prelude::*;

    use super::*;

    const NS: NamespaceId = NamespaceId(1);

    fn member(socket: u32) -> Member {
        Member {
            socket,
            session: socket + 100,
        }
    }

    #[test]
    fn rooms_come_and_go() {
        let mut rooms = Rooms::new(1);
        assert_eq!(rooms.join(NS, "a", member(1), 2), Change::Room);
        assert_eq!(rooms.join(NS, "a", member(2), 2), Change::Member);
        assert_eq!(rooms.join(NS, "a", member(2), 2), Change::None);
        assert_eq!(rooms.join(NamespaceId(2), "a", member(3), 2), Change::Room);
        rooms.join(NS, "b", member(1), 2);
        assert_eq!(rooms.join(NS, "c", member(1), 2), Change::Full);
        assert_eq!(
            rooms.join(NS, "a", member(1), 2),
            Change::None,
            "a re-join is not counted"
        );
        assert_eq!(rooms.leave(NS, "a", 1), Change::Member);
        assert_eq!(rooms.leave(NS, "a", 1), Change::None);
        assert_eq!(rooms.members(NS, "a"), [member(2)]);
        assert_eq!(rooms.leave(NS, "a", 2), Change::Room);
        assert_eq!(rooms.members(NS, "a"), []);
        assert_eq!(rooms.leave_all(1), [("b".into(), true)]);
        assert_eq!(rooms.len(), 1);
    }

    proptest! {
        #[test]
        fn agrees_with_maps(ops in prop::collection::vec((0u8..3, 0u32..6, 0u8..4), 0..80)) {
            let mut rooms = Rooms::new(9);
            let mut model: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
            for (op, socket, room) in ops {
                let name = format!("r{room}");
                match op {
                    0 => {
                        rooms.join(NS, &name, member(socket), 99);
                        model.entry(name).or_default().insert(socket);
                    }
                    1 => {
                        rooms.leave(NS, &name, socket);
                        model.entry(name).or_default().remove(&socket);
                    }
                    _ => {
                        rooms.leave_all(socket);
                        for members in model.values_mut() {
                            members.remove(&socket);
                        }
                    }
                }
                model.retain(|_, members| !members.is_empty());
                rooms.check();
                prop_assert_eq!(rooms.len(), model.len());
                for (name, members) in &model {
                    let seen: BTreeSet<u32> =
                        rooms.members(NS, name).iter().map(|m| m.socket).collect();
                    prop_assert_eq!(&seen, members);
                }
                for socket in 0..6 {
                    let mut seen: Vec<_> = rooms.of(socket).map(String::from).collect();
                    seen.sort();
                    let expected: Vec<_> = model.iter()
                        .filter(|(_, m)| m.contains(&socket)).map(|(n, _)| n.clone()).collect();
                    prop_assert_eq!(seen, expected);
                }
            }
        }
    }
}
