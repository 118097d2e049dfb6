//! A tiny Socket.IO server of the event contract, for tests only: one thread, any namespace; on
//! wish it drops, doubles, reorders or alters one in so many payloads, or hangs up. Its WebSocket
//! code is another library's, so that a mistake of the generator's own shows.

mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::{Bytes, Message};
pub(crate) use wire::Upgrades;
use wire::{Id, Seen, Wire};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Drop,
    Duplicate,
    Reorder,
    Alter,
    HangUp,
    /// Sends room messages to everyone.
    Leak,
    /// Promises a ping every 0.2 s and sends none.
    Mute,
    /// Answers no event, and joins no room.
    Silent,
    /// Acknowledges without the payload.
    EmptyAcks,
}

/// A client that has joined its namespace.
#[derive(Default)]
struct Peer {
    /// `/name,` or nothing.
    space: String,
    room: Option<String>,
    /// A binary event's text, until its attachment is here.
    announced: Option<String>,
    held: Option<Message>,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Seen>,
    /// Namespaces and what was sent to join them: `/chat,{"token":1}`.
    pub(crate) joins: Arc<Mutex<Vec<String>>>,
    /// Where connections came from.
    pub(crate) sources: Arc<Mutex<BTreeSet<IpAddr>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Starts one that commits `fault` on every `every`-th payload.
    pub(crate) fn start(fault: Fault, every: u64) -> Self {
        Self::taking(Upgrades::Taken, fault, every)
    }

    /// The same, with its way of taking upgrades.
    pub(crate) fn taking(upgrades: Upgrades, fault: Fault, every: u64) -> Self {
        Self::listening(0, upgrades, fault, every)
    }

    /// A correct one on a port of the caller's choice.
    pub(crate) fn on(port: u16) -> Self {
        Self::listening(port, Upgrades::Taken, Fault::None, 1)
    }

    fn listening(port: u16, upgrades: Upgrades, fault: Fault, every: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Seen>::default());
        let joins = Arc::<Mutex<Vec<String>>>::default();
        let sources = Arc::<Mutex<BTreeSet<IpAddr>>>::default();
        let ping_every = if fault == Fault::Mute { 200 } else { 25_000 };
        let mut core = Core {
            wire: Wire::new(listener, upgrades, ping_every, sources.clone()),
            peers: BTreeMap::new(),
            joins: joins.clone(),
            fault,
            every,
            payloads: 0,
        };
        let (stopped, counts) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                core.turn(&counts);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self {
            port,
            seen,
            joins,
            sources,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

struct Core {
    wire: Wire,
    peers: BTreeMap<Id, Peer>,
    joins: Arc<Mutex<Vec<String>>>,
    fault: Fault,
    every: u64,
    payloads: u64,
}

impl Core {
    fn turn(&mut self, seen: &Seen) {
        for (from, message) in self.wire.turn(seen) {
            self.received(from, message, seen);
        }
        self.peers.retain(|id, _| self.wire.has(*id));
    }

    fn received(&mut self, from: Id, message: Message, seen: &Seen) {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(data) => {
                let peer = self.peers.get_mut(&from).unwrap();
                let text = peer.announced.take().unwrap();
                return self.event(from, &text, Some(&data));
            }
            _ => return,
        };
        match text.get(..2) {
            Some("40") => self.joined(from, &text[2..]),
            Some("42") => self.event(from, &text, None),
            Some("45") => {
                let peer = self.peers.get_mut(&from).unwrap();
                peer.announced = Some(text.to_string());
            }
            _ if text == "3" => {
                seen.pongs.fetch_add(1, Relaxed);
            }
            Some("41") => {}
            _ => panic!("the generator sent {text}"),
        }
    }

    fn joined(&mut self, from: Id, rest: &str) {
        self.joins.lock().unwrap().push(rest.to_owned());
        let comma = rest.find(',').filter(|_| rest.starts_with('/'));
        let space = comma.map_or("", |at| &rest[..=at]).to_owned();
        let accept = format!(r#"40{space}{{"sid":"test"}}"#);
        let peer = Peer {
            space,
            ..Peer::default()
        };
        self.peers.insert(from, peer);
        self.wire.send(from, Message::text(accept));
        if self.fault != Fault::Mute {
            self.wire.send(from, Message::text("2"));
        }
    }

    fn event(&mut self, from: Id, text: &str, attachment: Option<&Bytes>) {
        let space = self.peers[&from].space.clone();
        let head = text.find('[').unwrap();
        let id = text[..head]
            .strip_prefix("451-")
            .or_else(|| text[..head].strip_prefix("42"))
            .and_then(|rest| rest.strip_prefix(space.as_str()))
            .unwrap();
        let body: Vec<serde_json::Value> = serde_json::from_str(&text[head..]).unwrap();
        let binary = if attachment.is_some() { "51-" } else { "2" };
        let data = body.last().unwrap().clone();
        if self.fault == Fault::Silent {
            return;
        }
        if self.fault == Fault::EmptyAcks {
            let text = format!("43{space}{id}[]");
            return self.wire.send(from, Message::text(text));
        }
        let emit = |name: &str| format!("4{binary}{space}{}", serde_json::json!([name, data]));
        match body[0].as_str().unwrap() {
            "echo" => self.payload(&[from], &emit("echo"), attachment),
            "echo_ack" => {
                let binary = if attachment.is_some() { "61-" } else { "3" };
                let text = format!("4{binary}{space}{id}{}", serde_json::json!([data]));
                self.payload(&[from], &text, attachment);
            }
            "broadcast" => {
                let all = self.whose(|peer| peer.space == space);
                self.payload(&all, &emit("broadcast"), attachment);
            }
            "join" => {
                let peer = self.peers.get_mut(&from).unwrap();
                peer.room = data.as_str().map(str::to_owned);
                let joined = format!("43{space}{id}[]");
                self.wire.send(from, Message::text(joined));
            }
            "room" => {
                let (room, leaks) = (body[1].as_str(), self.fault == Fault::Leak);
                let to = self.whose(|p| p.space == space && (leaks || p.room.as_deref() == room));
                self.payload(&to, &emit("room"), attachment);
            }
            other => panic!("unknown event {other}"),
        }
    }

    fn whose(&self, fits: impl Fn(&Peer) -> bool) -> Vec<Id> {
        let fitting = self.peers.iter().filter(|(_, peer)| fits(peer));
        fitting.map(|(id, _)| *id).collect()
    }

    fn payload(&mut self, to: &[Id], text: &str, attachment: Option<&Bytes>) {
        for id in to {
            self.payloads += 1;
            let faulty = self.payloads.is_multiple_of(self.every);
            let fault = if faulty { self.fault } else { Fault::None };
            let held = &mut self.peers.get_mut(id).unwrap().held;
            let message = Message::text(text);
            match fault {
                Fault::Drop => continue,
                Fault::HangUp => {
                    self.wire.hang_up(*id);
                    continue;
                }
                // Text payloads only: an attachment must follow its event.
                Fault::Reorder if attachment.is_none() && held.is_none() => {
                    *held = Some(message);
                    continue;
                }
                Fault::Duplicate if attachment.is_none() => self.wire.send(*id, message.clone()),
                Fault::Alter => {
                    let altered = text.replacen("abcd", "abxd", 1);
                    self.wire.send(*id, Message::text(altered));
                    continue;
                }
                _ => {}
            }
            let held = held.take();
            self.wire.send(*id, message);
            if let Some(data) = attachment {
                self.wire.send(*id, Message::Binary(data.clone()));
            }
            if let Some(held) = held {
                self.wire.send(*id, held);
            }
        }
    }
}
