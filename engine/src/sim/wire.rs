//! Answers: what do these bytes say, read by somebody who does not know the engine.
//!
//! The clients' own reader of WebSocket frames, polling bodies, Socket.IO packets and JSON, strict
//! where the engine must be exact. It shares no code with the engine's encoder, so a mistake there
//! is not undone here. The writer of JSON serves clients and the application alike.

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write as _;

use bytes::Bytes;

/// A value in an event's arguments, binary parts in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
    Binary(Vec<u8>),
}

/// What a Socket.IO packet is; binary ones are not told from others once they are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// A whole Socket.IO packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) id: Option<u64>,
    pub(super) data: Vec<Value>,
}

/// Writes values with commas between them; binary parts become placeholders and go to `parts`.
pub(super) fn write(values: &[Value], parts: &mut Vec<Bytes>) -> String {
    let mut out = String::new();
    for (at, value) in values.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "," });
        write_value(&mut out, value, parts);
    }
    out
}

fn write_value(out: &mut String, value: &Value, parts: &mut Vec<Bytes>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => write!(out, "{yes}").expect("to a string"),
        Value::Number(n) => write!(out, "{n}").expect("to a string"),
        Value::Text(text) => write_text(out, text),
        Value::List(list) => {
            let inner = write(list, parts);
            write!(out, "[{inner}]").expect("to a string");
        }
        Value::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                write_text(out, key);
                out.push(':');
                write_value(out, value, parts);
            }
            out.push('}');
        }
        Value::Binary(bytes) => {
            let num = parts.len();
            write!(out, r#"{{"_placeholder":true,"num":{num}}}"#).expect("to a string");
            parts.push(Bytes::copy_from_slice(bytes));
        }
    }
}

pub(super) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => write!(out, "\\u{:04x}", u32::from(c)).expect("to a string"),
            c => out.push(c),
        }
    }
    out.push('"');
}

type Read<T> = Result<T, String>;

struct Json<'a> {
    rest: &'a str,
}

impl Json<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(token) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn need(&mut self, token: &str) -> Read<()> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(format!("expected {token} at {:?}", self.rest))
        }
    }

    fn value(&mut self) -> Read<Value> {
        self.rest = self.rest.trim_start();
        match self.rest.bytes().next() {
            Some(b'"') => self.text().map(Value::Text),
            Some(b'[') => self.list(),
            Some(b'{') => self.object(),
            Some(b'0'..=b'9') => self.number().map(Value::Number),
            _ if self.eat("true") => Ok(Value::Bool(true)),
            _ if self.eat("false") => Ok(Value::Bool(false)),
            _ if self.eat("null") => Ok(Value::Null),
            _ => Err(format!("no JSON: {:?}", self.rest)),
        }
    }

    fn number(&mut self) -> Read<u64> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        digits.parse().map_err(|_| format!("no number: {digits:?}"))
    }

    fn text(&mut self) -> Read<String> {
        self.need("\"")?;
        let mut out = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or("a string without end")? {
                '"' => break,
                '\\' => match chars.next().ok_or("an escape without end")? {
                    'n' => out.push('\n'),
                    't' => out.push('\t'),
                    'r' => out.push('\r'),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'u' => {
                        let hex: String = chars.by_ref().take(4).collect();
                        let code = u32::from_str_radix(&hex, 16).map_err(|_| "no hex")?;
                        out.push(char::from_u32(code).ok_or("a surrogate")?);
                    }
                    other => out.push(other),
                },
                c if c < ' ' => return Err("a control character in a string".into()),
                c => out.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(out)
    }

    fn list(&mut self) -> Read<Value> {
        self.need("[")?;
        let mut list = Vec::new();
        if self.eat("]") {
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value()?);
            if self.eat("]") {
                return Ok(Value::List(list));
            }
            self.need(",")?;
        }
    }

    fn object(&mut self) -> Read<Value> {
        self.need("{")?;
        let mut fields = Vec::new();
        if self.eat("}") {
            return Ok(Value::Object(fields));
        }
        loop {
            self.rest = self.rest.trim_start();
            let key = self.text()?;
            self.need(":")?;
            fields.push((key, self.value()?));
            if self.eat("}") {
                return Ok(Value::Object(fields));
            }
            self.need(",")?;
        }
    }
}

/// Reads exactly one JSON value.
pub(super) fn read(text: &str) -> Read<Value> {
    let mut json = Json { rest: text };
    let value = json.value()?;
    if json.rest.trim().is_empty() {
        Ok(value)
    } else {
        Err(format!("after the JSON: {:?}", json.rest))
    }
}

/// Reads values with commas between them and puts the binary parts in.
pub(super) fn read_args<B: AsRef<[u8]>>(text: &str, parts: &[B]) -> Read<Vec<Value>> {
    match fill(read(&format!("[{text}]"))?, parts)? {
        Value::List(list) => Ok(list),
        other => Err(format!("no list: {other:?}")),
    }
}

