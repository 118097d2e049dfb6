//! Answers: which pages does the demo serve, without a file or a network.

use std::{convert::Infallible, future::Ready, task};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;

const INDEX: &[u8] = include_bytes!("../../../assets/demo.html");
/// The official client, MIT licensed (assets/socket.io.LICENSE), as npm's `socket.io-client` has it.
const CLIENT: &[u8] = include_bytes!("../../../assets/socket.io.min.js");

/// The pages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages;

fn page(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/") => (StatusCode::OK, "text/html; charset=utf-8", INDEX),
        (&Method::GET | &Method::HEAD, "/socket.io.min.js") => (
            StatusCode::OK,
            "application/javascript; charset=utf-8",
            CLIENT,
        ),
        _ => (StatusCode::NOT_FOUND, "text/plain", &b"not found"[..]),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
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
