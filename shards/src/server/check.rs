//! Answers: which options cannot work, and why.
//!
//! A server with one of them would start and serve nobody: each client would fail in its own time,
//! and nothing would say why.

use std::time::Duration;

use stentor_engine::config::Config;

use crate::{
    compress::HttpCompression,
    config::{HttpWaits, ShardLimits},
};

/// What is checked.
pub(super) struct Options<'a> {
    pub(super) config: &'a Config,
    pub(super) waits: &'a HttpWaits,
    pub(super) shard_limits: &'a ShardLimits,
    /// As [`super::Server::path`] has made it.
    pub(super) path: &'a str,
    pub(super) tcp_user_timeout: Option<Duration>,
    pub(super) http_compression: Option<HttpCompression>,
}

/// The protocol's times are told in whole milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);
/// Where timers end: JavaScript's `setTimeout`, which counts a longer time as 1 ms, and the kernel's.
const TIMERS_MAX_MS: u128 = (1 << 31) - 1;
/// A client's first message, `40`.
const PAYLOAD_BYTES_MIN: usize = 2;
/// A few requests on their way, or a shard closes those who have done nothing but send one.
const HELD_BYTES_MIN: usize = 64 * 1024;

/// A time as it is said.
fn ms(time: Duration) -> String {
    match time.subsec_nanos() % 1_000_000 {
        0 => format!("{} ms", time.as_millis()),
        _ => format!("{:.3} ms", time.as_secs_f64() * 1_000.0),
    }
}

