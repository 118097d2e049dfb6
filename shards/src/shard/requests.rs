//! Answers: how does the shard serve long-polling requests itself.
//!
//! The plain ones: a handshake, and a GET or POST of a session of this shard, on a connection that
//! goes on afterwards. They are read from the shard's own epoll and answered with one write, by no
//! task; everything else about HTTP is hyper's, which a connection goes to at any request.

use std::rc::Rc;

use http::{Extensions, StatusCode};
use stentor_engine::{eio::handshake::Refusal, error::PeerError, hub::SessionKey, time::Tick};

use super::{
    Shard,
    conns::{ConnKey, Role},
    judge::Wanted,
    parked::Parked,
    polled::Polled,
    respond::Refused,
    take,
};
use crate::{
    handshake::Handshake,
    log,
    net::{
        head::HeadError,
        request::{Flow, Phase},
        response::{Response, ResponseOptions},
    },
    post::Reply,
};

impl Shard {
    /// Answers a preflight. Its connection is as if it had not come: the next request says where it belongs.
    pub(super) fn preflight(&self, key: ConnKey, mut response: Response) -> Flow {
        let is_fresh = |polled: &mut Polled| polled.is_fresh;
        let is_fresh = self.conns.borrow_mut().polled(key).is_none_or(is_fresh);
        self.become_polled(key, std::mem::take(&mut response.options));
        if let Some(polled) = self.conns.borrow_mut().polled(key) {
            polled.is_fresh = is_fresh;
        }
        self.respond(key, response)
    }

    /// Serves the request that `bytes` begin with, whose head has `head` bytes.
    pub(super) fn serve(
        self: &Rc<Self>,
        key: ConnKey,
        wanted: Wanted,
        options: ResponseOptions,
        bytes: &[u8],
        head: usize,
    ) -> Flow {
        self.become_polled(key, options);
        match wanted {
            Wanted::Open => {
                let response = self.open_here(key, &bytes[..head]);
                self.respond(key, response)
            }
            Wanted::Get(sid) => {
                let Some(session) = self.find_now(&sid) else {
                    let unknown = Reply::Refused(Refusal::SessionUnknown);
                    self.tell_reply(key, &unknown, &bytes[..head]);
                    return self.respond(key, unknown.into());
                };
                self.note_use(key);
                match self.get(session) {
                    Some(reply) => {
                        self.tell_reply(key, &reply, &bytes[..head]);
                        self.respond(key, reply.into())
                    }
                    None => self.park(key, session),
                }
            }
            Wanted::Post(sid, len) => {
                let begun = match self.find_now(&sid) {
                    Some(session) => {
                        self.note_use(key);
                        (self.post_begin(session), Some(session))
                    }
                    None => (Reply::Refused(Refusal::SessionUnknown), None),
                };
                let (Reply::Continue, Some(session)) = begun else {
                    self.tell_reply(key, &begun.0, &bytes[..head]);
                    return self.respond(key, Response::from(begun.0).closing());
                };
                let whole = bytes.len() - head >= len as usize;
                self.await_body(key, session, whole);
                Flow::Body(len)
            }
        }
    }

    /// Tells the application if a session's answer is a refusal.
    fn tell_reply(&self, key: ConnKey, reply: &Reply, head: &[u8]) {
        if self.config.policy.hears_errors()
            && let Some(refused) = Refused::by_session(reply)
        {
            self.tell_refused(&refused, || {
                Some(Handshake::new(head, &self.caller_on(key, head)?))
            });
        }
    }

    fn become_polled(&self, key: ConnKey, options: ResponseOptions) {
        let mut conns = self.conns.borrow_mut();
        if let Some(polled) = conns.polled(key) {
            polled.is_fresh = false;
            polled.options = options;
        } else {
            let mut polled = Box::<Polled>::default();
            polled.options = options;
            conns.set_role(key, Role::Polled(polled));
        }
    }

    /// A new session over polling, if the connection may begin one more: its first response.
    fn open_here(self: &Rc<Self>, key: ConnKey, head: &[u8]) -> Response {
        if let Err(too_many) = self.may_open_here(key) {
            return too_many;
        }
        let caller = self.caller_on(key, head);
        let opened = self.open_polling(head, caller.as_ref(), Extensions::new(), Ok(()));
        opened.unwrap_or_else(|refused| {
            self.tell_refused(&refused, || Some(Handshake::new(head, &caller?)));
            refused.response()
        })
    }

    /// Whether a connection may begin one more session; an error is its last response.
    fn may_open_here(&self, key: ConnKey) -> Result<(), Response> {
        let most = self.config.shard_limits.unjoined_per_connection;
        let (now, within) = (self.now.get(), self.config.engine.connect_timeout);
        let may_open = |polled: &mut Polled| polled.may_open(now, most, within);
        let may = self.conns.borrow_mut().polled(key).is_none_or(may_open);
        if may {
            return Ok(());
        }
        log::line!(TooManySessions, self.about_conn(key));
        Err(Response::status(StatusCode::TOO_MANY_REQUESTS).closing())
    }

