//! Answers: what did the request look like that a session began with.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::IpAddr,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::Extensions;
use memchr::memmem;
use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeStruct};
use stentor_engine::eio::handshake::unescape;

use crate::address::{Caller, Peer};

/// Whether servers keep the request that each session began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// For the session's life, as the official server does: mostly 300 to 600 bytes each, at most
    /// 4 KiB ([`Handshake`]).
    #[default]
    Whole,
    /// Not at all.
    Nothing,
}

/// The request that a session began with: the official server's `socket.handshake`.
///
/// It is that request for the session's life. The later ones of a client that polls, and the one that
/// upgrades it to WebSocket, are served and forgotten: nothing of them is kept or shown.
///
/// At most 4 KiB are kept of it. Of a longer head the headers that do not fit are left out, each whole, in the
/// order in which they came; a target that does not fit alone loses its last query parameters.
/// [`crate::Server::allow_request`] sees all.
///
/// As a value of serde it is an object with the official names: `headers`, `time` (as JavaScript writes a date, in
/// UTC), `address` (`null` if there is none), `xdomain`, `secure`, `issued` (milliseconds since 1970), `url`, `query`,
/// and `auth` where it is known. A parameter that came several times is a list of its values; headers have lower-case
/// names, and those of one name stand in one value with commas between them (cookies with semicolons), as
/// RFC 9110 5.2 has it.
///
/// ```
/// use stentor::{NamespaceBuilder, prelude::*};
/// use std::rc::Rc;
///
/// fn events(ns: NamespaceBuilder<'_>) {
///     ns.on_sync("handshake", |handshake: Rc<Handshake>| serde_json::to_value(&*handshake))
///         .on_sync("parameters", |handshake: Rc<Handshake>| {
///             let names = handshake.query_pairs().map(|(name, _)| name.into_owned());
///             Ack(names.collect::<Vec<_>>())
///         });
/// }
/// ```
#[derive(Debug)]
pub struct Handshake(View);

/// The JSON of what a client sent when it joined a namespace that keeps it: with the socket, beside what user
/// code keeps there.
pub(crate) struct Credentials(pub(crate) Option<Box<str>>);

#[derive(Debug)]
enum View {
    /// As all sockets of the session have it.
    Session(FirstRequest),
    /// As one socket has it: with the JSON of what the client sent when it joined the namespace.
    Socket(Rc<Handshake>, Box<str>),
}

#[derive(Debug)]
struct FirstRequest {
    /// The head as it came, or put together again if hyper read it.
    head: Box<[u8]>,
    peer: Peer,
    /// What few requests have: those of a proxy, and those to which middleware has attached something.
    seldom: Option<Box<Seldom>>,
    issued_ms: u64,
}

#[derive(Debug)]
struct Seldom {
    address: Option<IpAddr>,
    secure: bool,
    /// What middleware has attached.
    extensions: Extensions,
}

impl FirstRequest {
    fn new(head: Box<[u8]>, caller: &Caller) -> Self {
        let Caller {
            peer,
            address,
            secure,
        } = *caller;
        let is_proxied = secure || address != peer.ip();
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            head,
            peer,
            seldom: is_proxied.then(|| {
                Box::new(Seldom {
                    address,
                    secure,
                    extensions: Extensions::new(),
                })
            }),
            issued_ms: since.unwrap_or_default().as_millis() as u64,
        }
    }
}

/// A moment as JavaScript writes it: the parts of HTTP's date in another order.
fn javascript_date(at: SystemTime) -> String {
    let http = httpdate::fmt_http_date(at);
    let mut parts = http.split([' ', ',']).filter(|part| !part.is_empty());
    let mut next = || parts.next().unwrap_or_default();
    let (weekday, day, month, year, time) = (next(), next(), next(), next(), next());
    format!("{weekday} {month} {day} {year} {time} GMT+0000 (Coordinated Universal Time)")
}

/// Bytes of a head that are kept: a session's, and there may be many of those before they have cost their
/// client anything.
const KEPT_BYTES: usize = 4 * 1024;

/// What is kept of a head.
fn kept(head: &[u8]) -> Box<[u8]> {
    if head.len() <= KEPT_BYTES {
        return head.into();
    }
    let mut kept = Vec::with_capacity(KEPT_BYTES);
    let mut rest = head;
    while let Some(end) = memmem::find(rest, b"\r\n") {
        let (line, after) = rest.split_at(end + 2);
        rest = after;
        let room = KEPT_BYTES - kept.len();
        if line.len() <= room {
            kept.extend_from_slice(line);
        } else if kept.is_empty() {
            kept.extend_from_slice(request_line(line, room));
            kept.extend_from_slice(b" \r\n");
        }
    }
    kept.into()
}

