//! Answers: what do the requests of a long-polling client do.
//!
//! Requests come from the shard's own connections, from hyper's tasks on this shard, or as mail from a
//! shard whose connection serves sessions of several shards. It must not know about HTTP: bodies and
//! kinds come ready.

use std::rc::Rc;

use bytes::Bytes;
use stentor_engine::{
    eio::{
        handshake::{Refusal, Transport},
        payload,
        session::Poll,
    },
    error::{CloseReason, PeerError},
    hub::SessionKey,
    id::Sid,
};
use tokio::sync::oneshot;

use super::{Shard, parked::Parked, pauses::Pause, take};
use crate::{
    log,
    post::{PollKind, PollRequest, Post, Reply},
};

impl Shard {
    /// Sends a request to the session's shard, this one or another; the answer comes by the channel.
    pub(crate) fn poll(self: &Rc<Self>, sid: Sid, what: PollKind) -> oneshot::Receiver<Reply> {
        let (reply, receiver) = oneshot::channel();
        let request = PollRequest { sid, what, reply };
        if self.is_elsewhere(&sid) {
            self.post(sid.shard(), Post::Poll(request));
        } else {
            self.enter();
            self.poll_request(request);
        }
        receiver
    }

    pub(crate) fn poll_request(self: &Rc<Self>, PollRequest { sid, what, reply }: PollRequest) {
        let Some(session) = self.find_now(&sid) else {
            let _ = reply.send(Reply::Refused(Refusal::SessionUnknown));
            return;
        };
        let answer = match what {
            PollKind::Exists => Reply::Ok,
            PollKind::Get => {
                if let Some(answer) = self.get(session) {
                    answer
                } else {
                    let mut parked = self.parked.borrow_mut();
                    parked.insert(session.to_bits(), Parked::Task(reply));
                    return;
                }
            }
            PollKind::GetAborted => {
                // Only if it is the one that is parked: it may have been answered meanwhile.
                let is_closed =
                    |parked: &Parked| matches!(parked, Parked::Task(reply) if reply.is_closed());
                let lost = self
                    .parked
                    .borrow()
                    .get(&session.to_bits())
                    .is_some_and(is_closed);
                if lost {
                    self.get_aborted(session);
                }
                Reply::Ok
            }
            PollKind::PostBegin => self.post_begin(session),
            PollKind::PostEnded if self.hub.borrow().is_open(session) => {
                self.await_end(session, Parked::Task(reply));
                return;
            }
            PollKind::PostEnded => Reply::Refused(Refusal::SessionUnknown),
            PollKind::PostBody(body) => {
                take(&self.posting, session.to_bits());
                return match self.pause(session, &body) {
                    Some(pause) => self.post_later(session, body, pause, reply),
                    None => self.answer_post(session, &body, reply),
                };
            }
            PollKind::PostFailed(error, said) => {
                take(&self.posting, session.to_bits());
                if let Some(said) = said {
                    self.answer_after(session, said);
                }
                self.fail(session, error);
                Reply::Ok
            }
        };
        let _ = reply.send(answer);
    }

