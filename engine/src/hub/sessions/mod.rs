//! Answers: which Engine.IO sessions this shard has, and what they are to be sent.
//!
//! The composition of the session's state machine, its outbox and the timer wheel: Engine.IO,
//! whole, without Socket.IO. What sits on top keeps a [`Client`] for each session.
//! It must not know what a message means. `polling` has what requests and probes do, `ending` time and
//! closing, `output` the flush, `slow` those that do not read.

mod ending;
mod output;
mod polling;
mod slow;
#[cfg(test)]
mod tests;

pub use ending::Seen;

use alloc::{collections::VecDeque, vec::Vec};

use hashbrown::HashTable;

use super::{Client, SessionKey};
use crate::{
    chunks::{CHUNK, trimmed},
    config::Config,
    eio::{
        handshake::{Transport, open_packet},
        payload::{self, Payload},
        session::{Expired, Outlet, Poll, Probed, Session},
    },
    error::PeerError,
    frame::{Frame, Kind, write_head},
    id::{ConnId, ShardId, Sid},
    out::{EntryId, Flushed, Held, Outbox, Palette, Run, Sink, Written},
    slab::Slab,
    time::Tick,
    wheel::Wheel,
};

/// One session's row.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four things that are true or not by themselves, in a row that has room for a byte each"
)]
pub struct Entry {
    outbox: Outbox,
    session: Session,
    /// What the layer above keeps about the session.
    pub(super) client: Client,
    /// When the layer above wants to be told, see [`Due::Client`].
    client_due: Tick,
    /// The moment something was last queued: a volatile packet is not sent twice in one.
    moment: u32,
    sid: Sid,
    /// On the dirty list.
    dirty: bool,
    /// On the list of those that wait for their slice.
    waiting: bool,
    /// The kernel took less than it was given; nothing is tried until it says that it has room.
    blocked: bool,
    /// What is queued waits, see [`Sessions::hold`].
    held: bool,
}

/// What [`Sessions::advance`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The pong did not come.
    PingTimeout(SessionKey),
    /// The moment given to [`Sessions::set_client_deadline`] has come.
    Client(SessionKey),
    /// It took too little of what is queued for it.
    Slow(SessionKey),
}

/// What the shell must do to connections, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Send this text as one frame on a connection that probes.
    Text(ConnId, &'static str),
    /// Close the connection, with this status code if there is one.
    Close(ConnId, Option<u16>),
    /// End the connection without a word: a packet is half sent, and a close frame would be taken for
    /// a part of it.
    Cut(ConnId),
    /// Read nothing from the connection until [`Signal::Resume`]: its session does not take what it has
    /// asked for.
    Pause(ConnId),
    /// Read from the connection again.
    Resume(ConnId),
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// What is queued still goes, then the close.
    Polite,
    /// What is queued is dropped, unless a WebSocket takes it at once: answers to what came before
    /// a violation. It closes with this code.
    Abrupt(Option<u16>),
    /// The peer closed or its connection is gone: a parked GET goes with a noop, a WebSocket with
    /// what it still takes.
    ByPeer,
}

/// A write to one connection.
#[derive(Debug, Clone, Copy)]
pub struct Write<'a> {
    /// The connection.
    pub conn: ConnId,
    /// What is to go.
    pub bytes: &'a [u8],
}

