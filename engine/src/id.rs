//! Answers: who is meant, and which shard owns it.
//!
//! A [`Sid`] is the Engine.IO session's bearer secret; a [`SocketId`] is the public id of one
//! Socket.IO socket. They are separate numbers: knowing a `socket.id` must not let anybody poll
//! in its owner's place. Both are 15 bytes, written as 20 characters of `[A-Za-z0-9_-]`, and both
//! begin with the shard that owns them, so that no table is shared to find it.

use core::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::limits::SOCKETS_MAX;

/// Characters in a session id or socket id.
pub const ID_CHARS: usize = 20;
const ID_BYTES: usize = 15;

/// One of the server's shards, counted from 0; at most [`crate::limits::SHARDS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u8);

fn encode(bytes: [u8; ID_BYTES]) -> [u8; ID_CHARS] {
    let mut text = [0; ID_CHARS];
    URL_SAFE_NO_PAD
        .encode_slice(bytes, &mut text)
        .expect("15 bytes are 20 characters");
    text
}

fn decode(text: &[u8]) -> Option<[u8; ID_BYTES]> {
    let mut bytes = [0; ID_BYTES];
    if text.len() != ID_CHARS {
        return None;
    }
    URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// An Engine.IO session id: one byte of shard, 112 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; ID_BYTES]);

impl Sid {
    /// A new id on `shard`. `random` must come from a cryptographic source.
    #[must_use]
    pub fn new(shard: ShardId, random: [u8; 14]) -> Self {
        let mut bytes = [0; ID_BYTES];
        bytes[0] = shard.0;
        bytes[1..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The shard that owns the session. May name a shard that does not exist: peers send sids.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        ShardId(self.0[0])
    }

    /// The 20 characters of the wire.
    #[must_use]
    pub fn text(&self) -> [u8; ID_CHARS] {
        encode(self.0)
    }

    /// Reads the 20 characters of the wire; `None` if they are not such.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        decode(text).map(Self)
    }

    /// Eight of the random bytes: a good hash of an id that we made ourselves.
    #[must_use]
    pub const fn hash64(&self) -> u64 {
        let b = &self.0;
        u64::from_le_bytes([b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14]])
    }
}

impl fmt::Debug for Sid {
    // A sid lets its holder read and write the session: it does not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid(shard {})", self.0[0])
    }
}

/// A Socket.IO socket's public id (`socket.id`): shard, slot and 88 random bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId([u8; ID_BYTES]);

impl SocketId {
    /// A new id for the socket in `slot` of `shard`, which is less than
    /// [`crate::limits::SOCKETS_MAX`].
    #[must_use]
    pub fn new(shard: ShardId, slot: u32, random: [u8; 11]) -> Self {
        debug_assert!((slot as usize) < SOCKETS_MAX, "the id has 24 bits for it");
        let slot = slot.to_be_bytes();
        let mut bytes = [
            shard.0, slot[1], slot[2], slot[3], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        bytes[4..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The shard that owns the socket, if the id is genuine.
    #[must_use]
    pub const fn shard(&self) -> ShardId {
        ShardId(self.0[0])
    }

    /// The slot the socket has on its shard.
    #[must_use]
    pub const fn slot(&self) -> u32 {
        u32::from_be_bytes([0, self.0[1], self.0[2], self.0[3]])
    }

    /// The 20 characters of the wire.
    #[must_use]
    pub fn text(&self) -> [u8; ID_CHARS] {
        encode(self.0)
    }

    /// Reads the 20 characters of the wire; `None` if they are not such.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        decode(text.as_bytes()).map(Self)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.text()).expect("base64 is ASCII"))
    }
}

impl fmt::Debug for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no [`SocketId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSocketId;

impl fmt::Display for NoSocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a socket id has 20 characters of A-Z, a-z, 0-9, _ and -")
    }
}

impl core::error::Error for NoSocketId {}

impl core::str::FromStr for SocketId {
    type Err = NoSocketId;

    fn from_str(text: &str) -> Result<Self, NoSocketId> {
        Self::parse(text).ok_or(NoSocketId)
    }
}

#[cfg(feature = "serde")]
impl serde_core::Serialize for SocketId {
    fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text();
        serializer.serialize_str(core::str::from_utf8(&text).expect("base64 is ASCII"))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde_core::Deserialize<'de> for SocketId {
    fn deserialize<D: serde_core::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde_core::de::Visitor<'_> for Text {
            type Value = SocketId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a socket id")
            }

            fn visit_str<E: serde_core::de::Error>(self, text: &str) -> Result<SocketId, E> {
                let invalid = || E::invalid_value(serde_core::de::Unexpected::Str(text), &self);
                SocketId::parse(text).ok_or_else(invalid)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A namespace's place in the hub's table; 0 is `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespaceId(pub u16);

impl NamespaceId {
    /// The namespace `/`.
    pub const ROOT: Self = Self(0);
}

/// The shell's name for one WebSocket connection; the hub only hands it back. Wide enough for a
/// generation, so that a late order never reaches a connection that came after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_the_wire() {
        let sid = Sid::new(ShardId(7), [0xfb; 14]);
        assert_eq!(Sid::parse(&sid.text()), Some(sid));
        assert_eq!(sid.shard(), ShardId(7));
        assert!(
            sid.text()
                .iter()
                .all(|c| c.is_ascii_alphanumeric() || b"_-".contains(c))
        );

        let id = SocketId::new(ShardId(3), 0x0012_3456, [9; 11]);
        assert_eq!(
            SocketId::parse(core::str::from_utf8(&id.text()).unwrap()),
            Some(id)
        );
        assert_eq!((id.shard(), id.slot()), (ShardId(3), 0x0012_3456));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "short",
            "____________________=",
            "19 characters only!",
            "twenty chars with sp",
        ] {
            assert_eq!(SocketId::parse(text), None, "{text}");
            assert_eq!(text.parse::<SocketId>(), Err(NoSocketId), "{text}");
        }
    }
}
