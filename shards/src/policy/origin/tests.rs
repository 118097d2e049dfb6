use proptest::prelude::*;

use super::*;

fn rules(origins: impl Into<Origins>) -> OriginRules {
    origins.into().rules().unwrap()
}

fn allows(rules: &OriginRules, origin: &str) -> bool {
    rules.allows(origin.as_bytes(), None) != Allowed::No
}

#[test]
fn what_is_listed_is_allowed_and_nothing_else() {
    let rules = rules([
        "https://a.example",
        "HTTP://B.example:8080",
        "http://[::1]:3000",
    ]);
    assert_eq!(rules.allows(b"https://a.example", None), Allowed::Listed(0));
    assert_eq!(
        rules.allows(b"http://b.example:8080", None),
        Allowed::Listed(1)
    );
    assert_eq!(rules.allows(b"http://[::1]:3000", None), Allowed::Listed(2));
    for origin in [
        "",
        "*",
        "null",
        "https://a.example.",
        "https://a.example/",
        "https://a.example:443",
        "https://A.example",
        "http://a.example",
        "https://a.example.evil.example",
        "https://evil-a.example",
        "https://x.a.example",
        "https://a.example https://evil.example",
        "https://a.example, https://evil.example",
        "https://a.example@evil.example",
        "http://b.example",
    ] {
        assert!(!allows(&rules, origin), "{origin}");
    }
    assert_eq!(rules.allows(b"https://a.example\xff", None), Allowed::No);
}

#[test]
fn hosts_below_one() {
    let rules = rules(["https://*.example.com", "http://*.localhost:8080"]);
    for origin in [
        "https://a.example.com",
        "https://a.b.example.com",
        "http://x.localhost:8080",
    ] {
        assert_eq!(
            rules.allows(origin.as_bytes(), None),
            Allowed::Named(origin)
        );
    }
    for origin in [
        "https://example.com",
        "https://.example.com",
        "https://a..example.com",
        "https://evilexample.com",
        "https://evil-example.com",
        "https://a.example.com.evil.com",
        "https://evil.com/.example.com",
        "https://evil.com?.example.com",
        "https://evil.com#.example.com",
        "https://evil.com:80.example.com",
        "https://evil.com\\.example.com",
        "https://evil.com%2f.example.com",
        "https://user@.example.com",
        "https://evil.com@a.example.com",
        "https://[::1].example.com",
        "http://a.example.com",
        "https://a.example.com:8443",
        "https://a.example.com:",
        "https://a.example.com.",
        "http://x.localhost",
        "null",
        "",
    ] {
        assert!(!allows(&rules, origin), "{origin}");
    }
}

#[test]
fn any_and_null_are_what_they_say() {
    assert_eq!(rules("*").allows(b"https://x.example", None), Allowed::Any);
    assert_eq!(rules("*").allows(b"null", None), Allowed::Any);
    assert!(!allows(&rules(Origins::by(|_| true)), "null"));
    assert_eq!(rules("null").allows(b"null", None), Allowed::Named("null"));
    assert!(!allows(&rules("null"), "https://x.example"));
}

#[test]
fn a_function_is_asked_about_origins_alone() {
    let rules = rules(Origins::by(|origin| {
        assert!(origin != "https://panics.example", "as it should");
        assert!(origin.starts_with("https://"), "{origin}");
        origin.ends_with(".example")
    }));
    assert!(allows(&rules, "https://a.example"));
    for origin in [
        "https://a.com",
        "https://panics.example",
        "https://x/.example",
        ".example",
    ] {
        assert!(!allows(&rules, origin), "{origin}");
    }
}

#[test]
fn pages_of_the_same_host() {
    let rules = rules(Origins::from("https://a.example").and_same_host());
    let same = |origin: &str, host: &str| {
        rules.allows(origin.as_bytes(), Some(host.as_bytes())) != Allowed::No
    };
    for (origin, host) in [
        ("http://b.example", "b.example"),
        ("https://b.example", "B.example"),
        ("https://b.example", "b.example:443"),
        ("http://b.example", "b.example:80"),
        ("http://b.example:3000", "b.example:3000"),
        ("http://[::1]:3000", "[::1]:3000"),
        ("https://a.example", "b.example"),
    ] {
        assert!(same(origin, host), "{origin} {host}");
    }
    for (origin, host) in [
        ("http://b.example", "b.example:443"),
        ("http://b.example:3000", "b.example"),
        ("http://b.example", "b.example:3000"),
        ("http://b.example", "x.b.example"),
        ("http://b.example", ""),
        ("null", "null"),
        ("b.example", "b.example"),
    ] {
        assert!(!same(origin, host), "{origin} {host}");
    }
    assert_eq!(rules.allows(b"http://b.example", None), Allowed::No);
}

