//! Answers: how does one client get in, and say and hear one thing after the other.
//!
//! Blocking, for setting things up; a crowd takes it over from there.

use crate::net::Target;
use crate::proto::{
    http,
    packet::Open,
    ws::{self, Key, opcode},
};
use anyhow::{Context as _, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What hides a frame's bytes; no secret hangs on it.
pub(super) const MASK: [u8; 4] = [0x5a, 0x11, 0xc3, 0x7e];

/// A text as a client's frame.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let start = ws::begin(&mut out);
    out.extend_from_slice(text.as_bytes());
    ws::finish(&mut out, start, opcode::TEXT, MASK);
    out
}

/// A connection to the server; with `segment` no larger segments than that are sent to it, as on a network.
pub(super) fn connect(
    target: &Target,
    patience: Duration,
    segment: Option<u32>,
) -> anyhow::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(target.address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if let Some(bytes) = segment {
        socket.set_tcp_mss(bytes)?;
    }
    socket.connect_timeout(&target.address.into(), patience)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

/// A client that has joined `/` over WebSocket.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: TcpStream,
    /// What came behind what was asked for.
    pub(super) unread: Vec<u8>,
    /// The server's ping interval.
    pub(super) interval: Duration,
    patience: Duration,
}

impl Client {
    pub(super) fn join(target: &Target) -> anyhow::Result<Self> {
        Self::join_within(target, Duration::from_secs(30), None)
    }

    pub(super) fn join_within(
        target: &Target,
        patience: Duration,
        segment: Option<u32>,
    ) -> anyhow::Result<Self> {
        let key = Key::new(*b"rude and polite.");
        let mut client = Self {
            stream: connect(target, patience, segment)?,
            unread: Vec::new(),
            interval: Duration::ZERO,
            patience,
        };
        write!(
            client.stream,
            "GET {}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
            target.path, target.host, key.offered
        )?;
        let until = Instant::now() + patience;
        let answer = loop {
            match http::answer(&client.unread) {
                Ok(None) => client.read(until)?,
                Ok(Some(answer)) => break answer,
                Err(wrong) => bail!("{wrong}"),
            }
        };
        ensure!(answer.status == 101, "HTTP {}", answer.status);
        client.unread.drain(..answer.used);
        let open = client.text()?;
        let open: Open = serde_json::from_str(open.strip_prefix('0').context("no OPEN packet")?)?;
        client.interval = Duration::from_millis(open.ping_interval.into());
        client.send("40")?;
        let joined = client.text()?;
        ensure!(joined.starts_with("40"), "not let in: {joined}");
        Ok(client)
    }

    fn read(&mut self, until: Instant) -> anyhow::Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "no answer in time");
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 4096];
        let count = self.stream.read(&mut buffer)?;
        ensure!(count > 0, "closed");
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(())
    }

    pub(super) fn send(&mut self, text: &str) -> anyhow::Result<()> {
        self.stream.write_all(&frame(text))?;
        Ok(())
    }

    /// The next text that is no ping, which is answered.
    pub(super) fn text(&mut self) -> anyhow::Result<String> {
        let until = Instant::now() + self.patience;
        loop {
            let Some(header) = ws::header(&self.unread) else {
                self.read(until)?;
                continue;
            };
            let end = header.header_len + header.payload_len;
            if self.unread.len() < end {
                self.read(until)?;
                continue;
            }
            let body = self.unread[header.header_len..end].to_vec();
            self.unread.drain(..end);
            match (header.opcode, &*body) {
                (opcode::TEXT, b"2") => self.send("3")?,
                (opcode::TEXT, _) => return Ok(String::from_utf8(body)?),
                (opcode::CLOSE, _) => bail!("closed"),
                _ => {}
            }
        }
    }

    /// Sends an event, `list` being its name and arguments, and waits for the acknowledgement.
    pub(super) fn ask(&mut self, list: &str) -> anyhow::Result<String> {
        self.send(&format!("427{list}"))?;
        loop {
            let text = self.text()?;
            if let Some(answer) = text.strip_prefix("437") {
                return Ok(answer.to_owned());
            }
        }
    }

    /// The shard it is on, where the server tells; of others there is one.
    pub(super) fn shard(&mut self) -> anyhow::Result<String> {
        self.ask(r#"["shard"]"#)
    }
}

/// So many that have joined. A busy server is asked again.
pub(super) fn join_all(target: &Target, count: usize) -> anyhow::Result<Vec<Client>> {
    (0..count)
        .map(|n| {
            Client::join(target)
                .or_else(|_| Client::join(target))
                .with_context(|| format!("client {n} of {count}"))
        })
        .collect()
}
