//! Answers: what happens next.
//!
//! The world's clock, its list of things to come, and how a run begins and ends. What each thing
//! does is told elsewhere: `server` is the shell around the hubs, `app` its user code, `peer` the
//! clients.

use alloc::{
    boxed::Box,
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    rc::Rc,
    string::ToString,
    vec::Vec,
};
use core::{cell::RefCell, fmt, time::Duration};

use super::{
    Fault, Letters, Options, Outcome,
    client::{Client, NAMESPACES, Sent},
    log::Log,
    net::{Conn, Net},
    oracle::{LOOKS_MS, Oracle, is_lie},
    random::Random,
    shell::{Post, Shell},
    wire::Packet,
};
use crate::{
    config::Config,
    error::CloseReason,
    hub::{Counts, Directory, Hub, Mode, Namespace, RoomHash, Setup, ShardSet},
    id::ShardId,
    limits::Limits,
    time::Tick,
    wheel::GRAIN_MS,
};

/// Something to come. Numbers are clients, connections (`Read`, `Recv`, `Writable`) or hubs
/// (`Mail`, `EndTurn`, `Deed`, and what `shell` does).
#[derive(Debug)]
pub(super) enum Task {
    Arrive,
    Act(usize),
    Read(usize),
    Recv(usize),
    Writable(usize),
    Get(usize),
    Post(usize, Vec<Sent>),
    PostBody(usize, Vec<Sent>),
    Posted(usize, bool),
    Answer(usize, Option<Vec<u8>>),
    Say(usize, Packet),
    Five(usize, usize),
    Release(usize),
    Mail(usize, usize),
    EndTurn(usize),
    Deed(usize),
    Admit(usize),
    LateAck(usize, u64),
    Dismiss(usize),
    Stand(usize),
    Wake(usize),
    ReadOn(usize),
    Free(usize),
    Retry(usize),
    Look(usize, usize),
}

/// The directory, and what was wrong with how the hubs keep it.
#[derive(Default)]
pub(super) struct Table {
    /// Rooms by hash: how often each shard has added it, or is expected to.
    rows: BTreeMap<u64, [u32; 4]>,
    pub(super) wrong: bool,
}

struct View {
    table: Rc<RefCell<Table>>,
    shard: usize,
    shards: usize,
    /// It names some shards too many.
    liar: bool,
}

impl Directory for View {
    fn add(&mut self, hash: u64) {
        let rows = &mut self.table.borrow_mut().rows;
        rows.entry(hash).or_default()[self.shard] += 1;
    }

    fn remove(&mut self, hash: u64) {
        let mut table = self.table.borrow_mut();
        let row = table.rows.entry(hash).or_default();
        let left = row[self.shard].checked_sub(1);
        row[self.shard] = left.unwrap_or_default();
        if *row == [0; 4] {
            table.rows.remove(&hash);
        }
        table.wrong |= left.is_none();
    }

    fn expect(&mut self, hash: u64, shards: ShardSet) {
        let rows = &mut self.table.borrow_mut().rows;
        let row = rows.entry(hash).or_default().iter_mut().enumerate();
        row.for_each(|(at, n)| *n += u32::from(shards & 1 << at != 0));
    }

    fn settle(&mut self, hash: u64) {
        self.remove(hash);
    }

    fn shards(&self, hash: u64) -> ShardSet {
        let table = self.table.borrow();
        let row = table.rows.get(&hash).copied().unwrap_or_default();
        let lie = |at: usize| self.liar && at < self.shards && is_lie(hash, at);
        let bits = row.iter().enumerate();
        bits.fold(0, |set, (at, n)| {
            set | ShardSet::from(*n > 0 || lie(at)) << at
        })
    }
}

