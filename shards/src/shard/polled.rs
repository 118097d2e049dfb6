//! Answers: what does a connection keep that brings long-polling requests, and until when.
//!
//! One that waits, for its GET's answer or for the next request, keeps nothing but this row.

use std::{collections::BTreeMap, time::Duration};

use stentor_engine::{hub::SessionKey, time::Tick};

use super::conns::{ConnKey, TOGETHER_MS};
use crate::net::response::ResponseOptions;

/// What a connection keeps.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is of its own: none follows from another"
)]
pub(crate) struct Polled {
    /// The session whose GET waits here for its answer.
    pub(crate) parked: Option<SessionKey>,
    /// The POST whose body is coming.
    pub(crate) body: Option<Body>,
    /// What the request that waits has decided about its response.
    pub(crate) options: ResponseOptions,
    /// What has come and is not dealt with: part of a head or body, or what is behind a request
    /// that is not answered yet.
    pub(crate) read: Vec<u8>,
    /// What the peer has not taken of an answer.
    pub(crate) unsent: Vec<u8>,
    /// `read` is a part of a head.
    pub(crate) in_head: bool,
    /// Nothing but preflights has come: the connection may yet go to the shard of its session.
    pub(crate) is_fresh: bool,
    /// The connection ends when `unsent` is gone.
    pub(crate) last: bool,
    /// The peer sends no more: the connection ends when it has all that it asked for.
    pub(crate) ended: bool,
    /// Sessions begun here since something was last fetched or sent for one.
    opened: usize,
    /// Since when they are counted.
    opened_since: Tick,
    /// Bytes of this that are counted as held ([`super::budget`]).
    pub(crate) counted: usize,
    /// When something must have happened.
    due: Tick,
    /// Where it stands in [`Deadlines`].
    listed: Tick,
}

/// A body on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    pub(crate) session: SessionKey,
    pub(crate) len: usize,
    /// When all of it must be here.
    pub(crate) until: Tick,
    /// It is here, and waits ([`super::pauses`]).
    pub(crate) waits: bool,
}

impl Default for Polled {
    fn default() -> Self {
        Self {
            parked: None,
            body: None,
            options: ResponseOptions::default(),
            read: Vec::new(),
            unsent: Vec::new(),
            in_head: false,
            is_fresh: false,
            last: false,
            ended: false,
            opened: 0,
            opened_since: Tick(0),
            counted: 0,
            due: Tick::NEVER,
            listed: Tick::NEVER,
        }
    }
}

impl Polled {
    /// Whether its entry in the list of deadlines is the one of `moment`.
    pub(super) fn is_listed(&self, moment: Tick) -> bool {
        self.listed == moment
    }

    /// When something must have happened.
    pub(super) fn due(&self) -> Tick {
        self.due
    }

    /// Whether one more session may begin here, of `most` in this time.
    pub(super) fn may_open(&mut self, now: Tick, most: usize, within: Duration) -> bool {
        if self.opened == 0 || now >= self.opened_since.after(within) {
            (self.opened, self.opened_since) = (0, now);
        }
        self.opened += 1;
        self.opened <= most
    }

    /// Something is fetched or sent for a session.
    pub(super) fn serves(&mut self) {
        self.opened = 0;
    }

    /// More has come. Room is made for half as much again, so that a body that drips in is not copied for each
    /// drop, but never for more than the body and what may come behind it.
    pub(super) fn take_in(&mut self, bytes: &[u8]) {
        let need = self.read.len() + bytes.len();
        if need > self.read.capacity() {
            let most = self.body.map_or(need, |body| body.len);
            let room = need.max(most.min(need.saturating_add(need / 2)));
            self.read.reserve_exact(room - self.read.len());
        }
        self.read.extend_from_slice(bytes);
    }

    /// Bytes that are held here.
    pub(super) fn held_bytes(&self) -> usize {
        self.read.capacity() + self.unsent.capacity()
    }

    /// Whether what comes now must wait for an answer to what came before.
    pub(super) fn is_busy(&self) -> bool {
        let waits = self.body.is_some_and(|body| body.waits);
        waits || self.parked.is_some() || !self.unsent.is_empty()
    }
}

/// Deadlines of connections that change often. A connection stands in the list where it was put
/// first, and is put elsewhere when that time comes: moving a deadline later costs nothing, and one
/// entry serves a connection through many requests. Those of a tenth of a second share an
/// entry.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeMap<Tick, Vec<ConnKey>>);

impl Deadlines {
    /// Sets the time by which something must have happened on a connection.
    pub(super) fn set(&mut self, key: ConnKey, polled: &mut Polled, due: Tick) {
        polled.due = due;
        if due < polled.listed {
            self.list(key, polled);
        }
    }

