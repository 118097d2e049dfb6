//! Answers: which connections does this shard read and write itself, and in which role.
//!
//! A connection owns its socket and, while a message is under way, what has arrived of it: an idle
//! one has no buffer. Nothing here knows what a message means.
//!
//! It reads and writes by `rustix`, which is the system call and nothing else: the C library's `send`
//! and `recv` are points of cancellation, 60 instructions each.

mod answers;
mod reading;
mod sources;
mod waiting;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io::{self, IoSlice},
    net,
};

use arrayvec::ArrayVec;
use mio::{Interest, Registry, Token, net::TcpStream};
use rustix::{
    io::{Errno, retry_on_intr},
    net::{SendAncillaryBuffer, send, sendmsg},
};
use stentor_engine::{
    hub::{SessionKey, Write},
    id::ConnId,
    limits::{DRAIN_WAIT, SLICES_MAX, WRITES_TOGETHER},
    out::Written,
    slab::{Key, Slab},
    time::Tick,
};

pub(crate) use reading::Read;
use reading::Reading;
pub(crate) use waiting::TOGETHER_MS;
use waiting::Waiting;

use super::{
    link::Link,
    polled::{Deadlines, Polled},
};
use crate::{
    address::Announced,
    config::HttpWaits,
    net::{LINGER_WAIT, SEND, request, ws},
};

pub(crate) type ConnKey = Key<Conn>;

/// What a connection is for.
#[derive(Debug)]
pub(crate) enum Role {
    /// The PROXY header is being read that stands before its first request.
    ProxyHeader(Vec<u8>),
    /// Its first request is being read.
    Head(Vec<u8>),
    /// It is a session's transport.
    WebSocket {
        session: SessionKey,
        reader: ws::Reader,
    },
    /// It probes for a session that polls.
    Probe {
        session: SessionKey,
        reader: ws::Reader,
    },
    /// It brings long-polling requests, one after the other.
    Polled(Box<Polled>),
    /// The peer has not taken all of the last word yet: this is to come. What comes from it is thrown away.
    Ending(Box<[u8]>),
    /// The last word was said; what comes is thrown away until the peer closes too.
    Lingering,
}

impl Role {
    /// Bytes that are held for the connection until its peer goes on ([`super::budget`]).
    fn held_bytes(&self) -> usize {
        match self {
            Self::ProxyHeader(read) | Self::Head(read) => read.capacity(),
            Self::WebSocket { reader, .. } | Self::Probe { reader, .. } => reader.held_bytes(),
            Self::Polled(polled) => polled.counted,
            Self::Ending(word) => word.len(),
            Self::Lingering => 0,
        }
    }
}

/// What is read of what comes behind a request that waits for its answer: a head, and a part of a body.
pub(crate) const BEHIND_BYTES: usize = 16 * 1024;

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) stream: TcpStream,
    reading: Reading,
    /// Its end is to be seen when it is read next.
    end: bool,
    pub(crate) role: Role,
}

/// All connections of a shard.
#[derive(Debug)]
pub(crate) struct Conns {
    table: Slab<Conn>,
    /// What PROXY headers have said, by connection: nothing is kept for one that had none.
    announced: HashMap<u64, Announced>,
    /// What [`Role::held_bytes`] says of all.
    held: usize,
    /// `None` when the shard has ended.
    registry: Option<Registry>,
    waits: HttpWaits,
    /// Deadlines in the order they come, because each list waits a fixed time.
    heads: Waiting,
    ending: Waiting,
    lingering: Waiting,
    polled: Deadlines,
    /// Those that can be read again, and whether their end is to be seen.
    readable: Vec<(ConnKey, bool)>,
}

/// A connection whose time is up but which has more than was read is looked at again after so long.
const LOOK_AGAIN_MS: u64 = 1_000;

pub(crate) const fn conn_id(key: ConnKey) -> ConnId {
    ConnId(key.to_bits())
}

pub(crate) const fn conn_key(id: ConnId) -> ConnKey {
    Key::from_bits(id.0)
}

/// Keys are tokens; the two that are not have an index that no table reaches.
#[expect(
    clippy::cast_possible_truncation,
    reason = "usize is 64 bits wide where mio runs here"
)]
const fn token(key: ConnKey) -> Token {
    Token(key.to_bits() as usize)
}

#[inline]
fn send_one(stream: &TcpStream, bytes: &[u8]) -> Written {
    written(retry_on_intr(|| send(stream, bytes, SEND)))
}

