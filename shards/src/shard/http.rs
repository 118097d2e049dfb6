//! Answers: what does HTTP say: long-polling in every form that the shard does not serve itself
//! (see [`super::requests`]), and WebSocket requests that come late.
//!
//! hyper reads and writes; this module turns requests into [`PollKind`]s and [`Reply`]s into
//! responses. It must not know about packets. What is not Engine.IO's is the application's
//! ([`super::pages`]).

use std::{convert::Infallible, future::Future, pin::pin, rc::Rc, sync::Arc, task::Poll};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use stentor_engine::{
    eio::{
        admit::{self, Ask, Facts, Query, Want},
        handshake::Refusal,
    },
    error::PeerError,
    id::Sid,
};
use tokio::sync::oneshot;

use super::{
    Shard,
    asked::Read,
    judge::Verdict,
    kept::HttpResponse,
    link::Link,
    middleware::{self, attached},
    pages::{self, for_hyper},
    respond::{Refused, unavailable},
};
use crate::{
    address::Source,
    log::{self, About, peer},
    net::{
        replay::{Patience, Replay, Wire},
        response::Response,
    },
    policy::{Asked as _, is_old_browser},
    post::{PollKind, Reply},
};

/// hyper's buffer: a head must fit, of which each byte of the target may have become three. Its own default
/// is 400 KB.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves a connection whose first bytes were read already.
pub(crate) fn spawn(shard: &Rc<Shard>, link: Link, read: Vec<u8>) {
    let source = link.source();
    let stream = link
        .stream
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpStream::from_std(link.stream));
    let (Ok(stream), Ok(source)) = (stream, source) else {
        return;
    };
    let shard = Rc::clone(shard);
    let waits = shard.config.waits;
    let patience = Patience {
        head: waits.head,
        piece: waits.piece,
        body: waits.body,
        answer: waits.idle,
    };
    tokio::task::spawn_local(async move {
        let _open = Open::count(&shard);
        let wire = Wire::new(stream);
        let io = TokioIo::new(Replay::new(read, Arc::clone(&wire), patience));
        let service = hyper::service::service_fn(|request| {
            let (shard, wire) = (Rc::clone(&shard), Arc::clone(&wire));
            async move { Ok::<_, Infallible>(answer(&shard, &wire, source, request).await) }
        });
        // That the peer ends its side does not say that it does not listen (RFC 9112 9.6).
        let connection = hyper::server::conn::http1::Builder::new()
            .header_read_timeout(None)
            .half_close(true)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = shard.http_stop.notified() => {
                // Ends it at once, or after the request that is being answered.
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            let about = About {
                peer: Some(source.to_string()),
                ..shard.about()
            };
            log::line!(HttpEnded, about, error = peer(&error));
        }
    });
}

/// Counts a connection while it lives.
struct Open(Rc<Shard>);

impl Open {
    fn count(shard: &Rc<Shard>) -> Self {
        shard.http_open.set(shard.http_open.get() + 1);
        Self(Rc::clone(shard))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.http_open.set(self.0.http_open.get() - 1);
        if self.0.stopping.get() {
            self.0.want_turn(); // this may be what the shard waits for
        }
    }
}

/// Answers one request.
async fn answer(
    shard: &Rc<Shard>,
    wire: &Arc<Wire>,
    source: Source,
    request: Request<Incoming>,
) -> HttpResponse {
    let sets = &shard.config.header_sets;
    if let Some(error) = wire.refused() {
        let mut response = error.response();
        response.options = shard.config.policy.options_unread();
        return for_hyper(response, sets);
    }
    // Where such a body ends only hyper knows: a request behind it would not be judged.
    let last = request.headers().contains_key(header::TRANSFER_ENCODING);
    let connects = request.method() == Method::CONNECT;
    let is_engine = shard.is_engine_path(request.uri().path());
    wire.set_brief(is_engine);
    let service = shard.kept.pages();
    let mut response = if is_engine {
        let mut response = engine(shard, wire, source, request).await;
        shard.compress(&mut response);
        for_hyper(response, sets)
    } else if let Some(service) = &service {
        pages::page(service, wire, shard.config.waits.idle, request).await
    } else {
        for_hyper(Response::status(StatusCode::NOT_FOUND), sets)
    };
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS || (connects && status.is_success()) {
        wire.open();
    } else if last || shard.stopping.get() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

fn values<'a>(request: &'a Request<Incoming>, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = request.headers().get_all(name);
    values.into_iter().map(HeaderValue::as_bytes)
}

