//! Answers: does a hub stay whole whatever it is called with, in whatever order.
//!
//! The simulator's shell and clients do what can happen; this calls whatever there is to call, with
//! keys that are gone, connections that are not there, requests that nobody sent, and takes events,
//! mail and output when it likes. So it says nothing about what must come, except: no panic, whole
//! frames, nothing twice, each sender's packets in order, and in the end nothing is left.

mod taken;

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use stentor_engine::{
    config::Config,
    eio::session::Poll,
    error::{CloseReason, PeerError},
    frame::Kind,
    hub::{
        Action, Counts, Directory, Emit, Ending, Hub, Mail, Mode, Namespace, Publication,
        Selection, SessionKey, Setup, ShardSet, SocketKey,
    },
    id::{ConnId, NamespaceId, ShardId},
    time::Tick,
};

use crate::{events::Known, input::Input, wire::Wire};

const HUBS: usize = 2;
const ROOMS: [&str; 3] = ["a", "b", ""];
const TEXTS: [&str; 22] = [
    "40",
    "40/gate,{}",
    "40/nowhere,",
    "41",
    "41/gate,",
    "42[\"a\",1]",
    "421[\"a\"]",
    "42/gate,[\"a\"]",
    "430[1]",
    "431[]",
    "432[{}]",
    "451-[\"a\",{\"_placeholder\":true,\"num\":0}]",
    "461-0[{\"_placeholder\":true,\"num\":0}]",
    "4",
    "47",
    "44{}",
    "1",
    "2",
    "3",
    "5",
    "6",
    "9",
];

type Rows = Rc<RefCell<HashMap<(u64, usize), u32>>>;

struct View(Rows, usize);

impl Directory for View {
    fn add(&mut self, hash: u64) {
        *self.0.borrow_mut().entry((hash, self.1)).or_default() += 1;
    }
    fn remove(&mut self, hash: u64) {
        let mut rows = self.0.borrow_mut();
        let row = rows
            .get_mut(&(hash, self.1))
            .expect("removed what was added");
        *row = row.checked_sub(1).expect("removed once");
    }
    fn expect(&mut self, hash: u64, shards: ShardSet) {
        for shard in (0..HUBS).filter(|shard| shards & 1 << shard != 0) {
            Self(Rc::clone(&self.0), shard).add(hash);
        }
    }
    fn settle(&mut self, hash: u64) {
        self.remove(hash);
    }
    fn shards(&self, hash: u64) -> ShardSet {
        let rows = self.0.borrow();
        let has = |shard: &usize| rows.get(&(hash, *shard)).is_some_and(|n| *n > 0);
        (0..HUBS).filter(has).fold(0, |set, shard| set | 1 << shard)
    }
}

struct World<'a> {
    input: Input<'a>,
    now: Tick,
    hubs: Vec<Hub>,
    wires: Vec<Wire>,
    known: Vec<Known>,
    sessions: Vec<Vec<SessionKey>>,
    sockets: Vec<Vec<SocketKey>>,
    mail: [VecDeque<Mail>; HUBS * HUBS],
    rows: Rows,
    conns: u64,
    /// Connections that probe or have, with their hub and session.
    probes: HashMap<u64, (usize, SessionKey)>,
    number: u64,
    /// The last number of each sender that came on a connection.
    last: HashMap<(usize, u64, u64), u64>,
}

/// Calls a hub and its neighbour as the bytes say.
///
/// # Panics
/// If something is wrong.
pub fn hub(bytes: &[u8]) {
    let mut world = World::new(Input::new(bytes));
    while !world.input.is_empty() {
        world.call();
    }
    world.end();
}

