//! Answers: how do an event's arguments become Rust values.

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as DeError, Visitor},
    forward_to_deserialize_any,
};
use stentor_engine::sio::json;

use super::binary::{all_taken, is_taken, with_attachments};

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

/// What an error says when binary data has come where only JSON can be held.
pub(crate) const UNEXPECTED_BINARY: &str = "unexpected binary data";

/// Stands for binary data that nobody has taken: it can be passed over, and be nothing else.
const NO_VALUE: &str = "1e999";

/// Refuses what was decoded if `T` took binary data for an object, as `serde_json::Value` does: it would hold
/// the placeholder and not the data. What `T` passed over, such as a field that it does not have, is no loss.
fn check_binary<T>(
    args: &str,
    parse: impl Fn(&str) -> Result<T, serde_json::Error>,
) -> Result<(), serde_json::Error> {
    if all_taken() {
        return Ok(());
    }
    let readable = json::readable(args);
    let args = readable.as_deref().unwrap_or(args);
    let untaken = json::replace_placeholders(args, |number| !is_taken(number), NO_VALUE);
    match untaken.map(|args| parse(&args)) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err(DeError::custom(UNEXPECTED_BINARY)),
    }
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
    let decode = || {
        let value = decode(args, parse)?;
        check_binary(&args[..json::first_value_end(args)], parse)?;
        Ok(value)
    };
    with_attachments(attachments.to_vec(), decode).0
}

/// Decodes all of `args` as a tuple or list. As in JavaScript a tuple takes what it has room for: surplus
/// arguments are passed over, and one that is missing is `null`, which an `Option` can be.
pub(crate) fn list<T: DeserializeOwned>(
    args: &str,
    attachments: &[Bytes],
) -> Result<T, serde_json::Error> {
    let parse =
        |args: &str| exactly(args).or_else(|error| T::deserialize(Fitted(args)).map_err(|_| error));
    let decode = || {
        let list = decode(args, parse)?;
        check_binary(args, parse)?;
        Ok(list)
    };
    with_attachments(attachments.to_vec(), decode).0
}

fn exactly<T: DeserializeOwned>(args: &str) -> Result<T, serde_json::Error> {
    let json = format!("[{args}]");
    if json.len() < SIMD_LIST_BYTES {
        return serde_json::from_str(&json);
    }
    let parsed = simd_json::serde::from_slice(&mut json.into_bytes());
    // A list that is not as it should be is read again, for the words that a short one gets.
    parsed.or_else(|_: simd_json::Error| serde_json::from_str(&format!("[{args}]")))
}

/// Arguments for a tuple that wants another number of them.
struct Fitted<'a>(&'a str);

impl Fitted<'_> {
    fn of(&self, len: usize) -> String {
        let (mut rest, mut list) = (self.0, "[".to_owned());
        for nth in 0..len {
            let (value, after) = rest.split_at(json::first_value_end(rest));
            let value = value.strip_suffix(',').unwrap_or(value);
            let is_missing = value.trim().is_empty();
            list.push_str(if nth > 0 { "," } else { "" });
            list.push_str(if is_missing { "null" } else { value });
            rest = after;
        }
        list + "]"
    }
}

impl<'de> Deserializer<'de> for Fitted<'_> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(DeError::custom("not a tuple"))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        let list = self.of(len);
        serde_json::Deserializer::from_reader(list.as_bytes()).deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.deserialize_tuple(len, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct seq map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Binary, *};
    use crate::api::value::Value;

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

    /// As in JavaScript: what a function has no parameter for is not its affair, and what is missing is
    /// `undefined`.
    #[test]
    fn a_tuple_takes_what_it_has_room_for() {
        for padding in [0, SIMD_LIST_BYTES] {
            let args = format!(r#"1, "two" ,[3,"{}"]"#, "x".repeat(padding));
            assert_eq!(list::<(u8,)>(&args, &[]).unwrap(), (1,));
            let two: (u8, String) = list(&args, &[]).unwrap();
            assert_eq!(two, (1, "two".to_owned()));
            let four: (u8, String, Value, Option<u8>) = list(&args, &[]).unwrap();
            assert_eq!(four.3, None);
            list::<()>(&args, &[]).unwrap();
            let error = list::<(u8, u8)>(&args, &[]).unwrap_err().to_string();
            assert!(error.starts_with("invalid type: string \"two\""), "{error}");
            let error = list::<(u8, String, Value, u8)>(&args, &[]).unwrap_err();
            let error = error.to_string();
            assert!(
                error.starts_with("invalid length 3, expected a tuple of size 4"),
                "{error}"
            );
        }
        assert_eq!(
            list::<(Option<u8>, Option<u8>)>("", &[]).unwrap(),
            (None, None)
        );
        assert_eq!(list::<[u8; 2]>("1,2,3", &[]).unwrap(), [1, 2]);
        // Inside of an argument nothing is passed over.
        assert!(list::<((u8, u8),)>("[1,2,3]", &[]).is_err());
        assert!(list::<Vec<u8>>(r#"1,"two""#, &[]).is_err());
    }

    #[test]
    fn binary_data_is_not_taken_for_an_object() {
        #[derive(Debug, serde::Deserialize)]
        struct Named {
            name: String,
        }
        let part = r#"{"_placeholder":true,"num":0}"#;
        let parts = [Bytes::from_static(b"part"), Bytes::from_static(b"other")];
        let one = &parts[..1];
        let refused = |error: serde_json::Error| assert_eq!(error.to_string(), UNEXPECTED_BINARY);
        refused(first::<serde_json::Value>(part, one).unwrap_err());
        let deep = format!(r#"{{"name":"a","file":[{part}]}}"#);
        refused(first::<serde_json::Value>(&deep, one).unwrap_err());
        refused(list::<(serde_json::Value,)>(&deep, one).unwrap_err());
        refused(list::<Vec<serde_json::Value>>(&format!("1,{part}"), one).unwrap_err());
        let halved = format!(r#"["\ud83d",1e400,{part}]"#);
        refused(first::<serde_json::Value>(&halved, one).unwrap_err());
        // What is passed over is not wanted.
        let named: Named = first(&deep, one).unwrap();
        assert_eq!(named.name, "a");
        assert_eq!(first::<u8>(&format!("1,{part}"), one).unwrap(), 1);
        assert_eq!(list::<(u8,)>(&format!("1,{part}"), one).unwrap(), (1,));
        // Who can hold it beside who cannot.
        let both = format!(r#"{part},{{"num":1,"_placeholder":true}}"#);
        list::<(Binary, Value)>(&both, &parts).unwrap();
        list::<(Binary, Option<Binary>)>(&both, &parts).unwrap();
        refused(list::<(Binary, serde_json::Value)>(&both, &parts).unwrap_err());
        // Without attachments it is an object.
        assert!(first::<serde_json::Value>(part, &[]).unwrap().is_object());
    }
}
