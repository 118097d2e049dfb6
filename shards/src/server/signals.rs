//! Answers: when does the operator want the server to stop, and when at once.

use std::{
    io, process,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{STACK_BYTES, ServerError};

/// SIGINT and SIGTERM, caught from when this is made: before a server says that it listens, so that
/// who reads that may stop it at once.
///
/// The first is for who waits ([`super::Running::wait_for`]). Each one after it, and the first if this has been
/// dropped, ends the process at once, with status 128 and the signal's number: an operator who asks
/// twice does not want to wait for what hangs.
#[derive(Debug)]
pub struct Signals {
    pub(super) first: Receiver<()>,
}

/// Both, on a runtime of their own, which is not to be dropped where another runs.
struct Caught {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// [`ServerError::Start`] if that is not possible.
    pub fn catch() -> Result<Self, ServerError> {
        Ok(Self::catch_or_told()?.0)
    }

    /// The same; who has the other end can say what the first signal says.
    pub(super) fn catch_or_told() -> Result<(Self, SyncSender<()>), ServerError> {
        let fail = |why: String| ServerError::Start(io::Error::other(why));
        let (tell, first) = sync_channel(1);
        let also = tell.clone();
        let (ready, is_ready) = sync_channel(1);
        let thread = thread::Builder::new().name("signals".into());
        let thread = thread.stack_size(STACK_BYTES);
        let thread = thread.spawn(move || match Caught::catch() {
            Ok(caught) => {
                let _ = ready.send(Ok(()));
                caught.pass_on(&tell);
            }
            Err(error) => drop(ready.send(Err(error))),
        });
        let thread = thread.map_err(|error| fail(format!("no thread for signals: {error}")))?;
        match is_ready.recv() {
            Ok(Ok(())) => Ok((Self { first }, also)),
            Ok(Err(error)) => Err(fail(format!("signals cannot be caught: {error}"))),
            // tokio panics where it lacks a descriptor.
            Err(_) => {
                let panic = thread.join().err();
                let why = panic.map_or_else(String::new, super::words);
                Err(fail(format!("signals cannot be caught: {why}")))
            }
        }
    }
}

impl Caught {
    fn catch() -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build()?;
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(entered);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    fn next(&mut self) -> i32 {
        let (terminate, interrupt) = (&mut self.terminate, &mut self.interrupt);
        self.runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => SignalKind::terminate().as_raw_value(),
                _ = interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            }
        })
    }

    fn pass_on(mut self, tell: &SyncSender<()>) {
        let first = self.next();
        // Full: it has been told to end by who has the other end, and this one counts with that.
        if let Err(TrySendError::Disconnected(())) = tell.try_send(()) {
            process::exit(128 + first);
        }
        let second = self.next();
        process::exit(128 + second);
    }
}
