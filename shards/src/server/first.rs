//! Answers: has the first shard been built.
//!
//! The others are built when it has been: what is wrong with an application is found, and said, once.

use std::sync::{Condvar, Mutex, PoisonError};

/// What became of the first shard, once it is known.
#[derive(Debug, Default)]
pub(super) struct First {
    is_built: Mutex<Option<bool>>,
    told: Condvar,
}

/// The first shard, which tells what became of it when this is dropped.
#[derive(Debug)]
pub(super) struct Telling<'a> {
    first: &'a First,
    is_built: bool,
}

impl First {
    pub(super) const fn telling(&self) -> Telling<'_> {
        Telling {
            first: self,
            is_built: false,
        }
    }

    /// Waits until it is known.
    pub(super) fn is_built(&self) -> bool {
        let known = self.is_built.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.told.wait_while(known, |known| known.is_none());
        let known = known.unwrap_or_else(PoisonError::into_inner);
        *known == Some(true)
    }
}

impl Telling<'_> {
    pub(super) fn built(mut self) {
        self.is_built = true;
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        let mut known = self
            .first
            .is_built
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = Some(self.is_built);
        self.first.told.notify_all();
    }
}