/// How [`Sessions::flush`] reaches the peers.
pub trait Transmit {
    /// One non-blocking write to each of several connections. `short` gets the number and the
    /// outcome of each that did not take all.
    fn write_each(&mut self, writes: &[Write<'_>], mut short: impl FnMut(usize, Written)) {
        for (nth, Write { conn, bytes }) in writes.iter().enumerate() {
            let written = self.write(*conn, &[bytes]);
            if written != Written::Bytes(bytes.len()) {
                short(nth, written);
            }
        }
    }
    /// One non-blocking vectored write to a connection.
    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Written;
    /// Answers the session's parked GET.
    fn answer(&mut self, session: SessionKey, body: Payload);
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Sessions {
    config: Config,
    shard: ShardId,
    slab: Slab<Entry>,
    /// Slots by sid. Sids are ours and random, so eight of their bytes are the hash.
    by_sid: HashTable<u32>,
    wheel: Wheel,
    /// Packets of this turn.
    pub(super) palette: Palette,
    dirty: Vec<u32>,
    /// Sessions whose output leaves in slices, in the order in which they were given it.
    waiting: VecDeque<u32>,
    /// Since when the list is not empty.
    waiting_since: Tick,
    /// What the backlogs hold.
    held: Held,
    /// Sessions with too large a backlog, and when they are judged by it. Those that are no longer
    /// watched, or since another moment, stay until theirs.
    slow: VecDeque<(Tick, SessionKey)>,
    signals: VecDeque<Signal>,
    /// Sessions that left their parked GET behind when they went to a WebSocket.
    stranded: Vec<SessionKey>,
    moment: u32,
    due: Vec<u32>,
}

impl Sessions {
    /// An empty table.
    #[must_use]
    pub(in crate::hub) fn new(config: Config, shard: ShardId) -> Self {
        Self {
            config,
            shard,
            slab: Slab::default(),
            by_sid: HashTable::new(),
            wheel: Wheel::default(),
            palette: Palette::default(),
            dirty: Vec::new(),
            waiting: VecDeque::new(),
            waiting_since: Tick(0),
            held: Held::default(),
            slow: VecDeque::new(),
            signals: VecDeque::new(),
            stranded: Vec::new(),
            moment: 0,
            due: Vec::new(),
        }
    }

    /// The options.
    #[must_use]
    pub(in crate::hub) const fn config(&self) -> &Config {
        &self.config
    }

    /// Sessions held, closing ones included.
    #[must_use]
    pub(in crate::hub) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Session ids that lead to a session; one for each session.
    #[must_use]
    pub(in crate::hub) fn sids(&self) -> usize {
        self.by_sid.len()
    }

    /// Timers set; one for each session.
    #[must_use]
    pub(in crate::hub) const fn timers(&self) -> usize {
        self.wheel.len()
    }

    /// All sessions, closing ones included.
    pub(in crate::hub) fn keys(&self) -> impl Iterator<Item = SessionKey> {
        self.slab.iter().map(|(key, _)| key)
    }

    /// All sessions with their keys, closing ones included.
    pub(in crate::hub) fn rows(&self) -> impl Iterator<Item = (SessionKey, &Entry)> {
        self.slab.iter()
    }

    /// Begins a session and queues its OPEN packet. `conn` if it begins over WebSocket, with the
    /// bytes that go before: the handshake's response leaves in the same write. `random` must come
    /// from a cryptographic source.
    pub(in crate::hub) fn open(
        &mut self,
        now: Tick,
        conn: Option<(ConnId, &[u8])>,
        random: [u8; 14],
        client: Client,
    ) -> SessionKey {
        let (conn, preamble) = conn.unzip();
        let sid = Sid::new(self.shard, random);
        let key = self.slab.insert(Entry {
            outbox: Outbox::default(),
            session: Session::open(now, &self.config, conn),
            client,
            client_due: Tick::NEVER,
            moment: self.moment,
            sid,
            dirty: false,
            waiting: false,
            blocked: false,
            held: false,
        });
        let slab = &self.slab;
        let hash = |slot: &u32| slab.at(*slot).map_or(0, |entry| entry.sid.hash64());
        self.by_sid.insert_unique(sid.hash64(), key.index(), hash);
        let transport = if conn.is_some() {
            Transport::WebSocket
        } else {
            Transport::Polling
        };
        let text = open_packet(&sid, transport, &self.config);
        let open = self.palette.encode(|out| {
            out.extend_from_slice(preamble.unwrap_or_default());
            write_head(out, Kind::Text, text.len());
            out.extend_from_slice(text.as_bytes());
        });
        self.push(key.index(), open);
        self.arm(key);
        key
    }

    /// The session of this id.
    #[must_use]
    pub(in crate::hub) fn find(&self, sid: &Sid) -> Option<SessionKey> {
        let is_it = |slot: &u32| self.slab.at(*slot).is_some_and(|entry| entry.sid == *sid);
        let slot = self.by_sid.find(sid.hash64(), is_it)?;
        Some(self.slab.key_at(*slot))
    }

    /// The session's transport; `None` if it is gone.
    #[must_use]
    pub(in crate::hub) fn transport(&self, key: SessionKey) -> Option<Transport> {
        self.slab.get(key).map(|entry| entry.session.transport())
    }

    /// The session's secret id.
    #[must_use]
    pub(in crate::hub) fn sid(&self, key: SessionKey) -> Option<Sid> {
        self.slab.get(key).map(|entry| entry.sid)
    }

    /// Whether the session takes and gives messages.
    #[must_use]
    pub(in crate::hub) fn is_open(&self, key: SessionKey) -> bool {
        self.slab
            .get(key)
            .is_some_and(|entry| entry.session.is_open())
    }

    /// What the layer above keeps about the session, open or closing.
    #[inline]
    pub(in crate::hub) fn client(&mut self, key: SessionKey) -> Option<&mut Client> {
        self.slab.get_mut(key).map(|entry| &mut entry.client)
    }

    /// The same by slot, for a caller that knows that the slot is taken.
    #[inline]
    pub(in crate::hub) fn client_at(&mut self, slot: u32) -> Option<&mut Client> {
        self.slab.at_mut(slot).map(|entry| &mut entry.client)
    }

    /// The key of a taken slot.
    #[must_use]
    pub(in crate::hub) fn key_at(&self, slot: u32) -> SessionKey {
        self.slab.key_at(slot)
    }

    /// A packet other than a pong arrived.
    #[inline]
    pub(in crate::hub) fn recv_packet(&mut self, now: Tick, key: SessionKey) -> bool {
        self.moment = self.moment.wrapping_add(1);
        let Some(entry) = self.slab.get_mut(key) else {
            return false;
        };
        if !entry.session.is_open() {
            return false;
        }
        entry.session.recv_packet(now, &self.config);
        true
    }

    /// A pong arrived: the next ping is an interval away. One store; the wheel is not touched
    /// unless the interval is so short that the next ping comes before the pong's last moment.
    pub(in crate::hub) fn recv_pong(&mut self, now: Tick, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.session.recv_pong(now, &self.config);
            if self.config.ping_interval < self.config.ping_timeout {
                self.arm(key);
            }
        }
    }

    /// Whether something is queued for the session's peer.
    #[must_use]
    pub(in crate::hub) fn has_queued(&self, key: SessionKey) -> bool {
        self.slab
            .get(key)
            .is_some_and(|entry| !entry.outbox.is_empty())
    }

    /// Whether nothing is queued for a session, of this turn or an earlier one.
    #[must_use]
    pub(in crate::hub) fn is_drained(&self, key: SessionKey) -> bool {
        self.slab
            .get(key)
            .is_none_or(|entry| entry.outbox.is_empty())
    }

    /// Bytes that wait for the session's peer to take them.
    #[must_use]
    pub(in crate::hub) fn backlog_bytes(&self, key: SessionKey) -> usize {
        self.slab
            .get(key)
            .map_or(0, |entry| entry.outbox.backlog_bytes())
    }

    /// What is true of them whenever no call is under way.
    #[cfg(any(test, feature = "sim"))]
    pub(in crate::hub) fn check(&self) {
        self.slab.check();
        self.wheel.check();
        assert_eq!(self.by_sid.len(), self.slab.len(), "one sid a session");
        assert_eq!(self.wheel.len(), self.slab.len(), "one timer a session");
        let mut listed = (0, 0);
        for (_, entry) in self.slab.iter() {
            entry.outbox.check();
            listed.0 += usize::from(entry.dirty);
            listed.1 += usize::from(entry.waiting);
        }
        assert!(listed.0 <= self.dirty.len(), "what is dirty is listed");
        assert!(listed.1 <= self.waiting.len(), "what waits is listed");
    }

    #[cfg(any(test, feature = "sim"))]
    pub(in crate::hub) fn entry_at(&self, slot: u32) -> Option<&Entry> {
        self.slab.at(slot)
    }

    // ---- queueing ----

    /// Queues a packet of this turn. False if the session is gone or closing.
    #[inline]
    pub(in crate::hub) fn push(&mut self, slot: u32, packet: EntryId) -> bool {
        let moment = self.moment;
        let Some(entry) = self.slab.at_mut(slot) else {
            return false;
        };
        if !entry.session.is_open() {
            return false;
        }
        entry.outbox.push(packet);
        entry.moment = moment;
        if !core::mem::replace(&mut entry.dirty, true) {
            self.dirty.push(slot);
        }
        true
    }

    /// Whether a packet that may be lost is to be queued: it is dropped if the transport cannot take it
    /// now, or if something was queued in the same moment already (docs/decisions/0007).
    #[must_use]
    pub(in crate::hub) fn takes_volatile(&self, slot: u32) -> bool {
        let Some(entry) = self.slab.at(slot) else {
            return false;
        };
        let busy = entry.moment == self.moment || entry.outbox.backlog_bytes() > 0;
        let waits = entry.blocked || entry.held || entry.waiting;
        !busy && !waits && entry.session.is_open() && entry.session.outlet() != Outlet::None
    }

    /// Queues bytes that are no packet: the handshake's response before the OPEN packet, a pong.
    /// Only for sessions over WebSocket: a poll cannot carry them.
    pub(in crate::hub) fn push_raw(&mut self, key: SessionKey, bytes: &[u8]) -> bool {
        if self.transport(key) != Some(Transport::WebSocket) || !self.is_open(key) {
            return false;
        }
        let raw = self.palette.encode(|out| out.extend_from_slice(bytes));
        self.push(key.index(), raw)
    }

    /// Encodes and queues an Engine.IO message. False if the session is gone or closing, or the
    /// message longer than [`crate::limits::Limits::packet_bytes`].
    pub(in crate::hub) fn send(&mut self, key: SessionKey, kind: Kind, data: &[u8]) -> bool {
        if !self.is_open(key) || data.len() > self.config.limits.packet_bytes {
            return false;
        }
        let text = usize::from(kind == Kind::Text);
        let packet = self.palette.encode(|out| {
            write_head(out, kind, data.len() + text);
            out.extend_from_slice(&b"4"[..text]);
            out.extend_from_slice(data);
        });
        self.push(key.index(), packet)
    }

    /// Adds a frame that came from, or goes to, other shards.
    pub(in crate::hub) fn share(&mut self, frame: Frame) -> EntryId {
        self.palette.share(frame)
    }

    fn mark_dirty(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get_mut(key)
            && !core::mem::replace(&mut entry.dirty, true)
        {
            self.dirty.push(key.index());
        }
    }
}
