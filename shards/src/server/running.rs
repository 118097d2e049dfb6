//! Answers: what can be done with a server that runs.

use std::{io, net::SocketAddr, sync::atomic::Ordering, thread, time::Duration};

use tokio::sync::mpsc::error::TryRecvError;

use super::{ServerError, Signals};
use crate::{
    api::{EmitError, Io},
    post::Post,
};

/// A server that runs, until [`Running::stop`]: dropping this does not stop it.
#[derive(Debug)]
pub struct Running {
    pub(super) address: SocketAddr,
    pub(super) io: Io,
    pub(super) threads: Vec<thread::JoinHandle<io::Result<()>>>,
    /// Its shards have descriptor tables of their own.
    pub(super) parted: bool,
}

impl Running {
    /// The address it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's handle for any thread.
    #[must_use]
    pub const fn io(&self) -> &Io {
        &self.io
    }

    /// Stops what has started of a server that cannot start.
    pub(super) fn abandon(self, error: ServerError) -> ServerError {
        let _ = self.end(); // the first error says more
        error
    }

    pub(super) fn await_ready(&self) -> Result<(), ServerError> {
        while self.io.shared.ready.load(Ordering::Acquire) < self.threads.len() {
            if let Some(dead) = self
                .threads
                .iter()
                .position(thread::JoinHandle::is_finished)
            {
                return Err(ServerError::ShardDied(dead));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits for SIGINT or SIGTERM, which are caught from now on.
    ///
    /// # Errors
    /// [`ServerError::Start`] if signals cannot be waited for; [`ServerError::SignalsTooLate`];
    /// [`ServerError::ShardDied`].
    pub fn wait_for_signal(&self) -> Result<(), ServerError> {
        if self.parted {
            // A shard that sees the signal first would wake this thread by a descriptor's number that
            // is a client's in the shard's table.
            return Err(ServerError::SignalsTooLate);
        }
        self.wait_for(Signals::catch()?)
    }

    /// Waits for one of these signals.
    ///
    /// # Errors
    /// [`ServerError::ShardDied`].
    pub fn wait_for(&self, mut signals: Signals) -> Result<(), ServerError> {
        signals.runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = signals.terminate.recv() => return Ok(()),
                    _ = signals.interrupt.recv() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
                let mut threads = self.threads.iter();
                if let Some(dead) = threads.position(thread::JoinHandle::is_finished) {
                    return Err(ServerError::ShardDied(dead));
                }
            }
        })
    }

    /// Closes every session with `server shutting down`, which clients reconnect on, and waits for
    /// the shards to end: at most some seconds. What this thread has emitted before is sent.
    ///
    /// # Errors
    /// [`ServerError::ShardFailed`] and [`ServerError::ShardDied`], if one had ended before.
    pub fn stop(self) -> Result<(), ServerError> {
        self.await_done();
        self.end()
    }

    /// Waits until the shards have done what this thread has asked of them.
    fn await_done(&self) {
        // A shard that has died may keep its share of it for ever.
        let alive = || !self.threads.iter().any(thread::JoinHandle::is_finished);
        let mut asked = self.io.barrier();
        while alive() {
            match &mut asked {
                Ok(done) => match done.try_recv() {
                    Err(TryRecvError::Disconnected) => return,
                    Ok(_) => continue,
                    Err(TryRecvError::Empty) => {}
                },
                Err(EmitError::MailboxFull) => asked = self.io.barrier(),
                Err(_) => return,
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) -> Result<(), ServerError> {
        for post in self.io.shared.posts.get().into_iter().flatten() {
            // A full mailbox is being drained.
            let mut stop = Some(Post::Stop);
            while let Some(post_stop) = stop.take() {
                if let Err(crate::mailbox::Full::Full(again)) = post.try_send(post_stop) {
                    stop = Some(again);
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let mut result = Ok(());
        for (shard, thread) in self.threads.into_iter().enumerate() {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(ServerError::ShardFailed { shard, error }),
                Err(_) => result = Err(ServerError::ShardDied(shard)),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Server;

    #[test]
    fn how_a_shard_ended_is_told_by_the_stop() {
        let running = |end: fn() -> io::Result<()>| Running {
            address: ([127, 0, 0, 1], 0).into(),
            io: Server::new().shards(2).io(),
            threads: [|| Ok(()), end].map(thread::spawn).into(),
            parted: false,
        };
        running(|| Ok(())).stop().unwrap();
        let failed = running(|| Err(io::Error::other("epoll"))).stop();
        let error = failed.unwrap_err();
        assert!(
            matches!(error, ServerError::ShardFailed { shard: 1, .. }),
            "{error}"
        );
        assert_eq!(error.to_string(), "shard 1 has failed: epoll");
        let died = running(|| panic!("as it should")).stop().unwrap_err();
        assert!(matches!(died, ServerError::ShardDied(1)), "{died}");
    }
}
