//! Answers: what do the clients do, and when.
//!
//! Chance decides, within each client's habits. A sound client reads, polls and answers pings as
//! fast as the network lets it, so it must never lose anything; the others may.

use alloc::{collections::VecDeque, format, string::String, vec::Vec};

use super::{
    client::{
        self, AUTHS, Client, Habit, NAMESPACES, NOWHERE, Place, Sent, Upgrade, Via, What, Wire,
    },
    net::{Break, Conn, Inbound},
    wire::{Kind, Packet, Value},
    world::{Task, World},
};
use crate::eio::session::Poll;

/// The handshake's response, as far as the hub is concerned.
pub(super) const PREAMBLE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

impl World {
    // ---- coming ----

    /// A client arrives and opens a session.
    pub(super) fn arrive(&mut self) {
        let hub = self.random.index(self.hubs.len());
        if self.is_behind(hub) {
            return; // it is not accepted yet
        }
        let habit = match self.random.below(100) {
            0..=57 => Habit::Sound,
            58..=69 => Habit::Steady,
            70..=75 => Habit::Silent,
            76..=85 => Habit::Stalls,
            86..=94 => Habit::Slow,
            _ => Habit::Idle,
        };
        let at = self.clients.len();
        let mut client = Client::new(hub, habit);
        client.door = self.random.index(self.hubs.len());
        client.text_only = self.random.chance(25);
        if self.random.chance(50) || !self.config.polling {
            client.via = Via::Ws(self.net.conns.len());
            let id = self.net.name();
            let handshake = Some((id, PREAMBLE));
            let key = self.hubs[hub].open(self.now, handshake);
            if client.text_only {
                self.hubs[hub].recv_b64(key);
            }
            let conn = self.conn(at, hub, key, habit);
            let (id, probing, preamble) = (Some(id), false, true);
            self.net.conns.push(Conn {
                probing,
                id,
                preamble,
                ..conn
            });
            self.oracle.opened(hub, key, self.now);
            self.oracle.sessions[at].upgraded = true;
        } else {
            let key = self.hubs[hub].open(self.now, None);
            self.oracle.opened(hub, key, self.now);
            let answer = self.hubs[hub].recv_get(key);
            let right = answer == Some(Ok(Poll::Answer));
            self.oracle
                .expect(right, "a new session had nothing to say");
            let body = self.hubs[hub].take_poll(self.now, key).bytes.into();
            client.gets = 1;
            self.soon(Task::Answer(at, Some(body)));
        }
        self.log(format_args!(
            "client {at} comes to {hub}: {habit:?} {:?}",
            client.via
        ));
        if matches!(habit, Habit::Silent | Habit::Slow) {
            self.oracle.sessions[at].lapse = u64::MAX;
        }
        self.clients.push(client);
        self.drain(hub);
        self.soon(Task::Act(at));
    }

    pub(super) fn conn(
        &mut self,
        client: usize,
        hub: usize,
        key: crate::hub::SessionKey,
        habit: Habit,
    ) -> Conn {
        // Whoever must not be slow has room for the largest packet of a turn.
        let room = match habit {
            Habit::Sound | Habit::Idle => 200_000,
            Habit::Steady => self.random.pick(&[700, 3_000]),
            Habit::Slow => self.random.pick(&[40, 700, 5_000]),
            Habit::Stalls | Habit::Silent => self.random.pick(&[700, 5_000, 60_000]),
        };
        Conn {
            client,
            hub,
            key,
            probing: true,
            id: None,
            pipe: VecDeque::new(),
            unread: Vec::new(),
            preamble: false,
            room,
            blocked: false,
            full: false,
            was_full: false,
            offered: 0,
            opened: self.now.0,
            ended: None,
            inbound: VecDeque::new(),
            listed: false,
            paused: false,
            broken: Break::No,
        }
    }

    // ---- doing ----

