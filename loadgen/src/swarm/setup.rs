//! Answers: who does what.
//!
//! Turns a scenario into numbers every thread agrees on, such as which client is in which room and who
//! publishes. Must not know sockets or what happens at run time.

use crate::clock::{Clock, Nanos, nanos};
use crate::net::{Sources, Target};
use crate::plan::course::{Course, courses};
use crate::plan::{Arrivals, LoadKind, Scenario};
use crate::proto::http::Address;
use crate::proto::packet::namespace_prefix;
use crate::proto::stamp::Form;
use std::net::SocketAddr;

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// WebSocket from the start.
    WebSocket,
    /// Polling for good.
    Polling,
    /// Polling, then WebSocket.
    Upgrade,
}

/// A namespace's bytes.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// `/chat`
    pub name: Vec<u8>,
    /// `/chat,`
    pub prefix: Vec<u8>,
    /// The whole CONNECT packet.
    pub connect: Vec<u8>,
}

/// Everything the threads need to know beforehand.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a plain fact about the scenario"
)]
pub struct Setup {
    /// The run's clock.
    pub clock: Clock,
    /// The server.
    pub server: SocketAddr,
    /// What requests say.
    pub address: Address,
    /// Source addresses, if they are ours to choose.
    pub sources: Option<Sources>,
    /// Phases.
    pub courses: Vec<Course>,
    /// Namespaces.
    pub namespaces: Vec<Namespace>,
    /// Payloads.
    pub form: Form,
    /// Payloads travel as attachments.
    pub binary: bool,
    /// Event names and what they mean.
    pub events: Vec<(String, LoadKind)>,
    /// Fan-out kinds in use; a stream's number hangs on the order.
    pub fan_kinds: Vec<LoadKind>,
    /// Threads; client `id` lives in thread `id % threads`.
    pub threads: u32,
    /// Each thread has a descriptor table of its own.
    pub own_tables: bool,
    /// Clients at the most.
    pub clients: u32,
    /// Rooms, or namespaces where there are no rooms.
    pub groups: u32,
    /// Clients join rooms.
    pub rooms: bool,
    /// Publishers of each room and namespace.
    pub publishers: u32,
    /// Clients are replaced at times.
    pub churns: bool,
    /// The largest share cut off by a storm.
    pub drop: f64,
    /// Bytes a slow reader takes at a time.
    pub slow_bytes: usize,
    /// Time between its reads.
    pub slow_pause: Nanos,
    /// Spacing of planned sends.
    pub arrivals: Arrivals,
    /// For everything drawn.
    pub seed: u64,
    /// Handshakes in flight per thread.
    pub handshakes: u32,
    /// Time between two dials of one thread; 0: none.
    pub dial_gap: Nanos,
    /// Time a handshake may take.
    pub connect_timeout: Nanos,
    carriers: [f64; 2],
    slow_share: f64,
}

