//! Answers: where is a client in its conversation, and what does it say next.
//!
//! Engine.IO handshake and heartbeats, namespace, room, and telling events from acknowledgements. Must not
//! know how bytes travel or what payloads say.

use super::client::{Attachment, State};
use super::contract::Question;
use super::setup::Carrier;
use super::worker::Worker;
use crate::proto::packet::{self, Argument, Engine, Kind, Message, Open};
use crate::proto::ws::opcode;
use std::sync::atomic::Ordering::Relaxed;

/// The acknowledgement number of the join; those of payloads are larger.
const JOIN_ID: u32 = 0;

impl Worker<'_> {
    /// One Engine.IO packet.
    pub(super) fn packet(&mut self, local: u32, text: &[u8]) {
        match packet::engine(text) {
            Engine::Message(message) => self.message(local, message),
            Engine::Ping => {
                self.clients[local as usize].pinged = self.milliseconds();
                self.stats.pings += 1;
                self.text(local, |out| out.push(b'3'));
            }
            Engine::Open(json) => self.opened(local, json),
            Engine::Noop => {}
            Engine::Close => self.lose(local, "Engine.IO close packet"),
            Engine::Pong(_) | Engine::Unknown => self.stats.wrong("unknown packet", text),
        }
    }

    fn milliseconds(&self) -> u32 {
        (self.setup.clock.now() / 1_000_000) as u32
    }

    fn opened(&mut self, local: u32, json: &[u8]) {
        let Ok(open) = serde_json::from_slice::<Open>(json) else {
            return self.lose(
                local,
                "handshake that is no JSON of sid, pingInterval, pingTimeout",
            );
        };
        let now = self.milliseconds();
        self.shared.ping_interval.store(open.ping_interval, Relaxed);
        let client = &mut self.clients[local as usize];
        if client.state != State::Opening || open.sid.is_empty() {
            return self.lose(local, "open packet out of turn, or without sid");
        }
        // Two seconds on top: a busy machine is no silent server.
        self.patience = open
            .ping_interval
            .saturating_add(open.ping_timeout)
            .saturating_add(2000);
        client.pinged = now;
        client.state = State::Connecting;
        let upgradable = open.upgrades.iter().any(|u| u == "websocket");
        if client.carrier == Carrier::Upgrade && !upgradable {
            return self.lose(local, "the server offers no upgrade to WebSocket");
        }
        if let Some(polling) = &mut client.polling {
            polling.sid = open.sid;
        }
        let setup = self.setup.clone();
        let namespace = &setup.namespaces[setup.space(self.id(local))];
        self.text(local, |out| out.extend_from_slice(&namespace.connect));
    }

    fn message(&mut self, local: u32, text: &[u8]) {
        let Some(message) = packet::message(text) else {
            return self.stats.wrong("malformed Socket.IO packet", text);
        };
        let expected = &self.setup.namespaces[self.setup.space(self.id(local))].name;
        if message.namespace != expected.as_slice() {
            return self.stats.wrong("packet of another namespace", text);
        }
        match message.kind {
            Kind::Event => self.event_packet(local, &message, text),
            Kind::Ack => self.ack_packet(local, &message, text),
            Kind::Connect => self.connected(local),
            Kind::Disconnect => self.lose(local, "Socket.IO disconnect packet"),
            Kind::ConnectError => {
                self.lose_saying(local, "connect error", message.body);
            }
        }
    }

    fn connected(&mut self, local: u32) {
        let client = &mut self.clients[local as usize];
        if client.state != State::Connecting {
            return self.stats.wrong("a second CONNECT answer", b"");
        }
        self.shared.contract.answer(Question::Connect);
        if client.carrier == Carrier::Upgrade {
            client.state = State::Upgrading;
            self.begin_upgrade(local);
        } else {
            self.settle_in(local);
        }
    }

    /// What remains to be done once the connection is what it shall be.
    pub(super) fn settle_in(&mut self, local: u32) {
        if !self.setup.rooms {
            return self.ready(local);
        }
        let id = self.id(local);
        let setup = self.setup.clone();
        let prefix = &setup.namespaces[setup.space(id)].prefix;
        self.clients[local as usize].state = State::Joining;
        let room = setup.group(id);
        self.shared.contract.ask(Question::Join, setup.clock.now());
        self.text(local, |out| {
            packet::write_event(out, prefix, Some(JOIN_ID), "join", None, false);
            out.extend_from_slice(format!("\"r{room}\"]").as_bytes());
        });
    }

    fn event_packet(&mut self, local: u32, message: &Message<'_>, text: &[u8]) {
        let Some((name, argument)) = packet::event(message.body) else {
            return self.stats.wrong("malformed event", text);
        };
        let found = self
            .setup
            .events
            .iter()
            .position(|(event, _)| *event == name);
        let Some(event) = found else {
            return self.stats.wrong("an event nobody asked for", text);
        };
        match argument {
            Argument::Text(data) if message.attachments == 0 => {
                self.delivered(local, Attachment::Event(event as u8), &data);
            }
            Argument::Attachment if message.attachments == 1 => {
                self.clients[local as usize].attachment = Attachment::Event(event as u8);
            }
            _ => self.stats.wrong("an event with another argument", text),
        }
    }

    fn ack_packet(&mut self, local: u32, message: &Message<'_>, text: &[u8]) {
        let Some(id) = message.id else {
            return self.stats.wrong("an acknowledgement without number", text);
        };
        if id == JOIN_ID {
            if self.clients[local as usize].state == State::Joining {
                self.shared.contract.answer(Question::Join);
                return self.ready(local);
            }
            return self
                .stats
                .wrong("a second acknowledgement of the join", text);
        }
        match packet::ack(message.body) {
            Some(Argument::Text(data)) if message.attachments == 0 => {
                self.clients[local as usize].attachment_id = id;
                self.delivered(local, Attachment::Ack, &data);
            }
            Some(Argument::Attachment) if message.attachments == 1 => {
                self.clients[local as usize].attachment_id = id;
                self.clients[local as usize].attachment = Attachment::Ack;
            }
            _ => self
                .stats
                .wrong("an acknowledgement with another argument", text),
        }
    }

    /// One binary message.
    pub(super) fn attached(&mut self, local: u32, data: &[u8]) {
        let client = &mut self.clients[local as usize];
        match std::mem::replace(&mut client.attachment, Attachment::None) {
            Attachment::None => self.stats.wrong("an attachment nobody announced", data),
            of => self.delivered(local, of, data),
        }
    }

    /// Leaves as a well-behaved client does.
    pub(super) fn say_farewell(&mut self, local: u32) {
        if self.clients[local as usize].polling.is_some() {
            return; // a browser tab that closes does not post first
        }
        let setup = self.setup.clone();
        let space = setup.space(self.id(local));
        self.text(local, |out| {
            out.extend_from_slice(b"41");
            out.extend_from_slice(&setup.namespaces[space].prefix);
        });
        self.frame(opcode::CLOSE, &1000u16.to_be_bytes());
        self.flush(local);
    }
}
