//! Answers: which cookie does a session that begins over polling get. Must not know requests.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use http::HeaderValue;

use super::is_token;

/// Which requests from pages of other sites carry a cookie (`SameSite`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SameSite {
    /// None.
    Strict,
    /// Only those by which a browser goes to this site, and no request of a script.
    #[default]
    Lax,
    /// All. Browsers want [`Cookie::secure`] with it.
    None,
}

/// Which cookies a browser that has too many throws away first (`Priority`; Chromium has it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Before others.
    Low,
    /// As those without a priority.
    Medium,
    /// After others.
    High,
}

/// A cookie with the Engine.IO session id (`cookie`), for load balancers that keep a client at one server by it:
/// see [`crate::Server::cookie`].
///
/// The session id lets its holder poll in the client's place. So the cookie is `HttpOnly` unless you say otherwise.
///
/// ```
/// use std::time::Duration;
/// use stentor::{Cookie, SameSite, prelude::*};
///
/// let server = Server::new().cookie(
///     Cookie::new("io").secure(true).same_site(SameSite::None).max_age(Duration::from_secs(86_400)),
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    domain: Option<String>,
    path: Option<String>,
    max_age: Option<Duration>,
    expires: Option<SystemTime>,
    http_only: bool,
    secure: bool,
    partitioned: bool,
    priority: Option<Priority>,
    same_site: Option<SameSite>,
}

impl From<&str> for Cookie {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl Cookie {
    /// A cookie of this name, with `Path=/; HttpOnly; SameSite=Lax`, as the official server's, whose name is
    /// `io` unless set.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            path: Some("/".to_owned()),
            max_age: None,
            expires: None,
            http_only: true,
            secure: false,
            partitioned: false,
            priority: None,
            same_site: Some(SameSite::Lax),
        }
    }

    /// The host that gets it, with all below (`Domain`). Default: the host that set it, alone.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The path below which it is sent (`Path`); `None` for the request's own. Default `/`.
    #[must_use]
    pub fn path(mut self, path: Option<&str>) -> Self {
        self.path = path.map(str::to_owned);
        self
    }

    /// How long it is kept, in whole seconds (`Max-Age`). Default: until the browser ends.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Until when it is kept (`Expires`); `Max-Age` goes before it. Default: until the browser ends.
    #[must_use]
    pub const fn expires(mut self, at: SystemTime) -> Self {
        self.expires = Some(at);
        self
    }

    /// Whether scripts are kept from reading it (`HttpOnly`). Default true.
    #[must_use]
    pub const fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Whether it is sent over HTTPS alone (`Secure`). Default false.
    #[must_use]
    pub const fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether each site that embeds this one has its own (`Partitioned`). Default false.
    #[must_use]
    pub const fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Which is thrown away first (`Priority`). Default: not said.
    #[must_use]
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// Which requests from pages of other sites carry it (`SameSite`). Default [`SameSite::Lax`].
    #[must_use]
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Checks it, and puts together what does not change.
    ///
    /// # Errors
    /// A sentence that begins with the option's name.
    pub(crate) fn rules(&self) -> Result<CookieRules, String> {
        self.check()?;
        let mut attributes = String::new();
        if let Some(age) = self.max_age {
            write!(attributes, "; Max-Age={}", age.as_secs()).expect("a string grows");
        }
        if let Some(domain) = &self.domain {
            write!(attributes, "; Domain={domain}").expect("a string grows");
        }
        if let Some(path) = &self.path {
            write!(attributes, "; Path={path}").expect("a string grows");
        }
        if let Some(at) = self.expires {
            write!(attributes, "; Expires={}", httpdate::fmt_http_date(at))
                .expect("a string grows");
        }
        for (is_set, flag) in [
            (self.http_only, "; HttpOnly"),
            (self.secure, "; Secure"),
            (self.partitioned, "; Partitioned"),
        ] {
            if is_set {
                attributes.push_str(flag);
            }
        }
        attributes.push_str(match self.priority {
            None => "",
            Some(Priority::Low) => "; Priority=Low",
            Some(Priority::Medium) => "; Priority=Medium",
            Some(Priority::High) => "; Priority=High",
        });
        attributes.push_str(match self.same_site {
            None => "",
            Some(SameSite::Strict) => "; SameSite=Strict",
            Some(SameSite::Lax) => "; SameSite=Lax",
            Some(SameSite::None) => "; SameSite=None",
        });
        Ok(CookieRules {
            name: self.name.as_str().into(),
            attributes: attributes.into(),
        })
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            name, domain, path, ..
        } = self;
        if !is_token(name) {
            return Err(format!(
                "cookie.name: {name:?} is no name that a cookie can have"
            ));
        }
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if let Some(domain) = domain
            .as_deref()
            .filter(|domain| domain.is_empty() || !domain.bytes().all(is_host))
        {
            return Err(format!("cookie.domain: {domain:?} is no host"));
        }
        let in_path = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b';';
        if let Some(path) = path
            .as_deref()
            .filter(|path| !path.starts_with('/') || !path.bytes().all(in_path))
        {
            return Err(format!(
                "cookie.path: {path:?} is no path: it begins with `/` and has no `;`"
            ));
        }
        if self.secure {
            return self.check_prefix();
        }
        let wants_secure = if self.same_site == Some(SameSite::None) {
            "SameSite=None"
        } else if self.partitioned {
            "Partitioned"
        } else if name.starts_with("__Host-") || name.starts_with("__Secure-") {
            "such a name"
        } else {
            return Ok(());
        };
        Err(format!(
            "cookie.secure: browsers throw a cookie with {wants_secure} away that is not Secure"
        ))
    }

    /// What a name promises (RFC 6265bis 4.1.3).
    fn check_prefix(&self) -> Result<(), String> {
        let is_host_only = self.domain.is_none() && self.path.as_deref() == Some("/");
        if self.name.starts_with("__Host-") && !is_host_only {
            return Err(format!(
                "cookie.name: browsers throw {:?} away unless it has the path `/` and no domain",
                self.name
            ));
        }
        Ok(())
    }
}

