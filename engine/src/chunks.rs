//! Answers: how does a table grow to a million rows without moving the rows it has.
//!
//! A list in chunks of fixed size: growing allocates one chunk. A `Vec` would copy everything each
//! time it doubles, a pause of tens of milliseconds at a million sessions, and hold up to twice what
//! it needs. It must not know what its rows are.

use alloc::vec::Vec;

const SHIFT: usize = 10;
/// Rows in a chunk.
const CHUNK: usize = 1 << SHIFT;

/// A list that only grows, at its end.
#[derive(Debug)]
pub(crate) struct Chunks<T>(Vec<Vec<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    pub(crate) fn len(&self) -> usize {
        self.0
            .last()
            .map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index >> SHIFT)?.get(index & (CHUNK - 1))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0.get_mut(index >> SHIFT)?.get_mut(index & (CHUNK - 1))
    }

    pub(crate) fn push(&mut self, row: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(row),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(row);
                self.0.push(chunk);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_index_over_chunks() {
        let mut rows = Chunks::default();
        for row in 0..3 * CHUNK + 5 {
            assert_eq!(rows.len(), row);
            rows.push(row);
        }
        assert!(rows.iter().copied().eq(0..3 * CHUNK + 5));
        *rows.get_mut(CHUNK).unwrap() = 7;
        assert_eq!(
            (rows.get(CHUNK - 1), rows.get(CHUNK)),
            (Some(&(CHUNK - 1)), Some(&7))
        );
        assert_eq!(rows.get(3 * CHUNK + 5), None);
    }
}
