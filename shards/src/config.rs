//! Answers: which options does a server run with, besides the protocol's.

use std::{fmt, time::Duration};

use stentor_engine::{config::Config, frame::Kind};

use crate::{
    address::Trusted,
    compress::HttpCompression,
    discard::discard,
    handshake::{Handshake, Keep},
    net::response::HeaderSets,
    policy::Policy,
};

pub(crate) type AllowRequest = dyn Fn(&Handshake) -> Result<(), String> + Send + Sync;

/// A message behind each OPEN packet.
pub(crate) type InitialPacket = (Kind, Box<[u8]>);

/// How long HTTP connections may keep the server waiting, the application's pages too. What is late is
/// closed; a request that has begun is answered 408 before. A GET that waits for its answer is not waited for,
/// nor is a page that has not answered; and a connection that a page has made another protocol's is the page's.
///
/// ```
/// use std::time::Duration;
/// use stentor::{HttpWaits, prelude::*};
///
/// let waits = HttpWaits { head: Duration::from_secs(5), ..HttpWaits::default() };
/// let server = Server::new().http_waits(waits);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpWaits {
    /// Time to the next request of a connection that polls; to taking more of an answer, each byte begins it
    /// anew; and to the answer of a page whose client has ended its side. Default 60 s.
    pub idle: Duration,
    /// Time to a complete head (slowloris), and to the next request of a connection that asks for other
    /// things than polling. Default 10 s.
    pub head: Duration,
    /// Time to the next piece of a body. Default 10 s.
    pub piece: Duration,
    /// Time to a whole body (`httpRequestBodyTimeout`); for a page 2 ms more with each byte that has come, so that
    /// uploads may be long. Default 30 s.
    pub body: Duration,
}

impl Default for HttpWaits {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(1),
            head: Duration::from_secs(10),
            piece: Duration::from_secs(10),
            body: Duration::from_secs(30),
        }
    }
}

/// How much one shard keeps for all its clients together, and for one beyond what [`crate::Limits`] says.
///
/// ```
/// use stentor::{ShardLimits, prelude::*};
///
/// let limits = ShardLimits { held_bytes: 64 << 20, ..ShardLimits::default() };
/// let server = Server::new().shard_limits(limits);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// Bytes held for clients that have not sent something whole, or have not taken what was sent to them:
    /// parts of requests and messages, answers, output ([`crate::Limits::outbox_bytes`] is each one's). Default
    /// 256 MiB. Above it those who hold most are closed, until an eighth is free again.
    pub held_bytes: usize,
    /// Sessions that began over polling and have not joined a namespace (with Engine.IO alone: have not fetched
    /// or sent anything). Default 32,768. Above it new ones are refused with HTTP 503.
    pub unjoined_sessions: usize,
    /// Those of them that are one client's address's ([`crate::Handshake::address`]). Default 24,576, so that one address
    /// alone cannot keep all others out; a proxy in front that is not trusted ([`crate::Server::trusted_proxies`]) has
    /// all of them, and has room. Above it: HTTP 429.
    pub unjoined_per_address: usize,
    /// Sessions that one connection may begin, one after the other, without fetching or sending anything for any
    /// session in between, within [`crate::Server::connect_timeout`]. Default 64. Above it: HTTP 429, and
    /// the connection is closed.
    pub unjoined_per_connection: usize,
    /// Handlers of one socket that wait for something. Default 1,024, at least 1. Above it async handlers of
    /// its events are not called: an event that asks for an acknowledgement gets an error.
    pub waiting_handlers: usize,
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            held_bytes: 256 << 20,
            unjoined_sessions: 32_768,
            unjoined_per_address: 24_576,
            unjoined_per_connection: 64,
            waiting_handlers: 1_024,
        }
    }
}

/// What all shards of a server are configured with.
pub(crate) struct ShardConfig {
    pub(crate) engine: Config,
    /// What the paths begin with that are served. With `/` at its end, unless the server adds none.
    pub(crate) path: Box<str>,
    pub(crate) trusted: Trusted,
    pub(crate) keep: Keep,
    pub(crate) allow_request: Option<Box<AllowRequest>>,
    /// Headers of responses that the options decide.
    pub(crate) header_sets: HeaderSets,
    pub(crate) policy: Policy,
    pub(crate) initial_packet: Option<InitialPacket>,
    pub(crate) tcp_user_timeout: Option<Duration>,
    pub(crate) waits: HttpWaits,
    pub(crate) http_compression: Option<HttpCompression>,
    /// Whether the official client's files are served.
    pub(crate) serve_client: bool,
    pub(crate) release_memory: Option<fn()>,
    pub(crate) shard_limits: ShardLimits,
    pub(crate) farewell_timeout: Duration,
}

impl fmt::Debug for ShardConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardConfig")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The last shard lets go of what user code decides by.
impl Drop for ShardConfig {
    fn drop(&mut self) {
        discard(self.allow_request.take());
    }
}

/// Mail that one shard may have waiting: four turns' worth. The channel allocates its slots at once, some
/// 120 bytes each, 2 MB a shard (65,536 of them were 8 MB of the 12 that an idle server took); the senders
/// stop reading from their clients until there is room.
pub(crate) const MAILBOX_CAPACITY: usize = 1 << 14;

/// Connections the kernel may hold for a listener that is busy.
pub(crate) const BACKLOG: i32 = 4096;
