//! Who closes a session that is upgrading, and what its client still hears.

use std::net::{SocketAddr, TcpStream};

use serde_json::json;
use stentor::{EngineSocket, Message, Running, Server, prelude::*};
use tungstenite::WebSocket;

use crate::{SHARD_COUNTS, await_empty, channel, client, server};

const POLL: &str = "/socket.io/?EIO=4&transport=polling";
const PROBE: &str = "/socket.io/?EIO=4&transport=websocket";

/// A client that polls, and has probed.
struct Upgrading {
    address: SocketAddr,
    sid: String,
    ws: WebSocket<TcpStream>,
}

impl Upgrading {
    /// `connect` are the packets that it says before it probes; it polls until `until` has come.
    fn new(address: SocketAddr, connect: &str, until: &str) -> Self {
        let (_, open) = client::http(address, &format!("GET {POLL}"), "");
        let (_, sid) = open.split_once(r#""sid":""#).unwrap();
        let sid = sid[..20].to_owned();
        if !connect.is_empty() {
            client::http(address, &format!("POST {POLL}&sid={sid}"), connect);
            let mut polled = open;
            while !polled.contains(until) {
                polled = client::http(address, &format!("GET {POLL}&sid={sid}"), "").1;
            }
        }
        let ws = client::websocket(address, &format!("{PROBE}&sid={sid}")).unwrap();
        let mut client = Self { address, sid, ws };
        client.ws.send("2probe".into()).unwrap();
        assert_eq!(client.ws.read().unwrap(), "3probe".into());
        client
    }

    fn post(&self, body: &str) {
        let target = format!("POST {POLL}&sid={}", self.sid);
        assert_eq!(client::http(self.address, &target, body).0, 200);
    }

    /// Says `5`, and is told so much until the server closes.
    fn five(mut self) -> Vec<String> {
        self.ws.send("5".into()).unwrap();
        let mut told = Vec::new();
        loop {
            match self.ws.read().unwrap() {
                message if message.is_close() => return told,
                message => told.push(message.to_text().unwrap().to_owned()),
            }
        }
    }
}

fn root(app: &mut App) {
    app.ns("/");
}

fn ended(running: &Running) {
    await_empty(running.io());
}

#[test]
fn a_selection_is_removed() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(root).start().unwrap();
        let io = running.io().clone();
        let clients: Vec<_> = (0..6)
            .map(|_| Upgrading::new(running.address(), "40", "40{"))
            .collect();
        io.emit("last", "words").unwrap();
        io.all().disconnect(true).unwrap();
        for client in clients {
            assert_eq!(client.five(), [r#"42["last","words"]"#, "41"]);
        }
        ended(&running);
        running.stop().unwrap();
    }
}

#[test]
fn an_engine_session_is_closed() {
    for shards in SHARD_COUNTS {
        let running = Server::engine(|app| {
            app.on_message(|socket: &EngineSocket, message: Message<'_>| {
                socket.send(message);
                socket.close();
            });
        })
        .listen("127.0.0.1:0")
        .path("/socket.io/")
        .shards(shards)
        .pin(false)
        .start()
        .unwrap();
        for _ in 0..4 {
            let client = Upgrading::new(running.address(), "", "");
            client.post("4last words");
            assert_eq!(client.five(), ["4last words"]);
        }
        ended(&running);
        running.stop().unwrap();
    }
}

#[test]
fn the_server_stops() {
    for shards in SHARD_COUNTS {
        let running = server(shards).app(root).start().unwrap();
        let clients: Vec<_> = (0..4)
            .map(|_| Upgrading::new(running.address(), "40", "40{"))
            .collect();
        running.io().emit("last", "words").unwrap();
        let stopping = std::thread::spawn(move || running.stop());
        for client in clients {
            assert_eq!(client.five(), [r#"42["last","words"]"#]);
        }
        stopping.join().unwrap().unwrap();
    }
}

/// Every CONNECT is answered, whatever becomes of it.
#[test]
fn a_socket_that_its_auth_handler_disconnects_is_refused() {
    for (close, waits) in [(false, false), (true, false), (false, true), (true, true)] {
        let (tell, told) = channel();
        let running = crate::start(move |app| {
            app.ns("/");
            let tell = tell.clone();
            app.ns("/gated").auth(async move |s: Socket| {
                if waits {
                    tokio::task::yield_now().await;
                }
                s.disconnect(close);
                tell.send(()).unwrap();
            });
        });
        let refused = client::Client::join_as(running.address(), "/gated", "{}").err();
        let message = json!({ "message": "disconnected by the server" });
        assert_eq!(refused, Some(message), "close: {close}, waits: {waits}");
        told.recv().unwrap();
        running.stop().unwrap();
    }
}
