//! Answers: what becomes of a request whose head is here: a WebSocket, long-polling here or on another shard, or
//! something for hyper.
//!
//! The checks and their order are the core's ([`stentor_engine::eio::admit`]); what the core does not know is
//! asked here, in its place: the application, the sessions, the other shards, RFC 6455. First requests and
//! later ones are judged here, and WebSocket requests that hyper has read.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use http::{Extensions, StatusCode};
use stentor_engine::{
    eio::{
        admit::{self, Ask, Check, Facts, Method, Query, Want},
        handshake::{Refusal, Transport},
    },
    hub::SessionKey,
    id::Sid,
};

use super::{
    INTERNAL_ERROR, Shard,
    asked::Heard,
    conns::ConnKey,
    respond::{NotUpgraded, Refused, unavailable},
    upgrade::switching,
};
use crate::{
    address::{Caller, Source},
    discard::discard,
    handshake::{Handshake, Keep},
    log::{self, About},
    net::{
        head::{self, Head, Plain, RequestHead},
        response::{HeaderLines, Response, ResponseOptions},
    },
    policy::{Asked as _, Context, is_old_browser},
    post::Reply,
};

/// What becomes of a request.
pub(crate) enum Verdict {
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
pub(crate) enum Peer {
    Conn(ConnKey),
    /// One whose connection hyper has.
    Address(Source),
}

/// What a request wants that is served here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted {
    /// A new session.
    Open,
    Get(Sid),
    /// A POST with a body of this length.
    Post(Sid, u32),
}

impl Verdict {
    /// What the client is told, if it is told something now.
    fn response(&mut self) -> Option<&mut Response> {
        match self {
            Self::Refuse(response) | Self::Open { response, .. } | Self::Probe { response, .. } => {
                Some(response)
            }
            Self::Stopping
            | Self::Elsewhere(_)
            | Self::Poll(..)
            | Self::Preflight(_)
            | Self::Http => None,
        }
    }
}

impl Shard {
    /// Whether a path is Engine.IO's.
    pub(super) fn is_engine_path(&self, path: &str) -> bool {
        admit::is_under(&self.config.path, path)
    }

    /// Whether the application thinks about a request before it is served.
    pub(super) fn has_middleware(&self, request: &RequestHead<'_>) -> bool {
        let policy = &self.config.policy;
        policy.has_middleware()
            && self.is_engine_path(request.path_and_query().0)
            && !policy.takes_for_preflight(request.method)
    }

    /// What becomes of a request on the shard's own connection `conn`, with the headers of its response.
    pub(super) fn judge(&self, request: &RequestHead<'_>, head: &[u8], conn: ConnKey) -> Verdict {
        let inquiry = Heard {
            shard: self,
            request,
            head,
            peer: Peer::Conn(conn),
        };
        let mut verdict = self.judge_alone(&inquiry);
        if let Some(response) = verdict.response() {
            response.options = self.response_options(&inquiry, false);
        }
        verdict
    }

    /// The same without those headers.
    fn judge_alone(&self, inquiry: &Heard<'_>) -> Verdict {
        let request = inquiry.request;
        let (path, query) = request.path_and_query();
        if !self.is_engine_path(path) {
            return Verdict::Http;
        }
        if self.config.policy.takes_for_preflight(request.method) {
            return self.judge_preflight(inquiry);
        }
        let query = Query::parse(query);
        if !request.wants_websocket() {
            if self.client_file(path).is_some() {
                return Verdict::Http;
            }
            return self.judge_http(inquiry, &query);
        }
        if self.stopping.get() {
            return Verdict::Stopping;
        }
        let judged = self.judge_websocket(inquiry, &query);
        judged.unwrap_or_else(|refused| {
            self.tell_refused(refused.told(), || inquiry.handshake());
            Verdict::Refuse(refused.into_response())
        })
    }

    fn ask(
        &self,
        request: &RequestHead<'_>,
        query: &Query<'_>,
        upgrade: bool,
        origin: Option<&[u8]>,
    ) -> Result<Ask, Check> {
        let facts = Facts {
            method: Method::named(request.method),
            upgrade,
            origin,
        };
        admit::judge(query, facts, &self.config.engine)
    }

