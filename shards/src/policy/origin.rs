//! Answers: which pages may talk to this server, by the origin that their browser names.
//!
//! An origin is what a browser sends in the header `Origin`: scheme, host and port of a page
//! (RFC 6454 6.2). Nothing is allowed that a browser would not have written.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::discard::discard;

type Judge = dyn Fn(&str) -> bool + Send + Sync;

/// An origin that no page can have (RFC 2606 2). Who allows it, allows all.
const NOBODYS: &str = "https://nobody-has-this-origin.invalid";

/// Which origins are allowed: for [`crate::Cors`] and [`crate::Server::websocket_origins`].
///
/// An entry is one of
///
/// - an origin, `https://app.example.com` or `http://localhost:8080`: without a path, and without the port that the
///   scheme has anyway. Other schemes work too (`capacitor://localhost`, `chrome-extension://…`);
/// - `https://*.example.com`: all hosts below `example.com`, but not `example.com`, of this scheme and port;
/// - `*`: every origin;
/// - `null`: pages that have no origin of their own, such as files and sandboxed frames. Every page can open one.
///
/// Texts and lists of texts become `Origins` by [`From`]. An entry that is none of these fails the start.
///
/// ```
/// use stentor::{Cors, Origins, prelude::*};
///
/// let one = Server::new().cors(Cors::new("https://app.example.com"));
/// let several = Server::new().cors(Cors::new(["https://app.example.com", "https://*.example.org"]));
/// let judged = Server::new().cors(Cors::new(Origins::by(|origin| {
///     origin.strip_prefix("https://").is_some_and(|host| host == "example.com")
/// })));
/// ```
#[derive(Clone, Default)]
pub struct Origins {
    listed: Vec<String>,
    same_host: bool,
    judges: Vec<Arc<Judge>>,
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins")
            .field("listed", &self.listed)
            .field("same_host", &self.same_host)
            .finish_non_exhaustive()
    }
}

impl From<&str> for Origins {
    fn from(origin: &str) -> Self {
        Self::default().and(origin)
    }
}

impl From<String> for Origins {
    fn from(origin: String) -> Self {
        Self::default().and(origin)
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Origins {
    fn from(origins: [T; N]) -> Self {
        origins.into_iter().fold(Self::default(), Self::and)
    }
}

impl<T: Into<String> + Clone> From<&[T]> for Origins {
    fn from(origins: &[T]) -> Self {
        let origins = origins.iter().cloned();
        origins.fold(Self::default(), Self::and)
    }
}

impl<T: Into<String>> From<Vec<T>> for Origins {
    fn from(origins: Vec<T>) -> Self {
        origins.into_iter().fold(Self::default(), Self::and)
    }
}

impl Origins {
    /// Every origin: `*`.
    ///
    /// ```
    /// use stentor::{Cors, Origins, prelude::*};
    ///
    /// let server = Server::new().cors(Cors::new(Origins::any()));
    /// ```
    #[must_use]
    pub fn any() -> Self {
        Self::from("*")
    }

    /// The origins for which the function says true. It runs on a shard's thread for each request, and must not block.
    /// It is asked about well-formed origins alone, and never about `null`. A panic is a no.
    ///
    /// With [`crate::Cors::credentials`] it is asked once at the start about an origin that no page can have
    /// (`https://nobody-has-this-origin.invalid`); if it allows that one, the start fails.
    #[must_use]
    pub fn by(judge: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            judges: vec![Arc::new(judge)],
            ..Self::default()
        }
    }

    /// These, and one more entry.
    ///
    /// ```
    /// use stentor::Origins;
    ///
    /// let origins = Origins::by(|origin| origin.ends_with(".example.com")).and("http://localhost:8080");
    /// ```
    #[must_use]
    pub fn and(mut self, origin: impl Into<String>) -> Self {
        self.listed.push(origin.into());
        self
    }

    /// These, and pages of this server's own host: whose origin has the host and port that the request's `Host` has.
    /// The scheme is not compared, because a proxy in front may end TLS.
    #[must_use]
    pub const fn and_same_host(mut self) -> Self {
        self.same_host = true;
        self
    }

    /// The list, read once.
    ///
    /// # Errors
    /// A sentence about the entry that is none.
    pub(crate) fn rules(self) -> Result<OriginRules, String> {
        let mut rules = OriginRules {
            any: false,
            null: false,
            exact: Vec::new(),
            below: Vec::new(),
            same_host: self.same_host,
            judges: self.judges,
        };
        for entry in &self.listed {
            rules.add(entry)?;
        }
        if rules.allows_nobody() {
            return Err("no origin is named, so that nobody is allowed".to_owned());
        }
        Ok(rules)
    }
}

/// All hosts below one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Below {
    scheme: Box<str>,
    /// With the dot before it.
    host: Box<str>,
    /// With its colon; empty if there is none.
    port: Box<str>,
}

