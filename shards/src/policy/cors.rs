//! Answers: what do answers tell browsers about pages of other origins (CORS), and what is a preflight's answer.
//!
//! Headers only: it must not know statuses of other answers, connections or sessions.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    is_token,
    origin::{Allowed, OriginRules, Origins},
};

/// Which pages of other origins browsers let talk to this server over HTTP (`cors`): see [`crate::Server::cors`].
///
/// It is what Node's `cors` package does, with the same defaults. An origin that is not allowed gets the same answers
/// without these headers, and its browser keeps them from the page.
///
/// Browsers do not ask CORS about WebSockets: see [`crate::Server::websocket_origins`].
///
/// ```
/// use std::time::Duration;
/// use stentor::{Cors, prelude::*};
///
/// let cors = Cors::new(["https://app.example.com", "https://*.example.org"])
///     .credentials(true)
///     .max_age(Duration::from_secs(600));
/// let server = Server::new().cors(cors);
/// ```
#[derive(Debug, Clone)]
pub struct Cors {
    origins: Origins,
    methods: Vec<String>,
    allowed_headers: Option<Vec<String>>,
    exposed_headers: Vec<String>,
    credentials: bool,
    max_age: Option<Duration>,
    status: u16,
}

fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

impl Cors {
    /// Lets pages of these origins talk to the server.
    #[must_use]
    pub fn new(origins: impl Into<Origins>) -> Self {
        Self {
            origins: origins.into(),
            methods: texts(["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"]),
            allowed_headers: None,
            exposed_headers: Vec::new(),
            credentials: false,
            max_age: None,
            status: 204,
        }
    }

    /// The methods that preflights are told of (`methods`). Default `GET,HEAD,PUT,PATCH,POST,DELETE`; the server
    /// itself serves GET and POST.
    #[must_use]
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.methods = texts(methods);
        self
    }

    /// The request headers that a page may set (`allowedHeaders`). Default: those that it asks for.
    #[must_use]
    pub fn allowed_headers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.allowed_headers = Some(texts(names));
        self
    }

    /// The answer's headers that a page may read besides the usual ones (`exposedHeaders`). Default none.
    #[must_use]
    pub fn exposed_headers<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.exposed_headers = texts(names);
        self
    }

    /// Whether pages may send cookies (`credentials`); clients say `withCredentials: true`. Default false.
    ///
    /// Together with `*`, with `null`, or with a function that allows every origin the start fails: any page on the
    /// web could act in the name of a user who has a cookie.
    #[must_use]
    pub const fn credentials(mut self, credentials: bool) -> Self {
        self.credentials = credentials;
        self
    }

    /// How long browsers may remember a preflight's answer, in whole seconds (`maxAge`). Default: the browser's own
    /// (5 s). Chromium remembers for 2 hours at most, Firefox for a day.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The status of a preflight's answer (`optionsSuccessStatus`). Default 204; 200 for very old clients.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Checks it, and puts together what does not change.
    ///
    /// # Errors
    /// A sentence that begins with the option's name.
    pub(crate) fn rules(&self) -> Result<CorsRules, String> {
        let origins = self.origins.clone().rules();
        let origins = origins.map_err(|why| format!("cors.origins: {why}"))?;
        if self.credentials
            && let Some(why) = origins.too_many_for_credentials()
        {
            return Err(format!(
                "cors.origins and cors.credentials: {why}, and each could act in the name of a user who has a \
                 cookie: name the origins, or leave credentials out"
            ));
        }
        self.check()?;
        Ok(CorsRules::new(self, origins))
    }

    fn check(&self) -> Result<(), String> {
        let allowed = self.allowed_headers.as_deref().unwrap_or_default();
        for (option, names) in [
            ("cors.methods", &*self.methods),
            ("cors.allowed_headers", allowed),
            ("cors.exposed_headers", &*self.exposed_headers),
        ] {
            if let Some(odd) = names.iter().find(|name| !is_token(name)) {
                return Err(format!("{option}: {odd:?} is no name"));
            }
            if self.credentials && names.iter().any(|name| name == "*") {
                return Err(format!(
                    "{option}: with credentials browsers take `*` for a name and not for all: write the names"
                ));
            }
        }
        if !(200..300).contains(&self.status) {
            return Err(format!(
                "cors.status: {} cannot work: it must be 200 to 299, or browsers take it for a no",
                self.status
            ));
        }
        Ok(())
    }
}

