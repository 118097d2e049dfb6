//! Answers: what does a newcomer see first.
//!
//! A chat, and beside it what the server does: live figures, and buttons that make load.

mod chat;
mod crowd;
mod gauge;
pub(crate) mod idle;
mod meters;
mod pages;
mod powers;
mod room;
mod visit;
mod wire;
mod words;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::AtomicU64,
        mpsc::{Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use stentor::{Io, Keep, Running, Server, ServerError, Signals, unpin_thread};
use stentor_engine::limits::SHARDS_MAX;

use self::{
    crowd::{Crowd, News, Orders},
    meters::Meters,
    pages::Pages,
    room::Room,
};
use crate::cli::Place;

/// Bytes of one message: a text of [`words::TEXT_CHARS`] has some thousand.
const MESSAGE_BYTES: usize = 16 * 1_024;

/// What all shards share. The lock is held for moments, and never while something is emitted.
#[derive(Debug)]
pub(crate) struct Demo {
    room: Mutex<Room>,
    meters: Meters,
    crowd: Arc<Crowd>,
    /// The server listens on its own machine alone.
    is_local: bool,
    epoch: u64,
    began: Instant,
    /// When the next power may be used, in microseconds.
    next_power: AtomicU64,
    next_wave: AtomicU64,
}

impl Demo {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads beside the shards.
struct Helpers {
    gauge: (Sender<()>, JoinHandle<()>),
    crowd: (Arc<Crowd>, JoinHandle<()>),
}

impl Helpers {
    fn start(demo: &Arc<Demo>, orders: Orders, running: &Running) -> Result<Self, ServerError> {
        let named = |name: &str| thread::Builder::new().name(name.into());
        let (end, ended) = channel();
        let (own, io) = (Arc::clone(demo), running.io().clone());
        let gauge = named("gauge").spawn(move || gauge::run(&own, &io, &ended));
        let gauge = gauge.map_err(ServerError::Start)?;
        let (crowd, address) = (Arc::clone(&demo.crowd), reachable(running.address()));
        let tell = teller(demo, running.io());
        let managed = named("crowd").spawn(move || {
            unpin_thread();
            crowd::manage(&crowd, &orders, address, &tell);
        });
        let managed = managed.map_err(ServerError::Start)?;
        Ok(Self {
            gauge: (end, gauge),
            crowd: (Arc::clone(&demo.crowd), managed),
        })
    }

    /// The idle clients go first: they would come back to a server that stops.
    fn end(self) {
        let (crowd, managed) = self.crowd;
        crowd.end();
        let _ = managed.join();
        let (end, gauge) = self.gauge;
        drop(end);
        let _ = gauge.join();
    }
}

fn teller(demo: &Arc<Demo>, io: &Io) -> Arc<dyn Fn(News) + Send + Sync> {
    let (demo, io) = (Arc::clone(demo), io.clone());
    Arc::new(move |news| {
        let _ = io.emit("news", &news);
        demo.meters.count(0, demo.room().tabs());
    })
}

/// Where a process of this machine finds a server that listens here.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

fn server(options: &Place, demo: &Arc<Demo>, shards: usize) -> Server {
    let is_local = demo.is_local;
    Server::new()
        .listen(options.address())
        .shards(shards)
        .release_memory(crate::memory::release)
        // What an idle client costs is shown: the request that it began with is not kept.
        .keep_handshakes(Keep::Nothing)
        .max_payload(MESSAGE_BYTES)
        .allow_request(move |handshake| visit::check(handshake, is_local))
        .state(Arc::clone(demo))
        .http(Pages)
        .app(|app| {
            chat::events(app);
            powers::events(app);
        })
}

/// Serves the demo until a signal.
pub(crate) fn run(options: &Place) -> stentor::Result {
    let cores = || thread::available_parallelism().map_or(1, |cores| cores.get().min(SHARDS_MAX));
    let shards = options.shards.unwrap_or_else(cores);
    let (crowd, orders) = Crowd::new(crowd::raise_file_limit());
    let demo = Arc::new(Demo {
        room: Mutex::default(),
        meters: Meters::new(shards),
        crowd: Arc::new(crowd),
        is_local: visit::is_loopback(&options.host),
        epoch: chat::now(),
        began: Instant::now(),
        next_power: AtomicU64::new(0),
        next_wave: AtomicU64::new(1),
    });
    let signals = Signals::catch()?;
    let running = server(options, &demo, shards).start()?;
    let helpers = Helpers::start(&demo, orders, &running)?;
    let address = running.address();
    let host = if demo.is_local {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    };
    crate::say(format_args!(
        "Stentor's demo is at http://{host} (open it in two tabs). Ctrl-C stops it."
    ));
    crate::say(format_args!(
        "A client of your own, in Node: io(\"http://{host}\").on(\"said\", console.log)"
    ));
    running.wait_for(signals)?;
    crate::say(format_args!("stopping"));
    helpers.end();
    running.stop()
}
