//! Answers: which requests has a client completed on a connection that brings one after the other, and what of
//! it waits.
//!
//! Bytes in, whole heads and bodies out, and nothing kept between requests. The twin of [`super::ws::Reader`]
//! for plain HTTP: sans-IO, so that it must not know sockets, sessions, or time; what a request means and what
//! it is answered is the caller's decision, which the reader follows ([`Flow`]).
//!
//! ```text
//!          ┌──────────────────────── Next ───────────────────────┐
//!          ▼                                                      │
//!        Idle ──► Head ──► on(Head) ──► Body ──► on(Body) ────────┤
//!                             │                     │             │
//!                             └───── Wait ─► Busy ◄─┴─► Held ─────┘
//!                                     what comes is kept until go_on
//! ```

use super::head::{self, Head, HeadError, RequestHead};

/// Where a connection stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has come of the next request.
    #[default]
    Idle,
    /// A part of a head has come.
    Head,
    /// A body of so many bytes is coming.
    Body(u32),
    /// A request waits for its answer. What comes behind it is kept.
    Busy,
    /// A request is whole and not handled yet; its body, of so many bytes, and what is behind it are kept.
    Held(u32),
    /// The last answer was given: what comes is not kept.
    Ending,
}

/// What has come whole.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// A request's head, and all that has come from its first byte on.
    Head(RequestHead<'a>, &'a [u8]),
    /// The body of the request whose head came last.
    Body(&'a [u8]),
    /// What comes is not a request. The caller ends the connection.
    Bad(HeadError),
}

/// What follows what has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The request is answered: the next one may follow.
    Next,
    /// A body of so many bytes belongs to the request.
    Body(u32),
    /// The request waits for its answer, until [`Reader::go_on`].
    Wait,
    /// The body is given again, by [`Reader::go_on`].
    Hold,
    /// Nothing more is read here.
    End,
}

/// Reads one connection's requests. No memory while nothing is under way.
#[derive(Debug, Default)]
pub struct Reader {
    phase: Phase,
    /// What has come and was not given: a part of a head or of a body, a body that is held, what is behind a
    /// request that waits.
    kept: Vec<u8>,
}

impl Reader {
    /// A reader of a connection of whose first head so much has come.
    #[must_use]
    pub fn begun(head: Vec<u8>) -> Self {
        let phase = if head.is_empty() {
            Phase::Idle
        } else {
            Phase::Head
        };
        Self { phase, kept: head }
    }

    /// Where the connection stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether what comes now waits for the answer to what came before.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Busy | Phase::Held(_))
    }

    /// Whether no request is under way, but for a part of a head.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Head)
    }

    /// What has come and was not given.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The same, for somebody else who reads on.
    #[must_use]
    pub fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// The body that is held.
    #[must_use]
    pub fn held_body(&self) -> Option<&[u8]> {
        match self.phase {
            Phase::Held(len) => self.kept.get(..len as usize),
            _ => None,
        }
    }

    /// Memory kept aside, allocated bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// Nothing more is read here: what is kept goes.
    pub fn end(&mut self) {
        *self = Self {
            phase: Phase::Ending,
            kept: Vec::new(),
        };
    }

    /// The request that waited is answered. False if something is behind it, for [`Self::go_on`].
    pub fn answered(&mut self) -> bool {
        let is_last = self.kept.is_empty();
        if is_last && self.phase == Phase::Busy {
            self.phase = Phase::Idle;
        }
        is_last
    }

    /// Feeds what one `recv` brought. Calls `on` for each head and body that is whole, in order: borrowed
    /// from `data` where it lies whole in it, and from memory kept aside otherwise.
    #[inline]
    pub fn feed(&mut self, data: &[u8], on: impl FnMut(Incoming<'_>) -> Flow) {
        if self.kept.is_empty() && !self.is_busy() {
            let used = self.run(data, on);
            self.keep(&data[used..]);
            return;
        }
        self.keep(data);
        if !self.is_busy() {
            self.run_kept(on);
        }
    }

    /// Goes on behind a request that waited, or with the body that was held.
    pub fn go_on(&mut self, on: impl FnMut(Incoming<'_>) -> Flow) {
        self.phase = match self.phase {
            Phase::Held(len) => Phase::Body(len),
            Phase::Busy => Phase::Idle,
            Phase::Idle | Phase::Head | Phase::Body(_) | Phase::Ending => return,
        };
        self.run_kept(on);
    }

    fn run_kept(&mut self, on: impl FnMut(Incoming<'_>) -> Flow) {
        if let Phase::Body(len) = self.phase
            && self.kept.len() < len as usize
        {
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        let used = self.run(&kept, on);
        self.kept = match used {
            0 => kept,
            _ => kept[used..].to_vec(), // the memory of what was given goes
        };
    }

    /// Reads what is whole. How much of the bytes was given, or is not kept.
    #[inline]
    fn run(&mut self, bytes: &[u8], mut on: impl FnMut(Incoming<'_>) -> Flow) -> usize {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            let flow = match self.phase {
                Phase::Idle | Phase::Head if rest.is_empty() => {
                    self.phase = Phase::Idle;
                    return at;
                }
                Phase::Idle | Phase::Head => match head::parse(rest) {
                    Head::Incomplete => {
                        self.phase = Phase::Head;
                        return at;
                    }
                    Head::Bad(error) => on(Incoming::Bad(error)),
                    Head::Request(request) => {
                        at += request.len;
                        on(Incoming::Head(request, rest))
                    }
                },
                Phase::Body(len) => {
                    let Some(body) = rest.get(..len as usize) else {
                        return at;
                    };
                    let flow = on(Incoming::Body(body));
                    if flow == Flow::Hold {
                        self.phase = Phase::Held(len);
                        return at;
                    }
                    at += body.len();
                    flow
                }
                Phase::Busy | Phase::Held(_) => return at,
                Phase::Ending => return bytes.len(),
            };
            self.phase = match flow {
                Flow::Next => Phase::Idle,
                Flow::Body(len) => Phase::Body(len),
                Flow::Wait | Flow::Hold => Phase::Busy,
                Flow::End => Phase::Ending,
            };
        }
    }

    /// Keeps what has come. Room is made for half as much again, so that a body that drips in is not copied
    /// for each drop, but never for more than the body and what may come behind it.
    fn keep(&mut self, bytes: &[u8]) {
        if self.phase == Phase::Ending {
            return;
        }
        let need = self.kept.len() + bytes.len();
        if need > self.kept.capacity() {
            let most = match self.phase {
                Phase::Body(len) | Phase::Held(len) => len as usize,
                _ => need,
            };
            let room = need.max(most.min(need.saturating_add(need / 2)));
            self.kept.reserve_exact(room - self.kept.len());
        }
        self.kept.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests;
