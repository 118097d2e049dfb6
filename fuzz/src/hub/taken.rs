//! Answers: is what a hub says, mails and writes in order, and whole.

use super::{HUBS, Tick, World};

impl World<'_> {
    pub(super) fn passes(&mut self, at: usize) {
        let some = [1, 10, 100, 1_000, 11_000, 31_000, 100_000];
        let wait = self.input.pick(&some).unwrap_or(1);
        self.now = Tick(self.now.0 + wait);
        self.hubs[at].advance(self.now);
    }

    // ---- what a hub says ----

    pub(super) fn events(&mut self, at: usize) {
        while let Some(event) = self.hubs[at].next_event() {
            self.known[at].hears(&event);
            let known = &self.known[at].sockets;
            let fresh = known.values().map(|(key, _)| *key);
            for key in fresh
                .filter(|key| !self.sockets[at].contains(key))
                .collect::<Vec<_>>()
            {
                self.sockets[at].push(key);
            }
        }
    }

    /// Mail leaves, and some of what waits arrives.
    pub(super) fn carries(&mut self, at: usize) {
        let mail: Vec<_> = self.hubs[at].take_mail().collect();
        for (to, mail) in mail {
            assert_ne!(usize::from(to.0), at, "mail to oneself");
            self.mail[at * HUBS + usize::from(to.0)].push_back(mail);
        }
        for from in 0..HUBS {
            for _ in 0..self.input.below(4) {
                if let Some(mail) = self.mail[from * HUBS + at].pop_front() {
                    self.hubs[at].receive_mail(self.now, mail);
                }
            }
        }
    }

    pub(super) fn signals(&mut self, at: usize) {
        while let Some(signal) = self.hubs[at].next_signal() {
            self.wires[at].obey(&signal);
        }
    }

    pub(super) fn flush(&mut self, at: usize) {
        self.hubs[at].flush(self.now, &mut self.wires[at]);
        self.signals(at);
        for (_, body) in std::mem::take(&mut self.wires[at].answers) {
            assert!(!body.is_empty(), "an answer without a packet");
        }
        for (conn, text) in std::mem::take(&mut self.wires[at].frames) {
            self.in_order(at, conn, &text);
        }
    }

    /// A sender's packets come in its order, and each once.
    pub(super) fn in_order(&mut self, at: usize, conn: u64, text: &str) {
        let Some((_, args)) = text.split_once("[\"n\",") else {
            return;
        };
        let mut args = args.split(',');
        let mut number = || args.next().and_then(|arg| arg.parse::<u64>().ok());
        let (Some(from), Some(number)) = (number(), number()) else {
            return;
        };
        let last = self.last.insert((at, conn, from), number);
        assert!(
            last.is_none_or(|last| last < number),
            "{number} after {last:?}"
        );
    }

    // ---- the end ----
}
