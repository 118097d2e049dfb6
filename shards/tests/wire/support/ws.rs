//! A WebSocket client of bytes, which also checks every frame it is sent.

use super::http::End;
use super::{Http, Response, Server, WS, field, show};

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const FIN: u8 = 0x80;

/// RFC 6455 1.3: the key of the example, and what it must be answered with.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What a client sees next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The code of a close frame; 1005 where it has none (RFC 6455 7.1.5).
    Close(u16),
    End(End),
}

#[derive(Debug)]
pub(crate) struct Ws {
    pub(crate) http: Http,
}

/// A frame as a client sends it. `first` is FIN, RSV and opcode.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = header(first, payload.len(), true);
    frame.extend(KEY);
    frame.extend(
        payload
            .iter()
            .zip(KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// A frame as no client may send it.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len(), false);
    frame.extend(payload);
    frame
}

/// The first bytes of a frame, the length in its shortest form.
pub(crate) fn header(first: u8, length: usize, mask: bool) -> Vec<u8> {
    let mask = if mask { 0x80 } else { 0 };
    let mut frame = vec![first];
    match length {
        0..=125 => frame.push(mask | u8::try_from(length).expect("at most 125")),
        126..=65535 => {
            frame.push(mask | 0x7e);
            frame.extend(u16::try_from(length).expect("at most 65535").to_be_bytes());
        }
        _ => {
            frame.push(mask | 0x7f);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame
}

/// The upgrade request every browser could have sent.
pub(crate) fn upgrade_request(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// The answer to an upgrade request of the test's own making.
pub(crate) fn ask(server: &Server, request: &str) -> (Http, Response) {
    let mut http = Http::connect(server);
    http.send(request);
    let response = http.response();
    (http, response)
}

impl Ws {
    /// 101, and nothing read behind it.
    #[track_caller]
    pub(crate) fn upgrade(server: &Server, target: &str) -> Self {
        let (http, response) = ask(server, &upgrade_request(target));
        assert_eq!(response.status, 101, "{response:?}");
        Self { http }
    }

    /// The Engine.IO handshake; the OPEN packet is returned.
    pub(crate) fn open(server: &Server) -> (Self, String) {
        let mut ws = Self::upgrade(server, WS);
        let open = ws.text();
        assert!(
            open.starts_with(r#"0{"sid":""#),
            "not an OPEN packet: {open}"
        );
        (ws, open)
    }

    /// The handshake, and CONNECT to `/`.
    #[track_caller]
    pub(crate) fn joined(server: &Server) -> Self {
        let (mut ws, _) = Self::open(server);
        ws.join("40");
        ws.expect_text(r#"42["auth",{}]"#);
        ws
    }

    /// Sends a CONNECT and returns the socket's id.
    #[track_caller]
    pub(crate) fn join(&mut self, connect: &str) -> String {
        self.send_text(connect);
        let answer = self.text();
        let start = connect
            .split('{')
            .next()
            .expect("split yields one part at least");
        assert!(
            answer.starts_with(start),
            "{connect:?} was answered {answer:?}"
        );
        let id = field(&answer, "sid").to_owned();
        assert_eq!(id.len(), 20, "{answer}");
        id
    }

    pub(crate) fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.http.send(bytes);
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.raw(masked(FIN | TEXT, text.as_bytes()));
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.raw(masked(FIN | BINARY, bytes));
    }

    pub(crate) fn event(&mut self) -> Event {
        self.frame().unwrap_or_else(Event::End)
    }

    fn frame(&mut self) -> Result<Event, End> {
        let head = self.http.take(2)?;
        assert_eq!(head[0] & 0x70, 0, "RSV bits without an extension");
        assert_eq!(head[0] & 0x80, 0x80, "a server has no reason to fragment");
        let length = match head[1] {
            n @ 0..=125 => usize::from(n),
            126 => {
                let bytes = self.http.take(2)?.try_into().expect("two bytes");
                let length = usize::from(u16::from_be_bytes(bytes));
                assert!(length > 125, "a length of {length} in 16 bits");
                length
            }
            127 => {
                let bytes = self.http.take(8)?.try_into().expect("eight bytes");
                let length = u64::from_be_bytes(bytes) as usize;
                assert!(length > 65535, "a length of {length} in 64 bits");
                length
            }
            _ => panic!("a server must not mask"),
        };
        let payload = self.http.take(length)?;
        Ok(match head[0] & 15 {
            TEXT => Event::Text(String::from_utf8(payload).expect("a text frame is UTF-8")),
            BINARY => Event::Binary(payload),
            PING => Event::Ping(payload),
            PONG => Event::Pong(payload),
            CLOSE => Event::Close(match payload[..] {
                [] => 1005,
                [high, low, ..] => u16::from_be_bytes([high, low]),
                [_] => panic!("a close frame with half a code"),
            }),
            opcode => panic!("opcode {opcode} from the server"),
        })
    }

    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        match self.event() {
            Event::Text(text) => text,
            other => panic!(
                "{other:?} instead of a text, before {}",
                show(&self.http.buf)
            ),
        }
    }

    #[track_caller]
    pub(crate) fn expect_text(&mut self, text: &str) {
        assert_eq!(self.event(), Event::Text(text.to_owned()));
    }

    #[track_caller]
    pub(crate) fn expect_binary(&mut self, bytes: &[u8]) {
        match self.event() {
            Event::Binary(got) if got == bytes => {}
            Event::Binary(got) => panic!("{} instead of {}", show(&got), show(bytes)),
            other => panic!("{other:?} instead of a binary message"),
        }
    }

    /// Sends an event and waits for its echo: the connection works.
    #[track_caller]
    pub(crate) fn echoes(&mut self, what: &str) {
        let event = format!(r#"42["echo","{what}"]"#);
        self.send_text(&event);
        self.expect_text(&event);
    }

    /// Says this packet, and is closed with no code and no other word.
    #[track_caller]
    pub(crate) fn is_closed_by(&mut self, packet: &str) {
        self.send_text(packet);
        match self.event() {
            Event::Close(1005) => {}
            other => panic!("{packet:?}: {other:?} instead of a close without code"),
        }
    }

    /// The server closes with one of these codes, says nothing else, and the TCP connection ends
    /// once we have answered.
    #[track_caller]
    pub(crate) fn closes(&mut self, codes: &[u16]) {
        match self.event() {
            Event::Close(code) if codes.contains(&code) => {}
            other => panic!("{other:?} instead of a close with {codes:?}"),
        }
        self.raw(masked(FIN | CLOSE, &[]));
        let (rest, _) = self.http.rest();
        assert!(
            rest.is_empty(),
            "after its close frame the server sent {}",
            show(&rest)
        );
    }

    /// The connection ends, with a close frame or without; what came before it is returned.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> Vec<Event> {
        let mut before = Vec::new();
        loop {
            match self.event() {
                Event::Close(_) => self.raw(masked(FIN | CLOSE, &[])),
                Event::End(_) => return before,
                other => before.push(other),
            }
        }
    }
}
