//! Answers: what does a shell do that stands still, is behind, or has no room for its mail.
//!
//! A standstill is a process that the machine stops, or a handler that does not come back: what comes for
//! the hub lies unread until it ends, and the time has jumped. Then a turn at a time is read, and the hub
//! is told the time in between and what was looked at ([`Seen`]). Requests of long-polling come over any
//! shard and travel in the mail, so before a client that polls is judged, all shards have to look. A
//! mailbox has room for so many letters; what does not fit waits, and who made it is put aside.

use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use core::cell::Cell;

use super::{
    client::Sent,
    mail::OUTSIDE,
    world::{Task, World},
};
use crate::{
    hub::{Mail, Seen, Selection, ShardSet},
    id::ConnId,
    time::Tick,
};

/// Letters to one hub that may wait for room; above it the application is refused.
const OVERFLOW_MAX: usize = 6;

/// What is in a mailbox.
#[derive(Debug)]
pub(super) enum Post {
    Mail(Mail),
    /// A request that came over another shard.
    Get(usize),
    Head(usize, Vec<Sent>),
    /// The sender wants to know when all was handled that has come here; and that it was.
    Look,
    Looked,
}

/// A hub's shell.
#[derive(Debug, Default)]
pub(super) struct Shell {
    /// Until when it stands still, and since when it has not read all that came.
    until: u64,
    since: u64,
    /// What came meanwhile, and what it would have done of its own accord.
    unread: VecDeque<Task>,
    inner: Vec<Task>,
    /// A turn that reads is to come.
    reads: bool,
    /// All that came to any shell before was handled; and the round of looks that is under way.
    everywhere: Tick,
    round: Option<(Tick, usize)>,
    /// Letters for which there was no room, by hub.
    pub(super) overflow: Vec<VecDeque<Post>>,
    tries: bool,
    /// Counts them.
    stuck: u64,
    /// Connections whose messages made them, and clients whose requests did, with what these ask since.
    aside: BTreeSet<usize>,
    aside_clients: BTreeSet<usize>,
    requests: VecDeque<Task>,
    /// The hubs that got mail since it was last asked.
    pub(super) mailed: ShardSet,
}

impl Shell {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            overflow: (0..shards).map(|_| VecDeque::new()).collect(),
            ..Self::default()
        }
    }

    fn is_congested(&self) -> bool {
        self.overflow.iter().any(|waiting| !waiting.is_empty())
    }
}

impl World {
    // ---- standing still ----

    /// Whether what comes for a hub lies unread.
    pub(super) fn is_behind(&self, hub: usize) -> bool {
        let shell = &self.shells[hub];
        shell.until > self.now.0 || !shell.unread.is_empty()
    }

    /// From time to time a shell stands still, or all do. Not in the middle of a turn.
    pub(super) fn stands(&mut self, hub: usize) {
        let wait = self.random.between(500, 9_000);
        self.after(wait, Task::Stand(hub));
        if !self.playing {
            return;
        }
        let ms = match self.random.below(10) {
            0..=3 => self.random.between(5, 200),
            4..=8 => self.random.between(200, 3_500),
            _ => self.random.between(3_500, 8_000),
        };
        let all = 0..self.hubs.len();
        let which = if self.random.chance(30) {
            all
        } else {
            hub..hub + 1
        };
        for hub in which {
            let amid = self.hubs[hub].has_output() || self.held_on(hub);
            if !amid && !self.is_behind(hub) {
                self.log(format_args!("hub {hub} stands still for {ms} ms"));
                let until = (self.now.0 + ms).next_multiple_of(self.grain);
                (self.shells[hub].since, self.shells[hub].until) = (self.now.0, until);
                self.oracle.stood[hub] = until;
                self.after(until - self.now.0, Task::Wake(hub));
            }
        }
    }

    fn held_on(&self, hub: usize) -> bool {
        self.held
            .iter()
            .any(|client| self.clients[*client].hub == hub)
    }

    pub(super) fn wakes(&mut self, hub: usize) {
        self.shells[hub].until = 0;
        for task in core::mem::take(&mut self.shells[hub].inner) {
            self.after(0, task);
        }
        if !self.shells[hub].reads {
            self.reads_on(hub);
        }
    }

    /// Everybody reads all at once: the run is about to end.
    pub(super) fn wake_all(&mut self) {
        for hub in 0..self.hubs.len() {
            self.wakes(hub);
            while let Some(task) = self.shells[hub].unread.pop_front() {
                self.perform(task);
            }
        }
    }

