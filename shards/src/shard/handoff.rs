//! Answers: how does a connection get from one shard to another, or from hyper to its shard.
//!
//! What its first request wants has been decided in [`super::upgrade`]; where it goes is not asked here.

use std::{io, rc::Rc};

use mio::net::TcpStream;
use stentor_engine::id::ShardId;

use super::{
    Shard,
    conns::{ConnKey, Role},
    upgrade::Verdict,
};
use crate::{
    fd_table::is_full,
    log::{self, About},
    mailbox::{Full, Sender},
    post::{Carried, Post},
};

impl Shard {
    /// Gives a connection to the shard that its session lives on.
    pub(super) fn hand_over(
        &self,
        to: ShardId,
        stream: std::net::TcpStream,
        read: Vec<u8>,
        answered: bool,
    ) {
        let stream = Carried::Stream(stream);
        self.post(
            to,
            Post::Handoff {
                stream,
                read,
                answered,
            },
        );
    }

    /// A post as it may enter the mailbox of shard `to`: if the descriptor tables are apart, a
    /// connection goes ahead of it.
    ///
    /// # Errors
    /// `Full` while the passage has no room. The other shard makes some with each such post that it
    /// takes, so that this is tried again as a full mailbox is. `Closed` if the connection is lost.
    pub(super) fn pass(
        &self,
        to: usize,
        mailbox: &Sender<Post>,
        mut post: Post,
    ) -> Result<Post, Full<Post>> {
        if let Some(passages) = self.shared.passages.get()
            && let Post::Handoff {
                stream: carried, ..
            } = &mut post
            && let Carried::Stream(stream) = carried
        {
            let number = self.handed_over.get() + 1;
            let named = u64::from(self.id.0) << 56 | number;
            match passages[to].send(named, stream) {
                Ok(()) => {
                    self.handed_over.set(number);
                    // Closing ours does no harm: the one on its way is another descriptor.
                    *carried = Carried::Passed(named);
                }
                // The tables' copies keep the passage of a shard open that has stopped.
                Err(error) if is_full(&error) && !mailbox.is_closed() => {
                    return Err(Full::Full(post));
                }
                Err(error) => {
                    // What else is to be posted is borrowed.
                    log::later(move || log::line!(ConnNotHandedOver, About::here(), %error));
                    return Err(Full::Closed(post));
                }
            }
        }
        Ok(post)
    }

    /// A connection comes from another shard.
    pub(super) fn receive_connection(
        self: &Rc<Self>,
        carried: Carried,
        mut read: Vec<u8>,
        answered: bool,
    ) {
        let stream = match carried {
            Carried::Stream(stream) => Ok(stream),
            Carried::Passed(number) => match &mut *self.passage.borrow_mut() {
                Some(passage) => passage.claim(number),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        };
        let added = stream.and_then(|stream| self.add_read(stream));
        match added {
            Ok(key) => self.requests(key, &mut read, answered),
            Err(error) => log::line!(HandedOverLost, self.about(), %error),
        }
    }

    /// A connection comes from hyper, as a WebSocket; `read` begins with its request, of `head`
    /// bytes. What was decided about that stands, unless the server stops: the application is not
    /// asked again.
    pub(super) fn adopt(
        self: &Rc<Self>,
        stream: std::net::TcpStream,
        mut verdict: Verdict,
        mut read: Vec<u8>,
        head: usize,
    ) {
        self.enter();
        if self.stopping.get() {
            verdict = Verdict::Stopping;
        }
        match self.add_read(stream) {
            Ok(key) => drop(self.obey(key, verdict, &mut read, head, true)),
            Err(error) => log::line!(HandedOverLost, self.about(), %error),
        }
    }

    /// Takes in a connection whose first request was read elsewhere.
    fn add_read(&self, stream: std::net::TcpStream) -> io::Result<ConnKey> {
        let stream = TcpStream::from_std(stream);
        let mut conns = self.conns.borrow_mut();
        conns.add(stream, Role::Head(Vec::new()), self.now.get())
    }
}
