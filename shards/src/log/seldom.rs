//! Answers: when is something said in the log that happens over and over.

use stentor_engine::time::Tick;

/// What is told the first time, is told again after so long, with how often it has happened.
const AGAIN_MS: u64 = 10_000;

/// One thing that may happen often.
#[derive(Debug)]
pub(crate) struct Seldom {
    next: Tick,
    count: u64,
}

impl Default for Seldom {
    fn default() -> Self {
        let (next, count) = (Tick(0), 0);
        Self { next, count }
    }
}

impl Seldom {
    /// It has happened: how often since it was last told, if it is to be told now.
    pub(crate) fn note(&mut self, now: Tick) -> Option<u64> {
        self.count += 1;
        if now < self.next {
            return None;
        }
        self.next = Tick(now.0.saturating_add(AGAIN_MS));
        Some(std::mem::take(&mut self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_and_then_every_ten_seconds() {
        let mut seldom = Seldom::default();
        let told = (0..250).filter_map(|nth| seldom.note(Tick(nth * 100)));
        assert_eq!(told.collect::<Vec<_>>(), [1, 100, 100]);
        assert_eq!(seldom.note(Tick(90_000)), Some(50));
    }
}