    fn list(&mut self, key: ConnKey, polled: &mut Polled) {
        let moment = polled
            .due
            .0
            .div_ceil(TOGETHER_MS)
            .saturating_mul(TOGETHER_MS);
        polled.listed = Tick(moment);
        self.0.entry(polled.listed).or_default().push(key);
    }

    /// Keeps the entries that `stands` confirms.
    pub(super) fn retain(&mut self, stands: impl Fn(Tick, &ConnKey) -> bool) {
        self.0.retain(|moment, keys| {
            keys.retain(|key| stands(*moment, key));
            keys.shrink_to_fit();
            !keys.is_empty()
        });
    }

    pub(super) fn first(&self) -> Option<Tick> {
        self.0.first_key_value().map(|(due, _)| *due)
    }

    /// Takes what was listed up to now; each is to be given to [`Self::check`].
    pub(super) fn take(&mut self, now: Tick) -> Option<(Tick, Vec<ConnKey>)> {
        let first = self.0.first_entry().filter(|first| *first.key() <= now)?;
        Some(first.remove_entry())
    }

    /// Whether a connection that was listed for `moment` is late. If not, it is listed again when
    /// there is need.
    pub(super) fn check(
        &mut self,
        key: ConnKey,
        polled: &mut Polled,
        moment: Tick,
        now: Tick,
    ) -> bool {
        if polled.listed != moment {
            return false; // it was put earlier since
        }
        polled.listed = Tick::NEVER;
        let late = polled.due <= now;
        if !late && polled.due != Tick::NEVER {
            self.list(key, polled);
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those that are late at `now`.
    fn late(deadlines: &mut Deadlines, polled: &mut [Polled], now: Tick) -> Vec<usize> {
        let mut late = Vec::new();
        while let Some((moment, keys)) = deadlines.take(now) {
            for key in keys {
                let n = key.index() as usize;
                if deadlines.check(key, &mut polled[n], moment, now) {
                    late.push(n);
                }
            }
        }
        late
    }

    #[test]
    fn entries_that_do_not_stand_go() {
        let mut deadlines = Deadlines::default();
        let mut polled = [Polled::default(), Polled::default(), Polled::default()];
        for (n, due) in [(0, 5_000), (1, 5_000), (2, 7_000)] {
            deadlines.set(ConnKey::from_bits(n), &mut polled[n as usize], Tick(due));
        }
        deadlines.set(ConnKey::from_bits(1), &mut polled[1], Tick(3_000));
        deadlines.retain(|moment, key| {
            let n = key.index() as usize;
            n != 2 && polled[n].is_listed(moment)
        });
        let listed: Vec<_> = deadlines
            .0
            .iter()
            .map(|(at, keys)| (at.0, keys.len()))
            .collect();
        assert_eq!(listed, [(3_000, 1), (5_000, 1)]);
    }

    #[test]
    fn sessions_are_begun_and_used_in_turn() {
        let mut polled = Polled::default();
        let mut opens = |now| polled.may_open(Tick(now), 3, Duration::from_secs(45));
        assert_eq!(
            [opens(0), opens(0), opens(1), opens(44_999)],
            [true, true, true, false]
        );
        assert!(opens(45_000), "health checks may go on for ever");
        for _ in 0..10 {
            let mut opens = || polled.may_open(Tick(45_001), 3, Duration::from_secs(45));
            assert!(opens() && opens());
            polled.serves();
        }
    }

    #[test]
    fn one_entry_follows_a_deadline() {
        let mut deadlines = Deadlines::default();
        let mut polled = [Polled::default(), Polled::default()];
        let key = |n: u64| ConnKey::from_bits(n);
        deadlines.set(key(0), &mut polled[0], Tick(60_000));
        deadlines.set(key(1), &mut polled[1], Tick(60_000));
        deadlines.set(key(1), &mut polled[1], Tick(10_000)); // a request begins
        for n in 0..100 {
            deadlines.set(key(1), &mut polled[1], Tick(61_001 + n)); // and another, and another
        }
        assert_eq!(deadlines.first(), Some(Tick(10_000)));
        assert!(late(&mut deadlines, &mut polled, Tick(10_000)).is_empty());
        assert_eq!(deadlines.first(), Some(Tick(60_000)));
        assert_eq!(late(&mut deadlines, &mut polled, Tick(60_000)), [0]);
        assert_eq!(deadlines.first(), Some(Tick(61_100)));
        deadlines.set(key(1), &mut polled[1], Tick::NEVER); // its GET is parked
        assert!(late(&mut deadlines, &mut polled, Tick(99_000)).is_empty());
        assert_eq!(deadlines.first(), None);
    }
}
