//! Answers: how does one process hold thousands of clients that do nothing.
//!
//! Raw WebSocket clients on one thread and one epoll: each joins the namespace `/idle`, answers heartbeats,
//! and comes back when it was cut off. [`super::crowd`] starts the process and says what the lines mean.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    crowd::raise_file_limit,
    meters::micros,
    wire::{self, Frame},
};
use crate::cli::DemoIdleOptions;

/// The namespace of the idle clients.
pub(super) const NAMESPACE: &str = "/idle";
/// Clients that connect at the same time.
const DIALLING: usize = 128;
/// Clients of one source address, which has some 28,000 ports.
const PER_SOURCE: usize = 8_192;
/// Before a client tries again that could not connect.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two reports of a number that changes.
const REPORTS: Duration = Duration::from_millis(50);
/// How long a broadcast may take to reach the clients.
const REACHES: Duration = Duration::from_secs(10);
const WAKER: Token = Token(usize::MAX);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connecting,
    Upgrading,
    Joining,
    Up,
}

struct Client {
    stream: TcpStream,
    step: Step,
    /// What has come of a response or a frame that is not whole.
    rest: Vec<u8>,
}

/// A broadcast under way.
struct Wave {
    number: u64,
    since: Instant,
    /// Microseconds from the server's emit to each client.
    after: Vec<u64>,
}

struct Crowd {
    address: SocketAddr,
    poll: Poll,
    clients: Vec<Option<Client>>,
    /// Slots without a client.
    missing: VecDeque<usize>,
    dialling: usize,
    up: usize,
    lost: usize,
    pause: Option<Instant>,
    wave: Option<Wave>,
    changed: bool,
    reported: Instant,
}

/// Holds as many as stdin says, until it ends.
pub(crate) fn run(options: &DemoIdleOptions) -> io::Result<()> {
    raise_file_limit();
    let poll = Poll::new()?;
    // Kept here too: an epoll forgets what woke it when that is closed.
    let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
    let bell = Arc::clone(&waker);
    let (give, orders) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(wanted) = line.trim().parse::<usize>() else {
                break;
            };
            if give.send(wanted).is_err() || bell.wake().is_err() {
                break;
            }
        }
        drop(give);
        let _ = bell.wake();
    });
    let mut crowd = Crowd {
        address: options.address,
        poll,
        clients: Vec::new(),
        missing: VecDeque::new(),
        dialling: 0,
        up: 0,
        lost: 0,
        pause: None,
        wave: None,
        changed: false,
        reported: Instant::now(),
    };
    let served = crowd.serve(&orders);
    drop(waker);
    served
}

