//! Answers: what can be done with a server that runs.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Mutex, PoisonError,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::error::TryRecvError;

use super::{
    ServerError, Signals,
    error::{Failure, words},
};
use crate::{
    api::{EmitError, Io},
    clock::Clock,
    listen::Endpoint,
    log::{self, About},
    mailbox::Full,
    post::Post,
    shard,
};

/// How long a stop waits for what its thread has asked of the shards before: for the first of them, which
/// tells it the others, and for these when it has.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const OTHERS_WAIT: Duration = Duration::from_millis(200);
/// A shard has so long to end after `stop_timeout`: what is left is the end of its turn and dropping what it
/// has. Then it is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(5);

/// A server that runs, until [`Running::stop`]: dropping this does not stop it.
#[derive(Debug)]
pub struct Running {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) io: Io,
    pub(super) clock: Clock,
    pub(super) stop_timeout: Duration,
    pub(super) threads: Threads,
    /// Its shards have descriptor tables of their own.
    pub(super) parted: bool,
}

/// The shards' threads, by shard; those that have ended and been asked how are gone.
#[derive(Debug, Default)]
pub(super) struct Threads(Mutex<Vec<Option<Thread>>>);

type Thread = JoinHandle<Result<(), Failure>>;

impl Threads {
    pub(super) fn add(&self, thread: Thread) {
        self.with(|threads| threads.push(Some(thread)));
    }

