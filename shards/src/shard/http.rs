//! Answers: what does HTTP say: long-polling in every form that the shard does not serve itself
//! (see [`super::requests`]), the application's own pages, and WebSocket requests that come late.
//!
//! hyper reads and writes; this module turns requests into [`PollKind`]s and [`Reply`]s into
//! responses. It must not know about packets; of user code it calls the pages' service.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use stentor_engine::{
    eio::handshake::{Refusal, Request as Query, Transport},
    error::PeerError,
    id::Sid,
};

use super::{Shard, answer::Answer, keep_handshake};
use crate::{
    log,
    net::replay::Replay,
    post::{PollKind, Reply},
};

/// hyper's buffer: a head must fit (431 else). Its own default is 400 KB.
const BUFFER_BYTES: usize = 32 * 1024;

/// hyper adds the time for a head to the clock's, which has an end.
const HEAD_WAIT_MAX: Duration = Duration::from_hours(24 * 365);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A response's body: ours is one piece, the application's is its own.
pub(crate) type ResponseBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, BoxError>>;
type HttpFuture = Pin<Box<dyn Future<Output = Response<ResponseBody>>>>;
/// The application's pages, as one shard serves them.
pub(crate) type HttpService = Rc<dyn Fn(Request<Incoming>) -> HttpFuture>;
/// Makes an [`HttpService`] on each shard.
pub(crate) type MakeHttpService = Arc<dyn Fn() -> HttpService + Send + Sync>;

/// Wraps a tower service, such as an axum router, for every shard.
pub(crate) fn make_service<S, B>(service: S) -> MakeHttpService
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Error: std::fmt::Display,
    S::Future: 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Arc::new(move || {
        let service = service.clone();
        Rc::new(move |request| {
            let mut service = service.clone();
            Box::pin(async move {
                let ready = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
                let response = match ready {
                    Ok(()) => service.call(request).await,
                    Err(error) => Err(error),
                };
                match response {
                    Ok(response) => {
                        response.map(|body| Either::Right(body.map_err(Into::into).boxed_unsync()))
                    }
                    Err(error) => {
                        log::failed!(error, "the HTTP service failed", error);
                        status(StatusCode::INTERNAL_SERVER_ERROR)
                    }
                }
            })
        })
    })
}