impl Crowd {
    fn serve(&mut self, orders: &Receiver<usize>) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; 64 * 1_024];
        loop {
            loop {
                match orders.try_recv() {
                    Ok(wanted) => self.hold(wanted),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.dial();
            self.report()?;
            let busy = self.changed || self.pause.is_some() || self.wave.is_some();
            match self.poll.poll(&mut events, busy.then_some(REPORTS)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let Token(slot) = event.token();
                if self.ready(slot, &mut buffer).is_err() {
                    self.lose(slot);
                }
            }
        }
    }

    fn hold(&mut self, wanted: usize) {
        for slot in wanted..self.clients.len() {
            self.forget(slot);
        }
        self.missing.retain(|slot| *slot < wanted);
        self.missing.extend(self.clients.len()..wanted);
        self.clients.resize_with(wanted, || None);
        self.changed = true;
    }

    /// Takes a client out of the counts.
    fn forget(&mut self, slot: usize) -> Option<Step> {
        let gone = self.clients.get_mut(slot)?.take()?;
        if gone.step == Step::Up {
            self.up -= 1;
        } else {
            self.dialling -= 1;
        }
        self.changed = true;
        Some(gone.step)
    }

    /// A client's connection has ended: it is to come back.
    fn lose(&mut self, slot: usize) {
        match self.forget(slot) {
            Some(Step::Up) => self.lost += 1,
            Some(_) => self.pause = Some(Instant::now() + PAUSE),
            None => return,
        }
        self.missing.push_back(slot);
    }

    fn dial(&mut self) {
        if self.pause.is_some_and(|until| Instant::now() < until) {
            return;
        }
        self.pause = None;
        while self.dialling < DIALLING
            && let Some(slot) = self.missing.pop_front()
        {
            let dialled = connect(self.address, slot).and_then(|mut stream| {
                let both = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(&mut stream, Token(slot), both)?;
                Ok(stream)
            });
            let Ok(stream) = dialled else {
                self.missing.push_front(slot);
                self.pause = Some(Instant::now() + PAUSE);
                return;
            };
            self.clients[slot] = Some(Client {
                stream,
                step: Step::Connecting,
                rest: Vec::new(),
            });
            self.dialling += 1;
        }
    }

    /// A client's connection can be written or read.
    fn ready(&mut self, slot: usize, buffer: &mut [u8]) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else {
            return Ok(());
        };
        if client.step == Step::Connecting {
            if let Some(error) = client.stream.take_error()? {
                return Err(error);
            }
            if client.stream.peer_addr().is_err() {
                return Ok(()); // not yet
            }
            client.stream.write_all(&wire::upgrade(self.address))?;
            client.step = Step::Upgrading;
        }
        loop {
            let Some(client) = self.clients.get_mut(slot).and_then(Option::as_mut) else {
                return Ok(());
            };
            let read = match client.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            if client.rest.is_empty() {
                let used = self.take(slot, &buffer[..read])?;
                self.keep(slot, &buffer[used..read]);
            } else {
                let mut all = std::mem::take(&mut client.rest);
                all.extend_from_slice(&buffer[..read]);
                let used = self.take(slot, &all)?;
                self.keep(slot, &all[used..]);
            }
        }
    }

    fn keep(&mut self, slot: usize, rest: &[u8]) {
        if let Some(Some(client)) = self.clients.get_mut(slot) {
            client.rest = rest.to_vec();
        }
    }

    /// Handles what is whole; how many bytes that is.
    fn take(&mut self, slot: usize, bytes: &[u8]) -> io::Result<usize> {
        let mut used = 0;
        let Some(Some(client)) = self.clients.get_mut(slot) else {
            return Ok(bytes.len());
        };
        if client.step == Step::Upgrading {
            let Some(end) = wire::response(bytes)? else {
                return Ok(0);
            };
            client.step = Step::Joining;
            used = end;
        }
        while let Some(Frame { text, length }) = wire::frame(&bytes[used..])? {
            self.hear(slot, text)?;
            used += length;
        }
        Ok(used)
    }

    fn hear(&mut self, slot: usize, text: &[u8]) -> io::Result<()> {
        let Some(Some(client)) = self.clients.get_mut(slot) else {
            return Ok(());
        };
        match text {
            [b'0', ..] => client.stream.write_all(&wire::masked(b"40/idle,")),
            b"2" => client.stream.write_all(&wire::masked(b"3")),
            [b'4', b'0', ..] if client.step == Step::Joining => {
                client.step = Step::Up;
                self.dialling -= 1;
                self.up += 1;
                self.changed = true;
                Ok(())
            }
            [b'4', b'2', ..] => {
                self.reached(text);
                Ok(())
            }
            [b'4', b'1' | b'4', ..] | [b'1', ..] => Err(io::ErrorKind::ConnectionReset.into()),
            _ => Ok(()),
        }
    }

    /// A broadcast `42/idle,["all",NUMBER,MICROS]` has come.
    fn reached(&mut self, text: &[u8]) {
        let Some((number, sent)) = wire::wave(text) else {
            return;
        };
        if self.wave.as_ref().is_none_or(|wave| wave.number < number) {
            let after = Vec::with_capacity(self.up);
            self.wave = Some(Wave {
                number,
                since: Instant::now(),
                after,
            });
        }
        if let Some(wave) = &mut self.wave
            && wave.number == number
        {
            wave.after.push(micros().saturating_sub(sent));
        }
    }

    fn report(&mut self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if let Some(wave) = &mut self.wave
            && (wave.after.len() >= self.up || wave.since.elapsed() > REACHES)
        {
            let after = &mut wave.after;
            after.sort_unstable();
            if let (Some(first), Some(last)) = (after.first(), after.last()) {
                let (count, median) = (after.len(), after[after.len() / 2]);
                writeln!(out, "reached {count} {first} {median} {last}")?;
                out.flush()?;
            }
            self.wave = None;
        }
        let wanted = self.clients.len();
        if self.changed && (self.up == wanted || self.reported.elapsed() > REPORTS) {
            (self.changed, self.reported) = (false, Instant::now());
            writeln!(out, "up {} {wanted} {}", self.up, self.lost)?;
            out.flush()?;
        }
        Ok(())
    }
}

/// A connection under way, from an address of this machine that has ports left.
fn connect(to: SocketAddr, slot: usize) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    if to.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        let source = Ipv4Addr::new(127, 0, 1, 1 + (slot / PER_SOURCE) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    socket.set_nonblocking(true)?;
    match socket.connect(&to.into()) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}