    fn with<R>(&self, call: impl FnOnce(&mut Vec<Option<Thread>>) -> R) -> R {
        // A list of handles is never half written.
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn len(&self) -> usize {
        self.with(|threads| threads.len())
    }

    /// A shard that has not ended, as far as has been asked.
    fn left(&self) -> Option<usize> {
        self.with(|threads| threads.iter().position(Option::is_some))
    }

    fn is_any_finished(&self) -> bool {
        let finished = |thread: &Option<JoinHandle<_>>| match thread {
            Some(thread) => thread.is_finished(),
            None => true,
        };
        self.with(|threads| threads.iter().any(finished))
    }

    /// A shard that has ended and was not asked before, and how it did. One that ended with the first is
    /// passed over, as the first says why.
    fn ended(&self) -> Option<(usize, Result<(), ServerError>)> {
        loop {
            let (shard, thread) = self.with(|threads| {
                let is_finished = |thread: &Option<JoinHandle<_>>| {
                    thread.as_ref().is_some_and(JoinHandle::is_finished)
                };
                let shard = threads.iter().position(is_finished)?;
                Some((shard, threads[shard].take()?))
            })?;
            let ended = match thread.join() {
                Ok(Err(Failure::First)) => continue,
                Ok(Ok(())) => Ok(()),
                Ok(Err(Failure::System(error))) => Err(ServerError::ShardFailed { shard, error }),
                Ok(Err(Failure::App(fault))) => Err(ServerError::App(fault)),
                Err(panic) => Err(ServerError::ShardDied {
                    shard,
                    panic: words(panic),
                }),
            };
            return Some((shard, ended));
        }
    }
}

impl Running {
    /// The TCP address it listens on, the first if there are several; `0.0.0.0:0`, where nobody listens, if it
    /// listens on Unix sockets alone.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let tcp = |endpoint: &Endpoint| match endpoint {
            Endpoint::Tcp(address) => Some(*address),
            Endpoint::Unix(_) => None,
        };
        let none = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        self.endpoints.iter().find_map(tcp).unwrap_or(none)
    }

    /// All places it listens at, in the order in which they were given.
    ///
    /// ```
    /// use stentor::{Endpoint, prelude::*};
    ///
    /// # fn main() -> stentor::Result {
    /// let running = Server::new().listen("127.0.0.1:0").also_listen("127.0.0.1:0").start()?;
    /// let [Endpoint::Tcp(first), Endpoint::Tcp(second)] = running.endpoints() else {
    ///     unreachable!("two addresses were given");
    /// };
    /// println!("listening on http://{first} and http://{second}");
    /// running.stop()
    /// # }
    /// ```
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The server's handle for any thread.
    #[must_use]
    pub const fn io(&self) -> &Io {
        &self.io
    }

    /// Stops what has started of a server that cannot start. Of several reasons the first is told.
    pub(super) fn abandon(self, error: ServerError) -> ServerError {
        let _ = self.end(); // the first error says more
        error
    }

    pub(super) fn await_ready(&self) -> Result<(), ServerError> {
        while self.io.shared.ready.load(Ordering::Acquire) < self.threads.len() {
            if let Some(error) = self.failure() {
                return Err(match error {
                    // It has not run yet.
                    ServerError::ShardFailed { error, .. } => ServerError::Start(error),
                    other => other,
                });
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Why a shard has ended, though nobody has told it to.
    fn failure(&self) -> Option<ServerError> {
        let (shard, ended) = self.threads.ended()?;
        Some(ended.err().unwrap_or_else(|| ServerError::ShardDied {
            shard,
            panic: String::new(),
        }))
    }

    /// Waits for SIGINT or SIGTERM, which are caught from now on: see [`Signals`]. It blocks the thread; a program that
    /// has a runtime awaits [`Running::serve`] instead.
    ///
    /// # Errors
    /// [`ServerError::Start`] if signals cannot be waited for; [`ServerError::SignalsTooLate`]; [`ServerError::WouldBlock`] in a
    /// tokio runtime that has only this thread; [`ServerError::ShardDied`] and [`ServerError::ShardFailed`].
    pub fn wait_for_signal(&self) -> Result<(), ServerError> {
        if self.parted {
            // A shard that sees the signal first would wake this thread by a descriptor's number that
            // is a client's in the shard's table.
            return Err(ServerError::SignalsTooLate);
        }
        self.wait_for(Signals::catch()?)
    }

    /// Waits for one of these signals. After that the next one ends the process at once. It blocks the thread.
    ///
    /// # Errors
    /// [`ServerError::WouldBlock`] in a tokio runtime that has only this thread; [`ServerError::ShardDied`] and
    /// [`ServerError::ShardFailed`].
    pub fn wait_for(&self, signals: Signals) -> Result<(), ServerError> {
        super::serve::may_block()?;
        let Signals { first } = signals;
        self.wait(&first)
    }

    /// Waits until `first` says so, or a shard ends.
    pub(super) fn wait(&self, first: &Receiver<()>) -> Result<(), ServerError> {
        loop {
            match first.recv_timeout(Duration::from_secs(1)) {
                Ok(()) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let why = "the thread that waits for signals has ended";
                    return Err(ServerError::Start(io::Error::other(why)));
                }
            }
            if let Some(error) = self.failure() {
                return Err(error);
            }
        }
    }

    /// Closes every session with `server shutting down`, which clients reconnect on, and waits for
    /// the shards to end: until the last connection has ended and no handler waits for anything, or for
    /// [`crate::Server::stop_timeout`], and at most 7 s more if shards are stuck. What this thread
    /// has emitted before is sent.
    ///
    /// Work of `spawn_blocking` has the same time. What is not done then goes on on its thread until it is,
    /// or the process ends.
    ///
    /// # Errors
    /// [`ServerError::ShardFailed`] and [`ServerError::ShardDied`], if one had ended before;
    /// [`ServerError::ShardStuck`] if one has not ended. On a shard's own thread, as in a handler,
    /// [`ServerError::StopOnShard`]: the server stops, and is not waited for.
    pub fn stop(self) -> Result<(), ServerError> {
        if shard::current(&self.io.shared).is_some() {
            let thread = thread::Builder::new().name("stop".into());
            let stopped = thread.spawn(move || self.stop());
            return Err(stopped.map_or_else(ServerError::Start, |_| ServerError::StopOnShard));
        }
        log::notice!(Stopping, About::default(), sessions = self.io.sessions());
        self.await_done();
        let ended = self.end();
        if ended.is_ok() {
            log::notice!(Stopped, About::default());
        }
        ended
    }

    /// Waits until the shards have done what this thread has asked of them, but not for those that are stuck.
    fn await_done(&self) {
        let begun = Instant::now();
        let mut answered: Option<Instant> = None;
        let mut asked = self.io.barrier();
        // A shard that has died may keep its share of it for ever.
        while !self.threads.is_any_finished()
            && begun.elapsed() < FIRST_WAIT
            && answered.is_none_or(|at| at.elapsed() < OTHERS_WAIT)
        {
            match &mut asked {
                Ok(done) => match done.try_recv() {
                    Err(TryRecvError::Disconnected) => return,
                    Ok(_) => {
                        // Only the first shard asks the others: what was emitted is in their mailboxes.
                        answered.get_or_insert_with(Instant::now);
                        continue;
                    }
                    Err(TryRecvError::Empty) => {}
                },
                Err(EmitError::MailboxFull) => asked = self.io.barrier(),
                Err(_) => return,
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Tells all shards at once, and waits for them.
    fn end(self) -> Result<(), ServerError> {
        let by = self.clock.now().after(self.stop_timeout);
        let late = Instant::now().checked_add(self.stop_timeout.saturating_add(STUCK_AFTER));
        let posts = self.io.shared.posts.get().into_iter().flatten();
        let mut untold: Vec<_> = posts.collect();
        let mut result = Ok(());
        loop {
            // A full mailbox is being drained, unless its shard is stuck.
            untold.retain(|post| matches!(post.try_send(Post::Stop { by }), Err(Full::Full(_))));
            while let Some((_, ended)) = self.threads.ended() {
                result = result.and(ended);
            }
            let Some(stuck) = self.threads.left() else {
                return result;
            };
            if late.is_some_and(|late| Instant::now() >= late) {
                return result.and(Err(ServerError::ShardStuck(stuck)));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    fn running(end: fn() -> Result<(), Failure>) -> Running {
        let threads = Threads::default();
        for end in [|| Ok(()), end] {
            threads.add(thread::spawn(end));
        }
        Running {
            endpoints: Vec::new(),
            io: Server::new().shards(2).io(),
            clock: Clock::start(),
            stop_timeout: Duration::ZERO,
            threads,
            parted: false,
        }
    }

    #[test]
    fn how_a_shard_ended_is_told_by_the_stop() {
        running(|| Ok(())).stop().unwrap();
        let failed = running(|| Err(io::Error::other("epoll").into())).stop();
        let error = failed.unwrap_err();
        assert!(
            matches!(error, ServerError::ShardFailed { shard: 1, .. }),
            "{error}"
        );
        assert_eq!(error.to_string(), "shard 1 has failed: epoll");
        let died = running(|| panic!("as it should")).stop().unwrap_err();
        assert!(matches!(died, ServerError::ShardDied { shard: 1, .. }));
        assert_eq!(died.to_string(), "shard 1 has died: as it should");
    }

    #[test]
    fn a_shard_that_does_not_end_is_named() {
        let stuck = running(|| {
            thread::sleep(Duration::from_hours(1));
            Ok(())
        });
        let error = stuck.stop().unwrap_err();
        assert!(matches!(error, ServerError::ShardStuck(1)), "{error}");
    }
}
