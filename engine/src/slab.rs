//! Answers: which value does this key mean, and is it still that value.
//!
//! Slots are reused; a generation in the key tells a reused slot from the one the key was made
//! for, so a stale key is answered with `None` and never with somebody else's value.
//! It must not know what it holds.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};

use crate::chunks::Chunks;

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

/// A table of values under generation-checked keys. Insert, get and remove are O(1).
#[derive(Debug)]
pub struct Slab<T> {
    slots: Chunks<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Chunks::default(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    /// Bytes of a row, for the guard against growth.
    #[doc(hidden)]
    pub const SLOT_BYTES: usize = size_of::<Slot<T>>();

    /// Values held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key that the next [`Slab::insert`] will return.
    #[must_use]
    pub fn next_key(&self) -> Key<T> {
        let index = self.free.last().copied().unwrap_or(self.slots.len() as u32);
        self.key_at(index)
    }

    /// Holds `value` and returns its key.
    pub fn insert(&mut self, value: T) -> Key<T> {
        let key = self.next_key();
        if self.free.pop().is_some() {
            let slot = self.slots.get_mut(key.index as usize);
            slot.expect("a free slot exists").value = Some(value);
        } else {
            assert!(
                self.slots.len() < u32::MAX as usize,
                "more than 2^32 slots in one slab"
            );
            self.slots.push(Slot {
                generation: 0,
                value: Some(value),
            });
        }
        key
    }

    /// Takes the value out; its key and all copies of it are stale from now on.
    pub fn remove(&mut self, key: Key<T>) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
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
        let generation = self.slots.get(index as usize).map_or(0, |s| s.generation);
        Key {
            index,
            generation,
            _of: PhantomData,
        }
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.slots.iter().enumerate().filter_map(|(i, slot)| {
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
