//! Answers: where does a connection come from, and who makes a request on it?

use std::rc::Rc;

use super::{
    Shard,
    conns::{ConnKey, Role},
};
use crate::{
    address::{
        Caller, Source,
        proxy_protocol::{self, ProxyHeader},
    },
    log::{self, About},
};

impl Shard {
    /// Where a connection comes from. `None` if it has gone.
    pub(super) fn source(&self, key: ConnKey) -> Option<Source> {
        self.conns.borrow().source(key)
    }

    /// Who makes the request with this head.
    pub(super) fn caller(&self, source: &Source, head: &[u8]) -> Caller {
        self.config.trusted.caller(source, head)
    }

    /// The same on a connection of this shard's own. `None` if it has gone.
    pub(super) fn caller_on(&self, key: ConnKey, head: &[u8]) -> Option<Caller> {
        let source = self.source(key)?;
        Some(self.caller(&source, head))
    }

    /// Bytes have come on a connection that begins with a PROXY header.
    pub(crate) fn proxy_header_bytes(self: &Rc<Self>, key: ConnKey, bytes: &mut [u8]) {
        let mut conns = self.conns.borrow_mut();
        let mut read = conns.take_proxy_header(key);
        read.extend_from_slice(bytes);
        match proxy_protocol::parse(&read) {
            ProxyHeader::Incomplete => conns.set_role(key, Role::ProxyHeader(read)),
            ProxyHeader::Bad(why) => {
                let source = conns.source(key);
                conns.drop_conn(key);
                drop(conns);
                self.log_bad_proxy_header(source, why);
            }
            ProxyHeader::Complete(announced, len) => {
                let peer = conns.source(key).map(|source| source.peer);
                let trusted = &self.config.trusted;
                let believed = peer.is_some_and(|peer| trusted.believes_header_of(peer));
                conns.announce(key, announced.filter(|_| believed));
                drop(conns);
                self.request_bytes(key, &read[len..], false);
            }
        }
    }

    /// An operator has to hear of it: it may be every client.
    #[cold]
    fn log_bad_proxy_header(&self, source: Option<Source>, why: &str) {
        if let Some(times) = self.bad_proxy_headers.borrow_mut().note(self.now.get()) {
            let about = About {
                peer: source.map(|source| source.to_string()),
                ..self.about()
            };
            log::notice!(BadProxyHeader, about, why, times);
        }
    }
}
