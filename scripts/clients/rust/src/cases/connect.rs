use anyhow::Result;
use serde_json::{Value, json};

use super::{cases, ensure_eq};
use crate::bench::Bench;

cases! {
    "the server sees the auth that was sent" => auth_is_seen,
    "no auth arrives as an empty object" => no_auth_is_empty,
    "the right auth is accepted" => right_auth_is_accepted,
    "a refused auth carries message and data" => wrong_auth_is_refused,
    "an unknown namespace is refused" => unknown_namespace_is_refused,
    "another namespace" => another_namespace,
    "the server knows the transport" => transport_is_known,
}

async fn auth_is_seen(bench: Bench) -> Result<()> {
    let auth = json!({"token": "123", "nested": {"list": [1, "two", null]}});
    let client = bench
        .connect_to(&bench.url, "/", Some(auth.clone()))
        .await?;
    ensure_eq!(client.next("auth").await?.text()?, [auth]);
    Ok(())
}

async fn no_auth_is_empty(bench: Bench) -> Result<()> {
    ensure_eq!(
        bench.connect().await?.next("auth").await?.text()?,
        [json!({})]
    );
    Ok(())
}

async fn right_auth_is_accepted(bench: Bench) -> Result<()> {
    let auth = json!({"token": "letmein"});
    let client = bench
        .connect_to(&bench.url, "/guarded", Some(auth.clone()))
        .await?;
    ensure_eq!(client.next("auth").await?.text()?, [auth]);
    Ok(())
}

async fn wrong_auth_is_refused(bench: Bench) -> Result<()> {
    let expected =
        json!({"message": "not authorized", "data": {"code": "E_AUTH", "token": "wrong"}});
    ensure_eq!(
        refusal(&bench, "/guarded", Some(json!({"token": "wrong"}))).await?,
        expected
    );
    Ok(())
}

async fn unknown_namespace_is_refused(bench: Bench) -> Result<()> {
    ensure_eq!(
        refusal(&bench, "/no-such-namespace", None).await?,
        json!({"message": "Invalid namespace"})
    );
    Ok(())
}

async fn refusal(bench: &Bench, namespace: &str, auth: Option<Value>) -> Result<Value> {
    let error = bench
        .open(&bench.url, namespace, auth)
        .await?
        .next("error")
        .await?
        .text()?;
    let [Value::String(text)] = error.as_slice() else {
        anyhow::bail!("no text: {error:?}")
    };
    let (_, json) = text.split_once(": ").unwrap_or_default();
    Ok(serde_json::from_str(json)?)
}

async fn another_namespace(bench: Bench) -> Result<()> {
    let client = bench
        .connect_to(&bench.url, "/custom", Some(json!({"a": 1})))
        .await?;
    ensure_eq!(client.next("auth").await?.text()?, [json!({"a": 1})]);
    client.emit("message", json!("to custom")).await?;
    ensure_eq!(
        client.next("message-back").await?.text()?,
        [json!("to custom")]
    );
    Ok(())
}

async fn transport_is_known(bench: Bench) -> Result<()> {
    let expected = if bench.transport_name == "polling" {
        "polling"
    } else {
        "websocket"
    };
    let seen = bench.connect().await?.call("whoami", vec![]).await?;
    ensure_eq!(&seen[0]["transport"], expected);
    Ok(())
}
