//! Answers: how do Rust values become an event's arguments, and back.
//!
//! Arguments are JSON; [`Binary`] parts, wherever they stand in a value, travel beside it as
//! attachments.

mod binary;
mod decode;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned, ser::Error as SerError};
use stentor_engine::sio::json;

pub use self::binary::Binary;
pub(super) use self::binary::attachment;
use self::binary::{Attachments, with_attachments};
pub(crate) use self::decode::{UNEXPECTED_BINARY, first, list};

/// Arguments as they are on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// JSON values with commas between them.
    pub(crate) args: String,
    pub(crate) attachments: Vec<Bytes>,
}

/// A value that cannot be an event's argument: its `Serialize` failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot encode the event's arguments: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// What [`crate::Socket::emit`] takes: any value of serde, by value or by reference, [`Args`] of several
/// values, `()` for none, or [`Raw`].
///
/// A value is one argument, whatever it is: a tuple is an array to the client, as it is to serde. [`Args`]
/// of a tuple or list makes an argument of each of its items.
///
/// ```
/// use serde_json::json;
/// use stentor::prelude::*;
///
/// #[derive(serde::Serialize)]
/// struct Point { x: f64, y: f64 }
///
/// fn draw(s: Socket) -> Result<(), EmitError> {
///     s.emit("clear", ())?; // no argument
///     s.emit("width", 5)?; // one
///     s.emit("from", Point { x: 0.0, y: 0.0 })?;
///     s.emit("style", json!({ "colour": "red", "dashed": false }))?;
///     s.emit("path", &[Point { x: 1.0, y: 2.0 }, Point { x: 2.0, y: 0.5 }])?;
///     s.emit("text", Args(("hello", Point { x: 3.0, y: 3.0 }))) // two
/// }
/// # fn app(app: &mut App) { app.ns("/").on_sync("draw", draw); }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of an event",
    label = "not a value that implements serde::Serialize, not `Args((a, b))`, not `()`, not `Raw`",
    note = "one argument is a value that implements serde::Serialize: `emit(\"event\", value)`",
    note = "several are `emit(\"event\", Args((a, b)))`, none is `emit(\"event\", ())`"
)]
pub trait IntoArgs {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "only the crate's own types implement it")]
    fn encode(self) -> Result<Encoded, EncodeError>;
}

/// Whether a value is `()`, which is no argument: it has no size, and is `null` in JSON. What this costs
/// is known when it is compiled.
fn is_unit<T: Serialize>(value: &T) -> bool {
    let mut text = [0; 4];
    size_of::<T>() == 0 && serde_json::to_writer(&mut text[..], value).is_ok() && text == *b"null"
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
impl<T: Serialize> IntoArgs for T {
    fn encode(self) -> Result<Encoded, EncodeError> {
        if is_unit(&self) {
            return Ok(Encoded::default());
        }
        encode(&self)
    }
}

/// Several arguments: `Args((1, "two"))`. As an extractor, all of an event's arguments.
///
/// A tuple takes as many as it has room for, as a function in JavaScript does: surplus arguments are passed over, and
/// for one that is missing an `Option` is `None`. A `Vec` takes all.
///
/// ```
/// use stentor::prelude::*;
///
/// fn app(app: &mut App) {
///     app.ns("/").on_sync("greet", |Args((name, greeting)): Args<(String, Option<String>)>| {
///         format!("{} {name}", greeting.as_deref().unwrap_or("hello"))
///     });
/// }
/// ```
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

#[cfg(test)]
mod tests {
    use super::{binary::FEW, *};
    use crate::api::value::Value;

    #[test]
    fn values_become_arguments() {
        assert_eq!(1.encode().unwrap().args, "1");
        assert_eq!((&1).encode().unwrap().args, "1");
        assert_eq!("a".to_owned().encode().unwrap().args, r#""a""#);
        assert_eq!(serde_json::json!([1]).encode().unwrap().args, "[1]");
        assert_eq!((1, "b").encode().unwrap().args, r#"[1,"b"]"#, "one");
        assert_eq!(None::<u8>.encode().unwrap().args, "null");
        assert_eq!((&()).encode().unwrap().args, "null");
        assert_eq!([0_u8; 0].encode().unwrap().args, "[]");
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
}
