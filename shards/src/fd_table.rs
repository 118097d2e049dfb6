//! Answers: how does one process hold more descriptors than one table may.
//!
//! The kernel's limit on open files is per descriptor table. With [`FdTables::per_shard`] every shard's
//! thread takes a copy of the table and goes on alone, so that a server with N shards holds N times
//! as many connections. It must not know what the connections are for.
//!
//! # Ground rules
//!
//! - A descriptor's number means the same file in two tables only if it was opened before they
//!   parted. So everything that one thread uses to reach another is opened before any thread
//!   separates: mailboxes' eventfds, the runtimes' own descriptors, these passages. The first wait
//!   at the barrier sees to that.
//! - Nobody serves before all have separated (the second wait): a copy of another shard's client
//!   would keep the client's connection open for ever.
//! - A connection goes to another shard through its [`Passage`], never by its number.
//! - A thread that is no shard must not be woken by one through a descriptor that it opened later:
//!   questions asked from such threads are refused in this mode, and so is waiting for signals that
//!   were not caught before (tokio's runtimes, the shards' too, share one pipe for them).
//!
//! The server keeps these rules; user code has to keep them too, and no type makes it. A number that
//! one table has for a database's connection is a client's in another: what is written goes to that client. So
//! it is `unsafe` to ask for this mode, and what user code promises is said there.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::{
    io,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

#[cfg(target_os = "linux")]
use linux::leave_table;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Passage, PassageTo, is_full, passage};
#[cfg(not(target_os = "linux"))]
use portable::leave_table;
#[cfg(not(target_os = "linux"))]
pub(crate) use portable::{Passage, PassageTo, is_full, passage};

/// How the shards' threads keep their open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FdTables {
    apart: bool,
}

impl FdTables {
    /// In one table, as threads do: the process's limit on open files is the server's. The default.
    #[must_use]
    pub const fn shared() -> Self {
        Self { apart: false }
    }

    /// Each in its own: the limit is each shard's. Needs Linux. [`crate::Io`] can then not ask
    /// clients from threads that are no shard, and [`crate::Answers`] must not be awaited there; what
    /// waits for signals by tokio must begin before the start ([`crate::Signals`]); the
    /// ports stay bound until the process ends, though nobody is served after the stop. A system
    /// call costs less in a table that no other thread shares (docs/PERFORMANCE.md).
    ///
    /// # Safety
    /// From the start of the server on, there are several tables: one for each shard, which the threads that
    /// it starts share (`spawn_blocking`'s too), and one for all other threads. A descriptor that is opened
    /// after the start has a meaning in the table of the thread that opens it, and in no other: there its
    /// number is nothing, or a client's connection. A program that gives this to [`crate::Server::fd_tables`]
    /// promises that no code of the process uses such a descriptor on a thread with another table. It must
    /// not be read, written, awaited or closed there, nor dropped. That goes for what has descriptors inside:
    ///
    /// - sockets, files, pools of connections to a database, clients of other servers: one for each shard,
    ///   made on the shard ([`crate::App::local`]) and used there. In a [`crate::State`], or in the service
    ///   given to [`crate::Server::http`], they would be shared;
    /// - whatever wakes: a task is woken by a descriptor of its runtime. So a task of a runtime that was
    ///   made after the start must await nothing that a shard does, nor the other way round: no channel,
    ///   no `Notify`, no `JoinHandle`, no lock of tokio's, no [`crate::Answers`];
    /// - what writes the log, if it opens files after the start: a new one each day, a connection to a collector.
    ///
    /// Descriptors opened before the start, by whatever thread, have their numbers in all tables and may be
    /// used in all; so may what has none: atomics, `std`'s channels and locks, [`crate::Io`].
    #[expect(unsafe_code, reason = "what it asks for cannot be checked")]
    #[must_use]
    pub const unsafe fn per_shard() -> Self {
        Self { apart: true }
    }

    pub(crate) const fn are_apart(self) -> bool {
        self.apart
    }

    /// Whether the system lets a thread leave the process's table: containers may forbid
    /// `unshare(2)`, and then a server with [`FdTables::per_shard`] does not start. Tried on a thread
    /// that ends with it.
    #[must_use]
    pub fn may_part() -> bool {
        let thread = std::thread::Builder::new().name("may-part".into());
        let tried = thread.spawn(|| leave_table().is_ok());
        tried.is_ok_and(|tried| tried.join().unwrap_or(false))
    }
}

/// Where the threads of a server wait for each other.
#[derive(Debug)]
pub(crate) struct Parting {
    shards: usize,
    meeting: Mutex<Meeting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Meeting {
    /// How often a thread has come, over both waits.
    arrived: usize,
    /// Not all threads will come.
    called_off: bool,
}

impl Parting {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            shards,
            meeting: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn meeting(&self) -> MutexGuard<'_, Meeting> {
        // A count and a flag are never half written.
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all threads have come this far.
    fn meet(&self) -> io::Result<()> {
        let mut meeting = self.meeting();
        meeting.arrived += 1;
        let all = meeting.arrived.next_multiple_of(self.shards);
        self.changed.notify_all();
        while meeting.arrived < all {
            if meeting.called_off {
                return Err(io::Error::other("another shard did not start"));
            }
            meeting = self
                .changed
                .wait(meeting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// A thread will not come: nobody waits for it any more, and the start fails.
    pub(crate) fn call_off(&self) {
        self.meeting().called_off = true;
        self.changed.notify_all();
    }

    /// Takes this thread's descriptors to a table of its own, after all threads have opened what
    /// they need and before any goes on.
    pub(crate) fn part(&self) -> io::Result<()> {
        self.meet()?;
        let parted = leave_table();
        self.meet()?;
        parted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_part_together_or_not_at_all() {
        let meet = |parting: &Parting, called_off| {
            std::thread::scope(|scope| {
                let come = || parting.meet().and_then(|()| parting.meet());
                let threads: Vec<_> = (0..2).map(|_| scope.spawn(come)).collect();
                if called_off {
                    parting.call_off();
                }
                let joined = threads.into_iter().map(|thread| thread.join().unwrap());
                joined.map(|result| result.is_ok()).collect::<Vec<_>>()
            })
        };
        assert_eq!(meet(&Parting::new(2), false), [true, true]);
        assert_eq!(meet(&Parting::new(3), true), [false, false]);
    }
}
