//! Answers: which socket is read, and what is sent to which.
//!
//! One thread, one epoll, level-triggered. A client is 8 bytes beside its socket, found by its descriptor. A
//! message costs one `recv` and one `send`; what comes in one `recv` is answered by one `send`. It must not know what
//! messages mean.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, accept_with, bind, listen, recv,
    send, socket_with, sockopt,
};

use super::contract::{self, Wish};
use super::frame::{self, BINARY, CLOSE, Hangup, PING, PONG, TEXT};
use super::polling::{Read, Sessions};

/// Epoll's name for the listener, and for the other processes.
const LISTENER: u64 = u64::MAX;
const FAMILY: u64 = u64::MAX - 1;
/// Connections taken before others are read.
const ACCEPTS: usize = 64;
/// Events of one `epoll_wait`.
const EVENTS: usize = 1024;
/// Turns of one ping interval; each pings its part of the clients.
const PING_TURNS: u32 = 250;
/// A ping as a frame.
const HEARTBEAT: &[u8] = &[0x80 | TEXT, 1, b'2'];

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Requests.
    #[default]
    Http,
    /// Frames, without having joined the namespace.
    Open,
    /// Frames, and gets broadcasts and pings.
    Ready,
}

#[derive(Debug, Default)]
struct Client {
    socket: Option<OwnedFd>,
    /// Its room's place in the list, and one; 0 is none.
    room: u16,
    stage: Stage,
    owes_pong: bool,
}

/// Rooms by name; a client is in one at the most.
#[derive(Debug, Default)]
struct Rooms {
    places: HashMap<Vec<u8>, u16>,
    members: Vec<Vec<u32>>,
}

/// Whose ping is due.
#[derive(Debug)]
struct Pings {
    turn: Duration,
    next: Instant,
    cursor: usize,
    turns_left: u32,
}

impl Pings {
    /// The clients of the next turn. All of `clients` have had one when the interval is over, each in the same order.
    fn due(&mut self, clients: usize) -> Range<usize> {
        if self.turns_left == 0 {
            (self.cursor, self.turns_left) = (0, PING_TURNS);
        }
        let rest = clients.saturating_sub(self.cursor);
        let begin = self.cursor;
        self.cursor += rest.div_ceil(self.turns_left as usize);
        self.turns_left -= 1;
        self.next += self.turn;
        begin..self.cursor
    }
}

/// A server and all that is connected to it.
#[derive(Debug)]
pub struct Floor {
    epoll: OwnedFd,
    listener: OwnedFd,
    family: Option<OwnedFd>,
    clients: Vec<Client>,
    rooms: Rooms,
    sessions: Sessions,
    ping_interval_ms: u64,
    /// Beginnings of messages, by descriptor.
    partial: HashMap<u32, Vec<u8>>,
    /// What the kernel had no room for, by descriptor.
    unsent: HashMap<u32, Vec<u8>>,
    /// The answer to what is being read.
    out: Vec<u8>,
}

/// A socket bound to a port of loopback that other processes may bind too.
///
/// # Errors
/// What the system says.
pub fn bound(port: u16) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

