use anyhow::Result;
use serde_json::json;

use super::{cases, ensure_eq};
use crate::bench::Bench;
use crate::client::Args;

cases! {
    "text of every kind comes back unchanged" => text,
    "binary comes back unchanged" => binary,
    "100 events from one handler call" => flood,
}

async fn text(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    let args = vec![
        json!(""),
        json!("quotes \" \\ / ,"),
        json!("line\nfeed \u{0} \u{1e} \u{2028} end"),
        json!("über 東京 🚀"),
        json!(null),
        json!(-1.5),
        json!({"a": {"b": [1, {"c": null}]}}),
        json!([[[]]]),
    ];
    client.emit("message", args.clone()).await?;
    ensure_eq!(client.next("message-back").await?.text()?, args);
    Ok(())
}

async fn binary(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    // Not 0x1e: this client takes it for the separator of a polling payload. Nor an empty one,
    // which ends its WebSocket.
    let separator_free = (0..=255).filter(|byte| *byte != 0x1e).collect::<Vec<u8>>();
    for bytes in [separator_free, vec![255]] {
        client.emit("message", bytes.clone()).await?;
        ensure_eq!(client.next("message-back").await?, Args::Binary(bytes));
    }
    Ok(())
}

async fn flood(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    client.call("flood", vec![json!(100), json!("d")]).await?;
    for i in 0..100 {
        ensure_eq!(client.next("flood").await?.text()?, [json!(i), json!("d")]);
    }
    ensure_eq!(client.untaken("flood").await, []);
    Ok(())
}
