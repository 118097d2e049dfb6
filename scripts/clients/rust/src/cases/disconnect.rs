use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{cases, ensure_eq};
use crate::bench::Bench;
use crate::client::Client;

cases! {
    "by the client" => by_the_client,
    "by the server, one namespace" => by_the_server_one,
    "by the server, the whole connection" => by_the_server_all,
}

/// Nobody broadcasts in this namespace. A broadcast that meets a WebSocket which is just closing is
/// a write error, and the official server then says `transport error`.
const QUIET: &str = "/guarded";

/// A client, a witness of its end, and the tag the witness will see.
struct Watched {
    client: Client,
    witness: Client,
    tag: String,
}

impl Watched {
    async fn new(bench: &Bench) -> Result<Self> {
        let (client, witness) = (
            bench
                .connect_to(&bench.url, QUIET, Some(json!({"token": "letmein"})))
                .await?,
            bench.connect().await?,
        );
        let tag = bench.unique("watched");
        witness
            .call("join", vec![json!(format!("gone:{tag}"))])
            .await?;
        client.call("watch", vec![json!(tag)]).await?;
        Ok(Self {
            client,
            witness,
            tag,
        })
    }

    /// The reason the server saw.
    async fn gone(&self) -> Result<Value> {
        let mut seen = self.witness.next("gone").await?.text()?;
        ensure_eq!(&seen[0], &json!(self.tag));
        Ok(seen.remove(1))
    }
}

async fn by_the_client(bench: Bench) -> Result<()> {
    let watched = Watched::new(&bench).await?;
    watched.client.disconnect().await?;
    // The client says DISCONNECT and closes the engine in one breath; the official server may let
    // the close overtake.
    let reason = watched.gone().await?;
    ensure!(
        reason == "client namespace disconnect" || reason == "transport close",
        "{reason}"
    );
    Ok(())
}

async fn by_the_server_one(bench: Bench) -> Result<()> {
    by_the_server(bench, false).await
}

async fn by_the_server_all(bench: Bench) -> Result<()> {
    by_the_server(bench, true).await
}

async fn by_the_server(bench: Bench, close: bool) -> Result<()> {
    let watched = Watched::new(&bench).await?;
    watched.client.emit("kick", json!(close)).await?;
    ensure_eq!(watched.gone().await?, "server namespace disconnect");
    watched.client.next("close").await?;
    Ok(())
}
