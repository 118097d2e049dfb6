//! Answers: how is what the server does in HTTP beside its pages configured.

use std::time::Duration;

use super::Server;
use crate::compress::HttpCompression;

impl Server {
    /// Whether the server has the official client's files (`serveClient`). Default true. They are the eight of
    /// socket.io-client's `dist`, such as `/socket.io/socket.io.js`, under the path that is served
    /// ([`Server::path`]); [`Server::engine`] has none. Cargo's feature `serve-client` puts them into the program.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().serve_client(false); // pages have their own copy
    /// ```
    #[cfg(feature = "serve-client")]
    #[must_use]
    pub const fn serve_client(mut self, serve: bool) -> Self {
        self.serve_client = serve;
        self
    }

    /// Whether answers to polls are compressed, and how (`httpCompression`). Default: those of 1,024 bytes and
    /// more, for clients that ask for it, as all browsers do. `None` compresses nothing: for a server that
    /// would rather send more than compute more, or behind a proxy that does it.
    ///
    /// ```
    /// use stentor::{HttpCompression, prelude::*};
    ///
    /// let small = HttpCompression { level: 6, ..HttpCompression::default() };
    /// let server = Server::new().http_compression(small);
    /// let server = Server::new().http_compression(None);
    /// ```
    #[must_use]
    pub fn http_compression(mut self, compression: impl Into<Option<HttpCompression>>) -> Self {
        self.http_compression = compression.into();
        self
    }

    /// Time to a whole request body (`httpRequestBodyTimeout`): the same as [`crate::HttpWaits::body`]. Default
    /// 30 s. A POST that takes longer is answered 408, and its session closes.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stentor::prelude::*;
    ///
    /// let server = Server::new().http_request_body_timeout(Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn http_request_body_timeout(mut self, timeout: Duration) -> Self {
        self.waits.body = timeout;
        self
    }
}
