//! Answers: which value does this key mean, and is it still that value.
//!
//! Slots are reused; a generation in the key tells a reused slot from the one the key was made
//! for, so a stale key is answered with `None` and never with somebody else's value.
//! It must not know what it holds.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};

use crate::chunks::{CHUNK, Chunks};

/// A slot's index and the generation it had when the key was made.
pub struct Key<T> {
    index: u32,
    generation: u32,
    _of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// The slot, good as an index into tables that run parallel to the slab.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The key as one number, for callers that have only an integer to carry it in.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The inverse of [`Key::to_bits`]. A number that was never a key is merely a stale key.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            index: bits as u32,
            generation: (bits >> 32) as u32,
            _of: PhantomData,
        }
    }
}

// Derives would demand the same of `T`.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Key<T> {}
impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}
impl<T> Eq for Key<T> {}
impl<T> core::hash::Hash for Key<T> {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.index, self.generation)
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// What is known of a chunk of slots even while its memory is given back.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Where its slots' generations start when it is allocated again: no key to it comes back to life.
    generation: u32,
    /// A bit for each slot that holds nothing.
    vacant: [u64; CHUNK / 64],
}

/// A table of values under generation-checked keys. Insert, get and remove are O(1), but for the
/// search of the first chunk with room, which looks at 64 chunks at once. The lowest free slot is
/// used first, so that the table's end empties and its memory can be given back. A slot that has been
/// used 2^32 times is not used again, so that no key ever means another value.
#[derive(Debug)]
pub struct Slab<T> {
    slots: Chunks<Slot<T>>,
    extents: Vec<Extent>,
    /// A bit for each chunk that has a vacant slot.
    open: Vec<u64>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Chunks::default(),
            extents: Vec::new(),
            open: Vec::new(),
            len: 0,
        }
    }
}

/// The number of the first bit that is set.
fn first_set(words: &[u64]) -> Option<usize> {
    let at = words.iter().position(|word| *word != 0)?;
    Some(at * 64 + words[at].trailing_zeros() as usize)
}

fn set(words: &mut [u64], bit: usize) {
    words[bit / 64] |= 1 << (bit % 64);
}

fn clear(words: &mut [u64], bit: usize) {
    words[bit / 64] &= !(1 << (bit % 64));
}

const fn is_set(words: &[u64], bit: usize) -> bool {
    words[bit / 64] & (1 << (bit % 64)) != 0
}

impl<T> Slab<T> {
    /// Bytes of a row, for the guard against growth.
    #[doc(hidden)]
    pub const SLOT_BYTES: usize = size_of::<Slot<T>>();

    /// Values held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The lowest slot that holds nothing.
    fn vacancy(&self) -> usize {
        first_set(&self.open)
            .and_then(|nth| Some(nth * CHUNK + first_set(&self.extents[nth].vacant)?))
            .unwrap_or(self.extents.len() * CHUNK)
    }

    /// The key that the next [`Slab::insert`] will return.
    #[must_use]
    pub fn next_key(&self) -> Key<T> {
        self.key_at(self.vacancy() as u32)
    }

    /// Holds `value` and returns its key.
    pub fn insert(&mut self, value: T) -> Key<T> {
        let index = self.vacancy();
        let nth = index / CHUNK;
        if nth == self.extents.len() {
            assert!(
                index < u32::MAX as usize,
                "more than 2^32 slots in one slab"
            );
            self.extents.push(Extent {
                generation: 0,
                vacant: [u64::MAX; CHUNK / 64],
            });
            self.open.resize(nth / 64 + 1, 0);
            set(&mut self.open, nth);
        }
        let Extent { generation, vacant } = &mut self.extents[nth];
        debug_assert!(is_set(vacant, index % CHUNK), "the slot is vacant");
        clear(vacant, index % CHUNK);
        if first_set(vacant).is_none() {
            clear(&mut self.open, nth);
        }
        let slot = self.slots.enter(index, || Slot {
            generation: *generation,
            value: None,
        });
        debug_assert!(slot.value.is_none(), "a vacant slot holds nothing");
        slot.value = Some(value);
        self.len += 1;
        debug_assert!(self.len <= self.extents.len() * CHUNK);
        Key {
            index: index as u32,
            generation: slot.generation,
            _of: PhantomData,
        }
    }

