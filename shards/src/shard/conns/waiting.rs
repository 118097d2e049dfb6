//! Answers: which connections have waited for as long as all of their kind may?

use std::collections::VecDeque;

use stentor_engine::time::Tick;

use super::ConnKey;

/// Deadlines so close together are one.
pub(crate) const TOGETHER_MS: u64 = 100;

/// Connections that all wait for the same length of time: deadlines come in the order of arrival,
/// and those of a tenth of a second share one, so that a connection costs its key and little more.
#[derive(Debug, Default)]
pub(super) struct Waiting(VecDeque<(Tick, Vec<ConnKey>)>);

impl Waiting {
    /// Adds a connection that is due at `due`, or up to [`TOGETHER_MS`] later.
    pub(super) fn add(&mut self, due: Tick, key: ConnKey) {
        match self.0.back_mut() {
            Some((last, keys)) if due <= *last => keys.push(key),
            _ => self
                .0
                .push_back((Tick(due.0.saturating_add(TOGETHER_MS)), vec![key])),
        }
    }

    pub(super) fn first(&self) -> Option<Tick> {
        self.0.front().map(|(due, _)| *due)
    }

    pub(super) fn retain(&mut self, waits: impl Fn(&ConnKey) -> bool) {
        for (_, keys) in &mut self.0 {
            keys.retain(&waits);
            keys.shrink_to_fit();
        }
        self.0.retain(|(_, keys)| !keys.is_empty());
        self.0.shrink_to_fit();
    }

    pub(super) fn due(&mut self, now: Tick) -> Vec<ConnKey> {
        let mut due = Vec::new();
        while let Some((_, keys)) = self.0.pop_front_if(|(due, _)| *due <= now) {
            due.extend(keys);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_gone_is_forgotten() {
        let mut waiting = Waiting::default();
        let key = ConnKey::from_bits;
        for nth in 0..100 {
            waiting.add(Tick(nth * 10), key(nth));
        }
        waiting.retain(|key| key.index() % 50 == 0);
        assert_eq!(waiting.0.len(), 2);
        assert_eq!(waiting.first(), Some(Tick(100)));
        assert_eq!(waiting.due(Tick(9_999)), [key(0), key(50)]);
    }

    #[test]
    fn a_moment_shares_a_deadline() {
        let mut waiting = Waiting::default();
        let key = ConnKey::from_bits;
        waiting.add(Tick(100), key(1));
        waiting.add(Tick(200), key(2));
        waiting.add(Tick(201), key(3));
        assert_eq!(waiting.first(), Some(Tick(200)));
        assert!(waiting.due(Tick(199)).is_empty());
        assert_eq!(waiting.due(Tick(200)), [key(1), key(2)]);
        assert_eq!(waiting.due(Tick(9_999)), [key(3)]);
        assert_eq!(waiting.first(), None);
    }
}
