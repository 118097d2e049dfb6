//! Answers: how does mail travel between hubs, and what is done to it.

use alloc::vec::Vec;

use super::{Fault, Letters, shell::Post, world::World};
use crate::hub::Mail;

/// The number of who is no hub and sends mail.
pub(super) const OUTSIDE: usize = 9;

const fn kind(mail: &Mail) -> Letters {
    match mail {
        Mail::Publish(_) => Letters::Publish,
        Mail::Relay(_) => Letters::Relay,
        Mail::Act(_) => Letters::Act,
        Mail::Ack(_) => Letters::Ack,
    }
}

impl World {
    pub(super) fn mail_leaves(&mut self, from: usize, to: usize, mail: Mail) {
        self.log(format_args!("mail {from} to {to}: {mail:?}"));
        if let Mail::Ack(all) = &mail {
            for (token, news) in all {
                self.oracle.news_leave(from, to, *token, news, self.now);
            }
        }
        if from != OUTSIDE && !matches!(mail, Mail::Ack(_)) {
            self.shells[from].mailed |= 1 << to;
        }
        for mail in self.spoil(from, to, mail) {
            self.post(from, to, Post::Mail(mail));
        }
    }

    pub(super) fn mail_arrives(&mut self, from: usize, to: usize, mail: Mail) {
        if !matches!(mail, Mail::Ack(_)) {
            self.see_who_takes(to);
            self.oracle.letter_arrives(from, to, self.now);
        }
        self.arriving = matches!(mail, Mail::Ack(_)).then_some(from);
        self.hubs[to].receive_mail(self.now, mail);
        self.drain(to);
        self.arriving = None;
    }

    /// The mail that really travels in place of this one.
    pub(super) fn spoil(&mut self, from: usize, to: usize, mail: Mail) -> Vec<Mail> {
        let meant = self.struck == kind(&mail);
        if self.fault == Fault::None || self.fault_after == 0 || !meant {
            return [mail].into();
        }
        self.fault_after -= 1;
        if self.fault_after > 0 {
            return [mail].into();
        }
        let overflow = (from != OUTSIDE).then(|| &mut self.shells[from].overflow[to]);
        let waiting = match overflow.filter(|waiting| !waiting.is_empty()) {
            Some(waiting) => waiting,
            None => self.mail.entry((from, to)).or_default(),
        };
        match self.fault {
            Fault::None => [mail].into(),
            Fault::DropMail => Vec::new(),
            Fault::DuplicateMail => [mail.clone(), mail].into(),
            Fault::SwapMails => match waiting.pop_back() {
                Some(Post::Mail(other)) if kind(&other) == kind(&mail) => [mail, other].into(),
                other => {
                    waiting.extend(other);
                    self.fault_after = 1; // nothing to overtake: the next one, then
                    [mail].into()
                }
            },
        }
    }
}
