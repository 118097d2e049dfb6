//! Answers: what is done with every socket that a selection reaches, here and on other shards.

use alloc::sync::Arc;

use super::{Action, Event, Hub, Mail, Selection};
use crate::{
    id::NamespaceId,
    room::{Change, Member},
    time::Tick,
};

impl Hub {
    /// Does something with every socket that a selection reaches, on all shards.
    pub fn act(&mut self, now: Tick, to: Selection, action: Action) {
        self.it_is(now);
        let others = self.others(&to);
        if let Action::Join(rooms) = &action
            && others != 0
        {
            // What is published to the rooms from now on goes there too, behind this mail.
            for room in rooms {
                let hash = self.hash.room(to.namespace, room);
                self.directory.expect(hash, others);
            }
        }
        let order = Arc::new((to, action));
        self.mail_to(others, &Mail::Act(Arc::clone(&order)));
        self.act_here(now, &order.0, &order.1);
    }

    /// What another hub wants done.
    pub(super) fn act_for(&mut self, now: Tick, to: &Selection, action: &Action) {
        self.act_here(now, to, action);
        if let Action::Join(rooms) = action {
            for room in rooms {
                self.directory.settle(self.hash.room(to.namespace, room));
            }
        }
    }

    fn act_here(&mut self, now: Tick, to: &Selection, action: &Action) {
        let selected = self.select(to);
        match action {
            Action::Join(rooms) => {
                for room in rooms {
                    self.join_all(to.namespace, &selected, room);
                }
            }
            Action::Leave(rooms) => {
                for member in &selected {
                    let key = self.sockets.key_at(member.socket);
                    for room in rooms {
                        self.leave(key, room);
                    }
                }
            }
            Action::Disconnect { close } => {
                for member in &selected {
                    self.disconnect(now, self.sockets.key_at(member.socket), *close);
                }
            }
        }
        self.keep(selected);
    }

    fn join_all(&mut self, namespace: NamespaceId, selected: &[Member], room: &str) {
        let mut refused = 0;
        for member in selected {
            let change = self.join(self.sockets.key_at(member.socket), room);
            refused += usize::from(change == Change::Full);
        }
        if refused > 0 {
            self.events.push_back(Event::NotJoined {
                namespace,
                room: room.into(),
                sockets: refused,
            });
        }
    }
}
