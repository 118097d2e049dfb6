//! Answers: what does a connection keep that brings long-polling requests, and until when.
//!
//! One that waits, for its GET's answer or for the next request, keeps nothing but this row.

use std::{collections::BTreeMap, time::Duration};

use stentor_engine::{hub::SessionKey, time::Tick};

use super::conns::{ConnKey, TOGETHER_MS};
use crate::net::{
    request::{Phase, Reader},
    response::ResponseOptions,
};

/// What a connection keeps.
#[derive(Debug)]
pub(crate) struct Polled {
    /// Its requests. Elsewhere while it is fed.
    pub(crate) reader: Reader,
    /// The session of the request that waits: for its GET's answer, for its POST's body, or with that
    /// (`edge/order.rs`).
    pub(crate) session: Option<SessionKey>,
    /// When all of that body must be here; `NEVER` if it came with its head.
    pub(crate) body_until: Tick,
    /// What the request that waits has decided about its response.
    pub(crate) options: ResponseOptions,
    /// What the peer has not taken of an answer.
    pub(crate) unsent: Vec<u8>,
    /// The peer sends no more: the connection ends when it has all that it asked for.
    pub(crate) ended: bool,
    /// Nothing but preflights has come: the connection may yet go to the shard of its session.
    pub(crate) is_fresh: bool,
    /// Sessions begun here since something was last fetched or sent for one.
    opened: u32,
    /// Since when they are counted.
    opened_since: Tick,
    /// Bytes of this that are counted as held (`turn/holders.rs`).
    pub(crate) counted: usize,
    /// When something must have happened.
    due: Tick,
    /// Where it stands in [`Deadlines`].
    listed: Tick,
}

/// A client that polls with one connection costs one of them.
const _: () = assert!(size_of::<Polled>() <= 136);

impl Default for Polled {
    fn default() -> Self {
        Self {
            reader: Reader::default(),
            session: None,
            body_until: Tick::NEVER,
            options: ResponseOptions::default(),
            unsent: Vec::new(),
            ended: false,
            is_fresh: false,
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
    pub(crate) fn is_listed(&self, moment: Tick) -> bool {
        self.listed == moment
    }

    /// When something must have happened.
    pub(crate) fn due(&self) -> Tick {
        self.due
    }

    /// Whether one more session may begin here, of `most` in this time.
    pub(crate) fn may_open(&mut self, now: Tick, most: usize, within: Duration) -> bool {
        if self.opened == 0 || now >= self.opened_since.after(within) {
            (self.opened, self.opened_since) = (0, now);
        }
        self.opened = self.opened.saturating_add(1);
        self.opened as usize <= most
    }

    /// Something is fetched or sent for a session.
    pub(crate) fn serves(&mut self) {
        self.opened = 0;
    }

    /// The session whose GET waits here for its answer.
    pub(crate) fn parked(&self) -> Option<SessionKey> {
        self.session.filter(|_| self.reader.phase() == Phase::Busy)
    }

    /// The session whose POST is held here.
    pub(crate) fn held(&self) -> Option<SessionKey> {
        let is_held = matches!(self.reader.phase(), Phase::Held(_));
        self.session.filter(|_| is_held)
    }

    /// The session whose POST's body is coming, or is held.
    pub(crate) fn posting(&self) -> Option<SessionKey> {
        let is_post = matches!(self.reader.phase(), Phase::Body(_) | Phase::Held(_));
        self.session.filter(|_| is_post)
    }

    /// Gives that POST up, and reads nothing more.
    pub(crate) fn give_up_post(&mut self) -> Option<SessionKey> {
        let session = self.posting()?;
        (self.session, self.body_until) = (None, Tick::NEVER);
        self.reader.end();
        Some(session)
    }

    /// Bytes that are held here.
    pub(crate) fn held_bytes(&self) -> usize {
        self.reader.held_bytes() + self.unsent.capacity()
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
    pub(crate) fn set(&mut self, key: ConnKey, polled: &mut Polled, due: Tick) {
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
    pub(crate) fn retain(&mut self, stands: impl Fn(Tick, &ConnKey) -> bool) {
        self.0.retain(|moment, keys| {
            keys.retain(|key| stands(*moment, key));
            keys.shrink_to_fit();
            !keys.is_empty()
        });
    }

    pub(crate) fn first(&self) -> Option<Tick> {
        self.0.first_key_value().map(|(due, _)| *due)
    }

    /// Takes what was listed up to now; each is to be given to [`Self::check`].
    pub(crate) fn take(&mut self, now: Tick) -> Option<(Tick, Vec<ConnKey>)> {
        let first = self.0.first_entry().filter(|first| *first.key() <= now)?;
        Some(first.remove_entry())
    }

    /// Whether a connection that was listed for `moment` is late. If not, it is listed again when
    /// there is need.
    pub(crate) fn check(
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
