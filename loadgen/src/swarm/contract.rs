//! Answers: what was asked of the server and never rightly answered.
//!
//! One mark for each kind of question, over all threads. Must not know how a question travels.

use crate::clock::Nanos;
use crate::plan::LoadKind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// A message of a load.
    Message(LoadKind),
    /// To be let in: from the first dial to the answer of CONNECT.
    Connect,
    /// To be let into a room.
    Join,
}

impl Question {
    const COUNT: usize = LoadKind::COUNT + 2;

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let loads = LoadKind::ALL.into_iter().map(Self::Message);
        loads.chain([Self::Connect, Self::Join])
    }

    /// Its place among all.
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::Message(kind) => kind as usize,
            Self::Connect => LoadKind::COUNT,
            Self::Join => LoadKind::COUNT + 1,
        }
    }
}

#[derive(Debug)]
struct Mark {
    /// When it was first asked; [`Nanos::MAX`] before.
    asked: AtomicU64,
    answered: AtomicBool,
}

/// The marks.
#[derive(Debug)]
pub struct Contract([Mark; Question::COUNT]);

impl Default for Contract {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mark {
            asked: AtomicU64::new(Nanos::MAX),
            answered: AtomicBool::new(false),
        }))
    }
}

impl Contract {
    /// Notes that a question is asked. Threads that ask at the same moment may each be the first.
    pub fn ask(&self, question: Question, now: Nanos) {
        let asked = &self.0[question.place()].asked;
        if asked.load(Relaxed) == Nanos::MAX {
            asked.store(now, Relaxed);
        }
    }

    /// Notes a right answer.
    pub fn answer(&self, question: Question) {
        let answered = &self.0[question.place()].answered;
        if !answered.load(Relaxed) {
            answered.store(true, Relaxed);
        }
    }

    /// When a question was first asked that has had no right answer since.
    #[must_use]
    pub fn unanswered_since(&self, question: Question) -> Option<Nanos> {
        let mark = &self.0[question.place()];
        let asked = mark.asked.load(Relaxed);
        (asked != Nanos::MAX && !mark.answered.load(Relaxed)).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_waits_from_its_first_asking_to_its_first_answer() {
        let contract = Contract::default();
        let echo = Question::Message(LoadKind::Echo);
        assert_eq!(contract.unanswered_since(echo), None);
        contract.ask(echo, 5);
        contract.ask(echo, 9);
        contract.ask(Question::Join, 7);
        assert_eq!(contract.unanswered_since(echo), Some(5));
        contract.answer(echo);
        assert_eq!(contract.unanswered_since(echo), None);
        assert_eq!(contract.unanswered_since(Question::Join), Some(7));
        assert_eq!(
            Question::all().map(Question::place).max(),
            Some(Question::COUNT - 1)
        );
    }
}
