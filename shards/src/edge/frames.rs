//! Answers: what do a connection's bytes mean, by its role; what does a WebSocket message, or the end
//! of a connection, mean for its session.

use std::{ops::ControlFlow, rc::Rc};

use stentor_engine::{
    error::{CloseReason, PeerError},
    hub::{Ending, SessionKey},
    out::Written,
};

use crate::{
    log,
    net::ws::{self, Incoming, ReadLimits},
    shard::{
        Shard,
        conns::{ConnKey, Role, conn_id},
        port::Port,
    },
};

/// Frames of one message, besides those that its bytes pay for: as Node's `ws` has it.
const FRAGMENTS_MAX: usize = 16_384;

/// What a connection's bytes are.
enum Taken {
    /// Of what stands before a first request.
    ProxyHeader,
    Requests,
    Frames,
}

impl Shard {
    /// A connection takes bytes again.
    pub(crate) fn writable(self: &Rc<Self>, key: ConnKey) {
        let mut conns = self.conns.borrow_mut();
        match conns.get(key).map(|conn| &conn.role) {
            Some(Role::WebSocket { session, .. }) => {
                self.hub.borrow_mut().writable(*session);
            }
            Some(Role::Polled(polled)) if !polled.unsent.is_empty() => {
                drop(conns);
                self.send_rest(key);
            }
            Some(Role::Ending(_)) => conns.end_rest(key, self.now.get()),
            _ => {}
        }
    }

    /// Bytes have come over a connection.
    pub(crate) fn conn_bytes(self: &Rc<Self>, key: ConnKey, bytes: &mut [u8]) {
        let taken = match self.conns.borrow().get(key).map(|conn| &conn.role) {
            None | Some(Role::Ending(_) | Role::Lingering) => return,
            Some(Role::ProxyHeader(_)) => Taken::ProxyHeader,
            Some(Role::Head(_) | Role::Polled(_)) => Taken::Requests,
            Some(Role::WebSocket { .. } | Role::Probe { .. }) => Taken::Frames,
        };
        match taken {
            Taken::ProxyHeader => self.proxy_header_bytes(key, bytes),
            Taken::Requests => self.request_bytes(key, bytes, false),
            Taken::Frames => self.frames(key, bytes),
        }
    }

    /// Bytes of WebSocket frames have come.
    pub(crate) fn frames(self: &Rc<Self>, key: ConnKey, bytes: &mut [u8]) {
        if bytes.is_empty() {
            return;
        }
        let taken = self.conns.borrow_mut().take_reader(key);
        let Some((session, mut reader, was_probe)) = taken else {
            return;
        };
        let mut probing = was_probe;
        let limits = ReadLimits {
            message_bytes: self.config.engine.limits.payload_bytes,
            fragments: FRAGMENTS_MAX,
        };
        let fed = reader.feed(bytes, limits, |incoming| {
            if probing {
                return self.probe_message(key, session, incoming, &mut probing);
            }
            self.websocket_message(session, incoming)
        });
        // At once: more may come on the connection in the same turn, or its end.
        self.conns.borrow_mut().return_reader(key, reader);
        if let Err(error) = fed {
            let code = Some(error.code());
            self.websocket_failed(key, session, probing, code);
        }
    }

    fn websocket_message(
        self: &Rc<Self>,
        session: SessionKey,
        incoming: Incoming<'_>,
    ) -> ControlFlow<()> {
        let now = self.now.get();
        let received = match incoming {
            Incoming::Text(text) => self.hub.borrow_mut().receive_text(now, session, text),
            Incoming::Binary(data) => self.hub.borrow_mut().receive_binary(now, session, data),
            Incoming::Ping(payload) => {
                let mut pong = Vec::new();
                ws::pong_frame(payload, &mut pong);
                self.hub.borrow_mut().push_raw(session, &pong);
                return ControlFlow::Continue(());
            }
            Incoming::Pong(_) => return ControlFlow::Continue(()),
            Incoming::Close(close) => {
                // The same code goes back, behind the answers to what came before.
                let code = close.map(|(code, _)| code);
                let reason = CloseReason::TransportClose;
                self.hub
                    .borrow_mut()
                    .close(now, session, reason, Ending::Abrupt(code));
                return ControlFlow::Break(());
            }
        };
        // By reference: moved out of the result it is 130 bytes copied.
        match &received {
            Ok(received) => {
                self.dispatch(session, received);
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.note_peer_error(session, *error);
                ControlFlow::Break(())
            }
        }
    }

    fn note_peer_error(&self, session: SessionKey, error: PeerError) {
        log::line!(Closing, self.about_session(session), %error);
    }

