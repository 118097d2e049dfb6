//! Answers: which sockets does a session have, and what is half received for it.

use alloc::{boxed::Box, vec::Vec};

use super::NONE;
use crate::{id::NamespaceId, sio::assembler::Partial, time::Tick};

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
    /// Namespaces that the server removed the session's socket from, and until when its peer may not
    /// know it.
    removed: Vec<(NamespaceId, Tick)>,
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

    /// The server has removed the socket in a namespace. What its peer sent before it knows of that is
    /// no violation.
    pub(super) fn remember_removal(&mut self, namespace: NamespaceId, now: Tick, until: Tick) {
        let removed = &mut self.extra.get_or_insert_default().removed;
        removed.retain(|(ns, until)| *ns != namespace && *until > now);
        removed.push((namespace, until));
    }

    pub(super) fn forget_removal(&mut self, namespace: NamespaceId) {
        if let Some(extra) = &mut self.extra {
            extra.removed.retain(|(ns, _)| *ns != namespace);
            self.tidy();
        }
    }

    /// Whether a packet for this namespace may have been sent before its peer knew that it is out.
    pub(super) fn is_removed(&self, namespace: NamespaceId, now: Tick) -> bool {
        let removed = self.extra.iter().flat_map(|extra| &extra.removed);
        removed
            .into_iter()
            .any(|(ns, until)| *ns == namespace && *until > now)
    }

    /// Gives the box back when nothing is in it.
    pub(super) fn tidy(&mut self) {
        if self
            .extra
            .as_ref()
            .is_some_and(|e| e.more.is_empty() && e.partial.is_none() && e.removed.is_empty())
        {
            self.extra = None;
        }
    }
}