    /// A client does something of its own accord.
    pub(super) fn act(&mut self, at: usize) {
        if self.clients[at].gone || !self.playing {
            return;
        }
        let wait = self.random.between(5, 150);
        self.after(wait, Task::Act(at));
        if !self.clients[at].is_ready() {
            return;
        }
        match self.random.below(1000) {
            0..=269 => self.join_namespace(at),
            270..=779 => self.speak(at),
            780..=799 => self.leave_namespace(at),
            800..=879 => self.upgrade(at),
            880..=909 => self.stall(at),
            910..=915 => self.misbehave(at),
            922..=925 => self.vanish(at, Break::Silent),
            930..=933 => self.vanish(at, Break::Reset),
            938..=943 => self.depart(at),
            944..=949 => self.clients[at].door = self.random.index(self.hubs.len()),
            950..=959 => {
                let text = self.random.pick(&["6", "0", "5"]);
                self.clients[at].text(text, What::Ignored);
            }
            _ => {}
        }
        self.transmit(at);
    }

    fn join_namespace(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if client.habit == Habit::Idle {
            return;
        }
        let which = self.random.index(3);
        if self.random.chance(2) {
            client.text("40/nowhere,", What::Connect(NOWHERE, None));
        } else if client.places[which] == Place::Out {
            client.places[which] = Place::Asked;
            let auth = match self.random.below(5) {
                0 | 1 => None,
                nth => Some(AUTHS[nth as usize - 2]),
            };
            let json = auth.unwrap_or_default();
            let text = match NAMESPACES[which] {
                "/" => format!("40{json}"),
                name => format!("40{name},{json}"),
            };
            client.text(text, What::Connect(NAMESPACES[which], auth));
        }
    }

    fn speak(&mut self, at: usize) {
        let Some(namespace) = self.clients[at].home(&mut self.random) else {
            return;
        };
        let number = self.number();
        let mut data = alloc::vec![Value::Text(client::name(&mut self.random).into())];
        if self.random.chance(3) {
            // As many binary parts as there may be.
            let most = self.config.limits.attachments as u64;
            data.push(Value::Number(number));
            data.push(client::parts(&mut self.random, most));
        } else {
            data.extend(client::arguments(&mut self.random, number, 1_000));
        }
        let client = &mut self.clients[at];
        let id = self.random.chance(30).then_some(client.asks);
        client.asks += 1;
        client.packet(Packet {
            kind: Kind::Event,
            namespace: namespace.into(),
            id,
            data,
        });
    }

    fn leave_namespace(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let Some(namespace) = client.home(&mut self.random) else {
            return;
        };
        if let Some(place) = client.place(namespace) {
            *place = Place::Out;
        }
        let text = match namespace {
            "/" => "41".into(),
            name => format!("41{name},"),
        };
        client.text(text, What::Leave(namespace));
    }

    fn stall(&mut self, at: usize) {
        if self.clients[at].habit == Habit::Stalls {
            // Some longer than a closed connection is given to take its last words.
            let most = self.random.pick(&[500, 4_000, 4_000, 16_000]);
            let wait = self.random.between(50, most);
            let until = (self.now.0 + wait).max(self.clients[at].stalled_until);
            self.clients[at].stalled_until = until;
            self.oracle.sessions[at].lapse = until;
        }
    }