/// See the module's text.
pub(super) struct World {
    pub(super) now: Tick,
    tasks: BTreeMap<(u64, u64), Task>,
    serial: u64,
    pub(super) random: Random,
    pub(super) config: Config,
    pub(super) hubs: Vec<Hub>,
    pub(super) table: Rc<RefCell<Table>>,
    /// Hubs whose turn will end.
    pub(super) turns: Vec<bool>,
    pub(super) shells: Vec<Shell>,
    pub(super) mail: BTreeMap<(usize, usize), VecDeque<Post>>,
    /// Letters that a mailbox has room for.
    pub(super) mailbox: usize,
    pub(super) last_mail: BTreeMap<(usize, usize), u64>,
    /// Where the mail being taken comes from.
    pub(super) arriving: Option<usize>,
    pub(super) net: Net,
    pub(super) clients: Vec<Client>,
    /// Parked GETs, by hub and session.
    pub(super) parked: BTreeMap<(usize, u64), usize>,
    /// Clients whose POST is being read.
    pub(super) posting: BTreeSet<usize>,
    /// Clients whose output is held.
    pub(super) held: BTreeSet<usize>,
    pub(super) oracle: Oracle,
    log: Log,
    /// Milliseconds a message or a decision takes, at most; and how coarse time is.
    pub(super) lag: u64,
    pub(super) grain: u64,
    pub(super) mail_lag: u64,
    /// Milliseconds between two slices of output, and how many turns had one by hub.
    pub(super) slice_gap: u64,
    pub(super) slices: Vec<u32>,
    clients_max: usize,
    /// Clients and the application still begin new things.
    pub(super) playing: bool,
    pub(super) numbers: u64,
    pub(super) fault: Fault,
    pub(super) struck: Letters,
    /// Mails until the fault; 0 when it has struck.
    pub(super) fault_after: u64,
}

fn config(random: &mut Random) -> Config {
    let ms = |random: &mut Random, low, high| Duration::from_millis(random.between(low, high));
    Config {
        ping_interval: ms(random, 300, 2_000),
        ping_timeout: ms(random, 400, 1_200),
        upgrade_timeout: ms(random, 300, 900),
        connect_timeout: ms(random, 400, 2_000),
        polling: !random.chance(5),
        allow_upgrades: !random.chance(8),
        limits: Limits {
            slice_sessions: random.pick(&[1, 2, 3, 1024, 1024]),
            outbox_bytes: random.between(6_000, 150_000) as usize,
            attachments: random.between(3, 5) as usize,
            namespaces_per_session: random.pick(&[1, 2, 3, 3, 64]),
            attachments_wait: ms(random, 100, 600),
            rooms_per_socket: random.between(1, 5) as usize,
            acks_per_socket: random.between(1, 6) as usize,
            ..Limits::default()
        },
        ..Config::default()
    }
}

impl World {
    pub(super) fn new(options: &Options) -> Self {
        let mut random = Random::new(options.seed);
        let shards = random.between(1, 4) as usize;
        let config = config(&mut random);
        let table = Rc::new(RefCell::new(Table::default()));
        let seed = random.next();
        let liar = random.chance(30);
        let hub = |shard: usize| {
            let mut entropy = random.fork();
            let namespace = |name: &&str| Namespace {
                name: Box::from(*name),
                gated: *name == "/gate",
            };
            Hub::new(Setup {
                config: config.clone(),
                shard: ShardId(shard as u8),
                shards,
                mode: Mode::SocketIo(NAMESPACES.iter().map(namespace).collect()),
                seed,
                directory: Box::new(View {
                    table: Rc::clone(&table),
                    shard,
                    shards,
                    liar,
                }),
                entropy: Box::new(move |out| entropy.fill(out)),
            })
        };
        let hubs: Vec<_> = (0..shards).map(hub).collect();
        Self {
            now: Tick(0),
            tasks: BTreeMap::new(),
            serial: 0,
            oracle: Oracle::new(config.clone(), shards, liar, RoomHash::new(seed)),
            config,
            hubs,
            table,
            turns: alloc::vec![false; shards],
            shells: (0..shards).map(|_| Shell::new(shards)).collect(),
            mail: BTreeMap::new(),
            mailbox: random.pick(&[1, 3, 10, 1_000, 1_000]),
            last_mail: BTreeMap::new(),
            arriving: None,
            net: Net::default(),
            clients: Vec::new(),
            parked: BTreeMap::new(),
            posting: BTreeSet::new(),
            held: BTreeSet::new(),
            log: Log::new(),
            lag: random.between(1, 20),
            grain: random.between(1, 6),
            mail_lag: random.between(1, 90),
            slice_gap: random.below(4),
            slices: alloc::vec![0; shards],
            clients_max: random.between(2, 12) as usize,
            playing: true,
            numbers: 0,
            fault: options.fault,
            struck: options.letters,
            fault_after: random.between(3, 20),
            random,
        }
    }