    /// A preflight: nothing else of it is judged. hyper answers one that wants more than an answer.
    fn judge_preflight(&self, inquiry: &Heard<'_>) -> Verdict {
        let plain = inquiry.request.plain();
        let has_body = |plain: Plain<'_>| plain.length.is_some_and(|length| length > 0);
        if plain.is_none_or(has_body) {
            return Verdict::Http;
        }
        Verdict::Preflight(self.config.policy.preflight(inquiry))
    }

    /// A WebSocket request. An error is what one is told that is refused.
    fn judge_websocket(
        &self,
        inquiry: &Heard<'_>,
        query: &Query<'_>,
    ) -> Result<Verdict, NotUpgraded> {
        let (request, policy) = (inquiry.request, &self.config.policy);
        let text_only = query.is_text_only();
        let ask = self.ask(request, query, true, request.header("origin"))?;
        if !policy.lets_websocket_in(inquiry) {
            let context = Context::OriginNotAllowed;
            return Err(Refused::with(Refusal::Forbidden, context).into());
        }
        match ask {
            Ask::Open { version, .. } => {
                let mut response = switching(request)?;
                let handshake = self.let_in(inquiry)?;
                version?;
                policy.add_initial(&mut response.lines, None, || inquiry.handshake());
                Ok(Verdict::Open {
                    response,
                    handshake,
                    text_only,
                })
            }
            Ask::Session { sid, .. } if self.is_elsewhere(&sid) => Ok(Verdict::Elsewhere(sid)),
            Ask::Session { sid, want } => {
                let session = self.hub.borrow().find(&sid);
                let session = session.ok_or(Refusal::SessionUnknown)?;
                want.map_err(Refused::in_mismatch)?;
                Ok(Verdict::Probe {
                    response: switching(request)?,
                    session,
                    text_only,
                })
            }
        }
    }

    /// Asks the application about a new session over WebSocket: what is kept of the request, or the
    /// answer if it says no.
    fn let_in(&self, inquiry: &Heard<'_>) -> Result<Option<Handshake>, Refused> {
        let (head, caller) = (inquiry.head, inquiry.caller());
        let handshake = caller.and_then(|caller| handshake(self.config.keep, head, &caller));
        let allowed = self.allows(head, caller.as_ref());
        allowed.map_err(Refused::by_application)?;
        Ok(handshake)
    }

    /// A first request whose session lives elsewhere takes its connection there: the requests that
    /// follow on it will mostly be of the same client. One that comes later shows that they are not.
    fn judge_http(&self, inquiry: &Heard<'_>, query: &Query<'_>) -> Verdict {
        let request = inquiry.request;
        let plain = request.plain();
        let origin = match &plain {
            Some(plain) => plain.origin,
            None => request.header("origin"),
        };
        let Ok(ask) = self.ask(request, query, false, origin) else {
            return Verdict::Http;
        };
        if let Ask::Session { sid, .. } = ask
            && self.is_elsewhere(&sid)
        {
            let first = match inquiry.peer {
                Peer::Conn(key) => self.is_first(key),
                Peer::Address(_) => false,
            };
            return if first {
                Verdict::Elsewhere(sid)
            } else {
                Verdict::Http
            };
        }
        let Some(plain) = plain else {
            return Verdict::Http;
        };
        let Some(wanted) = self.wanted(ask, &plain) else {
            return Verdict::Http;
        };
        let old_browser = plain.agent.is_some_and(is_old_browser);
        let mut options = self.response_options(inquiry, old_browser);
        options.encoding = match wanted {
            Wanted::Open | Wanted::Get(_) => self.poll_encoding(plain.accept_encoding),
            Wanted::Post(..) => None,
        };
        Verdict::Poll(wanted, options)
    }

