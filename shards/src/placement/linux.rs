//! Answers: which cores may this process use, and how does a thread stay on one of them.
//!
//! `portable` beside it is what other systems have.

use std::sync::OnceLock;

use core_affinity::CoreId;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that the process was allowed when this was first asked: before any thread was pinned, as a pinned
/// thread, and any that it starts, sees but its own core.
fn allowed() -> Option<&'static CpuSet> {
    static ALLOWED: OnceLock<Option<CpuSet>> = OnceLock::new();
    ALLOWED
        .get_or_init(|| sched_getaffinity(None).ok())
        .as_ref()
}

/// See [`super::unpin_thread`].
pub(super) fn unpin() -> bool {
    allowed().is_none_or(|cores| sched_setaffinity(None, cores).is_ok())
}

/// See [`super::pin`].
pub(super) fn pin(shard: usize) -> Option<usize> {
    let allowed = allowed()?;
    let count = usize::try_from(allowed.count()).ok()?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let id = cores.nth(shard.checked_rem(count)?)?;
    core_affinity::set_for_current(CoreId { id }).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn shards_are_pinned_in_turn_and_wrap_round() {
        let cores = |shards: usize| -> Vec<_> {
            let pinned = |shard| thread::spawn(move || pin(shard)).join().unwrap();
            (0..shards).map(pinned).collect()
        };
        let allowed: Vec<_> = (0..CpuSet::MAX_CPU)
            .filter(|core| allowed().is_some_and(|cores| cores.is_set(*core)))
            .collect();
        let expected: Vec<_> = allowed.iter().copied().map(Some).collect();
        assert_eq!(cores(allowed.len()), expected);
        if let Some(first) = expected.first() {
            assert_eq!(cores(allowed.len() + 1).last(), Some(first));
        }
        // A pinned thread's children are not stuck on its core.
        let inherited = thread::spawn(|| (pin(0), thread::spawn(|| pin(1)).join().unwrap()));
        let (_, child) = inherited.join().unwrap();
        assert_eq!(
            Some(child),
            expected.get(1 % expected.len().max(1)).copied()
        );
        let cores = || sched_getaffinity(None).unwrap();
        let freed = thread::spawn(move || {
            let _ = pin(0);
            let child = thread::spawn(move || (unpin(), cores()));
            child.join().unwrap()
        });
        let (done, of_child) = freed.join().unwrap();
        assert!(done && Some(&of_child) == super::allowed());
    }
}