/// The response to a request for one of the official client's files.
fn client_file(shard: &Shard, request: &Request<Incoming>) -> Option<Response> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let file = shard.client_file(request.uri().path()).filter(|_| reads)?;
    Some(file.response(
        values(request, &header::ACCEPT_ENCODING),
        values(request, &header::IF_NONE_MATCH),
    ))
}

/// Answers a request for the Engine.IO path: a preflight before anything else of it is judged.
async fn engine(
    shard: &Rc<Shard>,
    wire: &Arc<Wire>,
    source: Source,
    mut request: Request<Incoming>,
) -> Response {
    let asked = Read {
        shard,
        request: &request,
        source,
    };
    let policy = &shard.config.policy;
    if policy.takes_for_preflight(request.method().as_str()) {
        return policy.preflight(&asked);
    }
    let agent = request.headers().get(header::USER_AGENT);
    let old_browser = agent.is_some_and(|agent| is_old_browser(agent.as_bytes()));
    let mut options = shard.response_options(&asked, old_browser);
    options.encoding = shard.poll_encoding(values(&request, &header::ACCEPT_ENCODING));
    if let Some(mut file) = client_file(shard, &request) {
        file.options = options;
        return file;
    }
    let told = policy.hears_errors().then(|| asked.handshake()).flatten();
    let mut upgrade = false;
    let mut said = None;
    if policy.has_middleware() {
        upgrade = fastwebsockets::upgrade::is_upgrade_request(&request);
        said = Some(middleware::ask(shard, &mut request, source).await);
    }
    let judged = match said.as_mut().and_then(|said| said.answer.take()) {
        Some(answer) => answer,
        None => judged(shard, wire, source, request).await,
    };
    let mut response = judged.unwrap_or_else(|refused| {
        shard.tell_refused(&refused, || told);
        if upgrade {
            refused.upgrade_response()
        } else {
            refused.response()
        }
    });
    response.options = options;
    for (name, value) in said.iter().flat_map(|said| &said.headers) {
        response.lines.push(name, value);
    }
    response
}

/// Answers a request that is no preflight.
async fn judged(
    shard: &Rc<Shard>,
    wire: &Arc<Wire>,
    source: Source,
    mut request: Request<Incoming>,
) -> Result<Response, Refused> {
    if fastwebsockets::upgrade::is_upgrade_request(&request) {
        return Ok(late_upgrade(shard, source, &mut request));
    }
    let origin = request.headers().get(header::ORIGIN);
    let facts = Facts {
        method: admit::Method::named(request.method().as_str()),
        upgrade: false,
        origin: origin.map(HeaderValue::as_bytes),
    };
    let query = Query::parse(request.uri().query().unwrap_or(""));
    match admit::judge(&query, facts, &shard.config.engine)? {
        Ask::Open { .. } if shard.stopping.get() => Ok(unavailable()),
        Ask::Open { version, .. } => {
            let head = head_of(&request);
            let caller = shard.caller(&source, &head);
            shard.open_polling(&head, Some(&caller), attached(&request), version)
        }
        Ask::Session { sid, want } => match want {
            Ok(Want::Get) => get(shard, wire, sid).await,
            Ok(Want::Post) => post(shard, wire, sid, request).await,
            want => misfit(shard, sid, want).await,
        },
    }
}