impl Setup {
    /// Works a scenario out for `threads` threads.
    ///
    /// # Errors
    /// When the scenario does not make sense or the target is unknown.
    pub fn new(
        scenario: &Scenario,
        sources: Option<Sources>,
        threads: u32,
        own_tables: bool,
    ) -> anyhow::Result<Self> {
        scenario.check()?;
        let target = Target::parse(&scenario.url)?;
        let clients = scenario.most_clients();
        let spaces = scenario.namespaces.len() as u32;
        let rooms = scenario.room_size > 0;
        let groups = if rooms {
            clients.div_ceil(scenario.room_size).max(spaces)
        } else {
            spaces
        };
        let courses = courses(scenario);
        let named = |l: &crate::plan::Load| (l.event_name().to_owned(), l.kind);
        let mut events: Vec<_> = scenario.loads().map(named).collect();
        events.sort();
        events.dedup();
        let used = |k: &LoadKind| k.fans_out() && events.iter().any(|(_, used)| used == k);
        let fan_kinds = LoadKind::ALL.iter().copied().filter(used).collect();
        let transports = scenario.transports;
        let total = transports.websocket + transports.polling + transports.upgrade;
        let carriers = [transports.polling / total, transports.upgrade / total];
        let dial_gap = if scenario.connect_rate > 0.0 {
            nanos(f64::from(threads) / scenario.connect_rate)
        } else {
            0
        };
        Ok(Self {
            clock: Clock::start(),
            server: target.address,
            address: Address {
                path: target.path,
                host: target.host,
                extra: String::new(),
            },
            sources,
            namespaces: scenario
                .namespaces
                .iter()
                .map(|name| namespace(name, scenario.auth.as_ref()))
                .collect(),
            form: Form::new(scenario.payload, scenario.binary, fastrand::u32(..)),
            binary: scenario.binary,
            events,
            fan_kinds,
            threads,
            own_tables,
            clients,
            groups,
            rooms,
            publishers: scenario.publishers,
            churns: courses.iter().any(|c| c.churn > 0.0),
            drop: courses.iter().map(|c| c.drop).fold(0.0, f64::max),
            slow_bytes: scenario.slow.bytes.max(1),
            slow_pause: nanos(scenario.slow.pause.max(0.001)),
            arrivals: scenario.arrivals,
            seed: scenario.seed,
            handshakes: scenario.handshakes.div_ceil(threads).max(1),
            dial_gap,
            connect_timeout: nanos(scenario.connect_timeout),
            carriers,
            slow_share: scenario.slow.share,
            courses,
        })
    }

    /// Clients with numbers below `total` that live in `thread`.
    #[must_use]
    pub fn share(&self, total: u32, thread: u32) -> u32 {
        (total + self.threads - 1 - thread) / self.threads
    }

    /// Fan-out streams in all: kind, then room or namespace, then publisher.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.fan_kinds.len() * self.groups as usize * self.publishers as usize
    }

    /// A publisher's stream, given its client number; `None` if that client publishes nothing.
    #[must_use]
    pub fn stream(&self, kind: LoadKind, publisher: u32) -> Option<usize> {
        let kind = self.fan_kinds.iter().position(|k| *k == kind)?;
        let count = self.groups as usize * self.publishers as usize;
        ((publisher as usize) < count).then(|| kind * count + publisher as usize)
    }

    /// Member counters: rooms first, then namespaces.
    #[must_use]
    pub fn scopes(&self) -> usize {
        self.groups as usize + self.namespaces.len()
    }

    /// The counter of those a message of `kind` from `client` goes to.
    #[must_use]
    pub fn scope(&self, kind: LoadKind, client: u32) -> usize {
        if kind == LoadKind::Room {
            self.group(client) as usize
        } else {
            self.groups as usize + self.space(client)
        }
    }

    /// A client's room.
    #[must_use]
    pub fn group(&self, client: u32) -> u32 {
        client % self.groups
    }

    /// A client's namespace.
    #[must_use]
    pub fn space(&self, client: u32) -> usize {
        self.group(client) as usize % self.namespaces.len()
    }

    /// Publishers of one kind, as client numbers.
    #[must_use]
    pub fn publishers(&self, kind: LoadKind) -> Vec<u32> {
        let groups = if kind == LoadKind::Room {
            self.groups
        } else {
            self.namespaces.len() as u32
        };
        (0..self.publishers)
            .flat_map(|j| (0..groups).map(move |g| (g, j)))
            .map(|(g, j)| g + j * self.groups)
            .filter(|id| *id < self.clients)
            .collect()
    }

    /// Clients with smaller numbers publish; they are never slow and never taken away.
    #[must_use]
    pub fn protected(&self, client: u32) -> bool {
        !self.fan_kinds.is_empty() && client < self.groups * self.publishers
    }

    /// How a client connects.
    #[must_use]
    pub fn carrier(&self, client: u32) -> Carrier {
        let drawn = self.draw(client, 1);
        match drawn {
            d if d < self.carriers[0] => Carrier::Polling,
            d if d < self.carriers[0] + self.carriers[1] => Carrier::Upgrade,
            _ => Carrier::WebSocket,
        }
    }

    /// Whether a client reads slowly.
    #[must_use]
    pub fn is_slow(&self, client: u32) -> bool {
        self.slow_share > 0.0 && !self.protected(client) && self.draw(client, 2) < self.slow_share
    }

    /// Whether a storm that cuts off `share` hits a client.
    #[must_use]
    pub fn is_hit(&self, client: u32, share: f64) -> bool {
        share > 0.0 && !self.protected(client) && self.draw(client, 3) < share
    }

    /// Whether a client may be replaced by churn (half of them), so that the others' deliveries
    /// can be counted in full.
    #[must_use]
    pub fn churnable(&self, client: u32) -> bool {
        self.churns && !self.protected(client) && self.draw(client, 4) < 0.5
    }

    /// A number in 0..1 that depends on the client, the seed and the purpose only. Multiples of
    /// the golden ratio spread even small populations in the wanted proportions.
    fn draw(&self, client: u32, purpose: u64) -> f64 {
        let start = (self.seed ^ purpose.wrapping_mul(0x5851_F42D_4C95_7F2D)) % 997;
        ((f64::from(client) + f64::from(start as u32)) * 0.618_033_988_749_895).fract()
    }
}

