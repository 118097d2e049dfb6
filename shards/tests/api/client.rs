//! Answers: what is the least that speaks Socket.IO to a server.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value as Json;
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{CloseFrame, Role},
};

/// How long anything is waited for before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends a request over a connection of its own; the response's status and body.
pub(crate) fn http(address: SocketAddr, request: &str, body: &str) -> (u16, String) {
    let mut stream = connect(address);
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    split(&response)
}

/// Sends a request over a connection that stays; the response's status and body.
pub(crate) fn kept(stream: &mut TcpStream, request: &str) -> (u16, String) {
    write!(stream, "{request} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let head = head(stream);
    let (status, _) = split(&head);
    let head = head.to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    (status, String::from_utf8(body).unwrap())
}

/// A response's head, and nothing behind it.
fn head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn split(response: &str) -> (u16, String) {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Asks for a WebSocket; the refusal if there is one.
pub(crate) fn websocket(
    address: SocketAddr,
    target: &str,
) -> Result<WebSocket<TcpStream>, (u16, String)> {
    upgrade(connect(address), target)
}

/// The same over a connection that there is.
pub(crate) fn upgrade(
    mut stream: TcpStream,
    target: &str,
) -> Result<WebSocket<TcpStream>, (u16, String)> {
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         X-Test: here\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
    .unwrap();
    let mut response = head(&mut stream);
    if !response.starts_with("HTTP/1.1 101") {
        stream.read_to_string(&mut response).unwrap();
        return Err(split(&response));
    }
    Ok(WebSocket::from_raw_socket(stream, Role::Client, None))
}

/// Writes a text message over a WebSocket, for a thread that does nothing else.
pub(crate) fn write_text(stream: &mut TcpStream, text: &str) {
    let mut frame = vec![0x81, 0xff];
    frame.extend_from_slice(&(text.len() as u64).to_be_bytes());
    frame.extend_from_slice(&[0; 4]); // a mask that changes nothing
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).unwrap();
}

/// One Socket.IO client over WebSocket, in one namespace.
pub(crate) struct Client {
    ws: WebSocket<TcpStream>,
    /// `socket.id`.
    pub(crate) id: String,
    /// What stands before a packet's payload: empty for `/`, else `/name,`.
    prefix: String,
}

impl Client {
    /// In `/`.
    pub(crate) fn join(address: SocketAddr) -> Self {
        Self::join_as(address, "/", "").unwrap()
    }

    /// In a namespace, with credentials; or the error's JSON.
    pub(crate) fn join_as(address: SocketAddr, namespace: &str, auth: &str) -> Result<Self, Json> {
        let target = "/socket.io/?EIO=4&transport=websocket&tag=a%20b";
        Self::join_over(websocket(address, target).unwrap(), namespace, auth)
    }

    /// The same over a WebSocket that there is.
    pub(crate) fn join_over(
        ws: WebSocket<TcpStream>,
        namespace: &str,
        auth: &str,
    ) -> Result<Self, Json> {
        let mut client = Self {
            ws,
            id: String::new(),
            prefix: match namespace {
                "/" => String::new(),
                name => format!("{name},"),
            },
        };
        assert!(client.text().unwrap().starts_with("0{"));
        client.send(&format!("40{}{auth}", client.prefix));
        let answer = client.text().unwrap();
        let (kind, json) = answer.split_at(2);
        let json: Json = serde_json::from_str(&json[client.prefix.len()..]).unwrap();
        match kind {
            "40" => {
                json["sid"].as_str().unwrap().clone_into(&mut client.id);
                Ok(client)
            }
            "44" => Err(json),
            _ => panic!("{answer}"),
        }
    }

    /// Its connection.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.ws.get_mut()
    }

    /// Sends an Engine.IO packet.
    pub(crate) fn send(&mut self, packet: &str) {
        self.ws.send(Message::text(packet)).unwrap();
    }

    /// Sends a binary message.
    pub(crate) fn bytes(&mut self, bytes: &'static [u8]) {
        self.ws.send(Message::binary(bytes)).unwrap();
    }

    /// The next Engine.IO packet that is no ping; `None` when the connection was closed properly.
    pub(crate) fn text(&mut self) -> Option<String> {
        loop {
            match self.ws.read() {
                Ok(Message::Text(text)) if text.as_str() == "2" => self.send("3"),
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Close(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(Error::ConnectionClosed) => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The close frame that must come next.
    pub(crate) fn close_frame(&mut self) -> Option<CloseFrame> {
        match self.ws.read() {
            Ok(Message::Close(frame)) => frame,
            other => panic!("{other:?}"),
        }
    }

    /// The next Socket.IO packet of this kind, its payload as JSON.
    fn packet(&mut self, kind: &str) -> Json {
        let text = self
            .text()
            .unwrap_or_else(|| panic!("closed while waiting for {kind}"));
        let start = format!("{kind}{}", self.prefix);
        let payload = text
            .strip_prefix(&*start)
            .unwrap_or_else(|| panic!("{start}: {text}"));
        serde_json::from_str(payload).unwrap()
    }

    /// The next event: its name and arguments.
    pub(crate) fn event(&mut self) -> Json {
        self.packet("42")
    }

    /// Sends an event; `list` is its name and arguments as JSON.
    pub(crate) fn emit(&mut self, list: &str) {
        self.send(&format!("42{}{list}", self.prefix));
    }

    /// Sends an event and waits for its acknowledgement.
    pub(crate) fn ask(&mut self, list: &str) -> Json {
        self.send(&format!("42{}7{list}", self.prefix));
        let text = self.text().unwrap();
        let start = format!("43{}7", self.prefix);
        let payload = text
            .strip_prefix(&*start)
            .unwrap_or_else(|| panic!("{start}: {text}"));
        serde_json::from_str(payload).unwrap()
    }

    /// Waits for a question (an event with an id): the id, and its name and arguments.
    pub(crate) fn question(&mut self) -> (u64, Json) {
        let text = self.text().unwrap();
        let payload = text.strip_prefix(&*format!("42{}", self.prefix)).unwrap();
        let digits = payload.find('[').unwrap();
        let id = payload[..digits].parse().unwrap();
        (id, serde_json::from_str(&payload[digits..]).unwrap())
    }

    /// Answers a question.
    pub(crate) fn answer(&mut self, id: u64, list: &str) {
        self.send(&format!("43{}{id}{list}", self.prefix));
    }

    /// Leaves the namespace but keeps the connection.
    pub(crate) fn leave(&mut self) {
        self.send(&format!("41{}", self.prefix));
    }

    /// Breaks the connection without a word.
    pub(crate) fn vanish(self) {
        drop(self);
    }

    /// Nothing more comes: the connection is at its end.
    pub(crate) fn assert_end(mut self) {
        let mut rest = Vec::new();
        match self.ws.get_mut().read_to_end(&mut rest) {
            Ok(_) => assert_eq!(rest, b""),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
}