/// A request that does not fit its session's transport or version, or is of another method. That
/// there is such a session comes first.
async fn misfit(
    shard: &Rc<Shard>,
    sid: Sid,
    want: Result<Want, Refusal>,
) -> Result<Response, Refused> {
    if wait(shard, sid, PollKind::Exists).await != Some(Reply::Ok) {
        return Err(Refusal::SessionUnknown.into());
    }
    want.map_err(Refused::in_mismatch)?;
    Ok(Response::status(StatusCode::METHOD_NOT_ALLOWED).with("allow", "GET, POST"))
}

async fn wait(shard: &Rc<Shard>, sid: Sid, what: PollKind) -> Option<Reply> {
    shard.poll(sid, what).await.ok()
}

/// A request's head as it may have looked on the wire.
pub(super) fn head_of<B>(request: &Request<B>) -> Vec<u8> {
    let version = request.version();
    let line = format!("{} {} {version:?}\r\n", request.method(), request.uri());
    let mut head = line.into_bytes();
    for (name, value) in request.headers() {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        for part in [name, b": ", value, b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Tells the session when a request is dropped before its end: hyper drops it when the client's
/// connection closes.
struct Abort<'a> {
    shard: &'a Rc<Shard>,
    sid: Sid,
    what: Option<PollKind>,
}

impl Drop for Abort<'_> {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            drop(self.shard.poll(self.sid, what));
        }
    }
}

async fn get(shard: &Rc<Shard>, wire: &Wire, sid: Sid) -> Result<Response, Refused> {
    // The guard is dropped after the receiver, whose being gone is what marks the GET as aborted.
    let mut abort = Abort {
        shard,
        sid,
        what: Some(PollKind::GetAborted),
    };
    let receiver = shard.poll(sid, PollKind::Get);
    let answer = tokio::select! {
        biased;
        answer = receiver => answer,
        // As in the official server: who ends his side gives his GET up.
        () = wire.ended() => return Ok(Response::status(StatusCode::BAD_REQUEST).closing()),
    };
    abort.what = None;
    // The session's shard has stopped: the client will find out by its next request.
    response(answer.ok())
}

/// The response to a session's answer; without one there is no session.
fn response(answer: Option<Reply>) -> Result<Response, Refused> {
    let answer = answer.unwrap_or(Reply::Refused(Refusal::SessionUnknown));
    Refused::by_session(&answer).map_or_else(|| Ok(answer.into()), Err)
}

async fn post(
    shard: &Rc<Shard>,
    wire: &Arc<Wire>,
    sid: Sid,
    request: Request<Incoming>,
) -> Result<Response, Refused> {
    match wait(shard, sid, PollKind::PostBegin).await {
        Some(Reply::Continue) => {}
        Some(answer) => {
            let refused = response(Some(answer)).map(Response::closing);
            return refused.map_err(Refused::closing);
        }
        None => return Err(Refusal::SessionUnknown.into()),
    }
    let mut abort = Abort {
        shard,
        sid,
        what: Some(PollKind::PostFailed(PeerError::Aborted, None)),
    };
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    let is_plain = |coding: &[u8]| coding.eq_ignore_ascii_case(b"identity");
    let body = if kind.is_some_and(|kind| kind.starts_with(b"application/octet-stream")) {
        Err(BodyError::Kind)
    } else if !values(&request, &header::CONTENT_ENCODING).all(is_plain) {
        Err(BodyError::Encoded)
    } else {
        let max = shard.config.engine.limits.payload_bytes;
        unless_ended(shard, sid, body(wire, request.into_body(), max)).await
    };
    abort.what = None;
    let answer = match body {
        Ok(body) => wait(shard, sid, PollKind::PostBody(body)).await,
        Err(BodyError::Ended(answer)) => return Ok(Response::from(answer).closing()),
        Err(error) => {
            fail(shard, wire, sid, error.peer_error());
            let response = Response::status(error.status()).closing();
            return Ok(match error {
                BodyError::Encoded => response.with("accept-encoding", "identity"),
                _ => response,
            });
        }
    };
    response(answer)
}