impl<'a> World<'a> {
    fn new(mut input: Input<'a>) -> Self {
        let rows = Rows::default();
        let (engine_only, tiny) = (input.below(8) == 7, input.flag());
        let mut config = Config::default();
        if tiny {
            config.limits.outbox_bytes = 300;
            config.limits.rooms_per_socket = 1;
            config.limits.acks_per_socket = 2;
            config.limits.namespaces_per_session = 1;
            config.ping_interval = Duration::from_millis(50);
        }
        let hub = |shard: usize| {
            let namespace = |(name, gated): (&str, bool)| Namespace {
                name: Box::from(name),
                gated,
            };
            let mut random = shard as u64;
            Hub::new(Setup {
                config: config.clone(),
                shard: ShardId(shard as u8),
                shards: HUBS,
                mode: if engine_only {
                    Mode::EngineIo
                } else {
                    Mode::SocketIo([("/", false), ("/gate", true)].map(namespace).into())
                },
                seed: 5,
                directory: Box::new(View(Rc::clone(&rows), shard)),
                entropy: Box::new(move |out: &mut [u8]| {
                    for byte in out {
                        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                        *byte = (random >> 56) as u8;
                    }
                }),
            })
        };
        Self {
            hubs: (0..HUBS).map(hub).collect(),
            input,
            now: Tick(0),
            wires: (0..HUBS).map(|_| Wire::default()).collect(),
            known: (0..HUBS).map(|_| Known::default()).collect(),
            sessions: vec![Vec::new(); HUBS],
            sockets: vec![Vec::new(); HUBS],
            mail: Default::default(),
            rows,
            conns: 0,
            probes: HashMap::new(),
            number: 0,
            last: HashMap::new(),
        }
    }

    fn conn(&mut self, at: usize) -> ConnId {
        self.conns += 1;
        let room = self
            .input
            .pick(&[usize::MAX, 100_000, 200, 3, 0])
            .unwrap_or(0);
        self.wires[at].open(ConnId(self.conns), room);
        ConnId(self.conns)
    }

    /// A connection there is or was, or one there never was.
    fn any_conn(&mut self) -> ConnId {
        ConnId(self.conns.saturating_sub(self.input.below(6) as u64))
    }

    fn call(&mut self) {
        let at = self.input.below(HUBS);
        let session = self.input.pick(&self.sessions[at]);
        let socket = self.input.pick(&self.sockets[at]);
        match (self.input.below(48), session, socket) {
            (0..=2, ..) => self.open(at),
            (3..=12, Some(key), _) => self.receives(at, key),
            (13..=19, Some(key), _) => self.requests(at, key),
            (20..=24, Some(key), _) => self.connects(at, key),
            (25..=27, Some(key), _) => self.ends(at, key),
            (28..=33, _, Some(socket)) => self.says(at, socket),
            (34..=37, ..) => self.publishes(at),
            (38..=39, _, Some(socket)) => self.moves(at, socket),
            (40, ..) => self.passes(at),
            (41, ..) => self.carries(at),
            (42..=44, ..) => self.flush(at),
            (45, ..) => self.signals(at),
            (46, ..) => self.hubs[at].trim(),
            (47, ..) if self.input.below(32) == 31 => self.hubs[at].shut_down(self.now),
            _ => self.events(at),
        }
    }

    fn open(&mut self, at: usize) {
        let conn = self.input.flag().then(|| self.conn(at));
        let key = self.hubs[at].open(self.now, conn.map(|conn| (conn, &b""[..])));
        self.known[at].opened(key);
        self.sessions[at].push(key);
    }

    fn receives(&mut self, at: usize, key: SessionKey) {
        let (now, hub) = (self.now, &mut self.hubs[at]);
        match self.input.below(12) {
            0 => drop(hub.receive_binary(now, key, self.input.some())),
            1 => {
                let text = String::from_utf8_lossy(self.input.some());
                drop(hub.receive_text(now, key, &text));
            }
            _ => {
                let text = self.input.pick(&TEXTS).unwrap_or_default();
                drop(hub.receive_text(now, key, text));
            }
        }
    }

