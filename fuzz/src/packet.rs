//! Answers: does a Socket.IO packet stand for what its bytes say.

use serde_json::Value;
use stentor_engine::sio::packet::{Kind, decode};

/// Reads a packet. What is taken must be JSON for another reader too, and its ranges must lie in the
/// text.
///
/// # Panics
/// If a packet is taken that is none.
pub fn packet(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(packet) = decode(text, 10) else { return };
    assert!(packet.attachments <= 10);
    assert!(packet.namespace(text).starts_with('/'));
    let payload = &text[packet.payload.clone()];
    match packet.kind {
        Kind::Event => {
            let name = packet.name.read(text);
            let name = serde_json::to_string(&name).expect("a string");
            let comma = if payload.is_empty() { "" } else { "," };
            assert!(is_list(&format!("[{name}{comma}{payload}]")), "{text}");
        }
        Kind::Ack => assert!(is_list(&format!("[{payload}]")), "{text}"),
        Kind::Connect if !payload.is_empty() => {
            let auth = read(payload);
            assert!(matches!(auth, Some(Value::Object(_))), "{text}");
        }
        Kind::Connect | Kind::Disconnect | Kind::ConnectError => assert!(payload.is_empty()),
    }
}

fn is_list(text: &str) -> bool {
    matches!(read(text), Some(Value::Array(_)))
}

/// JSON as `serde_json` reads it, or `null` where that is stricter on purpose: numbers beyond `f64`,
/// halves of a surrogate pair, nesting of 128.
fn read(text: &str) -> Option<Value> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let why = error.to_string();
            let stricter = [
                "number out of range",
                "surrogate",
                "hex escape",
                "recursion limit",
            ];
            let known = stricter.iter().any(|known| why.contains(known));
            known.then(|| {
                if text.starts_with('[') {
                    Value::Array(Vec::new())
                } else {
                    Value::Object(serde_json::Map::new())
                }
            })
        }
    }
}