    /// Something is fetched or sent for a session over this connection.
    fn note_use(&self, key: ConnKey) {
        if let Some(polled) = self.conns.borrow_mut().polled(key) {
            polled.serves();
        }
    }

    fn park(&self, key: ConnKey, session: SessionKey) -> Flow {
        let mut conns = self.conns.borrow_mut();
        let Some(polled) = conns.polled(key) else {
            return Flow::End;
        };
        polled.session = Some(session);
        conns.set_due(key, Tick::NEVER);
        let mut parked = self.parked.borrow_mut();
        parked.insert(session.to_bits(), Parked::Conn(key));
        Flow::Wait
    }

    /// A POST's body comes next. Of one that is not here yet the session's end is told.
    fn await_body(&self, key: ConnKey, session: SessionKey, whole: bool) {
        let mut conns = self.conns.borrow_mut();
        let Some(polled) = conns.polled(key) else {
            return;
        };
        polled.session = Some(session);
        if !whole {
            polled.body_until = self.now.get().after(self.config.waits.body);
            self.await_end(session, Parked::Conn(key));
        }
    }

    /// The session whose POST is being read, and whether its body came with its head.
    fn posting_here(&self, key: ConnKey) -> Option<(SessionKey, bool)> {
        let mut conns = self.conns.borrow_mut();
        let polled = conns.polled(key)?;
        Some((polled.session?, polled.body_until == Tick::NEVER))
    }

    /// A POST's body is whole. `held` if it has waited already.
    pub(super) fn post_whole(self: &Rc<Self>, key: ConnKey, body: &[u8], held: bool) -> Flow {
        let Some((session, at_once)) = self.posting_here(key) else {
            return Flow::End;
        };
        if !held && let Some(pause) = self.pause(session, body) {
            if at_once {
                self.await_body(key, session, false);
            }
            self.let_wait_post(key, pause);
            return Flow::Hold;
        }
        if let Some(polled) = self.conns.borrow_mut().polled(key) {
            (polled.session, polled.body_until) = (None, Tick::NEVER);
        }
        if !at_once {
            take(&self.posting, session.to_bits());
            // The session may have gone meanwhile.
            if self.hub.borrow().transport(session).is_none() {
                let gone = Reply::Refused(Refusal::SessionUnknown);
                return self.respond(key, gone.into());
            }
        }
        self.posted.set(Some((session, key)));
        let reply = self.post_body(session, body);
        self.respond(key, reply.into())
    }

    /// The peer may take more of an answer.
    pub(crate) fn send_rest(self: &Rc<Self>, key: ConnKey) {
        let now = self.now.get();
        if !self.conns.borrow_mut().send_rest(key, now) {
            return;
        }
        self.resume(key);
        let ended = match self.conns.borrow_mut().polled(key) {
            Some(polled) => polled.ended && polled.unsent.is_empty(),
            None => false,
        };
        if ended {
            self.conn_closed(key);
        }
    }

    /// Goes on with what came behind a request that is answered now.
    fn resume(self: &Rc<Self>, key: ConnKey) {
        let is_answered = |polled: &mut Polled| {
            let waits = polled.session.is_some() || !polled.unsent.is_empty();
            polled.reader.phase() == Phase::Busy && !waits
        };
        if self.conns.borrow_mut().polled(key).is_some_and(is_answered) {
            self.go_on(key);
        }
    }

    /// Goes on with every such connection.
    pub(crate) fn resume_all(self: &Rc<Self>) {
        let keys = std::mem::take(&mut *self.resumable.borrow_mut());
        for key in keys {
            self.resume(key);
        }
    }

    /// A long-polling connection is gone: its requests are aborted.
    pub(crate) fn polled_closed(self: &Rc<Self>, key: ConnKey, polled: &Polled) {
        if let Some(session) = polled.parked() {
            let bits = session.to_bits();
            let is_it = |parked: &Parked| matches!(parked, Parked::Conn(conn) if *conn == key);
            if self.parked.borrow().get(&bits).is_some_and(is_it) {
                self.get_aborted(session);
            }
        }
        if let Some(session) = polled.posting() {
            take(&self.posting, session.to_bits());
            match polled.reader.held_body() {
                Some(body) => drop(self.post_body(session, body)),
                None => self.fail(session, PeerError::Aborted),
            }
        }
    }

    /// A connection's time is up. What has begun is answered 408; who takes no answer, or has begun
    /// nothing, is owed none.
    pub(crate) fn conn_expired(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        let (session, in_head) = match conns.get_mut(key).map(|conn| &mut conn.role) {
            Some(Role::Head(read)) => (None, !read.is_empty()),
            Some(Role::Polled(polled)) => {
                let in_head = polled.reader.phase() == Phase::Head;
                (polled.give_up_post(), in_head)
            }
            _ => (None, false),
        };
        conns.recount(key);
        if let Some(session) = session {
            drop(conns);
            take(&self.posting, session.to_bits());
            let late = Response::status(StatusCode::REQUEST_TIMEOUT);
            self.respond(key, late.closing());
            self.fail(session, PeerError::Aborted);
        } else if in_head {
            drop(conns);
            self.refuse_unread(key, HeadError::Late);
        } else {
            conns.drop_conn(key);
        }
    }
}
