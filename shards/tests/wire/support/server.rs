//! The server under test: a process of our own, or one that is already running.

use std::any::Any;
use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, copy, sink};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Differs, Ws, proc};

/// The timings and limits a server is started with; one server per profile and shard count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Profile {
    /// The official defaults, with pings so rare that nothing happens by itself while a test runs, on a busy
    /// machine either.
    Calm,
    /// Pings every 300 ms, with 600 ms to answer.
    Beats,
    /// 400 ms to CONNECT, 400 ms to finish an upgrade.
    Hasty,
    /// At most 10,000 bytes a message.
    Small,
    /// Half a second for a head, a piece of a body, and the next request; a second for a body.
    Brisk,
    /// Pages of listed origins, with credentials and for WebSockets too, and a cookie. At most 10,000 bytes a message.
    Browsers,
    /// The same with two seconds for a head and a body.
    BriskBrowsers,
    /// Pages of every origin. At most 10,000 bytes a message.
    AnyOrigin,
}

impl Profile {
    /// ping interval, ping timeout, connect timeout, upgrade timeout (ms), largest message.
    pub(crate) fn figures(self) -> [u32; 5] {
        match self {
            Self::Calm | Self::Brisk => [150_000, 100_000, 45_000, 10_000, 1_000_000],
            Self::Beats => [300, 600, 45_000, 10_000, 1_000_000],
            Self::Hasty => [150_000, 100_000, 400, 400, 1_000_000],
            Self::Small | Self::Browsers | Self::BriskBrowsers | Self::AnyOrigin => {
                [150_000, 100_000, 45_000, 10_000, 10_000]
            }
        }
    }

    /// Options of the server besides the figures.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Calm | Self::Beats | Self::Hasty | Self::Small => &[],
            Self::Brisk => &[
                "--http-idle-wait=500",
                "--http-head-wait=500",
                "--http-piece-wait=500",
                "--http-body-wait=1000",
            ],
            Self::Browsers => &[
                "--cors-origin=https://a.example",
                "--cors-origin=https://*.b.example",
                "--cors-credentials",
                "--websocket-origins-as-cors",
                "--cookie=io",
            ],
            Self::BriskBrowsers => &[
                "--cors-origin=https://a.example",
                "--cors-credentials",
                "--http-head-wait=2s",
                "--http-piece-wait=2s",
                "--http-body-wait=2s",
            ],
            Self::AnyOrigin => &["--cors-origin=*"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Beats => "beats",
            Self::Hasty => "hasty",
            Self::Small => "small",
            Self::Brisk => "brisk",
            Self::Browsers => "browsers",
            Self::BriskBrowsers => "brisk-browsers",
            Self::AnyOrigin => "any-origin",
        }
    }
}

/// Which implementation answers: decides only what `Differs` lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Stentor,
    Node,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) profile: Profile,
    wrapper: Option<Child>,
}

/// Starts the server and ends it when our end of the pipe goes, however this process ends.
const WRAPPER: &str = r#""$0" "$@" </dev/null & p=$!; echo "pid $p"; exec >&-; read _; kill -9 $p"#;

impl Server {
    /// A process of its own, for the tests that count its descriptors or its memory.
    pub(crate) fn start(profile: Profile, shards: usize) -> Self {
        let Some(binary) = option_env!("CARGO_BIN_EXE_stentor") else {
            panic!("this package had no stentor binary when the tests were compiled");
        };
        let mut command = Command::new("sh");
        command.args(["-c", WRAPPER, binary, "contract-server", "--port", "0"]);
        command.args(["--shards", &shards.to_string()]);
        let names = [
            "ping-interval",
            "ping-timeout",
            "connect-timeout",
            "upgrade-timeout",
        ];
        for (name, figure) in names
            .iter()
            .chain(&["max-http-buffer-size"])
            .zip(profile.figures())
        {
            command.args([format!("--{name}"), figure.to_string()]);
        }
        command.args(profile.options());
        let log = format!(
            "{}/wire-{}-{shards}.log",
            env!("CARGO_TARGET_TMPDIR"),
            profile.name()
        );
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log opens");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut wrapper = command.spawn().expect("sh starts");
        let mut out = BufReader::new(wrapper.stdout.take().expect("stdout is piped"));
        let pid = line_after(&mut out, "pid ").parse().expect("a process id");
        let url = line_after(&mut out, "listening on http://");
        thread::spawn(move || copy(&mut out, &mut sink()));
        let addr = url
            .trim_end_matches('/')
            .parse()
            .expect("an address and a port");
        Self {
            addr,
            pid,
            profile,
            wrapper: Some(wrapper),
        }
    }

