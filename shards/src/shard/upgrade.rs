//! Answers: what does a request want that the shard has read: a WebSocket here, one on another shard,
//! long-polling, or other HTTP.
//!
//! WebSocket handshakes are answered here, without hyper: the response and the OPEN packet leave in
//! one write, and the connection never belongs to a task. Plain long-polling is served by
//! [`super::requests`]. Everything else goes to hyper.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use ::http::StatusCode;
use stentor_engine::{
    eio::handshake::{Refusal, Request, Transport},
    hub::SessionKey,
    id::Sid,
};

use super::{
    INTERNAL_ERROR, Shard,
    asked::Heard,
    conns::{ConnKey, Role, conn_id},
    http,
    requests::Wanted,
    respond::{NotUpgraded, Refused},
};
use crate::{
    address::{Caller, Source},
    discard::discard,
    handshake::{Handshake, Keep},
    log::{self, About},
    net::{
        head::{self, Head, Plain, RequestHead, accept_key},
        response::{Response, ResponseOptions},
        ws,
    },
    policy::{Asked as _, Context, is_old_browser},
};

/// What becomes of a first request.
pub(crate) enum Verdict {
    /// More of it must come.
    Wait,
    /// Answer this and close.
    Refuse(Response),
    /// The server stops: nothing begins.
    Stopping,
    /// A new session; the response, and what is kept of the request.
    Open {
        response: Response,
        handshake: Option<Handshake>,
        /// It takes no binary frames.
        text_only: bool,
    },
    /// A WebSocket for a session that polls here.
    Probe {
        response: Response,
        session: SessionKey,
        text_only: bool,
    },
    /// The session lives on another shard.
    Elsewhere(Sid),
    /// Long-polling that is served here.
    Poll(Wanted, ResponseOptions),
    /// Answer this and go on: a preflight.
    Preflight(Response),
    /// Something else.
    Http,
}

/// Whose request is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Peer {
    Conn(ConnKey),
    /// One whose connection hyper has.
    Address(Source),
}

/// The close code for what is refused when the WebSocket is open already (RFC 6455 7.4.1: policy).
const REFUSED: u16 = 1008;

/// The close code for one that is open already when the server stops (RFC 6455 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

/// The response that makes a connection a WebSocket, or what a request is told that is none. The first
/// offered subprotocol is accepted, as by the official server; without that browsers that offer
/// one would close.
fn switching(request: &RequestHead<'_>) -> Result<Response, NotUpgraded> {
    let key = request.check_upgrade()?;
    let offered = request.first_subprotocol();
    let offered = offered.ok_or(Refusal::BadRequest)?;
    Ok(Response::switching(&accept_key(key), offered))
}

impl Shard {
    /// Bytes of requests have come. `answered` if hyper has sent the response to the first.
    pub(crate) fn requests(
        self: &Rc<Self>,
        key: ConnKey,
        mut bytes: &mut [u8],
        mut answered: bool,
    ) {
        while !bytes.is_empty() && self.takes_request(key, bytes) {
            let Some(used) = self.request(key, bytes, answered) else {
                return;
            };
            bytes = &mut bytes[used..];
            answered = false;
        }
    }

    /// Whether a request can be served on a connection now. If only later, the bytes are kept.
    fn takes_request(&self, key: ConnKey, bytes: &[u8]) -> bool {
        let mut conns = self.conns.borrow_mut();
        match conns.get_mut(key).map(|c| &mut c.role) {
            Some(Role::Polled(polled)) if polled.is_busy() => {
                polled.take_in(bytes);
                conns.recount(key);
                false
            }
            Some(Role::Head(_) | Role::Polled(_)) => true,
            _ => false,
        }
    }

    /// The request that `bytes` begin with. Where the next one begins, if that is to be looked at
    /// now.
    fn request(self: &Rc<Self>, key: ConnKey, bytes: &mut [u8], answered: bool) -> Option<usize> {
        let (verdict, used) = match head::parse(bytes) {
            Head::Incomplete => (Verdict::Wait, 0),
            Head::Bad(error) => {
                let mut response = error.response();
                response.options = self.config.policy.options_unread();
                (Verdict::Refuse(response), 0)
            }
            // The application may wait before it agrees, which is for a task.
            Head::Request(request) if !answered && self.has_middleware(&request) => {
                (Verdict::Http, request.len)
            }
            Head::Request(request) => (
                self.judge(&request, &bytes[..request.len], Peer::Conn(key)),
                request.len,
            ),
        };
        self.obey(key, verdict, bytes, used, answered)
    }

