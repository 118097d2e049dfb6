use anyhow::Result;
use serde_json::json;

use super::{cases, ensure_eq};
use crate::bench::Bench;

cases! {
    "the client comes back after the server was killed" => killed,
}

async fn killed(bench: Bench) -> Result<()> {
    let mut server = bench.start_server().await?;
    let client = bench
        .connect_to(&server.url(), "/", Some(json!({"token": "kept"})))
        .await?;
    client.next("auth").await?;
    server.kill().await?;
    client.next("error").await?;
    server.start_again().await?;
    client.next("connect").await?;
    ensure_eq!(
        client.next("auth").await?.text()?,
        [json!({"token": "kept"})]
    );
    ensure_eq!(
        client.call("message-with-ack", vec![json!("back")]).await?,
        ["back"]
    );
    Ok(())
}
