//! Answers: when does what happen on a shard.
//!
//! One task per shard, one *turn* per wake: mail, then what is readable, then timers, then user
//! code's events, then one write per session that was given something. Connections have no task
//! and no timer: their readiness comes from the shard's own epoll, which the runtime watches as one
//! descriptor, and their deadlines from the hub's wheel.

use std::{
    collections::HashMap, future::poll_fn, io, net::Shutdown, panic::catch_unwind, pin::Pin,
    rc::Rc, sync::atomic::Ordering, task::Poll, time::Duration,
};

use mio::{Events, Interest, Token, net::TcpListener};
use socket2::SockRef;
use stentor_engine::{slab::Key, time::Tick};
use tokio::{io::unix::AsyncFd, time::Sleep};

use super::{
    Shard,
    conns::{ConnKey, Role},
    ebb::Ebb,
    seldom::Seldom,
};
use crate::{discard::discard, log, mailbox::Receiver, placement, post::Post};

/// The listener's token: an index and generation that no connection has.
pub(crate) const LISTENER: Token = Token(usize::MAX);
/// The mailbox's waker.
pub(crate) const WAKER: Token = Token(usize::MAX - 1);

/// Readiness taken in one turn; more waits for the next, so that output is never long in coming.
const EVENTS_PER_TURN: usize = 1024;
/// Within a turn, so many ready connections are handled before their answers leave, while both the
/// answers and the kernel's side of those connections are still in the cache. Measured
/// (docs/PERFORMANCE.md): 5,000 clients' echoes cost 1.0 to 1.07 times the floor with 16 to 256 and
/// 1.21 with all 1,024; sixteen in flight cost 1.47 with 32, 1.54 with 128.
const EVENTS_PER_FLUSH: usize = 32;
/// Mail taken in one turn.
const MAIL_PER_TURN: usize = 4096;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 256;
/// Bytes of one read. Shared by all connections of the shard.
const READ_BYTES: usize = 64 * 1024;
/// After accept failed for want of descriptors or memory, it is not tried for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The hub's timers may come so much late.
const TIMER_SLACK_MS: u64 = 8;
/// A pause between turns that says that the process or its machine stood still.
const STANDSTILL_MS: u64 = 1_000;
/// How often a full mailbox is tried again.
const CONGESTION_RETRY: Duration = Duration::from_millis(1);

/// What the reactor's task owns.
pub(crate) struct Reactor {
    pub(crate) poll: mio::Poll,
    pub(crate) listener: Option<TcpListener>,
    pub(crate) mailbox: Receiver<Post>,
}

struct Turns {
    shard: Rc<Shard>,
    epoll: AsyncFd<mio::Poll>,
    listener: Option<TcpListener>,
    mailbox: Receiver<Post>,
    events: Events,
    buffer: Box<[u8]>,
    /// Connections that had more to read than one turn takes, and whether their end is to be seen.
    unread: HashMap<ConnKey, bool>,
    accept_more: bool,
    accept_after: Tick,
    accepts_failed: Seldom,
    sleep: Pin<Box<Sleep>>,
    /// What the sleep is set to.
    armed: Tick,
    ebb: Ebb,
}

/// Runs a shard until it is told to stop.
pub(crate) async fn run(shard: Rc<Shard>, reactor: Reactor) -> io::Result<()> {
    let mut turns = Turns::new(shard, reactor)?;
    let mut stop_at = Tick::NEVER;
    loop {
        turns.turn()?;
        if stop_at == Tick::NEVER && turns.shard.stopping.get() {
            turns.turn()?; // requests that came before the order but were read after it get an answer
            turns.shard.close_idle();
            stop_at = turns.shard.stop_by.get();
        }
        let shard = &turns.shard;
        if shard.stopping.get() {
            let connections = shard.conns.borrow().len() + shard.http_open.get();
            let busy = connections + shard.tasks.len() > 0;
            if !busy || shard.now.get() >= stop_at {
                return Ok(());
            }
        }
        if turns.has_more() {
            tokio::task::yield_now().await;
        } else {
            turns.wait(stop_at).await?;
        }
    }
}

/// Heartbeats that fall into the same few milliseconds share a turn.
fn coalesced(due: Tick) -> Tick {
    Tick(
        due.0
            .checked_next_multiple_of(TIMER_SLACK_MS)
            .unwrap_or(u64::MAX),
    )
}

/// Has the runtime watch the shard's epoll.
#[expect(
    deprecated,
    reason = "the successor is unsafe for types that may close their descriptor early; mio::Poll \
              owns its own for as long as the AsyncFd owns the Poll"
)]
fn watch(poll: mio::Poll) -> io::Result<AsyncFd<mio::Poll>> {
    AsyncFd::with_interest(poll, tokio::io::Interest::READABLE)
}