fn namespace(name: &str, auth: Option<&serde_json::Value>) -> Namespace {
    let prefix = namespace_prefix(name);
    let mut connect = b"40".to_vec();
    connect.extend_from_slice(&prefix);
    if let Some(auth) = auth {
        connect.extend_from_slice(auth.to_string().as_bytes());
    }
    Namespace {
        name: name.as_bytes().to_vec(),
        prefix,
        connect,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Load, Phase, Transports};

    fn setup(clients: u32, edit: impl FnOnce(&mut Scenario)) -> Setup {
        let load = Load {
            kind: LoadKind::Room,
            rate: 1.0,
            window: 0,
            event: None,
        };
        let mut scenario = Scenario {
            room_size: 10,
            phases: vec![Phase {
                clients: Some(clients),
                secs: 1.0,
                loads: vec![load],
                ..Phase::default()
            }],
            ..Scenario::default()
        };
        edit(&mut scenario);
        Setup::new(&scenario, None, 3, false).unwrap()
    }

    #[test]
    fn rooms_have_their_size_and_a_publisher_of_their_own() {
        let setup = setup(100, |s| s.namespaces = vec!["/".into(), "/b".into()]);
        assert_eq!(setup.groups, 10);
        for group in 0..10 {
            assert_eq!((0..100).filter(|c| setup.group(*c) == group).count(), 10);
        }
        let publishers = setup.publishers(LoadKind::Room);
        assert_eq!(publishers, (0..10).collect::<Vec<_>>());
        for p in publishers {
            assert!(setup.protected(p) && setup.stream(LoadKind::Room, p).is_some());
        }
        assert_eq!(setup.stream(LoadKind::Room, 10), None);
        assert_eq!((setup.space(3), setup.scope(LoadKind::Room, 23)), (1, 3));
    }

    #[test]
    fn shares_of_the_population_are_kept() {
        let setup = setup(1000, |s| {
            s.transports = Transports {
                websocket: 2.0,
                polling: 1.0,
                upgrade: 1.0,
            };
            s.slow.share = 0.1;
        });
        let count = |f: &dyn Fn(u32) -> bool| (0..1000).filter(|c| f(*c)).count();
        assert!((245..=255).contains(&count(&|c| setup.carrier(c) == Carrier::Polling)));
        assert!((245..=255).contains(&count(&|c| setup.carrier(c) == Carrier::Upgrade)));
        assert!((80..=105).contains(&count(&|c| setup.is_slow(c))));
        assert_eq!(
            setup.share(1000, 0) + setup.share(1000, 1) + setup.share(1000, 2),
            1000
        );
    }
}