/// The beginning of a request line that has room in so many bytes, with whole query parameters.
fn request_line(line: &[u8], room: usize) -> &[u8] {
    let fits = &line[..room - b" \r\n".len()];
    let end = fits.iter().rposition(|byte| matches!(byte, b'&' | b'?'));
    &fits[..end.unwrap_or(0)]
}

impl Handshake {
    /// A request that is looked at now.
    pub(crate) fn new(head: &[u8], caller: &Caller) -> Self {
        Self(View::Session(FirstRequest::new(head.into(), caller)))
    }

    /// A request that is kept.
    pub(crate) fn kept(head: &[u8], caller: &Caller) -> Self {
        Self(View::Session(FirstRequest::new(kept(head), caller)))
    }

    /// The same request as one socket has it.
    pub(crate) fn of_socket(session: Rc<Self>, auth: Option<&str>) -> Self {
        Self(View::Socket(session, auth.unwrap_or("{}").into()))
    }

    fn request(&self) -> &FirstRequest {
        match &self.0 {
            View::Session(request) => request,
            View::Socket(session, _) => session.request(),
        }
    }

    /// The same with what middleware has attached.
    pub(crate) fn with(mut self, extensions: Extensions) -> Self {
        if let View::Session(request) = &mut self.0
            && !extensions.is_empty()
        {
            let address = request.peer.ip();
            let seldom = request.seldom.get_or_insert_with(|| {
                Box::new(Seldom {
                    address,
                    secure: false,
                    extensions: Extensions::new(),
                })
            });
            seldom.extensions = extensions;
        }
        self
    }

