//! Answers: what does this Engine.IO v4 or Socket.IO v5 packet say.
//!
//! Also builds the client's own. Reads lazily: the common forms by comparing bytes, anything else by a JSON
//! parser, so that no correct server is called wrong for its spelling. Must not know of frames, requests or
//! sockets.

use serde_json::Value;
use std::borrow::Cow;

/// An Engine.IO packet as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine<'a> {
    /// `0`: the handshake, JSON follows.
    Open(&'a [u8]),
    /// `1`: the server ends the session.
    Close,
    /// `2`: heartbeat, to be answered; carries `probe` in an upgrade of old clients.
    Ping,
    /// `3`: the answer to our own probe.
    Pong(&'a [u8]),
    /// `4`: a Socket.IO packet.
    Message(&'a [u8]),
    /// `6`: nothing.
    Noop,
    /// Anything else.
    Unknown,
}

/// Splits off the Engine.IO type.
#[must_use]
pub fn engine(text: &[u8]) -> Engine<'_> {
    match text.split_first() {
        Some((b'0', rest)) => Engine::Open(rest),
        Some((b'1', _)) => Engine::Close,
        Some((b'2', _)) => Engine::Ping,
        Some((b'3', rest)) => Engine::Pong(rest),
        Some((b'4', rest)) => Engine::Message(rest),
        Some((b'6', _)) => Engine::Noop,
        _ => Engine::Unknown,
    }
}

/// Kinds of Socket.IO packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `0`
    Connect,
    /// `1`
    Disconnect,
    /// `2` and `5`
    Event,
    /// `3` and `6`
    Ack,
    /// `4`
    ConnectError,
}

/// A Socket.IO packet, its JSON unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// Binary attachments that follow.
    pub attachments: u32,
    /// Namespace; `/` when none is written.
    pub namespace: &'a [u8],
    /// Acknowledgement number.
    pub id: Option<u32>,
    /// The JSON part.
    pub body: &'a [u8],
}

/// Reads a Socket.IO packet's head; `None` if it is not one.
#[must_use]
pub fn message(text: &[u8]) -> Option<Message<'_>> {
    let (&kind, mut rest) = text.split_first()?;
    let (kind, binary) = match kind {
        b'0' => (Kind::Connect, false),
        b'1' => (Kind::Disconnect, false),
        b'2' => (Kind::Event, false),
        b'3' => (Kind::Ack, false),
        b'4' => (Kind::ConnectError, false),
        b'5' => (Kind::Event, true),
        b'6' => (Kind::Ack, true),
        _ => return None,
    };
    let mut attachments = 0;
    if binary {
        let (count, after) = digits(rest)?;
        attachments = count;
        rest = after.strip_prefix(b"-")?;
    }
    let mut namespace: &[u8] = b"/";
    if rest.first() == Some(&b'/') {
        let end = rest.iter().position(|b| *b == b',').unwrap_or(rest.len());
        namespace = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let mut id = None;
    if let Some((number, after)) = digits(rest) {
        id = Some(number);
        rest = after;
    }
    Some(Message {
        kind,
        attachments,
        namespace,
        id,
        body: rest,
    })
}

fn digits(data: &[u8]) -> Option<(u32, &[u8])> {
    let len = data.iter().take_while(|b| b.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let number = std::str::from_utf8(&data[..len]).ok()?.parse().ok()?;
    Some((number, &data[len..]))
}

/// The one argument the event contract allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// No argument.
    None,
    /// A string.
    Text(Cow<'a, [u8]>),
    /// The place of the first binary attachment.
    Attachment,
    /// Something that was never sent.
    Other,
}

/// Reads `["name",argument]`.
#[must_use]
pub fn event(body: &[u8]) -> Option<(Cow<'_, str>, Argument<'_>)> {
    if let Some(rest) = body.strip_prefix(b"[\"")
        && let Some(end) = rest.iter().position(|b| *b == b'"' || *b == b'\\')
        && rest[end] == b'"'
        && let Some(argument) = rest[end + 1..].strip_prefix(b",")
        && let Some(argument) = quick_argument(argument)
    {
        return Some((
            Cow::Borrowed(std::str::from_utf8(&rest[..end]).ok()?),
            argument,
        ));
    }
    let mut values = serde_json::from_slice::<Vec<Value>>(body).ok()?.into_iter();
    let Some(Value::String(name)) = values.next() else {
        return None;
    };
    Some((Cow::Owned(name), slow_argument(values)))
}

/// Reads the `[argument]` of an acknowledgement.
#[must_use]
pub fn ack(body: &[u8]) -> Option<Argument<'_>> {
    if let Some(rest) = body.strip_prefix(b"[")
        && let Some(argument) = quick_argument(rest)
    {
        return Some(argument);
    }
    Some(slow_argument(
        serde_json::from_slice::<Vec<Value>>(body).ok()?.into_iter(),
    ))
}