impl Options<'_> {
    /// Checks them.
    ///
    /// # Errors
    /// A sentence that names the option, its value, and what it may be.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_times()?;
        self.check_sizes()?;
        self.check_path()?;
        self.check_compression()?;
        if !self.config.polling && !self.config.websocket {
            return Err("transports: without polling and WebSocket nobody can connect".to_owned());
        }
        Ok(())
    }

    fn check_compression(&self) -> Result<(), String> {
        match self.http_compression {
            Some(HttpCompression { level, .. }) if !(1..=9).contains(&level) => Err(format!(
                "http_compression.level: {level} cannot work: it must be 1 to 9"
            )),
            _ => Ok(()),
        }
    }

    fn check_times(&self) -> Result<(), String> {
        let Self { config, waits, .. } = self;
        let (interval, timeout) = (config.ping_interval, config.ping_timeout);
        for (name, time) in [("ping_interval", interval), ("ping_timeout", timeout)] {
            if time < SHORTEST || time.as_millis() > TIMERS_MAX_MS {
                return Err(format!(
                    "{name}: {} cannot work: it must be 1 to {TIMERS_MAX_MS} ms, as the timers of JavaScript \
                     clients end there",
                    ms(time)
                ));
            }
        }
        let beat = interval + timeout;
        if beat.as_millis() > TIMERS_MAX_MS {
            return Err(format!(
                "ping_interval and ping_timeout: {} and {} cannot work: together they must be at most \
                 {TIMERS_MAX_MS} ms, as the timers of JavaScript clients end there",
                ms(interval),
                ms(timeout)
            ));
        }
        for (name, time) in [
            ("upgrade_timeout", config.upgrade_timeout),
            ("connect_timeout", config.connect_timeout),
            ("http_waits.idle", waits.idle),
            ("http_waits.head", waits.head),
            ("http_waits.piece", waits.piece),
            ("http_waits.body", waits.body),
            ("limits.attachments_wait", config.limits.attachments_wait),
        ] {
            if time < SHORTEST {
                return Err(format!(
                    "{name}: {} cannot work: it must be at least 1 ms",
                    ms(time)
                ));
            }
        }
        let unacknowledged = self.tcp_user_timeout.unwrap_or_default();
        if !unacknowledged.is_zero() && unacknowledged < SHORTEST
            || unacknowledged.as_millis() > TIMERS_MAX_MS
        {
            return Err(format!(
                "tcp_user_timeout: {} cannot work: it must be 1 to {TIMERS_MAX_MS} ms, or zero for the \
                 kernel's own",
                ms(unacknowledged)
            ));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), String> {
        let (limits, shard) = (&self.config.limits, self.shard_limits);
        let polling = usize::from(self.config.polling); // else nobody's sessions begin there
        for (name, value, least, why) in [
            (
                "max_payload",
                limits.payload_bytes,
                PAYLOAD_BYTES_MIN,
                "as no message is shorter",
            ),
            (
                "limits.packet_bytes",
                limits.packet_bytes,
                PAYLOAD_BYTES_MIN,
                "as no packet is shorter",
            ),
            (
                "limits.slice_sessions",
                limits.slice_sessions,
                1,
                "or nothing is ever sent",
            ),
            (
                "limits.namespaces_per_session",
                limits.namespaces_per_session,
                1,
                "or nobody can join",
            ),
            (
                "shard_limits.held_bytes",
                shard.held_bytes,
                HELD_BYTES_MIN,
                "or clients are closed that only send a request",
            ),
            (
                "shard_limits.unjoined_sessions",
                shard.unjoined_sessions,
                polling,
                "or nobody can begin to poll",
            ),
            (
                "shard_limits.unjoined_per_address",
                shard.unjoined_per_address,
                polling,
                "or nobody can begin to poll",
            ),
            (
                "shard_limits.unjoined_per_connection",
                shard.unjoined_per_connection,
                polling,
                "or nobody can begin to poll",
            ),
            (
                "shard_limits.waiting_handlers",
                shard.waiting_handlers,
                1,
                "or no async handler is called",
            ),
        ] {
            if value < least {
                return Err(format!(
                    "{name}: {value} cannot work: it must be at least {least}, {why}"
                ));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Options that can be changed.
    struct Given(Config, HttpWaits, ShardLimits);

    fn check(change: impl FnOnce(&mut Given)) -> Result<(), String> {
        let mut given = Given(
            Config::default(),
            HttpWaits::default(),
            ShardLimits::default(),
        );
        change(&mut given);
        let Given(config, waits, shard_limits) = &given;
        let options = Options {
            config,
            waits,
            shard_limits,
            path: "/socket.io/",
            tcp_user_timeout: None,
            http_compression: None,
        };
        options.check()
    }

    #[test]
    fn what_works_is_taken() {
        check(|_| ()).unwrap();
        check(|Given(config, _, shard)| {
            config.ping_interval = Duration::from_millis(1);
            config.ping_timeout = Duration::from_millis((1 << 31) - 2);
            config.limits.payload_bytes = PAYLOAD_BYTES_MIN;
            config.limits.attachments = 0;
            config.limits.outbox_bytes = 0;
            config.limits.rooms_per_socket = 0;
            config.limits.acks_per_socket = 0;
            config.polling = false;
            shard.held_bytes = HELD_BYTES_MIN;
            shard.unjoined_sessions = 0;
            shard.unjoined_per_address = 0;
            shard.unjoined_per_connection = 0;
        })
        .unwrap();
        check(|Given(config, waits, _)| {
            config.upgrade_timeout = Duration::MAX;
            config.connect_timeout = Duration::MAX;
            waits.idle = Duration::MAX;
            config.limits.payload_bytes = usize::MAX;
        })
        .unwrap();
    }

    type Set<V> = fn(&mut Given, V);

    #[test]
    fn times_in_which_nothing_can_be_done_are_refused() {
        let times: [(&str, Set<Duration>); 9] = [
            ("ping_interval", |given, time| given.0.ping_interval = time),
            ("ping_timeout", |given, time| given.0.ping_timeout = time),
            ("upgrade_timeout", |given, time| {
                given.0.upgrade_timeout = time;
            }),
            ("connect_timeout", |given, time| {
                given.0.connect_timeout = time;
            }),
            ("http_waits.idle", |given, time| given.1.idle = time),
            ("http_waits.head", |given, time| given.1.head = time),
            ("http_waits.piece", |given, time| given.1.piece = time),
            ("http_waits.body", |given, time| given.1.body = time),
            ("limits.attachments_wait", |given, time| {
                given.0.limits.attachments_wait = time;
            }),
        ];
        for (name, set) in times {
            for (time, said) in [
                (Duration::ZERO, "0 ms"),
                (Duration::from_micros(999), "0.999 ms"),
            ] {
                let error = check(|given| set(given, time)).unwrap_err();
                let expected = format!("{name}: {said} cannot work: it must be ");
                assert!(error.starts_with(&expected), "{error}");
            }
        }
    }

    #[test]
    fn timers_that_a_client_cannot_keep_are_refused() {
        let times: [(&str, Set<Duration>); 2] = [
            ("ping_interval", |given, time| given.0.ping_interval = time),
            ("ping_timeout", |given, time| given.0.ping_timeout = time),
        ];
        for (name, set) in times {
            for time in [Duration::from_millis(1 << 31), Duration::MAX] {
                let error = check(|given| set(given, time)).unwrap_err();
                assert!(error.starts_with(&format!("{name}: ")), "{error}");
                assert!(error.contains("1 to 2147483647 ms"), "{error}");
            }
        }
        let error = check(|Given(config, ..)| {
            config.ping_interval = Duration::from_millis(1 << 30);
            config.ping_timeout = Duration::from_millis(1 << 30);
        });
        let both = "ping_interval and ping_timeout: 1073741824 ms and 1073741824 ms cannot work";
        let error = error.unwrap_err();
        assert!(error.starts_with(both), "{error}");
    }

    #[test]
    fn sizes_and_transports_that_leave_nobody_are_refused() {
        let sizes: [(&str, usize, Set<usize>); 9] = [
            ("max_payload", 2, |given, n| {
                given.0.limits.payload_bytes = n;
            }),
            ("limits.packet_bytes", 2, |given, n| {
                given.0.limits.packet_bytes = n;
            }),
            ("limits.slice_sessions", 1, |given, n| {
                given.0.limits.slice_sessions = n;
            }),
            ("limits.namespaces_per_session", 1, |given, n| {
                given.0.limits.namespaces_per_session = n;
            }),
            ("shard_limits.held_bytes", 65_536, |given, n| {
                given.2.held_bytes = n;
            }),
            ("shard_limits.unjoined_sessions", 1, |given, n| {
                given.2.unjoined_sessions = n;
            }),
            ("shard_limits.unjoined_per_address", 1, |given, n| {
                given.2.unjoined_per_address = n;
            }),
            ("shard_limits.unjoined_per_connection", 1, |given, n| {
                given.2.unjoined_per_connection = n;
            }),
            ("shard_limits.waiting_handlers", 1, |given, n| {
                given.2.waiting_handlers = n;
            }),
        ];
        for (name, least, set) in sizes {
            check(|given| set(given, least)).unwrap();
            for value in [0, least - 1] {
                let error = check(|given| set(given, value)).unwrap_err();
                let expected =
                    format!("{name}: {value} cannot work: it must be at least {least}, ");
                assert!(error.starts_with(&expected), "{error}");
            }
        }
        let error = check(|Given(config, ..)| (config.polling, config.websocket) = (false, false));
        assert!(error.unwrap_err().starts_with("transports: "));
    }

    #[test]
    fn paths_and_socket_options_that_cannot_be_are_refused() {
        let Given(config, waits, shard_limits) = &Given(
            Config::default(),
            HttpWaits::default(),
            ShardLimits::default(),
        );
        let check = |path, tcp_user_timeout| {
            let options = Options {
                config,
                waits,
                shard_limits,
                path,
                tcp_user_timeout,
                http_compression: None,
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
