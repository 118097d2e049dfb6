//! Answers: which bytes is this Socket.IO packet, inside which WebSocket frames.
//!
//! The header goes around JSON that the caller made. The leading `4` that makes it an Engine.IO
//! message is written here too, so that a packet is encoded in one pass and never copied again.

use alloc::{borrow::Cow, string::String, vec::Vec};

use bytes::Bytes;

use super::json;
use crate::{
    error::PacketTooLarge,
    frame::{Frame, HEAD_MAX, Kind, write_head},
};

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// CONNECT: the object in JSON.
    Connect(&'a str),
    /// DISCONNECT.
    Disconnect,
    /// EVENT, or `BINARY_EVENT` if there are attachments.
    Event {
        /// The event's name, unescaped.
        name: &'a str,
        /// Its arguments in JSON with commas between them.
        args: &'a str,
    },
    /// ACK, or `BINARY_ACK` if there are attachments.
    Ack(&'a str),
    /// `CONNECT_ERROR`: the object in JSON.
    ConnectError(&'a str),
}

/// A packet to be encoded.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The namespace's name.
    pub namespace: &'a str,
    /// The acknowledgement id.
    pub id: Option<u64>,
    /// What is sent.
    pub body: Body<'a>,
    /// The binary parts that the body's placeholders name.
    pub attachments: &'a [Bytes],
}

fn quoted(name: &str) -> Cow<'_, str> {
    if json::is_plain(name) {
        return Cow::Borrowed(name);
    }
    let mut json = String::new();
    json::write_string(&mut json, name);
    json.pop();
    json.remove(0);
    Cow::Owned(json)
}

/// Bytes that [`write_array`] appends.
#[inline]
const fn array_len(name: &str, args: &str) -> usize {
    name.len() + args.len() + if args.is_empty() { 4 } else { 5 }
}

/// An event's array; the name is escaped already.
#[expect(clippy::inline_always, reason = "a call costs as much as it does")]
#[inline(always)]
fn write_array(name: &str, args: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(name.as_bytes());
    if args.is_empty() {
        out.extend_from_slice(b"\"]");
    } else {
        out.extend_from_slice(b"\",");
        out.extend_from_slice(args.as_bytes());
        out.push(b']');
    }
}

/// An event for `/` that has no attachments and wants no answer: what [`Outgoing::write_any`] makes
/// of it, at a third of its instructions.
fn write_event(name: &str, args: &str, out: &mut Vec<u8>) {
    let len = 2 + array_len(name, args);
    out.reserve(HEAD_MAX + len);
    write_head(out, Kind::Text, len);
    out.extend_from_slice(b"42");
    write_array(name, args, out);
}

/// Digits that a packet's count of attachments and its id have together at most.
const DIGITS_MAX: usize = 2 * 20;

/// More bytes than an event without attachments has besides its namespace, name and arguments.
const AROUND_MAX: usize = HEAD_MAX + DIGITS_MAX + 16;