    /// A turn of a shell that is behind: it reads some, and the time passes.
    pub(super) fn reads_on(&mut self, hub: usize) {
        self.shells[hub].reads = false;
        if self.shells[hub].until > self.now.0 {
            return; // it stands still again
        }
        for _ in 0..self.random.below(5) {
            let Some(task) = self.shells[hub].unread.pop_front() else {
                break;
            };
            self.perform(task);
        }
        if self.hubs[hub].deadline().is_some_and(|due| due <= self.now) {
            self.time_passes(hub);
        }
        self.oracle.stood[hub] = self.now.0;
        if !self.shells[hub].unread.is_empty() {
            self.shells[hub].reads = true;
            let wait = self.random.between(1, 5);
            self.after(wait, Task::ReadOn(hub));
        }
    }

    /// What comes for a shell: it happens now, or when the shell gets to it.
    pub(super) fn comes(&mut self, task: Task) {
        let Some((hub, input)) = self.place_of(&task) else {
            return self.perform(task);
        };
        let behind = self.is_behind(hub);
        let shell = &mut self.shells[hub];
        match &task {
            _ if !input && shell.until > self.now.0 => shell.inner.push(task),
            _ if input && behind => shell.unread.push_back(task),
            Task::Get(client) | Task::Post(client, _) if shell.aside_clients.contains(client) => {
                shell.requests.push_back(task);
            }
            _ => self.perform(task),
        }
    }

    /// The hub to which something happens, and whether it comes from outside.
    fn place_of(&self, task: &Task) -> Option<(usize, bool)> {
        let of_socket = |at: usize| Some((self.oracle.sockets[at].hub, false));
        match task {
            Task::Recv(conn) | Task::Writable(conn) => Some((self.net.conns[*conn].hub, true)),
            Task::Get(client) | Task::Post(client, _) => Some((self.clients[*client].door, true)),
            Task::PostBody(client, _) => Some((self.clients[*client].hub, true)),
            Task::Mail(_, to) => Some((*to, true)),
            Task::Admit(socket) | Task::LateAck(socket, _) => of_socket(*socket),
            Task::Dismiss(client) | Task::Release(client) => {
                Some((self.clients[*client].hub, false))
            }
            Task::EndTurn(hub) | Task::Deed(hub) | Task::Retry(hub) => Some((*hub, false)),
            Task::Free(conn) => Some((self.net.conns[*conn].hub, false)),
            _ => None,
        }
    }

    /// A hub is told the time, and what was looked at.
    pub(super) fn tell_time(&mut self, hub: usize) {
        let (now, conns) = (self.now, &self.net.conns);
        let shell = &self.shells[hub];
        let behind = !shell.unread.is_empty();
        let asked = Cell::new(false);
        let unread = |id: ConnId| {
            let conn = conns.get(id.0 as usize);
            conn.is_some_and(|conn| conn.listed && !conn.inbound.is_empty())
        };
        let seen = Seen {
            here: if behind { Tick(shell.since) } else { now },
            everywhere: shell.everywhere,
            unread: &unread,
            asked: &asked,
        };
        self.hubs[hub].advance_seen(now, &seen);
        if asked.get() {
            self.look_everywhere(hub);
        }
    }

    // ---- looks ----

    fn look_everywhere(&mut self, hub: usize) {
        if self.shells[hub].round.is_some() {
            return;
        }
        self.shells[hub].round = Some((self.now, self.hubs.len()));
        for to in 0..self.hubs.len() {
            self.post(hub, to, Post::Look);
        }
    }

    /// Somebody wants to know when all was handled that had come.
    fn look_for(&mut self, hub: usize, asker: usize) {
        let shell = &self.shells[hub];
        if shell.aside.is_empty() && shell.aside_clients.is_empty() {
            self.post(hub, asker, Post::Looked);
        } else {
            self.after(2, Task::Look(hub, asker));
        }
    }

    pub(super) fn look(&mut self, hub: usize, asker: usize) {
        if self.is_behind(hub) {
            self.after(2, Task::Look(hub, asker));
        } else {
            self.look_for(hub, asker);
        }
    }

    fn looked(&mut self, hub: usize) {
        let shell = &mut self.shells[hub];
        match shell.round {
            Some((at, 1)) => (shell.everywhere, shell.round) = (at, None),
            Some((at, left)) => shell.round = Some((at, left - 1)),
            None => {}
        }
    }

    // ---- connections with more than was read ----

    /// A connection's turn to be read is later: it floods, or the turn was full.
    pub(super) fn list(&mut self, conn: usize) {
        self.do_not_read(conn);
        let wait = self.random.pick(&[3, 30, 400, 2_500]);
        self.after(wait, Task::Free(conn));
    }

