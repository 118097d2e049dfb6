//! Answers: what can be said on the command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use stentor::{
    FdTables, ForwardedHeader, HttpWaits, Limits, Listen, Server, ServerError, ShardLimits,
};
use tracing::Level;

use crate::{
    browsers::{self, BrowserOptions},
    log::Format,
    tables,
    units::{size, time},
};

/// What is said below the list of commands.
const FIRST_STEPS: &str = "\
Start here:
  stentor demo                         then open http://localhost:3000 in two tabs
  stentor bench-server --port 3000     then, in another terminal, put load on it:
  stentor-loadgen echo --url http://127.0.0.1:3000

RUST_LOG=stentor=debug says why clients are refused and closed.";

/// What is said below a server's options.
const FORMS: &str = "\
TIME is a number with ms, s, m, h or d: 250ms, 25s, 1.5m. A bare number is milliseconds.
SIZE is a number with B, KB, MB, GB, KiB, MiB or GiB: 1MB, 64KiB. A bare number is bytes.";

/// What is said below the demo's options.
const DEMO_HOSTS: &str =
    "On another host than this machine's own the page's buttons that make load are off.";

/// A sharded Socket.IO and Engine.IO server.
#[derive(Debug, Parser)]
#[command(version, about, after_help = FIRST_STEPS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How the log is written, to stderr. [default: text]
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_default_value = true,
        value_name = "FORMAT",
        help_heading = "Log"
    )]
    pub(crate) log_format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a chat and the server's live figures on <http://localhost:3000>; works offline.
    #[command(after_help = DEMO_HOSTS)]
    Demo(Place),
    /// Hold idle clients for the demo, which starts this.
    #[command(hide = true)]
    DemoIdle(DemoIdleOptions),
    /// Test server: the events of stentor-loadgen.
    #[command(after_help = FORMS)]
    BenchServer(BenchOptions),
    /// Test server: the events of the client tests (scripts/clients/CONTRACT.md).
    #[command(after_help = FORMS)]
    ContractServer(ServeOptions),
    /// Test server: an Engine.IO echo at /engine.io/, as the official test suite of Engine.IO needs it.
    #[command(after_help = FORMS)]
    EngineServer(ServeOptions),
}

impl Command {
    /// What is logged unless `RUST_LOG` says it. The demo tells on stdout where it is.
    pub(crate) const fn log_level(&self) -> Level {
        match self {
            Self::Demo(_) | Self::DemoIdle(_) => Level::WARN,
            _ => Level::INFO,
        }
    }
}

/// Where a server listens, and on how many threads.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    pub(crate) port: u16,
    /// Number of shards, 1 to 64. [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<usize>,
}

impl Place {
    /// As [`Server::listen`] wants it.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoIdleOptions {
    /// Where the demo listens.
    pub(crate) address: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct BenchOptions {
    #[command(flatten)]
    pub(crate) serve: ServeOptions,
    /// Also serve events that do harm, which scripts/rude measures: `block`, `burst`, `late`, `shard`.
    #[arg(long)]
    pub(crate) rude: bool,
}

/// See [`FdTables`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum FdTablesOption {
    /// per-shard with `--shards 1` where the system allows it, else shared.
    Auto,
    Shared,
    PerShard,
}

