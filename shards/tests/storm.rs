//! Memory after a storm of clients, as the system sees it: nearly what it was before.
//!
//! `bench/tests/memory.rs` shows that everything is freed; this shows that it does not stay with the
//! allocator, and that the call by which `bin/stentor/memory.rs` asks for it does its work.

#![expect(clippy::unwrap_used, reason = "tests")]

mod child;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use child::Server;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CLIENTS: u64 = 4_000;

impl Server {
    /// A WebSocket client that has joined `/`.
    fn client(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\
                       Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(upgrade.as_bytes()).unwrap();
        stream.write_all(b"\x81\x82\0\0\0\x0040").unwrap();
        let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
        while !seen.windows(3).any(|bytes| bytes == b"40{") {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "closed after {}", seen.escape_ascii());
            seen.extend_from_slice(&buffer[..n]);
        }
        stream
    }

    /// Kilobytes of memory that no file backs.
    fn memory(&self) -> u64 {
        let smaps = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).unwrap();
        let line = smaps.lines().find(|line| line.starts_with("Anonymous:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    }
}

/// As many clients as this process may have descriptors for.
fn clients() -> u64 {
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    hard.map_or(CLIENTS, |hard| CLIENTS.min(hard - 100))
}

#[test]
fn memory_goes_back_to_the_system() {
    let count = clients(); // the server has the limit from us
    let server = Server::start(&["bench-server", "--shards", "1"], |_| ());
    drop(server.client());
    let before = server.memory();
    let clients: Vec<_> = (0..count).map(|_| server.client()).collect();
    let grown = server.memory() - before;
    assert!(
        grown > count / 8,
        "{count} clients cost {grown} kB, which is too little to be seen going"
    );
    drop(clients);
    // Idle from here on: the server has to give it back of itself.
    let begun = Instant::now();
    loop {
        let left = server.memory().saturating_sub(before);
        if left <= grown / 4 {
            break;
        }
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{left} of {grown} kB stay after {count} clients have gone"
        );
        thread::sleep(Duration::from_millis(200));
    }
}
