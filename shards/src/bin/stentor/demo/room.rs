//! Answers: who is in the chat, what was said last, and was this said before.
//!
//! One for all shards. It knows no socket: what is emitted, its caller emits.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use super::words::{Refusal, is_id, text};

/// Messages that a newcomer is given.
pub(super) const HISTORY: usize = 50;
/// Ids of messages that are known again. A page sends a message again when no acknowledgement came, one after
/// the other; so it is enough that others say less than this meanwhile.
const KNOWN_IDS: usize = 2_000;
/// Visitors with at least one tab.
pub(super) const VISITORS: usize = 200;
/// Tabs of all visitors.
const TABS: usize = 400;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Message {
    /// Grows by one with each message: the order that all see.
    pub(super) seq: u64,
    /// As its writer chose it, so that the page that sent it knows it again.
    pub(super) id: String,
    /// The writer's public id.
    pub(super) who: String,
    pub(super) name: String,
    pub(super) text: String,
    /// Milliseconds since 1970, by the server's clock.
    pub(super) at: u64,
}

/// What the writer is told: the message has this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Receipt {
    pub(super) seq: u64,
    pub(super) at: u64,
}

/// A visitor, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
}

/// What came of a visitor's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entered {
    New,
    /// It is here already, under this name.
    Known,
    /// It is here already, and had another name.
    Renamed,
}

#[derive(Debug)]
struct Present {
    name: String,
    tabs: usize,
}

/// The chat.
#[derive(Debug, Default)]
pub(super) struct Room {
    people: BTreeMap<String, Present>,
    tabs: usize,
    seq: u64,
    history: VecDeque<Message>,
    known: HashMap<String, Receipt>,
    order: VecDeque<String>,
}

impl Room {
    pub(super) fn is_full(&self) -> bool {
        self.people.len() >= VISITORS || self.tabs >= TABS
    }

    /// Tabs that are connected.
    pub(super) const fn tabs(&self) -> usize {
        self.tabs
    }