    // ---- what the other parts use ----

    /// Something is to happen `wait` milliseconds from now; time is coarse, so that much of it
    /// happens together and falls into one turn.
    pub(super) fn after(&mut self, wait: u64, task: Task) {
        let at = (self.now.0 + wait).next_multiple_of(self.grain);
        self.serial += 1;
        self.tasks.insert((at, self.serial), task);
    }

    /// Something is to happen as soon as messages and decisions take.
    pub(super) fn soon(&mut self, task: Task) {
        let wait = self.random.between(1, self.lag);
        self.after(wait, task);
    }

    pub(super) fn log(&mut self, what: fmt::Arguments<'_>) {
        self.log.line(self.now, what);
    }

    pub(super) const fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    // ---- a run ----

    /// Plays, lets everything settle, and clears up.
    pub(super) fn run(&mut self, steps: u64) {
        self.after(0, Task::Arrive);
        for hub in 0..self.hubs.len() {
            self.after(5, Task::Deed(hub));
            self.after(900, Task::Stand(hub));
        }
        for _ in 0..steps {
            self.step();
        }
        self.playing = false;
        self.wake_all();
        if self.oracle.fault.is_some() {
            return;
        }
        if self.random.chance(15) {
            self.shut_down();
        } else {
            self.run_for(4_000);
            self.settled();
            for client in 0..self.clients.len() {
                self.depart(client);
            }
        }
        let config = &self.config;
        let heart = config.ping_interval + 2 * config.ping_timeout;
        self.run_for(45_000 + heart.as_millis() as u64);
        self.cleared();
    }

    fn run_for(&mut self, ms: u64) {
        let end = self.now.0 + ms;
        while self.oracle.fault.is_none() && self.next() <= end {
            self.step();
        }
        self.now = self.now.max(Tick(end));
    }

    fn hub_due(&self) -> Option<(Tick, usize)> {
        let hubs = self.hubs.iter().enumerate();
        // A shell that is behind tells the time between its turns.
        hubs.filter(|(at, _)| !self.is_behind(*at))
            .filter_map(|(at, hub)| Some((hub.deadline()?, at)))
            .min()
    }

    fn next(&self) -> u64 {
        let task = self.tasks.keys().next().map_or(u64::MAX, |(at, _)| *at);
        let hub = self.hub_due().map_or(u64::MAX, |(at, _)| at.0);
        task.min(hub)
    }

    /// The next thing happens.
    fn step(&mut self) {
        if self.oracle.fault.is_some() {
            return;
        }
        let at = self.tasks.keys().next().copied();
        if let Some((due, hub)) = self.hub_due()
            && at.is_none_or(|(at, _)| due.0 <= at)
        {
            self.now = self.now.max(due);
            return self.time_passes(hub);
        }
        let Some((at, task)) = self.tasks.pop_first() else {
            return;
        };
        self.now = self.now.max(Tick(at.0));
        self.comes(task);
    }

    /// A hub is told the time.
    pub(super) fn time_passes(&mut self, hub: usize) {
        self.oracle.pinged[hub] = true;
        self.tell_time(hub);
        let again = self.hubs[hub].deadline().is_some_and(|due| due <= self.now);
        let right = !again || self.is_behind(hub);
        self.oracle
            .expect(right, "a timer that was told is due again");
        self.drain(hub);
        self.oracle.check_time(self.now);
        let patience = self.config.upgrade_timeout.as_millis() as u64 + 2 * GRAIN_MS + self.grain;
        let now = self.now.0;
        let (oracle, shells) = (&self.oracle, 0..self.hubs.len());
        let behind: Vec<_> = shells.map(|hub| self.is_behind(hub)).collect();
        let late = |conn: &Conn| {
            let looked = !conn.listed && !behind[conn.hub];
            let since = (conn.opened + LOOKS_MS).max(oracle.looked_at(conn.client));
            conn.id.is_some() && conn.probing && looked && since + patience < now
        };
        let late = self.net.conns.iter().any(late);
        self.oracle
            .expect(!late, "an upgrade is open after its time");
    }

