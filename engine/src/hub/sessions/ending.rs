//! Answers: whose time is up, and how does a session end.

use super::{
    ConnId, Due, Ending, Entry, Expired, Key, Outlet, Sessions, Signal, Tick, Vec, trimmed,
};

/// How a WebSocket ends whose peer takes no more.
const fn last_signal(conn: ConnId, cut: bool, code: Option<u16>) -> Signal {
    if cut {
        Signal::Cut(conn)
    } else {
        Signal::Close(conn, code)
    }
}

impl<A> Sessions<A> {
    // ---- time ----

    /// Wants to be told at `at`; [`Tick::NEVER`] to forget it.
    pub fn set_app_deadline(&mut self, key: Key<Entry<A>>, at: Tick) {
        if let Some(entry) = self.slab.get_mut(key) {
            entry.app_due = at;
            self.arm(key);
        }
    }

    pub(super) fn arm(&mut self, key: Key<Entry<A>>) {
        if let Some(entry) = self.slab.get(key) {
            self.wheel
                .set(key.index(), entry.session.deadline().min(entry.app_due));
        }
    }

    /// The next moment at which [`Sessions::advance`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.wheel.next()
    }

    /// Moves time on: pings are queued, the rest is reported.
    pub fn advance(&mut self, now: Tick, report: &mut Vec<Due<A>>) {
        let mut due = core::mem::take(&mut self.due);
        self.wheel.advance(now, &mut due);
        for slot in due.drain(..) {
            self.expire(now, self.slab.key_at(slot), report);
        }
        self.due = due;
    }

    fn expire(&mut self, now: Tick, key: Key<Entry<A>>, report: &mut Vec<Due<A>>) {
        loop {
            let Some(entry) = self.slab.get_mut(key) else {
                return;
            };
            if entry.app_due <= now {
                entry.app_due = Tick::NEVER;
                report.push(Due::App(key));
            }
            match entry.session.expire(now, &self.config) {
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
        self.arm(key);
    }

    // ---- closing ----

    /// Closes an open session. The layer above has been told already.
    pub fn close(&mut self, now: Tick, key: Key<Entry<A>>, ending: Ending) {
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
            entry.outbox.discard();
        }
        entry.app_due = Tick::NEVER;
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
    pub fn give_up(&mut self, key: Key<Entry<A>>) {
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

    fn unlist(&mut self, key: Key<Entry<A>>) {
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
    pub(super) fn remove(&mut self, key: Key<Entry<A>>) {
        self.unlist(key);
        self.wheel.cancel(key.index());
        let gone = self.slab.remove(key);
        if let Some(conn) = gone.and_then(|entry| entry.session.probing()) {
            self.signals.push_back(Signal::Close(conn, None));
        }
    }
}