    /// The client whose messages other shards have no room for sends its next ones when they have.
    fn answer_later(self: &Rc<Self>, reply: oneshot::Sender<Reply>, answer: Reply) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            shard.uncongested().await;
            let _ = reply.send(answer);
        });
    }

    /// The GET that is parked now, if there is one, gets its answer when the channel has closed.
    fn answer_after(self: &Rc<Self>, session: SessionKey, said: oneshot::Receiver<()>) {
        let Some(parked) = take(&self.parked, session.to_bits()) else {
            return;
        };
        let (reply, answer) = oneshot::channel();
        self.parked
            .borrow_mut()
            .insert(session.to_bits(), Parked::Task(reply));
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let Ok(answer) = answer.await else { return };
            let _ = said.await;
            match parked {
                Parked::Conn(key) => {
                    shard.enter();
                    shard.answer_parked(key, answer);
                }
                Parked::Task(reply) => drop(reply.send(answer)),
            }
        });
    }

    /// A POST's body has not all come: the request is told when its session ends before that.
    pub(super) fn await_end(&self, session: SessionKey, request: Parked) {
        let mut posting = self.posting.borrow_mut();
        posting.insert(session.to_bits(), request);
    }

    /// A session has ended: the POST that is still coming for it is given up, when the GET that waits
    /// has had its answer.
    pub(crate) fn end_post(&self, session: SessionKey) {
        if let Some(request) = take(&self.posting, session.to_bits()) {
            self.given_up.borrow_mut().push((session, request));
        }
    }

    /// Answers the POSTs that are given up.
    pub(crate) fn answer_given_up(&self) {
        let given_up = std::mem::take(&mut *self.given_up.borrow_mut());
        for (session, request) in given_up {
            let reply = Reply::Refused(Refusal::SessionUnknown);
            match request {
                Parked::Conn(key) => self.give_up_post(key, session, reply),
                Parked::Task(task) => drop(task.send(reply)),
            }
        }
    }

    fn answer_post(
        self: &Rc<Self>,
        session: SessionKey,
        body: &[u8],
        reply: oneshot::Sender<Reply>,
    ) {
        let stuck = self.office.stuck();
        let answer = self.post_body(session, body);
        self.post_mail();
        if self.office.stuck() != stuck {
            return self.answer_later(reply, answer);
        }
        let _ = reply.send(answer);
    }

    /// Handles a POST after its pause.
    fn post_later(
        self: &Rc<Self>,
        session: SessionKey,
        body: Bytes,
        pause: Pause,
        reply: oneshot::Sender<Reply>,
    ) {
        let shard = Rc::clone(self);
        tokio::task::spawn_local(async move {
            shard.pause_over(session, pause).await;
            shard.enter();
            let held = shard.hub.borrow().transport(session).is_some();
            if held {
                shard.answer_post(session, &body, reply);
            } else {
                let _ = reply.send(Reply::Refused(Refusal::SessionUnknown));
            }
        });
    }

    /// The session of this id at this moment: one whose time is up is gone, even if the reactor's
    /// timer has not come to it.
    pub(super) fn find_now(self: &Rc<Self>, sid: &Sid) -> Option<SessionKey> {
        self.pass_time();
        self.hub.borrow().find(sid)
    }

    /// The client of a parked GET went away.
    pub(crate) fn get_aborted(self: &Rc<Self>, session: SessionKey) {
        take(&self.parked, session.to_bits());
        self.hub.borrow_mut().poll_lost(session);
        self.fail(session, PeerError::Aborted);
    }

    /// `None`: it is parked.
    pub(super) fn get(self: &Rc<Self>, session: SessionKey) -> Option<Reply> {
        self.newcomer_asks(session);
        let mut hub = self.hub.borrow_mut();
        match hub.recv_get(session) {
            None => Some(Reply::Refused(Refusal::SessionUnknown)),
            Some(Ok(Poll::Park)) => None,
            Some(Ok(Poll::Answer)) => {
                let body = hub.take_poll(self.now.get(), session);
                drop(hub);
                self.newcomer_closes(session); // these may have been its last words
                Some(Reply::Payload(body))
            }
            Some(Ok(Poll::Mismatch)) => Some(Reply::Refused(Refusal::BadRequest)),
            Some(Err(error)) => {
                drop(hub);
                self.fail(session, error);
                Some(Reply::Status(400))
            }
        }
    }

    /// A request broke a rule or broke off.
    pub(crate) fn fail(self: &Rc<Self>, session: SessionKey, error: PeerError) {
        log::line!(RequestFailed, self.about_session(session), %error);
        self.with_hub(|hub, now| hub.fail_poll(now, session, error));
        self.drain_events();
    }

    pub(super) fn post_begin(self: &Rc<Self>, session: SessionKey) -> Reply {
        self.newcomer_asks(session);
        let begun = self.hub.borrow_mut().recv_post(session);
        match begun {
            None => Reply::Refused(Refusal::SessionUnknown),
            Some(Ok(true)) => Reply::Continue,
            Some(Ok(false)) => Reply::Refused(Refusal::BadRequest),
            Some(Err(error)) => {
                self.fail(session, error);
                Reply::Status(400)
            }
        }
    }

    pub(super) fn post_body(self: &Rc<Self>, session: SessionKey, body: &[u8]) -> Reply {
        // It upgraded while the body was on its way: the sender must know that this was not taken.
        if self.hub.borrow().transport(session) == Some(Transport::WebSocket) {
            return Reply::Refused(Refusal::BadRequest);
        }
        let Ok(text) = simdutf8::basic::from_utf8(body) else {
            self.fail(session, PeerError::EnginePacket);
            return Reply::Status(400);
        };
        for packet in payload::packets(text) {
            self.relieve();
            if !self.hub.borrow().is_open(session) {
                break; // what follows the close in the same payload is ignored
            }
            if let Err(error) = self.packet(session, packet) {
                log::line!(Closing, self.about_session(session), %error);
                self.drain_events();
                return match error.close_reason() {
                    // The payload was good Engine.IO: the client learns of the close by its GET, as
                    // from the official server, and not by whichever answer comes first.
                    CloseReason::ForcedClose | CloseReason::ForcedServerClose => Reply::Ok,
                    _ => Reply::Status(400),
                };
            }
        }
        self.hub.borrow_mut().end_post(session);
        Reply::Ok
    }

    fn packet(self: &Rc<Self>, session: SessionKey, packet: &str) -> Result<(), PeerError> {
        let now = self.now.get();
        let received = self.hub.borrow_mut().receive_text(now, session, packet)?;
        self.dispatch(session, &received);
        Ok(())
    }
}
