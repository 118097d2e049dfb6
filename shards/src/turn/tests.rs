//! Answers: what does one shard do where a server rarely comes, or only by timing that nobody can give it.
//!
//! It is turned by hand. What its clients are promised otherwise is tested from outside.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Instant,
};

use http::StatusCode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use stentor_engine::{
    config::Config,
    hub::{Alone, Hub, Mode, Setup},
    id::{ShardId, Sid},
};

use super::{intake::EVENTS_PER_POLL, *};
use crate::{
    clock::Clock,
    config::{HttpWaits, ShardConfig},
    entropy::Entropy,
    handler::EngineApp,
    handshake::Keep,
    mailbox::Sender,
    net::response::{HeaderSets, Response},
    policy::Policy,
    post::Carried,
    shard::{Locals, Parts, States, conns::Role, judge::Verdict, now::STANDSTILL_MS},
    shared::Shared,
};

/// How long anything is waited for before the test has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first of two shards, on this thread.
struct Bench {
    shard: Rc<Shard>,
    reactor: Reactor,
    post: Sender<Post>,
    /// The other shard's mailbox, which has room for one letter.
    others: Receiver<Post>,
}

impl Bench {
    fn new(engine: Config) -> Self {
        let poll = mio::Poll::new().unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let waker = mio::Waker::new(&registry, WAKER).unwrap();
        let (post, mailbox) = crate::mailbox::mailbox(16, move || waker.wake().unwrap());
        let (other, others) = crate::mailbox::mailbox(1, || {});
        let common = Shared::new(2, 1);
        common.posts.set(vec![post.clone(), other]).unwrap();
        let mut entropy = Entropy::default();
        let config = ShardConfig {
            engine,
            path: "/engine.io/".into(),
            trusted: crate::address::Trusted::default(),
            keep: Keep::Nothing,
            allow_request: None,
            policy: Policy::default(),
            initial_packet: None,
            header_sets: HeaderSets::default(),
            tcp_user_timeout: None,
            waits: HttpWaits::default(),
            http_compression: None,
            serve_client: false,
            release_memory: None,
            shard_limits: crate::config::ShardLimits::default(),
            farewell_timeout: Duration::ZERO,
        };
        let shard = Shard::new(Parts {
            id: ShardId(0),
            hub: Hub::new(Setup {
                config: config.engine.clone(),
                shard: ShardId(0),
                shards: 2,
                mode: Mode::EngineIo,
                seed: 1,
                directory: Box::new(Alone),
                entropy: Box::new(move |bytes| entropy.fill(bytes)),
            }),
            config: Arc::new(config),
            shared: common,
            application: EngineApp::default().into_application(),
            states: States::default(),
            locals: Locals::default(),
            pages: None,
            clock: Clock::start(),
            registry,
            passage: None,
        });
        let reactor = Reactor {
            poll,
            listeners: Vec::new(),
            mailbox,
        };
        Self {
            shard,
            reactor,
            post,
            others,
        }
    }
}

/// A client and the server's end of its connection.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    (client, server)
}

/// Waits until what a client has sent can be read.
fn arrived(stream: &TcpStream, bytes: &[u8]) {
    let mut seen = [0; 1024];
    while stream.peek(&mut seen).unwrap_or(0) < bytes.len() {
        thread::yield_now();
    }
}

fn accepted(shard: &Rc<Shard>, stream: TcpStream) {
    let stream = mio::net::TcpStream::from_std(stream);
    shard.accepted(stream, Announcement::Nothing);
}

fn on_shard(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let options = tokio::runtime::LocalOptions::default();
    let runtime = runtime.enable_all().build_local(options).unwrap();
    runtime.block_on(test);
    drop(runtime);
    crate::shard::leave();
}

const UPGRADE: &[u8] = b"GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A standstill takes nothing from anybody's time, and then heartbeats go on, although connections are
/// always ready.
#[test]
fn time_passes_after_a_standstill_though_connections_are_always_ready() {
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    on_shard(async {
        let bench = Bench::new(Config {
            ping_interval: Duration::from_millis(100),
            ..Config::default()
        });
        // Each under many numbers (the kernel takes 500): what comes makes all of them ready.
        let (mut clients, streams): (Vec<_>, Vec<_>) = (0..4).map(|_| connection()).unzip();
        for nth in 0..=EVENTS_PER_POLL {
            accepted(&bench.shard, streams[nth % 4].try_clone().unwrap());
        }
        let mut turns = Turns::new(bench.shard, bench.reactor).unwrap();
        turns.turn().unwrap();
        turns.shard.with_hub(|hub, now| hub.open(now, None));
        let ping = turns.shard.hub.borrow().deadline();
        turns.arm(Tick::NEVER);
        turns.shard.now.expect(turns.armed);
        thread::sleep(Duration::from_millis(STANDSTILL_MS + 300));
        let mut turn = || {
            for client in &mut clients {
                client.write_all(b"G").unwrap();
            }
            turns.turn().unwrap();
            turns.shard.hub.borrow().deadline()
        };
        let before = turn();
        assert!(before <= ping.map(|at| Tick(at.0 + 100)), "{before:?}");
        let until = Instant::now() + PATIENCE;
        while turn() == before {
            assert!(Instant::now() < until, "no time passes");
        }
    });
}

/// A shard that is late again and again goes on: it would else send no pings.
#[test]
fn a_shard_that_is_always_late_has_no_standstills() {
    on_shard(async {
        let bench = Bench::new(Config::default());
        let shard = &bench.shard;
        let late = |ms: u64| {
            let before = shard.now.get();
            shard.now.expect(before);
            shard.now.jump(ms);
            shard.now.read();
            shard.now.get().since(before)
        };
        assert!(late(5_000) < 1_000, "once it has not passed");
        for _ in 0..4 {
            assert!(late(5_000) >= 5_000, "then it has");
        }
        late(900);
        for _ in 0..20 {
            late(900);
        }
        assert!(late(5_000) < 1_000, "much later it has not again");
    });
}

