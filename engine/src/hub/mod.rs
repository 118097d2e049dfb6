//! Answers: given this input, what must be sent, told, mailed, and when next.
//!
//! A [`Hub`] is one shard's whole brain: Engine.IO sessions (`sessions`), the Socket.IO sockets
//! on them, rooms, acknowledgements. It must not know tokio, sockets, threads, clocks or user code.
//!
//! # The contract
//!
//! *Mutate, then drain.* After any call that takes `now` or changes something, before the turn
//! ends, the shell takes all of: [`Hub::next_event`] (told to user code, whose own calls are
//! mutations again), [`Hub::take_mail`], then [`Hub::flush`], then [`Hub::next_signal`], and asks
//! [`Hub::deadline`]. While [`Hub::waiting`] is not 0 each turn ends with [`Hub::flush_slice`] in place of
//! [`Hub::flush`]. `now` never decreases.
//!
//! Events are drained sooner than the rest: after each `receive_*`, its [`Received`] first, before the next
//! packet is given in. An event of a socket would else be handled before what connected it is told, and after
//! it was told that the socket left.

mod ack;
mod act;
#[cfg(any(test, feature = "sim"))]
mod check;
mod client;
mod connect;
mod directory;
mod event;
mod flush;
mod held;
mod publish;
mod receive;
mod sessions;
mod sockets;
#[cfg(test)]
mod tests;
mod transports;

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::{cell::Cell, fmt};

use hashbrown::HashMap;

use ack::{Pending, Waits};
pub use client::Client;
use client::Extra;
pub use directory::{Alone, Directory, RoomHash, ShardSet};
pub use event::{
    AckNews, AckOutcome, AckRequest, Action, Event, Incoming, Mail, Publication, Received,
    Selection,
};
pub use publish::Emit;
pub use sessions::{Ending, Entry, Seen, Signal, Transmit, Write};

use crate::{
    config::Config,
    eio::handshake::Transport,
    error::{CloseReason, PeerError},
    frame::Kind,
    id::{ConnId, NamespaceId, ShardId, Sid, SocketId},
    room::{Member, Rooms},
    slab::{Key, Slab},
    time::Tick,
};
use sessions::{Due, Sessions};

/// A session on this hub.
pub type SessionKey = Key<Entry>;
/// A socket on this hub.
pub type SocketKey = Key<Socket>;

const NONE: u32 = u32::MAX;

/// One session in one namespace.
#[derive(Debug)]
pub struct Socket {
    random: [u8; 11],
    connected: bool,
    namespace: NamespaceId,
    session: u32,
    /// Where it stands in its namespace's list.
    place: u32,
    /// The last selection that visited it, so that each is visited once; 0 if none has.
    visited: u32,
    #[expect(
        clippy::box_collection,
        reason = "a socket without ack requests costs 8 bytes, not 32"
    )]
    acks: Option<Box<VecDeque<Pending>>>,
}

/// A namespace that clients may join.
#[derive(Debug, Clone)]
pub struct Namespace {
    /// Its name, beginning with `/`.
    pub name: Box<str>,
    /// Whether user code decides who may join ([`Event::Connecting`]).
    pub gated: bool,
}

#[derive(Debug)]
struct NamespaceState {
    name: Box<str>,
    gated: bool,
    everyone: Vec<Member>,
    next_ack: u64,
}

/// Which layers run.
#[derive(Debug, Clone)]
pub enum Mode {
    /// Engine.IO alone: messages are the application's.
    EngineIo,
    /// Socket.IO with these namespaces. The first is `/`.
    SocketIo(Vec<Namespace>),
}

/// Fills a slice with unpredictable bytes.
pub type Entropy = Box<dyn FnMut(&mut [u8])>;

/// What a hub is made of.
pub struct Setup {
    /// The options, the same for all hubs of a server.
    pub config: Config,
    /// This hub's shard.
    pub shard: ShardId,
    /// How many shards the server has.
    pub shards: usize,
    /// The layers.
    pub mode: Mode,
    /// The server's secret for hashes, the same for all hubs.
    pub seed: u64,
    /// This shard's view of who has members of which room.
    pub directory: Box<dyn Directory>,
    /// A cryptographic source of random bytes.
    pub entropy: Entropy,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("shard", &self.shard)
            .finish_non_exhaustive()
    }
}

