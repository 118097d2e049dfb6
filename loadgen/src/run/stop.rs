//! Answers: has someone asked for the run's end, and who.
//!
//! Must not know what ends then.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// Who asked for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Ctrl-C, or SIGINT.
    Interrupt = 1,
    /// SIGTERM.
    Terminate = 2,
    /// `q` or Escape on the live screen.
    Key = 3,
}

impl Asker {
    /// As it is told.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::Key => "q",
        }
    }
}

/// The wish to end a run early; copies share it.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

impl Stop {
    /// One that a first Ctrl-C or SIGTERM sets. A second ends the program at once.
    ///
    /// # Errors
    /// When the signals cannot be had.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let again = Arc::new(AtomicBool::new(false));
        for (signal, code, asker) in [
            (SIGINT, 130, Asker::Interrupt),
            (SIGTERM, 143, Asker::Terminate),
        ] {
            // In this order: the first signal must not find its own mark.
            flag::register_conditional_shutdown(signal, code, again.clone())?;
            flag::register(signal, again.clone())?;
            flag::register_usize(signal, stop.0.clone(), asker as usize)?;
        }
        Ok(stop)
    }

    /// Asks for the end.
    pub fn ask(&self, asker: Asker) {
        self.0.store(asker as usize, Relaxed);
    }

    /// Who asked, if anyone did.
    #[must_use]
    pub fn asked(&self) -> Option<Asker> {
        let askers = [Asker::Interrupt, Asker::Terminate, Asker::Key];
        let code = self.0.load(Relaxed);
        askers.into_iter().find(|a| *a as usize == code)
    }
}