    /// Takes the value out; its key and all copies of it are stale from now on.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let index = key.index as usize;
        let slot = self.slots.get_mut(index)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        debug_assert!(self.len > 0, "a value that was not counted");
        self.len -= 1;
        let Some(next) = slot.generation.checked_add(1) else {
            return Some(value); // retired: no number is left by which an old key could be told
        };
        slot.generation = next;
        debug_assert!(!is_set(&self.extents[index / CHUNK].vacant, index % CHUNK));
        set(&mut self.extents[index / CHUNK].vacant, index % CHUNK);
        set(&mut self.open, index / CHUNK);
        if let Some((nth, rows)) = self.slots.leave(index) {
            let latest = rows.iter().map(|slot| slot.generation).max();
            self.extents[nth].generation = latest.unwrap_or_default();
        }
        Some(value)
    }

    /// The value under `key`, unless it is gone.
    #[inline]
    #[must_use]
    pub fn get(&self, key: Key<T>) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    /// The value under `key`, unless it is gone.
    #[inline]
    pub fn get_mut(&mut self, key: Key<T>) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// The value in slot `index`, whatever its generation.
    #[inline]
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.value.as_ref()
    }

    /// The value in slot `index`, whatever its generation.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.value.as_mut()
    }

    /// The key of slot `index` as it is now.
    #[inline]
    #[must_use]
    pub fn key_at(&self, index: u32) -> Key<T> {
        let generation = match self.slots.get(index as usize) {
            Some(slot) => slot.generation,
            None => self
                .extents
                .get(index as usize / CHUNK)
                .map_or(0, |extent| extent.generation),
        };
        Key {
            index,
            generation,
            _of: PhantomData,
        }
    }

    /// What is true of it at any time.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn check(&self) {
        assert_eq!(self.iter().count(), self.len, "each value is counted");
        for (key, _) in self.iter() {
            let (nth, at) = (key.index as usize / CHUNK, key.index as usize % CHUNK);
            assert!(
                !is_set(&self.extents[nth].vacant, at),
                "a value is in the way"
            );
        }
        for (nth, extent) in self.extents.iter().enumerate() {
            let open = first_set(&extent.vacant).is_some();
            assert_eq!(is_set(&self.open, nth), open, "an open chunk has room");
        }
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.slots.iter().filter_map(|(i, slot)| {
            let value = slot.value.as_ref()?;
            Some((
                Key {
                    index: i as u32,
                    generation: slot.generation,
                    _of: PhantomData,
                },
                value,
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_keys_are_gone() {
        let mut slab = Slab::default();
        let a = slab.insert("a");
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!(slab.remove(a), None);
        let b = slab.insert("b");
        assert_eq!(b.index(), a.index());
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.get(b), Some(&"b"));
        assert_eq!(slab.get(Key::from_bits(b.to_bits())), Some(&"b"));
        assert_eq!(slab.get(Key::from_bits(u64::MAX)), None);
    }

    #[test]
    fn memory_given_back_brings_no_key_to_life() {
        let mut slab = Slab::default();
        let mut fill = || -> Vec<_> { (0..3 * CHUNK).map(|value| slab.insert(value)).collect() };
        let first = fill();
        assert_eq!(first.last().unwrap().index() as usize, 3 * CHUNK - 1);
        for key in &first {
            assert!(slab.remove(*key).is_some());
        }
        assert_eq!((slab.len(), slab.iter().count()), (0, 0));
        assert_eq!(slab.slots.iter().count(), 0, "all memory is given back");
        let mut fill = || -> Vec<_> {
            (0..3 * CHUNK)
                .map(|value| {
                    let next = slab.next_key();
                    let key = slab.insert(value);
                    assert_eq!(key, next);
                    key
                })
                .collect()
        };
        let second = fill();
        for (old, new) in first.iter().zip(&second) {
            assert_eq!(old.index(), new.index());
            assert_eq!(slab.get(*old), None);
            assert!(slab.get(*new).is_some());
        }
    }

    #[test]
    fn a_slot_is_not_used_once_more_than_keys_can_tell() {
        let mut slab = Slab::default();
        let first = slab.insert("first");
        slab.remove(first);
        slab.extents[0].generation = u32::MAX; // as after 2^32 uses
        let last = slab.insert("last");
        assert_eq!(last.index(), first.index());
        assert_eq!(slab.remove(last), Some("last"));
        assert_eq!((slab.remove(last), slab.get(last)), (None, None));
        let next = slab.insert("next");
        assert_eq!(next.index(), first.index() + 1);
        assert_eq!(
            (slab.get(first), slab.get(last), slab.len()),
            (None, None, 1)
        );
    }

    #[test]
    fn the_lowest_free_slot_is_used_first() {
        let mut slab = Slab::default();
        let keys: Vec<_> = (0..2 * CHUNK + 9).map(|value| slab.insert(value)).collect();
        for index in [2 * CHUNK + 3, 70, CHUNK] {
            slab.remove(keys[index]);
        }
        let refilled: Vec<_> = (0..4).map(|value| slab.insert(value).index()).collect();
        let expected = [70, CHUNK, 2 * CHUNK + 3, 2 * CHUNK + 9];
        assert!(refilled.iter().map(|index| *index as usize).eq(expected));
    }

    #[test]
    fn announces_its_next_key() {
        let mut slab = Slab::default();
        for value in 0..3 {
            let next = slab.next_key();
            assert_eq!(slab.insert(value), next);
        }
        slab.remove(slab.key_at(1));
        let next = slab.next_key();
        assert_eq!(slab.insert(9), next);
        assert_eq!(slab.iter().count(), 3);
    }
}
