//! Answers: how are the two system calls made that no safe wrapper offers.
//!
//! A descriptor table of one's own for a thread, and leaving the source port open until `connect`. The only
//! file in this crate with `unsafe`.
#![expect(unsafe_code, reason = "see above; each call says why it is sound")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Gives the calling thread its own copy of the descriptor table, so that the limit of open files
/// counts for this thread alone.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn own_descriptor_table() -> io::Result<()> {
    // SAFETY: threads never exchange descriptors opened after this call; those opened before it
    // (standard streams, the event descriptors of `swarm::Shared`) stay valid in every copy for as
    // long as the program runs, and no thread closes them.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::FILES) }?;
    Ok(())
}

/// `IP_BIND_ADDRESS_NO_PORT`: `bind` fixes the source address only, so that one source port can
/// serve connections to different places and the search for a free one happens in `connect`.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn bind_address_no_port(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is borrowed and open; the pointer and length describe `on`, which
    // outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