    pub(super) fn perform(&mut self, task: Task) {
        match task {
            Task::Arrive => self.arrivals(),
            Task::Act(client) => self.act(client),
            Task::Read(conn) => self.read(conn),
            Task::Recv(conn) => self.recv(conn),
            Task::Writable(conn) => self.writable(conn),
            Task::Get(client) => self.request(client, Post::Get(client)),
            Task::Post(client, body) => self.request(client, Post::Head(client, body)),
            Task::PostBody(client, body) => self.post_body(client, &body),
            Task::Posted(client, right) => self.posted(client, right),
            Task::Answer(client, body) => self.answered(client, body),
            Task::Say(client, packet) => self.say(client, packet),
            Task::Five(client, conn) => self.five(client, conn),
            Task::Release(client) => self.release(client),
            Task::Mail(from, to) => {
                let post = self.mail.entry((from, to)).or_default().pop_front();
                if let Some(post) = post {
                    self.posted_by(from, to, post);
                }
            }
            Task::Stand(hub) => self.stands(hub),
            Task::Wake(hub) => self.wakes(hub),
            Task::ReadOn(hub) => self.reads_on(hub),
            Task::Free(conn) => self.free_to_read(conn),
            Task::Retry(hub) => self.retry(hub),
            Task::Look(hub, asker) => self.look(hub, asker),
            Task::EndTurn(hub) => self.end_turn(hub),
            Task::Deed(hub) => self.deed(hub),
            Task::Admit(socket) => self.admit(socket),
            Task::LateAck(socket, id) => self.acknowledge(socket, id),
            Task::Dismiss(client) => self.dismiss(client),
        }
    }

    fn arrivals(&mut self) {
        if !self.playing {
            return;
        }
        let alive = self.clients.iter().filter(|client| !client.gone).count();
        if alive < self.clients_max {
            self.arrive();
        }
        let wait = self.random.between(1, 120);
        self.after(wait, Task::Arrive);
    }

    // ---- the end ----

    /// Nothing new has happened for a while: who is there has got everything.
    fn settled(&mut self) {
        if let Err(missing) = self.oracle.settled(self.now) {
            self.oracle.blame(missing);
        }
        let letters = self.oracle.letters_left();
        self.oracle.expect(letters == 0, "a mail never arrived");
    }

    /// The server stops in the middle of everything.
    fn shut_down(&mut self) {
        self.log(format_args!("the server stops"));
        for at in 0..self.oracle.sessions.len() {
            self.oracle.ends(at, CloseReason::ServerShuttingDown);
        }
        // One hub's events are another's dues: all stop, then all are drained.
        for hub in &mut self.hubs {
            hub.shut_down(self.now);
        }
        self.drain_all();
    }

    fn cleared(&mut self) {
        for at in 0..self.hubs.len() {
            let counts = self.hubs[at].counts();
            if counts != Counts::default() {
                let what = format!("everybody left and hub {at} holds {counts:?}");
                self.oracle.blame(what);
            }
            let held = self.hubs[at].held_bytes();
            self.oracle
                .expect(held == 0, "everybody left and bytes are held");
        }
        if let Some((_, client)) = self.parked.first_key_value() {
            let what = format!("the GET of client {client} was never answered");
            self.oracle.blame(what);
        }
        let rooms = self.table.borrow().rows.len();
        let left = [
            ("room in the directory", rooms),
            ("connection", self.net.open()),
            ("question", self.oracle.questions_left()),
            ("mail", self.oracle.letters_left()),
            ("socket", self.oracle.sockets_open()),
        ];
        for (what, count) in left {
            if count > 0 {
                let what = format!("everybody left and there is a {what} ({count})");
                self.oracle.blame(what);
            }
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let failure = self.oracle.fault.as_ref().map(ToString::to_string);
        Outcome {
            hash: self.log.hash(),
            sessions: self.oracle.sessions.len(),
            packets: self.oracle.received,
            elapsed_ms: self.now.0,
            spoilt: self.fault != Fault::None && self.fault_after == 0,
            failure,
            events: self.log.into_lines(),
        }
    }
}
