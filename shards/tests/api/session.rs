//! What stays known of a client while it is there, and who hears that it has upgraded.

use std::{net::SocketAddr, rc::Rc};

use serde::Deserialize;
use serde_json::{Value as Json, json};
use stentor::{Server, prelude::*};
use tungstenite::Message as WsMessage;

use crate::{Client, SHARD_COUNTS, channel, client, server, start};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

#[derive(Deserialize)]
struct Login {
    user: String,
}

/// What a namespace keeps can be asked for by every handler, to the last; without that it is gone.
#[test]
fn credentials_stay_where_they_are_kept() {
    let (told, hear) = channel();
    let running = start(move |app| {
        let told = told.clone();
        app.ns("/kept")
            .keep_auth()
            .on_sync("who", |Auth(login): Auth<Login>| login.user)
            .on("later", async |s: Socket, Auth(login): Auth<Login>| {
                tokio::task::yield_now().await;
                s.set(1_u8); // beside what user code keeps
                login.user
            })
            .on_disconnect(async move |Auth(login): Auth<Login>| {
                let _ = told.send(login.user);
            });
        app.ns("/guarded")
            .keep_auth()
            .auth(async |Auth(_): Auth<Login>| ())
            .on_sync("who", |Auth(login): Auth<Login>| login.user);
        app.ns("/forgets")
            .on_sync("who", |login: Option<Auth<Login>>| {
                login.map_or_else(|| "nobody".to_owned(), |Auth(login)| login.user)
            });
    });
    let auth = r#"{"user":"ada"}"#;
    let mut kept = Client::join_as(running.address(), "/kept", auth).unwrap();
    assert_eq!(kept.ask(r#"["who"]"#), json!(["ada"]));
    assert_eq!(kept.ask(r#"["later"]"#), json!(["ada"]));
    assert_eq!(kept.ask(r#"["who"]"#), json!(["ada"]));
    let mut guarded = Client::join_as(running.address(), "/guarded", auth).unwrap();
    assert_eq!(guarded.ask(r#"["who"]"#), json!(["ada"]));
    let mut forgets = Client::join_as(running.address(), "/forgets", auth).unwrap();
    assert_eq!(forgets.ask(r#"["who"]"#), json!(["nobody"]));
    // None were sent, and none fit: that is the client's own mistake.
    let mut bare = Client::join_as(running.address(), "/kept", "").unwrap();
    let error = "invalid credentials: missing field `user`";
    let expected = json!([{ "error": { "message": error } }]);
    assert_eq!(bare.ask(r#"["who"]"#), expected);
    kept.leave();
    assert_eq!(hear.recv_timeout(client::PATIENCE).unwrap(), "ada");
    drop((kept, guarded, forgets, bare));
    running.stop().unwrap();
}

#[test]
fn a_handshake_is_a_value_of_serde() {
    let running = start(|app| {
        app.ns("/")
            .on_sync("handshake", |handshake: Rc<Handshake>| {
                serde_json::to_value(&*handshake)
            });
    });
    let target = format!("{WEBSOCKET}&user%20id=a+b");
    let ws = client::websocket(running.address(), &target).unwrap();
    let mut client = Client::join_over(ws, "/", "").unwrap();
    let handshake = client.ask(r#"["handshake"]"#)[0].take();
    assert_eq!(handshake["url"], target);
    assert_eq!(handshake["address"], "127.0.0.1");
    assert!(handshake["issued"].is_u64(), "{handshake}");
    let query = json!({ "EIO": "4", "transport": "websocket", "user id": "a b" });
    assert_eq!(handshake["query"], query);
    assert_eq!(handshake["headers"]["x-test"], "here");
    drop(client);
    running.stop().unwrap();
}

/// A session over long-polling, which has sent `packets`; its sid.
fn polling(at: SocketAddr, packets: &str) -> String {
    let (_, open) = client::http(at, &format!("GET {POLLING}"), "");
    let open: Json = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap().to_owned();
    let target = format!("{POLLING}&sid={sid}");
    if !packets.is_empty() {
        let sent = client::http(at, &format!("POST {target}"), packets);
        assert_eq!(sent, (200, "ok".to_owned()));
        let (_, joined) = client::http(at, &format!("GET {target}"), "");
        assert!(joined.starts_with("40"), "{joined}");
    }
    sid
}

/// Upgrades, sends `packet` at once, and reads until one that is `last`.
fn upgrade(at: SocketAddr, sid: &str, packet: &str, last: &str) -> Vec<String> {
    let mut ws = client::websocket(at, &format!("{WEBSOCKET}&sid={sid}")).unwrap();
    ws.send(WsMessage::text("2probe")).unwrap();
    assert_eq!(ws.read().unwrap(), WsMessage::text("3probe"));
    ws.write(WsMessage::text("5")).unwrap();
    ws.write(WsMessage::text(packet)).unwrap();
    ws.flush().unwrap();
    let mut read = Vec::new();
    while read.last().is_none_or(|text| text != last) {
        match ws.read().unwrap() {
            WsMessage::Text(text) => read.push(text.as_str().to_owned()),
            other => panic!("{other:?}"),
        }
    }
    read
}

/// Every namespace that the client is in hears it, before what comes over the WebSocket.
#[test]
fn who_upgrades_is_told_of() {
    for shards in SHARD_COUNTS {
        let running = server(shards)
            .app(|app| {
                for name in ["/", "/other"] {
                    app.ns(name)
                        .on_upgrade(async |s: Socket, EventName(name): EventName| {
                            s.emit(&name, s.transport()).unwrap();
                            tokio::task::yield_now().await;
                            Err::<(), _>("as good as any, and logged")
                        })
                        .on_sync("transport", |s: Socket| s.transport().unwrap().to_owned());
                }
                app.ns("/silent");
            })
            .start()
            .unwrap();
        let at = running.address();
        let sid = polling(at, "40\x1e40/other,\x1e40/silent,");
        let read = upgrade(at, &sid, r#"421["transport"]"#, r#"431["websocket"]"#);
        let expected = [
            r#"42["upgrade","websocket"]"#,
            r#"42/other,["upgrade","websocket"]"#,
            r#"431["websocket"]"#,
        ];
        assert_eq!(read, expected, "{shards} shards");
        // Who begins with WebSocket does not upgrade.
        let mut client = Client::join(at);
        assert_eq!(client.ask(r#"["transport"]"#), json!(["websocket"]));
        drop(client);
        running.stop().unwrap();
    }
}

/// What the handler says comes, although the session is closed in the same breath.
#[test]
fn a_client_may_be_removed_as_it_upgrades() {
    let running = start(|app| {
        app.ns("/").on_upgrade(async |s: Socket| {
            let _ = s.emit("bye", ());
            s.disconnect(true);
        });
    });
    let sid = polling(running.address(), "40");
    let read = upgrade(running.address(), &sid, r#"42["late"]"#, "41");
    assert_eq!(read, [r#"42["bye"]"#, "41"]);
    running.stop().unwrap();
}

#[test]
fn engine_io_alone_hears_of_upgrades_too() {
    let running = Server::engine(|app| {
        app.on_upgrade(|socket| {
            socket.send(Message::Text(socket.transport().unwrap()));
        })
        .on_message(|socket, message| {
            socket.send(message);
        });
    })
    .listen("127.0.0.1:0")
    .path("/socket.io")
    .shards(1)
    .pin(false)
    .start()
    .unwrap();
    let sid = polling(running.address(), "");
    let read = upgrade(running.address(), &sid, "4hello", "4hello");
    assert_eq!(read, ["4websocket", "4hello"]);
    running.stop().unwrap();
}