fn send_many(stream: &TcpStream, slices: &[&[u8]]) -> Written {
    let mut vectors = [IoSlice::new(&[]); SLICES_MAX];
    for (vector, slice) in vectors.iter_mut().zip(slices) {
        *vector = IoSlice::new(slice);
    }
    let vectors = &vectors[..slices.len().min(SLICES_MAX)];
    let mut nothing = SendAncillaryBuffer::default();
    let send = || sendmsg(stream, vectors, &mut nothing, SEND);
    written(retry_on_intr(send))
}

#[inline]
fn written(sent: rustix::io::Result<usize>) -> Written {
    match sent {
        Ok(n) => Written::Bytes(n),
        Err(Errno::AGAIN) => Written::Blocked,
        Err(_) => Written::Failed,
    }
}

impl Conns {
    pub(crate) fn new(registry: Registry, waits: HttpWaits) -> Self {
        Self {
            table: Slab::default(),
            announced: HashMap::new(),
            held: 0,
            registry: Some(registry),
            waits,
            heads: Waiting::default(),
            ending: Waiting::default(),
            lingering: Waiting::default(),
            polled: Deadlines::default(),
            readable: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, key: ConnKey) -> Option<&Conn> {
        self.table.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Conn> {
        self.table.get_mut(key)
    }

    /// Takes a connection in. Readable and writable are both watched from the start: a write edge
    /// comes only after a write was blocked, so watching costs nothing.
    pub(crate) fn add(
        &mut self,
        mut stream: TcpStream,
        role: Role,
        now: Tick,
    ) -> io::Result<ConnKey> {
        let key = self.table.next_key();
        let registry = self.registry.as_ref();
        let registry = registry.ok_or(io::ErrorKind::NotConnected)?;
        registry.register(
            &mut stream,
            token(key),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        if matches!(role, Role::ProxyHeader(_) | Role::Head(_)) {
            self.heads.add(now.after(self.waits.head), key);
        }
        self.table.insert(Conn {
            stream,
            reading: Reading::Free,
            end: false,
            role,
        });
        Ok(key)
    }

    fn remove(&mut self, key: ConnKey) -> Option<Conn> {
        let conn = self.table.remove(key)?;
        self.held -= conn.role.held_bytes();
        if !self.announced.is_empty() {
            self.announced.remove(&key.to_bits());
        }
        Some(conn)
    }

    // ---- what is held ----

    /// Bytes held for all connections.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held
    }

    /// The connections for which something is held.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (ConnKey, usize)> {
        let rows = self.table.iter();
        let rows = rows.map(|(key, conn)| (key, conn.role.held_bytes()));
        rows.filter(|(_, bytes)| *bytes > 0)
    }

    /// Gives a connection another role.
    pub(crate) fn set_role(&mut self, key: ConnKey, role: Role) {
        if let Some(conn) = self.table.get_mut(key) {
            self.held += role.held_bytes();
            self.held -= conn.role.held_bytes();
            conn.role = role;
        }
    }

    /// What is kept of a PROXY header, which is kept no longer.
    pub(crate) fn take_proxy_header(&mut self, key: ConnKey) -> Vec<u8> {
        match self.table.get_mut(key).map(|conn| &mut conn.role) {
            Some(Role::ProxyHeader(read)) => {
                self.held -= read.capacity();
                std::mem::take(read)
            }
            _ => Vec::new(),
        }
    }

    /// The reader of a connection that brings requests, for as long as it is fed; [`Conns::return_requests`]
    /// takes it back.
    pub(crate) fn take_requests(&mut self, key: ConnKey) -> Option<request::Reader> {
        match &mut self.table.get_mut(key)?.role {
            Role::Head(read) => {
                self.held -= read.capacity();
                Some(request::Reader::begun(std::mem::take(read)))
            }
            Role::Polled(polled) => Some(std::mem::take(&mut polled.reader)),
            _ => None,
        }
    }

    /// See [`Conns::take_requests`]. A first head that is not whole is kept without a reader.
    pub(crate) fn return_requests(&mut self, key: ConnKey, reader: request::Reader) {
        match self.table.get_mut(key).map(|conn| &mut conn.role) {
            Some(Role::Head(slot)) => {
                *slot = reader.into_kept();
                self.held += slot.capacity();
            }
            Some(Role::Polled(polled)) => {
                polled.reader = reader;
                self.recount(key);
            }
            _ => {}
        }
    }

    /// The WebSocket reader of a connection, for as long as it is fed; [`Conns::return_reader`] takes it back.
    pub(crate) fn take_reader(&mut self, key: ConnKey) -> Option<(SessionKey, ws::Reader, bool)> {
        let conn = self.table.get_mut(key)?;
        let (session, slot, probes) = match &mut conn.role {
            Role::WebSocket { session, reader } => (*session, reader, false),
            Role::Probe { session, reader } => (*session, reader, true),
            _ => return None,
        };
        let reader = std::mem::take(slot);
        self.held -= reader.held_bytes();
        Some((session, reader, probes))
    }

    /// See [`Conns::take_reader`].
    pub(crate) fn return_reader(&mut self, key: ConnKey, reader: ws::Reader) {
        if let Some(conn) = self.table.get_mut(key)
            && let Role::WebSocket { reader: slot, .. } | Role::Probe { reader: slot, .. } =
                &mut conn.role
        {
            self.held += reader.held_bytes();
            *slot = reader;
        }
    }

    /// What is held for a connection that brings long-polling requests has become more or less.
    pub(crate) fn recount(&mut self, key: ConnKey) {
        if let Some(conn) = self.table.get_mut(key)
            && let Role::Polled(polled) = &mut conn.role
        {
            let bytes = polled.held_bytes();
            self.held += bytes;
            self.held -= std::mem::replace(&mut polled.counted, bytes);
        }
    }

    /// Gives a connection away.
    pub(crate) fn take(&mut self, key: ConnKey) -> Option<Link> {
        let announced = self.announced.get(&key.to_bits()).copied();
        let mut conn = self.remove(key)?;
        // It fails only for what epoll does not have, and then there is nothing to take out.
        let _ = self.registry.as_ref()?.deregister(&mut conn.stream);
        Some(Link {
            stream: conn.stream.into(),
            announcement: announced.into(),
        })
    }

    /// Closes everything, for good.
    pub(crate) fn close_all(&mut self) {
        self.table = Slab::default();
        self.announced = HashMap::new();
        self.held = 0;
        self.registry = None;
    }

    /// Closes a connection at once.
    pub(crate) fn drop_conn(&mut self, key: ConnKey) -> Option<Role> {
        // Closing the descriptor takes it out of epoll: it was never duplicated.
        self.remove(key).map(|conn| conn.role)
    }

    /// Closes the connections that wait for a request. Those that have just been answered are given the time
    /// to take the answer: see [`Conns::finish`].
    pub(crate) fn drop_idle(&mut self, now: Tick) {
        let answered = now.after(self.waits.idle);
        let idle = |role: &Role| match role {
            Role::ProxyHeader(_) | Role::Head(_) => Some(false),
            Role::Polled(polled) if !polled.reader.is_between() => None,
            Role::Polled(polled) => {
                let ms = answered.since(polled.due());
                Some(u128::from(ms) < LINGER_WAIT.as_millis() && answered != Tick::NEVER)
            }
            Role::WebSocket { .. } | Role::Probe { .. } | Role::Ending(_) | Role::Lingering => None,
        };
        let rows = self.table.iter();
        let rows = rows.filter_map(|(key, conn)| Some((key, idle(&conn.role)?)));
        let rows: Vec<_> = rows.collect();
        for (key, answered) in rows {
            if answered {
                self.finish(key, &[], now);
            } else {
                self.drop_conn(key);
            }
        }
    }

    /// Says the last word and waits for the peer to close, so that no reset overtakes the word: the kernel
    /// sends one, and forgets what the peer has not taken, if a connection is closed on which something came
    /// that nobody has read.
    pub(crate) fn finish(&mut self, key: ConnKey, last_word: &[u8], now: Tick) {
        let Some(conn) = self.table.get(key) else {
            return;
        };
        if matches!(conn.role, Role::Lingering | Role::Ending(_)) {
            return;
        }
        self.set_role(key, Role::Ending(last_word.into()));
        if !self.end(key, now) {
            self.ending.add(now.after(DRAIN_WAIT), key);
        }
    }

    /// Goes on with a last word. False if the peer has not taken all of it.
    fn end(&mut self, key: ConnKey, now: Tick) -> bool {
        let Some(conn) = self.table.get_mut(key) else {
            return true;
        };
        let Role::Ending(word) = &mut conn.role else {
            return true;
        };
        if !word.is_empty() {
            match send_one(&conn.stream, word) {
                Written::Bytes(n) if n < word.len() => {
                    self.held -= n;
                    *word = word[n..].into();
                    return false;
                }
                Written::Bytes(_) => {}
                Written::Blocked => return false,
                Written::Failed => {
                    self.remove(key);
                    return true;
                }
            }
        }
        if conn.stream.shutdown(net::Shutdown::Write).is_err() {
            self.remove(key);
            return true;
        }
        self.set_role(key, Role::Lingering);
        self.lingering.add(now.after(LINGER_WAIT), key);
        true
    }

    /// The peer may take more of a last word.
    pub(crate) fn end_rest(&mut self, key: ConnKey, now: Tick) {
        self.end(key, now);
    }

    /// Writes once to each of several connections, which are looked up before: see
    /// [`stentor_engine::hub::Transmit::write_each`].
    pub(crate) fn write_each(&self, writes: &[Write<'_>], mut short: impl FnMut(usize, Written)) {
        let mut nth = 0;
        for group in writes.chunks(WRITES_TOGETHER) {
            let conns = group.iter().map(|write| self.get(conn_key(write.conn)));
            let conns: ArrayVec<_, WRITES_TOGETHER> = conns.collect();
            for (conn, Write { bytes, .. }) in conns.iter().zip(group) {
                let send = |conn: &&Conn| send_one(&conn.stream, bytes);
                let written = conn.as_ref().map_or(Written::Failed, send);
                if written != Written::Bytes(bytes.len()) {
                    short(nth, written);
                }
                nth += 1;
            }
        }
    }

    /// Writes once.
    pub(crate) fn write(&self, key: ConnKey, slices: &[&[u8]]) -> Written {
        match (self.table.get(key), slices) {
            (None, _) => Written::Failed,
            (Some(conn), [one]) => send_one(&conn.stream, one),
            (Some(conn), many) => send_many(&conn.stream, many),
        }
    }

    /// The connections whose time is up: heads that did not arrive, peers that did not close,
    /// requests that did not go on.
    pub(crate) fn expired(&mut self, now: Tick) -> Vec<ConnKey> {
        let mut expired = self.heads.due(now);
        expired.retain(|key| match self.table.get(*key) {
            Some(conn) if matches!(conn.role, Role::ProxyHeader(_) | Role::Head(_)) => {
                if conn.is_unread() {
                    self.heads.add(Tick(now.0 + LOOK_AGAIN_MS), *key);
                }
                !conn.is_unread()
            }
            _ => false,
        });
        let mut ending = self.ending.due(now);
        ending.retain(
            |key| matches!(self.table.get(*key), Some(conn) if matches!(conn.role, Role::Ending(_))),
        );
        expired.extend(ending);
        expired.extend(self.lingering.due(now));
        while let Some((moment, keys)) = self.polled.take(now) {
            for key in keys {
                if let Some(conn) = self.table.get_mut(key)
                    && let unread = conn.is_unread()
                    && let Role::Polled(polled) = &mut conn.role
                    && self.polled.check(key, polled, moment, now)
                {
                    if unread {
                        let again = Tick(now.0 + LOOK_AGAIN_MS);
                        self.polled.set(key, polled, again);
                    } else {
                        expired.push(key);
                    }
                }
            }
        }
        expired
    }

    /// Takes connections that have gone, or wait for something else by now, from the lists of those
    /// that wait.
    pub(crate) fn forget_gone(&mut self) {
        let role = |key: &ConnKey| self.table.get(*key).map(|conn| &conn.role);
        let head = |key: &ConnKey| matches!(role(key), Some(Role::ProxyHeader(_) | Role::Head(_)));
        let lingering = |key: &ConnKey| matches!(role(key), Some(Role::Lingering));
        let ending = |key: &ConnKey| matches!(role(key), Some(Role::Ending(_)));
        self.heads.retain(head);
        self.ending.retain(ending);
        self.lingering.retain(lingering);
        self.polled.retain(|moment, key| {
            matches!(role(key), Some(Role::Polled(polled)) if polled.is_listed(moment))
        });
    }

    /// When [`Conns::expired`] may have something next.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let firsts = [
            self.heads.first(),
            self.ending.first(),
            self.lingering.first(),
            self.polled.first(),
        ];
        firsts.into_iter().flatten().min()
    }
}
