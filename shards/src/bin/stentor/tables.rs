//! Answers: may this command's shards have a descriptor table each.

use stentor::FdTables;

/// A table for each shard.
#[expect(unsafe_code, reason = "the one promise that the library asks for")]
pub(crate) const fn per_shard() -> FdTables {
    // SAFETY: the command's handlers open no file and no connection, start no thread and no runtime, and
    // keep nothing that shards share. After the start its other threads use what was opened before:
    // stdout, stderr and the pipe of signals, whose runtime is older than the shards. The demo, which starts a
    // process and threads, does not ask for this.
    unsafe { FdTables::per_shard() }
}