    /// The value of this type that [`crate::Server::middleware`] has attached.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// fn name(handshake: &Handshake) -> Option<&str> {
    ///     handshake.extension::<User>().map(|user| &*user.0)
    /// }
    /// ```
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.request().seldom.as_ref()?.extensions.get()
    }

    /// The client's address, without its port. `None` if the request came over a Unix socket and nobody has said
    /// whose it is.
    ///
    /// It is the other end of the connection; of a connection that began with a PROXY header that is believed,
    /// the header's address; and behind a trusted proxy ([`crate::Server::trusted_proxies`]), the one for which that
    /// asks. Nothing else that a client sends can change it.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let request = self.request();
        match &request.seldom {
            Some(seldom) => seldom.address,
            None => request.peer.ip(),
        }
    }

    /// The other end of the connection that brought the request. Behind a proxy that is the proxy.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.request().peer
    }

    /// Whether a proxy has said that the client is not the peer.
    pub(crate) fn is_proxied(&self) -> bool {
        self.address() != self.peer().ip()
    }

    /// Who is meant, for the log: the client behind a proxy, or else the peer with its port.
    pub(crate) fn client(&self) -> String {
        match self.address() {
            Some(address) if self.is_proxied() => address.to_string(),
            _ => self.peer().to_string(),
        }
    }

    /// Whether the client speaks TLS, which a trusted proxy says: with `X-Forwarded-Proto` or `Forwarded`, or in its
    /// PROXY header. The server itself does not speak it.
    #[must_use]
    pub fn secure(&self) -> bool {
        let seldom = &self.request().seldom;
        seldom.as_ref().is_some_and(|seldom| seldom.secure)
    }

    /// Whether the request has an `Origin`: a page of another origin made it, or a client wants to be taken for one.
    #[must_use]
    pub fn xdomain(&self) -> bool {
        let origin = self.header_bytes("origin");
        origin.is_some_and(|origin| !origin.is_empty())
    }

    /// When the session began, by the wall clock, in whole milliseconds.
    #[must_use]
    pub fn issued(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.request().issued_ms)
    }

    /// The same as text, as JavaScript writes it where the clock is UTC:
    /// `Sun Nov 06 1994 08:49:37 GMT+0000 (Coordinated Universal Time)`.
    #[must_use]
    pub fn time(&self) -> String {
        javascript_date(self.issued())
    }

    /// What the client sent as `auth` when it joined the namespace, as JSON; `{}` if it sent nothing.
    ///
    /// `None` where it is not known. It is in a handler's parameter `Rc<Handshake>` in `auth` and `on_connect`, and
    /// everywhere in a namespace that keeps it ([`crate::NamespaceBuilder::keep_auth`]).
    #[must_use]
    pub fn auth_json(&self) -> Option<&str> {
        match &self.0 {
            View::Session(_) => None,
            View::Socket(_, auth) => Some(auth),
        }
    }

    /// The same as a `T`. `None` too if it is no `T`. In handlers the parameter [`crate::Auth`] is shorter, and
    /// tells the client what is wrong with what it sent.
    ///
    /// ```
    /// use stentor::{NamespaceBuilder, prelude::*};
    /// use std::rc::Rc;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Login { name: String }
    ///
    /// fn events(ns: NamespaceBuilder<'_>) {
    ///     ns.keep_auth().on_sync("who am I?", |handshake: Rc<Handshake>| {
    ///         handshake.auth::<Login>().map(|login| login.name)
    ///     });
    /// }
    /// ```
    #[must_use]
    pub fn auth<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(self.auth_json()?).ok()
    }

    /// The request's target: path and query.
    #[must_use]
    pub fn url(&self) -> &str {
        let target = self.request().head.split(|byte| *byte == b' ').nth(1);
        // The head's parser lets nothing else in.
        str::from_utf8(target.unwrap_or_default()).unwrap_or("")
    }

    /// The value of a query parameter, escapes read in name and value; the last of several.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        self.pairs()
            .rfind(|(known, _)| unescape(known) == name)
            .map(|(_, value)| unescape(value))
    }

    /// All query parameters in their order, escapes read: those of the protocol (`EIO`, `transport`)
    /// and the client's own.
    pub fn query_pairs(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.pairs()
            .map(|(name, value)| (unescape(name), unescape(value)))
    }

    /// All query parameters by name, escapes read, with the values of each in their order.
    ///
    /// ```
    /// use stentor::prelude::*;
    ///
    /// fn rooms(handshake: &Handshake) -> Vec<String> {
    ///     let query = handshake.query_map();
    ///     query.get("room").into_iter().flatten().map(ToString::to_string).collect()
    /// }
    /// # let _ = rooms;
    /// ```
    #[must_use]
    pub fn query_map(&self) -> BTreeMap<Cow<'_, str>, Vec<Cow<'_, str>>> {
        let mut map = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in self.query_pairs() {
            map.entry(name).or_default().push(value);
        }
        map
    }

    fn pairs(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let query = self.url().split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The first header of this name, in any case. `None` too if its value is not UTF-8: see
    /// [`Handshake::header_bytes`].
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        str::from_utf8(self.header_bytes(name)?).ok()
    }

    /// The same, whatever bytes the value has.
    #[must_use]
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All headers whose values are UTF-8, as nearly all are.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields().filter_map(|(name, value)| {
            Some((str::from_utf8(name).ok()?, str::from_utf8(value).ok()?))
        })
    }

    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.request().head.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
    }
}

/// The values of a parameter: a text, or a list if there are several, as Node's `querystring` has it.
struct Values<'a>(Vec<Cow<'a, str>>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl Serialize for Handshake {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let query = self.query_map().into_iter();
        let query: BTreeMap<_, _> = query.map(|(name, all)| (name, Values(all))).collect();
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in self.headers() {
            let name = name.to_ascii_lowercase();
            let between = if name == "cookie" { "; " } else { ", " };
            headers
                .entry(name)
                .and_modify(|all| all.extend([between, value]))
                .or_insert_with(|| value.to_owned());
        }
        let auth = self.auth::<serde_json::Value>();
        let fields = 8 + usize::from(auth.is_some());
        let mut object = serializer.serialize_struct("Handshake", fields)?;
        object.serialize_field("headers", &headers)?;
        object.serialize_field("time", &self.time())?;
        object.serialize_field("address", &self.address())?;
        object.serialize_field("xdomain", &self.xdomain())?;
        object.serialize_field("secure", &self.secure())?;
        object.serialize_field("issued", &self.request().issued_ms)?;
        object.serialize_field("url", self.url())?;
        object.serialize_field("query", &query)?;
        match &auth {
            Some(auth) => object.serialize_field("auth", auth)?,
            None => object.skip_field("auth")?,
        }
        object.end()
    }
}

#[cfg(test)]
mod tests;
