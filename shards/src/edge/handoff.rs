//! Answers: how does a connection get from one shard to another, or from hyper to its shard.
//!
//! What its first request wants has been decided in `judge.rs`; where it goes is not asked here.

use std::{io, rc::Rc};

use mio::net::TcpStream;
use stentor_engine::id::ShardId;

use crate::{
    address::Announcement,
    log,
    post::{Carried, Post},
    shard::{Shard, conns::ConnKey, judge::Verdict, link::Link},
};

impl Shard {
    /// Gives a connection to the shard that its session lives on.
    pub(crate) fn hand_over(&self, to: ShardId, link: Link, read: Vec<u8>, answered: bool) {
        let stream = Carried::Stream(link.stream);
        self.post(
            to,
            Post::Handoff {
                stream,
                announcement: link.announcement,
                read,
                answered,
            },
        );
    }

    /// A connection comes from another shard.
    pub(crate) fn receive_connection(
        self: &Rc<Self>,
        carried: Carried,
        announcement: Announcement,
        read: &[u8],
        answered: bool,
    ) {
        let stream = self.office.claim(carried);
        if self.stopping.get() && read.is_empty() {
            return; // it was dealt to this shard, and nothing of it was read
        }
        let added = stream.and_then(|stream| {
            self.add_read(Link {
                stream,
                announcement,
            })
        });
        match added {
            Ok(key) => self.request_bytes(key, read, answered),
            Err(error) => log::line!(HandedOverLost, self.about(), %error),
        }
    }

    /// A connection comes from hyper, as a WebSocket; `read` begins with its request, of `head`
    /// bytes. What was decided about that stands, unless the server stops: the application is not
    /// asked again.
    pub(crate) fn adopt(
        self: &Rc<Self>,
        link: Link,
        mut verdict: Verdict,
        read: &[u8],
        head: usize,
    ) {
        self.enter();
        if self.stopping.get() {
            verdict = Verdict::Stopping;
        }
        match self.add_read(link) {
            Ok(key) => {
                self.obey(key, verdict, read, head, true);
            }
            Err(error) => log::line!(HandedOverLost, self.about(), %error),
        }
    }

    /// Takes in a connection whose first request was read elsewhere.
    fn add_read(&self, link: Link) -> io::Result<ConnKey> {
        let stream = TcpStream::from_std(link.stream);
        let mut conns = self.conns.borrow_mut();
        conns.begin(stream, link.announcement, self.now.get())
    }
}
