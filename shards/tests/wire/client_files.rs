//! The official client's files, as Node's `serveClient` has them.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::support::http::once;
use crate::support::{Http, POLL, Profile, Response, Server, each};

const NAMES: [&str; 4] = [
    "socket.io.js",
    "socket.io.min.js",
    "socket.io.esm.min.js",
    "socket.io.msgpack.min.js",
];

fn get(server: &Server, target: &str, headers: &str) -> Response {
    let mut http = Http::connect(server);
    http.send(format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    ));
    http.response()
}

fn unzipped(response: &Response) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(&*response.body)
        .read_to_end(&mut plain)
        .expect("it is gzip");
    plain
}

/// Four files and their maps: as they are, and in gzip for those who take it.
#[test]
fn the_eight_files() {
    each(Profile::Calm, |server| {
        for name in NAMES {
            for (suffix, kind, begins) in [
                (
                    "",
                    "application/javascript; charset=utf-8",
                    "/*!\n * Socket.IO v4.",
                ),
                (".map", "application/json; charset=utf-8", "{\"version\":3,"),
            ] {
                let target = format!("/socket.io/{name}{suffix}");
                let plain = get(server, &target, "");
                assert_eq!(plain.status, 200, "{target}");
                assert!(plain.body.starts_with(begins.as_bytes()), "{target}");
                assert_eq!(plain.header("content-encoding"), None);
                let zipped = get(server, &target, "Accept-Encoding: gzip\r\n");
                assert_eq!(zipped.header("content-encoding"), Some("gzip"));
                assert_eq!(unzipped(&zipped), plain.body, "{target}");
                for response in [&plain, &zipped] {
                    assert_eq!(response.header("content-type"), Some(kind));
                    let cache = response.header("cache-control");
                    assert_eq!(cache, Some("public, max-age=0"));
                    let tag = response.header("etag").expect("an ETag");
                    assert!(tag.starts_with("\"4.") && tag.ends_with('"'), "{tag}");
                }
            }
        }
    });
}

/// A query does not matter, one that would be a handshake neither.
#[test]
fn a_query_behind_a_file() {
    each(Profile::Calm, |server| {
        for query in ["v=1", "EIO=4&transport=polling"] {
            let file = get(server, &format!("/socket.io/socket.io.js?{query}"), "");
            assert!(file.body.starts_with(b"/*!\n * Socket.IO v4."), "{query}");
        }
    });
}

/// The encoding that is liked best: `br` where it is taken, none where none is.
#[test]
fn the_encoding_of_a_file() {
    each(Profile::Calm, |server| {
        for (accept, encoding) in [
            ("br", Some("br")),
            ("gzip;q=0.5, br;q=0.8", Some("br")),
            ("gzip;q=0.8, br;q=0.5", Some("gzip")),
            ("identity", None),
            ("gzip;q=0", None),
            ("zstd", None),
        ] {
            let headers = format!("Accept-Encoding: {accept}\r\n");
            let file = get(server, "/socket.io/socket.io.js", &headers);
            assert_eq!(file.header("content-encoding"), encoding, "{accept}");
        }
    });
}

/// 304 for those whose copy has the same `ETag`, weak or not.
#[test]
fn a_copy_that_is_still_good() {
    each(Profile::Calm, |server| {
        let target = "/socket.io/socket.io.min.js";
        let tag = get(server, target, "").header("etag").map(str::to_owned);
        let tag = tag.expect("an ETag");
        let mut http = Http::connect(server);
        for (tag, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            ("\"1.0.0\"".to_owned(), 200),
        ] {
            http.send(format!(
                "GET {target} HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n"
            ));
            let response = http.response();
            assert_eq!(response.status, status, "{tag}");
            assert_eq!(response.body.is_empty(), status == 304);
        }
        // And the connection serves on.
        assert!(http.get(POLL).text().starts_with("0{"));
    });
}

/// Of the headers alone.
#[test]
fn the_head_of_a_file() {
    each(Profile::Calm, |server| {
        let target = "/socket.io/socket.io.js";
        let mut http = Http::connect(server);
        let head = http.request("HEAD", target, "");
        assert_eq!(head.status, 200);
        assert!(head.header("etag").is_some());
        assert!(http.get(POLL).text().starts_with("0{"));
    });
}

/// No other name is a file.
#[test]
fn what_is_no_file() {
    each(Profile::Calm, |server| {
        for name in [
            "socket.io",
            "socket.io.mjs",
            "socket.io.js.br",
            "Socket.io.js",
            "/socket.io.js",
            "%73ocket.io.js",
            "socket.io.js/",
        ] {
            once(server, "GET", &format!("/socket.io/{name}"), "").is_error(0);
        }
        assert_eq!(once(server, "GET", "/socket.io.js", "").status, 404);
    });
}
