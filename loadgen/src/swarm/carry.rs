//! Answers: how do bytes get from clients' sockets to the protocol, and back.
//!
//! Events, reading, sending. Must not know what the bytes mean.

use super::client::{Client, State};
use super::worker::{BELL, Worker};
use crate::net::Link;
use crate::proto::ws::{self, opcode};
use rustix::event::epoll::{self, EventData, EventFlags};

/// Which of a client's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The WebSocket, or the one that polls.
    Main = 0,
    /// The one that posts.
    Post = 1,
    /// The WebSocket being tried.
    Probe = 2,
}

fn side(token: u64) -> Side {
    match token & 3 {
        0 => Side::Main,
        1 => Side::Post,
        _ => Side::Probe,
    }
}

impl Client {
    pub(super) fn link(&mut self, side: Side) -> Option<&mut Link> {
        match side {
            Side::Main => Some(&mut self.main),
            Side::Post => self.polling.as_mut().map(|p| &mut p.post),
            Side::Probe => self.polling.as_mut().map(|p| &mut p.probe),
        }
    }
}

impl Worker<'_> {
    /// Serves one event.
    pub(super) fn event(&mut self, token: u64, flags: EventFlags) {
        if token == BELL {
            return self.take_turns();
        }
        let (local, side) = ((token >> 2) as u32, side(token));
        if flags.contains(EventFlags::OUT)
            && let Some(link) = self.clients[local as usize].link(side)
            && link.waiting() > 0
            && let Err(error) = link.flush()
        {
            return self.lose(local, &error.to_string());
        }
        let ending = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        if !flags.intersects(EventFlags::IN | ending) {
            return;
        }
        let client = &self.clients[local as usize];
        if client.slow && client.state == State::Ready && !self.is_draining() {
            return; // its own clock decides when it reads
        }
        self.read(local, side, self.buffer.len(), flags.intersects(ending));
    }

    /// Registers a connection for edge-triggered events; `known` ones change their token.
    pub(super) fn watch(&mut self, local: u32, side: Side, known: bool) {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let token = EventData::new_u64(u64::from(local) << 2 | side as u64);
        let Some(Link {
            socket: Some(socket),
            ..
        }) = self.clients[local as usize].link(side)
        else {
            return;
        };
        let done = if known {
            epoll::modify(&self.epoll, socket, token, flags)
        } else {
            epoll::add(&self.epoll, socket, token, flags)
        };
        if let Err(error) = done {
            self.lose(local, &format!("generator: epoll: {error}"));
        }
    }

    /// Reads until nothing is left, but a slow reader (smaller `limit`) only once.
    pub(super) fn read(&mut self, local: u32, side: Side, limit: usize, ending: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let limit = limit.min(buffer.len());
        let once = limit < buffer.len();
        while let Some(link) = self.clients[local as usize].link(side) {
            match link.receive(&mut buffer[..limit]) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    self.ended(local, side);
                    break;
                }
                Ok(Some(received)) => {
                    self.stats.bytes_in += received as u64;
                    self.feed(local, side, &buffer[..received]);
                    // A short read has emptied the socket; unless the end is near, no need to ask.
                    if once || received < limit && !ending {
                        break;
                    }
                }
                Err(error) => {
                    self.lose(local, &error.to_string());
                    break;
                }
            }
        }
        self.buffer = buffer;
        self.flush(local);
    }

    /// Slow readers take their small bite; in the end they take everything.
    pub(super) fn read_slow(&mut self) {
        let limit = if self.is_draining() {
            self.buffer.len()
        } else {
            self.setup.slow_bytes
        };
        for local in self.slow.clone() {
            let limit = limit.min(self.buffer.len());
            self.read(local, Side::Main, limit, false);
        }
    }

    fn ended(&mut self, local: u32, side: Side) {
        if side == Side::Post
            && let Some(polling) = &mut self.clients[local as usize].polling
            && !polling.posting
        {
            polling.post.close(false); // an idle connection may go; the next post opens another
            return;
        }
        let reason = match side {
            Side::Main => "closed by the server",
            Side::Post => "closed by the server while posting",
            Side::Probe => "closed by the server while upgrading",
        };
        self.lose(local, reason);
    }

    fn feed(&mut self, local: u32, side: Side, data: &[u8]) {
        let Some(link) = self.clients[local as usize].link(side) else {
            return;
        };
        let inbox = link.inbox.take();
        let rest = if let Some(mut inbox) = inbox {
            inbox.extend_from_slice(data);
            let used = self.consume(local, side, &inbox);
            inbox.drain(..used);
            inbox
        } else {
            let used = self.consume(local, side, data);
            if used == data.len() {
                return;
            }
            Box::new(data[used..].to_vec())
        };
        if !rest.is_empty()
            && let Some(link) = self.clients[local as usize].link(side)
            && link.socket.is_some()
        {
            link.inbox = Some(rest);
        }
    }

    /// Bytes to one connection at once.
    pub(super) fn send_raw(&mut self, local: u32, side: Side, data: &[u8]) {
        self.stats.bytes_out += data.len() as u64;
        let Some(link) = self.clients[local as usize].link(side) else {
            return;
        };
        if let Err(error) = link.send(data) {
            self.lose(local, &error.to_string());
        }
    }

    /// Adds a text packet for a client; it goes out with [`Self::flush`].
    pub(super) fn text(&mut self, local: u32, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(polling) = &mut self.clients[local as usize].polling {
            if !polling.queue.is_empty() {
                polling.queue.push(0x1e);
            }
            write(&mut polling.queue);
        } else {
            let start = ws::begin(&mut self.out);
            write(&mut self.out);
            ws::finish(&mut self.out, start, opcode::TEXT, self.mask);
        }
    }

    /// Adds an attachment.
    pub(super) fn attachment(&mut self, local: u32, data: &[u8]) {
        use base64::Engine as _;
        if self.clients[local as usize].polling.is_some() {
            let encoded = base64::prelude::BASE64_STANDARD.encode(data);
            self.text(local, |out| {
                out.push(b'b');
                out.extend_from_slice(encoded.as_bytes());
            });
        } else {
            self.frame(opcode::BINARY, data);
        }
    }

    /// Adds any frame for the client being served.
    pub(super) fn frame(&mut self, opcode: u8, data: &[u8]) {
        let start = ws::begin(&mut self.out);
        self.out.extend_from_slice(data);
        ws::finish(&mut self.out, start, opcode, self.mask);
    }

    /// Sends what was added for a client: frames in one piece, or a post.
    pub(super) fn flush(&mut self, local: u32) {
        if self.clients[local as usize].polling.is_some() {
            self.pump_post(local);
        }
        if self.out.is_empty() {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        self.send_raw(local, Side::Main, &out);
        out.clear();
        self.out = out;
    }
}
