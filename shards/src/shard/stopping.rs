//! Answers: does the server stop, and when does the shard end though clients are there.

use std::cell::Cell;

use stentor_engine::time::Tick;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    begun: Cell<bool>,
    by: Cell<Tick>,
}

impl Stopping {
    #[inline]
    pub(crate) fn get(&self) -> bool {
        self.begun.get()
    }

    pub(crate) fn begin(&self, by: Tick) {
        self.begun.set(true);
        self.by.set(by);
    }

    /// When the shard ends at the latest, by the server's clock.
    pub(crate) fn by(&self) -> Tick {
        self.by.get()
    }
}
