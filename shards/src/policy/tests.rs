//! What an answer says, by options and request.

use std::sync::{Arc, Mutex};

use http::{HeaderValue, header};
use stentor_engine::eio::handshake::Refusal;

use super::*;
use crate::address::{Caller, Peer};

/// A request of these headers.
struct Request(Vec<(&'static str, String)>);

impl Asked for Request {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_bytes())
    }

    fn handshake(&self) -> Option<Handshake> {
        let lines = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        let head = format!("GET /x?a=1 HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
        let caller = Caller {
            peer: Peer::Unix,
            address: None,
            secure: false,
        };
        Some(Handshake::new(head.as_bytes(), &caller))
    }
}

fn from(origin: &str) -> Request {
    Request(vec![
        ("origin", origin.to_owned()),
        ("host", "server.example".to_owned()),
    ])
}

/// The rules, and the sets of headers that go with them.
struct Running(Policy, HeaderSets);

impl std::ops::Deref for Running {
    type Target = Policy;

    fn deref(&self) -> &Policy {
        &self.0
    }
}

fn policy(change: impl FnOnce(&mut PolicyOptions)) -> Running {
    let (mut options, mut sets) = (PolicyOptions::default(), HeaderSets::default());
    change(&mut options);
    Running(options.into_policy(&mut sets).unwrap(), sets)
}

/// The headers that an answer with these options has besides its own.
fn said(policy: &Running, options: ResponseOptions) -> Vec<(String, String)> {
    let mut response = Response::status(StatusCode::OK);
    response.options = options;
    headers(policy, response)
}

fn headers(policy: &Running, response: Response) -> Vec<(String, String)> {
    let response = response.into_http(&policy.1);
    let headers = response.headers().iter();
    let headers = headers.filter(|(name, _)| **name != header::CACHE_CONTROL);
    headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn without_options_nothing_is_said_and_nobody_kept_out() {
    let policy = policy(|_| ());
    let request = from("https://a.example");
    let options = policy.options(&request, false);
    assert!(options.lines.is_none() && options.set == HeaderSet::default());
    assert!(policy.options_unread().lines.is_none());
    assert!(policy.lets_websocket_in(&request));
    assert!(!policy.takes_for_preflight("OPTIONS"));
    let mut lines = HeaderLines::default();
    assert!(!policy.adds_initial());
    policy.add_initial(&mut lines, Some(b"sid"), || unreachable!("nobody asks"));
    assert!(lines.is_empty());
}

/// What a request remembers of a listed origin is a number.
#[test]
fn a_listed_origin_is_a_number() {
    let policy = policy(|options| {
        options.cors = Some(Cors::new([
            "https://a.example",
            "https://b.example",
            "https://*.c.example",
        ]));
    });
    for origin in [
        "https://a.example",
        "https://b.example",
        "https://x.c.example",
    ] {
        let options = policy.options(&from(origin), false);
        assert_eq!(options.lines.is_some(), origin.contains(".c."), "{origin}");
        let expected = [("access-control-allow-origin", origin), ("vary", "Origin")];
        assert_eq!(said(&policy, options), pairs(&expected));
    }
    for request in [from("https://d.example"), Request(Vec::new())] {
        let options = policy.options(&request, false);
        assert!(options.lines.is_none());
        assert_eq!(said(&policy, options), pairs(&[("vary", "Origin")]));
    }
    let unread = policy.options_unread();
    assert_eq!(said(&policy, unread), pairs(&[("vary", "Origin")]));
}

#[test]
fn any_origin_is_a_number_too() {
    let policy = policy(|options| options.cors = Some(Cors::new("*")));
    let all = pairs(&[("access-control-allow-origin", "*")]);
    for request in [from("https://d.example"), from("null"), Request(Vec::new())] {
        let options = policy.options(&request, false);
        assert!(options.lines.is_none());
        assert_eq!(said(&policy, options), all);
    }
    assert_eq!(said(&policy, policy.options_unread()), all);
}

#[test]
fn preflights() {
    let policy = policy(|options| {
        options.cors = Some(
            Cors::new("https://a.example")
                .status(200)
                .methods(["GET"])
                .credentials(true),
        );
    });
    assert!(policy.takes_for_preflight("OPTIONS") && !policy.takes_for_preflight("GET"));
    let mut request = from("https://a.example");
    request
        .0
        .push(("access-control-request-headers", "x-a".to_owned()));
    let response = policy.preflight(&request);
    assert_eq!(response.status, StatusCode::OK);
    let expected = pairs(&[
        ("access-control-allow-origin", "https://a.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET"),
        ("vary", "Origin"),
        ("vary", "Access-Control-Request-Headers"),
        ("access-control-allow-headers", "x-a"),
    ]);
    assert_eq!(headers(&policy, response), expected);
}

#[test]
fn old_browsers() {
    for (agent, is_old) in [
        (
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            true,
        ),
        ("Mozilla/4.0 (compatible;MSIE 8.0)", true),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko)",
            false,
        ),
        ("Trident MSIE", false),
        ("", false),
    ] {
        assert_eq!(is_old_browser(agent.as_bytes()), is_old, "{agent}");
    }
    let no_filter = ("x-xss-protection", "0");
    let plain = policy(|_| ());
    let options = plain.options(&from("https://a.example"), true);
    assert!(options.lines.is_none());
    assert_eq!(said(&plain, options), pairs(&[no_filter]));
    let cors = policy(|options| options.cors = Some(Cors::new("*")));
    let options = cors.options(&from("https://a.example"), true);
    let both = [("access-control-allow-origin", "*"), no_filter];
    assert_eq!(said(&cors, options), pairs(&both));
}

