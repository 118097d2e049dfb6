//! The test server's connections: WebSocket, long-polling, and the change from one to the other.
//! Must not know events or faults. Plain and slow on purpose: one look at every connection a turn.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tungstenite::{Error, Message, WebSocket};

/// A client's number, from 1, in the order in which they came; also its sid.
pub(crate) type Id = u64;

/// What clients did, for tests to ask.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Sessions begun by WebSocket.
    pub(crate) websockets: AtomicU64,
    /// Sessions begun by polling.
    pub(crate) pollings: AtomicU64,
    /// Changes from polling to WebSocket carried out.
    pub(crate) upgrades: AtomicU64,
    /// Heartbeats answered.
    pub(crate) pongs: AtomicU64,
}

/// How the server takes an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upgrades {
    Taken,
    /// Not offered.
    Refused,
    /// Offered, but the probe is never answered.
    Ignored,
}

#[derive(Default)]
struct Session {
    websocket: Option<WebSocket<TcpStream>>,
    /// The WebSocket being tried.
    probe: Option<WebSocket<TcpStream>>,
    /// Packets for the next poll.
    queue: Vec<String>,
    /// The connection whose poll waits for them.
    waiting: Option<TcpStream>,
}

struct Http {
    stream: TcpStream,
    data: Vec<u8>,
}

struct Request {
    is_post: bool,
    sid: Option<Id>,
    body: String,
}

/// All connections of the server.
pub(crate) struct Wire {
    listener: TcpListener,
    upgrades: Upgrades,
    /// Milliseconds.
    ping_every: u32,
    sources: Arc<Mutex<BTreeSet<IpAddr>>>,
    sessions: BTreeMap<Id, Session>,
    https: Vec<Http>,
    arrived: Vec<(Id, Message)>,
    last: Id,
}

