//! Answers: what may a page make the server do to show what it can.
//!
//! Only on a server that listens on its own machine; all tabs together one thing at a time; and never more
//! idle clients than [`super::crowd::Crowd::most`].

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use serde::Serialize;
use stentor::prelude::*;

use super::{
    Demo,
    chat::Shown,
    idle::NAMESPACE,
    meters::micros,
    words::{Refusal, told},
};

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(300);
/// A tab answers a broadcast within this, or is not counted.
const TABS_ANSWER: Duration = Duration::from_secs(5);
/// Clients that one selection names.
const CHUNK: usize = 512;

/// What a page may ask for.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Offer {
    allowed: bool,
    /// Idle clients there can be.
    idle: usize,
}

pub(super) fn offer(demo: &Demo) -> Offer {
    Offer {
        allowed: demo.is_local,
        idle: demo.crowd.most(),
    }
}

/// One power may be used now.
fn take_turn(demo: &Demo) -> Result<(), Refusal> {
    if !demo.is_local {
        return Err(Refusal::NoPowers);
    }
    demo.meters.count(1, 1);
    let now = micros();
    let pause = u64::try_from(PAUSE.as_micros()).unwrap_or(u64::MAX);
    let free = |next: u64| (now >= next).then_some(now + pause);
    let taken = demo.next_power.fetch_update(Relaxed, Relaxed, free);
    taken.map(drop).map_err(|_| Refusal::TooSoon)
}

/// Adds idle clients; with 0 all go. Answers how many there are to be.
fn idle(State(demo): Shown, Data(clients): Data<usize>) -> Result<usize, Refusal> {
    take_turn(&demo)?;
    if clients == 0 {
        demo.crowd.remove_all();
        return Ok(0);
    }
    demo.crowd.add(clients)
}

/// What came of a broadcast to all tabs.
#[derive(Debug, Serialize)]
struct TabsReached {
    tabs: usize,
    micros: u64,
}

/// Emits to all idle clients and all tabs. When the idle clients have it, their process says; the tabs
/// acknowledge.
async fn broadcast(io: Io, State(demo): Shown) -> Result<TabsReached, Refusal> {
    take_turn(&demo)?;
    let number = demo.next_wave.fetch_add(1, Relaxed);
    let (clients, _) = demo.crowd.size();
    let began = Instant::now();
    let everybody = io.of(NAMESPACE);
    let sent = everybody.emit("all", Args((number, micros())));
    sent.map_err(|_| Refusal::Busy)?;
    let tabs = io.all().timeout(TABS_ANSWER).call::<()>("all", &clients);
    let answered = tabs.all().await.ok.len();
    demo.meters.count(answered, answered + clients);
    Ok(TabsReached {
        tabs: answered,
        micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
    })
}

/// A shard's connections are about to be cut.
#[derive(Debug, Serialize)]
struct Cutting {
    shard: u8,
    clients: usize,
    tabs: usize,
}

/// Ends all connections of a shard, as far as they are of the demo.
async fn cut(io: Io, State(demo): Shown, Data(shard): Data<u8>) -> Result<usize, Refusal> {
    take_turn(&demo)?;
    if usize::from(shard) >= demo.meters.shards() {
        return Err(Refusal::NoShard);
    }
    let on_it = |ids: Vec<SocketId>| -> Vec<SocketId> {
        let ids = ids.into_iter();
        ids.filter(|id| id.shard().0 == shard).collect()
    };
    let clients = io.of(NAMESPACE).all().ids().await;
    let tabs = io.all().ids().await;
    let clients = on_it(clients.map_err(|_| Refusal::Busy)?);
    let tabs = on_it(tabs.map_err(|_| Refusal::Busy)?);
    demo.crowd.cut(clients.len());
    let cutting = Cutting {
        shard,
        clients: clients.len(),
        tabs: tabs.len(),
    };
    // Those that are cut are told before.
    let _ = io.emit("cut", &cutting);
    demo.meters.count(0, demo.room().tabs());
    let all = |of: fn(&Io) -> Broadcast, ids: &[SocketId]| {
        for some in ids.chunks(CHUNK) {
            let chosen = some.iter().fold(of(&io), Broadcast::to);
            let _ = chosen.disconnect(true);
        }
    };
    all(|io| io.of(NAMESPACE).all(), &clients);
    all(Io::all, &tabs);
    Ok(clients.len() + tabs.len())
}

async fn idle_came(s: Socket, State(demo): Shown) {
    if let Some(id) = s.id() {
        demo.meters.connected(usize::from(id.shard().0));
    }
}

async fn idle_left(s: Socket, State(demo): Shown) {
    if let Some(id) = s.id() {
        demo.meters.gone(usize::from(id.shard().0));
    }
}

/// Adds the powers to `/`, and the namespace of the idle clients.
pub(super) fn events(app: &mut App) {
    app.ns("/")
        .on_sync("idle", |demo: Shown, clients: Data<usize>| {
            told(idle(demo, clients))
        })
        .on("broadcast", async |io: Io, demo: Shown| {
            told(broadcast(io, demo).await)
        })
        .on("cut", async |io: Io, demo: Shown, shard: Data<u8>| {
            told(cut(io, demo, shard).await)
        });
    app.ns(NAMESPACE)
        .on_connect(idle_came)
        .on_disconnect(idle_left);
}
