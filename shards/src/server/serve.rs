//! Answers: how does a program wait for its server, with a runtime and without one.
//!
//! A server has threads of its own, and needs no runtime to run. A program that has one awaits the server's
//! end; a thread waits for it, because the end of the shards is not a future.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::oneshot,
};

use super::{Running, STACK_BYTES, Server, ServerError, Signals};

/// Refuses to block the only thread of a runtime: what else is on it, a pool of connections for instance,
/// would stand still as long as the server runs.
pub(super) fn may_block() -> Result<(), ServerError> {
    let is_alone =
        |runtime: Handle| matches!(runtime.runtime_flavor(), RuntimeFlavor::CurrentThread);
    if Handle::try_current().is_ok_and(is_alone) {
        return Err(ServerError::WouldBlock);
    }
    Ok(())
}

/// A server that another thread stops when it is told to: at the latest when this is dropped.
struct Served {
    tell: SyncSender<()>,
    ended: oneshot::Receiver<Result<(), ServerError>>,
}

impl Served {
    /// `first` is who tells the thread, besides this.
    fn begin(
        running: Running,
        tell: SyncSender<()>,
        first: Receiver<()>,
    ) -> Result<Self, ServerError> {
        let (told, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("serve".into());
        let thread = thread.stack_size(STACK_BYTES);
        let served = thread.spawn(move || {
            let waited = running.wait(&first);
            let stopped = running.stop();
            let _ = told.send(waited.and(stopped));
        });
        served.map_err(ServerError::Start)?;
        Ok(Self { tell, ended })
    }

    async fn end(&mut self) -> Result<(), ServerError> {
        let ended = (&mut self.ended).await;
        ended.unwrap_or_else(|_| {
            let why = "the thread that waits for the server has ended";
            Err(ServerError::Start(io::Error::other(why)))
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.tell.try_send(()); // it has ended, or has been told
    }
}

impl Server {
    /// Starts the server and waits for SIGINT or SIGTERM, then stops it. A second signal ends the
    /// process at once ([`Signals`]). It blocks the thread: a program that has a runtime awaits [`Server::serve`].
    ///
    /// ```no_run
    /// use stentor::prelude::*;
    ///
    /// fn main() -> stentor::Result {
    ///     Server::new().listen("127.0.0.1:3000").run()
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ServerError`]; [`ServerError::WouldBlock`], before anything is started, in a tokio runtime that has only this thread.
    pub fn run(self) -> Result<(), ServerError> {
        may_block()?;
        let signals = Signals::catch()?;
        let running = self.start()?;
        running.wait_for(signals)?;
        running.stop()
    }

    /// Starts the server, serves until SIGINT or SIGTERM, and stops it: [`Server::run`] for a program that has a
    /// runtime, which goes on meanwhile. It can be awaited in any runtime, and by any executor.
    ///
    /// If the future is dropped before it ends the server stops nevertheless, without being waited for;
    /// [`Server::serve_until`] ends when something else than a signal says so.
    ///
    /// ```no_run
    /// use stentor::prelude::*;
    ///
    /// #[tokio::main]
    /// async fn main() -> stentor::Result {
    ///     Server::new().listen("127.0.0.1:3000").serve().await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn serve(self) -> Result<(), ServerError> {
        let (signals, tell) = Signals::catch_or_told()?;
        let running = self.start()?;
        Served::begin(running, tell, signals.first)?.end().await
    }

    /// Starts the server, serves until `end` is done, and stops it. Signals are the program's affair.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> stentor::Result {
    /// let end = tokio::time::sleep(Duration::from_millis(1));
    /// Server::new().listen("127.0.0.1:0").serve_until(end).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn serve_until(self, end: impl Future<Output = ()>) -> Result<(), ServerError> {
        self.start()?.serve_until(end).await
    }
}

impl Running {
    /// Serves until SIGINT or SIGTERM, which are caught from now on, and stops: [`Running::wait_for_signal`] and
    /// [`Running::stop`] for a program that has a runtime. [`Server::serve`] has it all; this is for those who want to
    /// know the address first.
    ///
    /// ```no_run
    /// use stentor::prelude::*;
    ///
    /// #[tokio::main]
    /// async fn main() -> stentor::Result {
    ///     let running = Server::new().listen("127.0.0.1:0").start()?;
    ///     println!("listening on http://{}", running.address());
    ///     running.serve().await
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Running::wait_for_signal`] and [`Running::stop`].
    pub async fn serve(self) -> Result<(), ServerError> {
        if self.parted {
            return Err(ServerError::SignalsTooLate);
        }
        let (signals, tell) = Signals::catch_or_told()?;
        Served::begin(self, tell, signals.first)?.end().await
    }

    /// Serves until `end` is done, and stops: [`Running::stop`] for a program that has a runtime, where it does not block. Signals
    /// are the program's affair, so that one signal can end the server and whatever is beside it. If the future
    /// is dropped the server stops nevertheless, without being waited for.
    ///
    /// `running.serve_until(async {})` stops at once.
    ///
    /// ```
    /// use stentor::prelude::*;
    /// use tokio::sync::oneshot;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> stentor::Result {
    /// let running = Server::new().listen("127.0.0.1:0").start()?;
    /// println!("listening on http://{}", running.address());
    /// let (stop, stopped) = oneshot::channel::<()>();
    /// tokio::spawn(async move { stop.send(()) }); // what decides when it is time
    /// running.serve_until(async { drop(stopped.await) }).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Running::stop`]; [`ServerError::ShardDied`] and [`ServerError::ShardFailed`] as soon as a shard has ended.
    pub async fn serve_until(self, end: impl Future<Output = ()>) -> Result<(), ServerError> {
        let (tell, told) = sync_channel(1);
        let mut served = Served::begin(self, tell, told)?;
        tokio::select! {
            ended = served.end() => return ended,
            () = end => {}
        }
        let _ = served.tell.try_send(());
        served.end().await
    }
}
