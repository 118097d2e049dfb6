//! Answers: what does a client make of what it reads.
//!
//! Every byte is read with the client's own reader and shown to the oracle; what the packet asks
//! for (a pong, an answer) is said, or not, as chance decides.

use alloc::{format, string::String, vec::Vec};

use super::{
    client::{self, Habit, Place, Upgrade, Via, What},
    deeds::PONG,
    peer::PREAMBLE,
    wire::{self, Kind, Packet, Value},
    world::{Task, World},
};

impl World {
    /// A client takes bytes from its connection.
    pub(super) fn read(&mut self, at: usize) {
        let conn = &mut self.net.conns[at];
        let client = &self.clients[conn.client];
        let owner = conn.client;
        if client.gone {
            return;
        }
        if client.stalled_until > self.now.0 {
            let wait = client.stalled_until - self.now.0;
            return self.after(wait, Task::Read(at));
        }
        let most = conn.pipe.len() as u64;
        let count = match client.habit {
            Habit::Slow => self.random.below(300).min(most),
            _ if self.random.chance(20) => self.random.between(0, most),
            _ => most,
        };
        conn.unread.extend(conn.pipe.drain(..count as usize));
        if conn.blocked && count > 0 {
            conn.blocked = false;
            self.soon(Task::Writable(at));
        }
        self.frames(at);
        let conn = &self.net.conns[at];
        if !conn.pipe.is_empty() {
            self.soon(Task::Read(at));
        } else if conn.id.is_none() {
            self.hangs_up(owner, at);
        }
        self.transmit(owner);
    }

    /// The server closed a connection.
    pub(super) fn hangs_up(&mut self, at: usize, conn: usize) {
        let client = &mut self.clients[at];
        if client.via == Via::Ws(conn) {
            return self.cut_off(at, conn);
        }
        match client.upgrade {
            Upgrade::Asked(c, _) | Upgrade::Pausing(c) if c == conn => {
                client.upgrade = Upgrade::No;
                self.poll(at);
            }
            _ => {}
        }
    }

    /// Reads whole frames.
    fn frames(&mut self, at: usize) {
        let conn = &mut self.net.conns[at];
        let owner = conn.client;
        let mut bytes = core::mem::take(&mut conn.unread);
        if conn.preamble {
            if bytes.len() < PREAMBLE.len() {
                conn.unread = bytes;
                return;
            }
            conn.preamble = false;
            let rest = bytes.split_off(PREAMBLE.len());
            let right = bytes == PREAMBLE;
            self.oracle
                .expect(right, "the handshake's response is not first");
            bytes = rest;
        }
        let mut done = 0;
        loop {
            if bytes[done..].starts_with(&PONG) {
                done += PONG.len();
                continue;
            }
            match wire::frame(&bytes[done..]) {
                Ok(Some((text, payload, len))) => {
                    done += len;
                    if self.clients[owner].via != Via::Ws(at) {
                        self.probe_answers(owner, at, payload);
                    } else if text {
                        let payload = String::from_utf8_lossy(payload);
                        self.log(format_args!("client {owner} reads {payload}"));
                        self.reads_text(owner, &payload);
                    } else {
                        let wanted = !self.clients[owner].text_only;
                        self.oracle
                            .expect(wanted, "a binary frame to one that takes none");
                        self.reads_binary(owner, payload);
                    }
                }
                Ok(None) => break,
                Err(error) => return self.oracle.blame(error),
            }
        }
        self.net.conns[at].unread = bytes.split_off(done);
    }

    /// Text that may stand for binary.
    pub(super) fn reads_text(&mut self, at: usize, text: &str) {
        match text.strip_prefix('b').map(wire::from_base64) {
            None => self.reads(at, text),
            Some(Ok(data)) => self.reads_binary(at, &data),
            Some(Err(error)) => self.oracle.blame(error),
        }
    }

    /// An Engine.IO packet.
    pub(super) fn reads(&mut self, at: usize, text: &str) {
        let client = &mut self.clients[at];
        if client.gone {
            return;
        }
        if client.reader.is_waiting() {
            return self.oracle.blame(format!("{text:?} amid binary parts"));
        }
        match text.split_at_checked(1) {
            Some(("0", json)) => self.opened(at, json),
            Some(("1", "")) => self.finish(at, true),
            Some(("2", "")) if client.habit == Habit::Silent => {}
            Some(("2", "")) => client.text("3", What::Pong),
            Some(("6", "")) => {}
            Some(("4", message)) => match client.reader.text(message) {
                Ok(Some(packet)) => self.gets(at, packet),
                Ok(None) => {}
                Err(error) => self.oracle.blame(format!("{error}: {message:?}")),
            },
            _ => self.oracle.blame(format!("no Engine.IO packet: {text:?}")),
        }
    }

    pub(super) fn reads_binary(&mut self, at: usize, data: &[u8]) {
        if self.clients[at].gone {
            return;
        }
        match self.clients[at].reader.binary(data) {
            Ok(Some(packet)) => self.gets(at, packet),
            Ok(None) => {}
            Err(error) => self.oracle.blame(error),
        }
    }

    /// The OPEN packet.
    fn opened(&mut self, at: usize, json: &str) {
        let hub = self.clients[at].hub;
        let session = &self.oracle.sessions[at];
        let sid = self.hubs[hub].sid(session.key).map(|sid| sid.text());
        let open = session.open;
        let field = |name: &str| match wire::read(json) {
            Ok(Value::Object(fields)) => {
                let mut fields = fields.into_iter();
                fields.find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        };
        let Some(Value::Text(text)) = field("sid") else {
            return self.oracle.blame(format!("no sid in {json}"));
        };
        let upgrades = match self.clients[at].via {
            Via::Polling if self.config.allow_upgrades => {
                alloc::vec![Value::Text("websocket".into())]
            }
            Via::Polling | Via::Ws(_) => Vec::new(),
        };
        let interval = self.config.ping_interval.as_millis() as u64;
        let right = (!open || sid.is_some_and(|sid| sid == text.as_bytes()))
            && field("upgrades") == Some(Value::List(upgrades))
            && field("pingInterval") == Some(Value::Number(interval));
        self.oracle.expect(right, "a wrong OPEN packet");
        self.clients[at].sid = Some(text);
    }

    /// A Socket.IO packet.
    fn gets(&mut self, at: usize, packet: Packet) {
        self.oracle.received(at, &packet);
        if let Some(place) = self.clients[at].place(&packet.namespace) {
            match packet.kind {
                Kind::Connect => *place = Place::In,
                Kind::Disconnect | Kind::ConnectError => *place = Place::Out,
                Kind::Event | Kind::Ack => {}
            }
        }
        if packet.kind != Kind::Event || packet.id.is_none() {
            return;
        }
        let number = self.number();
        let answer = Packet {
            kind: Kind::Ack,
            data: client::arguments(&mut self.random, number, 50),
            ..packet
        };
        match self.random.below(20) {
            0..=11 => self.say(at, answer),
            12 | 13 => {
                self.say(at, answer.clone());
                self.say(at, answer);
            }
            14..=17 => {
                let wait = self.random.below(900);
                self.after(wait, Task::Say(at, answer));
            }
            _ => {}
        }
    }

    /// A client says something if it is still there to say it.
    pub(super) fn say(&mut self, at: usize, packet: Packet) {
        let client = &mut self.clients[at];
        let there = client.place(&packet.namespace).copied() == Some(Place::In);
        if there && client.is_ready() {
            client.packet(packet);
            self.transmit(at);
        }
    }
}
