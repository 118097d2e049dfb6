//! Answers: which sockets does a session have, and what is half received for it.

use alloc::{boxed::Box, vec::Vec};

use super::NONE;
use crate::{id::NamespaceId, sio::assembler::Partial};

/// What a session's row holds for Socket.IO.
#[derive(Debug)]
pub struct Client {
    /// The slot of the first connected socket; `NONE` if there is none.
    pub(super) first: u32,
    pub(super) first_namespace: NamespaceId,
    pub(super) extra: Option<Box<Extra>>,
}

/// What few sessions need at any moment.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Connected sockets after the first, and all that are connecting.
    pub(super) more: Vec<(NamespaceId, u32)>,
    pub(super) partial: Option<Partial>,
}

impl Client {
    pub(super) const fn new() -> Self {
        Self {
            first: NONE,
            first_namespace: NamespaceId::ROOT,
            extra: None,
        }
    }

    /// The socket in a namespace, connected or connecting.
    #[inline]
    pub(super) fn socket(&self, namespace: NamespaceId) -> Option<u32> {
        if self.first_namespace == namespace && self.first != NONE {
            return Some(self.first);
        }
        let more = &self.extra.as_deref()?.more;
        more.iter()
            .find(|(ns, _)| *ns == namespace)
            .map(|(_, slot)| *slot)
    }

    pub(super) fn sockets(&self) -> Vec<u32> {
        let first = (self.first != NONE).then_some(self.first);
        let more = self
            .extra
            .iter()
            .flat_map(|extra| &extra.more)
            .map(|(_, slot)| *slot);
        first.into_iter().chain(more).collect()
    }

    pub(super) fn add(&mut self, namespace: NamespaceId, slot: u32) {
        if self.first == NONE {
            (self.first, self.first_namespace) = (slot, namespace);
        } else {
            self.extra
                .get_or_insert_default()
                .more
                .push((namespace, slot));
        }
    }

    pub(super) fn remove(&mut self, slot: u32) {
        if self.first == slot {
            self.first = NONE;
        }
        if let Some(extra) = &mut self.extra {
            extra.more.retain(|(_, s)| *s != slot);
        }
        self.tidy();
    }

    /// Gives the box back when nothing is in it.
    pub(super) fn tidy(&mut self) {
        if self
            .extra
            .as_ref()
            .is_some_and(|e| e.more.is_empty() && e.partial.is_none())
        {
            self.extra = None;
        }
    }
}
