//! Answers: is a request's head judged the same when more of it, or more after it, has come.

use stentor::net::head::{Head, parse};
use stentor_engine::{
    config::Config,
    eio::admit::{Facts, Method, Query, judge},
};

/// Reads a head, whole and cut short.
///
/// # Panics
/// If a head is sound and its beginning was refused, or if it is longer than its bytes.
pub fn head(bytes: &[u8]) {
    match parse(bytes) {
        Head::Request(request) => {
            assert!(request.len <= bytes.len());
            let (path, query) = request.path_and_query();
            assert!(request.target.contains(path));
            let facts = Facts {
                method: Method::named(request.method),
                upgrade: request.wants_websocket(),
                origin: request.header("origin"),
            };
            let _ = judge(&Query::parse(query), facts, &Config::default());
            let _ = request.check_upgrade();
            let _ = request.plain();
            for (name, value) in request.headers() {
                assert!(request.header(name).is_some());
                assert!(!value.contains(&b'\n'));
            }
            let cut = bytes.len().min(request.len) / 2;
            assert!(
                !matches!(parse(&bytes[..cut]), Head::Bad(_)),
                "its half is refused"
            );
            let same = matches!(parse(&bytes[..request.len]), Head::Request(again) if again.len == request.len);
            assert!(same, "what follows a head changes it");
        }
        Head::Bad(error) => {
            let _ = error.response();
        }
        Head::Incomplete => {}
    }
}