    pub(super) fn do_not_read(&mut self, conn: usize) {
        self.net.conns[conn].listed = true;
        self.oracle.sessions[self.net.conns[conn].client].unread_until = u64::MAX;
    }

    pub(super) fn free_to_read(&mut self, conn: usize) {
        let at = &mut self.net.conns[conn];
        if at.paused || self.shells[at.hub].aside.contains(&conn) {
            return;
        }
        at.listed = false;
        let (client, more) = (at.client, at.inbound.len());
        self.oracle.sessions[client].unread_until = self.now.0;
        // In one read, so that nothing of it is unread when the time passes next.
        for _ in 0..more {
            self.recv(conn);
        }
    }

    // ---- mail ----

    /// Posts to another hub, now or when it has room.
    pub(super) fn post(&mut self, from: usize, to: usize, post: Post) {
        let full = from != OUTSIDE && {
            let behind = !self.shells[from].overflow[to].is_empty();
            behind || self.letters_for(to) >= self.mailbox
        };
        if !full {
            return self.send(from, to, post);
        }
        self.shells[from].overflow[to].push_back(post);
        self.shells[from].stuck += 1;
        if !core::mem::replace(&mut self.shells[from].tries, true) {
            self.after(1, Task::Retry(from));
        }
    }

    fn letters_for(&self, to: usize) -> usize {
        let mailboxes = self.mail.iter().filter(|((_, hub), _)| *hub == to);
        mailboxes.map(|(_, letters)| letters.len()).sum()
    }

    fn send(&mut self, from: usize, to: usize, post: Post) {
        let wait = self.random.below(self.mail_lag);
        let last = self.last_mail.entry((from, to)).or_default();
        *last = (*last).max(self.now.0 + wait);
        let wait = *last - self.now.0;
        self.mail.entry((from, to)).or_default().push_back(post);
        self.after(wait, Task::Mail(from, to));
    }

    /// Tries again what there was no room for.
    pub(super) fn retry(&mut self, from: usize) {
        self.shells[from].tries = false;
        self.oracle.crowded = self.now.0;
        for to in 0..self.hubs.len() {
            while self.letters_for(to) < self.mailbox
                && let Some(post) = self.shells[from].overflow[to].pop_front()
            {
                self.send(from, to, post);
            }
        }
        if self.shells[from].is_congested() {
            self.shells[from].tries = true;
            return self.after(1, Task::Retry(from));
        }
        self.shells[from].aside_clients.clear();
        for task in core::mem::take(&mut self.shells[from].requests) {
            self.after(0, task);
        }
        for conn in core::mem::take(&mut self.shells[from].aside) {
            self.free_to_read(conn);
        }
    }

    /// A client's message was handled. If there was no room for the mail it made, its connection is put
    /// aside.
    pub(super) fn put_aside(&mut self, client: usize, stuck: u64) {
        let hub = self.clients[client].hub;
        if self.shells[hub].stuck == stuck {
            return;
        }
        self.log(format_args!("client {client} is put aside"));
        if let Some(conn) = self.net.carrier(client) {
            self.do_not_read(conn);
            self.shells[hub].aside.insert(conn);
        } else {
            self.shells[hub].aside_clients.insert(client);
        }
    }

    pub(super) fn stuck(&self, client: usize) -> u64 {
        self.shells[self.clients[client].hub].stuck
    }

    /// Whether more may be posted to every shard that a selection reaches.
    pub(super) fn has_room(&self, hub: usize, to: &Selection) -> bool {
        let waiting = self.shells[hub].overflow.iter().enumerate();
        let full = waiting.filter(|(_, waiting)| waiting.len() >= OVERFLOW_MAX);
        let full = full.fold(0, |set: ShardSet, (at, _)| set | 1 << at);
        full == 0 || self.hubs[hub].reach(to) & full == 0
    }

    /// The hub said whom a selection reaches: these and no others get mail of it.
    pub(super) fn check_reach(&mut self, hub: usize, reach: ShardSet) {
        let mailed = core::mem::take(&mut self.shells[hub].mailed);
        self.oracle
            .expect(mailed == reach, "mail went elsewhere than was said");
    }

    pub(super) fn posted_by(&mut self, from: usize, to: usize, post: Post) {
        match post {
            Post::Mail(mail) => self.mail_arrives(from, to, mail),
            Post::Get(client) => self.get(client),
            Post::Head(client, body) => self.post_head(client, body),
            Post::Look => self.look_for(to, from),
            Post::Looked => self.looked(to),
        }
    }
}
