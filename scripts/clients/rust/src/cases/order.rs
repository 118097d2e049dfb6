use anyhow::Result;
use serde_json::json;

use super::{cases, ensure_eq};
use crate::bench::Bench;
use crate::client::Args;

cases! {
    "100 events in one go are answered in order" => in_order,
}

async fn in_order(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    let sent: Vec<Args> = (0..100_u8)
        .map(|i| {
            if i % 3 == 1 {
                Args::Binary(vec![i])
            } else {
                Args::Text(vec![json!(i)])
            }
        })
        .collect();
    for args in &sent {
        match args.clone() {
            Args::Text(values) => client.emit("message", values).await?,
            Args::Binary(bytes) => client.emit("message", bytes).await?,
        }
    }
    for args in sent {
        ensure_eq!(client.next("message-back").await?, args);
    }
    Ok(())
}
