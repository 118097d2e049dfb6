//! Answers: is what the hubs did what they must do.
//!
//! Obvious code: maps and lists, every question answered by looking at everybody. It knows what
//! every client sent and what the application asked for, keeps its own list of who is where, and
//! from that says in advance which packets each session gets, in which order ([`Session::queue`]),
//! which events follow a packet ([`Due`]), and which mails go between hubs. A hub's own tables are
//! never looked at, except its counts when all is over.

mod acks;
mod packets;
mod timing;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    client::NAMESPACES,
    wire::{Kind, Packet, Value},
};
use crate::{
    config::Config,
    error::CloseReason,
    hub::{AckNews, Action, SessionKey, SocketKey},
    id::{NamespaceId, SocketId},
    time::Tick,
};
use acks::Pending;
pub(super) use acks::Question;
pub(super) use packets::Outcome;

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
    Connecting(usize, usize),
    Connected(usize, usize),
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
    /// The client did something for which it may be timed out or dropped.
    pub(super) excused: bool,
    /// The client is gone: nobody reads.
    pub(super) left: bool,
    pub(super) queue: VecDeque<Expected>,
    partial: Option<Partial>,
    opened: u64,
    joined: bool,
    /// When something last came, and when the heart was last set at rest.
    heard: u64,
    beat: u64,
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
}

impl Oracle {
    pub(super) const fn new(config: Config, hubs: usize) -> Self {
        Self {
            config,
            hubs,
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
            excused: false,
            left: false,
            queue: VecDeque::new(),
            partial: None,
            opened: now.0,
            joined: false,
            heard: now.0,
            beat: now.0,
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
            member || self.expects(*hub, to) || (inhabited && to.rooms.iter().any(owns))
        };
        let others = (0..self.hubs).filter(|hub| *hub != from);
        others.filter(is_addressed).collect()
    }

    // ---- joining and leaving ----

    fn add(&mut self, hub: usize, key: SocketKey, id: String, at: (usize, usize), state: State) {
        self.by_key.insert((hub, key.to_bits()), self.sockets.len());
        let (session, namespace) = at;
        self.sockets.push(Socket {
            hub,
            key,
            id,
            namespace,
            session,
            state,
            rooms: BTreeSet::new(),
            pending: BTreeMap::new(),
        });
    }

    /// A socket came to be, as was due. False if it belongs to nobody.
    fn came(
        &mut self,
        hub: usize,
        key: SocketKey,
        id: Option<SocketId>,
        at: (Option<usize>, NamespaceId),
        due: fn(usize, usize) -> Due,
    ) -> bool {
        let (Some(session), Some(id)) = (at.0, id) else {
            self.blame("a socket of nobody".into());
            return false;
        };
        let namespace = usize::from(at.1.0);
        self.happened(&due(session, namespace));
        let at = (session, namespace);
        self.add(hub, key, id.to_string(), at, State::Connecting);
        true
    }

    pub(super) fn connecting(
        &mut self,
        hub: usize,
        key: SocketKey,
        id: Option<SocketId>,
        at: (Option<usize>, NamespaceId),
    ) {
        self.came(hub, key, id, at, Due::Connecting);
    }

    pub(super) fn connected(
        &mut self,
        hub: usize,
        key: SocketKey,
        id: Option<SocketId>,
        at: (Option<usize>, NamespaceId),
    ) {
        if self.came(hub, key, id, at, Due::Connected) {
            self.admit(self.sockets.len() - 1);
        }
    }

    /// A socket is let in: its client hears so.
    pub(super) fn admit(&mut self, socket: usize) {
        let Socket { session, .. } = self.sockets[socket];
        self.sockets[socket].state = State::In;
        self.sessions[session].joined = true;
        let sid = Value::Text(self.sockets[socket].id.clone());
        let data = alloc::vec![Value::Object(alloc::vec![("sid".into(), sid)])];
        self.send(socket, Kind::Connect, None, data);
    }

    pub(super) fn refused(&mut self, socket: usize, error: Value) {
        self.send(socket, Kind::ConnectError, None, alloc::vec![error]);
        self.sockets[socket].state = State::Out;
    }

    /// The server removes sockets from their namespaces, and with `close` ends the session.
    pub(super) fn kicked(&mut self, socket: usize, close: bool) {
        let session = self.sockets[socket].session;
        for at in 0..self.sockets.len() {
            let other = &self.sockets[at];
            let leaves = at == socket || (close && other.session == session);
            if !leaves || other.state == State::Out {
                continue;
            }
            if other.state == State::In {
                self.send(at, Kind::Disconnect, None, Vec::new());
            }
            let reason = CloseReason::ServerNamespaceDisconnect;
            self.due.push(Due::Disconnected(at, reason));
        }
        if close {
            let reason = CloseReason::ForcedServerClose;
            self.due.push(Due::Closed(session, reason));
        }
    }

    pub(super) fn disconnected(
        &mut self,
        now: Tick,
        socket: Option<usize>,
        reason: CloseReason,
        rooms: &BTreeSet<String>,
        connected: bool,
    ) {
        let Some(at) = socket else {
            return self.blame("a stranger disconnected".into());
        };
        if !self.was_due(&Due::Disconnected(at, reason)) {
            self.excuse(now, self.sockets[at].session, reason);
        }
        self.leaving.push(at);
        let socket = &mut self.sockets[at];
        let state = core::mem::replace(&mut socket.state, State::Out);
        let expected = core::mem::take(&mut socket.rooms);
        self.expect(state != State::Out, "a socket disconnected twice");
        self.expect(
            (state == State::In) == connected,
            "a wrong state at the end",
        );
        self.expect(
            *rooms == expected,
            "the rooms at the end are not those joined",
        );
    }

    /// A session is about to end for this reason, and its sockets with it.
    pub(super) fn ends(&mut self, session: usize, reason: CloseReason) {
        if !self.sessions[session].open {
            return;
        }
        for at in 0..self.sockets.len() {
            let socket = &self.sockets[at];
            if socket.session == session && socket.state != State::Out {
                self.due.push(Due::Disconnected(at, reason));
            }
        }
        self.due.push(Due::Closed(session, reason));
    }

    pub(super) fn closed(&mut self, now: Tick, session: Option<usize>, reason: CloseReason) {
        let Some(at) = session else {
            return self.blame("a session closed that was never open".into());
        };
        if !self.was_due(&Due::Closed(at, reason)) {
            self.excuse(now, at, reason);
        }
        let left = |socket: &Socket| socket.session != at || socket.state == State::Out;
        self.expect(
            self.sockets.iter().all(left),
            "a session closed before its sockets",
        );
        let session = &mut self.sessions[at];
        let open = core::mem::replace(&mut session.open, false);
        session.closed = Some(reason);
        session.partial = None;
        self.expect(open, "a session closed twice");
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