/// [`Origins`], read.
#[derive(Clone, Default)]
pub(crate) struct OriginRules {
    any: bool,
    null: bool,
    exact: Vec<Box<str>>,
    below: Vec<Below>,
    same_host: bool,
    judges: Vec<Arc<Judge>>,
}

impl fmt::Debug for OriginRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OriginRules")
            .field("any", &self.any)
            .field("exact", &self.exact)
            .field("below", &self.below)
            .finish_non_exhaustive()
    }
}

/// What is said of an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed<'a> {
    No,
    /// As any other is.
    Any,
    /// The entry of [`OriginRules::exact`] that it is.
    Listed(usize),
    /// By another rule.
    Named(&'a str),
}

impl OriginRules {
    fn allows_nobody(&self) -> bool {
        let lists = self.any || self.null || self.same_host;
        !lists && self.exact.is_empty() && self.below.is_empty() && self.judges.is_empty()
    }

    /// Adds an entry of [`Origins`].
    fn add(&mut self, entry: &str) -> Result<(), String> {
        match entry {
            "*" => self.any = true,
            "null" => self.null = true,
            _ => {
                let (wild, text) = match entry.split_once("://*.") {
                    Some((scheme, host)) => (true, format!("{scheme}://{host}")),
                    None => (false, entry.to_owned()),
                };
                let text = as_browsers_write(text);
                let parts = Parts::of(&text).ok_or_else(|| no_origin(entry))?;
                if parts.is_default_port() {
                    return Err(format!(
                        "{entry:?} has the port that its scheme has anyway: browsers leave it out, and so must you"
                    ));
                }
                if wild {
                    self.below.push(Below {
                        scheme: parts.scheme.into(),
                        host: format!(".{}", parts.host).into(),
                        port: parts.port.into(),
                    });
                } else {
                    self.exact.push(text.into());
                }
            }
        }
        Ok(())
    }

    /// These, and pages of this server's own host.
    pub(crate) const fn and_same_host(mut self) -> Self {
        self.same_host = true;
        self
    }

    /// The origins that are listed one by one.
    pub(crate) fn exact(&self) -> &[Box<str>] {
        &self.exact
    }

    /// Whether all origins are allowed alike.
    pub(crate) const fn is_any(&self) -> bool {
        self.any
    }

