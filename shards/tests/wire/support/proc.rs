//! What /proc tells about the server process: the events that no packet announces.

use std::fs;

use super::{Server, await_that};

/// Whether the server has read every byte that was sent from `port` (a client's own port).
fn consumed(server: &Server, port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp is readable");
    let (ours, theirs) = (
        format!(":{:04X}", server.addr.port()),
        format!(":{port:04X}"),
    );
    let line = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let is_it = fields.len() > 4 && fields[1].ends_with(&ours) && fields[2].ends_with(&theirs);
        is_it.then(|| fields[4].ends_with(":00000000"))
    });
    line.unwrap_or(true)
}

/// Whether every thread of the server sleeps at this moment.
fn sleeping(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server process lives");
    tasks.flatten().all(|task| {
        let Ok(stat) = fs::read_to_string(task.path().join("stat")) else {
            return true;
        };
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('S'))
    })
}

/// Waits until the server has read all that was sent from `port`: what is sent next comes in a
/// read of its own.
pub(crate) fn until_read(server: &Server, port: u16) {
    await_that("every byte read", || consumed(server, port).then_some(()));
}

/// Waits until the server has read all that was sent from `port` and has nothing left to do, so
/// that whatever is sent next, on whichever connection and shard, is seen later.
pub(crate) fn settle(server: &Server, port: u16) {
    let mut calm = 0;
    await_that("every thread of the server asleep", || {
        calm = if consumed(server, port) && sleeping(server.pid) {
            calm + 1
        } else {
            0
        };
        (calm == 3).then_some(())
    });
}

/// Descriptors in the largest table of the server's threads: one shard has a table of its own.
pub(crate) fn descriptors(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server process lives");
    let of_task = |task: std::io::Result<fs::DirEntry>| {
        let table = fs::read_dir(task.ok()?.path().join("fd")).ok()?;
        Some(table.count())
    };
    tasks.filter_map(of_task).max().unwrap_or_default()
}

/// A figure of /proc/PID/status in KiB, for instance `VmRSS` or `VmHWM`.
pub(crate) fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the server lives");
    let line = status
        .lines()
        .find(|line| line.starts_with(name))
        .expect("the figure exists");
    let digits = line
        .split_ascii_whitespace()
        .nth(1)
        .expect("the figure has a value");
    digits.parse().expect("the figure is a number")
}
