//! Answers: what do the server's policies see of a request: of one that the shard has read, and of one that hyper has.

use http::{HeaderValue, Request};

use super::{Shard, http::head_of, judge::Peer};
use crate::{
    address::{Caller, Source},
    handshake::Handshake,
    net::head::RequestHead,
    policy::Asked,
};

/// A request that the shard has read.
#[derive(Clone, Copy)]
pub(super) struct Heard<'a> {
    pub(super) shard: &'a Shard,
    pub(super) request: &'a RequestHead<'a>,
    /// Its bytes.
    pub(super) head: &'a [u8],
    pub(super) peer: Peer,
}

impl Heard<'_> {
    pub(super) fn caller(&self) -> Option<Caller> {
        match self.peer {
            Peer::Conn(key) => self.shard.caller_on(key, self.head),
            Peer::Address(source) => Some(self.shard.caller(&source, self.head)),
        }
    }
}

impl Asked for Heard<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.header(name)
    }

    fn handshake(&self) -> Option<Handshake> {
        Some(Handshake::new(self.head, &self.caller()?))
    }
}

/// A request that hyper has read.
pub(super) struct Read<'a, B> {
    pub(super) shard: &'a Shard,
    pub(super) request: &'a Request<B>,
    pub(super) source: Source,
}

impl<B> Asked for Read<'_, B> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.headers().get(name).map(HeaderValue::as_bytes)
    }

    fn handshake(&self) -> Option<Handshake> {
        let head = head_of(self.request);
        let caller = self.shard.caller(&self.source, &head);
        Some(Handshake::new(&head, &caller))
    }
}
