//! Answers: is what the hubs did what they must do.
//!
//! Obvious code: maps and lists, every question answered by looking at everybody. It knows what
//! every client sent and what the application asked for, keeps its own list of who is where, and
//! from that says in advance which packets each session gets, in which order ([`Session::queue`]),
//! which events follow a packet ([`Due`]), and which mails go between hubs. A hub's own tables are
//! never looked at, except its counts when all is over.

mod acks;
mod fate;
mod many;
mod members;
mod packets;
mod timing;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::String,
    vec::Vec,
};

use super::{
    client::NAMESPACES,
    wire::{Packet, Value},
};
use crate::{
    config::Config,
    error::CloseReason,
    hub::{AckNews, Action, RoomHash, SessionKey, SocketKey},
    id::{NamespaceId, SocketId},
    time::Tick,
};
use acks::Pending;
pub(super) use acks::Question;
pub(super) use fate::Fate;
pub(super) use packets::Outcome;
pub(super) use timing::LOOKS_MS;

/// A packet that a session is to get.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) packet: Packet,
    /// It may be lost.
    pub(super) volatile: bool,
    /// The socket and token of the question it asks; its id is the hub's choice.
    pub(super) asks: Option<(usize, u64)>,
}

/// Something that must have happened when the call that is running is drained.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The session, the namespace and the credentials.
    Connecting(usize, usize, Option<&'static str>),
    Connected(usize, usize, Option<&'static str>),
    /// Hub, namespace, room and how many sockets are not let in.
    NotJoined(usize, usize, String, usize),
    Disconnected(usize, CloseReason),
    Closed(usize, CloseReason),
    Asked(u64, usize, usize),
    Answered(u64, usize, Vec<Value>),
    /// It was told that this socket left: it must be gone.
    Gone(usize),
}

/// A packet whose binary parts are due.
#[derive(Debug)]
struct Partial {
    packet: Packet,
    parts: usize,
    got: VecDeque<Vec<u8>>,
    until: u64,
}

/// One client's session.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
pub(super) struct Session {
    pub(super) hub: usize,
    pub(super) key: SessionKey,
    pub(super) open: bool,
    pub(super) closed: Option<CloseReason>,
    pub(super) upgraded: bool,
    /// Until when the client may be timed out or dropped for what it did or does.
    pub(super) lapse: u64,
    /// The client is gone: nobody reads.
    pub(super) left: bool,
    pub(super) queue: VecDeque<Expected>,
    /// Namespaces that it was removed from, and until when its client may not know.
    removed: BTreeMap<usize, u64>,
    partial: Option<Partial>,
    opened: u64,
    joined: bool,
    pub(super) closed_at: u64,
    /// It sent more than a message may have.
    too_large: bool,
    /// When something last came, and when the heart was last set at rest.
    heard: u64,
    beat: u64,
    /// When something first came after the ping was due.
    grace: Option<u64>,
    /// Its transport takes what is queued at this moment.
    pub(super) takes: bool,
    /// The moment in which it was last given something.
    moment: u64,
    /// Or perhaps in another: see [`Fate::Either`].
    pub(super) unsure: bool,
    /// Until when something that it had said was not read.
    pub(super) unread_until: u64,
}

impl Session {
    /// Whether it ended in a way that lets its client have what was queued, and a farewell.
    pub(super) const fn is_polite(&self) -> bool {
        matches!(
            self.closed,
            Some(
                CloseReason::ForcedClose
                    | CloseReason::ForcedServerClose
                    | CloseReason::ServerShuttingDown
            )
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Connecting,
    In,
    Out,
}

/// One socket: a session in a namespace.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) hub: usize,
    pub(super) key: SocketKey,
    pub(super) id: String,
    pub(super) namespace: usize,
    pub(super) session: usize,
    pub(super) state: State,
    pub(super) rooms: BTreeSet<String>,
    pending: BTreeMap<u64, Pending>,
}

/// Who is meant.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) namespace: usize,
    pub(super) rooms: Vec<String>,
    pub(super) except: Vec<String>,
    pub(super) not: Option<String>,
}

/// A mail that must travel.
#[derive(Debug, Clone)]
enum Letter {
    Publish(Target, Expected, Option<Question>),
    /// What a hub is to publish for somebody who is none.
    Relay(Target, Expected),
    Act(Target, Action),
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Oracle {
    config: Config,
    hubs: usize,
    pub(super) sessions: Vec<Session>,
    pub(super) sockets: Vec<Socket>,
    by_key: BTreeMap<(usize, u64), usize>,
    by_session: BTreeMap<(usize, u64), usize>,
    letters: BTreeMap<(usize, usize), VecDeque<Letter>>,
    news: BTreeMap<(usize, usize), VecDeque<(u64, AckNews)>>,
    due: Vec<Due>,
    /// Sockets that left in this call.
    leaving: Vec<usize>,
    /// The first thing that was wrong.
    pub(super) fault: Option<String>,
    /// Packets that clients read and found right.
    pub(super) received: u64,
    /// By hub: its moment, and whether a ping may have been queued in this turn.
    moments: Vec<u64>,
    pub(super) pinged: Vec<bool>,
    /// Until when it stood still or was behind; and when any last had no room for its mail.
    pub(super) stood: Vec<u64>,
    pub(super) crowded: u64,
    /// Whether the directory names some shards too many, and by which names it knows rooms.
    liar: bool,
    names: RoomHash,
}

/// Whether a directory that lies names this shard for a room of this hash.
pub(super) const fn is_lie(hash: u64, shard: usize) -> bool {
    hash.is_multiple_of(5) && (hash >> 8) % 4 == shard as u64
}

impl Oracle {
    pub(super) fn new(config: Config, hubs: usize, liar: bool, names: RoomHash) -> Self {
        Self {
            config,
            hubs,
            liar,
            names,
            moments: alloc::vec![1; hubs],
            pinged: alloc::vec![false; hubs],
            stood: alloc::vec![0; hubs],
            crowded: 0,
            sessions: Vec::new(),
            sockets: Vec::new(),
            by_key: BTreeMap::new(),
            by_session: BTreeMap::new(),
            letters: BTreeMap::new(),
            news: BTreeMap::new(),
            due: Vec::new(),
            leaving: Vec::new(),
            fault: None,
            received: 0,
        }
    }

    pub(super) fn blame(&mut self, what: String) {
        if self.fault.is_none() {
            self.fault = Some(what);
        }
    }

    pub(super) fn expect(&mut self, right: bool, what: &str) {
        if !right {
            self.blame(what.into());
        }
    }

    // ---- who is where ----

    pub(super) fn opened(&mut self, hub: usize, key: SessionKey, now: Tick) {
        self.by_session
            .insert((hub, key.to_bits()), self.sessions.len());
        self.sessions.push(Session {
            hub,
            key,
            open: true,
            closed: None,
            upgraded: false,
            lapse: 0,
            left: false,
            queue: VecDeque::new(),
            removed: BTreeMap::new(),
            partial: None,
            opened: now.0,
            joined: false,
            closed_at: 0,
            too_large: false,
            heard: now.0,
            beat: now.0,
            grace: None,
            takes: false,
            moment: self.moments[hub],
            unsure: false,
            unread_until: 0,
        });
    }

    pub(super) fn session(&self, hub: usize, key: SessionKey) -> Option<usize> {
        self.by_session.get(&(hub, key.to_bits())).copied()
    }

    pub(super) fn socket(&self, hub: usize, key: SocketKey) -> Option<usize> {
        self.by_key.get(&(hub, key.to_bits())).copied()
    }

    /// The socket a session has in a namespace, connected or connecting.
    fn socket_in(&self, session: usize, namespace: usize) -> Option<usize> {
        self.sockets.iter().position(|socket| {
            socket.session == session && socket.namespace == namespace && socket.state != State::Out
        })
    }

    /// The connected socket a session has in a namespace of this name.
    fn home(&self, session: usize, namespace: &str) -> Option<usize> {
        let namespace = NAMESPACES.iter().position(|name| *name == namespace)?;
        let socket = self.socket_in(session, namespace)?;
        (self.sockets[socket].state == State::In).then_some(socket)
    }

    /// Whether a room means a socket: the room's name is among its rooms, or is its id.
    fn is_in(&self, socket: usize, room: &str) -> bool {
        let socket = &self.sockets[socket];
        socket.rooms.contains(room) || socket.id == room
    }

    /// The connected sockets on a hub that are meant.
    pub(super) fn meant(&self, hub: usize, to: &Target) -> Vec<usize> {
        let is_meant = |at: &usize| {
            let socket = &self.sockets[*at];
            socket.hub == hub
                && socket.namespace == to.namespace
                && socket.state == State::In
                && (to.rooms.is_empty() || to.rooms.iter().any(|room| self.is_in(*at, room)))
                && !to.except.iter().any(|room| self.is_in(*at, room))
                && to.not.as_ref() != Some(&socket.id)
        };
        (0..self.sockets.len()).filter(is_meant).collect()
    }

    /// Whether a mail is under way to a hub that lets sockets join one of these rooms.
    fn expects(&self, hub: usize, to: &Target) -> bool {
        let joins = |letter: &Letter| match letter {
            Letter::Act(who, Action::Join(rooms)) => {
                let mut named = rooms
                    .iter()
                    .flat_map(|room| to.rooms.iter().map(move |to| (room, to)));
                who.namespace == to.namespace && named.any(|(room, to)| **room == **to)
            }
            _ => false,
        };
        let mut letters = self.letters.iter().filter(|((_, to), _)| *to == hub);
        letters.any(|(_, letters)| letters.iter().any(joins))
    }

    /// Whether the directory names a hub for a room, or for everybody, whoever is there.
    fn lies(&self, hub: usize, namespace: usize, room: Option<&str>) -> bool {
        let namespace = NamespaceId(namespace as u16);
        let everyone = || self.names.everyone(namespace);
        let hash = room.map_or_else(everyone, |room| self.names.room(namespace, room));
        self.liar && is_lie(hash, hub)
    }

    /// The other hubs that a mail must go to: who has a member or is about to have one, exceptions
    /// not considered.
    fn addressed(&self, from: usize, to: &Target) -> Vec<usize> {
        let is_addressed = |hub: &usize| {
            let everyone = Target {
                rooms: Vec::new(),
                ..to.clone()
            };
            let wide = |target: &Target| Target {
                except: Vec::new(),
                not: None,
                ..target.clone()
            };
            let inhabited = !self.meant(*hub, &wide(&everyone)).is_empty();
            let owns = |room: &String| {
                SocketId::parse(room).is_some_and(|id| usize::from(id.shard().0) == *hub)
            };
            let member = !self.meant(*hub, &wide(to)).is_empty();
            let named = inhabited || self.lies(*hub, to.namespace, None);
            let lied = match &*to.rooms {
                [] => named,
                rooms => rooms.iter().any(|r| self.lies(*hub, to.namespace, Some(r))),
            };
            member || lied || self.expects(*hub, to) || (named && to.rooms.iter().any(owns))
        };
        let others = (0..self.hubs).filter(|hub| *hub != from);
        others.filter(is_addressed).collect()
    }

    // ---- what a call must bring ----

    fn was_due(&mut self, due: &Due) -> bool {
        let at = self.due.iter().position(|other| other == due);
        at.map(|at| self.due.remove(at)).is_some()
    }

    fn happened(&mut self, due: &Due) {
        if !self.was_due(due) {
            self.blame(format!("{due:?} came out of nowhere"));
        }
    }

    /// Everything a call brought has been looked at.
    pub(super) fn drained(&mut self) {
        let sockets = &self.sockets;
        self.due
            .retain(|due| !matches!(due, Due::Gone(at) if sockets[*at].state == State::Out));
        if let Some(due) = self.due.first() {
            self.blame(format!("{due:?} did not come"));
        }
        for at in core::mem::take(&mut self.leaving) {
            let Socket { id, pending, .. } = &self.sockets[at];
            if !pending.is_empty() {
                self.blame(format!("{id} left and its question was not settled"));
            }
        }
    }
}
