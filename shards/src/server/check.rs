//! Answers: which options cannot work, and why.
//!
//! A server with one of them would start and serve nobody: each client would fail in its own time,
//! and nothing would say why.

use std::time::Duration;

use stentor_engine::{config::Config, limits::Limits};

use crate::config::HttpWaits;

/// What is checked.
pub(super) struct Options<'a> {
    pub(super) config: &'a Config,
    pub(super) waits: &'a HttpWaits,
    /// As [`super::Server::path`] has made it.
    pub(super) path: &'a str,
    pub(super) tcp_user_timeout: Option<Duration>,
}

/// The protocol's times are told in whole milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);
/// Where timers end: JavaScript's `setTimeout`, and the kernel's.
const TIMERS_MAX_MS: u64 = 1 << 31;
/// A client's first message, `40`.
const PAYLOAD_BYTES_MIN: usize = 2;

impl Options<'_> {
    /// Checks them.
    ///
    /// # Errors
    /// A sentence that names the option.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_times()?;
        check_limits(&self.config.limits)?;
        self.check_path()?;
        if !self.config.polling && !self.config.websocket {
            return Err("transports: without polling and WebSocket nobody can connect".to_owned());
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), String> {
        let Self { config, waits, .. } = self;
        let times = [
            ("ping_interval", config.ping_interval),
            ("ping_timeout", config.ping_timeout),
            ("upgrade_timeout", config.upgrade_timeout),
            ("connect_timeout", config.connect_timeout),
            ("http_waits.idle", waits.idle),
            ("http_waits.head", waits.head),
            ("http_waits.piece", waits.piece),
            ("http_waits.body", waits.body),
            ("limits.attachments_wait", config.limits.attachments_wait),
        ];
        if let Some((name, _)) = times.iter().find(|(_, time)| *time < SHORTEST) {
            return Err(format!(
                "{name}: less than a millisecond, in which nobody can do anything"
            ));
        }
        let beat = config.ping_interval.saturating_add(config.ping_timeout);
        if beat.as_millis() >= TIMERS_MAX_MS.into() {
            return Err(format!(
                "ping_interval and ping_timeout: together {TIMERS_MAX_MS} ms or more, for which a \
                 JavaScript client waits 1 ms"
            ));
        }
        let unacknowledged = self.tcp_user_timeout.unwrap_or_default();
        if !unacknowledged.is_zero() && unacknowledged < SHORTEST
            || unacknowledged.as_millis() >= TIMERS_MAX_MS.into()
        {
            return Err(format!(
                "tcp_user_timeout: the kernel takes 1 to {} ms, or zero for its own",
                TIMERS_MAX_MS - 1
            ));
        }
        Ok(())
    }

    /// A client sends its path as it is: no byte of it is escaped or unescaped on the way.
    fn check_path(&self) -> Result<(), String> {
        let odd = |byte: u8| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#');
        match self.path.bytes().find(|byte| odd(*byte)) {
            None => Ok(()),
            Some(byte) => Err(format!(
                "path: {:?} has {:?}, which no request's path can have",
                self.path,
                char::from(byte)
            )),
        }
    }
}