impl Turns {
    fn new(shard: Rc<Shard>, reactor: Reactor) -> io::Result<Self> {
        let Reactor {
            poll,
            mut listener,
            mailbox,
        } = reactor;
        if let Some(listener) = &mut listener {
            poll.registry()
                .register(listener, LISTENER, Interest::READABLE)?;
        }
        let ebb = Ebb::new(shard.id);
        Ok(Self {
            shard,
            epoll: watch(poll)?,
            listener,
            mailbox,
            events: Events::with_capacity(EVENTS_PER_TURN),
            buffer: vec![0; READ_BYTES].into(),
            unread: HashMap::new(),
            accept_more: false,
            accept_after: Tick(0),
            accepts_failed: Seldom::default(),
            sleep: Box::pin(tokio::time::sleep(Duration::MAX)),
            armed: Tick::NEVER,
            ebb,
        })
    }

    fn has_more(&self) -> bool {
        let congested = self.shard.congested.get();
        self.accept_more && self.accept_after <= self.shard.now.get()
            || !self.mailbox.is_empty()
            || (!self.unread.is_empty() && !congested)
    }

    /// Waits for readiness, mail, something queued, or a deadline.
    async fn wait(&mut self, stop_at: Tick) -> io::Result<()> {
        self.arm(stop_at);
        let Self {
            shard,
            epoll,
            sleep,
            armed,
            ..
        } = self;
        poll_fn(|cx| {
            let waker = &mut *shard.reactor.borrow_mut();
            if !waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                *waker = Some(cx.waker().clone());
            }
            if shard.turn_wanted.get() {
                return Poll::Ready(Ok(()));
            }
            // Cleared before epoll is asked: what becomes ready in between sets it again.
            match epoll.poll_read_ready(cx) {
                Poll::Ready(Ok(mut ready)) => {
                    ready.clear_ready();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
            if *armed != Tick::NEVER && sleep.as_mut().poll(cx).is_ready() {
                *armed = Tick::NEVER;
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await
    }

    /// Sets the one timer to the first deadline there is.
    fn arm(&mut self, stop_at: Tick) {
        let shard = &self.shard;
        let due = shard.hub.borrow().deadline();
        let mut first = due.map_or(Tick::NEVER, coalesced).min(stop_at);
        if let Some(due) = shard.conns.borrow().deadline() {
            first = first.min(due);
        }
        if let Some(due) = shard.pauses.borrow().due() {
            first = first.min(due);
        }
        if let Some(due) = shard.tasks.due() {
            first = first.min(due);
        }
        first = first.min(self.ebb.due());
        if self.accept_more {
            first = first.min(self.accept_after);
        }
        if shard.congested.get() {
            first = first.min(shard.now.get().after(CONGESTION_RETRY));
        }
        if first == self.armed {
            return;
        }
        self.armed = Tick::NEVER;
        if let Some(at) = (first != Tick::NEVER)
            .then(|| shard.clock.at(first))
            .flatten()
        {
            self.sleep.as_mut().reset(at.into());
            self.armed = first;
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        let shard = Rc::clone(&self.shard);
        shard.in_turn.set(true);
        shard.turn_wanted.set(false);
        let now = shard.clock.now();
        // Being idle is no standstill: then the turn comes in time for what it was to wait for.
        if shard.catching_up.get() == 0 && now.since(self.armed.min(now)) > STANDSTILL_MS {
            let turns = shard.conns.borrow().len() / EVENTS_PER_TURN + 1;
            shard.catching_up.set(turns);
        }
        shard.now.set(now);
        shard.vital().turned.store(now.0, Ordering::Relaxed);
        shard.post_overflow();
        self.take_mail();
        self.take_readiness()?;
        if self.accept_more && self.accept_after <= shard.now.get() {
            self.accept();
        }
        if shard.catching_up.get() == 0 {
            self.pass_time();
        }
        shard.end_turn();
        shard.in_turn.set(false);
        log::say_kept();
        self.ebb_away();
        Ok(())
    }

    /// Gives memory back when most clients have gone.
    fn ebb_away(&mut self) {
        let shard = &self.shard;
        let Some(release) = shard.config.release_memory else {
            return;
        };
        let held = shard.conns.borrow().len() + shard.hub.borrow().counts().sessions;
        if self.ebb.is_due(held, shard.now.get()) {
            shard.conns.borrow_mut().forget_gone();
            shard.hub.borrow_mut().trim();
            // User code, and nothing is borrowed.
            if let Err(panic) = catch_unwind(release) {
                log::error!(shard = shard.id.0, "`release_memory` panicked");
                discard(panic);
            }
        }
    }

    fn take_mail(&mut self) {
        self.mailbox.begin();
        for _ in 0..MAIL_PER_TURN {
            let Some(post) = self.mailbox.try_recv() else {
                return;
            };
            self.shard.receive_post(post);
            if self.shard.stopping.get() {
                self.stop_listening();
            }
        }
    }

    /// Refuses who comes from now on, even if another table of descriptors still has the listener.
    fn stop_listening(&mut self) {
        self.accept_more = false;
        if let Some(listener) = self.listener.take()
            && let Err(error) = SockRef::from(&listener).shutdown(Shutdown::Both)
        {
            log::debug!(%error, "shutting a listener down");
        }
    }

    fn take_readiness(&mut self) -> io::Result<()> {
        if !self.shard.congested.get() {
            for (key, to_the_end) in std::mem::take(&mut self.unread) {
                self.read(key, to_the_end);
            }
        }
        let polled = self
            .epoll
            .get_mut()
            .poll(&mut self.events, Some(Duration::ZERO));
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let mut count = 0;
        for event in &events {
            if count > 0 && count % EVENTS_PER_FLUSH == 0 {
                self.shard.flush_answers(EVENTS_PER_FLUSH);
            }
            count += 1;
            match event.token() {
                WAKER => self.take_mail(),
                LISTENER => self.accept_more = true,
                Token(bits) => {
                    let key = Key::from_bits(bits as u64);
                    if event.is_writable() {
                        self.shard.writable(key);
                    }
                    if event.is_readable() || event.is_read_closed() || event.is_error() {
                        self.read(key, event.is_read_closed() || event.is_error());
                    }
                }
            }
        }
        self.events = events;
        let full = count == EVENTS_PER_TURN; // there may be more than fitted
        let left = self.shard.catching_up.get();
        // Connections that are always ready fill every turn: after as many turns as they need, each
        // has been read.
        let still = if full { left.saturating_sub(1) } else { 0 };
        self.shard.catching_up.set(still);
        if full || left > 0 {
            self.shard.turn_wanted.set(true);
        }
        Ok(())
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            self.accept_more = false;
            return;
        };
        for _ in 0..ACCEPTS_PER_TURN {
            match listener.accept() {
                Ok((stream, _)) => self.shard.accepted(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.accept_more = false;
                    return;
                }
                // The peer was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    let now = self.shard.now.get();
                    if let Some(times) = self.accepts_failed.note(now) {
                        log::warn!(%error, times, "accept failed; pausing");
                    }
                    self.accept_after = now.after(ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Reads a connection and handles what comes. One read, unless there is reason for another:
    /// the buffer was filled, or the peer has closed and the end must be seen.
    fn read(&mut self, key: ConnKey, to_the_end: bool) {
        for _ in 0..4 {
            if self.shard.congested.get() {
                break; // other shards are behind: their back-pressure becomes TCP's
            }
            let read = self.shard.conns.borrow().read(key, &mut self.buffer);
            match read {
                None => return,
                Some(Ok(0)) => return self.shard.conn_ended(key),
                Some(Ok(n)) => {
                    self.shard.conn_bytes(key, &mut self.buffer[..n]);
                    if n < self.buffer.len() && !to_the_end {
                        return;
                    }
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Some(Err(_)) => return self.shard.conn_closed(key),
            }
        }
        *self.unread.entry(key).or_default() |= to_the_end; // epoll does not tell again
    }

    fn pass_time(&mut self) {
        self.shard.pass_time();
        let now = self.shard.now.get();
        self.shard.end_pauses(now);
        self.shard.drop_late_handlers(now);
        let expired = self.shard.conns.borrow_mut().expired(now);
        for key in expired {
            self.shard.conn_expired(key);
        }
        if self.armed <= now {
            self.armed = Tick::NEVER;
        }
    }
}

impl Shard {
    /// The hub's timers.
    pub(super) fn pass_time(&self) {
        let now = self.now.get();
        let due = self.hub.borrow().deadline();
        if due.is_some_and(|due| due <= now) {
            self.hub.borrow_mut().advance(now);
        }
    }

    fn receive_post(self: &Rc<Self>, post: Post) {
        let now = self.now.get();
        match post {
            Post::Mail(mail) => self.hub.borrow_mut().receive_mail(now, mail),
            Post::Handoff {
                stream,
                read,
                answered,
            } => self.receive_connection(stream, read, answered),
            Post::Poll(request) => self.poll_request(request),
            Post::Ask(ask) => self.ask_for(*ask),
            Post::List(list) => self.list(*list),
            Post::Act(to, action) => self.hub.borrow_mut().act(now, to, action),
            Post::Stop { by } => {
                self.stopping.set(true);
                self.stop_by.set(by);
                self.hub.borrow_mut().shut_down(now);
            }
        }
    }

    /// Ends the connections that nothing is owed to. After a turn: what had come on them is read.
    fn close_idle(&self) {
        let now = self.now.get();
        self.conns.borrow_mut().drop_idle(now);
        self.http_stop.notify_waiters();
    }

    fn accepted(self: &Rc<Self>, stream: mio::net::TcpStream) {
        if let Err(error) = placement::tune(&stream, self.config.tcp_user_timeout) {
            log::debug!(%error, "setting options of a connection");
        }
        let added = self
            .conns
            .borrow_mut()
            .add(stream, Role::Head(Vec::new()), self.now.get());
        if let Err(error) = added {
            log::failed!(warn, "a new connection was lost", error);
        }
    }
}

#[cfg(test)]
mod tests;
