//! Answers: what did the request look like that a session began with.

use std::{borrow::Cow, net::SocketAddr, time::SystemTime};

use stentor_engine::eio::handshake::unescape;

/// Whether servers keep the request that each session began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// For the session's life, as the official server does: some 300 to 600 bytes each.
    #[default]
    Whole,
    /// Not at all.
    Nothing,
}

/// The request that a session began with: the official server's `socket.handshake`.
#[derive(Debug)]
pub struct Handshake {
    /// The head as it came, or put together again if hyper read it.
    pub(crate) head: Box<str>,
    pub(crate) address: SocketAddr,
    pub(crate) issued: SystemTime,
}

impl Handshake {
    /// The TCP peer. Behind a proxy that is the proxy; see its headers.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// When the session began, by the wall clock.
    #[must_use]
    pub const fn issued(&self) -> SystemTime {
        self.issued
    }

    /// The request's target: path and query.
    #[must_use]
    pub fn url(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or("")
    }

    /// The value of a query parameter, escapes read; the last of several.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = self.url().split_once('?')?.1;
        let mut pairs = query
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs
            .rfind(|(known, _)| *known == name)
            .map(|(_, value)| unescape(value))
    }

    /// The first header of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// All headers.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head.split("\r\n").skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_head() {
        let handshake = Handshake {
            head: "GET /socket.io/?EIO=4&tag=a&tag=c%20d HTTP/1.1\r\nHost: x:1\r\nX-A:  b \r\n\r\n"
                .into(),
            address: ([127, 0, 0, 1], 5).into(),
            issued: SystemTime::UNIX_EPOCH,
        };
        assert_eq!(handshake.query("tag").as_deref(), Some("c d"));
        assert_eq!(handshake.query("none"), None);
        assert_eq!(handshake.header("host"), Some("x:1"));
        assert_eq!(handshake.header("x-a"), Some("b"));
        assert_eq!(handshake.headers().count(), 2);
    }
}