/// Headers that do not change.
type Fields = Vec<(HeaderName, HeaderValue)>;

/// [`Cors`], checked.
#[derive(Debug)]
pub(crate) struct CorsRules {
    origins: OriginRules,
    /// What each answer says to an origin that is allowed, besides the origin.
    answer: Fields,
    /// The same for a preflight, which is told more.
    preflight: Fields,
    /// Headers are allowed as they are asked for.
    reflects: bool,
    status: StatusCode,
}

/// The answer depends on the origin: no cache may give one origin's answer to another.
const VARY: HeaderValue = HeaderValue::from_static("Origin");
/// A preflight's, if it depends on what is asked for.
const VARY_REQUESTED: HeaderValue = HeaderValue::from_static("Access-Control-Request-Headers");

impl CorsRules {
    fn new(cors: &Cors, origins: OriginRules) -> Self {
        let add = |fields: &mut Fields, name, value: String| {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
                fields.push((name, value));
            }
        };
        let mut answer = Fields::new();
        if cors.credentials {
            add(
                &mut answer,
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                "true".to_owned(),
            );
        }
        let mut preflight = answer.clone();
        let methods = cors.methods.join(",");
        add(
            &mut preflight,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            methods,
        );
        if let Some(allowed) = &cors.allowed_headers {
            let allowed = allowed.join(",");
            add(
                &mut preflight,
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                allowed,
            );
        }
        if let Some(age) = cors.max_age {
            let age = age.as_secs().to_string();
            add(&mut preflight, header::ACCESS_CONTROL_MAX_AGE, age);
        }
        for fields in [&mut answer, &mut preflight] {
            let exposed = cors.exposed_headers.join(",");
            add(fields, header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        Self {
            origins,
            answer,
            preflight,
            reflects: cors.allowed_headers.is_none(),
            status: StatusCode::from_u16(cors.status).unwrap_or(StatusCode::NO_CONTENT),
        }
    }

    pub(crate) const fn origins(&self) -> &OriginRules {
        &self.origins
    }

    /// The status of a preflight's answer.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// What an answer says to a request of this origin. Without one, and to an origin that is not allowed, it says
    /// only that it depends on the origin.
    pub(crate) fn answer(&self, origin: Option<&[u8]>) -> HeaderMap {
        self.headers(origin, &self.answer)
    }

    /// What a preflight's answer says. `requested` is its `Access-Control-Request-Headers`.
    pub(crate) fn preflight(&self, origin: Option<&[u8]>, requested: Option<&[u8]>) -> HeaderMap {
        let mut headers = self.headers(origin, &self.preflight);
        if !self.reflects {
            return headers;
        }
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            && let Some(names) = requested.filter(|names| is_list(names))
            && let Ok(names) = HeaderValue::from_bytes(names)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        headers.append(header::VARY, VARY_REQUESTED);
        headers
    }

    fn headers(&self, origin: Option<&[u8]>, fields: &Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let named = self.named(origin).map(HeaderValue::from_str);
        if let Some(Ok(named)) = named {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, named);
            headers.extend(fields.iter().cloned());
        }
        if !self.origins.is_any() {
            headers.insert(header::VARY, VARY);
        }
        headers
    }

    /// What the answer names as the origin that it is for; `None` if that is not allowed.
    fn named<'a>(&'a self, origin: Option<&'a [u8]>) -> Option<&'a str> {
        if self.origins.is_any() {
            return Some("*"); // also for a request that could not be read
        }
        match self.origins.allows(origin?, None) {
            Allowed::No => None,
            Allowed::Any => Some("*"),
            Allowed::Listed(index) => Some(&self.origins.exact()[index]),
            Allowed::Named(origin) => Some(origin),
        }
    }
}

