//! Answers: when does what happen on a shard.
//!
//! One task per shard, one *turn* per wake: mail, then what is readable, then timers, then user
//! code's events, then one write per session that was given something. Connections have no task
//! and no timer: their readiness comes from the shard's own epoll, which the runtime watches as one
//! descriptor, and their deadlines from the hub's wheel.

mod ebb;
mod holders;
mod intake;
mod output;

#[cfg(test)]
mod tests;

use std::{
    future::poll_fn, io, panic::catch_unwind, pin::Pin, rc::Rc, sync::atomic::Ordering, task::Poll,
    time::Duration,
};

use mio::Token;
use stentor_engine::{id::ShardId, time::Tick};
use tokio::{io::unix::AsyncFd, time::Sleep};

use self::{
    ebb::Ebb,
    intake::{Budget, Intake},
};
use crate::{
    address::Announcement,
    discard::discard,
    listen::Listener,
    log::{self, Seldom},
    mailbox::Receiver,
    placement,
    post::Post,
    shard::{Shard, link::Link},
};

/// The token of all listeners: an index and generation that no connection has.
pub(crate) const LISTENER: Token = Token(usize::MAX);
/// The mailbox's waker.
pub(crate) const WAKER: Token = Token(usize::MAX - 1);

/// Mail taken in one turn.
const MAIL_PER_TURN: usize = 4096;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 256;
/// After accept failed for want of descriptors or memory, it is not tried for so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The hub's timers may come so much late.
const TIMER_SLACK_MS: u64 = 8;
/// How often a full mailbox is tried again.
const CONGESTION_RETRY: Duration = Duration::from_millis(1);

/// What the reactor's task owns.
pub(crate) struct Reactor {
    pub(crate) poll: mio::Poll,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) mailbox: Receiver<Post>,
}

