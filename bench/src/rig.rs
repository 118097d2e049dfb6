//! Answers: what does a whole server cost over loopback, in one process.
//!
//! A server with one shard on a thread of its own, and clients as small as they can be: blocking,
//! one write per send, no JSON. Beside it a thread that sends back what it reads, as the floor. It
//! must not know the server's insides: only what a program and a browser see.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use stentor::{Raw, Running, Server, Socket};

use crate::input;

/// A server that answers `echo` to its sender and `all` to everybody.
///
/// # Panics
/// If it cannot start.
#[must_use]
pub fn server() -> Running {
    Server::new()
        .listen("127.0.0.1:0")
        .shards(1)
        .pin(false)
        .ping_interval(Duration::from_hours(1))
        .app(|app| {
            app.ns("/")
                .on_sync("echo", |socket: Socket, args: Raw| {
                    socket.emit("echo", args)
                })
                .on_sync("all", |socket: Socket, args: Raw| {
                    socket.all().emit("all", args).expect("the server runs");
                });
        })
        .start()
        .expect("a server on a free port")
}

/// An EVENT as a client's frame, `bytes` long on the wire of the answer, header not counted.
#[must_use]
pub fn event_frame(name: &str, bytes: usize) -> Vec<u8> {
    let around = format!(r#"42["{name}",""]"#).len();
    let text = "x".repeat(bytes.saturating_sub(around));
    input::text_frame(&format!(r#"42["{name}","{text}"]"#))
}

/// A Socket.IO client over WebSocket that has joined `/`.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// Bytes in `buffer` that were received and not read yet.
    ready: std::ops::Range<usize>,
}

impl Client {
    /// Connects, upgrades and joins.
    ///
    /// # Errors
    /// What the sockets say.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: bench\r\n\
              Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        let mut client = Self {
            stream,
            buffer: vec![0; 1 << 17],
            ready: 0..0,
        };
        client.skip_head()?;
        client.skip_frames(1)?; // OPEN
        client.send(&input::text_frame("40"))?;
        client.skip_frames(1)?; // CONNECT
        Ok(client)
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// What the socket says.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Makes at least `count` bytes ready.
    fn fill(&mut self, count: usize) -> io::Result<()> {
        if self.ready.start + count > self.buffer.len() {
            self.buffer.copy_within(self.ready.clone(), 0);
            self.ready = 0..self.ready.len();
        }
        while self.ready.len() < count {
            let received = self.stream.read(&mut self.buffer[self.ready.end..])?;
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.ready.end += received;
        }
        Ok(())
    }

    fn take(&mut self, count: usize) {
        self.ready.start += count;
        if self.ready.is_empty() {
            self.ready = 0..0;
        }
    }

    fn skip_head(&mut self) -> io::Result<()> {
        let mut seen = 4;
        loop {
            self.fill(seen)?;
            let bytes = &self.buffer[self.ready.clone()];
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                self.take(end + 4);
                return Ok(());
            }
            seen = self.ready.len() + 1;
        }
    }

    /// Reads so many frames and throws them away.
    ///
    /// # Errors
    /// What the socket says, a close, or a frame larger than the buffer.
    pub fn skip_frames(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            self.fill(2)?;
            let head = &self.buffer[self.ready.start..];
            if head[0] & 0x0f == 8 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let size = match head[1] {
                126 => {
                    self.fill(4)?;
                    let head = &self.buffer[self.ready.start..];
                    4 + usize::from(u16::from_be_bytes([head[2], head[3]]))
                }
                127 => return Err(io::ErrorKind::FileTooLarge.into()),
                len => 2 + usize::from(len),
            };
            self.fill(size)?;
            self.take(size);
        }
        Ok(())
    }
}

/// So many clients.
///
/// # Panics
/// If one cannot connect.
#[must_use]
pub fn clients(address: SocketAddr, count: usize) -> Vec<Client> {
    let connect = |_| Client::connect(address).expect("the server takes clients");
    (0..count).map(connect).collect()
}

/// A thread that sends back what it reads from one connection: the floor of an echo.
///
/// # Panics
/// If loopback has no room.
#[must_use]
pub fn mirror() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let near = TcpStream::connect(listener.local_addr().expect("bound"));
    let (mut far, _) = listener.accept().expect("a connection");
    far.set_nodelay(true)
        .expect("an option of every TCP socket");
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count @ 1..) = far.read(&mut buffer) {
            if far.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    });
    let near = near.expect("a connection");
    near.set_nodelay(true)
        .expect("an option of every TCP socket");
    near
}
