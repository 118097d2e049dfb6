//! Answers: which bytes of a connection may hyper read, so that each head was judged before it does.
//!
//! One rule for first requests and later ones: [`head::parse`] sees every head as it came. It must know
//! where each message ends for that; of a sound head that is plain: a body is as long as `Content-Length`
//! says, or there is none. Where it is not plain, nothing more is judged: a body in chunks is the last thing
//! that is read (who answers says `Connection: close`), and after an upgrade the bytes are no requests.
//!
//! It must not know sockets or time.

use bytes::Bytes;

use super::head::{self, Head, HeadError, RequestHead};

/// What hyper reads in place of a head that is refused. The answer is not found by its words, but by
/// [`Gate::refused`]: a client may send the same.
const IN_PLACE: &[u8] = b"GET /refused HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// What comes next on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// A request's head; it is read by way of [`Gate::feed`].
    Head,
    /// A body, of which so many bytes have not come.
    Body(u64),
    /// A body in chunks, and nothing behind it.
    Chunks,
    /// Another protocol.
    Through,
    /// Nothing that is read.
    End,
}

/// The bytes of a connection that were read and not yet given to hyper.
#[derive(Debug)]
pub(crate) struct Gate {
    next: Next,
    /// May be given.
    judged: Bytes,
    /// Are not judged yet: a part of a head, or, while `judged` is not all given, what is behind it.
    held: Vec<u8>,
    /// A head was judged that nobody has been told of.
    begun: bool,
    refused: Option<HeadError>,
}

impl Gate {
    pub(crate) fn new(read: Vec<u8>) -> Self {
        let mut gate = Self {
            next: Next::Head,
            judged: Bytes::new(),
            held: read,
            begun: false,
            refused: None,
        };
        gate.judge();
        gate
    }

    /// What is to be read from the connection when [`Self::give`] has nothing.
    pub(crate) fn next(&self) -> Next {
        self.next
    }

    /// Whether a request has begun since this was asked last.
    pub(crate) fn has_begun(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }

    /// Why the last head that was given is not the one that came.
    pub(crate) fn refused(&self) -> Option<HeadError> {
        self.refused
    }

    /// Whether a part of a head has come.
    pub(crate) fn is_in_head(&self) -> bool {
        self.next == Next::Head && !self.held.is_empty()
    }

    /// Bytes have come where a head begins or goes on.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        self.judge();
    }

    /// So much of a body was read past the gate.
    pub(crate) fn passed(&mut self, n: usize) {
        if let Next::Body(left) = self.next {
            self.body(left.saturating_sub(n as u64));
        }
    }

    /// Gives at most `max` bytes.
    pub(crate) fn give(&mut self, max: usize) -> Bytes {
        if self.judged.is_empty() && !self.held.is_empty() {
            self.judge();
        }
        let n = self.judged.len().min(max);
        let given = self.judged.split_to(n);
        if self.judged.is_empty() {
            self.judged = Bytes::new(); // give the memory back
        }
        given
    }

    /// The connection speaks another protocol from here on.
    pub(crate) fn open(&mut self) {
        if self.next == Next::Head {
            self.next = Next::Through;
        }
    }

    /// The head that is under way is refused.
    pub(crate) fn refuse(&mut self, error: HeadError) {
        self.refused = Some(error);
        self.begun = true;
        self.judged = Bytes::from_static(IN_PLACE);
        self.held = Vec::new();
        self.next = Next::End;
    }

    /// What was read and not given.
    pub(crate) fn into_rest(self) -> Vec<u8> {
        [&self.judged[..], &self.held].concat()
    }

    fn body(&mut self, left: u64) {
        self.next = if left == 0 {
            Next::Head
        } else {
            Next::Body(left)
        };
    }

    /// Moves what may be given from `held` to `judged`, which is empty: a head, or a part of a body.
    fn judge(&mut self) {
        match self.next {
            Next::Head => self.judge_head(),
            Next::Body(left) => {
                let n = usize::try_from(left)
                    .unwrap_or(usize::MAX)
                    .min(self.held.len());
                self.release(n);
                self.body(left - n as u64);
            }
            Next::Chunks | Next::Through => self.release(self.held.len()),
            Next::End => self.held = Vec::new(),
        }
    }

    fn judge_head(&mut self) {
        let (len, escaped, next) = match head::parse(&self.held) {
            Head::Incomplete => return,
            Head::Bad(error) => return self.refuse(error),
            Head::Request(request) => match next(&request) {
                Ok(next) => {
                    let head = &self.held[..request.len];
                    (request.len, escaped(head, request.target), next)
                }
                Err(error) => return self.refuse(error),
            },
        };
        match escaped {
            Some(head) => {
                self.held.drain(..len);
                self.judged = head.into();
            }
            None => self.release(len),
        }
        self.next = next;
        self.begun = true;
    }

    fn release(&mut self, n: usize) {
        let behind = self.held.split_off(n);
        self.judged = std::mem::replace(&mut self.held, behind).into();
    }
}

/// What comes behind a sound head.
fn next(request: &RequestHead<'_>) -> Result<Next, HeadError> {
    if request.header("transfer-encoding").is_some() {
        return Ok(Next::Chunks);
    }
    let Some(length) = request.header("content-length") else {
        return Ok(Next::Head);
    };
    let length = str::from_utf8(length)
        .ok()
        .and_then(|text| text.parse().ok());
    match length {
        Some(0) => Ok(Next::Head),
        Some(length) => Ok(Next::Body(length)),
        None => Err(HeadError::ContentLength),
    }
}

/// A head whose target the `http` crate would refuse, though every server takes it: JSON in a query that was
/// not escaped. Escaped it means the same. `None` if there is nothing to do.
fn escaped(head: &[u8], target: &str) -> Option<Vec<u8>> {
    if !target.bytes().any(needs_escape) {
        return None;
    }
    let at = target.as_ptr().addr() - head.as_ptr().addr();
    let mut escaped = Vec::with_capacity(head.len() + 64);
    escaped.extend_from_slice(&head[..at]);
    for byte in target.bytes() {
        if needs_escape(byte) {
            escaped.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            escaped.push(byte);
        }
    }
    escaped.extend_from_slice(&head[at + target.len()..]);
    Some(escaped)
}

/// What [`head::parse`] lets into a target and the `http` crate does not.
fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'#' | b'<' | b'>' | b'`')
}

#[cfg(test)]
mod tests;
