//! Answers: how does a table grow to a million rows without moving the rows it has, and give the
//! memory back when they are gone.
//!
//! A table in chunks of fixed size: growing allocates one chunk. A `Vec` would copy everything each
//! time it doubles, a pause of tens of milliseconds at a million sessions, and hold up to twice what
//! it needs. A chunk without a row in use is given back: to allocate one costs less than a client's
//! handshake, even if rows come and go at its edge. It must not know what its rows are.

use alloc::vec::Vec;

const SHIFT: usize = 10;
/// Rows in a chunk.
pub(crate) const CHUNK: usize = 1 << SHIFT;

/// A list of fewer rows is left as it is. Where it is larger it counts for more than its own size: an
/// allocator gives pages back whole, and a list that was left in one holds freed chunks there.
const TRIM_FROM: usize = CHUNK / 16;

/// The capacity that a list of `len` rows should be cut to, if three quarters of it are unused:
/// half of it is given back, so that each row pays for at most one move.
pub(crate) const fn trimmed(len: usize, capacity: usize) -> Option<usize> {
    if capacity > TRIM_FROM && len < capacity / 4 {
        Some(capacity / 2)
    } else {
        None
    }
}

/// Gives memory of a list back that has become much shorter than it was.
pub(crate) fn trim<T>(list: &mut Vec<T>) {
    if let Some(rows) = trimmed(list.len(), list.capacity()) {
        list.shrink_to(rows);
    }
}

#[derive(Debug)]
struct Chunk<T> {
    /// As many as were ever in use since the chunk was allocated; none if it is given back.
    rows: Vec<T>,
    used: usize,
}

/// Rows by index. A row exists from its first use on, until its chunk is given back.
#[derive(Debug)]
pub(crate) struct Chunks<T>(Vec<Chunk<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.0.get(index >> SHIFT)?.rows.get(index & (CHUNK - 1))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.0
            .get_mut(index >> SHIFT)?
            .rows
            .get_mut(index & (CHUNK - 1))
    }

    /// Begins to use a row that is not in use; rows that do not exist yet are made by `make`.
    pub(crate) fn enter(&mut self, index: usize, make: impl FnMut() -> T) -> &mut T {
        let (nth, at) = (index >> SHIFT, index & (CHUNK - 1));
        while nth >= self.0.len() {
            let (rows, used) = (Vec::new(), 0);
            self.0.push(Chunk { rows, used });
        }
        let chunk = &mut self.0[nth];
        debug_assert!(chunk.used < CHUNK, "a row more than there are");
        chunk.used += 1;
        if chunk.rows.is_empty() {
            chunk.rows.reserve_exact(CHUNK);
        }
        if at >= chunk.rows.len() {
            chunk.rows.resize_with(at + 1, make);
        }
        &mut chunk.rows[at]
    }

    /// Ends the use of a row that is in use. Returns the rows that are given back by that, if any,
    /// and the number of their chunk.
    pub(crate) fn leave(&mut self, index: usize) -> Option<(usize, Vec<T>)> {
        let nth = index >> SHIFT;
        let chunk = &mut self.0[nth];
        debug_assert!(chunk.used > 0, "a row that was in use");
        chunk.used -= 1;
        if chunk.used > 0 {
            return None;
        }
        Some((nth, core::mem::take(&mut chunk.rows)))
    }

    /// Every row that exists, in use or not.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut().flat_map(|chunk| &mut chunk.rows)
    }

    /// Every row that exists, in use or not, with its index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let chunks = self.0.iter().enumerate();
        chunks.flat_map(|(nth, chunk)| {
            let rows = chunk.rows.iter().enumerate();
            rows.map(move |(at, row)| (nth << SHIFT | at, row))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_index_over_chunks() {
        let mut rows = Chunks::default();
        for row in 0..3 * CHUNK + 5 {
            *rows.enter(row, || 0) = row;
        }
        let all = rows.iter().map(|(index, row)| (index, *row));
        assert!(all.eq((0..3 * CHUNK + 5).map(|row| (row, row))));
        *rows.get_mut(CHUNK).unwrap() = 7;
        assert_eq!(
            (rows.get(CHUNK - 1), rows.get(CHUNK)),
            (Some(&(CHUNK - 1)), Some(&7))
        );
        assert_eq!(rows.get(3 * CHUNK + 5), None);
    }

    #[test]
    fn a_list_shrinks_behind_its_rows() {
        let mut list: Vec<u64> = (0..100_000).collect();
        while list.pop().is_some() {
            trim(&mut list);
            assert!(list.capacity() <= TRIM_FROM.max(4 * list.len() + 4));
        }
    }

    #[test]
    fn a_chunk_is_given_back_with_its_last_row() {
        let mut rows = Chunks::default();
        for row in 0..3 * CHUNK {
            rows.enter(row, || row);
        }
        let given: Vec<usize> = (1..3 * CHUNK)
            .filter_map(|row| Some(rows.leave(row)?.0))
            .collect();
        assert_eq!(given, [1, 2]);
        assert_eq!((rows.iter().count(), rows.get(CHUNK)), (CHUNK, None));
        assert_eq!(*rows.enter(2 * CHUNK, || 9), 9);
        assert_eq!(rows.leave(2 * CHUNK).map(|(nth, _)| nth), Some(2));
        assert_eq!(
            rows.leave(0).map(|(nth, given)| (nth, given.len())),
            Some((0, CHUNK))
        );
    }
}