#[test]
fn entries_that_no_browser_sends_are_refused() {
    for (entry, said) in [
        ("https://a.example/", "an origin ends before the path"),
        ("https://a.example/x", "an origin ends before the path"),
        ("a.example", "it begins with a scheme"),
        ("https://a.example:443", "browsers leave it out"),
        ("http://a.example:80", "browsers leave it out"),
        ("https://a.*.example", "a `*` stands before the first dot"),
        ("https://*", "a `*` stands before the first dot"),
        ("https://", "is no origin"),
        ("https://a b", "is no origin"),
        ("https://a\r\nx: y", "is no origin"),
        ("https://ä.example", "is no origin"),
        ("https://a:0", "is no origin"),
        ("https://a:65536", "is no origin"),
        ("https://a:+8", "is no origin"),
        ("", "it begins with a scheme"),
    ] {
        let error = Origins::from(entry).rules().unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert!(Origins::default().rules().is_err());
    for entry in [
        "capacitor://localhost",
        "safari-web-extension://2A-B",
        "http://a_b:8080",
    ] {
        assert!(allows(&rules(entry), entry), "{entry}");
    }
}

#[test]
fn what_allows_everybody_is_known() {
    let too_many = |origins: Origins| rules(origins).too_many_for_credentials().is_some();
    assert!(too_many(Origins::any()));
    assert!(too_many(Origins::from(["https://a.example", "*"])));
    assert!(too_many(Origins::from("null")));
    assert!(too_many(Origins::by(|_| true)));
    assert!(too_many(Origins::by(
        |origin| origin.starts_with("https://")
    )));
    assert!(!too_many(Origins::by(|_| panic!("as it should"))));
    assert!(!too_many(Origins::by(
        |origin| origin.ends_with(".example.com")
    )));
    assert!(!too_many(
        Origins::from("https://*.example.com").and("http://a")
    ));
}

proptest! {
    /// Whatever comes, only an origin can be named in an answer, and only one below the host.
    #[test]
    fn hostile_origins(origin in hostile()) {
        let rules = rules(["https://*.example.com", "https://app.example.org"]);
        match rules.allows(origin.as_bytes(), Some(b"evil.example")) {
            Allowed::No => {}
            Allowed::Listed(index) => prop_assert_eq!((index, &*origin), (0, "https://app.example.org")),
            Allowed::Named(named) => {
                prop_assert_eq!(named, &*origin);
                let host = named.strip_prefix("https://").and_then(|rest| rest.strip_suffix(".example.com"));
                let host = host.expect("it is below the host");
                let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
                prop_assert!(is_name && !host.is_empty(), "{named}");
            }
            Allowed::Any => prop_assert!(false, "nothing says so"),
        }
    }

    /// A browser's origins are read whole: nothing of them is lost or added.
    #[test]
    fn what_is_read_is_what_was_written(
        scheme in "[a-z][a-z0-9+.-]{0,5}",
        host in "[a-zA-Z0-9_-]{1,5}(\\.[a-zA-Z0-9_-]{1,5}){0,3}",
        port in proptest::option::of(1_u16..),
    ) {
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let origin = format!("{scheme}://{host}{port}");
        let parts = Parts::of(&origin).unwrap();
        prop_assert_eq!((parts.scheme, parts.host, parts.port), (&*scheme, &*host, &*port));
    }

    #[test]
    fn no_bytes_are_too_odd(origin in proptest::collection::vec(any::<u8>(), 0..64)) {
        let rules = rules(Origins::from("https://*.example.com").and_same_host());
        rules.allows(&origin, Some(&origin));
    }
}

/// Pieces of which origins and attacks on lists of them are made.
fn hostile() -> impl Strategy<Value = String> {
    const PIECES: [&str; 31] = [
        "https://",
        "http://",
        "app",
        "evil",
        "example",
        ".",
        "com",
        "org",
        "example.com",
        "example.org",
        ".example.com",
        "://",
        ":",
        "443",
        "80",
        "@",
        "/",
        "?",
        "#",
        "\\",
        "%2e",
        "*",
        "null",
        " ",
        ",",
        "\r\n",
        "\0",
        "ä",
        "[::1]",
        "-",
        "_",
    ];
    let piece = prop_oneof![4 => proptest::sample::select(&PIECES[..]).prop_map(str::to_owned), 1 => ".{0,3}"];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}