impl Outgoing<'_> {
    /// Refuses a packet that would be longer than `max` bytes, before anything of it is written.
    ///
    /// Heads and digits count as if they were as long as they may be; what escapes in an event's name
    /// add does not count.
    ///
    /// # Errors
    /// How long it would be.
    #[inline]
    pub fn check(&self, max: usize) -> Result<(), PacketTooLarge> {
        // Nearly all are far from it, which three lengths tell.
        if let Body::Event { name, args } = self.body
            && self.attachments.is_empty()
            && self.namespace.len() + name.len() + args.len() + AROUND_MAX <= max
        {
            return Ok(());
        }
        self.check_exactly(max)
    }

    #[inline(never)]
    fn check_exactly(&self, max: usize) -> Result<(), PacketTooLarge> {
        let name = match self.body {
            Body::Event { name, .. } => name,
            _ => "",
        };
        let mut bytes = HEAD_MAX + self.len(name, DIGITS_MAX);
        for attachment in self.attachments {
            bytes = bytes.saturating_add(HEAD_MAX + attachment.len());
        }
        if bytes > max {
            return Err(PacketTooLarge { bytes });
        }
        Ok(())
    }

    /// The packet as a frame of its own, for many to share.
    #[must_use]
    pub fn frame(&self) -> Frame {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        Frame(Bytes::from(bytes))
    }

    /// Appends the packet as one text frame and, for each attachment, one binary frame.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.body {
            Body::Event { name, args } if self.is_bare() && json::is_plain(name) => {
                write_event(name, args, out);
            }
            _ => self.write_any(out),
        }
    }

    /// Whether nothing stands between the packet's type and its body, as in most packets.
    #[inline]
    const fn is_bare(&self) -> bool {
        self.id.is_none() && self.attachments.is_empty() && self.is_root()
    }

    fn write_any(&self, out: &mut Vec<u8>) {
        let (mut count, mut id) = (itoa::Buffer::new(), itoa::Buffer::new());
        let count = match self.attachments.len() {
            0 => "",
            n => count.format(n),
        };
        let id = self.id.map_or("", |n| id.format(n));
        let name = match self.body {
            Body::Event { name, .. } => quoted(name),
            _ => Cow::Borrowed(""),
        };
        let len = self.len(&name, count.len() + id.len());
        out.reserve(HEAD_MAX + len);
        write_head(out, Kind::Text, len);
        let end = out.len() + len;
        out.extend_from_slice(&[b'4', self.kind()]);
        if !count.is_empty() {
            out.extend_from_slice(count.as_bytes());
            out.push(b'-');
        }
        if !self.is_root() {
            out.extend_from_slice(self.namespace.as_bytes());
            out.push(b',');
        }
        if !id.is_empty() {
            out.extend_from_slice(id.as_bytes());
        }
        self.write_body(&name, out);
        assert_eq!(out.len(), end, "the header says how long the packet is");
        for attachment in self.attachments {
            write_head(out, Kind::Binary, attachment.len());
            out.extend_from_slice(attachment);
        }
    }

    /// Whether the packet is for `/`, which goes unsaid. Compared as bytes: as a string it is a call.
    const fn is_root(&self) -> bool {
        matches!(self.namespace.as_bytes(), [b'/'])
    }

    const fn kind(&self) -> u8 {
        let binary = !self.attachments.is_empty();
        match self.body {
            Body::Connect(_) => b'0',
            Body::Disconnect => b'1',
            Body::Event { .. } if binary => b'5',
            Body::Event { .. } => b'2',
            Body::Ack(_) if binary => b'6',
            Body::Ack(_) => b'3',
            Body::ConnectError(_) => b'4',
        }
    }

    /// Bytes of the text; `digits` are those of the count and the id.
    #[inline]
    fn len(&self, name: &str, digits: usize) -> usize {
        let dash = usize::from(!self.attachments.is_empty());
        let namespace = if self.is_root() {
            0
        } else {
            self.namespace.len() + 1
        };
        let body = match self.body {
            Body::Connect(json) | Body::ConnectError(json) => json.len(),
            Body::Disconnect => 0,
            Body::Event { args, .. } => array_len(name, args),
            Body::Ack(args) => args.len() + 2,
        };
        2 + dash + digits + namespace + body
    }

    fn write_body(&self, name: &str, out: &mut Vec<u8>) {
        match self.body {
            Body::Connect(json) | Body::ConnectError(json) => {
                out.extend_from_slice(json.as_bytes());
            }
            Body::Disconnect => {}
            Body::Event { args, .. } => write_array(name, args, out),
            Body::Ack(args) => {
                out.push(b'[');
                out.extend_from_slice(args.as_bytes());
                out.push(b']');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec, vec::Vec};

    use super::*;
    use crate::frame::Frames;

    fn text(packet: Outgoing<'_>) -> String {
        let mut out = vec![];
        packet.write(&mut out);
        let (kind, payload) = Frames(&out).next().unwrap();
        assert_eq!(kind, Kind::Text);
        String::from_utf8(payload.to_vec()).unwrap()
    }

    fn packet(body: Body<'_>) -> Outgoing<'_> {
        Outgoing {
            namespace: "/",
            id: None,
            body,
            attachments: &[],
        }
    }

    #[test]
    fn writes_the_examples_of_the_specification() {
        let event = |name, args| packet(Body::Event { name, args });
        assert_eq!(text(event("a", "")), r#"42["a"]"#);
        assert_eq!(text(event("a", "1,2")), r#"42["a",1,2]"#);
        assert_eq!(text(event("q\"\n", "")), r#"42["q\"\n"]"#);
        let namespaced = Outgoing {
            namespace: "/admin",
            id: Some(13),
            ..event("a", "{}")
        };
        assert_eq!(text(namespaced), r#"42/admin,13["a",{}]"#);
        assert_eq!(
            text(Outgoing {
                id: Some(0),
                ..packet(Body::Ack(""))
            }),
            "430[]"
        );
        assert_eq!(
            text(packet(Body::Connect("{\"sid\":\"x\"}"))),
            "40{\"sid\":\"x\"}"
        );
        assert_eq!(
            text(Outgoing {
                namespace: "/b",
                ..packet(Body::Disconnect)
            }),
            "41/b,"
        );
        assert_eq!(text(packet(Body::ConnectError("{}"))), "44{}");
    }

    #[test]
    fn a_packet_knows_its_length_before_it_is_written() {
        let attachments = [Bytes::from(vec![0; 70_000]), Bytes::new()];
        let event = Body::Event {
            name: "name",
            args: "1,2",
        };
        for body in [event, Body::Ack("1"), Body::Connect("{}"), Body::Disconnect] {
            for attachments in [&attachments[..], &[]] {
                let packet = Outgoing {
                    namespace: "/admin",
                    id: Some(u64::MAX),
                    body,
                    attachments,
                };
                let mut out = vec![];
                packet.write(&mut out);
                let Err(PacketTooLarge { bytes }) = packet.check(0) else {
                    panic!("it has bytes")
                };
                assert!(bytes >= out.len(), "{bytes} {}", out.len());
                assert!(bytes - out.len() < 100, "{bytes} {}", out.len());
                assert_eq!(packet.check(bytes), Ok(()));
                assert_eq!(packet.check(bytes - 1), Err(PacketTooLarge { bytes }));
            }
        }
    }

    #[test]
    fn attachments_follow_their_packet() {
        let attachments = [Bytes::from_static(b"xy"), Bytes::new()];
        let body = Body::Event {
            name: "a",
            args: r#"{"_placeholder":true,"num":0}"#,
        };
        let mut out = vec![];
        Outgoing {
            attachments: &attachments,
            ..packet(body)
        }
        .write(&mut out);
        let frames: Vec<_> = Frames(&out).collect();
        assert_eq!(frames[0].1, br#"452-["a",{"_placeholder":true,"num":0}]"#);
        assert_eq!(
            frames[1..],
            [(Kind::Binary, &b"xy"[..]), (Kind::Binary, &b""[..])]
        );
    }
}
