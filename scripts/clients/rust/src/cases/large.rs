//! Not over polling: there this client takes each chunk of a body for a payload of its own.

use anyhow::{Result, ensure};
use serde_json::json;

use super::cases;
use crate::bench::Bench;
use crate::client::Args;

cases! {
    "large text and large binary" => large,
}

async fn large(bench: Bench) -> Result<()> {
    let client = bench.connect().await?;
    let text = vec![json!("0123456789é🚀".repeat(20_000))];
    client.emit("message", text.clone()).await?;
    ensure!(
        client.next("message-back").await? == Args::Text(text),
        "the text differs"
    );
    let bytes = b"stentor".repeat(60_000);
    client.emit("message", bytes.clone()).await?;
    ensure!(
        client.next("message-back").await? == Args::Binary(bytes),
        "the binary differs"
    );
    Ok(())
}