    /// A client breaks a rule.
    fn misbehave(&mut self, at: usize) {
        let random = &mut self.random;
        let client = &mut self.clients[at];
        match random.below(9) {
            7 => self.aborts(at),
            8 => {
                // One binary part more than there may be.
                let most = self.config.limits.attachments + 1;
                let text = format!("45{most}-[\"a\"]");
                let what = What::Bad(crate::error::CloseReason::ForcedClose, None);
                client.text(text, what);
            }
            0 => {
                let bytes = random.bytes(3);
                let (wire, what) = (Wire::Binary(bytes.clone()), What::Part(bytes));
                client.outbox.push_back(Sent { wire, what });
            }
            1 => {
                // Binary parts are promised, and fewer come.
                let data = alloc::vec![
                    Value::Text("parts".into()),
                    Value::Binary(random.bytes(2)),
                    Value::Binary(random.bytes(2)),
                ];
                client.packet(Packet {
                    kind: Kind::Event,
                    namespace: NAMESPACES[0].into(),
                    id: None,
                    data,
                });
                for _ in 0..random.between(1, 2) {
                    client.outbox.pop_back();
                }
                let ready = client.places.contains(&Place::Asked);
                client.leaving = ready && random.chance(20);
            }
            2 if client.places[0] == Place::In => client.text("40", What::Connect("/", None)),
            3 => client.text("b*", What::BadEngine(crate::error::CloseReason::ParseError)),
            4 if client.via == Via::Polling => {
                // Its own answers may cross now: what it reads is in no order.
                self.oracle.sessions[at].left = true;
                self.oracle.sessions[at].lapse = u64::MAX;
                client.gone = true;
                if random.chance(50) {
                    self.soon(Task::Get(at));
                    self.soon(Task::Get(at));
                } else {
                    let (wire, what) = (Wire::Text("6".into()), What::Ignored);
                    let body = alloc::vec![Sent { wire, what }];
                    self.soon(Task::Post(at, body.clone()));
                    self.after(1, Task::Post(at, body));
                }
            }
            5 => {
                // An answer to nothing.
                let namespace = NAMESPACES[0].into();
                let id = Some((1 << 60) + random.below(9));
                let data = alloc::vec![Value::Null];
                if client.places[0] == Place::In {
                    client.packet(Packet {
                        kind: Kind::Ack,
                        namespace,
                        id,
                        data,
                    });
                }
            }
            _ => client.bad(random),
        }
    }

    // ---- sending ----

    /// What a client has to say goes out, as its transport allows.
    pub(super) fn transmit(&mut self, at: usize) {
        let client = &mut self.clients[at];
        if client.gone || client.sid.is_none() {
            return;
        }
        match client.via {
            Via::Ws(conn) => {
                for sent in core::mem::take(&mut client.outbox) {
                    self.net.conns[conn]
                        .inbound
                        .push_back(Inbound::Message(sent));
                    self.soon(Task::Recv(conn));
                }
            }
            Via::Polling => {
                let paused = matches!(client.upgrade, Upgrade::Pausing(_));
                if !client.posting && !paused && !client.outbox.is_empty() {
                    client.posting = true;
                    let count = self.random.between(1, client.outbox.len() as u64);
                    let body = client.outbox.drain(..count as usize).collect();
                    self.soon(Task::Post(at, body));
                }
            }
        }
        let client = &mut self.clients[at];
        if client.leaving && client.outbox.is_empty() {
            client.gone = true;
            self.oracle.sessions[at].left = true;
            self.oracle.sessions[at].lapse = u64::MAX;
        }
    }

    /// A GET goes out, if one is wanted.
    pub(super) fn poll(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let paused = matches!(client.upgrade, Upgrade::Pausing(_));
        if client.gone || client.via != Via::Polling || client.gets > 0 || paused {
            return;
        }
        client.gets = 1;
        let stall = client.stalled_until.saturating_sub(self.now.0);
        let slow = match client.habit {
            Habit::Slow => self.random.below(900),
            _ => 0,
        };
        let wait = self.random.between(1, self.lag) + stall.max(slow);
        self.after(wait, Task::Get(at));
    }

    pub(super) fn posted(&mut self, at: usize, right: bool) {
        self.clients[at].posting = false;
        if self.clients[at].gone {
            return;
        }
        if !right && self.clients[at].via == Via::Polling {
            // The session has ended: what it still says is waited for.
            self.clients[at].outbox.clear();
            self.paused(at);
            return self.poll(at);
        }
        self.paused(at);
        self.transmit(at);
    }

    /// The answer to a GET.
    pub(super) fn answered(&mut self, at: usize, body: Option<Vec<u8>>) {
        self.clients[at].gets = self.clients[at].gets.saturating_sub(1);
        if self.clients[at].gone {
            return;
        }
        let Some(body) = body else {
            return self.turned_away(at);
        };
        let Ok(body) = String::from_utf8(body) else {
            return self.oracle.blame("a polling body is not UTF-8".into());
        };
        self.log(format_args!("client {at} is answered {body:?}"));
        for packet in body.split('\u{1e}') {
            self.reads_text(at, packet);
        }
        self.paused(at);
        self.poll(at);
        self.transmit(at);
    }
}