/// Puts the binary parts where the placeholders are.
fn fill<B: AsRef<[u8]>>(value: Value, parts: &[B]) -> Read<Value> {
    match value {
        Value::List(list) => {
            let filled: Read<_> = list.into_iter().map(|v| fill(v, parts)).collect();
            filled.map(Value::List)
        }
        Value::Object(fields) => {
            if let [(marker, Value::Bool(true)), (num, Value::Number(n))] = &fields[..]
                && marker == "_placeholder"
                && num == "num"
            {
                let part = parts.get(*n as usize).ok_or("a placeholder for no part")?;
                return Ok(Value::Binary(part.as_ref().to_vec()));
            }
            let filled: Read<_> = fields
                .into_iter()
                .map(|(key, value)| Ok((key, fill(value, parts)?)))
                .collect();
            filled.map(Value::Object)
        }
        other => Ok(other),
    }
}

/// Reads a stream of Socket.IO messages into whole packets.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    pub(super) waiting: Option<(Packet, usize, Vec<Vec<u8>>)>,
}

impl Reader {
    /// Whether parts of a packet are due: nothing else may come.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    pub(super) fn text(&mut self, text: &str) -> Read<Option<Packet>> {
        if self.is_waiting() {
            return Err("text between a packet and its binary parts".into());
        }
        let (packet, parts) = header(text)?;
        if parts == 0 {
            return Ok(Some(packet));
        }
        self.waiting = Some((packet, parts, Vec::new()));
        Ok(None)
    }

    pub(super) fn binary(&mut self, bytes: &[u8]) -> Read<Option<Packet>> {
        let (_, due, parts) = self.waiting.as_mut().ok_or("a binary part of no packet")?;
        parts.push(bytes.to_vec());
        if parts.len() < *due {
            return Ok(None);
        }
        let (mut packet, _, parts) = self.waiting.take().ok_or("seen above")?;
        let data = fill(Value::List(packet.data), &parts)?;
        let Value::List(data) = data else {
            return Err("a list became something else".into());
        };
        packet.data = data;
        Ok(Some(packet))
    }
}

/// Reads `<type>[<parts>-][<namespace>,][<id>][<JSON>]`.
fn header(text: &str) -> Read<(Packet, usize)> {
    let mut chars = text.chars();
    let digit = chars.next().ok_or("an empty packet")?;
    let mut rest = chars.as_str();
    let kind = match digit {
        '0' => Kind::Connect,
        '1' => Kind::Disconnect,
        '2' | '5' => Kind::Event,
        '3' | '6' => Kind::Ack,
        '4' => Kind::ConnectError,
        other => return Err(format!("packet type {other}")),
    };
    let mut parts = 0;
    if matches!(digit, '5' | '6') {
        let (count, after) = rest.split_once('-').ok_or("no count of parts")?;
        parts = count.parse().map_err(|_| "a bad count of parts")?;
        if parts == 0 {
            return Err("a binary packet without parts".into());
        }
        rest = after;
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').ok_or("a namespace without comma")?;
    }
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (id, json) = rest.split_at(digits);
    let id = if id.is_empty() {
        None
    } else {
        Some(id.parse().map_err(|_| "a bad id")?)
    };
    let data = match (kind, json) {
        (Kind::Disconnect, "") => Vec::new(),
        (Kind::Event | Kind::Ack, json) => match read(json)? {
            Value::List(list) => list,
            other => return Err(format!("no list: {other:?}")),
        },
        (Kind::Connect | Kind::ConnectError, json) => alloc::vec![read(json)?],
        (Kind::Disconnect, json) => return Err(format!("disconnect with {json:?}")),
    };
    let namespace = namespace.into();
    Ok((
        Packet {
            kind,
            namespace,
            id,
            data,
        },
        parts,
    ))
}

/// The first frame in `bytes`: whether it is text, its payload, and how long it is in all.
/// `None` if it is not there whole.
pub(super) fn frame(bytes: &[u8]) -> Read<Option<(bool, &[u8], usize)>> {
    let [first, second, ..] = bytes else {
        return Ok(None);
    };
    let text = match first {
        0x81 => true,
        0x82 => false,
        other => return Err(format!("frame begins with {other:#x}")),
    };
    let (skip, len) = match second {
        0..=125 => (2, usize::from(*second)),
        126 => match bytes.get(2..4) {
            Some(&[a, b]) => (4, usize::from(a) << 8 | usize::from(b)),
            _ => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(long) => (10, long.iter().fold(0, |n, b| n << 8 | usize::from(*b))),
            None => return Ok(None),
        },
        _ => return Err("a masked frame from the server".into()),
    };
    let shortest = match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    };
    if skip != shortest {
        return Err("a length in more bytes than it needs".into());
    }
    Ok(bytes
        .get(skip..skip + len)
        .map(|payload| (text, payload, skip + len)))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let at = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let six = (word >> (18 - 6 * i)) as usize & 63;
            let pad = i > group.len();
            out.push(if pad { '=' } else { char::from(BASE64[six]) });
        }
    }
    out
}

/// The inverse of [`to_base64`].
pub(super) fn from_base64(text: &str) -> Read<Vec<u8>> {
    if !text.len().is_multiple_of(4) {
        return Err("base64 of a wrong length".into());
    }
    let digits = text.trim_end_matches('=');
    let mut out = Vec::new();
    let (mut word, mut bits) = (0u32, 0);
    for byte in digits.bytes() {
        let six = BASE64.iter().position(|b| *b == byte);
        word = word << 6 | six.ok_or("not base64")? as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits) as u8);
        }
    }
    Ok(out)
}
