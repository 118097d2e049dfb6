use anyhow::Result;
use serde_json::{Value, json};

use super::{cases, ensure_eq};
use crate::bench::Bench;

cases! {
    "the server answers with text" => text,
    "a late answer" => late,
    "a handler that throws harms only its own event" => throws,
}

async fn text(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    for args in [
        vec![],
        vec![json!("x")],
        vec![json!(1), json!("2"), json!({"3": [false]})],
    ] {
        ensure_eq!(client.call("message-with-ack", args.clone()).await?, args);
    }
    Ok(())
}

async fn late(bench: Bench) -> Result<()> {
    ensure_eq!(
        bench
            .connect()
            .await?
            .call("late-ack", vec![json!(200), json!("late")])
            .await?,
        ["late"]
    );
    Ok(())
}

async fn throws(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    client.emit("throw", json!("a")).await?;
    client.emit("throw", vec![1_u8]).await?;
    ensure_eq!(
        client
            .call("message-with-ack", vec![json!("after")])
            .await?,
        ["after"]
    );
    ensure_eq!(client.untaken("close").await, []);
    ensure_eq!(
        client.next("auth").await?.text()?,
        [Value::Object(serde_json::Map::new())]
    );
    Ok(())
}
