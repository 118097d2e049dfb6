//! Answers: what does a visitor's page say to the server, and what do others hear of it.

#![expect(
    clippy::needless_pass_by_value,
    reason = "handlers are given what they ask for"
)]

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use stentor::prelude::*;

use super::{
    Demo, powers,
    room::{Entered, Message, Person, Receipt},
    words::{self, Refusal},
};

pub(super) type Shown = State<Arc<Demo>>;

/// A visitor's public id.
struct Visitor(String);

/// What a page connects with. All of it may be missing: `io("http://localhost:3000")` is welcome too.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Hello {
    name: String,
    /// A secret of the tab, the same when it comes back.
    tab: String,
    /// The last message that it has of the server's life `epoch`.
    last: u64,
    epoch: u64,
}

/// What a page is told when it has connected.
#[derive(Debug, Serialize)]
struct Welcome {
    /// Names this life of the server: messages are counted anew in the next.
    epoch: u64,
    you: String,
    name: String,
    shard: u8,
    shards: usize,
    people: Vec<Person>,
    history: Vec<Message>,
    /// Messages that it has not seen and that are not kept any more.
    missed: u64,
    powers: powers::Offer,
}

#[derive(Debug, Deserialize)]
struct Saying {
    id: String,
    text: String,
}

/// What others see of a secret: nobody can be taken for another.
fn public_id(tab: &str, s: &Socket) -> String {
    let secret = if words::is_id(tab) {
        tab.to_owned()
    } else {
        s.id().map(|id| id.to_string()).unwrap_or_default()
    };
    let hash = Sha1::digest(secret);
    let mut first = [0; 8];
    first[2..].copy_from_slice(&hash[..6]);
    format!("{:012x}", u64::from_be_bytes(first))
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Decides who comes in.
async fn admit(State(demo): Shown) -> Result<(), Refusal> {
    if demo.room().is_full() {
        return Err(Refusal::Full);
    }
    Ok(())
}

async fn welcome(s: Socket, State(demo): Shown, Auth(hello): Auth<Hello>) {
    let you = public_id(&hello.tab, &s);
    let name = words::name(&hello.name);
    let last = if hello.epoch == demo.epoch {
        hello.last
    } else {
        0
    };
    // The newcomer is a member of the namespace already: it gets what is said after this.
    let (entered, people, (history, missed)) = {
        let mut room = demo.room();
        let entered = room.enter(&you, name.clone());
        (entered, room.people(), room.since(last))
    };
    let Ok(entered) = entered else {
        s.disconnect(true);
        return;
    };
    let shard = s.id().map_or(0, |id| id.shard().0);
    demo.meters.connected(usize::from(shard));
    s.set(Visitor(you.clone()));
    let person = Person {
        id: you.clone(),
        name: name.clone(),
    };
    let told = match entered {
        Entered::New => Some("joined"),
        Entered::Renamed => Some("renamed"),
        Entered::Known => None,
    };
    if let Some(event) = told {
        let _ = s.broadcast().emit(event, &person);
        demo.meters.count(0, demo.room().tabs().saturating_sub(1));
    }
    let _ = s.emit(
        "welcome",
        &Welcome {
            epoch: demo.epoch,
            you,
            name,
            shard,
            shards: demo.meters.shards(),
            people,
            history,
            // Of a server's life before this one nobody knows what was said.
            missed: if last == 0 { 0 } else { missed },
            powers: powers::offer(&demo),
        },
    );
    demo.meters.count(0, 1);
}

fn say(s: Socket, State(demo): Shown, Data(saying): Data<Saying>) -> Result<Receipt, Refusal> {
    let visitor = s.get::<Visitor>().ok_or(Refusal::Full)?;
    let (said, tabs) = {
        let mut room = demo.room();
        let said = room.say(&visitor.0, &saying.id, &saying.text, now());
        (said, room.tabs())
    };
    demo.meters.count(1, 1);
    let (receipt, message) = said?;
    if let Some(message) = message {
        let _ = s.all().emit("said", &message);
        demo.meters.count(0, tabs);
    }
    Ok(receipt)
}

fn typing(s: Socket, State(demo): Shown) {
    if let Some(visitor) = s.get::<Visitor>() {
        let _ = s.broadcast().volatile().emit("typing", &visitor.0);
        demo.meters.count(1, demo.room().tabs().saturating_sub(1));
    }
}

/// Answers with the name as others see it.
fn rename(s: Socket, State(demo): Shown, Data(name): Data<String>) -> Result<String, Refusal> {
    let visitor = s.get::<Visitor>().ok_or(Refusal::Full)?;
    let name = words::name(&name);
    let tabs = {
        let mut room = demo.room();
        room.rename(&visitor.0, &name);
        room.tabs()
    };
    let id = visitor.0.clone();
    let person = Person {
        id,
        name: name.clone(),
    };
    let _ = s.all().emit("renamed", &person);
    demo.meters.count(1, tabs + 1);
    Ok(name)
}

/// The page measures how long this takes, there and back.
fn round_trip(State(demo): Shown) {
    demo.meters.count(1, 1);
}

async fn leave(s: Socket, State(demo): Shown) {
    let Some(visitor) = s.get::<Visitor>() else {
        return;
    };
    if let Some(id) = s.id() {
        demo.meters.gone(usize::from(id.shard().0));
    }
    let (name, tabs) = {
        let mut room = demo.room();
        (room.leave(&visitor.0), room.tabs())
    };
    if let Some(name) = name {
        let id = visitor.0.clone();
        let _ = s.broadcast().emit("left", &Person { id, name });
        demo.meters.count(0, tabs);
    }
}

/// Adds the chat's events to `/`.
pub(super) fn events(app: &mut App) {
    app.ns("/")
        .auth(admit)
        .on_connect(welcome)
        .on_sync("say", |s: Socket, demo: Shown, saying: Data<Saying>| {
            words::told(say(s, demo, saying))
        })
        .on_sync("typing", typing)
        .on_sync("rename", |s: Socket, demo: Shown, name: Data<String>| {
            words::told(rename(s, demo, name))
        })
        .on_sync("round trip", round_trip)
        .on_disconnect(leave);
}