    fn probe_message(
        self: &Rc<Self>,
        key: ConnKey,
        session: SessionKey,
        incoming: Incoming<'_>,
        probing: &mut bool,
    ) -> ControlFlow<()> {
        let (now, conn) = (self.now.get(), conn_id(key));
        match incoming {
            Incoming::Text(text) => {
                let mut hub = self.hub.borrow_mut();
                hub.recv_probe(now, session, conn, text);
                *probing = hub.is_probing(session, conn);
                let upgraded = !*probing && hub.is_on(session, conn);
                let open = hub.is_open(session); // else it takes its last words there
                drop(hub);
                if upgraded {
                    // At once: user code follows. The reader is back when what was read is done.
                    let reader = ws::Reader::default();
                    self.become_websocket(key, Role::WebSocket { session, reader });
                    if open {
                        self.upgraded(session);
                    }
                }
                if *probing || upgraded {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            }
            Incoming::Ping(payload) => {
                let mut pong = Vec::new();
                ws::pong_frame(payload, &mut pong);
                if self.say(key, &pong) {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            }
            Incoming::Pong(_) => ControlFlow::Continue(()),
            Incoming::Close(close) => {
                self.answer_close(key, close.map(|(code, _)| code));
                self.hub.borrow_mut().abandon_probe(session, conn);
                ControlFlow::Break(())
            }
            Incoming::Binary(_) => {
                self.websocket_failed(key, session, true, None);
                ControlFlow::Break(())
            }
        }
    }

    /// Sends a few bytes on a connection that is no session's transport, and has no outbox. One that does not
    /// take them whole is closed: what followed would be taken for their rest. False if it was.
    pub(crate) fn say(self: &Rc<Self>, key: ConnKey, bytes: &[u8]) -> bool {
        let written = self.conns.borrow().write(key, &[bytes]);
        let whole = written == Written::Bytes(bytes.len());
        if !whole {
            log::line!(ProbeNotReading, self.about_conn(key));
            self.conn_closed(key);
        }
        whole
    }

    /// The peer closes: the same code goes back, and then nothing.
    fn answer_close(&self, key: ConnKey, code: Option<u16>) {
        let (frame, len) = ws::close_frame(code, "");
        self.conns
            .borrow_mut()
            .finish(key, &frame[..len], self.now.get());
    }

    /// The peer broke a rule of the WebSocket protocol.
    fn websocket_failed(
        &self,
        key: ConnKey,
        session: SessionKey,
        probing: bool,
        code: Option<u16>,
    ) {
        if probing {
            let (frame, len) = ws::close_frame(code, "");
            self.conns
                .borrow_mut()
                .finish(key, &frame[..len], self.now.get());
            self.hub.borrow_mut().abandon_probe(session, conn_id(key));
        } else {
            let reason = CloseReason::TransportError;
            self.hub
                .borrow_mut()
                .close(self.now.get(), session, reason, Ending::Abrupt(code));
        }
    }

    /// The peer sends no more. What it has still to read it may be given.
    pub(crate) fn conn_ended(self: &Rc<Self>, key: ConnKey) {
        if let Some(polled) = self.conns.borrow_mut().polled(key)
            && !polled.unsent.is_empty()
        {
            polled.ended = true;
            return;
        }
        if !self.last_words(key) {
            self.conn_closed(key);
        }
    }

    /// What handlers said to what came before the end still goes, as before a close frame: who sends no
    /// more may read on. True if some of it is still to go, and the connection's end with it.
    fn last_words(self: &Rc<Self>, key: ConnKey) -> bool {
        let session = match self.conns.borrow().get(key).map(|conn| &conn.role) {
            Some(Role::WebSocket { session, .. }) => *session,
            _ => return false,
        };
        let now = self.now.get();
        let mut hub = self.hub.borrow_mut();
        if !hub.has_queued(session) {
            return false;
        }
        hub.close(now, session, CloseReason::TransportClose, Ending::ByPeer);
        hub.flush(now, &mut Port(self));
        hub.transport(session).is_some()
    }

    /// The peer closed its connection, or it broke.
    pub(crate) fn conn_closed(self: &Rc<Self>, key: ConnKey) {
        let role = self.conns.borrow_mut().drop_conn(key);
        match role {
            None
            | Some(Role::ProxyHeader(_) | Role::Head(_) | Role::Ending(_) | Role::Lingering) => {}
            Some(Role::Polled(polled)) => self.polled_closed(key, &polled),
            Some(Role::WebSocket { session, .. }) => {
                let (now, reason) = (self.now.get(), CloseReason::TransportClose);
                let mut hub = self.hub.borrow_mut();
                hub.close(now, session, reason, Ending::ByPeer);
                hub.connection_lost(session);
            }
            Some(Role::Probe { session, .. }) => {
                self.hub.borrow_mut().abandon_probe(session, conn_id(key));
            }
        }
    }
}
