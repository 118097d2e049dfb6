//! Answers: how do the application's own pages answer, and what do their clients not do to the server.
//!
//! A page is user code: it may panic, and it may wait for longer than its client.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Either};
use hyper::body::{Body, Incoming};

use super::kept::{BoxError, HttpFuture, HttpResponse, HttpService};
use crate::{
    discard::discard,
    log::{self, About, failure},
    net::{
        replay::Wire,
        response::{HeaderSets, Response},
    },
};

/// Makes an [`HttpService`] on each shard.
pub(crate) type MakeHttpService = Arc<dyn Fn() -> HttpService + Send + Sync>;

/// A response of ours for hyper to write.
pub(super) fn for_hyper(response: Response, sets: &HeaderSets) -> HttpResponse {
    response.into_http(sets).map(Either::Left)
}

/// One to a page's client: what the server's options add is Engine.IO's.
fn plain(status: StatusCode) -> HttpResponse {
    for_hyper(Response::status(status), &HeaderSets::default())
}

fn too_late() -> HttpResponse {
    let response = Response::status(StatusCode::REQUEST_TIMEOUT);
    for_hyper(response.closing(), &HeaderSets::default())
}

/// Wraps a tower service, such as an axum router, for every shard.
pub(crate) fn make_service<S, B>(service: S) -> MakeHttpService
where
    S: tower_service::Service<Request<Incoming>, Response = http::Response<B>>
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
                let ready = poll_fn(|cx| service.poll_ready(cx)).await;
                let response = match ready {
                    Ok(()) => service.call(request).await,
                    Err(error) => Err(error),
                };
                match response {
                    Ok(response) => {
                        response.map(|body| Either::Right(body.map_err(Into::into).boxed_unsync()))
                    }
                    Err(error) => {
                        log::line!(ServiceFailed, About::here(), error = failure(&error));
                        plain(StatusCode::INTERNAL_SERVER_ERROR)
                    }
                }
            })
        })
    })
}

/// A page's answer. Its client may end its side and listen on, but not for longer than `patience`; and
/// the page does not wait for a body that is given up.
pub(super) async fn page(
    service: &HttpService,
    wire: &Wire,
    patience: Duration,
    request: Request<Incoming>,
) -> HttpResponse {
    let service = Rc::clone(service);
    // Called within the future, so that it is caught what that panics with.
    let mut answer = Guarded(Some(Box::pin(async move { service(request).await })));
    let answer = pin!(poll_fn(|cx| {
        if wire.is_late() {
            return Poll::Ready(too_late());
        }
        answer.poll(cx).map(|answer| match answer {
            Ok(response) => response,
            Err(panic) => {
                log::line!(PagePanicked, About::here());
                discard(panic);
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
        })
    }));
    let gone = async {
        wire.ended().await;
        tokio::time::sleep(patience).await;
    };
    tokio::select! {
        biased;
        response = answer => response,
        () = gone => too_late(),
    }
}

/// A page's future, which may panic, also when it is dropped.
struct Guarded(Option<HttpFuture>);

impl Guarded {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<HttpResponse, Box<dyn Any + Send>>> {
        let Some(future) = &mut self.0 else {
            return Poll::Pending;
        };
        // Nothing of the shard is borrowed here, and what has panicked is not polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let answer = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(response)) => Ok(response),
            Err(panic) => Err(panic),
        };
        discard(self.0.take());
        Poll::Ready(answer)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        discard(self.0.take());
    }
}
