//! Answers: how do binary parts travel beside the JSON of the arguments.
//!
//! serde has no way to hand them over, so a thread-local carries them for the length of one encode or
//! decode.

use std::{cell::RefCell, collections::HashMap, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as DeError, IgnoredAny, MapAccess, Visitor},
    ser::{Error as SerError, SerializeMap},
};

use crate::api::value::Value;

/// Attachments among which the same bytes are looked for one by one; of more there is a map.
pub(super) const FEW: usize = 16;

/// The attachments of one encode or decode.
#[derive(Default)]
pub(super) struct Attachments {
    pub(super) list: Vec<Bytes>,
    /// The numbers of all in `list` by address and length, once they are more than [`FEW`].
    numbers: HashMap<(usize, usize), usize>,
    /// Placeholders that were written.
    pub(super) uses: usize,
    /// Which of `list` a decode has taken; empty if none of them.
    taken: Vec<bool>,
}

impl Attachments {
    /// The number of the attachment that `bytes` are. The same bytes, told by where they are, are
    /// attached once however often they stand in a value: clones of one [`Bytes`] cost nothing, and
    /// must not cost their length each on the wire.
    fn number(&mut self, bytes: &Bytes) -> usize {
        self.uses += 1;
        let place = |bytes: &Bytes| (bytes.as_ptr().addr(), bytes.len());
        let own = place(bytes);
        let known = if self.list.len() <= FEW {
            self.list.iter().position(|other| place(other) == own)
        } else {
            self.numbers.get(&own).copied()
        };
        if let Some(number) = known {
            return number;
        }
        let number = self.list.len();
        self.list.push(bytes.clone());
        if number == FEW {
            let all = self.list.iter().enumerate();
            self.numbers = all.map(|(n, bytes)| (place(bytes), n)).collect();
        } else if number > FEW {
            self.numbers.insert(own, number);
        }
        number
    }

    /// The attachment of this number, which is taken by that.
    fn take(&mut self, number: usize) -> Option<Bytes> {
        let bytes = self.list.get(number)?.clone();
        self.taken.resize(self.list.len(), false);
        self.taken[number] = true;
        Some(bytes)
    }

    fn is_taken(&self, number: usize) -> bool {
        self.taken.get(number).is_some_and(|taken| *taken)
    }
}

thread_local! {
    /// Attachments of the encode or decode that is under way.
    static ATTACHMENTS: RefCell<Option<Attachments>> = const { RefCell::new(None) };
}

/// Puts `attachments` in place for the length of `f`, also if `f` panics.
pub(super) fn with_attachments<R>(list: Vec<Bytes>, f: impl FnOnce() -> R) -> (R, Attachments) {
    struct Restore(Option<Attachments>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ATTACHMENTS.with_borrow_mut(|slot| *slot = self.0.take());
        }
    }
    let attachments = Attachments {
        list,
        ..Attachments::default()
    };
    let _restore = Restore(ATTACHMENTS.replace(Some(attachments)));
    let result = f();
    (result, ATTACHMENTS.take().unwrap_or_default())
}

/// Bytes that travel as a binary attachment, wherever they stand in a value.
///
/// A plain `Vec<u8>` is a list of numbers to serde, and so it is to the client. Clones of one
/// [`Bytes`] in an event's arguments are attached once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Binary(pub Bytes);

impl<T: Into<Bytes>> From<T> for Binary {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let num =
            ATTACHMENTS.with_borrow_mut(|attachments| Some(attachments.as_mut()?.number(&self.0)));
        let num = num.ok_or_else(|| {
            SerError::custom("Binary can only be serialized as part of an event's arguments")
        })?;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("_placeholder", &true)?;
        map.serialize_entry("num", &num)?;
        map.end()
    }
}

/// An attachment of the decode that is under way.
pub(in crate::api) fn attachment(num: usize) -> Option<Bytes> {
    ATTACHMENTS.with_borrow_mut(|attachments| attachments.as_mut()?.take(num))
}

/// Whether the decode that is under way has taken the attachment of this number.
pub(super) fn is_taken(num: usize) -> bool {
    ATTACHMENTS.with_borrow(|attachments| attachments.as_ref().is_some_and(|a| a.is_taken(num)))
}

/// Whether it has taken all of them.
pub(super) fn all_taken() -> bool {
    ATTACHMENTS.with_borrow(|attachments| {
        let attachments = attachments.as_ref();
        attachments.is_none_or(|a| (0..a.list.len()).all(|number| a.is_taken(number)))
    })
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Placeholder)
    }
}

/// Reads a placeholder: not as a struct, in which no key may stand twice. As in JavaScript the last counts.
struct Placeholder;

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Key {
    #[serde(rename = "_placeholder")]
    Marked,
    #[serde(rename = "num")]
    Number,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for Placeholder {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Binary, A::Error> {
        let (mut marked, mut number) = (false, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Marked => marked = matches!(map.next_value()?, Value::Bool(true)),
                Key::Number => number = map.next_value::<Value>()?.as_index(),
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let part = number.filter(|_| marked).and_then(attachment);
        part.map(Binary)
            .ok_or_else(|| DeError::custom("no such binary attachment"))
    }
}
