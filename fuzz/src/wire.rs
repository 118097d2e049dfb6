//! Answers: what has left on each connection, and was it whole, in order and not after the end.

use std::collections::HashMap;

use stentor_engine::{
    eio::payload::Payload,
    hub::{SessionKey, Signal, Transmit},
    id::ConnId,
    out::Written,
};

/// One connection, as its peer sees it.
#[derive(Debug)]
pub(crate) struct Line {
    /// Bytes it takes before it is full.
    pub(crate) room: usize,
    pub(crate) broken: bool,
    /// What came and is no whole frame yet.
    half: Vec<u8>,
    ended: bool,
}

/// Connections and polls of one hub.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) lines: HashMap<u64, Line>,
    /// Answers that a parked GET got.
    pub(crate) answers: Vec<(SessionKey, Vec<u8>)>,
    /// Texts of whole frames, with their connection.
    pub(crate) frames: Vec<(u64, String)>,
}

impl Wire {
    pub(crate) fn open(&mut self, conn: ConnId, room: usize) {
        let line = Line {
            room,
            broken: false,
            half: Vec::new(),
            ended: false,
        };
        self.lines.insert(conn.0, line);
    }

    pub(crate) fn obey(&mut self, signal: &Signal) {
        match signal {
            Signal::Close(conn, _) => {
                let Some(line) = self.lines.get_mut(&conn.0) else {
                    return;
                };
                let half = !line.half.is_empty() && !line.ended && !line.broken;
                assert!(!half, "a close frame in half a packet");
                line.ended = true;
            }
            Signal::Cut(conn) => {
                if let Some(line) = self.lines.get_mut(&conn.0) {
                    line.ended = true;
                }
            }
            Signal::Text(..) | Signal::Pause(_) | Signal::Resume(_) => {}
        }
    }
}

/// The first frame's text and length, if it is whole.
fn frame(bytes: &[u8]) -> Option<(String, usize)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    assert!(
        matches!(first, 0x81 | 0x82),
        "a frame begins with {first:#x}"
    );
    let (skip, len) = match second {
        0..=125 => (2, usize::from(second)),
        126 => (
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (
            10,
            u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize,
        ),
        _ => panic!("a masked frame from a server"),
    };
    let payload = bytes.get(skip..skip + len)?;
    let text = match first {
        0x81 => str::from_utf8(payload)
            .expect("a text frame is UTF-8")
            .into(),
        _ => String::new(),
    };
    Some((text, skip + len))
}

impl Transmit for Wire {
    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Written {
        let line = self.lines.get_mut(&conn.0).expect("a write to a stranger");
        assert!(!line.ended, "a write after the end");
        if line.broken {
            return Written::Failed;
        }
        let bytes = slices.concat();
        let taken = bytes.len().min(line.room);
        line.room -= taken;
        line.half.extend(&bytes[..taken]);
        let mut done = 0;
        while let Some((text, len)) = frame(&line.half[done..]) {
            self.frames.push((conn.0, text));
            done += len;
        }
        line.half.drain(..done);
        if taken == 0 && !bytes.is_empty() {
            return Written::Blocked;
        }
        Written::Bytes(taken)
    }

    fn answer(&mut self, session: SessionKey, body: Payload) {
        self.answers.push((session, body.bytes.into()));
    }
}
