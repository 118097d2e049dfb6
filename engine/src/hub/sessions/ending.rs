//! Answers: whose time is up, and how does a session end.

use core::{cell::Cell, fmt};

use super::{
    ConnId, Due, Ending, Entry, Expired, Outlet, SessionKey, Sessions, Signal, Tick, Vec, trimmed,
};

/// A session whose time is up but whose input was not looked at yet is asked again after so long.
const ASK_AGAIN_MS: u64 = 50;

/// What the shell has read of what peers have sent. A peer's time is up only when everything was
/// handled that came before: its answer may lie there.
pub struct Seen<'a> {
    /// All that reached connections of this shard before this moment was handled.
    pub here: Tick,
    /// The same for connections of all shards: a request for a session may come over any.
    pub everywhere: Tick,
    /// Whether this connection is known to have more than was read.
    pub unread: &'a dyn Fn(ConnId) -> bool,
    /// Set if the time of a session that polls would be up, were `everywhere` now.
    pub asked: &'a Cell<bool>,
}

impl fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("here", &self.here)
            .field("everywhere", &self.everywhere)
            .finish_non_exhaustive()
    }
}

impl<'a> Seen<'a> {
    /// All that came before this moment.
    #[must_use]
    pub fn all(now: Tick, asked: &'a Cell<bool>) -> Self {
        Self {
            here: now,
            everywhere: now,
            unread: &|_| false,
            asked,
        }
    }
}

/// The moment by which a session may be judged.
fn judged(entry: &Entry, now: Tick, seen: &Seen<'_>) -> Tick {
    let conn = entry.session.outlet().websocket();
    let reads = conn.or_else(|| entry.session.probing());
    let unread = reads.is_some_and(seen.unread);
    // What waits was not sent yet, a ping maybe.
    if unread || entry.waiting {
        return Tick(0);
    }
    let seen = if conn.is_some() {
        seen.here
    } else {
        seen.everywhere
    };
    now.min(seen)
}

/// How a WebSocket ends whose peer takes no more.
const fn last_signal(conn: ConnId, cut: bool, code: Option<u16>) -> Signal {
    if cut {
        Signal::Cut(conn)
    } else {
        Signal::Close(conn, code)
    }
}

impl Sessions {
    // ---- time ----

