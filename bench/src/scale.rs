//! Answers: what does a message cost when the server is large, by counting.
//!
//! A whole server of many hubs in one thread, with a model of the directory and with mail that is
//! delivered at once. Counted are mails, hubs that wrote, and sessions written to: the claim is
//! that they follow from the receivers alone, not from who else is connected. It must not know
//! time or sockets.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use stentor_engine::{
    hub::{Directory, Hub, Selection, ShardSet, SocketKey},
    time::Tick,
};

use crate::{
    clock::thread_time,
    crowd::{Counting, NEWS, emit, everybody, hub, join_root},
};

/// Room hash → how many rooms of it each shard has. A model: exact, where the server's has buckets.
type Table = Rc<RefCell<BTreeMap<u64, BTreeMap<u8, u32>>>>;

#[derive(Debug)]
struct View {
    table: Table,
    shard: u8,
}

impl Directory for View {
    fn add(&mut self, hash: u64) {
        *self
            .table
            .borrow_mut()
            .entry(hash)
            .or_default()
            .entry(self.shard)
            .or_default() += 1;
    }

    fn remove(&mut self, hash: u64) {
        let mut table = self.table.borrow_mut();
        let shards = table.get_mut(&hash).expect("removed after it was added");
        let count = shards
            .get_mut(&self.shard)
            .expect("removed after it was added");
        *count -= 1;
        if *count == 0 {
            shards.remove(&self.shard);
        }
    }

    // Nobody is told to join by another shard here.
    fn expect(&mut self, _: u64, _: ShardSet) {}

    fn settle(&mut self, _: u64) {}

    fn shards(&self, hash: u64) -> ShardSet {
        let table = self.table.borrow();
        table
            .get(&hash)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .fold(0, |set, shard| set | 1 << shard)
    }
}

/// What one message cost the whole server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Mails between shards.
    pub mails: u64,
    /// The most mails that one shard got.
    pub mails_per_shard_max: u64,
    /// Shards that got mail and had nobody to write to.
    pub woken_for_nothing: u64,
    /// Shards that wrote to somebody.
    pub shards: u64,
    /// Sessions written to: one write each.
    pub sessions: u64,
    /// Slices in those writes.
    pub slices: u64,
}

/// A server of hubs.
pub struct World {
    hubs: Vec<Hub>,
    /// The sockets of each hub, in the order they came.
    sockets: Vec<Vec<SocketKey>>,
    now: Tick,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("hubs", &self.hubs.len())
            .finish_non_exhaustive()
    }
}

/// A message: what it is called, how many get it, where they sit, and how it is addressed.
struct Work {
    name: &'static str,
    /// Shard and place there of each receiver; nobody stands for everybody.
    members: Vec<(usize, usize)>,
    to: Selection,
}

impl World {
    /// So many sessions, evenly over so many hubs, all in `/` and idle.
    #[must_use]
    pub fn new(shards: usize, sessions: usize) -> Self {
        let table = Table::default();
        let view = |shard| {
            Box::new(View {
                table: Rc::clone(&table),
                shard,
            })
        };
        let hubs = (0..shards as u8)
            .map(|shard| hub(shard, shards, view(shard)))
            .collect();
        let mut world = Self {
            hubs,
            sockets: vec![Vec::new(); shards],
            now: Tick(1_000),
        };
        let mut io = Counting::default();
        for index in 0..sessions {
            let shard = index % shards;
            let (_, socket) = join_root(&mut world.hubs[shard], world.now, index as u64);
            world.sockets[shard].push(socket);
            if (index / shards).is_multiple_of(256) {
                world.hubs[shard].flush_all(world.now, &mut io);
            }
        }
        for hub in &mut world.hubs {
            hub.flush_all(world.now, &mut io);
        }
        world
    }

