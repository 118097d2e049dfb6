//! Answers: which file of the official client is this, and what does the server answer for it.
//!
//! The files are socket.io-client's own (MIT, `assets/client/LICENSE`), compressed beforehand by
//! `scripts/update-client-files`. As they are, they come out of the gzip form when a client asks for
//! that first.

use std::{io::Read as _, path::Path, sync::OnceLock};

use flate2::read::GzDecoder;
use http::StatusCode;

use crate::net::{encoding::Encoding, response::Response};

/// The version of the client that they are, in quotes: what Node's `serveClient` answers.
const ETAG: &str = "\"4.8.4\"";

/// As Node has it: a browser asks each time whether its copy is still good.
const CACHE_CONTROL: &str = "public, max-age=0";

#[cfg(feature = "serve-client")]
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        [$(ClientFile {
            name: $name,
            gzip: include_bytes!(concat!("../assets/client/", $name, ".gz")),
            brotli: include_bytes!(concat!("../assets/client/", $name, ".br")),
            plain: OnceLock::new(),
        }),+]
    };
}

#[cfg(not(feature = "serve-client"))]
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        []
    };
}

/// One of them.
#[derive(Debug)]
pub(crate) struct ClientFile {
    name: &'static str,
    gzip: &'static [u8],
    brotli: &'static [u8],
    plain: OnceLock<Vec<u8>>,
}

/// How many there are.
const COUNT: usize = if cfg!(feature = "serve-client") { 8 } else { 0 };

/// All of them: the names that Node's server knows, and no other. None without the feature `serve-client`.
static FILES: [ClientFile; COUNT] = files![
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The file of this name, which follows the path that the server serves.
#[inline]
pub(crate) fn find(name: &str) -> Option<&'static ClientFile> {
    if name.is_empty() {
        return None; // nearly always
    }
    FILES.iter().find(|file| file.name == name)
}

impl ClientFile {
    /// The response, by the values of the request's `Accept-Encoding` and `If-None-Match`.
    pub(crate) fn response<'a>(
        &'static self,
        accept: impl Iterator<Item = &'a [u8]>,
        if_none_match: impl Iterator<Item = &'a [u8]>,
    ) -> Response {
        if has_it(if_none_match) {
            return common(Response::status(StatusCode::NOT_MODIFIED));
        }
        let encoding = Encoding::choose(accept, &[Encoding::Brotli, Encoding::Gzip]);
        let body = match encoding {
            Some(Encoding::Brotli) => self.brotli,
            Some(Encoding::Gzip) => self.gzip,
            Some(Encoding::Deflate) | None => self.plain(),
        };
        let mut response = common(Response::new(StatusCode::OK, self.kind(), body));
        if let Some(encoding) = encoding {
            response.add("content-encoding", encoding.name());
        }
        response
    }

    fn is_map(&self) -> bool {
        Path::new(self.name)
            .extension()
            .is_some_and(|kind| kind == "map")
    }

    fn kind(&self) -> &'static str {
        if self.is_map() {
            "application/json; charset=utf-8"
        } else {
            "application/javascript; charset=utf-8"
        }
    }

    fn plain(&'static self) -> &'static [u8] {
        self.plain.get_or_init(|| {
            let mut plain = Vec::new();
            let read = GzDecoder::new(self.gzip).read_to_end(&mut plain);
            read.expect("a file of our own, which the tests read");
            plain
        })
    }
}

/// With the headers that a 304 has too.
fn common(mut response: Response) -> Response {
    response.cache_control = CACHE_CONTROL;
    response.with("etag", ETAG).with("vary", "accept-encoding")
}

/// Whether the client's copy is the same (RFC 9110 13.1.2: compared weakly).
fn has_it<'a>(if_none_match: impl Iterator<Item = &'a [u8]>) -> bool {
    if_none_match
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == ETAG.as_bytes())
}

#[cfg(all(test, feature = "serve-client"))]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};

    use super::*;
    use crate::net::response::HeaderSets;

    struct Got(http::Response<Full<Bytes>>);

    impl Got {
        fn header(&self, name: &str) -> Option<&str> {
            Some(self.0.headers().get(name)?.to_str().expect("a text"))
        }

        fn body(&mut self) -> Bytes {
            let frame = self.0.body_mut().frame();
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let frame = std::pin::pin!(frame).poll(&mut cx);
            match frame {
                std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("not trailers"),
                _ => Bytes::new(),
            }
        }
    }

    fn get(name: &str, accept: &str, tag: Option<&str>) -> Got {
        let file = find(name).expect("it is one of them");
        let tag = tag.map(str::as_bytes);
        let response = file.response([accept.as_bytes()].into_iter(), tag.into_iter());
        Got(response.into_http(&HeaderSets::default()))
    }

    #[test]
    fn eight_files_and_no_other() {
        assert_eq!(FILES.len(), 8);
        for file in &FILES {
            assert!(std::ptr::eq(find(file.name).unwrap(), file));
        }
        for name in [
            "",
            "socket.io",
            "socket.io.js.gz",
            "LICENSE",
            "../socket.io.js",
        ] {
            assert!(find(name).is_none(), "{name}");
        }
    }

    /// They are the version that the `ETag` says.
    #[test]
    fn each_in_three_forms() {
        let version = format!("Socket.IO v{}\n", ETAG.trim_matches('"'));
        for file in &FILES {
            let mut plain = get(file.name, "", None);
            assert_eq!(plain.header("content-encoding"), None);
            let body = plain.body();
            let text = str::from_utf8(&body).expect("a text");
            let is_map = file.is_map();
            assert_eq!(text.starts_with("{\"version\":3"), is_map, "{}", file.name);
            assert!(is_map || text.contains(&version), "{}", file.name);
            for (accept, bytes) in [("gzip", file.gzip), ("gzip, br", file.brotli)] {
                let mut encoded = get(file.name, accept, None);
                let named = encoded.header("content-encoding");
                assert_eq!(named, accept.rsplit(' ').next());
                let encoded = encoded.body();
                assert_eq!(encoded, bytes);
                assert!(encoded.len() < body.len() / 2);
            }
        }
    }

    #[test]
    fn headers_are_those_of_node() {
        let file = get("socket.io.js", "br", None);
        assert_eq!(file.0.status(), StatusCode::OK);
        assert_eq!(file.header("cache-control"), Some("public, max-age=0"));
        assert_eq!(file.header("etag"), Some(ETAG));
        let kind = |name| {
            get(name, "", None)
                .header("content-type")
                .map(str::to_owned)
        };
        let javascript = "application/javascript; charset=utf-8";
        assert_eq!(kind("socket.io.esm.min.js").as_deref(), Some(javascript));
        let json = "application/json; charset=utf-8";
        assert_eq!(kind("socket.io.esm.min.js.map").as_deref(), Some(json));
    }

    #[test]
    fn a_copy_that_is_still_good() {
        let weak = format!("W/{ETAG}");
        let list = format!("\"1.0.0\", {ETAG}");
        for tag in [ETAG, &weak, &list, "*"] {
            let mut got = get("socket.io.js", "br", Some(tag));
            assert_eq!(got.0.status(), StatusCode::NOT_MODIFIED, "{tag}");
            assert!(got.body().is_empty());
            assert_eq!(got.header("etag"), Some(ETAG));
            assert_eq!(got.header("content-encoding"), None);
        }
        for tag in ["\"1.0.0\"", "4.8.4", ""] {
            let got = get("socket.io.js", "br", Some(tag));
            assert_eq!(got.0.status(), StatusCode::OK, "{tag}");
        }
    }
}