fn check_limits(limits: &Limits) -> Result<(), String> {
    if limits.payload_bytes < PAYLOAD_BYTES_MIN {
        return Err(format!(
            "max_payload: less than {PAYLOAD_BYTES_MIN} bytes, which no message fits"
        ));
    }
    if limits.packet_bytes < PAYLOAD_BYTES_MIN {
        return Err(format!(
            "limits.packet_bytes: less than {PAYLOAD_BYTES_MIN} bytes, with which nothing can be sent"
        ));
    }
    if limits.namespaces_per_session == 0 {
        return Err("limits.namespaces_per_session: with none nobody can join".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Config, &mut HttpWaits)) -> Result<(), String> {
        let (mut config, mut waits) = (Config::default(), HttpWaits::default());
        change(&mut config, &mut waits);
        let options = Options {
            config: &config,
            waits: &waits,
            path: "/socket.io/",
            tcp_user_timeout: None,
        };
        options.check()
    }

    #[test]
    fn what_works_is_taken() {
        check(|_, _| ()).unwrap();
        check(|config, _| {
            config.ping_interval = Duration::from_millis(1);
            config.ping_timeout = Duration::from_millis(TIMERS_MAX_MS - 2);
            config.limits.payload_bytes = PAYLOAD_BYTES_MIN;
            config.limits.attachments = 0;
            config.limits.outbox_bytes = 0;
            config.polling = false;
        })
        .unwrap();
    }

    #[test]
    fn times_in_which_nothing_can_be_done_are_refused_by_name() {
        for time in [Duration::ZERO, Duration::from_micros(999)] {
            let error = |change: fn(&mut Config, &mut HttpWaits, Duration)| {
                check(|config, waits| change(config, waits, time)).unwrap_err()
            };
            let errors = [
                error(|config, _, time| config.ping_interval = time),
                error(|config, _, time| config.ping_timeout = time),
                error(|config, _, time| config.upgrade_timeout = time),
                error(|config, _, time| config.connect_timeout = time),
                error(|_, waits, time| waits.idle = time),
                error(|_, waits, time| waits.head = time),
                error(|_, waits, time| waits.piece = time),
                error(|_, waits, time| waits.body = time),
                error(|config, _, time| config.limits.attachments_wait = time),
            ];
            let named = [
                "ping_interval",
                "ping_timeout",
                "upgrade_timeout",
                "connect_timeout",
                "http_waits.idle",
                "http_waits.head",
                "http_waits.piece",
                "http_waits.body",
                "limits.attachments_wait",
            ];
            for (error, name) in errors.iter().zip(named) {
                assert!(error.starts_with(&format!("{name}: ")), "{error}");
            }
        }
    }

    #[test]
    fn timers_that_a_client_cannot_keep_are_refused() {
        for time in [Duration::from_millis(1 << 30), Duration::MAX] {
            let error = check(|config, _| {
                config.ping_interval = time;
                config.ping_timeout = time;
            });
            assert!(
                error
                    .unwrap_err()
                    .starts_with("ping_interval and ping_timeout: ")
            );
        }
    }

    #[test]
    fn limits_and_transports_that_leave_nobody_are_refused() {
        let error = check(|config, _| config.limits.payload_bytes = 0).unwrap_err();
        assert!(error.starts_with("max_payload: "), "{error}");
        let error = check(|config, _| config.limits.packet_bytes = 1).unwrap_err();
        assert!(error.starts_with("limits.packet_bytes: "), "{error}");
        let error = check(|config, _| config.limits.namespaces_per_session = 0).unwrap_err();
        assert!(
            error.starts_with("limits.namespaces_per_session: "),
            "{error}"
        );
        let error = check(|config, _| (config.polling, config.websocket) = (false, false));
        assert!(error.unwrap_err().starts_with("transports: "));
    }

    #[test]
    fn paths_and_socket_options_that_cannot_be_are_refused() {
        let (config, waits) = (Config::default(), HttpWaits::default());
        let check = |path, tcp_user_timeout| {
            let options = Options {
                config: &config,
                waits: &waits,
                path,
                tcp_user_timeout,
            };
            options.check()
        };
        for path in ["/", "/a/b/", "/a%20b/"] {
            check(path, Some(Duration::ZERO)).unwrap();
        }
        for path in ["/a b/", "/a?b/", "/a#b/", "/é/", "/a\n/"] {
            assert!(check(path, None).unwrap_err().starts_with("path: "));
        }
        for wait in [
            Duration::from_nanos(1),
            Duration::from_millis(1 << 31),
            Duration::MAX,
        ] {
            let error = check("/", Some(wait)).unwrap_err();
            assert!(error.starts_with("tcp_user_timeout: "), "{error}");
        }
        check("/", Some(Duration::from_millis((1 << 31) - 1))).unwrap();
    }
}
