//! Answers: how does one port serve more connections than a process may hold.
//!
//! The limit of open files is each process's, so the program runs itself as many times as it is told. All listen on
//! one port (`SO_REUSEPORT`: the kernel deals connections out), and each is tied to the parent by a pair of Unix
//! sockets that keep messages apart (`SOCK_SEQPACKET`). The parent serves nobody: what one child passes up goes to the
//! others. Only broadcasts go this way; a room, or a session that polls, would need all its connections in one
//! process. It must not know what it passes on.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, getsockname, recv, send,
    socketpair,
};

use super::serve::{Floor, bound};

/// What a child says when it listens.
const READY: &[u8] = b"ready";
/// Descriptors that a child holds besides connections, rounded up.
const SPARE: u64 = 64;

/// Serves in this process until it is killed.
///
/// # Errors
/// What the system says.
pub fn alone(port: u16, ping_interval_ms: u64) -> anyhow::Result<()> {
    let listener = bound(port).with_context(|| format!("port {port}"))?;
    let port = port_of(&listener)?;
    let floor = Floor::new(listener, None, ping_interval_ms)?;
    println!("listening on http://127.0.0.1:{port}");
    Ok(floor.run()?)
}

/// Serves as one of many: the other end of standard input is the parent's.
///
/// # Errors
/// What the system says.
pub fn member(port: u16, ping_interval_ms: u64) -> anyhow::Result<()> {
    let parent = io::stdin().as_fd().try_clone_to_owned()?;
    let floor = Floor::new(bound(port)?, Some(parent.try_clone()?), ping_interval_ms)?;
    send(&parent, READY, SendFlags::NOSIGNAL)?;
    Ok(floor.run()?)
}

/// Starts so many of this program, and passes broadcasts from one to the others until it is killed.
///
/// # Errors
/// If one does not start or ends, or what the system says.
pub fn parent(port: u16, ping_interval_ms: u64, processes: usize) -> anyhow::Result<()> {
    // Bound and never listening: it takes the port, so that 0 may be asked for, and gets no connections.
    let holder = bound(port).with_context(|| format!("port {port}"))?;
    let port = port_of(&holder)?;
    let children: Vec<_> = (0..processes)
        .map(|_| Tied::start(port, ping_interval_ms))
        .collect::<anyhow::Result<_>>()?;
    let mut buffer = vec![0; 1 << 20];
    for child in &children {
        let (size, _) = recv(&child.tie, &mut *buffer, RecvFlags::empty())?;
        ensure!(
            &buffer[..size] == READY,
            "a process ended before it listened"
        );
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let each = limit.map_or_else(
        || "any number".to_owned(),
        |limit| limit.saturating_sub(SPARE).to_string(),
    );
    eprintln!("floor: {processes} processes, connections of each: {each}");
    println!("listening on http://127.0.0.1:{port}");
    relay(&children, &mut buffer)
}

fn port_of(socket: &OwnedFd) -> anyhow::Result<u16> {
    let address = std::net::SocketAddr::try_from(getsockname(socket)?)?;
    Ok(address.port())
}

/// A child and the parent's end of what ties it.
#[derive(Debug)]
struct Tied {
    child: Child,
    tie: OwnedFd,
}

impl Tied {
    fn start(port: u16, ping_interval_ms: u64) -> anyhow::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let (tie, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--member", "--port", &port.to_string()])
            .args(["--ping-interval", &ping_interval_ms.to_string()])
            .stdin(Stdio::from(theirs))
            .spawn()
            .context("another process of this program")?;
        Ok(Self { child, tie })
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn relay(children: &[Tied], buffer: &mut [u8]) -> anyhow::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for (at, child) in children.iter().enumerate() {
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&epoll, &child.tie, data, epoll::EventFlags::IN)?;
    }
    let mut events = Vec::with_capacity(children.len());
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Err(Errno::INTR) => {}
            done => drop(done?),
        }
        for event in events.drain(..) {
            let from = event.data.u64() as usize;
            let (size, _) = recv(&children[from].tie, &mut *buffer, RecvFlags::empty())?;
            if size == 0 {
                bail!("process {} has ended", children[from].child.id());
            }
            for (to, child) in children.iter().enumerate() {
                if to != from {
                    send(&child.tie, &buffer[..size], SendFlags::NOSIGNAL)?;
                }
            }
        }
    }
}