/// [`Cookie`], checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CookieRules {
    name: Box<str>,
    attributes: Box<str>,
}

impl CookieRules {
    /// The value of `Set-Cookie` for a session. `None` if the sid is none that a cookie can have.
    pub(crate) fn value(&self, sid: &[u8]) -> Option<HeaderValue> {
        let value = [self.name.as_bytes(), b"=", sid, self.attributes.as_bytes()].concat();
        HeaderValue::try_from(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(cookie: &Cookie) -> String {
        let value = cookie.rules().unwrap().value(b"AbC_-").unwrap();
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_official_cookie() {
        let value = value(&Cookie::new("io"));
        assert_eq!(value, "io=AbC_-; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn all_attributes_in_the_official_order() {
        let cookie = Cookie::new("a")
            .domain("example.com")
            .path(Some("/x"))
            .max_age(Duration::from_millis(60_900))
            .expires(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
            .secure(true)
            .partitioned(true)
            .priority(Priority::High)
            .same_site(SameSite::None);
        assert_eq!(
            value(&cookie),
            "a=AbC_-; Max-Age=60; Domain=example.com; Path=/x; Expires=Sun, 06 Nov 1994 08:49:37 GMT; \
             HttpOnly; Secure; Partitioned; Priority=High; SameSite=None"
        );
        let bare = Cookie::new("a")
            .path(None)
            .http_only(false)
            .same_site(SameSite::Strict);
        assert_eq!(value(&bare), "a=AbC_-; SameSite=Strict");
        let low = Cookie::new("a").priority(Priority::Low);
        assert!(value(&low).contains("; Priority=Low;"));
        let medium = Cookie::new("a").priority(Priority::Medium);
        assert!(value(&medium).contains("; Priority=Medium;"));
    }

    #[test]
    fn cookies_that_browsers_throw_away_are_refused() {
        for (cookie, said) in [
            (Cookie::new(""), "cookie.name: "),
            (Cookie::new("a b"), "cookie.name: "),
            (Cookie::new("a=b"), "cookie.name: "),
            (Cookie::new("a\r\nx"), "cookie.name: "),
            (Cookie::new("a").domain("x; Secure"), "cookie.domain: "),
            (Cookie::new("a").domain(""), "cookie.domain: "),
            (Cookie::new("a").path(Some("x")), "cookie.path: "),
            (Cookie::new("a").path(Some("/x;y")), "cookie.path: "),
            (Cookie::new("a").path(Some("/x\r\n")), "cookie.path: "),
            (
                Cookie::new("a").same_site(SameSite::None),
                "cookie.secure: ",
            ),
            (Cookie::new("a").partitioned(true), "cookie.secure: "),
            (Cookie::new("__Secure-a"), "cookie.secure: "),
            (Cookie::new("__Host-a"), "cookie.secure: "),
            (
                Cookie::new("__Host-a").secure(true).domain("x"),
                "cookie.name: ",
            ),
            (
                Cookie::new("__Host-a").secure(true).path(Some("/x")),
                "cookie.name: ",
            ),
        ] {
            let error = cookie.rules().unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        for name in ["__Host-a", "__Secure-a"] {
            Cookie::new(name).secure(true).rules().unwrap();
        }
    }
}
