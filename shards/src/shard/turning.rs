//! Answers: is a turn under way or wanted, and how is the reactor told.

use std::{
    cell::{Cell, RefCell},
    task::{Context, Waker},
};

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Turning {
    /// A turn is under way: its end will see to what is queued.
    under_way: Cell<bool>,
    wanted: Cell<bool>,
    reactor: RefCell<Option<Waker>>,
}

impl Turning {
    /// A turn begins, which is the one that was wanted.
    pub(crate) fn begin(&self) {
        self.under_way.set(true);
        self.wanted.set(false);
    }

    pub(crate) fn end(&self) {
        debug_assert!(self.under_way.get(), "a turn ends that has begun");
        self.under_way.set(false);
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.get()
    }

    /// Makes the reactor run a turn, soon.
    pub(super) fn want(&self) {
        if !self.wanted.replace(true)
            && let Some(waker) = &*self.reactor.borrow()
        {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// The reactor waits, and is to be woken by this.
    pub(crate) fn wake_by(&self, cx: &Context<'_>) {
        let waker = &mut *self.reactor.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
    }

    /// The shard has ended, and its reactor with it.
    pub(super) fn forget(&self) {
        drop(self.reactor.take());
    }
}
