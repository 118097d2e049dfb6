//! Answers: is this HTTP/1.1 answer complete, and what is in it.
//!
//! Also writes the three requests a Socket.IO client makes. Must not know what the bodies mean.

/// A complete answer within a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The body, chunks joined.
    pub body: Vec<u8>,
    /// Bytes of the buffer it takes up.
    pub used: usize,
    /// The server will close this connection.
    pub closing: bool,
    /// `Sec-WebSocket-Accept`.
    pub accept: Option<String>,
    /// An extension was forced on us.
    pub extensions: bool,
}

/// Reads an answer. `Ok(None)` while bytes are missing.
///
/// # Errors
/// Says what is wrong when the bytes are no HTTP answer.
pub fn answer(data: &[u8]) -> Result<Option<Answer>, &'static str> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut parsed = httparse::Response::new(&mut headers);
    let head = match parsed.parse(data) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err("malformed HTTP answer"),
    };
    let mut result = Answer {
        status: parsed.code.unwrap_or(0),
        body: Vec::new(),
        used: head,
        closing: false,
        accept: None,
        extensions: false,
    };
    let mut length = None;
    let mut chunked = false;
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<usize>().ok(),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => result.closing = value.eq_ignore_ascii_case("close"),
            "sec-websocket-accept" => result.accept = Some(value.to_owned()),
            "sec-websocket-extensions" => result.extensions = true,
            _ => {}
        }
    }
    if chunked {
        return chunks(data, result);
    }
    let length = length.unwrap_or(0);
    if result.status == 101 || length == 0 {
        return Ok(Some(result));
    }
    Ok(data.get(head..head + length).map(|body| {
        result.body = body.to_vec();
        result.used = head + length;
        result
    }))
}

fn chunks(data: &[u8], mut result: Answer) -> Result<Option<Answer>, &'static str> {
    loop {
        let rest = &data[result.used..];
        let (skip, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("malformed chunk"),
        };
        let end = skip + size as usize;
        let Some(chunk) = rest.get(skip..end) else {
            return Ok(None);
        };
        if rest.len() < end + 2 {
            return Ok(None);
        }
        result.body.extend_from_slice(chunk);
        result.used += end + 2;
        if size == 0 {
            return Ok(Some(result));
        }
    }
}

/// Where requests go: `path` with its slashes, `host` as in the Host header, more header lines.
#[derive(Clone, Debug)]
pub struct Address {
    /// `/socket.io/`
    pub path: String,
    /// `127.0.0.1:3000`
    pub host: String,
    /// Further header lines, each ended by CR LF.
    pub extra: String,
}

impl Address {
    /// A poll, or the handshake when there is no session yet.
    pub fn get(&self, out: &mut Vec<u8>, sid: Option<&str>) {
        let (join, sid) = sid.map_or(("", ""), |sid| ("&sid=", sid));
        let Self { path, host, extra } = self;
        out.extend_from_slice(
            format!(
                "GET {path}?EIO=4&transport=polling{join}{sid} HTTP/1.1\r\nHost: {host}\r\n{extra}\r\n"
            )
            .as_bytes(),
        );
    }

    /// Sends packets to the server.
    pub fn post(&self, out: &mut Vec<u8>, sid: &str, body: &[u8]) {
        let Self { path, host, extra } = self;
        let length = body.len();
        out.extend_from_slice(
            format!(
                "POST {path}?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: {host}\r\n\
                 Content-Type: text/plain;charset=UTF-8\r\nContent-Length: {length}\r\n{extra}\r\n"
            )
            .as_bytes(),
        );
        out.extend_from_slice(body);
    }

    /// Asks for a WebSocket, for a new session or for the one of `sid`.
    pub fn upgrade(&self, out: &mut Vec<u8>, key: &str, sid: Option<&str>) {
        let (join, sid) = sid.map_or(("", ""), |sid| ("&sid=", sid));
        let Self { path, host, extra } = self;
        out.extend_from_slice(
            format!(
                "GET {path}?EIO=4&transport=websocket{join}{sid} HTTP/1.1\r\nHost: {host}\r\n\
                 Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
                 Sec-WebSocket-Version: 13\r\n{extra}\r\n"
            )
            .as_bytes(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_whole_answer() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP";
        for cut in 0..whole.len() - 4 {
            assert_eq!(answer(&whole[..cut]), Ok(None), "cut at {cut}");
        }
        let read = answer(whole).unwrap().unwrap();
        assert_eq!(
            (read.status, read.body.as_slice(), read.used),
            (200, &b"hello"[..], whole.len() - 4)
        );
    }

    #[test]
    fn joins_chunks() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut]), Ok(None), "cut at {cut}");
        }
        let read = answer(whole).unwrap().unwrap();
        assert_eq!(
            (read.body.as_slice(), read.used),
            (&b"abcde"[..], whole.len())
        );
    }

    #[test]
    fn upgrade_answer_has_no_body() {
        let read = answer(b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: k=\r\n\r\n\x81\x02")
            .unwrap()
            .unwrap();
        assert_eq!(
            (read.status, read.accept.as_deref(), read.body.len()),
            (101, Some("k="), 0)
        );
        assert_eq!(answer(b"nonsense\r\n\r\n"), Err("malformed HTTP answer"));
    }
}
