//! What clients in JavaScript say that Rust cannot hold, and answers that are given twice.

use std::{cell::RefCell, rc::Rc};

use serde_json::json;
use stentor::prelude::*;

use crate::{Client, start};

/// Half an emoji and a number beyond all doubles reach handlers, whatever they are decoded as.
#[test]
fn half_an_emoji_and_infinity_reach_handlers() {
    let running = start(|app| {
        app.ns("/")
            .auth(async |Auth(auth): Auth<serde_json::Value>| {
                assert_eq!(auth["name"], "\u{fffd}");
            })
            .on_sync("text", |Data(text): Data<String>| text)
            .on_sync("json", |Data(value): Data<serde_json::Value>| value)
            .on_sync("all", |Args(all): Args<Vec<Value>>| Args(all))
            .on_sync("number", |Data(number): Data<f64>| number)
            .on_sync("raw", |args: Raw| args);
    });
    let auth = r#"{"name":"\ud83d"}"#;
    let mut client = Client::join_as(running.address(), "/", auth).unwrap();
    assert_eq!(
        client.ask(r#"["text","hi \ud83d"]"#),
        json!(["hi \u{fffd}"])
    );
    let answer = json!([{ "\u{fffd}": [f64::MAX, "👍"] }]);
    assert_eq!(
        client.ask(r#"["json",{"\udc4d":[1e400,"\ud83d\udc4d"]}]"#),
        answer
    );
    let answer = json!(["\u{fffd}\u{fffd}", f64::MIN, 1]);
    assert_eq!(client.ask(r#"["all","\udc4d\ud83d",-1e400,1]"#), answer);
    let long = "x".repeat(1_000);
    let answer = json!([format!("\u{fffd}{long}"), f64::MAX]);
    assert_eq!(
        client.ask(&format!(r#"["all","\ud83d{long}",1e999]"#)),
        answer
    );
    assert_eq!(client.ask(r#"["number",1e400]"#), json!([f64::MAX]));
    // What is not decoded is passed on as it came.
    client.send(r#"427["raw","\ud83d",1e400]"#);
    assert_eq!(client.text().unwrap(), r#"437["\ud83d",1e400]"#);
    drop(client);
    running.stop().unwrap();
}

type Kept = RefCell<Vec<AckHandle>>;

/// Of an `AckHandle` and a handler's result, or of several handles, the first answer is sent and no other.
#[test]
fn a_question_is_answered_once() {
    let running = start(|app| {
        app.local(Kept::default());
        app.ns("/")
            .on_sync("both", |ack: AckHandle| {
                assert!(ack.is_wanted());
                assert!(ack.send(1));
                2
            })
            .on("both later", async |ack: AckHandle| {
                tokio::task::yield_now().await;
                assert!(ack.send(1));
                tokio::task::yield_now().await;
                2
            })
            .on_sync("and fails", |ack: AckHandle| {
                assert!(ack.send(1));
                Err::<(), _>("too late to say so")
            })
            .on_sync("two handles", |one: AckHandle, two: AckHandle| {
                assert!(one.send(1));
                assert!(!two.is_wanted());
                assert!(!two.send(2));
                NoAck
            })
            .on_sync("two handlers", || 1)
            .on_sync("two handlers", |ack: AckHandle| {
                assert!(!ack.send(2));
            })
            .on_sync(
                "result first",
                |ack: AckHandle, Local(kept): Local<Kept>| {
                    kept.borrow_mut().push(ack);
                    1
                },
            )
            .on_sync("then the handle", |Local(kept): Local<Kept>| {
                let kept: Rc<Kept> = kept;
                let late = kept.borrow_mut().pop().unwrap();
                late.is_wanted() || late.send(2)
            })
            .on_sync("cannot be encoded", |ack: AckHandle| {
                assert!(!ack.send(Args(5)));
                1
            });
    });
    let mut client = Client::join(running.address());
    for event in [
        "both",
        "both later",
        "and fails",
        "two handles",
        "two handlers",
        "result first",
        "cannot be encoded",
    ] {
        assert_eq!(
            client.ask(&format!(r#"["{event}"]"#)),
            json!([1]),
            "{event}"
        );
    }
    // A second answer would have come before this one.
    assert_eq!(client.ask(r#"["then the handle"]"#), json!([false]));
    drop(client);
    running.stop().unwrap();
}