/// See the module's text.
pub struct Hub {
    sessions: Sessions,
    sockets: Slab<Socket>,
    sockets_max: usize,
    namespaces: Vec<NamespaceState>,
    by_name: HashMap<Box<str>, NamespaceId, foldhash::fast::FixedState>,
    rooms: Rooms,
    waits: Waits,
    events: VecDeque<Event>,
    mail: Vec<(ShardId, Mail)>,
    shard: ShardId,
    shards: usize,
    engine_only: bool,
    directory: Box<dyn Directory>,
    entropy: Entropy,
    hash: RoomHash,
    visit: u32,
    /// Reused from publication to publication.
    selected: Vec<Member>,
    dues: Vec<Due>,
    /// Bytes of packets whose attachments have not all come.
    unfinished: usize,
    /// The time of the last call.
    #[cfg(any(test, debug_assertions))]
    latest: Tick,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("shard", &self.shard)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// How much a hub holds: all zero when everybody is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Sessions, closing ones included.
    pub sessions: usize,
    /// Sockets, connecting ones included.
    pub sockets: usize,
    /// Rooms with a member.
    pub rooms: usize,
    /// Questions without all their answers.
    pub acks: usize,
    /// Timers set.
    pub timers: usize,
    /// Session ids that lead to a session.
    pub sids: usize,
    /// Names that lead to a room.
    pub names: usize,
}

