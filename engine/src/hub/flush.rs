//! Answers: how does a hub's turn end, all at once or slice by slice?

use alloc::vec::Vec;

use super::{Ending, Hub, SessionKey, Sessions, Transmit};
use crate::{error::CloseReason, out::Flushed, time::Tick};

impl Hub {
    /// Whether [`Hub::flush`] has something to do: packets were encoded in this turn.
    #[inline]
    #[must_use]
    pub const fn has_output(&self) -> bool {
        self.sessions.dirty() > 0 || self.sessions.palette.has_new()
    }

    /// Whether so much is queued that some has to leave ([`Hub::flush_all`]) before user code or mail
    /// queues more: who emits in a loop meets the bounds of the receivers and not the end of memory.
    #[inline]
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.sessions.palette.is_full()
    }

    /// How many sessions wait for [`Hub::flush_slice`].
    #[inline]
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.sessions.waiting()
    }

    /// Every session that was given something gets one write or its poll's answer, if they are no more
    /// than [`crate::limits::Limits::slice_sessions`]; else they wait for [`Hub::flush_slice`].
    /// Broken and slow connections are closed, which may bring new events.
    pub fn flush(&mut self, now: Tick, io: &mut impl Transmit) {
        self.it_is(now);
        self.flush_by(now, io, |sessions, io, failed| {
            sessions.flush(now, io, failed);
        });
    }

    /// The same for some of the sessions that wait: one of the [`crate::limits::SLICE_PARTS`] of a slice.
    pub fn flush_slice(&mut self, now: Tick, io: &mut impl Transmit) {
        self.it_is(now);
        self.flush_by(now, io, |sessions, io, failed| {
            sessions.flush(now, io, failed);
            sessions.flush_slice(now, io, failed);
        });
    }

    /// The same for all, however many they are.
    pub fn flush_all(&mut self, now: Tick, io: &mut impl Transmit) {
        self.it_is(now);
        self.flush(now, io);
        while self.waiting() > 0 {
            self.flush_slice(now, io);
        }
    }

    fn flush_by<I: Transmit>(
        &mut self,
        now: Tick,
        io: &mut I,
        flush: impl Fn(&mut Sessions, &mut I, &mut Vec<(SessionKey, Flushed)>),
    ) {
        let mut failed = Vec::new();
        flush(&mut self.sessions, io, &mut failed);
        while !failed.is_empty() {
            for (key, flushed) in core::mem::take(&mut failed) {
                let reason = match flushed {
                    Flushed::Failed => CloseReason::TransportError,
                    Flushed::Done | Flushed::Blocked => CloseReason::SlowConsumer,
                };
                self.close_slow(now, key, reason);
            }
            // Closing queues more, and the packets live until that has left too.
            self.sessions.flush(now, io, &mut failed);
        }
        self.sessions.end_turn();
    }

    /// A slow consumer does not read, so it would not read a close frame either; 1013 is for the record
    /// of those who watch the wire.
    pub(super) fn close_slow(&mut self, now: Tick, key: SessionKey, reason: CloseReason) {
        let code = (reason == CloseReason::SlowConsumer).then_some(1013);
        self.close(now, key, reason, Ending::Abrupt(code));
    }
}
