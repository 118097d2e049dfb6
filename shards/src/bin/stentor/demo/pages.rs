//! Answers: which pages does the demo serve, without a file or a network.

use std::{convert::Infallible, future::Ready, task};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// By path: what it is, and its bytes.
const FILES: [(&str, &str, &[u8]); 6] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_bytes!("../../../../assets/demo/index.html"),
    ),
    (
        "/demo.css",
        "text/css; charset=utf-8",
        include_bytes!("../../../../assets/demo/demo.css"),
    ),
    (
        "/demo.js",
        JAVASCRIPT,
        include_bytes!("../../../../assets/demo/demo.js"),
    ),
    (
        "/chat.js",
        JAVASCRIPT,
        include_bytes!("../../../../assets/demo/chat.js"),
    ),
    (
        "/live.js",
        JAVASCRIPT,
        include_bytes!("../../../../assets/demo/live.js"),
    ),
    (
        "/favicon.svg",
        "image/svg+xml",
        include_bytes!("../../../../assets/demo/favicon.svg"),
    ),
];

/// What goes with every answer: nothing is loaded from elsewhere, no other page shows this one, and the
/// browser's clock is as fine as it gets, for the round trips.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    // A newer demo at the same address is shown at once.
    ("cache-control", "no-cache"),
];

/// The pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages;

fn page(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.uri().path();
    let file = FILES.iter().find(|(known, ..)| reads && *known == path);
    let (status, kind, body) = match file {
        Some((_, kind, body)) => (StatusCode::OK, *kind, *body),
        None => (
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            &b"not found"[..],
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl tower_service::Service<Request<Incoming>> for Pages {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), Infallible>> {
        task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        std::future::ready(Ok(page(&request)))
    }
}