struct Turns {
    shard: Rc<Shard>,
    epoll: AsyncFd<mio::Poll>,
    intake: Intake,
    /// The mailbox has rung.
    mail_wakes: bool,
    accept_more: bool,
    listeners: Vec<Listener>,
    /// Connections accepted for all shards.
    dealt: usize,
    mailbox: Receiver<Post>,
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
            turns.read_what_came()?;
            turns.shard.close_idle();
            stop_at = turns.shard.now.on_own_clock(turns.shard.stopping.by());
        }
        let shard = &turns.shard;
        if shard.stopping.get() {
            let connections = shard.conns.borrow().len() + shard.http_open.get();
            let busy = connections + shard.tasks.len() > 0;
            if !busy || shard.now.get() >= stop_at {
                return Ok(());
            }
        }
        // Tasks, pages and timers have their turn too, however much there is to do here.
        if turns.has_more() || turns.shard.turning.is_wanted() {
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
            mut listeners,
            mailbox,
        } = reactor;
        for listener in &mut listeners {
            listener.register(poll.registry(), LISTENER)?;
        }
        let ebb = Ebb::new(shard.id);
        Ok(Self {
            shard,
            epoll: watch(poll)?,
            listeners,
            dealt: 0,
            mailbox,
            intake: Intake::new(),
            mail_wakes: false,
            accept_more: false,
            accept_after: Tick(0),
            accepts_failed: Seldom::default(),
            sleep: Box::pin(tokio::time::sleep(Duration::MAX)),
            armed: Tick::NEVER,
            ebb,
        })
    }

    /// Requests that came before the order to stop but were not read yet get an answer.
    fn read_what_came(&mut self) -> io::Result<()> {
        /// However much clients send.
        const TURNS_MAX: usize = 64;
        self.turn()?;
        let order = self.shard.now.get();
        for _ in 0..TURNS_MAX {
            if self.shard.looks.seen() >= order {
                break;
            }
            self.turn()?;
        }
        Ok(())
    }

    fn has_more(&self) -> bool {
        let shard = &self.shard;
        self.accept_more && self.accept_after <= shard.now.get()
            || !self.mailbox.is_empty()
            || self.intake.has_more(shard.is_congested())
            || shard.conns.borrow().has_readable()
            || shard.hub.borrow().waiting() > 0
    }

    /// So much is queued that it has to leave before more is made.
    fn must_drain(&self) -> bool {
        self.shard.hub.borrow().is_full()
    }

    /// Waits for readiness, mail, something queued, or a deadline.
    async fn wait(&mut self, stop_at: Tick) -> io::Result<()> {
        self.arm(stop_at);
        self.shard.now.expect(self.armed);
        let Self {
            shard,
            epoll,
            sleep,
            armed,
            ..
        } = self;
        poll_fn(|cx| {
            shard.turning.wake_by(cx);
            if shard.turning.is_wanted() {
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
        if shard.is_congested() {
            first = first.min(shard.now.get().after(CONGESTION_RETRY));
        }
        if first == self.armed {
            return;
        }
        self.armed = Tick::NEVER;
        if let Some(at) = (first != Tick::NEVER)
            .then(|| shard.now.instant_of(first))
            .flatten()
        {
            self.sleep.as_mut().reset(at.into());
            self.armed = first;
        }
    }

    fn turn(&mut self) -> io::Result<()> {
        let shard = Rc::clone(&self.shard);
        shard.turning.begin();
        shard.now.read();
        let turned = shard.now.on_server_clock(shard.now.get());
        shard.vital().turned.store(turned.0, Ordering::Relaxed);
        shard.post_overflow();
        self.take_mail();
        let mut budget = Budget::new(shard.now.get());
        if self.must_drain() {
            budget.end();
        }
        self.take_input(&mut budget)?;
        if std::mem::take(&mut self.mail_wakes) {
            self.take_mail();
        }
        if self.accept_more && self.accept_after <= shard.now.get() {
            self.accept();
        }
        self.pass_time();
        shard.end_turn();
        shard.give_slice(self.intake.lags());
        shard.tell_drained();
        shard.turning.end();
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
            shard.compressor.borrow_mut().trim();
            self.intake.trim();
            // User code, and nothing is borrowed.
            if let Err(panic) = catch_unwind(release) {
                log::line!(ReleaseMemoryPanicked, shard.about());
                discard(panic);
            }
        }
    }

    /// Takes mail for as long as a budget lasts.
    fn take_mail(&mut self) {
        let mut budget = Budget::new(self.shard.now.clock());
        self.mailbox.begin();
        for _ in 0..MAIL_PER_TURN {
            if budget.is_spent() || self.shard.relieve() {
                return;
            }
            let Some(post) = self.mailbox.try_recv() else {
                return;
            };
            self.shard.receive_post(post);
            budget.spend(0, || self.shard.now.clock());
            if self.shard.stopping.get() {
                self.stop_listening();
            }
        }
    }

    /// Nobody can connect from now on.
    fn stop_listening(&mut self) {
        self.accept_more = false;
        for listener in self.listeners.drain(..) {
            if let Err(error) = listener.stop() {
                log::line!(ListenerNotShut, self.shard.about(), %error);
            }
        }
    }

    fn accept(&mut self) {
        self.accept_more = false;
        for nth in 0..self.listeners.len() {
            match self.accept_from(nth) {
                Ok(more) => self.accept_more |= more,
                Err(error) => {
                    let now = self.shard.now.get();
                    if let Some(times) = self.accepts_failed.note(now) {
                        log::notice!(AcceptFailed, self.shard.about(), %error, times);
                    }
                    self.accept_more = true;
                    self.accept_after = now.after(ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Accepts from one listener. Whether there may be more.
    fn accept_from(&mut self, nth: usize) -> io::Result<bool> {
        for _ in 0..ACCEPTS_PER_TURN {
            let listener = &self.listeners[nth];
            match listener.accept() {
                Ok(stream) => {
                    let announcement = if listener.proxy_protocol {
                        Announcement::Awaited
                    } else {
                        Announcement::Nothing
                    };
                    if listener.is_alone() {
                        self.deal(stream, announcement);
                    } else {
                        self.shard.accepted(stream, announcement);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // The peer was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Gives a connection that is accepted here for all shards to the one whose turn it is.
    fn deal(&mut self, stream: mio::net::TcpStream, announcement: Announcement) {
        let to = ShardId((self.dealt % self.shard.shared.sessions.len()) as u8); // at most 64
        self.dealt = self.dealt.wrapping_add(1);
        if to == self.shard.id {
            self.shard.take_in(stream, announcement);
            return;
        }
        let link = Link {
            stream: stream.into(),
            announcement,
        };
        self.shard.hand_over(to, link, Vec::new(), false);
    }

    fn pass_time(&mut self) {
        self.shard.pass_time();
        let now = self.shard.now.get();
        self.shard.end_pauses(now);
        self.shard.drop_late_handlers(now);
        let judged = now.min(self.shard.looks.seen());
        let expired = self.shard.conns.borrow_mut().expired(judged);
        for key in expired {
            self.shard.conn_expired(key);
        }
        if self.armed <= now {
            self.armed = Tick::NEVER;
        }
    }
}

impl Shard {
    fn receive_post(self: &Rc<Self>, post: Post) {
        let now = self.now.get();
        match post {
            Post::Mail(mail) => self.hub.borrow_mut().receive_mail(now, mail),
            Post::Handoff {
                stream,
                announcement,
                read,
                answered,
            } => self.receive_connection(stream, announcement, &read, answered),
            Post::Poll(request) => self.poll_request(request),
            Post::Ask(ask) => self.ask_for(*ask),
            Post::List(list) => self.list(*list),
            Post::Act(to, action) => self.hub.borrow_mut().act(now, to, action),
            Post::Look(asker) => self.look_for(asker),
            Post::Looked => self.looked(),
            Post::Stop { by } => {
                self.stopping.begin(by);
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

    fn accepted(self: &Rc<Self>, stream: mio::net::TcpStream, announcement: Announcement) {
        if let Err(error) = placement::tune(&stream, self.config.tcp_user_timeout) {
            log::line!(OptionsNotSet, self.about(), %error);
        }
        self.take_in(stream, announcement);
    }

    /// A connection is new here.
    fn take_in(&self, stream: mio::net::TcpStream, announcement: Announcement) {
        let now = self.now.get();
        let added = self.conns.borrow_mut().begin(stream, announcement, now);
        if let Err(error) = added {
            log::line!(ConnLost, self.about(), %error);
        }
    }
}
