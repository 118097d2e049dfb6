use anyhow::Result;
use serde_json::{Value, json};

use super::{cases, ensure_eq};
use crate::bench::Bench;
use crate::client::{Args, Client};

/// Enough clients that each of four shards has some, whichever way they were spread.
const CROWD: usize = 8;

cases! {
    "a room reaches its members and nobody else" => members_only,
    "a room gets binary" => binary,
    "to a room but the sender" => but_the_sender,
    "to a room except another" => except_another,
    "nothing arrives after leaving" => after_leaving,
    "a broadcast to all and to all but me" => broadcast,
}

/// Returns when everything the sender emitted before has arrived. "Nobody else got it" is shown by
/// order, not by waiting: a marker broadcast afterwards comes last.
async fn settle<'a>(
    bench: &Bench,
    sender: &Client,
    clients: impl IntoIterator<Item = &'a Client>,
) -> Result<()> {
    let marker = json!(bench.unique("marker"));
    sender.emit("broadcast", marker.clone()).await?;
    let marker = Args::Text(vec![marker]);
    for client in clients {
        client
            .next_where("broadcast", |args| *args == marker)
            .await?;
    }
    Ok(())
}

async fn crowd_in(bench: &Bench, room: &str) -> Result<Vec<Client>> {
    let crowd = bench.connect_many(CROWD).await?;
    for client in &crowd {
        client.call("join", vec![json!(room)]).await?;
    }
    Ok(crowd)
}

fn text(value: impl Into<Value>) -> Args {
    Args::Text(vec![value.into()])
}

async fn members_only(bench: Bench) -> Result<()> {
    let room = bench.unique("room é");
    let members = crowd_in(&bench, &room).await?;
    let outsiders = bench.connect_many(2).await?;
    members[0]
        .emit("room", vec![json!(room), json!("hello")])
        .await?;
    settle(&bench, &members[0], members.iter().chain(&outsiders)).await?;
    for member in &members {
        ensure_eq!(member.untaken("room").await, [text("hello")]);
    }
    for outsider in &outsiders {
        ensure_eq!(outsider.untaken("room").await, []);
    }
    Ok(())
}

async fn binary(bench: Bench) -> Result<()> {
    // This client sends one binary argument and nothing beside it, which `broadcast` takes.
    let clients = bench.connect_many(CROWD).await?;
    let bytes = bench.unique("binary").into_bytes();
    clients[0].emit("broadcast", bytes.clone()).await?;
    let expected = Args::Binary(bytes);
    for client in &clients {
        client
            .next_where("broadcast", |args| *args == expected)
            .await?;
    }
    Ok(())
}

async fn but_the_sender(bench: Bench) -> Result<()> {
    let room = bench.unique("room");
    let members = crowd_in(&bench, &room).await?;
    members[0]
        .emit("room-others", vec![json!(room), json!("hello")])
        .await?;
    settle(&bench, &members[0], &members).await?;
    ensure_eq!(members[0].untaken("room").await, []);
    for member in &members[1..] {
        ensure_eq!(member.untaken("room").await, [text("hello")]);
    }
    Ok(())
}

async fn except_another(bench: Bench) -> Result<()> {
    let (room, spared) = (bench.unique("room"), bench.unique("spared"));
    let members = crowd_in(&bench, &room).await?;
    for member in members.iter().step_by(2) {
        member.call("join", vec![json!(spared)]).await?;
    }
    members[0]
        .emit(
            "room-except",
            vec![json!(room), json!(spared), json!("hello")],
        )
        .await?;
    settle(&bench, &members[0], &members).await?;
    odd_ones_got(&members, "hello").await
}

async fn after_leaving(bench: Bench) -> Result<()> {
    let room = bench.unique("room");
    let members = crowd_in(&bench, &room).await?;
    for member in members.iter().step_by(2) {
        member.call("leave", vec![json!(room)]).await?;
    }
    members[0]
        .emit("room", vec![json!(room), json!("after")])
        .await?;
    settle(&bench, &members[0], &members).await?;
    odd_ones_got(&members, "after").await
}

async fn odd_ones_got(members: &[Client], value: &str) -> Result<()> {
    for (index, member) in members.iter().enumerate() {
        let expected = if index % 2 == 0 {
            vec![]
        } else {
            vec![text(value)]
        };
        ensure_eq!(member.untaken("room").await, expected);
    }
    Ok(())
}

async fn broadcast(bench: Bench) -> Result<()> {
    let clients = bench.connect_many(CROWD).await?;
    let (everybody, not_me) = (text(bench.unique("all")), text(bench.unique("others")));
    for (event, args) in [("broadcast", &everybody), ("broadcast-others", &not_me)] {
        clients[0].emit(event, args.clone().text()?).await?;
    }
    settle(&bench, &clients[0], &clients).await?;
    for (index, client) in clients.iter().enumerate() {
        let mut ours = client.untaken("broadcast").await;
        ours.retain(|args| *args == everybody || *args == not_me);
        let expected = if index == 0 {
            vec![everybody.clone()]
        } else {
            vec![everybody.clone(), not_me.clone()]
        };
        ensure_eq!(ours, expected);
    }
    Ok(())
}
