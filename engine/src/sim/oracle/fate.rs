//! Answers: does a volatile packet come.
//!
//! It comes to a session whose transport takes it at once and that was given nothing in the same
//! moment (docs/decisions/0007); otherwise it does not. A moment ends with every packet that reaches
//! the hub and with every turn.

use super::Oracle;
use crate::sim::client::What;

/// What becomes of a volatile packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sim) enum Fate {
    Comes,
    Lost,
    /// A ping or the words of an upgrade were queued in this turn: nobody but the hub knows which
    /// was first.
    Either,
}

impl Oracle {
    pub(in crate::sim) fn fate(&self, session: usize) -> Fate {
        let session = &self.sessions[session];
        if !session.open || !session.takes || session.moment == self.moments[session.hub] {
            Fate::Lost
        } else if self.pinged[session.hub] || session.unsure {
            Fate::Either
        } else {
            Fate::Comes
        }
    }

    /// A session was given something that is no packet.
    pub(in crate::sim) fn fills(&mut self, session: usize) {
        let session = &mut self.sessions[session];
        session.moment = self.moments[session.hub];
    }

    /// A message reaches a hub. Which of them begin a moment is the rule of the core: those that
    /// are packets and no pongs.
    pub(super) fn stirs(&mut self, hub: usize, what: &What) {
        let packet = match what {
            What::Connect(..)
            | What::Leave(_)
            | What::Packet(..)
            | What::Part(_)
            | What::Ignored
            | What::Bad(..) => true,
            What::Pong | What::Close | What::Probe | What::BadEngine(_) | What::TooLarge => false,
        };
        self.moments[hub] += u64::from(packet);
    }

    /// The hub's turn is over: all that it queued has left or was put aside.
    /// Where some wait for a later slice, only the hub knows who.
    pub(in crate::sim) fn turn_over(&mut self, hub: usize, waits: bool) {
        self.moments[hub] += 1;
        self.pinged[hub] = false;
        let sessions = self.sessions.iter_mut();
        let here = sessions.filter(|session| session.open && session.hub == hub);
        here.for_each(|session| session.unsure = waits);
    }
}
