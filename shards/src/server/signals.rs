//! Answers: when does the operator want the server to stop.

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::ServerError;

/// SIGINT and SIGTERM, caught from when this is made: before a server says that it listens, so that
/// who reads that may stop it at once.
#[derive(Debug)]
pub struct Signals {
    pub(super) runtime: Runtime,
    pub(super) terminate: Signal,
    pub(super) interrupt: Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// [`ServerError::Start`] if that is not possible.
    pub fn catch() -> Result<Self, ServerError> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().map_err(ServerError::Start)?;
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate()).map_err(ServerError::Start)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Start)?;
        drop(entered);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }
}
