//! Answers: how is an argument held whose shape is not known.
//!
//! [`Value`] is what a JavaScript handler is given: JSON in which any part may be binary.
//! `serde_json::Value` cannot hold the binary parts.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Number;

use super::payload::{Binary, attachment};

/// JSON in which any part may be binary. Objects keep the order of their keys, also of one that stands there
/// twice: then the last counts, as in JavaScript.
///
/// ```
/// use stentor::prelude::*;
///
/// /// How many bytes the first argument has under `file`.
/// fn size(Data(upload): Data<Value>) -> Result<usize, String> {
///     match upload.get("file") {
///         Some(Value::Binary(bytes)) => Ok(bytes.len()),
///         _ => Err("there is no file".to_owned()),
///     }
/// }
/// # fn app(app: &mut App) { app.ns("/").on_sync("upload", size); }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object's members in their order.
    Object(Vec<(String, Self)>),
    /// A `Buffer` or `ArrayBuffer` on the other side.
    Binary(Bytes),
}

impl Value {
    /// The member of this name, if this is an object that has it; the last of several.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else {
            return None;
        };
        member(members, name)
    }

    /// A number that counts, as that of an attachment.
    pub(super) fn as_index(&self) -> Option<usize> {
        match self {
            Self::Number(number) => usize::try_from(number.as_u64()?).ok(),
            _ => None,
        }
    }
}

fn member<'a>(members: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    let mut members = members.iter().rev();
    members
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::String(value) => serializer.serialize_str(value),
            Self::Array(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items
                    .iter()
                    .try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                members
                    .iter()
                    .try_for_each(|(name, value)| map.serialize_entry(name, value))?;
                map.end()
            }
            Self::Binary(bytes) => Binary(bytes.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(binary(&members).unwrap_or(Value::Object(members)))
    }
}

/// The attachment that an object stands for, if it does. One without attachments is an object.
fn binary(members: &[(String, Value)]) -> Option<Value> {
    let marked = member(members, "_placeholder")? == &Value::Bool(true);
    let number = member(members, "num")?.as_index();
    number
        .filter(|_| marked)
        .and_then(attachment)
        .map(Value::Binary)
}

#[cfg(test)]
mod tests {
    use super::{super::payload::*, *};

    #[test]
    fn binary_parts_survive_at_any_depth() {
        let args = r#"{"b":[1,-2,0.5,{"_placeholder":true,"num":1}],"a":"x","n":null}"#;
        let parts = [Bytes::from_static(b"0"), Bytes::from_static(b"1")];
        let value: Value = first(args, &parts).unwrap();
        let Some(Value::Array(list)) = value.get("b") else {
            panic!("{value:?}")
        };
        assert_eq!(list[3], Value::Binary(parts[1].clone()));
        let encoded = (&value).encode().unwrap();
        assert_eq!(encoded.args, args.replace("\"num\":1", "\"num\":0"));
        assert_eq!(encoded.attachments, [parts[1].clone()]);
    }

    #[test]
    fn without_attachments_a_placeholder_is_an_object() {
        let value: Value = first(r#"{"_placeholder":true,"num":0}"#, &[]).unwrap();
        assert!(matches!(value, Value::Object(_)));
    }
}
