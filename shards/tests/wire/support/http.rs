//! An HTTP client of bytes: nothing is sent that a test did not write.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use socket2::{Domain, Socket, Type};

use super::{DEADLINE, Server, show};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Eof,
    Reset,
}

/// One TCP connection with what was read and not yet used.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) stream: TcpStream,
    pub(crate) buf: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The official error: 400, JSON, these very bytes.
    #[track_caller]
    pub(crate) fn is_error(&self, code: u8) {
        let message = MESSAGES[usize::from(code)];
        let want = format!(r#"{{"code":{code},"message":"{message}"}}"#);
        assert_eq!(
            (self.status, self.text()),
            (400, want.as_str()),
            "{}",
            self.head
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{}",
            self.head
        );
    }

    #[track_caller]
    pub(crate) fn is_ok(&self, body: &str) {
        assert_eq!((self.status, self.text()), (200, body), "{}", self.head);
    }

    /// A bare status with nothing in its body.
    #[track_caller]
    pub(crate) fn is_empty(&self, status: u16) {
        assert_eq!((self.status, self.text()), (status, ""), "{}", self.head);
    }
}

/// The engine's error codes.
pub(crate) const MESSAGES: [&str; 6] = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
];

impl Http {
    pub(crate) fn connect(server: &Server) -> Self {
        Self::over(TcpStream::connect(server.addr).expect("the server accepts"))
    }

    /// With segments as on a real network, and a small buffer: what is not read stays with the server.
    pub(crate) fn connect_small(server: &Server) -> Self {
        let socket = Socket::new(Domain::for_address(server.addr), Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_tcp_mss(1400).expect("TCP_MAXSEG");
        socket.set_recv_buffer_size(8192).expect("SO_RCVBUF");
        let connected = socket.connect(&server.addr.into());
        connected.expect("the server accepts");
        Self::over(socket.into())
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("no delay");
        stream
            .set_read_timeout(Some(DEADLINE))
            .expect("a read deadline");
        stream
            .set_write_timeout(Some(DEADLINE))
            .expect("a write deadline");
        Self {
            stream,
            buf: Vec::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.stream.local_addr().expect("a connected socket").port()
    }

    /// Sends, unless the server has already hung up: what it said will be read.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.stream.write_all(bytes.as_ref()) {
            let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "cannot send: {error}");
        }
    }

    /// Ends our side of the connection, as a client does that has gone.
    pub(crate) fn finish(&mut self) {
        drop(self.stream.shutdown(Shutdown::Write));
    }

    pub(crate) fn request(&mut self, method: &str, target: &str, body: &str) -> Response {
        self.send(request(method, target, body));
        if method == "HEAD" {
            self.head_response()
        } else {
            self.response()
        }
    }

    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.request("GET", target, "")
    }

    pub(crate) fn post(&mut self, target: &str, body: &str) -> Response {
        self.request("POST", target, body)
    }

    /// The next response; the connection must not end before it.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        self.try_response().unwrap_or_else(|end| {
            panic!("{end:?} instead of a response, after {}", show(&self.buf));
        })
    }

    /// The next response, or how the connection ended without one.
    pub(crate) fn try_response(&mut self) -> Result<Response, End> {
        let mut response = self.response_head()?;
        response.body = if let Some(length) = response.header("content-length") {
            let length = length.parse().expect("Content-Length is a number");
            self.take(length)?
        } else if response.header("transfer-encoding").is_some() {
            self.take_chunks()?
        } else if response.status / 100 == 1 || matches!(response.status, 204 | 304) {
            Vec::new()
        } else {
            self.rest().0
        };
        Ok(response)
    }

    fn head_response(&mut self) -> Response {
        self.response_head().expect("an answer to HEAD")
    }

    fn response_head(&mut self) -> Result<Response, End> {
        let end = self.fill_until(b"\r\n\r\n")?;
        let head: Vec<u8> = self.buf.drain(..end).collect();
        let head = String::from_utf8(head).expect("a response head is text");
        assert!(head.starts_with("HTTP/1."), "not a response: {head:?}");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        Ok(Response {
            status,
            head,
            body: Vec::new(),
        })
    }

    fn take_chunks(&mut self) -> Result<Vec<u8>, End> {
        let mut body = Vec::new();
        loop {
            let end = self.fill_until(b"\r\n")?;
            let line: Vec<u8> = self.buf.drain(..end).collect();
            let size = str::from_utf8(&line)
                .expect("a chunk size is text")
                .trim_end();
            let size = usize::from_str_radix(size, 16).expect("a chunk size is hexadecimal");
            body.extend(self.take(size)?);
            self.take(2)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<Vec<u8>, End> {
        while self.buf.len() < n {
            self.fill()?;
        }
        Ok(self.buf.drain(..n).collect())
    }

    fn fill_until(&mut self, mark: &[u8]) -> Result<usize, End> {
        loop {
            if let Some(at) = self.buf.windows(mark.len()).position(|bytes| bytes == mark) {
                return Ok(at + mark.len());
            }
            self.fill()?;
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Err(end) = self.fill() {
                return (std::mem::take(&mut self.buf), end);
            }
        }
    }

    #[track_caller]
    fn fill(&mut self) -> Result<(), End> {
        let filled = self.buf.len();
        self.buf.resize(filled + 65536, 0);
        let read = self.stream.read(&mut self.buf[filled..]);
        self.buf.truncate(filled + read.as_ref().map_or(0, |&n| n));
        match read {
            Ok(0) => Err(End::Eof),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(End::Reset),
            Err(error) => panic!("the server is silent ({error}) after {}", show(&self.buf)),
        }
    }
}

/// A plain request: one Host, and a Content-Length where there is a body.
pub(crate) fn request(method: &str, target: &str, body: &str) -> String {
    let length = match (method, body.len()) {
        ("POST", n) | ("PUT", n @ 1..) => {
            format!("Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {n}\r\n")
        }
        _ => String::new(),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n{body}")
}

/// One request on a connection of its own.
pub(crate) fn once(server: &Server, method: &str, target: &str, body: &str) -> Response {
    Http::connect(server).request(method, target, body)
}
