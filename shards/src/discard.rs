//! Answers: how does a value of user code end without harm to the shard.

use std::{
    any::Any,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::log::{self, About};

/// Drops what user code has made, or what it panicked with. Its `Drop` may panic: that is logged, and
/// costs nobody anything.
pub(crate) fn discard<T>(value: T) {
    if let Err(panic) = dropped(value) {
        log::line!(DropPanicked, About::here());
        if let Err(panic) = dropped(panic) {
            let _ = ManuallyDrop::new(panic); // it would go on for ever
        }
    }
}

fn dropped<T>(value: T) -> Result<(), Box<dyn Any + Send>> {
    // The value is gone either way, and nothing of the shard is borrowed.
    catch_unwind(AssertUnwindSafe(|| drop(value)))
}