impl Floor {
    /// Listens on `listener`, from [`bound`]. Broadcasts go to `family` too and come from there.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(
        listener: OwnedFd,
        family: Option<OwnedFd>,
        ping_interval_ms: u64,
    ) -> io::Result<Self> {
        sockopt::set_tcp_nodelay(&listener, true)?; // accepted sockets inherit it
        listen(&listener, 8192)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64;
        epoll::add(&epoll, &listener, data(LISTENER), epoll::EventFlags::IN)?;
        if let Some(family) = &family {
            epoll::add(&epoll, family, data(FAMILY), epoll::EventFlags::IN)?;
        }
        Ok(Self {
            epoll,
            listener,
            family,
            clients: Vec::new(),
            rooms: Rooms::default(),
            sessions: Sessions::default(),
            ping_interval_ms,
            partial: HashMap::new(),
            unsent: HashMap::new(),
            out: Vec::with_capacity(1 << 16),
        })
    }

    /// Serves until the family has gone.
    ///
    /// # Errors
    /// What the system says: no descriptors are left, for one. A floor that lacks them measures nothing.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; 1 << 16];
        let turn = Duration::from_millis(self.ping_interval_ms) / PING_TURNS;
        let mut pings = Pings {
            turn: turn.max(Duration::from_millis(1)),
            next: Instant::now() + turn,
            cursor: 0,
            turns_left: PING_TURNS,
        };
        loop {
            let mut now = Instant::now();
            while now >= pings.next {
                self.ping(pings.due(self.clients.len()));
                now = Instant::now();
            }
            let wait = Timespec::try_from(pings.next - now).ok();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), wait.as_ref()) {
                Err(Errno::INTR) => {}
                done => drop(done?),
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    FAMILY => {
                        if !self.relatives(&mut buffer)? {
                            return Ok(());
                        }
                    }
                    client => self.ready(client as u32, event.flags, &mut buffer),
                }
            }
        }
    }

    fn ping(&mut self, due: Range<usize>) {
        for at in due {
            let client = &mut self.clients[at];
            if client.stage != Stage::Ready {
                continue;
            }
            if std::mem::replace(&mut client.owes_pong, true) {
                self.close(at as u32);
            } else {
                self.send(at as u32, HEARTBEAT);
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        for _ in 0..ACCEPTS {
            let socket = match accept_with(&self.listener, flags) {
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(()),
                socket => socket?,
            };
            let at = socket.as_raw_fd().cast_unsigned();
            let data = epoll::EventData::new_u64(u64::from(at));
            epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN)?;
            if self.clients.len() <= at as usize {
                self.clients.resize_with(at as usize + 1, Client::default);
            }
            self.clients[at as usize].socket = Some(socket);
        }
        Ok(())
    }

    fn close(&mut self, at: u32) {
        let client = std::mem::take(&mut self.clients[at as usize]);
        self.partial.remove(&at);
        self.unsent.remove(&at);
        if let Some(room) = usize::from(client.room).checked_sub(1) {
            self.rooms.members[room].retain(|member| *member != at);
        }
    }

    /// Reads and writes what epoll says can be.
    #[inline]
    fn ready(&mut self, at: u32, flags: epoll::EventFlags, buffer: &mut [u8]) {
        if flags.contains(epoll::EventFlags::OUT) {
            self.send_rest(at);
        }
        let Some(socket) = &self.clients[at as usize].socket else {
            return; // closed in this turn
        };
        if flags == epoll::EventFlags::OUT {
            return;
        }
        let read = match recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((1.., read)) => read,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Ok(_) | Err(_) => return self.close(at),
        };
        if self.hear(at, &mut buffer[..read]).is_err() {
            return self.close(at);
        }
        self.answer(at);
    }

    /// Handles what is whole of this and of what came before, and keeps the rest.
    fn hear(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), Hangup> {
        let before = if self.partial.is_empty() {
            None
        } else {
            self.partial.remove(&at)
        };
        let Some(mut whole) = before else {
            let used = self.handle(at, bytes)?;
            if used < bytes.len() {
                self.partial.insert(at, bytes[used..].to_vec());
            }
            return Ok(());
        };
        whole.extend_from_slice(bytes);
        let used = self.handle(at, &mut whole)?;
        if used < whole.len() {
            whole.drain(..used);
            self.partial.insert(at, whole);
        }
        Ok(())
    }

    /// Handles whole requests and frames; how many bytes they were.
    fn handle(&mut self, at: u32, bytes: &mut [u8]) -> Result<usize, Hangup> {
        let mut used = 0;
        while self.clients[at as usize].stage == Stage::Http {
            let mut released = None;
            let who = (at, self.ping_interval_ms);
            match self
                .sessions
                .read(&bytes[used..], who, &mut self.out, &mut released)?
            {
                Read::Partial => return Ok(used),
                Read::Request(size) => used += size,
                Read::WebSocket(size) => {
                    used += size;
                    self.clients[at as usize].stage = Stage::Open;
                }
            }
            if let Some((to, answer)) = released {
                self.send(to, &answer);
            }
        }
        while let Some(frame) = frame::read(&mut bytes[used..])? {
            used += frame.size;
            match frame.opcode {
                TEXT => self.text(at, frame.payload)?,
                BINARY => frame::write(&mut self.out, BINARY, &[frame.payload]),
                CLOSE => return Err(Hangup),
                PING => frame::write(&mut self.out, PONG, &[frame.payload]),
                _ => {}
            }
        }
        Ok(used)
    }

    #[inline]
    fn text(&mut self, at: u32, text: &[u8]) -> Result<(), Hangup> {
        let wish = contract::hear(text, u64::from(at), &mut self.out)?;
        let client = &mut self.clients[at as usize];
        match wish {
            Wish::Nothing => {}
            Wish::Ready => client.stage = Stage::Ready,
            Wish::Pong => client.owes_pong = false,
            Wish::Join(name) => {
                let new = self.rooms.members.len();
                let place = *self.rooms.places.entry(name.to_vec()).or_insert(new as u16);
                if usize::from(place) == new {
                    self.rooms.members.push(Vec::new());
                }
                if client.room != 0 {
                    return Err(Hangup);
                }
                client.room = place.checked_add(1).ok_or(Hangup)?;
                self.rooms.members[usize::from(place)].push(at);
            }
            Wish::All(text) => {
                self.answer(at);
                let mut whole = Vec::with_capacity(text.len() + 10);
                frame::write(&mut whole, TEXT, &[text]);
                self.tell_family(&whole);
                self.send_all(&whole);
            }
            Wish::Room(name, rest) => {
                self.answer(at);
                self.send_room(name, rest);
            }
        }
        Ok(())
    }

    fn answer(&mut self, at: u32) {
        if !self.out.is_empty() {
            let out = std::mem::take(&mut self.out);
            self.send(at, &out);
            self.out = out;
            self.out.clear();
        }
    }

    #[inline]
    fn send_all(&mut self, frame: &[u8]) {
        for at in 0..self.clients.len() {
            if self.clients[at].stage == Stage::Ready {
                self.send(at as u32, frame);
            }
        }
    }

    fn send_room(&mut self, name: &[u8], rest: &[u8]) {
        let Some(room) = self.rooms.places.get(name).copied().map(usize::from) else {
            return;
        };
        let mut whole = Vec::with_capacity(rest.len() + 20);
        frame::write(
            &mut whole,
            TEXT,
            &[b"42[\"room\"", rest.strip_prefix(b"\"").unwrap_or(rest)],
        );
        let members = std::mem::take(&mut self.rooms.members[room]);
        for member in &members {
            self.send(*member, &whole);
        }
        self.rooms.members[room] = members;
    }

    /// Sends, or keeps what there is no room for. A socket that has ended says so when it is read.
    #[inline]
    fn send(&mut self, to: u32, bytes: &[u8]) {
        if !self.unsent.is_empty()
            && let Some(rest) = self.unsent.get_mut(&to)
        {
            rest.extend_from_slice(bytes);
            return;
        }
        let Some(socket) = &self.clients[to as usize].socket else {
            return;
        };
        let sent = match send(socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => sent,
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => return,
        };
        if sent < bytes.len() {
            self.unsent.insert(to, bytes[sent..].to_vec());
            self.watch(to, epoll::EventFlags::IN | epoll::EventFlags::OUT);
        }
    }

    fn send_rest(&mut self, to: u32) {
        self.watch(to, epoll::EventFlags::IN);
        if let Some(rest) = self.unsent.remove(&to) {
            self.send(to, &rest);
        }
    }

    fn watch(&self, at: u32, flags: epoll::EventFlags) {
        if let Some(socket) = &self.clients[at as usize].socket {
            let data = epoll::EventData::new_u64(u64::from(at));
            let watched = epoll::modify(&self.epoll, socket, data, flags);
            debug_assert!(watched.is_ok(), "it was added when it was accepted");
        }
    }

    /// Passes a broadcast to the other processes.
    fn tell_family(&self, frame: &[u8]) {
        if let Some(family) = &self.family
            && let Err(error) = send(family, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        {
            eprintln!("floor: the other processes miss a broadcast: {error}");
        }
    }

    /// Sends what another process passes on to all; false when the parent has gone.
    fn relatives(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let Some(family) = &self.family else {
            return Ok(true);
        };
        match recv(family, &mut *buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
            Ok((_, 0)) => return Ok(false),
            Ok((_, size)) if size > buffer.len() => {
                eprintln!("floor: a broadcast is too long to pass on");
            }
            Ok((_, size)) => self.send_all(&buffer[..size]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_eight_bytes() {
        assert_eq!(size_of::<Client>(), 8);
    }

    #[test]
    fn everybody_is_pinged_once_an_interval_however_many_come() {
        let mut pings = Pings {
            turn: Duration::from_millis(100),
            next: Instant::now(),
            cursor: 0,
            turns_left: PING_TURNS,
        };
        for interval in 1..4 {
            let mut seen = vec![0; 1000 * interval];
            for turn in 0..PING_TURNS as usize {
                // They come while the interval lasts.
                let there = 1000 * (interval - 1) + 4 * turn + 4;
                for at in pings.due(there.min(seen.len())) {
                    seen[at] += 1;
                }
            }
            assert!(seen.iter().all(|times| *times == 1), "interval {interval}");
        }
    }
}