/// Whether this is a list of header names, as a browser writes it.
fn is_list(names: &[u8]) -> bool {
    let is_name = |name: &[u8]| str::from_utf8(name.trim_ascii()).is_ok_and(is_token);
    names.split(|byte| *byte == b',').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(headers: &HeaderMap) -> String {
        let lines = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        lines.collect()
    }

    fn answer(cors: &Cors, origin: Option<&str>) -> String {
        text(&cors.rules().unwrap().answer(origin.map(str::as_bytes)))
    }

    fn preflight(cors: &Cors, origin: &str, requested: Option<&str>) -> String {
        let rules = cors.rules().unwrap();
        text(&rules.preflight(Some(origin.as_bytes()), requested.map(str::as_bytes)))
    }

    #[test]
    fn answers_to_an_origin() {
        let any = Cors::new("*").exposed_headers(["x-a", "x-b"]);
        let all = "access-control-allow-origin: *\r\naccess-control-expose-headers: x-a,x-b\r\n";
        for origin in [
            None,
            Some("https://a.example"),
            Some("null"),
            Some("\r\nodd"),
        ] {
            assert_eq!(answer(&any, origin), all);
        }
        let one = Cors::new("https://a.example").credentials(true);
        assert_eq!(
            answer(&one, Some("https://a.example")),
            "access-control-allow-origin: https://a.example\r\naccess-control-allow-credentials: true\r\nvary: Origin\r\n"
        );
        for origin in [None, Some("https://b.example"), Some("null"), Some("")] {
            assert_eq!(answer(&one, origin), "vary: Origin\r\n", "{origin:?}");
        }
    }

    #[test]
    fn answers_to_a_preflight() {
        let cors = Cors::new("https://a.example")
            .max_age(Duration::from_mins(10))
            .exposed_headers(["x-a"]);
        assert_eq!(
            preflight(&cors, "https://a.example", Some("x-one, content-type")),
            "access-control-allow-origin: https://a.example\r\n\
             access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE\r\n\
             access-control-max-age: 600\r\naccess-control-expose-headers: x-a\r\n\
             vary: Origin\r\nvary: Access-Control-Request-Headers\r\n\
             access-control-allow-headers: x-one, content-type\r\n"
        );
        assert_eq!(
            preflight(&cors, "https://b.example", Some("x-one")),
            "vary: Origin\r\nvary: Access-Control-Request-Headers\r\n"
        );
        let named = Cors::new("*")
            .allowed_headers(["x-a", "x-b"])
            .methods(["GET", "POST"]);
        assert_eq!(
            preflight(&named, "https://b.example", Some("x-c")),
            "access-control-allow-origin: *\r\naccess-control-allow-methods: GET,POST\r\n\
             access-control-allow-headers: x-a,x-b\r\n"
        );
        for odd in ["x y", "", "a,,b", "x: y", "a\u{e4}"] {
            assert!(
                !preflight(&cors, "https://a.example", Some(odd)).contains("allow-headers"),
                "{odd}"
            );
        }
    }

    #[test]
    fn credentials_are_not_for_everybody() {
        for origins in [
            Origins::any(),
            "null".into(),
            Origins::by(|_| true),
            ["https://a.example", "*"].into(),
        ] {
            let error = Cors::new(origins.clone())
                .credentials(true)
                .rules()
                .unwrap_err();
            assert!(
                error.starts_with("cors.origins and cors.credentials: "),
                "{error}"
            );
            Cors::new(origins).rules().unwrap();
        }
        Cors::new(Origins::by(|origin| origin == "https://a.example"))
            .credentials(true)
            .rules()
            .unwrap();
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let cors = || Cors::new("https://a.example");
        for (cors, said) in [
            (Cors::new("https://a.example/"), "cors.origins: "),
            (Cors::new(Vec::<String>::new()), "cors.origins: "),
            (cors().methods(["GET POST"]), "cors.methods: "),
            (cors().allowed_headers(["x\r\ny"]), "cors.allowed_headers: "),
            (cors().exposed_headers([""]), "cors.exposed_headers: "),
            (
                cors().credentials(true).allowed_headers(["*"]),
                "cors.allowed_headers: ",
            ),
            (
                cors().credentials(true).exposed_headers(["*"]),
                "cors.exposed_headers: ",
            ),
            (cors().status(404), "cors.status: "),
        ] {
            let error = cors.rules().unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        cors()
            .allowed_headers(["*"])
            .exposed_headers(["*"])
            .rules()
            .unwrap();
    }
}