#[test]
fn websockets_of_other_origins_are_kept_out() {
    let listed = policy(|options| {
        options.websocket_origins = WebSocketOrigins::Listed("https://a.example".into());
    });
    let as_cors = policy(|options| {
        options.cors = Some(Cors::new("https://a.example"));
        options.websocket_origins = WebSocketOrigins::AsCors;
    });
    for (origin, by_list, by_cors) in [
        ("https://a.example", true, true),
        ("https://b.example", false, false),
        ("https://server.example", false, true),
        ("null", false, false),
        ("", false, false),
    ] {
        let request = from(origin);
        assert_eq!(listed.lets_websocket_in(&request), by_list, "{origin}");
        assert_eq!(as_cors.lets_websocket_in(&request), by_cors, "{origin}");
    }
    assert!(listed.lets_websocket_in(&Request(Vec::new())), "no browser");
}

#[test]
fn a_hook_changes_headers_but_not_the_frame() {
    let policy = policy(|options| {
        options.cors = Some(Cors::new("https://a.example"));
        options.headers = Some(Box::new(|request, headers| {
            assert_eq!(request.query("a").as_deref(), Some("1"));
            headers.insert("x-a", HeaderValue::from_static("1"));
            headers.append("x-b", HeaderValue::from_static("2"));
            headers.append("x-b", HeaderValue::from_static("3"));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
            headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            headers.remove(header::VARY);
        }));
    });
    let expected = pairs(&[
        ("access-control-allow-origin", "https://a.example"),
        ("x-a", "1"),
        ("x-b", "2"),
        ("x-b", "3"),
    ]);
    let request = from("https://a.example");
    let mut answer = said(&policy, policy.options(&request, false));
    answer.sort();
    assert_eq!(answer, expected);
    let preflight = headers(&policy, policy.preflight(&request));
    assert!(preflight.contains(&("x-a".to_owned(), "1".to_owned())));
}

#[test]
fn a_hook_that_panics_changes_nothing() {
    let policy = policy(|options| {
        options.cors = Some(Cors::new("https://a.example"));
        options.headers = Some(Box::new(|_, headers| {
            headers.clear();
            panic!("as it should");
        }));
        options.connection_error = Some(Box::new(|_| panic!("as it should")));
    });
    let answer = said(&policy, policy.options(&from("https://a.example"), false));
    assert_eq!(answer.len(), 2);
    policy.tell(
        || from("https://a.example").handshake(),
        Refusal::BadRequest,
        None,
        None,
    );
}

#[test]
fn the_first_answer_has_its_own() {
    let policy = policy(|options| {
        options.cookie = Some(Cookie::new("io"));
        options.initial_headers = Some(Box::new(|_, headers| {
            headers.insert(header::SET_COOKIE, HeaderValue::from_static("mine=1"));
        }));
    });
    let first = |sid: Option<&[u8]>| {
        let mut response = Response::status(StatusCode::OK);
        policy.add_initial(&mut response.lines, sid, || {
            from("https://a.example").handshake()
        });
        headers(&policy, response)
    };
    let mine = ("set-cookie", "mine=1");
    let cookie = ("set-cookie", "io=SID; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(first(Some(b"SID")), pairs(&[mine, cookie]));
    assert_eq!(first(None), pairs(&[mine]));
}

#[test]
fn errors_say_all() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&heard);
    let policy = policy(|options| {
        options.connection_error = Some(Box::new(move |error| {
            let url = error.request().url().to_owned();
            let said = (
                url,
                error.code(),
                error.message().to_owned(),
                error.context(),
            );
            teller.lock().unwrap().push(said);
        }));
    });
    let request = || from("https://a.example").handshake();
    policy.tell(request, Refusal::Forbidden, Some("no"), None);
    policy.tell(
        request,
        Refusal::BadRequest,
        None,
        Some(Context::InvalidOrigin),
    );
    let expected = [
        ("/x?a=1".to_owned(), 4, "no".to_owned(), None),
        (
            "/x?a=1".to_owned(),
            3,
            "Bad request".to_owned(),
            Some("INVALID_ORIGIN"),
        ),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let check = |change: fn(&mut PolicyOptions)| {
        let mut options = PolicyOptions::default();
        change(&mut options);
        options.check().unwrap_err()
    };
    let error = check(|options| options.websocket_origins = WebSocketOrigins::AsCors);
    assert!(error.starts_with("websocket_origins: "), "{error}");
    let error = check(|options| options.websocket_origins = WebSocketOrigins::Listed("x".into()));
    assert!(error.starts_with("websocket_origins: "), "{error}");
    let error = check(|options| options.cors = Some(Cors::new("*").credentials(true)));
    assert!(
        error.starts_with("cors.origins and cors.credentials: "),
        "{error}"
    );
    let error = check(|options| options.cookie = Some(Cookie::new("")));
    assert!(error.starts_with("cookie.name: "), "{error}");
}