/// See [`ForwardedHeader`].
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ForwardedOption {
    XForwardedFor,
    Forwarded,
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Time between a pong and the next ping, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "25s", help_heading = "Clients")]
    pub(crate) ping_interval: Duration,
    /// Time a client has to answer a ping, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "20s", help_heading = "Clients")]
    pub(crate) ping_timeout: Duration,
    /// Time a client has to join a namespace, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "45s", help_heading = "Clients")]
    pub(crate) connect_timeout: Duration,
    /// Time an upgrade to WebSocket may take, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s", help_heading = "Clients")]
    pub(crate) upgrade_timeout: Duration,
    /// Size of one message, in bytes or with a unit.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1MB", help_heading = "Bounds")]
    pub(crate) max_http_buffer_size: usize,
    /// What may wait for a client that does not read, in bytes or with a unit.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1MiB", help_heading = "Bounds")]
    pub(crate) outbox_bytes: usize,
    /// What a shard holds for all clients that have not sent something whole or do not read, in bytes or
    /// with a unit.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "256MiB", help_heading = "Bounds")]
    pub(crate) held_bytes: usize,
    /// Polling sessions of a shard that have not joined a namespace.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().unjoined_sessions, help_heading = "Bounds")]
    pub(crate) unjoined_sessions: usize,
    /// Those of them that are one address's.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().unjoined_per_address, help_heading = "Bounds")]
    pub(crate) unjoined_per_address: usize,
    /// Polling sessions that one connection may begin without using any.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().unjoined_per_connection, help_heading = "Bounds")]
    pub(crate) unjoined_per_connection: usize,
    /// Handlers of a client that may wait.
    #[arg(long, value_name = "N", default_value_t = ShardLimits::default().waiting_handlers, help_heading = "Bounds")]
    pub(crate) waiting_handlers: usize,
    /// Time to the next request of a connection that polls, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "60s", help_heading = "HTTP")]
    pub(crate) http_idle_wait: Duration,
    /// Time to a complete request head, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s", help_heading = "HTTP")]
    pub(crate) http_head_wait: Duration,
    /// Time to the next piece of a request body, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "10s", help_heading = "HTTP")]
    pub(crate) http_piece_wait: Duration,
    /// Time to a whole request body, in ms or with a unit.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "30s", help_heading = "HTTP")]
    pub(crate) http_body_wait: Duration,
    #[command(flatten)]
    browsers: BrowserOptions,
    /// Also listen on a Unix socket at this path. [default: none]
    #[arg(long, value_name = "PATH", help_heading = "Proxies")]
    pub(crate) unix: Option<PathBuf>,
    /// A proxy that is believed when it says who its client is: a network, an address, or `unix`. May be given
    /// several times. [default: none]
    #[arg(long, value_name = "CIDR", help_heading = "Proxies")]
    pub(crate) trusted_proxy: Vec<String>,
    /// The header in which trusted proxies say it.
    #[arg(long, value_enum, default_value_t = ForwardedOption::XForwardedFor, help_heading = "Proxies")]
    pub(crate) forwarded_header: ForwardedOption,
    /// Each connection begins with a PROXY header, version 1 or 2.
    #[arg(long, help_heading = "Proxies")]
    pub(crate) proxy_protocol: bool,
    /// Whether each shard has a table of open files of its own, and so a limit of its own.
    #[arg(long, value_enum, default_value_t = FdTablesOption::Auto, help_heading = "Process")]
    pub(crate) fd_tables: FdTablesOption,
    /// Do not pin shards to cores.
    #[arg(long, help_heading = "Process")]
    pub(crate) no_pin: bool,
}

/// What the library calls the options.
const NAMES: &[(&str, &str)] = &[
    ("ping_interval", "--ping-interval"),
    ("ping_timeout", "--ping-timeout"),
    ("connect_timeout", "--connect-timeout"),
    ("upgrade_timeout", "--upgrade-timeout"),
    ("trusted_proxies", "--trusted-proxy"),
    ("max_payload", "--max-http-buffer-size"),
    ("shard_limits.held_bytes", "--held-bytes"),
    ("shard_limits.unjoined_sessions", "--unjoined-sessions"),
    (
        "shard_limits.unjoined_per_address",
        "--unjoined-per-address",
    ),
    (
        "shard_limits.unjoined_per_connection",
        "--unjoined-per-connection",
    ),
    ("shard_limits.waiting_handlers", "--waiting-handlers"),
    ("http_waits.idle", "--http-idle-wait"),
    ("http_waits.head", "--http-head-wait"),
    ("http_waits.piece", "--http-piece-wait"),
    ("http_waits.body", "--http-body-wait"),
];

/// Why an option's value is refused, with the option's name on the command line. `None` if the error is another.
pub(crate) fn refused(error: &ServerError) -> Option<String> {
    let why = match error {
        ServerError::Shards(_) => return Some(format!("--shards: {error}")),
        ServerError::Options(why) => why,
        _ => return None,
    };
    let Some((names, rest)) = why.split_once(": ") else {
        return Some(why.clone());
    };
    let all = || NAMES.iter().chain(browsers::NAMES);
    let option = |name| all().find(|(library, _)| *library == name);
    let names = names
        .split(" and ")
        .map(|name| option(name).map_or(name, |(_, option)| option));
    Some(format!(
        "{}: {rest}",
        names.collect::<Vec<_>>().join(" and ")
    ))
}

impl ServeOptions {
    /// One shard's connections never go to another, so that a table of its own costs it nothing.
    fn fd_tables(&self) -> FdTables {
        match self.fd_tables {
            FdTablesOption::PerShard => tables::per_shard(),
            FdTablesOption::Auto if self.place.shards == Some(1) && FdTables::may_part() => {
                tables::per_shard()
            }
            FdTablesOption::Auto | FdTablesOption::Shared => FdTables::shared(),
        }
    }

