//! Answers: where does a request go that has come on a connection, and what comes behind it.

use std::rc::Rc;

use super::{
    Shard,
    conns::{BEHIND_BYTES, ConnKey, Role},
    http,
    judge::Verdict,
    respond::unavailable,
};
use crate::net::{
    request::{Flow, Incoming, Phase, Reader},
    ws,
};

/// The close code for what is refused when the WebSocket is open already (RFC 6455 7.4.1: policy).
const REFUSED: u16 = 1008;

/// The close code for one that is open already when the server stops (RFC 6455 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

impl Shard {
    /// Bytes have come on a connection that brings requests. `answered` if hyper has sent the response to the
    /// first of them.
    pub(crate) fn request_bytes(self: &Rc<Self>, key: ConnKey, bytes: &[u8], answered: bool) {
        let Some(mut reader) = self.conns.borrow_mut().take_requests(key) else {
            return;
        };
        let mut is_new_head = reader.phase() != Phase::Head;
        let mut answered = answered;
        reader.feed(bytes, |incoming| {
            is_new_head = true;
            self.request(key, incoming, std::mem::take(&mut answered), false)
        });
        self.requests_read(key, reader, is_new_head);
    }

    /// Goes on with what is behind a request that is answered now, or with a body that was held.
    pub(crate) fn go_on(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        let Some(mut reader) = conns.take_requests(key) else {
            return;
        };
        if reader.kept().len() >= BEHIND_BYTES {
            conns.read_on(key);
        }
        drop(conns);
        let mut held = matches!(reader.phase(), Phase::Held(_));
        reader.go_on(|incoming| self.request(key, incoming, false, std::mem::take(&mut held)));
        self.requests_read(key, reader, true);
    }

    /// A connection's reader was fed.
    fn requests_read(&self, key: ConnKey, reader: Reader, is_new_head: bool) {
        let (now, waits) = (self.now.get(), self.config.waits);
        let phase = reader.phase();
        let mut conns = self.conns.borrow_mut();
        conns.return_requests(key, reader);
        match phase {
            Phase::Head if is_new_head => conns.set_due(key, now.after(waits.head)),
            Phase::Body(_) => {
                let until = conns.polled(key).map(|polled| polled.body_until);
                let piece = now.after(waits.piece);
                conns.set_due(key, piece.min(until.unwrap_or(piece)));
            }
            _ => {}
        }
    }

    /// A head or a body is whole. `held` if the body was before.
    fn request(
        self: &Rc<Self>,
        key: ConnKey,
        incoming: Incoming<'_>,
        answered: bool,
        held: bool,
    ) -> Flow {
        match incoming {
            Incoming::Head(request, bytes) => {
                let length = request.len;
                // The application may wait before it agrees, which is for a task.
                let verdict = if !answered && self.has_middleware(&request) {
                    Verdict::Http
                } else {
                    self.judge(&request, &bytes[..length], key)
                };
                self.obey(key, verdict, bytes, length, answered)
            }
            Incoming::Body(body) => self.post_whole(key, body, held),
            Incoming::Bad(error) => {
                let mut response = error.response();
                response.options = self.config.policy.options_unread();
                self.obey(key, Verdict::Refuse(response), &[], 0, answered)
            }
        }
    }

    /// Does with a connection what was decided about its request, whose head is the first `head` of `bytes`.
    pub(crate) fn obey(
        self: &Rc<Self>,
        key: ConnKey,
        verdict: Verdict,
        bytes: &[u8],
        head: usize,
        answered: bool,
    ) -> Flow {
        match verdict {
            Verdict::Poll(wanted, options) => {
                return self.serve(key, wanted, options, bytes, head);
            }
            Verdict::Preflight(response) => return self.preflight(key, response),
            Verdict::Refuse(_) if answered => self.finish_websocket(key, REFUSED),
            Verdict::Refuse(response) => self.refuse(key, &response),
            Verdict::Stopping if answered => self.finish_websocket(key, GOING_AWAY),
            Verdict::Stopping => self.refuse(key, &unavailable()),
            Verdict::Http => {
                let link = self.conns.borrow_mut().take(key);
                if let Some(link) = link {
                    http::spawn(self, link, bytes.to_vec());
                }
            }
            Verdict::Elsewhere(sid) => {
                let link = self.conns.borrow_mut().take(key);
                if let Some(link) = link {
                    self.hand_over(sid.shard(), link, bytes.to_vec(), answered);
                }
            }
            Verdict::Open {
                response,
                handshake,
                text_only,
            } => {
                let session = self.open_websocket(key, (!answered).then_some(&response), text_only);
                self.begin_session(session, handshake);
                let reader = ws::Reader::default();
                self.become_websocket(key, Role::WebSocket { session, reader });
                self.frames(key, &mut bytes[head..].to_vec()); // seldom any
            }
            Verdict::Probe {
                response,
                session,
                text_only,
            } => {
                if self.begin_probe(key, session, (!answered).then_some(response)) {
                    if text_only {
                        self.hub.borrow_mut().recv_b64(session);
                    }
                    self.frames(key, &mut bytes[head..].to_vec());
                }
            }
        }
        Flow::End
    }
}
