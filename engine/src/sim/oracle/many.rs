//! Answers: whom does a publication or an order mean, here and elsewhere, and what must it change.

use alloc::{collections::VecDeque, format, string::ToString as _};

use super::{Due, Expected, Fate, Letter, Oracle, Question, Target};
use crate::{
    hub::Action,
    room::Change,
    sim::{mail::OUTSIDE, wire::Packet},
    time::Tick,
};

impl Oracle {
    /// The application publishes: here at once, elsewhere when the mail arrives. Returns how many
    /// mails go out.
    pub(in crate::sim) fn publish(
        &mut self,
        from: usize,
        to: &Target,
        packet: Packet,
        volatile: bool,
        question: Option<(Question, Tick)>,
    ) -> usize {
        let expected = Expected {
            packet,
            volatile,
            asks: None,
        };
        let hubs = self.addressed(from, to);
        for hub in &hubs {
            let question = question.map(|(question, _)| question);
            let letter = Letter::Publish(to.clone(), expected.clone(), question);
            self.letters
                .entry((from, *hub))
                .or_default()
                .push_back(letter);
        }
        self.deliver(from, to, &expected, question);
        hubs.len()
    }

    /// The application does something with many.
    pub(in crate::sim) fn act(
        &mut self,
        from: usize,
        to: &Target,
        action: &Action,
        now: Tick,
    ) -> usize {
        let hubs = self.addressed(from, to);
        for hub in &hubs {
            let letter = Letter::Act(to.clone(), action.clone());
            self.letters
                .entry((from, *hub))
                .or_default()
                .push_back(letter);
        }
        self.do_it(from, to, action, now);
        hubs.len()
    }

    /// A mail arrives. What is in it is not looked at: it must be the first that was written.
    pub(in crate::sim) fn letter_arrives(&mut self, from: usize, hub: usize, now: Tick) {
        let letters = self.letters.entry((from, hub)).or_default();
        match letters.pop_front() {
            Some(Letter::Publish(to, expected, question)) => {
                let question = question.map(|question| (question, now));
                self.deliver(hub, &to, &expected, question);
            }
            Some(Letter::Relay(to, expected)) => {
                let Expected {
                    packet, volatile, ..
                } = expected;
                self.publish(hub, &to, packet, volatile, None);
            }
            Some(Letter::Act(to, action)) => self.do_it(hub, &to, &action, now),
            None => self.blame(format!(
                "a mail from {from} to {hub} that nobody had to write"
            )),
        }
    }

    /// Letters that did not arrive.
    pub(in crate::sim) fn letters_left(&self) -> usize {
        self.letters.values().map(VecDeque::len).sum()
    }

    fn deliver(
        &mut self,
        hub: usize,
        to: &Target,
        expected: &Expected,
        question: Option<(Question, Tick)>,
    ) {
        let Expected {
            packet, volatile, ..
        } = expected;
        let mut asked = 0;
        for socket in self.meant(hub, to) {
            if question.is_some() && !self.may_ask(socket) {
                continue;
            }
            let fate = if *volatile {
                self.fate(self.sockets[socket].session)
            } else {
                Fate::Comes
            };
            if fate == Fate::Lost {
                continue;
            }
            let asks = question.map(|(question, now)| {
                asked += 1;
                self.ask(socket, question, now);
                (socket, question.token)
            });
            self.queue(socket, packet.clone(), asks, fate == Fate::Either);
        }
        if let Some((question, _)) = question {
            self.due.push(Due::Asked(question.token, hub, asked));
        }
    }

    /// Whether the fate of a volatile packet for these is known to everybody.
    pub(in crate::sim) fn is_certain(&self, hub: usize, to: &Target) -> bool {
        let meant = self.meant(hub, to);
        let mut fates = meant.iter().map(|at| self.fate(self.sockets[*at].session));
        fates.all(|fate| fate != Fate::Either)
    }

    fn do_it(&mut self, hub: usize, to: &Target, action: &Action, now: Tick) {
        let meant = self.meant(hub, to);
        match action {
            Action::Join(rooms) => {
                for room in rooms {
                    let joined = meant.iter().filter(|at| self.join(**at, room)).count();
                    if joined < meant.len() {
                        let (room, left) = (room.to_string(), meant.len() - joined);
                        let due = Due::NotJoined(hub, to.namespace, room, left);
                        self.due.push(due);
                    }
                }
            }
            Action::Leave(rooms) => {
                for at in meant {
                    for room in rooms {
                        self.sockets[at].rooms.remove(&**room);
                    }
                }
            }
            Action::Disconnect { close } => meant.into_iter().for_each(|at| {
                self.kicked(at, *close, now);
            }),
        }
    }

    /// Sockets that were to join a room did not.
    pub(in crate::sim) fn not_joined(&mut self, hub: usize, ns: usize, room: &str, count: usize) {
        self.happened(&Due::NotJoined(hub, ns, room.into(), count));
    }

    /// What happens to a room when one of its members on a hub comes or goes.
    pub(in crate::sim) fn change(&self, socket: usize, room: &str) -> Change {
        let one = &self.sockets[socket];
        let (hub, namespace) = (one.hub, one.namespace);
        let mut others = self.sockets.iter().enumerate().filter(|(at, other)| {
            *at != socket
                && (other.hub, other.namespace) == (hub, namespace)
                && other.rooms.contains(room)
        });
        if others.next().is_some() {
            Change::Member
        } else {
            Change::Room
        }
    }

    /// Somebody who is no hub asks one to publish.
    pub(in crate::sim) fn relay(&mut self, hub: usize, to: &Target, packet: Packet, lost: bool) {
        let expected = Expected {
            packet,
            volatile: lost,
            asks: None,
        };
        let letter = Letter::Relay(to.clone(), expected);
        let letters = self.letters.entry((OUTSIDE, hub)).or_default();
        letters.push_back(letter);
    }

    /// Whether a socket is in a room after it was to join.
    pub(in crate::sim) fn join(&mut self, socket: usize, room: &str) -> bool {
        let max = self.config.limits.rooms_per_socket;
        let rooms = &mut self.sockets[socket].rooms;
        if rooms.len() < max {
            rooms.insert(room.into());
        }
        rooms.contains(room)
    }
}
