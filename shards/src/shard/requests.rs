//! Answers: how does the shard serve long-polling requests itself.
//!
//! The plain ones: a handshake, and a GET or POST of a session of this shard, on a connection that
//! goes on afterwards. They are read from the shard's own epoll and answered with one write, by no
//! task; everything else about HTTP is hyper's, which a connection goes to at any request.

use std::{net::IpAddr, rc::Rc};

use http::StatusCode;
use stentor_engine::{
    eio::handshake::{Refusal, Request, Transport},
    error::PeerError,
    hub::SessionKey,
    id::Sid,
    time::Tick,
};

use super::{
    Shard,
    conns::{BEHIND_BYTES, ConnKey, Role},
    parked::Parked,
    polled::{Body, Polled},
    respond::Refused,
    take,
    upgrade::handshake,
};
use crate::{
    handshake::Handshake,
    log,
    net::{
        head::{HeadError, Plain, RequestHead},
        response::{HeaderLines, Response, ResponseOptions},
    },
    post::Reply,
};

/// What a request wants that is served here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// A new session.
    Open,
    Get(Sid),
    /// A POST with a body of this length.
    Post(Sid, usize),
}

impl Shard {
    /// What a request wants, if it is one that is served here, and what else it says.
    pub(super) fn wanted<'a>(
        &self,
        request: &RequestHead<'a>,
        query: &Request<'_>,
        sid: Option<Sid>,
    ) -> Option<(Wanted, Plain<'a>)> {
        let plain = request.plain()?;
        if self.stopping.get()
            || query.check(&self.config.engine, plain.origin) != Ok(Transport::Polling)
            || !query.is_version_4()
        {
            return None;
        }
        let octets = b"application/octet-stream";
        let wanted = match (sid, request.method, plain.length) {
            (None, "GET", None | Some(0)) => Some(Wanted::Open),
            (Some(sid), "GET", None | Some(0)) => Some(Wanted::Get(sid)),
            (Some(sid), "POST", Some(len))
                if len <= self.config.engine.limits.payload_bytes
                    && !plain.kind.is_some_and(|kind| kind.starts_with(octets)) =>
            {
                Some(Wanted::Post(sid, len))
            }
            _ => None,
        };
        Some((wanted?, plain))
    }

    /// Answers a preflight. Its connection is as if it had not come: the next request says where it belongs.
    pub(super) fn preflight(&self, key: ConnKey, mut response: Response) {
        let is_fresh = self
            .conns
            .borrow_mut()
            .polled(key)
            .is_none_or(|polled| polled.is_fresh);
        self.become_polled(key, std::mem::take(&mut response.options));
        if let Some(polled) = self.conns.borrow_mut().polled(key) {
            polled.is_fresh = is_fresh;
        }
        self.respond(key, response);
    }

    /// Serves the request that `bytes` begin with, whose head has `head` bytes. Where the next one
    /// begins, if that is to be looked at now.
    pub(super) fn serve(
        self: &Rc<Self>,
        key: ConnKey,
        wanted: Wanted,
        options: ResponseOptions,
        bytes: &[u8],
        head: usize,
    ) -> Option<usize> {
        self.become_polled(key, options);
        match wanted {
            Wanted::Open => {
                let response = self.open_polled(key, &bytes[..head]);
                let goes_on = !response.close;
                self.respond(key, response);
                goes_on.then_some(head)
            }
            Wanted::Get(sid) => {
                let unknown = Some(Reply::Refused(Refusal::SessionUnknown));
                let session = self.find_now(&sid);
                self.note_use(key, session);
                let reply = session.map_or(unknown, |session| self.get(session));
                if let Some(reply) = reply {
                    self.tell_reply(key, &reply, &bytes[..head]);
                    self.respond(key, reply.into());
                    return Some(head);
                }
                self.park(key, session?, &bytes[head..]);
                None
            }
            Wanted::Post(sid, len) => {
                let refused = Reply::Refused(Refusal::SessionUnknown);
                let Some(session) = self.find_now(&sid) else {
                    self.tell_reply(key, &refused, &bytes[..head]);
                    self.respond(key, Response::from(refused).closing());
                    return None;
                };
                self.note_use(key, Some(session));
                match self.post_begin(session) {
                    Reply::Continue => {}
                    other => {
                        self.tell_reply(key, &other, &bytes[..head]);
                        self.respond(key, Response::from(other).closing());
                        return None;
                    }
                }
                let behind = &bytes[head..]; // and not `head + len`, which may be beyond any address
                let body = behind.get(..len);
                let pause = body.and_then(|body| self.pause(session, body));
                if let Some(body) = body.filter(|_| pause.is_none()) {
                    self.posted.set(Some((session, key)));
                    let reply = self.post_body(session, body);
                    self.respond(key, reply.into());
                    return Some(head + len);
                }
                self.await_body(key, session, len, behind);
                if let Some(pause) = pause {
                    self.let_wait_post(key, pause);
                }
                None
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
            polled.in_head = false;
            polled.is_fresh = false;
            polled.options = options;
        } else {
            let mut polled = Box::<Polled>::default();
            polled.options = options;
            conns.set_role(key, Role::Polled(polled));
        }
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
    fn note_use(&self, key: ConnKey, session: Option<SessionKey>) {
        if session.is_some()
            && let Some(polled) = self.conns.borrow_mut().polled(key)
        {
            polled.serves();
        }
    }

    /// A new session over polling. The handshake is itself a poll: what user code emits at once
    /// goes with it.
    fn open_polled(self: &Rc<Self>, key: ConnKey, head: &[u8]) -> Response {
        let config = &self.config;
        let caller = self.caller_on(key, head);
        let address = caller.and_then(|caller| caller.address);
        let room = self.may_open_here(key);
        if let Err(too_many) = room.and_then(|()| self.room_for_newcomer(address)) {
            return too_many;
        }
        let kept = caller.and_then(|caller| handshake(config.keep, head, &caller));
        let request = || Some(Handshake::new(head, &caller?));
        if let Err(message) = self.allows(head, caller.as_ref()) {
            let refused = Refused::by_application(message);
            self.tell_refused(&refused, request);
            return refused.response();
        }
        self.open_by_polling(address, kept, request)
    }

    /// Begins a session over polling: its first response. `request` is all of it, whatever is kept.
    pub(super) fn open_by_polling(
        self: &Rc<Self>,
        address: Option<IpAddr>,
        kept: Option<Handshake>,
        request: impl FnOnce() -> Option<Handshake>,
    ) -> Response {
        let session = self.with_hub(|hub, now| hub.open(now, None));
        self.add_newcomer(session, address);
        let policy = &self.config.policy;
        let mut lines = HeaderLines::default();
        if policy.adds_initial() {
            let sid = self.hub.borrow().sid(session).map(|sid| sid.text());
            policy.add_initial(&mut lines, sid.as_ref().map(|sid| &sid[..]), request);
        }
        self.send_initial_packet(session);
        self.begin_session(session, kept);
        let body = self.with_hub(|hub, now| hub.take_poll(now, session));
        let mut response = Response::from(Reply::Payload(body));
        response.lines = lines;
        response
    }

    /// A session gets the packet that each has behind its OPEN, if there is one.
    pub(super) fn send_initial_packet(&self, session: SessionKey) {
        if let Some((kind, data)) = &self.config.initial_packet {
            self.with_hub(|hub, _| hub.send(session, *kind, data));
        }
    }

    fn park(&self, key: ConnKey, session: SessionKey, behind: &[u8]) {
        let mut conns = self.conns.borrow_mut();
        let Some(polled) = conns.polled(key) else {
            return;
        };
        polled.parked = Some(session);
        polled.read.extend_from_slice(behind);
        conns.recount(key);
        conns.set_due(key, Tick::NEVER);
        let mut parked = self.parked.borrow_mut();
        parked.insert(session.to_bits(), Parked::Conn(key));
    }

    fn await_body(&self, key: ConnKey, session: SessionKey, len: usize, begun: &[u8]) {
        let mut conns = self.conns.borrow_mut();
        let Some(polled) = conns.polled(key) else {
            return;
        };
        let now = self.now.get();
        let waits = self.config.waits;
        let until = now.after(waits.body);
        polled.body = Some(Body {
            session,
            len,
            until,
            waits: false,
        });
        polled.read.extend_from_slice(begun);
        conns.recount(key);
        conns.set_due(key, now.after(waits.piece).min(until));
        self.await_end(session, Parked::Conn(key));
    }

    /// A first part of a head has come.
    pub(super) fn await_head(&self, key: ConnKey, begun: &[u8]) {
        let mut conns = self.conns.borrow_mut();
        let mut due = None;
        if let Some(polled) = conns.polled(key) {
            polled.read = begun.to_vec();
            if !std::mem::replace(&mut polled.in_head, true) {
                due = Some(self.now.get().after(self.config.waits.head));
            }
            conns.recount(key);
        } else if let Some(Role::Head(_)) = conns.get(key).map(|conn| &conn.role) {
            conns.set_role(key, Role::Head(begun.to_vec()));
        }
        if let Some(due) = due {
            conns.set_due(key, due);
        }
    }

    /// Bytes have come on a connection that brings long-polling requests.
    pub(crate) fn polled_bytes(self: &Rc<Self>, key: ConnKey, bytes: &mut [u8]) {
        let mut conns = self.conns.borrow_mut();
        let Some(polled) = conns.polled(key) else {
            return;
        };
        if polled.last {
            return; // nothing more is served
        }
        if polled.read.is_empty() && polled.body.is_none() && !polled.is_busy() {
            drop(conns);
            self.requests(key, bytes, false);
            return;
        }
        polled.take_in(bytes);
        conns.recount(key);
        let Some(polled) = conns.polled(key).filter(|polled| !polled.is_busy()) else {
            return;
        };
        let body = polled.body;
        if let Some(body) = body.filter(|body| polled.read.len() < body.len) {
            let piece = self.now.get().after(self.config.waits.piece);
            let due = piece.min(body.until);
            conns.set_due(key, due);
            return;
        }
        let pause = body.and_then(|body| self.pause(body.session, &polled.read[..body.len]));
        if let Some(pause) = pause {
            drop(conns);
            return self.let_wait_post(key, pause);
        }
        drop(conns);
        self.go_on(key);
    }

    /// Handles what has come on a connection that is not busy, and the body first that is whole.
    pub(crate) fn go_on(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        let Some(polled) = conns.polled(key) else {
            return;
        };
        let (body, mut read) = (polled.body.take(), std::mem::take(&mut polled.read));
        conns.recount(key);
        if read.len() >= BEHIND_BYTES {
            conns.read_on(key);
        }
        drop(conns);
        let Some(Body { session, len, .. }) = body else {
            self.requests(key, &mut read, false);
            return;
        };
        take(&self.posting, session.to_bits());
        // The session may have gone meanwhile.
        let reply = if self.hub.borrow().transport(session).is_some() {
            self.posted.set(Some((session, key)));
            self.post_body(session, &read[..len])
        } else {
            Reply::Refused(Refusal::SessionUnknown)
        };
        self.respond(key, reply.into());
        self.requests(key, &mut read[len..], false);
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
    pub(super) fn resume(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        let mut read = match conns.polled(key) {
            Some(polled) if !polled.is_busy() => std::mem::take(&mut polled.read),
            _ => return,
        };
        conns.recount(key);
        if read.len() >= BEHIND_BYTES {
            conns.read_on(key);
        }
        drop(conns);
        self.requests(key, &mut read, false);
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
        if let Some(session) = polled.parked {
            let bits = session.to_bits();
            let is_it = |parked: &Parked| matches!(parked, Parked::Conn(conn) if *conn == key);
            if self.parked.borrow().get(&bits).is_some_and(is_it) {
                self.get_aborted(session);
            }
        }
        match polled.body {
            Some(body) if body.waits => {
                take(&self.posting, body.session.to_bits());
                self.post_body(body.session, &polled.read[..body.len]);
            }
            Some(body) => {
                take(&self.posting, body.session.to_bits());
                self.fail(body.session, PeerError::Aborted);
            }
            None => {}
        }
    }

    /// A connection's time is up. What has begun is answered 408; who takes no answer, or has begun
    /// nothing, is owed none.
    pub(crate) fn conn_expired(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        let (body, in_head) = match conns.get_mut(key).map(|conn| &mut conn.role) {
            Some(Role::Head(read)) => (None, !read.is_empty()),
            Some(Role::Polled(polled)) => {
                let in_head = polled.in_head && !polled.is_busy() && !polled.read.is_empty();
                (polled.body.take(), in_head)
            }
            _ => (None, false),
        };
        if let Some(body) = body {
            drop(conns);
            take(&self.posting, body.session.to_bits());
            let late = Response::status(StatusCode::REQUEST_TIMEOUT);
            self.respond(key, late.closing());
            self.fail(body.session, PeerError::Aborted);
        } else if in_head {
            drop(conns);
            self.refuse_unread(key, HeadError::Late);
        } else {
            conns.drop_conn(key);
        }
    }
}