impl Hub {
    /// A hub without sessions.
    ///
    /// # Panics
    /// If there are more shards than [`crate::limits::SHARDS_MAX`] or more than 2^16 namespaces.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup {
            config,
            shard,
            shards,
            mode,
            seed,
            directory,
            mut entropy,
        } = setup;
        assert!(
            shards <= crate::limits::SHARDS_MAX,
            "too many shards for a set"
        );
        let (engine_only, names) = match mode {
            Mode::EngineIo => (true, Vec::new()),
            Mode::SocketIo(names) => (false, names),
        };
        let mut rooms_seed = [0; 8];
        entropy(&mut rooms_seed);
        let mut by_name = HashMap::with_hasher(foldhash::fast::FixedState::with_seed(seed));
        let mut namespaces = Vec::new();
        for Namespace { name, gated } in names {
            let id = NamespaceId(u16::try_from(namespaces.len()).expect("fewer than 2^16"));
            by_name.insert(name.clone(), id);
            namespaces.push(NamespaceState {
                name,
                gated,
                everyone: Vec::new(),
                next_ack: 0,
            });
        }
        Self {
            sessions: Sessions::new(config, shard),
            sockets: Slab::default(),
            sockets_max: crate::limits::SOCKETS_MAX,
            namespaces,
            by_name,
            rooms: Rooms::new(u64::from_le_bytes(rooms_seed)),
            waits: Waits::default(),
            events: VecDeque::new(),
            mail: Vec::new(),
            shard,
            shards,
            engine_only,
            directory,
            entropy,
            hash: RoomHash::new(seed),
            visit: 0,
            selected: Vec::new(),
            dues: Vec::new(),
            unfinished: 0,
            #[cfg(any(test, debug_assertions))]
            latest: Tick(0),
        }
    }

    /// The options.
    #[must_use]
    pub const fn config(&self) -> &Config {
        self.sessions.config()
    }

    /// This hub's shard.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// How much is held.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len(),
            sockets: self.sockets.len(),
            rooms: self.rooms.len(),
            acks: self.waits.len(),
            timers: self.sessions.timers() + self.waits.timers(),
            sids: self.sessions.sids(),
            names: self.rooms.names(),
        }
    }

    /// Gives back what lists keep from turn to turn; for the time after most sessions have gone.
    pub fn trim(&mut self) {
        self.sessions.trim();
        self.events.shrink_to_fit();
        self.mail.shrink_to_fit();
        self.selected.shrink_to_fit();
        self.dues.shrink_to_fit();
    }

    // ---- what the shell takes ----

    /// The next thing to tell user code.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether there is something to tell user code.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The mail for other hubs, in the order it was written.
    pub fn take_mail(&mut self) -> impl Iterator<Item = (ShardId, Mail)> {
        self.mail.drain(..)
    }

    /// How many letters there are for other hubs.
    #[must_use]
    pub const fn mail_len(&self) -> usize {
        self.mail.len()
    }

    /// Whether there is mail for other hubs.
    #[must_use]
    pub fn has_mail(&self) -> bool {
        !self.mail.is_empty()
    }

    /// What the shell must do to connections.
    pub fn next_signal(&mut self) -> Option<Signal> {
        self.sessions.next_signal()
    }

    /// How many sessions [`Hub::flush`] has something to do for.
    #[inline]
    #[must_use]
    pub fn dirty(&self) -> usize {
        self.sessions.dirty()
    }

    /// The next moment at which [`Hub::advance`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        match (self.sessions.deadline(), self.waits.deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    // ---- time ----

    /// A call says what time it is: never earlier than the one before.
    #[inline]
    #[cfg_attr(
        not(any(test, debug_assertions)),
        expect(unused_variables, clippy::unused_self)
    )]
    const fn it_is(&mut self, now: Tick) {
        #[cfg(any(test, debug_assertions))]
        {
            assert!(now.0 >= self.latest.0, "time goes back");
            self.latest = now;
        }
    }

    /// Moves time on: pings, and everything that took too long.
    pub fn advance(&mut self, now: Tick) {
        self.advance_seen(now, &Seen::all(now, &Cell::new(false)));
    }

    /// The same for a shell that has not handled yet all that peers have sent: nobody's time is up
    /// before that.
    pub fn advance_seen(&mut self, now: Tick, seen: &Seen<'_>) {
        self.it_is(now);
        let mut dues = core::mem::take(&mut self.dues);
        self.sessions.advance(now, seen, &mut dues);
        for due in dues.drain(..) {
            match due {
                Due::PingTimeout(key) => {
                    self.close(now, key, CloseReason::PingTimeout, Ending::Abrupt(None));
                }
                Due::Client(key) => self.client_deadline(now, key),
                Due::Slow(key) => self.close_slow(now, key, CloseReason::SlowConsumer),
            }
        }
        self.dues = dues;
        self.expire_acks(now);
    }

    /// Either attachments did not come, or no namespace was joined: never both, because only a
    /// joined namespace may begin a packet with attachments.
    fn client_deadline(&mut self, now: Tick, key: SessionKey) {
        let Some(client) = self.sessions.client(key) else {
            return;
        };
        let waiting = client
            .extra
            .as_ref()
            .is_some_and(|extra| extra.partial.is_some());
        if waiting {
            self.fail(now, key, PeerError::AttachmentsLate);
        } else if client.first == NONE {
            self.fail(now, key, PeerError::ConnectLate);
        }
    }

    // ---- sessions ----

    /// Begins a session; its OPEN packet is queued. `conn` if it begins over WebSocket, with the
    /// bytes (the handshake's response) that are to leave before it.
    pub fn open(&mut self, now: Tick, conn: Option<(ConnId, &[u8])>) -> SessionKey {
        self.it_is(now);
        let mut random = [0; 14];
        (self.entropy)(&mut random);
        let key = self.sessions.open(now, conn, random, Client::new());
        if !self.engine_only {
            let until = now.after(self.config().connect_timeout);
            self.sessions.set_client_deadline(key, until);
        }
        key
    }

    /// The session of this id.
    #[must_use]
    pub fn find(&self, sid: &Sid) -> Option<SessionKey> {
        self.sessions.find(sid)
    }

    /// The session's transport; `None` if it is gone.
    #[must_use]
    pub fn transport(&self, key: SessionKey) -> Option<Transport> {
        self.sessions.transport(key)
    }

    /// The session's secret id.
    #[must_use]
    pub fn sid(&self, key: SessionKey) -> Option<Sid> {
        self.sessions.sid(key)
    }

    /// Whether the session takes and gives messages.
    #[must_use]
    pub fn is_open(&self, key: SessionKey) -> bool {
        self.sessions.is_open(key)
    }

    /// The packets of this turn.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) const fn palette(&self) -> &crate::out::Palette {
        &self.sessions.palette
    }

    /// Queues an Engine.IO message. False if the session is gone or closing, or the message longer than
    /// [`crate::limits::Limits::packet_bytes`].
    pub fn send(&mut self, key: SessionKey, kind: Kind, data: &[u8]) -> bool {
        self.sessions.send(key, kind, data)
    }

    /// Closes a session: its sockets are told, then the session ends as `ending` says.
    pub fn close(&mut self, now: Tick, key: SessionKey, reason: CloseReason, ending: Ending) {
        self.it_is(now);
        if !self.sessions.is_open(key) {
            return;
        }
        let sockets = self
            .sessions
            .client(key)
            .map(|client| client.sockets())
            .unwrap_or_default();
        for slot in sockets {
            self.drop_socket(self.sockets.key_at(slot), reason);
        }
        self.forget_unfinished(key);
        if let Some(client) = self.sessions.client(key) {
            client.extra = None;
        }
        self.sessions.close(now, key, ending);
        self.events.push_back(Event::Closed {
            session: key,
            reason,
        });
    }

    /// Closes a session whose peer broke a rule.
    pub fn fail(&mut self, now: Tick, key: SessionKey, error: PeerError) {
        let reason = error.close_reason();
        let ending = match reason {
            // The official server closes these gracefully: what was queued still goes.
            CloseReason::ForcedClose | CloseReason::ForcedServerClose => Ending::Polite,
            _ => Ending::Abrupt(match error {
                PeerError::TooLarge => Some(1009),
                _ => None,
            }),
        };
        self.close(now, key, reason, ending);
    }

    /// Closes a session of which a long-polling request broke a rule or broke off. One that is on a
    /// WebSocket by now has left that transport, and its errors, behind.
    pub fn fail_poll(&mut self, now: Tick, key: SessionKey, error: PeerError) {
        if self.transport(key) == Some(Transport::Polling) {
            self.fail(now, key, error);
        }
    }

    /// Closes everything: the server stops. Nothing but the transports' close is sent, so that
    /// clients reconnect.
    pub fn shut_down(&mut self, now: Tick) {
        self.it_is(now);
        let keys: Vec<_> = self.sessions.keys().collect();
        for key in keys {
            self.close(now, key, CloseReason::ServerShuttingDown, Ending::Polite);
        }
    }
}