    /// Why these must not be allowed together with credentials.
    pub(crate) fn too_many_for_credentials(&self) -> Option<&'static str> {
        if self.any {
            return Some("`*` allows every page on the web");
        }
        if self.null {
            return Some("every page on the web can make itself the origin `null`");
        }
        let allows_all = self.judges.iter().any(|judge| asks(judge, NOBODYS));
        allows_all.then_some("the function given to `Origins::by` allows every page on the web")
    }

    /// What is said of the origin that a request names. `host` is the request's `Host`.
    pub(crate) fn allows<'a>(&self, origin: &'a [u8], host: Option<&[u8]>) -> Allowed<'a> {
        if self.any {
            return Allowed::Any;
        }
        let mut exact = self.exact.iter();
        if let Some(index) = exact.position(|known| known.as_bytes() == origin) {
            return Allowed::Listed(index);
        }
        let Ok(origin) = str::from_utf8(origin) else {
            return Allowed::No;
        };
        if origin == "null" {
            return if self.null {
                Allowed::Named("null")
            } else {
                Allowed::No
            };
        }
        let Some(parts) = Parts::of(origin) else {
            return Allowed::No;
        };
        let is_allowed = self.below.iter().any(|below| below.has(&parts))
            || self.same_host && host.is_some_and(|host| parts.is_host(host))
            || self.judges.iter().any(|judge| asks(judge, origin));
        if is_allowed {
            Allowed::Named(origin)
        } else {
            Allowed::No
        }
    }
}

fn asks(judge: &Arc<Judge>, origin: &str) -> bool {
    catch_unwind(AssertUnwindSafe(|| judge(origin))).unwrap_or_else(|panic| {
        discard(panic);
        false
    })
}

fn no_origin(entry: &str) -> String {
    let hint = match entry.split_once("://") {
        Some((_, rest)) if rest.contains('/') => ": an origin ends before the path",
        None => ": it begins with a scheme, as https://",
        Some((_, rest)) if rest.contains('*') => {
            ": a `*` stands before the first dot, for all below"
        }
        Some(_) => "",
    };
    format!("{entry:?} is no origin that a browser sends{hint}")
}

/// Scheme and host in small letters, as browsers write those of the web.
fn as_browsers_write(mut origin: String) -> String {
    let scheme = origin.split_once("://").map_or("", |(scheme, _)| scheme);
    if ["http", "https"].contains(&&*scheme.to_ascii_lowercase()) {
        origin.make_ascii_lowercase();
    }
    origin
}

impl Below {
    fn has(&self, origin: &Parts<'_>) -> bool {
        origin.scheme == &*self.scheme
            && origin.port == &*self.port
            && origin.host.len() > self.host.len()
            && origin.host.ends_with(&*self.host)
    }
}

/// An origin in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    /// With its colon; empty if there is none.
    port: &'a str,
    /// Host and port.
    authority: &'a str,
}

impl<'a> Parts<'a> {
    /// `None` if it is no origin. `null` is none here.
    fn of(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let in_scheme =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        if !scheme.starts_with(|first: char| first.is_ascii_lowercase())
            || !scheme.bytes().all(in_scheme)
        {
            return None;
        }
        let host_len = if authority.starts_with('[') {
            authority.find(']')? + 1
        } else {
            authority.find(':').unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(host_len);
        (is_host(host) && is_port(port)).then_some(Self {
            scheme,
            host,
            port,
            authority,
        })
    }

    fn is_default_port(&self) -> bool {
        self.default_port().is_some_and(|port| self.port == port)
    }

    fn default_port(&self) -> Option<&'static str> {
        match self.scheme {
            "http" => Some(":80"),
            "https" => Some(":443"),
            _ => None,
        }
    }

    /// Whether this is the host that a request asks.
    fn is_host(&self, asked: &[u8]) -> bool {
        let port = self.default_port().filter(|_| self.port.is_empty());
        let without = port.and_then(|port| asked.strip_suffix(port.as_bytes()));
        let asked = without.unwrap_or(asked);
        asked.eq_ignore_ascii_case(self.authority.as_bytes())
    }
}

/// A name of labels that are not empty, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let in_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    host.split('.')
        .all(|label| !label.is_empty() && label.bytes().all(in_label))
}

/// Nothing, or a colon and a number as it is written shortest.
fn is_port(port: &str) -> bool {
    let Some(number) = port.strip_prefix(':') else {
        return port.is_empty();
    };
    let is_short = !number.starts_with(['0', '+']);
    is_short && number.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests;