impl Wire {
    pub(crate) fn new(
        listener: TcpListener,
        upgrades: Upgrades,
        ping_every: u32,
        sources: Arc<Mutex<BTreeSet<IpAddr>>>,
    ) -> Self {
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            upgrades,
            ping_every,
            sources,
            sessions: BTreeMap::new(),
            https: Vec::new(),
            arrived: Vec::new(),
            last: 0,
        }
    }

    /// Whether a client is still there.
    pub(crate) fn has(&self, id: Id) -> bool {
        self.sessions.contains_key(&id)
    }

    /// What has come since the last turn, from all clients.
    pub(crate) fn turn(&mut self, seen: &Seen) -> Vec<(Id, Message)> {
        while let Ok((stream, from)) = self.listener.accept() {
            self.sources.lock().unwrap().insert(from.ip());
            self.accept(stream, seen);
        }
        for mut http in std::mem::take(&mut self.https) {
            if http.receive() {
                while let Some(request) = http.request() {
                    self.serve(&http.stream, &request, seen);
                }
                self.https.push(http);
            }
        }
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.read_websocket(id);
            self.read_probe(id, seen);
        }
        std::mem::take(&mut self.arrived)
    }

    /// Sends, or queues for the next poll.
    pub(crate) fn send(&mut self, id: Id, message: Message) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(websocket) = &mut session.websocket else {
            session.queue.push(match message {
                Message::Binary(data) => format!("b{}", BASE64_STANDARD.encode(data)),
                other => other.into_text().unwrap().to_string(),
            });
            return session.answer_poll();
        };
        match websocket.send(message) {
            Ok(()) => {}
            // Kept by the library and sent with the next.
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.hang_up(id),
        }
    }

    /// Ends a session without a word.
    pub(crate) fn hang_up(&mut self, id: Id) {
        if let Some(waiting) = self.sessions.remove(&id).and_then(|s| s.waiting) {
            answer(&waiting, "400 Bad Request", "gone");
        }
    }

    fn accept(&mut self, stream: TcpStream, seen: &Seen) {
        stream.set_nonblocking(false).unwrap();
        let patience = Duration::from_secs(10);
        stream.set_read_timeout(Some(patience)).unwrap();
        // The generator sends its request in one piece; one that sends none has given up.
        let mut head = [0; 2048];
        let length = stream.peek(&mut head).unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        if !head.contains("transport=websocket") {
            stream.set_nonblocking(true).unwrap();
            let data = Vec::new();
            return self.https.push(Http { stream, data });
        }
        let Ok(mut websocket) = tungstenite::accept(stream) else {
            return;
        };
        websocket.get_ref().set_nonblocking(true).unwrap();
        if let Some(sid) = sid(&head) {
            if let Some(session) = self.sessions.get_mut(&sid) {
                session.probe = Some(websocket);
            }
            return;
        }
        seen.websockets.fetch_add(1, Relaxed);
        let id = self.open();
        let open = self.handshake(id, Upgrades::Refused);
        websocket.send(Message::text(open)).unwrap();
        self.sessions.get_mut(&id).unwrap().websocket = Some(websocket);
    }

    fn open(&mut self) -> Id {
        self.last += 1;
        self.sessions.insert(self.last, Session::default());
        self.last
    }

    fn handshake(&self, id: Id, upgrades: Upgrades) -> String {
        let offered: &[&str] = match upgrades {
            Upgrades::Refused => &[],
            Upgrades::Taken | Upgrades::Ignored => &["websocket"],
        };
        let open = serde_json::json!({
            "sid": id.to_string(),
            "upgrades": offered,
            "pingInterval": self.ping_every,
            "pingTimeout": self.ping_every,
            "maxPayload": 1_000_000,
        });
        format!("0{open}")
    }

    fn serve(&mut self, stream: &TcpStream, request: &Request, seen: &Seen) {
        let Some(id) = request.sid else {
            seen.pollings.fetch_add(1, Relaxed);
            let id = self.open();
            return answer(stream, "200 OK", &self.handshake(id, self.upgrades));
        };
        let Some(session) = self.sessions.get_mut(&id) else {
            return answer(stream, "400 Bad Request", "unknown session");
        };
        if !request.is_post {
            assert!(session.waiting.is_none(), "two polls of one client at once");
            session.waiting = Some(stream.try_clone().unwrap());
            return session.answer_poll();
        }
        assert!(session.websocket.is_none(), "a post after the upgrade");
        for part in request.body.split('\u{1e}') {
            let message = match part.strip_prefix('b') {
                Some(data) => Message::Binary(BASE64_STANDARD.decode(data).unwrap().into()),
                None => Message::text(part),
            };
            self.arrived.push((id, message));
        }
        answer(stream, "200 OK", "ok");
    }

    fn read_websocket(&mut self, id: Id) {
        while let Some(websocket) = &mut self.sessions.get_mut(&id).unwrap().websocket {
            match websocket.read() {
                Ok(message) => self.arrived.push((id, message)),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.hang_up(id),
            }
        }
    }

    fn read_probe(&mut self, id: Id, seen: &Seen) {
        let ignores = self.upgrades == Upgrades::Ignored;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some(probe) = &mut session.probe else {
            return;
        };
        match probe.read() {
            Ok(Message::Text(text)) if text == "2probe" && !ignores => {
                probe.send(Message::text("3probe")).unwrap();
                // The poll that waits is let go, so that the client can stop polling.
                session.queue.push("6".to_owned());
                session.answer_poll();
            }
            Ok(Message::Text(text)) if text == "5" => {
                seen.upgrades.fetch_add(1, Relaxed);
                session.websocket = session.probe.take();
                for text in std::mem::take(&mut session.queue) {
                    self.send(id, Message::text(text));
                }
            }
            _ => {}
        }
    }
}

impl Session {
    fn answer_poll(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(stream) = self.waiting.take() {
            answer(&stream, "200 OK", &self.queue.join("\u{1e}"));
            self.queue.clear();
        }
    }
}

impl Http {
    /// Takes in what has come; false at the end of the connection.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 16384];
        match self.stream.read(&mut buffer) {
            Ok(received) => {
                self.data.extend_from_slice(&buffer[..received]);
                received > 0
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// The next request, when all of it is there.
    fn request(&mut self) -> Option<Request> {
        let end = self.data.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&self.data[..end]).into_owned();
        let mut lines = head.lines();
        let length = lines.find_map(|l| l.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |l| l.parse().unwrap());
        let body = self.data.get(end..end + length)?.to_vec();
        self.data.drain(..end + length);
        Some(Request {
            is_post: head.starts_with("POST "),
            sid: sid(&head),
            body: String::from_utf8(body).unwrap(),
        })
    }
}

fn sid(head: &str) -> Option<Id> {
    let (_, rest) = head.lines().next()?.split_once("sid=")?;
    rest.split([' ', '&']).next()?.parse().ok()
}

/// Small answers only: what a socket takes at once.
fn answer(mut stream: &TcpStream, status: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}");
    // A client that has gone away needs no answer.
    let _ = stream.write_all(text.as_bytes());
}