    /// Whether the application thinks about a request before it is served.
    fn has_middleware(&self, request: &RequestHead<'_>) -> bool {
        let policy = &self.config.policy;
        policy.has_middleware()
            && request.path_and_query().0.starts_with(&*self.config.path)
            && !policy.takes_for_preflight(request.method)
    }

    /// Does with a connection what was decided about its request, the first `used` of `bytes`.
    pub(crate) fn obey(
        self: &Rc<Self>,
        key: ConnKey,
        verdict: Verdict,
        bytes: &mut [u8],
        used: usize,
        answered: bool,
    ) -> Option<usize> {
        match verdict {
            Verdict::Poll(wanted, options) => {
                return self.serve(key, wanted, options, bytes, used);
            }
            Verdict::Preflight(response) => {
                self.preflight(key, response);
                return Some(used);
            }
            Verdict::Wait => self.await_head(key, bytes),
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
                let session = self.open_websocket(key, (!answered).then_some(response), text_only);
                self.begin_session(session, handshake);
                let reader = ws::Reader::default();
                self.become_websocket(key, Role::WebSocket { session, reader });
                self.frames(key, &mut bytes[used..]);
            }
            Verdict::Probe {
                response,
                session,
                text_only,
            } => {
                if self.begin_probe(key, session, (!answered).then_some(response)) {
                    if text_only {
                        self.hub.borrow_mut().sessions().recv_b64(session);
                    }
                    self.frames(key, &mut bytes[used..]);
                }
            }
        }
        None
    }

    /// A session over WebSocket begins: the response goes first, with the OPEN packet behind it.
    fn open_websocket(
        &self,
        key: ConnKey,
        response: Option<Response>,
        text_only: bool,
    ) -> SessionKey {
        let now = self.now.get();
        let mut writer = self.writer.borrow_mut();
        let written = response.as_ref().map(|response| {
            let (head, _) = writer.write(response, &self.config.header_sets, now.0);
            head
        });
        let mut hub = self.hub.borrow_mut();
        let session = hub.open(now, Some((conn_id(key), written.unwrap_or_default())));
        if text_only {
            hub.sessions().recv_b64(session);
        }
        drop((hub, writer));
        self.send_initial_packet(session);
        session
    }

    /// Closes a WebSocket that is no session's.
    fn finish_websocket(&self, key: ConnKey, code: u16) {
        let (frame, len) = ws::close_frame(Some(code), "");
        let now = self.now.get();
        self.conns.borrow_mut().finish(key, &frame[..len], now);
    }

    /// A WebSocket for a session that polls. False, and the connection is finished, if the session
    /// has upgraded or is upgrading already.
    fn begin_probe(
        self: &Rc<Self>,
        key: ConnKey,
        session: SessionKey,
        response: Option<Response>,
    ) -> bool {
        let now = self.now.get();
        self.newcomer_asks(session);
        let probing = self
            .hub
            .borrow_mut()
            .sessions()
            .recv_probe_open(now, session, conn_id(key));
        // Copied: the log hears of a connection that does not take it, and user code may hear the log.
        let response = response.map(|response| {
            let mut writer = self.writer.borrow_mut();
            writer
                .write(&response, &self.config.header_sets, now.0)
                .0
                .to_vec()
        });
        if let Some(response) = response
            && !self.say(key, &response)
        {
            if probing {
                let mut hub = self.hub.borrow_mut();
                hub.sessions().abandon_probe(session, conn_id(key));
            }
            return false;
        }
        if !probing {
            // Upgraded or upgrading already: opened and closed, as the official test suites have it.
            let (frame, len) = ws::close_frame(None, "");
            self.conns.borrow_mut().finish(key, &frame[..len], now);
            return false;
        }
        let reader = ws::Reader::default();
        self.become_websocket(key, Role::Probe { session, reader });
        true
    }

    pub(crate) fn become_websocket(&self, key: ConnKey, role: Role) {
        self.conns.borrow_mut().set_role(key, role);
    }

    fn judge(&self, request: &RequestHead<'_>, head: &[u8], peer: Peer) -> Verdict {
        let (path, query) = request.path_and_query();
        if !path.starts_with(&*self.config.path) {
            return Verdict::Http;
        }
        let asked = Heard {
            shard: self,
            request,
            head,
            peer,
        };
        if self.config.policy.takes_for_preflight(request.method) {
            return self.judge_preflight(&asked);
        }
        let query = Request::parse(query);
        if !request.wants_websocket() {
            if self.client_file(path).is_some() {
                return Verdict::Http;
            }
            return self.judge_http(&asked, &query);
        }
        if self.stopping.get() {
            return Verdict::Stopping;
        }
        let judged = self.judge_websocket(&asked, &query);
        let mut verdict = judged.unwrap_or_else(|refused| {
            self.tell_refused(refused.told(), || asked.handshake());
            Verdict::Refuse(refused.into_response())
        });
        if let Some(response) = verdict.response() {
            response.options = self.response_options(&asked, false);
        }
        verdict
    }

    /// A preflight: nothing else of it is judged. hyper answers one that wants more than an answer.
    fn judge_preflight(&self, asked: &Heard<'_>) -> Verdict {
        let plain = asked.request.plain();
        let has_body = |plain: Plain<'_>| plain.length.is_some_and(|length| length > 0);
        if plain.is_none_or(has_body) {
            return Verdict::Http;
        }
        Verdict::Preflight(self.config.policy.preflight(asked))
    }

    /// A WebSocket request: what is checked of it, in the official order (PROTOCOL.md 2.2). An error is
    /// the answer to one that is refused.
    fn judge_websocket(
        &self,
        asked: &Heard<'_>,
        query: &Request<'_>,
    ) -> Result<Verdict, NotUpgraded> {
        let request = asked.request;
        let origin = request.header("origin");
        let transport = query.check(&self.config.engine, origin);
        let transport = transport.map_err(Refused::in_first_check)?;
        if !self.config.policy.lets_websocket_in(asked) {
            let context = Context::OriginNotAllowed;
            return Err(Refused::with(Refusal::Forbidden, context).into());
        }
        let Some(sid) = query.sid()? else {
            let get = request.method == "GET";
            query.check_new(transport, get, true)?;
            let mut response = switching(request)?;
            let handshake = self.let_in(asked)?;
            query.check_version()?;
            let policy = &self.config.policy;
            policy.add_initial(&mut response.lines, None, || asked.handshake());
            return Ok(Verdict::Open {
                response,
                handshake,
                text_only: query.is_text_only(),
            });
        };
        if self.is_elsewhere(&sid) {
            return Ok(Verdict::Elsewhere(sid));
        }
        let Some(session) = self.hub.borrow().find(&sid) else {
            return Err(Refusal::SessionUnknown.into());
        };
        if transport != Transport::WebSocket || !query.is_version_4() {
            let context = Context::TransportMismatch;
            return Err(Refused::with(Refusal::BadRequest, context).into());
        }
        let response = switching(request)?;
        Ok(Verdict::Probe {
            response,
            session,
            text_only: query.is_text_only(),
        })
    }

    /// Asks the application about a new session over WebSocket: what is kept of the request, or the
    /// answer if it says no.
    fn let_in(&self, asked: &Heard<'_>) -> Result<Option<Handshake>, Refused> {
        let (head, caller) = (asked.head, asked.caller());
        let handshake = caller.and_then(|caller| handshake(self.config.keep, head, &caller));
        let allowed = self.allows(head, caller.as_ref());
        allowed.map_err(Refused::by_application)?;
        Ok(handshake)
    }

    /// A first request whose session lives elsewhere takes its connection there: the requests that
    /// follow on it will mostly be of the same client. One that comes later shows that they are not.
    fn judge_http(&self, asked: &Heard<'_>, query: &Request<'_>) -> Verdict {
        let Ok(sid) = query.sid() else {
            return Verdict::Http;
        };
        if let Some(sid) = sid.filter(|sid| self.is_elsewhere(sid)) {
            let first = match asked.peer {
                Peer::Conn(key) => self.is_first(key),
                Peer::Address(_) => false,
            };
            return if first {
                Verdict::Elsewhere(sid)
            } else {
                Verdict::Http
            };
        }
        let Some((wanted, plain)) = self.wanted(asked.request, query, sid) else {
            return Verdict::Http;
        };
        let old_browser = plain.agent.is_some_and(is_old_browser);
        let mut options = self.response_options(asked, old_browser);
        options.encoding = match wanted {
            Wanted::Open | Wanted::Get(_) => self.poll_encoding(plain.accept_encoding),
            Wanted::Post(..) => None,
        };
        Verdict::Poll(wanted, options)
    }

    /// Whether nothing but preflights has come on a connection.
    fn is_first(&self, key: ConnKey) -> bool {
        let mut conns = self.conns.borrow_mut();
        conns.polled(key).is_none_or(|polled| polled.is_fresh)
    }

    /// Whether the sid names another shard that exists.
    pub(crate) fn is_elsewhere(&self, sid: &Sid) -> bool {
        sid.shard() != self.id && usize::from(sid.shard().0) < self.shared.sessions.len()
    }

    /// Asks the application whether a session may begin. If it panics, it may not.
    pub(crate) fn allows(&self, head: &[u8], caller: Option<&Caller>) -> Result<(), String> {
        let Some(allow) = &self.config.allow_request else {
            return Ok(());
        };
        let Some(caller) = caller else {
            return Err(Refusal::BadRequest.message().to_owned());
        };
        let request = Handshake::new(head, caller); // all of it, whatever is kept
        // Nothing of the shard is borrowed here.
        catch_unwind(AssertUnwindSafe(|| allow(&request))).unwrap_or_else(|panic| {
            let about = About {
                peer: Some(request.client()),
                ..self.about()
            };
            log::line!(AllowRequestPanicked, about);
            discard(panic);
            Err(INTERNAL_ERROR.to_owned())
        })
    }

    /// A session has begun: keeps its request and tells the application.
    pub(crate) fn begin_session(
        self: &Rc<Self>,
        session: SessionKey,
        handshake: Option<Handshake>,
    ) {
        if let Some(handshake) = handshake {
            self.kept.keep_handshake(session, handshake);
        }
        self.opened(session);
    }

    /// What becomes of a WebSocket request that hyper has read, for [`Self::adopt`], and the response
    /// that hyper is to write; an error is the response to a client that is refused.
    pub(super) fn judge_late(
        &self,
        head: &[u8],
        source: Source,
    ) -> Result<(Verdict, Response), Response> {
        let Head::Request(request) = head::parse(head) else {
            return Err(Refused::from(Refusal::BadRequest).upgrade_response());
        };
        let mut verdict = self.judge(&request, head, Peer::Address(source));
        match &mut verdict {
            Verdict::Open { response, .. } | Verdict::Probe { response, .. } => {
                let empty = Response::status(StatusCode::SWITCHING_PROTOCOLS);
                let response = std::mem::replace(response, empty);
                Ok((verdict, response))
            }
            Verdict::Elsewhere(_) => {
                let response = switching(&request);
                let mut response = response.map_err(NotUpgraded::into_response)?;
                let asked = Heard {
                    shard: self,
                    request: &request,
                    head,
                    peer: Peer::Address(source),
                };
                response.options = self.response_options(&asked, false);
                Ok((verdict, response))
            }
            _ => Err(match verdict {
                Verdict::Refuse(response) => response,
                Verdict::Stopping => unavailable(),
                _ => Refused::from(Refusal::BadRequest).upgrade_response(),
            }),
        }
    }
}

impl Verdict {
    /// What the client is told, if it is told something now.
    fn response(&mut self) -> Option<&mut Response> {
        match self {
            Self::Refuse(response) | Self::Open { response, .. } | Self::Probe { response, .. } => {
                Some(response)
            }
            Self::Wait
            | Self::Stopping
            | Self::Elsewhere(_)
            | Self::Poll(..)
            | Self::Preflight(_)
            | Self::Http => None,
        }
    }
}

/// What a WebSocket request is told while the server stops.
fn unavailable() -> Response {
    Response::status(StatusCode::SERVICE_UNAVAILABLE).closing()
}

/// What is kept of a request.
pub(crate) fn handshake(keep: Keep, head: &[u8], caller: &Caller) -> Option<Handshake> {
    match keep {
        Keep::Whole => Some(Handshake::kept(head, caller)),
        Keep::Nothing => None,
    }
}
