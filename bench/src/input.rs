//! Answers: what are the parsers, encoders and readers given.
//!
//! Inputs only. It must not know who reads them: ours and the peers' get the same bytes.

use serde::{Deserialize, Serialize};

/// A client's EVENT of 64 bytes, as Engine.IO message without the leading `4`.
pub const EVENT: &str = r#"2["message","sixty-four bytes: one line of a chat, all of it.."]"#;

/// The packets that are decoded: a name for the table, and the Socket.IO text.
#[must_use]
pub fn packets() -> Vec<(&'static str, String)> {
    vec![
        ("connect", "0".to_owned()),
        (
            "connect, namespace and auth",
            r#"0/admin,{"token":"0123456789abcdef"}"#.to_owned(),
        ),
        ("event 64 B", EVENT.to_owned()),
        (
            "event with ack id",
            r#"2/admin,1729["message",{"a":1,"b":[true,null]}]"#.to_owned(),
        ),
        ("ack", r#"31729["ok",{"status":200}]"#.to_owned()),
        (
            "binary event",
            r#"51-["file",{"_placeholder":true,"num":0}]"#.to_owned(),
        ),
        ("event 1 KiB, one text", event(&text(1000))),
        ("event 1 KiB, records", event(&records(1000))),
        ("event 64 KiB, records", event(&records(64 << 10))),
    ]
}

/// An EVENT with this argument.
#[must_use]
pub fn event(json: &str) -> String {
    format!(r#"2["message",{json}]"#)
}

/// One of the objects in [`records`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// A number.
    pub id: u64,
    /// A short text.
    pub name: String,
    /// A fraction.
    pub score: f64,
    /// A flag.
    pub active: bool,
    /// A few short texts.
    pub tags: Vec<String>,
}

/// What is in [`text`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Text {
    /// All of it.
    pub text: String,
}

/// A JSON array of small objects, of about this many bytes: much structure, short strings.
#[must_use]
pub fn records(bytes: usize) -> String {
    let mut json = String::from("[");
    for id in 0u32.. {
        let record = Record {
            id: u64::from(id) * 7919,
            name: format!("user-{id}"),
            score: f64::from(id) * 0.37 + 0.01,
            active: id % 3 == 0,
            tags: vec!["red".to_owned(), format!("t{}", id % 10)],
        };
        let record = serde_json::to_string(&record).expect("a record is JSON");
        if id > 0 && json.len() + record.len() + 2 > bytes {
            break;
        }
        if id > 0 {
            json.push(',');
        }
        json.push_str(&record);
    }
    json.push(']');
    json
}

/// A JSON object with one long text, of about this many bytes: little structure, some escapes.
#[must_use]
pub fn text(bytes: usize) -> String {
    let words = "The quick brown fox jumps over the lazy dog, says \\\"hello\\\" and goes on. ";
    let mut json = String::from(r#"{"text":""#);
    while json.len() + words.len() + 2 <= bytes {
        json.push_str(words);
    }
    while json.len() + 2 < bytes {
        json.push('x');
    }
    json.push_str("\"}");
    json
}

/// A polling body of `count` packets.
#[must_use]
pub fn body(count: usize) -> String {
    let packet = format!("4{EVENT}");
    vec![packet; count].join("\u{1e}")
}

/// A client's masked WebSocket frame with this first byte.
#[must_use]
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        len @ ..126 => frame.push(0x80 | len as u8),
        len @ ..65_536 => {
            frame.push(0x80 | 0x7e);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 0x7f);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

/// A client's text frame.
#[must_use]
pub fn text_frame(text: &str) -> Vec<u8> {
    masked(0x81, text.as_bytes())
}