    /// What a plain request wants, if it is one that is served here.
    fn wanted(&self, ask: Ask, plain: &Plain<'_>) -> Option<Wanted> {
        if self.stopping.get() {
            return None;
        }
        let has_no_body = matches!(plain.length, None | Some(0));
        let octets = b"application/octet-stream";
        match ask {
            Ask::Open {
                transport: Transport::Polling,
                version: Ok(()),
            } if has_no_body => Some(Wanted::Open),
            Ask::Session {
                sid,
                want: Ok(Want::Get),
            } if has_no_body => Some(Wanted::Get(sid)),
            Ask::Session {
                sid,
                want: Ok(Want::Post),
            } => {
                let len = plain.length?;
                let is_text = !plain.kind.is_some_and(|kind| kind.starts_with(octets));
                let fits = len <= self.config.engine.limits.payload_bytes;
                let len = u32::try_from(len).ok()?; // a longer one is hyper's
                (is_text && fits).then_some(Wanted::Post(sid, len))
            }
            Ask::Open { .. } | Ask::Session { .. } => None,
        }
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
    /// that hyper is to write; an error is the response to a client that is refused. Both are without the
    /// headers that the request decides: who answers for hyper adds them to every response.
    pub(super) fn judge_late(
        &self,
        head: &[u8],
        source: Source,
    ) -> Result<(Verdict, Response), Response> {
        let Head::Request(request) = head::parse(head) else {
            return Err(Refused::from(Refusal::BadRequest).upgrade_response());
        };
        let mut verdict = self.judge_alone(&Heard {
            shard: self,
            request: &request,
            head,
            peer: Peer::Address(source),
        });
        match &mut verdict {
            Verdict::Open { response, .. } | Verdict::Probe { response, .. } => {
                let empty = Response::status(StatusCode::SWITCHING_PROTOCOLS);
                let response = std::mem::replace(response, empty);
                Ok((verdict, response))
            }
            Verdict::Elsewhere(_) => {
                let response = switching(&request);
                Ok((verdict, response.map_err(NotUpgraded::into_response)?))
            }
            _ => Err(match verdict {
                Verdict::Refuse(response) => response,
                Verdict::Stopping => unavailable(),
                _ => Refused::from(Refusal::BadRequest).upgrade_response(),
            }),
        }
    }

    /// A request for a new session over polling, which has passed the checks up to the application. The
    /// handshake is itself a poll: what user code emits at once goes with it. `attached` is middleware's.
    pub(super) fn open_polling(
        self: &Rc<Self>,
        head: &[u8],
        caller: Option<&Caller>,
        attached: Extensions,
        version: Result<(), Refusal>,
    ) -> Result<Response, Refused> {
        let address = caller.and_then(|caller| caller.address);
        if let Err(too_many) = self.room_for_newcomer(address) {
            return Ok(too_many);
        }
        let kept = caller.and_then(|caller| handshake(self.config.keep, head, caller));
        let kept = kept.map(|kept| kept.with(attached));
        let allowed = self.allows(head, caller);
        allowed.map_err(Refused::by_application)?;
        version?;
        let session = self.with_hub(|hub, now| hub.open(now, None));
        self.add_newcomer(session, address);
        let policy = &self.config.policy;
        let mut lines = HeaderLines::default();
        if policy.adds_initial() {
            let sid = self.hub.borrow().sid(session).map(|sid| sid.text());
            let request = || Some(Handshake::new(head, caller?));
            policy.add_initial(&mut lines, sid.as_ref().map(|sid| &sid[..]), request);
        }
        self.send_initial_packet(session);
        self.begin_session(session, kept);
        let body = self.with_hub(|hub, now| hub.take_poll(now, session));
        let mut response = Response::from(Reply::Payload(body));
        response.lines = lines;
        Ok(response)
    }

    /// A session gets the packet that each has behind its OPEN, if there is one.
    pub(super) fn send_initial_packet(&self, session: SessionKey) {
        if let Some((kind, data)) = &self.config.initial_packet {
            self.with_hub(|hub, _| hub.send(session, *kind, data));
        }
    }
}

/// What is kept of a request.
fn handshake(keep: Keep, head: &[u8], caller: &Caller) -> Option<Handshake> {
    match keep {
        Keep::Whole => Some(Handshake::kept(head, caller)),
        Keep::Nothing => None,
    }
}