/// The argument and closing bracket in their usual spelling.
fn quick_argument(rest: &[u8]) -> Option<Argument<'_>> {
    if rest == br#"{"_placeholder":true,"num":0}]"# {
        return Some(Argument::Attachment);
    }
    let text = rest.strip_prefix(b"\"")?.strip_suffix(b"\"]")?;
    let plain = !text.iter().any(|b| matches!(b, b'"' | b'\\'));
    plain.then_some(Argument::Text(Cow::Borrowed(text)))
}

fn slow_argument(mut values: impl Iterator<Item = Value>) -> Argument<'static> {
    let argument = values.next();
    if values.next().is_some() {
        return Argument::Other;
    }
    match argument {
        None | Some(Value::Null) => Argument::None,
        Some(Value::String(text)) => Argument::Text(Cow::Owned(text.into_bytes())),
        Some(Value::Object(map))
            if map.get("_placeholder") == Some(&Value::Bool(true))
                && map.get("num") == Some(&Value::from(0)) =>
        {
            Argument::Attachment
        }
        Some(_) => Argument::Other,
    }
}

/// What the handshake says.
#[derive(Clone, Debug, serde::Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// Engine.IO session.
    pub sid: String,
    /// Milliseconds between the server's pings.
    pub ping_interval: u32,
    /// Milliseconds it waits for our pong.
    pub ping_timeout: u32,
    /// Transports it can change to.
    pub upgrades: Vec<String>,
}

/// The head of an event packet: everything up to its argument. `attachment` makes it binary.
pub fn write_event(
    out: &mut Vec<u8>,
    prefix: &[u8],
    id: Option<u32>,
    name: &str,
    room: Option<u32>,
    attachment: bool,
) {
    out.extend_from_slice(if attachment { b"451-" } else { b"42" });
    out.extend_from_slice(prefix);
    if let Some(id) = id {
        out.extend_from_slice(itoa::Buffer::new().format(id).as_bytes());
    }
    out.extend_from_slice(b"[\"");
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    if let Some(room) = room {
        out.extend_from_slice(b",\"r");
        out.extend_from_slice(itoa::Buffer::new().format(room).as_bytes());
        out.push(b'"');
    }
    out.push(b',');
    if attachment {
        out.extend_from_slice(br#"{"_placeholder":true,"num":0}]"#);
    }
}

/// What stands before the acknowledgement number or JSON of a packet in `namespace`.
#[must_use]
pub fn namespace_prefix(namespace: &str) -> Vec<u8> {
    if namespace == "/" {
        Vec::new()
    } else {
        format!("{namespace},").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_heads() {
        let plain = message(br#"2["a","b"]"#).unwrap();
        assert_eq!(
            (plain.kind, plain.namespace, plain.id),
            (Kind::Event, &b"/"[..], None)
        );
        let full = message(br#"61-/chat,12["x"]"#).unwrap();
        assert_eq!(
            (full.kind, full.attachments, full.id),
            (Kind::Ack, 1, Some(12))
        );
        assert_eq!(
            (full.namespace, full.body),
            (&b"/chat"[..], &br#"["x"]"#[..])
        );
        let bare = message(b"1/chat").unwrap();
        assert_eq!(
            (bare.kind, bare.namespace, bare.body),
            (Kind::Disconnect, &b"/chat"[..], &[][..])
        );
        assert_eq!(message(b"9"), None);
        assert_eq!(message(b"5x-"), None);
    }

    #[test]
    fn quick_and_slow_reading_agree() {
        let text = |s: &'static str| Argument::Text(Cow::Borrowed(s.as_bytes()));
        for (body, expected) in [
            (r#"["echo","abc"]"#, ("echo", text("abc"))),
            (r#"[ "echo" , "abc" ]"#, ("echo", text("abc"))),
            (r#"["echo","a\"c"]"#, ("echo", text("a\"c"))),
            (
                r#"["echo",{"_placeholder":true,"num":0}]"#,
                ("echo", Argument::Attachment),
            ),
            (
                r#"["echo",{"num":0,"_placeholder":true}]"#,
                ("echo", Argument::Attachment),
            ),
            (
                r#"["echo",{"num":1,"_placeholder":true}]"#,
                ("echo", Argument::Other),
            ),
            (r#"["echo"]"#, ("echo", Argument::None)),
            (r#"["echo","a","b"]"#, ("echo", Argument::Other)),
            (r#"["echo","a",{"x":"b"}]"#, ("echo", Argument::Other)),
        ] {
            let (name, argument) = event(body.as_bytes()).unwrap();
            assert_eq!((name.as_ref(), argument), expected, "{body}");
        }
        assert_eq!(ack(br#"["abc"]"#), Some(text("abc")));
        assert_eq!(ack(b"[]"), Some(Argument::None));
        assert_eq!(event(b"nonsense"), None);
    }

    #[test]
    fn writes_events() {
        let mut out = Vec::new();
        write_event(&mut out, b"/n,", Some(3), "room", Some(7), true);
        assert_eq!(
            out,
            br#"451-/n,3["room","r7",{"_placeholder":true,"num":0}]"#
        );
        out.clear();
        write_event(&mut out, b"", None, "echo", None, false);
        assert_eq!(out, br#"42["echo","#);
        assert_eq!(namespace_prefix("/"), b"");
    }
}
