//! Answers: how is the application asked about a request that hyper has read, and what does its session keep of that.

use std::rc::Rc;

use http::{Extensions, HeaderMap, HeaderValue, Request, header};
use hyper::body::Incoming;
use stentor_engine::eio::admit::{self, Ask, Facts, Method, Query};

use super::{Shard, asked::Read, respond::Refused};
use crate::{
    address::Source,
    net::response::Response,
    policy::{Asked as _, HttpReply, RequestContext},
};

/// What middleware has attached to a request, on its way to the session.
#[derive(Clone)]
struct Attached(Extensions);

/// What is attached to a request.
pub(super) fn attached(request: &Request<Incoming>) -> Extensions {
    let attached = request.extensions().get::<Attached>();
    attached
        .map(|Attached(extensions)| extensions.clone())
        .unwrap_or_default()
}

/// What the application says to a request.
pub(super) struct Said {
    /// Headers for the answer.
    pub(super) headers: HeaderMap,
    /// The answer, if the request is not to be served.
    pub(super) answer: Option<Result<Response, Refused>>,
}

/// Asks the application about a request. It may wait.
pub(super) async fn ask(
    shard: &Rc<Shard>,
    request: &mut Request<Incoming>,
    source: Source,
) -> Said {
    let context = |request: &Request<Incoming>| {
        let handshake = Read {
            shard,
            request,
            source,
        }
        .handshake()?;
        Some(RequestContext::new(request.method().clone(), handshake))
    };
    let policy = &shard.config.policy;
    let Some(asked) = context(request) else {
        return Said {
            headers: HeaderMap::new(),
            answer: None,
        };
    };
    let (asked, mut passed) = policy.run_middleware(asked).await;
    let (headers, extensions) = asked.into_parts();
    request.extensions_mut().insert(Attached(extensions));
    if passed.is_ok()
        && opens(shard, request)
        && let Some(asked) = context(request)
    {
        passed = policy.run_allow(asked).await;
    }
    let answer = passed.err().map(HttpReply::into_parts);
    Said {
        headers,
        answer: answer.map(|answer| {
            answer.map_err(|(refusal, message, context)| {
                Refused::by_middleware(refusal, message, context)
            })
        }),
    }
}

/// Whether a request asks for a new session and has passed the checks before the application's.
fn opens(shard: &Shard, request: &Request<Incoming>) -> bool {
    let origin = request.headers().get(header::ORIGIN);
    let facts = Facts {
        method: Method::named(request.method().as_str()),
        upgrade: fastwebsockets::upgrade::is_upgrade_request(request),
        origin: origin.map(HeaderValue::as_bytes),
    };
    let query = Query::parse(request.uri().query().unwrap_or(""));
    let judged = admit::judge(&query, facts, &shard.config.engine);
    matches!(judged, Ok(Ask::Open { .. }))
}
