//! Answers: what does an HTTP request get.
//!
//! WebSocket handshakes, and echoes over long-polling: requests as the load generator spells them, with
//! `Content-Length`. Sessions that poll get no pings and live as long as the process. It must not know sockets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::contract;
use super::frame::{self, Hangup, TEXT};

/// Between two packets of a body.
const SEPARATOR: u8 = 0x1e;

/// A session that polls.
#[derive(Debug, Default)]
struct Session {
    /// The connection whose GET waits.
    waiting: Option<u32>,
    /// Packets that no GET has taken.
    queue: Vec<u8>,
}

/// All sessions that poll; a sid is the place in the list.
#[derive(Debug, Default)]
pub struct Sessions(Vec<Session>);

/// What became of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// There is no whole request.
    Partial,
    /// So many bytes were a request.
    Request(usize),
    /// So many bytes were a handshake; what follows are frames.
    WebSocket(usize),
}

impl Sessions {
    /// Reads one request of connection `from` and appends its answer to `out`. What another connection's GET has
    /// waited for is `released` to it.
    ///
    /// # Errors
    /// If the request names a session that there is not.
    pub fn read(
        &mut self,
        bytes: &[u8],
        (from, ping_interval_ms): (u32, u64),
        out: &mut Vec<u8>,
        released: &mut Option<(u32, Vec<u8>)>,
    ) -> Result<Read, Hangup> {
        let Some(end) = find(bytes, b"\r\n\r\n") else {
            return Ok(Read::Partial);
        };
        let head = &bytes[..end];
        if let Some(at) = find(head, b"Sec-WebSocket-Key: ") {
            let key = &head[at..];
            let len = key.iter().position(|byte| *byte == b'\r').ok_or(Hangup)?;
            handshake(&key[..len], (from, ping_interval_ms), out);
            return Ok(Read::WebSocket(end));
        }
        let len = find(head, b"Content-Length: ").map_or(0, |at| number(&head[at..]));
        let Some(body) = bytes.get(end..end.saturating_add(len)) else {
            return if len > frame::LARGEST {
                Err(Hangup)
            } else {
                Ok(Read::Partial)
            };
        };
        match find(head, b"&sid=") {
            None => {
                let sid = self.0.len().to_string();
                self.0.push(Session::default());
                ok(
                    out,
                    contract::open(&sid, "\"websocket\"", ping_interval_ms).as_bytes(),
                );
            }
            Some(at) => {
                let sid = number(&head[at..]);
                let session = self.0.get_mut(sid).ok_or(Hangup)?;
                if head.starts_with(b"POST") {
                    ok(out, b"ok");
                    *released = session.post(sid, body)?;
                } else if session.queue.is_empty() {
                    session.waiting = Some(from);
                } else {
                    ok(out, &session.queue);
                    session.queue.clear();
                }
            }
        }
        Ok(Read::Request(end + len))
    }
}

impl Session {
    /// Queues the answers to a body of packets, for the GET that waits if there is one.
    fn post(&mut self, sid: usize, body: &[u8]) -> Result<Option<(u32, Vec<u8>)>, Hangup> {
        for packet in body.split(|byte| *byte == SEPARATOR) {
            if packet.starts_with(b"42[\"echo\",") {
                self.push(packet);
            } else if packet == b"40" {
                self.push(contract::connected(sid as u64).as_bytes());
            } else if packet != b"3" {
                return Err(Hangup);
            }
        }
        if self.queue.is_empty() {
            return Ok(None);
        }
        Ok(self.waiting.take().map(|to| {
            let mut answer = Vec::with_capacity(self.queue.len() + 100);
            ok(&mut answer, &self.queue);
            self.queue.clear();
            (to, answer)
        }))
    }

    fn push(&mut self, packet: &[u8]) {
        if !self.queue.is_empty() {
            self.queue.push(SEPARATOR);
        }
        self.queue.extend_from_slice(packet);
    }
}

fn handshake(key: &[u8], (from, ping_interval_ms): (u32, u64), out: &mut Vec<u8>) {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(hash.digest().bytes());
    out.extend_from_slice(
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        .as_bytes(),
    );
    let sid = format!("{from:020x}");
    frame::write(
        out,
        TEXT,
        &[contract::open(&sid, "", ping_interval_ms).as_bytes()],
    );
}

fn ok(out: &mut Vec<u8>, body: &[u8]) {
    let len = body.len();
    out.extend_from_slice(
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: {len}\r\n\r\n"
        )
        .as_bytes(),
    );
    out.extend_from_slice(body);
}

/// Where `wanted` ends.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let at = bytes
        .windows(wanted.len())
        .position(|window| window == wanted)?;
    Some(at + wanted.len())
}

/// The number that `bytes` begin with; what is too long for one is too large for all that ask.
fn number(bytes: &[u8]) -> usize {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: usize, digit| {
        number
            .saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to a request of connection `from`, and what another is released with.
    fn asked(sessions: &mut Sessions, from: u32, request: &str) -> (String, Option<(u32, String)>) {
        let (mut out, mut released) = (Vec::new(), None);
        let read = sessions.read(request.as_bytes(), (from, 25_000), &mut out, &mut released);
        assert_eq!(read, Ok(Read::Request(request.len())));
        let body = |bytes: &[u8]| {
            let start = find(bytes, b"\r\n\r\n").unwrap_or_default();
            String::from_utf8(bytes[start..].to_vec()).unwrap()
        };
        (body(&out), released.map(|(to, bytes)| (to, body(&bytes))))
    }

    #[test]
    fn a_get_waits_for_the_echo_of_a_post() {
        let mut sessions = Sessions::default();
        let (open, _) = asked(
            &mut sessions,
            1,
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n\r\n",
        );
        assert!(open.starts_with("0{\"sid\":\"0\""), "{open}");
        let get = "GET /socket.io/?EIO=4&transport=polling&sid=0 HTTP/1.1\r\n\r\n";
        let post = |body: &str| {
            let len = body.len();
            format!("POST /socket.io/?EIO=4&sid=0 HTTP/1.1\r\nContent-Length: {len}\r\n\r\n{body}")
        };
        assert_eq!(
            asked(&mut sessions, 2, &post("40")),
            ("ok".to_owned(), None)
        );
        assert_eq!(asked(&mut sessions, 1, get), (contract::connected(0), None));
        assert_eq!(asked(&mut sessions, 1, get), (String::new(), None));
        let two = "42[\"echo\",1]\u{1e}42[\"echo\",2]";
        let answer = asked(&mut sessions, 2, &post(&format!("3\u{1e}{two}")));
        assert_eq!(answer, ("ok".to_owned(), Some((1, two.to_owned()))));
    }

    #[test]
    fn waits_for_the_body_and_refuses_what_is_not_there() {
        let mut sessions = Sessions::default();
        let mut read = |request: &[u8]| sessions.read(request, (1, 1), &mut Vec::new(), &mut None);
        assert_eq!(
            read(b"POST /?a&sid=0 HTTP/1.1\r\nContent-Length: 2\r\n\r\n4"),
            Ok(Read::Partial)
        );
        assert_eq!(read(b"GET / HT"), Ok(Read::Partial));
        assert_eq!(read(b"GET /?a&sid=0 HTTP/1.1\r\n\r\n"), Err(Hangup));
        let endless =
            b"POST /?a&sid=0 HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n4";
        assert_eq!(read(endless), Err(Hangup));
    }
}