/// The session fails by a POST that is refused. The client hears of the POST first: else it would see
/// the end of its session, by the GET that waits, and not why.
fn fail(shard: &Rc<Shard>, wire: &Arc<Wire>, session: Sid, error: PeerError) {
    let (last_word, said) = oneshot::channel();
    drop(shard.poll(session, PollKind::PostFailed(error, Some(said))));
    let wire = Arc::clone(wire);
    tokio::task::spawn_local(async move {
        wire.said().await;
        drop(last_word);
    });
}

/// A POST's body, unless its session ends before it has come.
async fn unless_ended(
    shard: &Rc<Shard>,
    sid: Sid,
    body: impl Future<Output = Result<Bytes, BodyError>>,
) -> Result<Bytes, BodyError> {
    let mut body = pin!(body);
    // Mostly all of it is here.
    let begun = std::future::poll_fn(|cx| Poll::Ready(body.as_mut().poll(cx))).await;
    if let Poll::Ready(body) = begun {
        return body;
    }
    tokio::select! {
        biased;
        body = body => body,
        Ok(answer) = shard.poll(sid, PollKind::PostEnded) => Err(BodyError::Ended(answer)),
    }
}

enum BodyError {
    TooLarge,
    Slow,
    Broken,
    /// Of a type that is not taken.
    Kind,
    /// Compressed.
    Encoded,
    /// The session ended.
    Ended(Reply),
}

impl BodyError {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Broken | Self::Kind | Self::Ended(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// What the session fails by.
    fn peer_error(&self) -> PeerError {
        match self {
            Self::TooLarge => PeerError::TooLarge,
            Self::Kind | Self::Encoded => PeerError::ContentType,
            Self::Slow | Self::Broken | Self::Ended(_) => PeerError::Aborted,
        }
    }
}

/// Reads a body of at most `max` bytes; a longer one is refused by its header if it has one.
async fn body(wire: &Wire, mut incoming: Incoming, max: usize) -> Result<Bytes, BodyError> {
    if incoming.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut whole = BytesMut::new();
    loop {
        let frame = match incoming.frame().await {
            None => return Ok(whole.freeze()),
            Some(Err(_)) if wire.is_late() => return Err(BodyError::Slow),
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(frame)) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + data.len() > max {
            return Err(BodyError::TooLarge);
        }
        if whole.is_empty() && incoming.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
}

/// A WebSocket request on a connection that hyper reads already, as a proxy that reuses its
/// connections sends it. The shard judges it as if it were the first, and gets the connection back.
fn late_upgrade(shard: &Rc<Shard>, source: Source, request: &mut Request<Incoming>) -> Response {
    let head = head_of(request);
    let (mut verdict, switching) = match shard.judge_late(&head, source) {
        Ok(granted) => granted,
        Err(refused) => return refused.closing(),
    };
    if let Verdict::Open { handshake, .. } = &mut verdict {
        *handshake = handshake.take().map(|kept| kept.with(attached(request)));
    }
    let upgraded = hyper::upgrade::on(&mut *request);
    let shard = Rc::clone(shard);
    tokio::task::spawn_local(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<Replay>>() else {
            return;
        };
        let Some((behind, stream)) = parts.io.into_inner().into_parts() else {
            return;
        };
        if let Ok(stream) = stream.into_std() {
            let announcement = source.announced.into();
            let link = Link {
                stream,
                announcement,
            };
            let (length, mut read) = (head.len(), head);
            read.extend_from_slice(&parts.read_buf);
            read.extend_from_slice(&behind);
            shard.adopt(link, verdict, &read, length);
        }
    });
    switching
}