    /// A visitor's tab has connected. While its connection before is not known to be dead it is
    /// counted twice, and nobody sees it leave.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub(super) fn enter(&mut self, id: &str, name: String) -> Result<Entered, Refusal> {
        if self.is_full() && (self.tabs >= TABS || !self.people.contains_key(id)) {
            return Err(Refusal::Full);
        }
        self.tabs += 1;
        let Some(known) = self.people.get_mut(id) else {
            self.people.insert(id.to_owned(), Present { name, tabs: 1 });
            return Ok(Entered::New);
        };
        known.tabs += 1;
        if known.name == name {
            return Ok(Entered::Known);
        }
        known.name = name;
        Ok(Entered::Renamed)
    }

    /// One connection of a visitor has ended; its name if it was the last.
    pub(super) fn leave(&mut self, id: &str) -> Option<String> {
        let known = self.people.get_mut(id)?;
        self.tabs -= 1;
        known.tabs -= 1;
        (known.tabs == 0).then(|| self.people.remove(id).map(|gone| gone.name))?
    }

    /// False if there is no such visitor.
    pub(super) fn rename(&mut self, id: &str, name: &str) -> bool {
        let known = self.people.get_mut(id);
        known.is_some_and(|known| {
            name.clone_into(&mut known.name);
            true
        })
    }

    pub(super) fn people(&self) -> Vec<Person> {
        let people = self.people.iter();
        let person = |(id, present): (&String, &Present)| Person {
            id: id.clone(),
            name: present.name.clone(),
        };
        people.map(person).collect()
    }

    /// Takes a message; the message for all if it is new, and for its writer where it stands. One that was
    /// taken before is not taken again: its writer did not hear the acknowledgement.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn say(
        &mut self,
        who: &str,
        id: &str,
        given: &str,
        at: u64,
    ) -> Result<(Receipt, Option<Message>), Refusal> {
        if !is_id(id) {
            return Err(Refusal::BadId);
        }
        let text = text(given)?;
        // Another's id is another message.
        let key = format!("{who}/{id}");
        if let Some(receipt) = self.known.get(&key) {
            return Ok((*receipt, None));
        }
        let name = self.people.get(who).ok_or(Refusal::Full)?.name.clone();
        self.seq += 1;
        let receipt = Receipt { seq: self.seq, at };
        self.order.push_back(key.clone());
        self.known.insert(key, receipt);
        if self.order.len() > KNOWN_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        let message = Message {
            seq: self.seq,
            id: id.to_owned(),
            who: who.to_owned(),
            name,
            text,
            at,
        };
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(message.clone());
        Ok((receipt, Some(message)))
    }

    /// What was said after message `last`, as far back as is kept; and how many between are not.
    pub(super) fn since(&self, last: u64) -> (Vec<Message>, u64) {
        let later = self.history.iter().filter(|message| message.seq > last);
        let later: Vec<_> = later.cloned().collect();
        let first = later.first().map_or(self.seq + 1, |message| message.seq);
        (later, first.saturating_sub(last.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> Room {
        let mut room = Room::default();
        assert_eq!(room.enter("ann", "Ann".to_owned()), Ok(Entered::New));
        room
    }

    fn id(n: usize) -> String {
        format!("message{n}")
    }

    #[test]
    fn the_last_fifty_are_kept() {
        let mut room = room();
        for n in 0..120 {
            let (receipt, message) = room.say("ann", &id(n), &n.to_string(), 7).unwrap();
            assert_eq!(receipt.seq, n as u64 + 1);
            assert_eq!(message.unwrap().text, n.to_string());
        }
        let (all, missed) = room.since(0);
        assert_eq!((all.len(), missed), (HISTORY, 70));
        assert_eq!((all[0].seq, all[HISTORY - 1].seq), (71, 120));
        let (some, missed) = room.since(117);
        let seqs: Vec<_> = some.iter().map(|message| message.seq).collect();
        assert_eq!((seqs, missed), (vec![118, 119, 120], 0));
        assert_eq!(room.since(120), (vec![], 0));
        assert_eq!(room.since(u64::MAX), (vec![], 0));
    }

    #[test]
    fn what_is_sent_again_is_taken_once() {
        let mut room = room();
        room.enter("bob", "Bob".to_owned()).unwrap();
        let (first, _) = room.say("ann", "sameid01", "hello", 7).unwrap();
        assert_eq!(room.say("ann", "sameid01", "hello", 9), Ok((first, None)));
        let (other, message) = room.say("bob", "sameid01", "mine", 9).unwrap();
        assert!(other.seq == 2 && message.is_some());
        assert_eq!(room.since(0).0.len(), 2);
    }

    #[test]
    fn nothing_grows_without_bound() {
        let mut room = room();
        for n in 0..KNOWN_IDS * 2 {
            room.say("ann", &id(n), "x", 7).unwrap();
        }
        assert_eq!((room.known.len(), room.order.len()), (KNOWN_IDS, KNOWN_IDS));
        for n in 1..VISITORS {
            assert_eq!(room.enter(&n.to_string(), "x".to_owned()), Ok(Entered::New));
        }
        assert_eq!(room.enter("late", "x".to_owned()), Err(Refusal::Full));
        // Who is here already may come back before its old connection is known to be dead.
        for _ in VISITORS..TABS {
            assert_eq!(room.enter("ann", "Ann".to_owned()), Ok(Entered::Known));
        }
        assert_eq!(room.enter("ann", "Ann".to_owned()), Err(Refusal::Full));
    }

    #[test]
    fn a_visitor_leaves_with_its_last_tab() {
        let mut room = room();
        assert_eq!(room.enter("ann", "Anna".to_owned()), Ok(Entered::Renamed));
        assert_eq!(room.leave("ann"), None);
        assert_eq!(room.people()[0].name, "Anna");
        assert_eq!(room.leave("ann").as_deref(), Some("Anna"));
        assert_eq!(
            (room.leave("ann"), room.people().len(), room.tabs()),
            (None, 0, 0)
        );
        assert!(!room.rename("ann", "x"));
        assert_eq!(room.say("ann", "afterward", "x", 7), Err(Refusal::Full));
    }

    #[test]
    fn refused_messages_leave_nothing() {
        let mut room = room();
        assert_eq!(room.say("ann", "short", "x", 7), Err(Refusal::BadId));
        assert_eq!(room.say("ann", "longenough", " ", 7), Err(Refusal::Empty));
        assert_eq!(
            room.say("ann", "longenough", &"x".repeat(501), 7),
            Err(Refusal::TooLong)
        );
        assert_eq!(room.since(0), (vec![], 0));
        assert!(room.say("ann", "longenough", "x", 7).unwrap().1.is_some());
    }
}
