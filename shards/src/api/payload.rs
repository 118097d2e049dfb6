//! Answers: how do Rust values become an event's arguments, and back.
//!
//! Arguments are JSON; [`Binary`] parts, wherever they stand in a value, travel beside it as
//! attachments. serde has no way to hand them over, so a thread-local carries them for the length
//! of one encode or decode.

use std::{cell::RefCell, collections::HashMap, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as DeError, IgnoredAny, MapAccess, Visitor},
    ser::{Error as SerError, SerializeMap},
};
use stentor_engine::sio::json;

use super::value::Value;

/// Arguments as they are on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// JSON values with commas between them.
    pub(crate) args: String,
    pub(crate) attachments: Vec<Bytes>,
}

/// Attachments among which the same bytes are looked for one by one; of more there is a map.
const FEW: usize = 16;

/// The attachments of one encode or decode.
#[derive(Default)]
struct Attachments {
    list: Vec<Bytes>,
    /// The numbers of all in `list` by address and length, once they are more than [`FEW`].
    numbers: HashMap<(usize, usize), usize>,
    /// Placeholders that were written.
    uses: usize,
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
}

thread_local! {
    /// Attachments of the encode or decode that is under way.
    static ATTACHMENTS: RefCell<Option<Attachments>> = const { RefCell::new(None) };
}

/// Puts `attachments` in place for the length of `f`, also if `f` panics.
fn with_attachments<R>(list: Vec<Bytes>, f: impl FnOnce() -> R) -> (R, Attachments) {
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

/// A value that cannot be an event's argument: its `Serialize` failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode the event's arguments: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// What [`crate::Socket::emit`] takes: a reference to one value, [`Args`] of several, `()` for
/// none, or [`Raw`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of an event",
    label = "not a reference to a value, not `Args((a, b))`, not `()`, not `Raw`",
    note = "pass one argument by reference: `emit(\"event\", &value)`, where the value implements serde::Serialize",
    note = "pass several as `emit(\"event\", Args((a, b)))`, none as `emit(\"event\", ())`"
)]
pub trait IntoArgs {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the crate's own types implement it")]
    fn encode(self) -> Result<Encoded, EncodeError>;
}

fn encode(value: &(impl Serialize + ?Sized)) -> Result<Encoded, EncodeError> {
    let (args, attachments) = with_attachments(Vec::new(), || serde_json::to_string(value));
    let Attachments { list, uses, .. } = attachments;
    let encoded = Encoded {
        args: args?,
        attachments: list,
    };
    encoded.check(uses)?;
    Ok(encoded)
}