    /// Sessions held.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.hubs.iter().map(|hub| hub.counts().sessions).sum()
    }

    /// Publishes from shard 0, delivers the mail, and ends every shard's turn.
    fn publish(&mut self, to: Selection) -> Cost {
        let mut cost = Cost::default();
        let published = self.hubs[0].publish(self.now, to, &emit("news", NEWS));
        published.expect("it is small");
        let mail: Vec<_> = self.hubs[0].take_mail().collect();
        let mut got = vec![0; self.hubs.len()];
        for (shard, mail) in mail {
            let shard = usize::from(shard.0);
            self.hubs[shard].receive_mail(self.now, mail);
            got[shard] += 1;
        }
        for (hub, got) in self.hubs.iter_mut().zip(got) {
            assert!(!hub.has_mail(), "mail is not answered by mail");
            let mut io = Counting::default();
            hub.flush_all(self.now, &mut io);
            cost.mails += got;
            cost.mails_per_shard_max = cost.mails_per_shard_max.max(got);
            cost.woken_for_nothing += u64::from(got > 0 && io.writes == 0);
            cost.shards += u64::from(io.writes > 0);
            cost.sessions += io.writes;
            cost.slices += io.slices;
        }
        cost
    }

    /// Everybody is pinged: the cost of one interval's heartbeats, without the pongs.
    pub fn heartbeat(&mut self) -> Cost {
        let interval = self.hubs[0].config().ping_interval;
        self.now = self.now.after(interval);
        self.now.0 += 8; // a timer may be one grain late
        let mut cost = Cost::default();
        for hub in &mut self.hubs {
            hub.advance(self.now);
            let mut io = Counting::default();
            hub.flush_all(self.now, &mut io);
            cost.shards += u64::from(io.writes > 0);
            cost.sessions += io.writes;
            cost.slices += io.slices;
        }
        cost
    }

    fn works(&self) -> Vec<Work> {
        let shards = self.hubs.len();
        let per_shard = |count: usize| {
            (0..count)
                .map(|member| (member % shards, member / shards))
                .collect::<Vec<_>>()
        };
        let last = shards - 1;
        let own_id = self.hubs[last]
            .socket_id(self.sockets[last][7])
            .expect("connected");
        let room = |name: &'static str, members| Work {
            name,
            members,
            to: everybody().to(name),
        };
        vec![
            room(
                "room of 5 on the sender's shard",
                (0..5).map(|place| (0, place)).collect(),
            ),
            room(
                "room of 5 on one other shard",
                (0..5).map(|place| (last, place)).collect(),
            ),
            room(
                "room of 5 on two shards, the sender's one of them",
                vec![(0, 0), (0, 1), (0, 2), (3, 0), (3, 1)],
            ),
            room("room of 64, one on each shard", per_shard(64)),
            room("room of 1,000 over all shards", per_shard(1_000)),
            room("room of 10,000 over all shards", per_shard(10_000)),
            Work {
                name: "one socket's id, on another shard",
                members: vec![(last, 7)],
                to: everybody().to(own_id.to_string()),
            },
            Work {
                name: "rooms of 1,000 and of 64, overlapping",
                members: per_shard(1_000),
                to: everybody()
                    .to("room of 1,000 over all shards")
                    .to("room of 64, one on each shard"),
            },
            Work {
                name: "room of 1,000 except the room of 64",
                members: per_shard(1_000).split_off(64),
                to: everybody()
                    .to("room of 1,000 over all shards")
                    .except("room of 64, one on each shard"),
            },
            Work {
                name: "everybody",
                members: Vec::new(),
                to: everybody(),
            },
        ]
    }
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The message.
    pub name: &'static str,
    /// Who is to get it.
    pub members: usize,
    /// Shards that have one of them.
    pub shards: usize,
    /// What it cost.
    pub cost: Cost,
    /// CPU microseconds, all shards together.
    pub micros: f64,
}

impl Line {
    /// Whether the cost is what the receivers alone ask for.
    #[must_use]
    pub fn is_minimal(&self, sender_has_member: bool) -> bool {
        let shards = self.shards as u64;
        self.cost
            == Cost {
                mails: shards - u64::from(sender_has_member),
                mails_per_shard_max: u64::from(shards > u64::from(sender_has_member)),
                woken_for_nothing: 0,
                shards,
                sessions: self.members as u64,
                slices: self.members as u64,
            }
    }
}

/// Runs all messages through a world of this size. Asserts of each that it costs no more than
/// its receivers ask for.
///
/// # Panics
/// If it does.
#[must_use]
pub fn run(world: &mut World) -> Vec<Line> {
    let mut lines = Vec::new();
    for work in world.works() {
        if let [room] = &*work.to.rooms
            && **room == *work.name
        {
            for (shard, place) in &work.members {
                world.hubs[*shard].join(world.sockets[*shard][*place], work.name);
            }
        }
        let mut on: Vec<_> = work.members.iter().map(|(shard, _)| *shard).collect();
        on.sort_unstable();
        on.dedup();
        let all = work.members.is_empty();
        let start = thread_time();
        let cost = world.publish(work.to);
        let line = Line {
            name: work.name,
            members: if all {
                world.sessions()
            } else {
                work.members.len()
            },
            shards: if all { world.hubs.len() } else { on.len() },
            cost,
            micros: thread_time().saturating_sub(start).as_secs_f64() * 1e6,
        };
        assert!(line.is_minimal(all || on.contains(&0)), "{line:?}");
        lines.push(line);
    }
    lines
}