    /// The column that every hostile case has: the server lives and serves others.
    pub(crate) fn alive(&self) {
        let mut ws = Ws::joined(self);
        ws.send_text(r#"42["echo","alive"]"#);
        ws.expect_text(r#"42["echo","alive"]"#);
    }

    /// The server stands still while `act` sends, so that it finds all of it at once.
    pub(crate) fn in_one_turn<T>(&self, act: impl FnOnce() -> T) -> T {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let pid = pid.expect("the server's process id");
        kill_process(pid, Signal::STOP).expect("the server is ours");
        let result = act();
        thread::sleep(Duration::from_millis(50)); // for what a thread of `act` sends
        kill_process(pid, Signal::CONT).expect("the server is ours");
        result
    }

    /// See [`proc::until_read`].
    pub(crate) fn until_read(&self, port: u16) {
        proc::until_read(self, port);
    }

    /// See [`proc::settle`].
    pub(crate) fn settle(&self, port: u16) {
        proc::settle(self, port);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut wrapper) = self.wrapper.take() {
            drop(wrapper.stdin.take());
            wrapper
                .wait()
                .expect("the wrapper ends when its input does");
        }
    }
}

/// The rest of the first line that begins with `prefix`.
fn line_after(out: &mut impl BufRead, prefix: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        let n = out
            .read_line(&mut line)
            .expect("the server's output is text");
        assert_ne!(
            n, 0,
            "the server ended before it said {prefix:?}; see wire-*.log"
        );
        if let Some(rest) = line.strip_prefix(prefix) {
            return rest.trim().to_owned();
        }
    }
}

pub(crate) fn peer() -> Peer {
    match env::var("STENTOR_WIRE_PEER").as_deref() {
        Ok("node") => Peer::Node,
        Ok("stentor") | Err(_) => Peer::Stentor,
        Ok(other) => panic!("STENTOR_WIRE_PEER={other}: node or stentor"),
    }
}

/// The server of this name in `STENTOR_WIRE_URL=calm=127.0.0.1:4000@PID,beats=…`, or, with
/// `127.0.0.1:4000@PID`, the same for all.
fn external(name: &str, profile: Profile) -> Option<Server> {
    let urls = env::var("STENTOR_WIRE_URL").ok()?;
    let entry = urls
        .split(',')
        .find_map(|entry| match entry.split_once('=') {
            Some((key, rest)) => (key == name).then_some(rest),
            None => Some(entry),
        });
    let entry = entry.unwrap_or_else(|| panic!("STENTOR_WIRE_URL names no {name} server"));
    let (addr, pid) = entry.split_once('@').expect("address@pid");
    let addr = addr.parse().expect("an address and a port");
    Some(Server {
        addr,
        pid: pid.parse().expect("a pid"),
        profile,
        wrapper: None,
    })
}

/// The server for this profile and shard count, started once and shared by all tests.
fn shared(profile: Profile, shards: usize) -> &'static Server {
    static SERVERS: Mutex<BTreeMap<(Profile, usize), &'static Server>> =
        Mutex::new(BTreeMap::new());
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    servers.entry((profile, shards)).or_insert_with(|| {
        let server =
            external(profile.name(), profile).unwrap_or_else(|| Server::start(profile, shards));
        Box::leak(Box::new(server))
    })
}

/// The shard counts that every test runs with.
fn shard_counts() -> &'static [usize] {
    if env::var_os("STENTOR_WIRE_URL").is_some() {
        &[1]
    } else {
        &[1, 2, 4]
    }
}

/// Runs a test against servers of 1, 2 and 4 shards, each of which must be well afterwards; a
/// failure names every shard count that failed.
pub(crate) fn each(profile: Profile, body: impl Fn(&Server)) {
    run(|shards| {
        let server = shared(profile, shards);
        body(server);
        server.alive();
    });
}

/// The same with servers that no other test uses, one such test at a time.
pub(crate) fn each_alone(body: impl Fn(&Server)) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    run(|shards| {
        let own = || Server::start(Profile::Calm, shards);
        let server = external("alone", Profile::Calm).unwrap_or_else(own);
        body(&server);
        server.alive();
    });
}

/// A test of something Node does otherwise, and cannot be asked.
pub(crate) fn ours_only(why: Differs, profile: Profile, body: impl Fn(&Server)) {
    if skipped(why) {
        return;
    }
    each(profile, body);
}

/// Whether this run is against Node, whose own answer is then expected.
pub(crate) fn node_differs(why: Differs) -> bool {
    let differs = peer() == Peer::Node;
    if differs {
        println!("Node's own answer is expected: {}", why.reason());
    }
    differs
}

/// Whether this run is against Node, which does not do this.
pub(crate) fn skipped(why: Differs) -> bool {
    let skip = peer() == Peer::Node;
    if skip {
        println!("SKIPPED on Node: {}", why.reason());
    }
    skip
}

fn run(body: impl Fn(usize)) {
    let failed: Vec<String> = shard_counts()
        .iter()
        .filter_map(|&shards| {
            let panic = catch_unwind(AssertUnwindSafe(|| body(shards))).err()?;
            Some(format!("with {shards} shards: {}", message(panic.as_ref())))
        })
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words")
}