impl Encoded {
    /// Refuses arguments with binary parts in which there are more placeholders than `uses`, or others than
    /// those of the parts. An object that looks like one came from elsewhere, from a client's text perhaps,
    /// where it meant nothing; beside binary parts every official client takes it for one, and disconnects
    /// if there is no such part.
    fn check(&self, uses: usize) -> Result<(), EncodeError> {
        let count = self.attachments.len();
        if count > 0 && json::placeholders(&self.args, count, uses).is_err() {
            let error =
                "an object beside binary parts has `_placeholder`: true and is none of them";
            let error: serde_json::Error = SerError::custom(error);
            return Err(EncodeError(error));
        }
        Ok(())
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl<T: Serialize + ?Sized> IntoArgs for &T {
    fn encode(self) -> Result<Encoded, EncodeError> {
        encode(self)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoArgs for () {
    fn encode(self) -> Result<Encoded, EncodeError> {
        Ok(Encoded::default())
    }
}

/// Several arguments: `Args((1, "two"))`. As an extractor, all of an event's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Args<T>(pub T);

#[expect(private_interfaces, reason = "sealed by it")]
impl<T: Serialize> IntoArgs for Args<T> {
    fn encode(self) -> Result<Encoded, EncodeError> {
        let mut encoded = encode(&self.0)?;
        let list = encoded
            .args
            .strip_prefix('[')
            .and_then(|args| args.strip_suffix(']'));
        match list {
            Some(list) => encoded.args = list.to_owned(),
            None if encoded.args == "null" => encoded.args.clear(),
            None => {
                let error: serde_json::Error =
                    SerError::custom("Args must hold a tuple, a list or ()");
                return Err(EncodeError(error));
            }
        }
        Ok(encoded)
    }
}

/// Arguments as they came, not decoded: the cheapest way to pass them on.
///
/// Their JSON has been checked; binary parts are beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Raw {
    /// JSON values with commas between them, placeholders for binary parts included.
    pub(crate) encoded: Encoded,
}

impl Raw {
    /// The arguments' JSON, with commas between them.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.encoded.args
    }

    /// The binary parts that the placeholders in [`Raw::json`] name.
    #[must_use]
    pub fn attachments(&self) -> &[Bytes] {
        &self.encoded.attachments
    }

    /// The arguments after the first. Binary parts stay whole: placeholders keep their numbers.
    #[must_use]
    pub fn rest(mut self) -> Self {
        let end = json::first_value_end(&self.encoded.args);
        self.encoded.args.drain(..end);
        self
    }

    /// These arguments with one more before them.
    #[must_use]
    pub fn prefixed(mut self, first: &serde_json::Value) -> Self {
        let comma = if self.encoded.args.is_empty() {
            ""
        } else {
            ","
        };
        self.encoded.args.insert_str(0, &format!("{first}{comma}"));
        self
    }

    /// Decodes the first argument.
    ///
    /// # Errors
    /// If there is none or it is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        first(&self.encoded.args, &self.encoded.attachments)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoArgs for Raw {
    fn encode(self) -> Result<Encoded, EncodeError> {
        // As it came it is right; it may have been prefixed.
        self.encoded.check(self.encoded.attachments.len())?;
        Ok(self.encoded)
    }
}

#[expect(private_interfaces, reason = "sealed by it")]
impl IntoArgs for &Raw {
    fn encode(self) -> Result<Encoded, EncodeError> {
        self.clone().encode()
    }
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
pub(super) fn attachment(num: usize) -> Option<Bytes> {
    ATTACHMENTS.with_borrow(|attachments| attachments.as_ref()?.list.get(num).cloned())
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

/// Lists of arguments of this size and more are parsed with simd-json, which needs a copy that it may
/// write to. Measured (docs/benchmarks): a list, copied for either parser, is up to 1.27 times as fast
/// with it from about 470 B if it has much structure, and swings both ways if it is long texts. One
/// argument alone, which `serde_json` reads in place, is slower with it at every size up to 1 MiB.
pub(crate) const SIMD_LIST_BYTES: usize = 512;

/// Decodes arguments. What JavaScript can say in JSON and Rust cannot hold is replaced by what comes nearest,
/// if that is why they cannot be decoded: half a surrogate pair by U+FFFD, a number that is no double by the
/// largest.
fn decode<T>(
    args: &str,
    parse: impl Fn(&str) -> Result<T, serde_json::Error>,
) -> Result<T, serde_json::Error> {
    parse(args).or_else(|error| match json::readable(args) {
        Some(args) => parse(&args),
        None => Err(error),
    })
}

/// Decodes the first of `args`.
pub(crate) fn first<T: DeserializeOwned>(
    args: &str,
    attachments: &[Bytes],
) -> Result<T, serde_json::Error> {
    let parse = |args: &str| T::deserialize(&mut serde_json::Deserializer::from_str(args));
    if attachments.is_empty() {
        return decode(args, parse);
    }
    with_attachments(attachments.to_vec(), || decode(args, parse)).0
}

/// Decodes all of `args` as a tuple or list.
pub(crate) fn list<T: DeserializeOwned>(
    args: &str,
    attachments: &[Bytes],
) -> Result<T, serde_json::Error> {
    let parse = |args: &str| {
        let json = format!("[{args}]");
        if json.len() < SIMD_LIST_BYTES {
            return serde_json::from_str(&json);
        }
        let parsed = simd_json::serde::from_slice(&mut json.into_bytes());
        // A list that is not as it should be is read again, for the words that a short one gets.
        parsed.or_else(|_: simd_json::Error| serde_json::from_str(&format!("[{args}]")))
    };
    with_attachments(attachments.to_vec(), || decode(args, parse)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_arguments() {
        assert_eq!((&1).encode().unwrap().args, "1");
        assert_eq!("a\"".encode().unwrap().args, r#""a\"""#);
        assert_eq!(().encode().unwrap().args, "");
        assert_eq!(Args((1, "b")).encode().unwrap().args, r#"1,"b""#);
        assert_eq!(Args(()).encode().unwrap().args, "");
        assert!(Args(5).encode().is_err());
    }

    #[test]
    fn binary_travels_beside_the_json() {
        let value = (Binary::from("xy"), vec![Some(Binary::from("z"))]);
        let encoded = Args(&value).encode().unwrap();
        assert_eq!(
            encoded.args,
            r#"{"_placeholder":true,"num":0},[{"_placeholder":true,"num":1}]"#
        );
        assert_eq!(encoded.attachments, ["xy", "z"]);
        let back: (Binary, Vec<Option<Binary>>) =
            list(&encoded.args, &encoded.attachments).unwrap();
        assert_eq!(back, value);
        let one: Binary = first(&encoded.args, &encoded.attachments).unwrap();
        assert_eq!(one, value.0);
    }

    #[test]
    fn the_same_bytes_are_attached_once() {
        for distinct in [1, 2, FEW, FEW + 1, 3 * FEW] {
            let parts: Vec<Binary> = (0..distinct).map(|n| vec![n as u8; 3].into()).collect();
            // Equal bytes elsewhere are others; whether they are equal is not looked at.
            let copy = Binary::from(vec![0; 3]);
            let twice: Vec<Binary> = parts.iter().chain(&parts).cloned().chain([copy]).collect();
            let encoded = Args(&twice).encode().unwrap();
            assert_eq!(encoded.attachments.len(), distinct + 1);
            let back: Vec<Binary> = list(&encoded.args, &encoded.attachments).unwrap();
            assert_eq!(back, twice);
        }
    }

    #[test]
    fn a_placeholder_without_its_part_is_an_error() {
        assert!(first::<Binary>(r#"{"_placeholder":true,"num":3}"#, &[Bytes::new()]).is_err());
        assert!(first::<Binary>(r#"{"_placeholder":true,"num":0}"#, &[]).is_err());
        assert!(serde_json::to_string(&Binary::default()).is_err());
    }

    /// Beside binary parts, what a client sent as text must not be taken for one of them.
    #[test]
    fn what_looks_like_a_placeholder_is_not_sent_beside_binary_parts() {
        let forged = |num: &str| -> Value {
            let args = format!(r#"{{"_placeholder":true,"num":{num}}}"#);
            first(&args, &[]).unwrap()
        };
        let own = Binary::from("own");
        for num in ["0", "5", "\"x\""] {
            assert!(Args((&own, forged(num))).encode().is_err(), "{num}");
            assert!(Args((forged(num), [&own])).encode().is_err(), "{num}");
            assert!(forged(num).encode().is_ok(), "alone it is an object");
        }
        let twice = Args((&own, &own)).encode().unwrap();
        assert_eq!(twice.attachments.len(), 1);
        let raw = Raw { encoded: twice };
        let object = serde_json::json!({ "_placeholder": true, "num": 0 });
        assert!(raw.clone().prefixed(&object).encode().is_err());
    }

    #[test]
    fn of_two_keys_the_last_counts() {
        let parts = [Bytes::from_static(b"0"), Bytes::from_static(b"1")];
        for (args, number) in [
            (r#"{"_placeholder":true,"num":1,"num":0}"#, Some(0)),
            (r#"{"_placeholder":true,"num":5,"num":1}"#, Some(1)),
            (
                r#"{"num":1,"_placeholder":false,"_placeholder":true}"#,
                Some(1),
            ),
            (
                r#"{"_placeholder":true,"_placeholder":false,"num":1}"#,
                None,
            ),
            (r#"{"_placeholder":true,"num":0,"num":[{}]}"#, None),
            (r#"{"_placeholder":true,"a":[1],"num":0}"#, Some(0)),
        ] {
            let part = number.map(|number: usize| parts[number].clone());
            let binary = first::<Binary>(args, &parts).ok();
            assert_eq!(binary.map(|binary| binary.0), part, "{args}");
            let value: Value = first(args, &parts).unwrap();
            match value {
                Value::Binary(bytes) => assert_eq!(Some(bytes), part, "{args}"),
                other => assert_eq!(part, None, "{args} {other:?}"),
            }
        }
        let value: Value = first(r#"{"a":1,"b":2,"a":3}"#, &[]).unwrap();
        assert_eq!(value.get("a"), Some(&Value::Number(3.into())));
    }

    /// Half a surrogate pair and numbers that are no double, in short and in long arguments, with and
    /// without binary parts.
    #[test]
    fn what_rust_cannot_hold_is_decoded() {
        let parts = [Bytes::from_static(b"part")];
        for padding in [0, SIMD_LIST_BYTES] {
            let pad = "x".repeat(padding);
            let args = format!(r#"["hi \ud83d","{pad}",1e400,-1e999],{{"\udc00":1e400}}"#);
            for parts in [&[][..], &parts] {
                let ((hi, _, large, small), rest): ((String, String, f64, f64), Value) =
                    list(&args, parts).unwrap();
                assert_eq!((&*hi, large, small), ("hi \u{fffd}", f64::MAX, f64::MIN));
                let number = serde_json::Number::from_f64(f64::MAX).unwrap();
                assert_eq!(rest.get("\u{fffd}"), Some(&Value::Number(number)));
                let value: serde_json::Value = first(&args, parts).unwrap();
                assert_eq!(
                    (&value[0], &value[2]),
                    (&"hi \u{fffd}".into(), &f64::MAX.into())
                );
                let all: Vec<serde_json::Value> = list(&args, parts).unwrap();
                assert_eq!(all[0], value);
            }
            assert!(first::<u8>(&args, &[]).is_err());
        }
        assert_eq!(first::<String>(r#""\ud83d""#, &[]).unwrap(), "\u{fffd}");
        assert!(first::<String>("1e400", &[]).is_err());
        assert!(first::<i64>("1e400", &[]).is_err());
    }

    #[test]
    fn large_and_small_arguments_decode_alike() {
        let long = "x".repeat(SIMD_LIST_BYTES);
        let args = format!("{{\"a\":\"{long}\"}},2");
        let value: serde_json::Value = first(&args, &[]).unwrap();
        assert_eq!(value["a"], long);
        let (value, two): (serde_json::Value, u8) = list(&args, &[]).unwrap();
        assert_eq!((value["a"].as_str(), two), (Some(&*long), 2));
        assert!(first::<u8>(&args, &[]).is_err());
        assert!(first::<u8>("", &[]).is_err());
    }
}