/// However often something comes on it, and although others are read meanwhile.
#[test]
fn a_congested_shard_puts_aside_whose_mail_found_no_room() {
    on_shard(async {
        let bench = Bench::new(Config::default());
        let (mut client, stream) = connection();
        client.set_nodelay(true).unwrap();
        accepted(&bench.shard, stream.try_clone().unwrap());
        bench.shard.post(ShardId(1), Post::Looked); // the other's mailbox is full
        let mut turns = Turns::new(bench.shard, bench.reactor).unwrap();
        // A session of the other shard: its connection is to be handed over.
        let sid = Sid::new(ShardId(1), [7; 14]);
        let sid = String::from_utf8_lossy(&sid.text()).into_owned();
        let request = String::from_utf8_lossy(UPGRADE).replace(
            "transport=websocket",
            &format!("transport=websocket&sid={sid}"),
        );
        client.write_all(request.as_bytes()).unwrap();
        arrived(&stream, request.as_bytes());
        turns.turn().unwrap();
        assert!(turns.shard.is_congested());
        let (mut other, stream) = connection();
        accepted(&turns.shard, stream.try_clone().unwrap());
        let poll = b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
        other.write_all(poll).unwrap();
        arrived(&stream, poll);
        turns.turn().unwrap();
        let mut answer = [0; 15];
        other.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        bench.others.try_recv().unwrap();
        turns.turn().unwrap();
        assert!(!turns.shard.is_congested());
        assert!(matches!(
            bench.others.try_recv(),
            Some(Post::Handoff { .. })
        ));
    });
}

/// So many as there are: a flood of one is read in pieces, and one who asks a little is answered between.
#[test]
fn one_who_has_more_waits_behind_one_who_has_become_ready() {
    on_shard(async {
        let bench = Bench::new(Config::default());
        let (mut flooder, stream) = connection();
        let (mut polite, second) = connection();
        accepted(&bench.shard, stream);
        accepted(&bench.shard, second.try_clone().unwrap());
        let mut turns = Turns::new(bench.shard, bench.reactor).unwrap();
        flooder.write_all(UPGRADE).unwrap();
        let ping = [0x81, 0x81, 0, 0, 0, 0, b'3'];
        thread::spawn(move || while flooder.write_all(&ping.repeat(10_000)).is_ok() {});
        for _ in 0..20 {
            turns.turn().unwrap();
        }
        let poll = b"GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n";
        polite.write_all(poll).unwrap();
        arrived(&second, poll);
        // One turn may be spent on the flood before it is known as one.
        for _ in 0..3 {
            turns.turn().unwrap();
        }
        polite.set_nonblocking(true).unwrap();
        let mut answer = [0; 15];
        polite.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    });
}

/// WebSocket requests that are read after the order to stop: on a connection of the shard's own, on
/// ones that other shards hand over, and on one that hyper has given the response to. They end, and so
/// does the shard, long before its patience does.
#[test]
fn a_shard_that_stops_begins_no_websocket() {
    const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 ";
    const GOING_AWAY: &[u8] = b"\x88\x02\x03\xe9";
    on_shard(async {
        let bench = Bench::new(Config::default());
        let (mut own, stream) = connection();
        own.write_all(UPGRADE).unwrap();
        arrived(&stream, UPGRADE);
        accepted(&bench.shard, stream);
        bench.post.try_send(Post::Stop { by: Tick::NEVER }).unwrap();
        let handed = [false, true].map(|answered| {
            let (client, stream) = connection();
            let handoff = Post::Handoff {
                stream: Carried::Stream(stream),
                announcement: Announcement::Nothing,
                read: UPGRADE.to_vec(),
                answered,
            };
            bench.post.try_send(handoff).unwrap();
            client
        });
        let (of_hyper, stream) = connection();
        let shard = Rc::clone(&bench.shard);
        tokio::task::spawn_local(async move {
            while !shard.stopping.get() {
                tokio::task::yield_now().await;
            }
            let verdict = Verdict::Open {
                response: Response::status(StatusCode::SWITCHING_PROTOCOLS),
                handshake: None,
                text_only: false,
            };
            let link = Link {
                stream,
                announcement: Announcement::Nothing,
            };
            shard.adopt(link, verdict, UPGRADE, UPGRADE.len());
        });
        let clients = thread::spawn(move || {
            let [first, second] = handed;
            let said = [UNAVAILABLE, UNAVAILABLE, GOING_AWAY, GOING_AWAY];
            let mut clients = [own, first, second, of_hyper];
            for (client, said) in clients.iter_mut().zip(said) {
                let mut begin = vec![0; said.len()];
                client.read_exact(&mut begin).unwrap();
                assert_eq!(begin, said, "{}", begin.escape_ascii());
                client.read_to_end(&mut begin).unwrap();
            }
        });
        run(bench.shard, bench.reactor).await.unwrap();
        clients.join().unwrap();
    });
}

/// What a connection is told last and did not take at once goes on when it takes more.
#[test]
fn a_last_word_goes_on_when_there_is_room() {
    let bench = Bench::new(Config::default());
    let (mut client, stream) = connection();
    let stream = mio::net::TcpStream::from_std(stream);
    let now = bench.shard.now.get();
    let mut conns = bench.shard.conns.borrow_mut();
    let key = conns.add(stream, Role::Head(Vec::new()), now).unwrap();
    conns.set_role(key, Role::Ending(b"good"[..].into()));
    drop(conns);
    bench.shard.writable(key);
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"good");
}