/// Serves a connection whose first bytes were read already.
pub(crate) fn spawn(shard: &Rc<Shard>, stream: std::net::TcpStream, read: Vec<u8>) {
    let address = stream.peer_addr();
    let stream = stream
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpStream::from_std(stream));
    let (Ok(stream), Ok(address)) = (stream, address) else {
        return;
    };
    let shard = Rc::clone(shard);
    // Also between requests.
    let head_wait = shard.config.waits.head.min(HEAD_WAIT_MAX);
    tokio::task::spawn_local(async move {
        let _open = Open::count(&shard);
        let io = TokioIo::new(Replay::new(read.into(), stream));
        let service = hyper::service::service_fn(|request| {
            let shard = Rc::clone(&shard);
            async move { Ok::<_, Infallible>(answer(&shard, address, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_wait)
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
            log::debug!(%error, "an HTTP connection ended");
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

fn full(answer: Answer) -> Response<ResponseBody> {
    let body = match answer.body {
        Cow::Borrowed(body) => Bytes::from_static(body),
        Cow::Owned(body) => body.into(),
    };
    let mut response = Response::new(Either::Left(Full::new(body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if !answer.kind.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn status(status: StatusCode) -> Response<ResponseBody> {
    full(Answer::status(status))
}

fn refused(refusal: Refusal, message: Option<&str>) -> Response<ResponseBody> {
    full(Answer::refused(refusal, message))
}

fn closing(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    response
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn reply(reply: Reply) -> Response<ResponseBody> {
    full(reply.into())
}

/// Answers one request.
async fn answer(
    shard: &Rc<Shard>,
    address: SocketAddr,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let headers = request.headers();
    // The first request of a connection was checked byte by byte; of later ones hyper has already
    // hidden a Content-Length beside a Transfer-Encoding, so none may follow such a request.
    let last = headers.contains_key(header::TRANSFER_ENCODING);
    if request.version() == http::Version::HTTP_11 && !headers.contains_key(header::HOST) {
        return closing(status(StatusCode::BAD_REQUEST));
    }
    let pages = shard.http.borrow().clone();
    let response = if request.uri().path().starts_with(&*shard.config.path) {
        engine(shard, address, request).await
    } else if let Some(service) = pages {
        service(request).await
    } else {
        status(StatusCode::NOT_FOUND)
    };
    if last || shard.stopping.get() {
        closing(response)
    } else {
        response
    }
}

/// Answers a request for the Engine.IO path, in the official order of checks (PROTOCOL.md 2.2).
async fn engine(
    shard: &Rc<Shard>,
    address: SocketAddr,
    mut request: Request<Incoming>,
) -> Response<ResponseBody> {
    let query = request.uri().query().unwrap_or("").to_owned();
    let query = Query::parse(&query);
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .map(HeaderValue::as_bytes);
    let transport = match query.check(&shard.config.engine, origin) {
        Ok(transport) => transport,
        Err(refusal) => return refused(refusal, None),
    };
    let sid = match query.sid() {
        Ok(sid) => sid,
        Err(refusal) => return refused(refusal, None),
    };
    if fastwebsockets::upgrade::is_upgrade_request(&request) {
        return late_upgrade(shard, address, &mut request);
    }
    let Some(sid) = sid else {
        if let Err(refusal) = query.check_new(transport, request.method() == Method::GET, false) {
            return refused(refusal, None);
        }
        return handshake(shard, address, &query, &request);
    };
    let method = request.method();
    let served = *method == Method::GET || *method == Method::POST;
    if transport != Transport::Polling || !query.is_version_4() || !served {
        return misfit(shard, sid, served).await;
    }
    if *method == Method::GET {
        get(shard, sid).await
    } else {
        post(shard, sid, request).await
    }
}

/// A request that does not fit its session's transport or version, or is of another method. That
/// there is such a session comes first.
async fn misfit(shard: &Rc<Shard>, sid: Sid, served: bool) -> Response<ResponseBody> {
    if wait(shard, sid, PollKind::Exists).await != Some(Reply::Ok) {
        return refused(Refusal::SessionUnknown, None);
    }
    if served {
        return refused(Refusal::BadRequest, None);
    }
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    let allow = HeaderValue::from_static("GET, POST");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

async fn wait(shard: &Rc<Shard>, sid: Sid, what: PollKind) -> Option<Reply> {
    shard.poll(sid, what).await.ok()
}

/// A new session over polling. The handshake is itself a poll: what user code emits at once goes
/// with it.
fn handshake(
    shard: &Rc<Shard>,
    address: SocketAddr,
    query: &Query<'_>,
    request: &Request<Incoming>,
) -> Response<ResponseBody> {
    if shard.stopping.get() {
        return closing(status(StatusCode::SERVICE_UNAVAILABLE));
    }
    if let Err(too_many) = shard.room_for_newcomer(Some(address)) {
        return closing(full(too_many));
    }
    let head = head_of(request);
    let kept = keep_handshake(shard.config.keep, &head, address);
    if let Err(message) = shard.allows(&head, Some(address)) {
        return refused(Refusal::Forbidden, Some(&message));
    }
    if let Err(refusal) = query.check_version() {
        return refused(refusal, None);
    }
    let session = shard.with_hub(|hub, now| hub.open(now, None));
    shard.add_newcomer(session, Some(address));
    shard.begin_session(session, kept);
    reply(Reply::Payload(
        shard.with_hub(|hub, _| hub.sessions().take_poll(session)),
    ))
}

/// A request's head as it may have looked on the wire.
fn head_of(request: &Request<Incoming>) -> Vec<u8> {
    let line = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri());
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

async fn get(shard: &Rc<Shard>, sid: Sid) -> Response<ResponseBody> {
    // The guard is dropped after the receiver, whose being gone is what marks the GET as aborted.
    let mut abort = Abort {
        shard,
        sid,
        what: Some(PollKind::GetAborted),
    };
    let receiver = shard.poll(sid, PollKind::Get);
    let answer = receiver.await;
    abort.what = None;
    // The session's shard has stopped: the client will find out by its next request.
    reply(answer.unwrap_or(Reply::Refused(Refusal::SessionUnknown)))
}

async fn post(shard: &Rc<Shard>, sid: Sid, request: Request<Incoming>) -> Response<ResponseBody> {
    shard.uncongested().await;
    match wait(shard, sid, PollKind::PostBegin).await {
        Some(Reply::Continue) => {}
        Some(other) => return closing(reply(other)),
        None => return refused(Refusal::SessionUnknown, None),
    }
    let mut abort = Abort {
        shard,
        sid,
        what: Some(PollKind::PostFailed(PeerError::Aborted)),
    };
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .map(HeaderValue::as_bytes);
    if kind.is_some_and(|kind| kind.starts_with(b"application/octet-stream")) {
        abort.what = Some(PollKind::PostFailed(PeerError::ContentType));
        return closing(status(StatusCode::BAD_REQUEST));
    }
    let max = shard.config.engine.limits.payload_bytes;
    let waits = shard.config.waits;
    let body = body(request.into_body(), max, waits.piece);
    match tokio::time::timeout(waits.body, body).await {
        Ok(Ok(body)) => {
            abort.what = None;
            let answer = wait(shard, sid, PollKind::PostBody(body)).await;
            reply(answer.unwrap_or(Reply::Refused(Refusal::SessionUnknown)))
        }
        Ok(Err(BodyError::TooLarge)) => {
            abort.what = Some(PollKind::PostFailed(PeerError::TooLarge));
            closing(status(StatusCode::PAYLOAD_TOO_LARGE))
        }
        Ok(Err(BodyError::Slow)) | Err(_) => closing(status(StatusCode::REQUEST_TIMEOUT)),
        Ok(Err(BodyError::Broken)) => closing(status(StatusCode::BAD_REQUEST)),
    }
}

enum BodyError {
    TooLarge,
    Slow,
    Broken,
}

/// Reads a body of at most `max` bytes; a longer one is refused by its header if it has one.
async fn body(mut incoming: Incoming, max: usize, wait: Duration) -> Result<Bytes, BodyError> {
    if incoming.size_hint().lower() > max as u64 {
        return Err(BodyError::TooLarge);
    }
    let mut whole = BytesMut::new();
    loop {
        let piece = tokio::time::timeout(wait, incoming.frame()).await;
        let frame = match piece {
            Err(_) => return Err(BodyError::Slow),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(_))) => return Err(BodyError::Broken),
            Ok(Some(Ok(frame))) => frame,
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
fn late_upgrade(
    shard: &Rc<Shard>,
    address: SocketAddr,
    request: &mut Request<Incoming>,
) -> Response<ResponseBody> {
    let head = head_of(request);
    let verdict = match shard.judge_late(&head, address) {
        Ok(verdict) => verdict,
        Err(answer) => return closing(full(answer)),
    };
    let Ok((response, upgraded)) = fastwebsockets::upgrade::upgrade(&mut *request) else {
        return closing(status(StatusCode::BAD_REQUEST));
    };
    let shard = Rc::clone(shard);
    tokio::task::spawn_local(async move {
        let Ok(socket) = upgraded.await else { return };
        let upgraded = socket.into_inner().into_inner();
        let Ok(parts) = upgraded.downcast::<TokioIo<Replay>>() else {
            return;
        };
        let (prefix, stream) = parts.io.into_inner().into_parts();
        if let Ok(stream) = stream.into_std() {
            let (length, mut read) = (head.len(), head);
            read.extend_from_slice(&prefix);
            read.extend_from_slice(&parts.read_buf);
            shard.adopt(stream, verdict, read, length);
        }
    });
    response.map(|_| Either::Left(Full::default()))
}
