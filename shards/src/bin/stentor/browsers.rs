//! Answers: what can be said on the command line about browsers: CORS, origins of WebSockets, the cookie.

use clap::Args;
use stentor::{Cors, Origins, Server};

/// What the library calls the options.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("cors.origins", "--cors-origin"),
    ("cors.credentials", "--cors-credentials"),
    ("cookie.name", "--cookie"),
];

#[derive(Debug, Args)]
pub(crate) struct BrowserOptions {
    /// Origin whose pages may talk to the server over HTTP: `https://app.example.com`, `https://*.example.com`, or
    /// `*` for all; may be given several times. [default: none but the server's own]
    #[arg(long, value_name = "ORIGIN", help_heading = "Browsers")]
    cors_origin: Vec<String>,
    /// These pages may send cookies.
    #[arg(long, requires = "cors_origin", help_heading = "Browsers")]
    cors_credentials: bool,
    /// Only these pages, and those of the server's own host, may open WebSockets.
    #[arg(long, requires = "cors_origin", help_heading = "Browsers")]
    websocket_origins_as_cors: bool,
    /// Name of a cookie with the session id, for sessions that begin over polling. [default: no cookie]
    #[arg(long, value_name = "NAME", help_heading = "Browsers")]
    cookie: Option<String>,
}

impl BrowserOptions {
    /// Applies the options.
    pub(crate) fn configure(&self, mut server: Server) -> Server {
        if !self.cors_origin.is_empty() {
            let origins = Origins::from(&*self.cors_origin);
            server = server.cors(Cors::new(origins).credentials(self.cors_credentials));
        }
        if self.websocket_origins_as_cors {
            server = server.websocket_origins_as_cors();
        }
        match &self.cookie {
            Some(name) => server.cookie(&**name),
            None => server,
        }
    }
}
