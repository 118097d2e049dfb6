//! Answers: is this binary packet whole yet.
//!
//! A packet with attachments waits here for them, bounded in number, bytes and time. Nothing of
//! the same connection may come in between (PROTOCOL.md 2.8).

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;

use super::packet::Packet;

/// A packet that waits for its attachments.
#[derive(Debug)]
pub struct Partial {
    text: Box<str>,
    packet: Packet,
    attachments: Vec<Bytes>,
}

/// A packet and all its attachments.
#[derive(Debug, PartialEq, Eq)]
pub struct Whole {
    /// The text the packet's ranges point into.
    pub text: Box<str>,
    /// The packet.
    pub packet: Packet,
    /// In the order of their numbers.
    pub attachments: Vec<Bytes>,
}

/// Attachments that room is made for at once. More are announced by few, and by some who never send
/// them.
const ROOM: usize = 4;

impl Partial {
    /// Begins to wait for `packet.attachments` attachments; there must be at least one.
    #[must_use]
    pub fn new(text: &str, packet: Packet) -> Self {
        assert!(
            packet.attachments > 0,
            "a packet without attachments is whole"
        );
        Self {
            text: text.into(),
            attachments: Vec::with_capacity(packet.attachments.min(ROOM)),
            packet,
        }
    }

    /// Adds the next attachment. True once the packet is whole.
    pub fn push(&mut self, attachment: &[u8]) -> bool {
        self.attachments.push(Bytes::copy_from_slice(attachment));
        self.attachments.len() == self.packet.attachments
    }

    /// Allocated bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let attachments = self.attachments.iter().map(Bytes::len);
        let list = self.attachments.capacity() * size_of::<Bytes>();
        self.text.len() + list + attachments.sum::<usize>()
    }

    /// The packet, once [`Partial::push`] said that it is whole.
    #[must_use]
    pub fn into_whole(self) -> Whole {
        Whole {
            text: self.text,
            packet: self.packet,
            attachments: self.attachments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sio::packet::decode;

    #[test]
    fn is_whole_after_its_last_attachment() {
        let text = r#"52-["a",{"_placeholder":true,"num":1}]"#;
        let mut partial = Partial::new(text, decode(text, 10).unwrap());
        assert!(!partial.push(b"one"), "one of two");
        assert!(partial.push(b"two"), "two of two");
        let whole = partial.into_whole();
        assert_eq!(whole.attachments, [&b"one"[..], b"two"]);
        assert_eq!(&*whole.text, text);
    }
}