    /// Applies the options.
    pub(crate) fn configure(&self, server: Server) -> Server {
        let limits = Limits {
            payload_bytes: self.max_http_buffer_size,
            outbox_bytes: self.outbox_bytes,
            ..Limits::default()
        };
        let server = server
            .listen(Listen::tcp(self.place.address()).proxy_protocol(self.proxy_protocol))
            .trusted_proxies(&self.trusted_proxy)
            .forwarded_header(match self.forwarded_header {
                ForwardedOption::XForwardedFor => ForwardedHeader::XForwardedFor,
                ForwardedOption::Forwarded => ForwardedHeader::Forwarded,
            })
            .release_memory(crate::memory::release)
            .ping_interval(self.ping_interval)
            .ping_timeout(self.ping_timeout)
            .connect_timeout(self.connect_timeout)
            .upgrade_timeout(self.upgrade_timeout)
            .limits(limits)
            .shard_limits(ShardLimits {
                held_bytes: self.held_bytes,
                unjoined_sessions: self.unjoined_sessions,
                unjoined_per_address: self.unjoined_per_address,
                unjoined_per_connection: self.unjoined_per_connection,
                waiting_handlers: self.waiting_handlers,
            })
            .http_waits(HttpWaits {
                idle: self.http_idle_wait,
                head: self.http_head_wait,
                piece: self.http_piece_wait,
                body: self.http_body_wait,
            })
            .fd_tables(self.fd_tables())
            .pin(!self.no_pin);
        let server = self.browsers.configure(server);
        let server = match &self.unix {
            Some(path) => {
                server.also_listen(Listen::unix(path).proxy_protocol(self.proxy_protocol))
            }
            None => server,
        };
        match self.place.shards {
            Some(shards) => server.shards(shards),
            None => server,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use stentor_engine::config::Config;

    use super::*;

    fn serve(options: &[&str]) -> ServeOptions {
        let command = ["stentor", "contract-server"].iter().chain(options);
        match Cli::try_parse_from(command).unwrap().command {
            Command::ContractServer(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn defaults_are_the_librarys() {
        let options = serve(&[]);
        let (config, waits, shard) = (
            Config::default(),
            HttpWaits::default(),
            ShardLimits::default(),
        );
        for (own, library) in [
            (options.ping_interval, config.ping_interval),
            (options.ping_timeout, config.ping_timeout),
            (options.connect_timeout, config.connect_timeout),
            (options.upgrade_timeout, config.upgrade_timeout),
            (options.http_idle_wait, waits.idle),
            (options.http_head_wait, waits.head),
            (options.http_piece_wait, waits.piece),
            (options.http_body_wait, waits.body),
        ] {
            assert_eq!(own, library);
        }
        assert_eq!(options.max_http_buffer_size, config.limits.payload_bytes);
        assert_eq!(options.outbox_bytes, config.limits.outbox_bytes);
        assert_eq!(options.held_bytes, shard.held_bytes);
    }

    #[test]
    fn times_and_sizes_have_units() {
        let options = serve(&[
            "--ping-interval",
            "1500",
            "--ping-timeout=1.5s",
            "--outbox-bytes=64KiB",
        ]);
        assert_eq!(options.ping_interval, Duration::from_millis(1_500));
        assert_eq!(options.ping_timeout, Duration::from_millis(1_500));
        assert_eq!(options.outbox_bytes, 65_536);
        let wrong = ["stentor", "engine-server", "--http-head-wait", "10 minutes"];
        let said = Cli::try_parse_from(wrong).unwrap_err().to_string();
        assert!(
            said.contains("'10 minutes' for '--http-head-wait <TIME>': a time is"),
            "{said}"
        );
    }

    #[test]
    fn what_is_run_first_is_named_first_and_test_servers_last() {
        let help = Cli::command().render_help().to_string();
        let at = |text| {
            help.find(text)
                .unwrap_or_else(|| panic!("{text} is missing: {help}"))
        };
        assert!(at("  demo ") < at("Test server:"), "{help}");
        assert!(
            !help[at("Test server:")..at("Options:")].contains("  demo "),
            "{help}"
        );
    }

    #[test]
    fn each_option_says_its_default_and_its_unit() {
        let mut command = Cli::command();
        command.build();
        for server in command.get_subcommands() {
            for argument in server
                .get_arguments()
                .filter(|argument| !argument.is_global_set())
            {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let takes = argument.get_num_args().is_some_and(|n| n.takes_values());
                let says = !argument.get_default_values().is_empty() || help.contains("[default: ");
                assert!(says || !takes || argument.is_positional(), "{argument}");
                let form = argument.get_value_names().and_then(|names| names.first());
                match form.map(|name| &**name) {
                    Some("TIME") => assert!(help.contains("in ms or with a unit"), "{help}"),
                    Some("SIZE") => assert!(help.contains("in bytes or with a unit"), "{help}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_refusal_names_the_option() {
        let refused = |why: &str| refused(&ServerError::Options(why.to_owned())).unwrap();
        assert_eq!(refused("http_waits.idle: 0 ms"), "--http-idle-wait: 0 ms");
        let both = "ping_interval and ping_timeout: 0 ms";
        assert_eq!(refused(both), "--ping-interval and --ping-timeout: 0 ms");
        assert_eq!(refused("path: no"), "path: no");
        let both = "cors.origins and cors.credentials: `*`";
        assert_eq!(refused(both), "--cors-origin and --cors-credentials: `*`");
        let command = Cli::command();
        let server = command.find_subcommand("engine-server").unwrap();
        for (_, option) in NAMES.iter().chain(browsers::NAMES) {
            let is_it = |argument: &clap::Arg| argument.get_long() == option.strip_prefix("--");
            assert!(server.get_arguments().any(is_it), "{option}");
        }
    }
}