    fn requests(&mut self, at: usize, key: SessionKey) {
        let (now, hub) = (self.now, &mut self.hubs[at]);
        match self.input.below(7) {
            0..=2 => match hub.recv_get(key) {
                Some(Ok(Poll::Answer)) => {
                    let body = hub.take_poll(now, key).bytes;
                    assert!(!body.is_empty(), "an answer without a packet");
                }
                Some(Err(error)) => hub.fail(now, key, error),
                Some(Ok(Poll::Park | Poll::Mismatch)) | None => {}
            },
            3 => {
                if let Some(Err(error)) = hub.recv_post(key) {
                    hub.fail(now, key, error);
                }
            }
            4 => hub.end_post(key),
            5 => hub.poll_lost(key),
            _ => hub.fail(now, key, PeerError::Aborted),
        }
    }

    fn connects(&mut self, at: usize, key: SessionKey) {
        let (now, what) = (self.now, self.input.below(10));
        let text = ["2probe", "5", "", "2"];
        let text = self.input.pick(&text).unwrap_or_default();
        if what == 0 {
            let conn = self.conn(at);
            if self.hubs[at].recv_probe_open(now, key, conn) {
                self.probes.insert(conn.0, (at, key));
            }
            return;
        }
        let conn = self.any_conn();
        let hub = &mut self.hubs[at];
        match (what, self.probes.get(&conn.0)) {
            // A connection that has become a session's transport probes no more.
            (1..=3, Some((home, key))) if *home == at && !hub.is_on(*key, conn) => {
                hub.recv_probe(now, *key, conn, text);
            }
            (4, Some((home, key))) if *home == at => hub.abandon_probe(*key, conn),
            (5, _) => hub.writable(key),
            (6, _) => drop(hub.hold(key)),
            (7, _) => hub.release(key),
            (8, _) => hub.connection_lost(key),
            _ => {
                if let Some(line) = self.wires[at].lines.get_mut(&conn.0) {
                    line.room = usize::MAX;
                    line.broken = self.input.below(4) == 3;
                }
            }
        }
    }

    fn ends(&mut self, at: usize, key: SessionKey) {
        let (now, hub) = (self.now, &mut self.hubs[at]);
        let ending = [
            Ending::Polite,
            Ending::Abrupt(None),
            Ending::Abrupt(Some(1009)),
            Ending::ByPeer,
        ];
        let ending = self.input.pick(&ending).unwrap_or(Ending::Polite);
        match self.input.below(6) {
            0 => hub.close(now, key, CloseReason::TransportClose, ending),
            1 => hub.close(now, key, CloseReason::ForcedServerClose, ending),
            2 => hub.fail(now, key, PeerError::TooLarge),
            3 => hub.fail(now, key, PeerError::Namespace),
            4 => drop(hub.send(key, Kind::Binary, b"sent")),
            _ => drop(hub.send(key, Kind::Text, &[b'x'; 400])),
        }
    }

    /// The arguments that tell a sender's packets apart: its number and theirs.
    fn args(&mut self, at: usize) -> String {
        self.number += 1;
        let long = "x".repeat(self.input.pick(&[0, 0, 100, 3_000]).unwrap_or(0));
        format!("{at},{},\"{long}\"", self.number)
    }

    fn says(&mut self, at: usize, socket: SocketKey) {
        let args = self.args(at);
        let parts = [Bytes::from_static(b"part")];
        let emit = Emit {
            name: "n",
            args: &args,
            attachments: &[],
            volatile: self.input.below(4) == 3,
            compress: self.input.below(4) != 3,
        };
        let binary = format!("{args},{{\"_placeholder\":true,\"num\":0}}");
        let wait = Duration::from_millis(self.input.byte().into());
        let (now, number, hub) = (self.now, self.number, &mut self.hubs[at]);
        match self.input.below(9) {
            0..=2 => drop(hub.emit(socket, &emit)),
            3 => drop(hub.emit(
                socket,
                &Emit {
                    args: &binary,
                    attachments: &parts,
                    ..emit
                },
            )),
            4 => drop(hub.emit_with_ack(now, socket, &emit, number, wait)),
            5 => drop(hub.ack(socket, 1, "1", &[])),
            6 => drop(hub.accept(socket)),
            7 => drop(hub.refuse(socket, "no", None)),
            _ => drop(hub.disconnect(now, socket, wait.is_zero())),
        }
    }

