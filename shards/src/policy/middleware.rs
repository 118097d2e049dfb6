//! Answers: what may the application do with a request before it is judged, and what if it panics or takes too long.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context as Waking, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, StatusCode};
use stentor_engine::eio::handshake::Refusal;

use super::hooks::{Context, FRAMING};
use crate::{
    discard::discard,
    handshake::Handshake,
    log::{self, About},
    net::response::Response,
};

/// Runs until the application has done with a request.
pub(crate) type Working<'a> = Pin<Box<dyn Future<Output = Result<(), HttpReply>> + 'a>>;
pub(crate) type Middleware = dyn for<'a> Fn(&'a mut RequestContext) -> Working<'a> + Send + Sync;

/// A request that [`crate::Server::middleware`] looks at.
#[derive(Debug)]
pub struct RequestContext {
    method: Method,
    request: Handshake,
    headers: HeaderMap,
    extensions: Extensions,
}

impl RequestContext {
    pub(crate) fn new(method: Method, request: Handshake) -> Self {
        Self {
            method,
            request,
            headers: HeaderMap::new(),
            extensions: Extensions::new(),
        }
    }

    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The rest of the head: target, headers, and where it comes from.
    #[must_use]
    pub const fn request(&self) -> &Handshake {
        &self.request
    }

    /// Whether the request asks for a new session, over polling or WebSocket. The others are a session's.
    #[must_use]
    pub fn begins_session(&self) -> bool {
        self.request.query("sid").is_none_or(|sid| sid.is_empty())
    }

    /// Headers that the answer gets, whoever makes it. What frames an answer is left out, as in
    /// [`crate::Server::headers`].
    pub const fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// Attaches a value to the session that begins: [`Handshake::extension`] gives it. It replaces one of the same type.
    /// With [`crate::Keep::Nothing`] nothing is kept of it, and to a request of a session nothing is attached.
    pub fn insert<T: Clone + Send + Sync + 'static>(&mut self, value: T) {
        self.extensions.insert(value);
    }

    pub(crate) fn into_parts(mut self) -> (HeaderMap, Extensions) {
        for name in FRAMING {
            self.headers.remove(name);
        }
        (self.headers, self.extensions)
    }
}

/// What a request is answered with instead of being served.
///
/// ```
/// use http::{Response, StatusCode};
/// use stentor::HttpReply;
///
/// let teapot = Response::builder().status(StatusCode::IM_A_TEAPOT).body("short and stout");
/// let reply = HttpReply::from(teapot.unwrap());
/// let refused = HttpReply::forbidden("who are you?");
/// ```
#[derive(Debug)]
pub struct HttpReply(Kind);

#[derive(Debug)]
enum Kind {
    Refused(Refusal, Option<String>),
    Response(Box<http::Response<Bytes>>),
}

impl HttpReply {
    /// HTTP 400 with the official code 3, `Bad request`: what a failed middleware of the official server answers.
    #[must_use]
    pub const fn bad_request() -> Self {
        Self(Kind::Refused(Refusal::BadRequest, None))
    }

    /// HTTP 403 with the official code 4 and this message; 400 with the message for a WebSocket request, as
    /// [`crate::Server::allow_request`].
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self(Kind::Refused(Refusal::Forbidden, Some(message.into())))
    }

    /// A refusal, or a response of the application's own.
    pub(crate) fn into_parts(self) -> Result<Response, (Refusal, Option<String>, Option<Context>)> {
        let response = match self.0 {
            Kind::Refused(refusal, message) => {
                let failed = refusal == Refusal::BadRequest;
                return Err((
                    refusal,
                    message,
                    failed.then_some(Context::MiddlewareFailure),
                ));
            }
            Kind::Response(response) => response,
        };
        let (head, body) = response.into_parts();
        let mut response = Response::new(head.status, "", Vec::from(body));
        response.cache_control = "";
        for (name, value) in &head.headers {
            if !FRAMING.contains(name) {
                response.lines.push(name, value);
            }
        }
        Ok(response)
    }
}

impl<B: Into<Bytes>> From<http::Response<B>> for HttpReply {
    fn from(response: http::Response<B>) -> Self {
        Self(Kind::Response(Box::new(response.map(Into::into))))
    }
}

/// Makes a function of the application one for all requests.
pub(crate) fn boxed<F>(function: F) -> Box<Middleware>
where
    F: AsyncFn(&mut RequestContext) -> Result<(), HttpReply> + Send + Sync + 'static,
{
    let function = Arc::new(function);
    Box::new(move |context| {
        let function = Arc::clone(&function);
        Box::pin(async move { function(context).await })
    })
}

/// The functions, one behind the other, until one answers.
#[derive(Default)]
pub(crate) struct Chain(pub(crate) Vec<Box<Middleware>>);

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&self.0.len()).finish()
    }
}

impl Chain {
    /// Runs them. An error is the answer.
    ///
    /// A panic is answered 500, and what takes longer than `within` 503.
    pub(crate) async fn run(
        &self,
        mut context: RequestContext,
        within: Duration,
    ) -> (RequestContext, Result<(), HttpReply>) {
        for function in &self.0 {
            let answer = {
                // Called within the future, so that it is caught what that panics with.
                let called = async { function(&mut context).await };
                run(Box::pin(called), within).await
            };
            if let Err(reply) = answer {
                return (context, Err(reply));
            }
        }
        (context, Ok(()))
    }
}

async fn run(working: Working<'_>, within: Duration) -> Result<(), HttpReply> {
    let mut guarded = Guarded(Some(working));
    let done = tokio::time::timeout(within, poll_fn(|waking| guarded.poll(waking))).await;
    let empty = |status| {
        let mut response = http::Response::new(Bytes::new());
        *response.status_mut() = status;
        HttpReply::from(response)
    };
    match done {
        Ok(Ok(answer)) => answer,
        Ok(Err(panic)) => {
            log::line!(MiddlewarePanicked, About::here());
            discard(panic);
            Err(empty(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Err(_) => {
            log::line!(MiddlewareLate, About::here());
            Err(empty(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

/// A future that may panic, also when it is dropped.
struct Guarded<'a>(Option<Working<'a>>);

impl Guarded<'_> {
    fn poll(
        &mut self,
        waking: &mut Waking<'_>,
    ) -> Poll<Result<Result<(), HttpReply>, Box<dyn Any + Send>>> {
        let Some(future) = &mut self.0 else {
            return Poll::Pending;
        };
        // Nothing of the shard is borrowed here, and what has panicked is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(waking)));
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(answer)) => Ok(answer),
            Err(panic) => Err(panic),
        };
        discard(self.0.take());
        Poll::Ready(answer)
    }
}

impl Drop for Guarded<'_> {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}