    /// Wants to be told at `at`; [`Tick::NEVER`] to forget it.
    pub(in crate::hub) fn set_client_deadline(&mut self, key: SessionKey, at: Tick) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.client_due = at;
            self.arm(key);
        }
    }

    pub(super) fn arm(&mut self, key: SessionKey) {
        if let Some(entry) = self.slab.get(key) {
            self.wheel
                .set(key.index(), entry.session.deadline().min(entry.client_due));
        }
    }

    /// The next moment at which [`Sessions::advance`] has something to do.
    #[must_use]
    pub(in crate::hub) fn deadline(&self) -> Option<Tick> {
        let slow = self.slow_deadline();
        self.wheel.next().into_iter().chain(slow).min()
    }

    /// Moves time on: pings are queued, the rest is reported.
    pub(in crate::hub) fn advance(&mut self, now: Tick, seen: &Seen<'_>, report: &mut Vec<Due>) {
        let mut due = core::mem::take(&mut self.due);
        self.wheel.advance(now, &mut due);
        for slot in due.drain(..) {
            self.expire(now, seen, self.slab.key_at(slot), report);
        }
        self.due = due;
        self.judge_slow(now.min(seen.here), report);
    }

    fn expire(&mut self, now: Tick, seen: &Seen<'_>, key: SessionKey, report: &mut Vec<Due>) {
        loop {
            let Some(entry) = self.slab.get_mut(key) else {
                return;
            };
            let judged = judged(entry, now, seen);
            if entry.client_due <= judged {
                entry.client_due = Tick::NEVER;
                report.push(Due::Client(key));
            }
            match entry.session.expire(now, judged, &self.config) {
                Expired::No => break,
                Expired::SendPing => {
                    let ping = self.palette.ping();
                    self.push(key.index(), ping);
                }
                Expired::PingTimeout => {
                    report.push(Due::PingTimeout(key));
                    return; // the caller closes the session, which sets its timer
                }
                Expired::UpgradeTimeout(conn) => self.signals.push_back(Signal::Close(conn, None)),
                Expired::Gone => {
                    if let Outlet::WebSocket(conn) = entry.session.outlet() {
                        let cut = entry.outbox.is_cut();
                        self.signals.push_back(last_signal(conn, cut, None));
                    }
                    self.remove(key);
                    return;
                }
            }
        }
        if let Some(entry) = self.slab.get(key) {
            let next = entry.session.deadline().min(entry.client_due);
            let again = Tick(now.0.saturating_add(ASK_AGAIN_MS));
            if next <= now && entry.session.outlet().websocket().is_none() {
                seen.asked.set(true);
            }
            self.wheel
                .set(key.index(), if next <= now { again } else { next });
        }
    }

    // ---- closing ----

    /// Closes an open session. The layer above has been told already.
    pub(in crate::hub) fn close(&mut self, now: Tick, key: SessionKey, ending: Ending) {
        let Some(entry) = self.slab.get_mut(key) else {
            return;
        };
        if !entry.session.is_open() {
            return;
        }
        entry.held = false;
        let outlet = entry.session.outlet();
        let takes = matches!(outlet, Outlet::WebSocket(_)) && !entry.blocked;
        let cut = entry.outbox.is_cut();
        if ending != Ending::Polite && !takes {
            entry.outbox.discard(&mut self.held);
        }
        entry.client_due = Tick::NEVER;
        let code = match ending {
            Ending::Abrupt(code) => code,
            Ending::Polite | Ending::ByPeer => None,
        };
        let probing = entry.session.probing();
        entry.session.close(now, ending == Ending::ByPeer, code);
        let still_probing = entry.session.probing().is_some();
        if let Some(conn) = probing.filter(|_| !still_probing) {
            self.signals.push_back(Signal::Close(conn, None));
        }
        match (ending, outlet) {
            (Ending::Abrupt(_) | Ending::ByPeer, Outlet::WebSocket(conn)) if !takes => {
                self.signals.push_back(last_signal(conn, cut, code));
                self.remove(key);
            }
            (Ending::Abrupt(_) | Ending::ByPeer, Outlet::None) if !still_probing => {
                self.remove(key);
            }
            (Ending::Polite, _) | (_, Outlet::Poll | Outlet::WebSocket(_) | Outlet::None) => {
                self.arm(key);
                self.mark_dirty(key);
            }
        }
    }

    /// Ends a session that is closing although it has not been sent all that was queued.
    pub(in crate::hub) fn give_up(&mut self, key: SessionKey) {
        let Some(entry) = self.slab.get(key) else {
            return;
        };
        if entry.session.is_open() {
            return;
        }
        if let Outlet::WebSocket(conn) = entry.session.outlet() {
            let cut = entry.outbox.is_cut();
            self.signals.push_back(last_signal(conn, cut, None));
        }
        self.remove(key);
    }

    fn unlist(&mut self, key: SessionKey) {
        let Some(sid) = self.sid(key) else { return };
        if let Ok(slot) = self
            .by_sid
            .find_entry(sid.hash64(), |slot| *slot == key.index())
        {
            slot.remove();
        }
        let (slab, table) = (&self.slab, &mut self.by_sid);
        if let Some(rows) = trimmed(table.len(), table.capacity()) {
            let hash = |slot: &u32| slab.at(*slot).map_or(0, |entry| entry.sid.hash64());
            table.shrink_to(rows, hash);
        }
    }

    /// The session is gone, and nothing probes for it any more.
    pub(super) fn remove(&mut self, key: SessionKey) {
        self.unlist(key);
        if let Some(entry) = self.slab.get_mut(key) {
            entry.outbox.discard(&mut self.held);
        }
        self.wheel.cancel(key.index());
        let gone = self.slab.remove(key);
        if let Some(conn) = gone.and_then(|entry| entry.session.probing()) {
            self.signals.push_back(Signal::Close(conn, None));
        }
    }
}