    fn selection(&mut self, at: usize) -> Selection {
        let mut to = Selection::all(NamespaceId(self.input.below(2) as u16));
        for _ in 0..self.input.below(3) {
            to = to.to(self.input.pick(&ROOMS).unwrap_or_default());
        }
        if self.input.below(4) == 3 {
            to = to.except(self.input.pick(&ROOMS).unwrap_or_default());
        }
        if self.input.below(4) == 3 {
            let socket = self.input.pick(&self.sockets[at]);
            to.not = socket.and_then(|key| self.hubs[at].socket_id(key));
        }
        to
    }

    fn publishes(&mut self, at: usize) {
        let to = self.selection(at);
        if self.hubs[at].namespace("/").is_none() {
            return; // Engine.IO alone has nobody to publish to
        }
        let args = self.args(at);
        let emit = Emit {
            name: "n",
            args: &args,
            attachments: &[],
            volatile: self.input.below(4) == 3,
            compress: self.input.below(4) != 3,
        };
        let rooms = vec![Box::from(self.input.pick(&ROOMS).unwrap_or_default())];
        let wait = Duration::from_millis(self.input.byte().into());
        let (now, number, hub) = (self.now, self.number, &mut self.hubs[at]);
        match self.input.below(9) {
            0..=2 => drop(hub.publish(now, to, &emit)),
            3 => drop(hub.publish_with_ack(now, to, &emit, number, wait)),
            4 => hub.act(now, to, Action::Join(rooms)),
            5 => hub.act(now, to, Action::Leave(rooms)),
            6 => hub.act(
                now,
                to,
                Action::Disconnect {
                    close: wait.is_zero(),
                },
            ),
            7 => {
                let name = hub.namespace_name(to.namespace).to_owned();
                let Ok(frame) = Hub::encode_event(&name, &emit, usize::MAX) else {
                    return;
                };
                let relayed = Publication {
                    to,
                    frame,
                    volatile: false,
                    compress: true,
                    ack: None,
                };
                hub.receive_mail(now, Mail::Relay(relayed.into()));
            }
            _ => drop(hub.sockets(&to)),
        }
    }

    fn moves(&mut self, at: usize, socket: SocketKey) {
        let room = self.input.pick(&ROOMS).unwrap_or_default();
        if self.input.flag() {
            self.hubs[at].join(socket, room);
        } else {
            self.hubs[at].leave(socket, room);
        }
    }

    /// Time passes and nobody says anything more.
    fn end(&mut self) {
        for _ in 0..12 {
            self.now = Tick(self.now.0 + 20_000);
            for at in 0..HUBS {
                self.hubs[at].advance(self.now);
                for _ in 0..3 {
                    self.events(at);
                    self.flush(at);
                }
                let mail: Vec<_> = self.hubs[at].take_mail().collect();
                for (to, mail) in mail {
                    self.mail[at * HUBS + usize::from(to.0)].push_back(mail);
                }
                for from in 0..HUBS {
                    while let Some(mail) = self.mail[from * HUBS + at].pop_front() {
                        self.hubs[at].receive_mail(self.now, mail);
                    }
                }
                self.events(at);
                self.flush(at);
            }
        }
        for at in 0..HUBS {
            assert_eq!(
                self.hubs[at].counts(),
                Counts::default(),
                "something is left"
            );
            assert!(
                self.known[at].open.is_empty(),
                "a session's end was not told"
            );
            assert!(
                self.known[at].sockets.is_empty(),
                "a socket's end was not told"
            );
        }
        let rows = self.rows.borrow();
        assert!(rows.values().all(|n| *n == 0), "the directory is not empty");
    }
}
