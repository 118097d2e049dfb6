//! Answers: how does a table grow to a million rows without moving the rows it has, and give the
//! memory back when they are gone.
//!
//! A table in chunks of fixed size: growing allocates one chunk. A `Vec` would copy everything each
//! time it doubles, a pause of tens of milliseconds at a million sessions, and hold up to twice what
//! it needs. A chunk without a row in use is given back, except for one that is kept for whoever
//! comes next. It must not know what its rows are.

use alloc::vec::Vec;

const SHIFT: usize = 10;
/// Rows in a chunk.
pub(crate) const CHUNK: usize = 1 << SHIFT;

/// A list of fewer rows is left as it is.
const TRIM_FROM: usize = 4 * CHUNK;

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
pub(crate) struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
    /// A chunk without a row in use that is not given back: rows that come and go at a chunk's
    /// edge cost no allocation each.
    spare: Option<usize>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            spare: None,
        }
    }
}

impl<T> Chunks<T> {
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks
            .get(index >> SHIFT)?
            .rows
            .get(index & (CHUNK - 1))
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks
            .get_mut(index >> SHIFT)?
            .rows
            .get_mut(index & (CHUNK - 1))
    }

    /// Begins to use a row that is not in use; rows that do not exist yet are made by `make`.
    pub(crate) fn enter(&mut self, index: usize, make: impl FnMut() -> T) -> &mut T {
        let (nth, at) = (index >> SHIFT, index & (CHUNK - 1));
        while nth >= self.chunks.len() {
            let (rows, used) = (Vec::new(), 0);
            self.chunks.push(Chunk { rows, used });
        }
        if self.spare == Some(nth) {
            self.spare = None;
        }
        let chunk = &mut self.chunks[nth];
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
        let chunk = &mut self.chunks[nth];
        chunk.used -= 1;
        if chunk.used > 0 {
            return None;
        }
        // The lower one is kept: the table ends as early as it can.
        let kept = self.spare.map_or(nth, |spare| spare.min(nth));
        let given = self.spare.replace(kept)?.max(nth);
        Some((given, core::mem::take(&mut self.chunks[given].rows)))
    }

    /// Every row that exists, in use or not, with its index.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        let chunks = self.chunks.iter().enumerate();
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
    fn all_but_one_empty_chunk_is_given_back() {
        let mut rows = Chunks::default();
        for row in 0..3 * CHUNK {
            rows.enter(row, || row);
        }
        let given: Vec<usize> = (0..3 * CHUNK)
            .rev()
            .filter_map(|row| Some(rows.leave(row)?.0))
            .collect();
        assert_eq!(given, [2, 1]);
        assert_eq!((rows.iter().count(), rows.get(CHUNK)), (CHUNK, None));
        rows.enter(5, || 9); // the spare one
        assert_eq!(rows.leave(5).map(|(nth, _)| nth), None);
        *rows.enter(2 * CHUNK, || 9) = 1;
        assert_eq!(rows.leave(2 * CHUNK).map(|(nth, _)| nth), Some(2));
    }
}
