//! Answers: whose page may open a connection to the demo.
//!
//! A browser lets every page that it shows connect to this machine. The demo has buttons that make
//! work, so it listens to its own page and to programs, which send no `Origin`.

use std::net::IpAddr;

use stentor::Handshake;

/// Whether a host, without a port, is this machine and no other: `localhost`, `127.0.0.1`, `::1`, `[::1]`.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a `Host` header names this machine: `localhost:3000`, `127.0.0.1`, `[::1]:3000`. Another name that
/// leads here comes from somebody else's DNS.
fn is_here(host: &str) -> bool {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => is_loopback(name),
        _ => is_loopback(host),
    }
}

fn judge(host: Option<&str>, origin: Option<&str>, loopback: bool) -> Result<(), String> {
    let host = host.unwrap_or_default();
    if loopback && !is_here(host) {
        return Err("the demo is at localhost".to_owned());
    }
    let Some(origin) = origin else {
        return Ok(());
    };
    let site = origin.split_once("://").map_or(origin, |(_, site)| site);
    if site.eq_ignore_ascii_case(host) {
        Ok(())
    } else {
        Err("only the demo's own page may connect".to_owned())
    }
}

/// Decides about a request; `loopback` if the server listens on this machine alone.
pub(super) fn check(handshake: &Handshake, loopback: bool) -> Result<(), String> {
    judge(
        handshake.header("host"),
        handshake.header("origin"),
        loopback,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_page_and_programs_connect() {
        let own = Some("http://localhost:3000");
        assert_eq!(judge(Some("localhost:3000"), own, true), Ok(()));
        assert_eq!(judge(Some("127.0.0.1:3000"), None, true), Ok(()));
        assert_eq!(
            judge(Some("[::1]:3000"), Some("http://[::1]:3000"), true),
            Ok(())
        );
        for other in [
            "http://evil.example",
            "null",
            "http://localhost:3001",
            "http://127.0.0.1:3000",
        ] {
            assert!(
                judge(Some("localhost:3000"), Some(other), true).is_err(),
                "{other}"
            );
        }
        // A name of somebody else's that has this machine's address.
        let evil = Some("http://evil.example:3000");
        assert!(judge(Some("evil.example:3000"), evil, true).is_err());
        assert!(judge(Some("evil.example:3000"), None, true).is_err());
        assert!(judge(None, None, true).is_err());
        assert_eq!(
            judge(Some("demo.example"), Some("https://demo.example"), false),
            Ok(())
        );
    }
}
