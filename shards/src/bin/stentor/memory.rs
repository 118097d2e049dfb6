//! Answers: how does freed memory get back to the system.
//!
//! mimalloc gives a page of its own back only when some later call on the same thread finds it
//! empty; a server that has become quiet makes none. So it is told.

/// Fewer faults and less memory per connection than the system's (docs/PERFORMANCE.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives the pages back in which this thread has nothing any more.
#[expect(unsafe_code, reason = "the one call that asks the allocator")]
pub(crate) fn release() {
    // SAFETY: the call is unsafe as every foreign one is. It takes no pointer and frees nothing that is
    // in use; the heap it goes through is the calling thread's own. Shown by tests/storm.rs.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Huge pages round a small server's memory up to megabytes, and a million idle clients are not
/// faster for them (docs/PERFORMANCE.md). mimalloc does not ask for them (its feature `no_thp`: it
/// would before this); where the system gives them unasked, this refuses.
#[cfg(target_os = "linux")]
pub(crate) fn refuse_huge_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Nothing: they are Linux's.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn refuse_huge_pages() {}
