//! Answers: do the scans of JSON agree with each other and with another reader.

use serde_json::Value;
use stentor_engine::sio::json;

/// Scans a value, values in a list, and placeholders.
///
/// # Panics
/// If a scan takes what is no JSON.
pub fn json(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let sound = json::check(text).is_ok();
    if let Err(error) = serde_json::from_str::<Value>(text)
        && sound
    {
        let why = error.to_string();
        let stricter = [
            "number out of range",
            "surrogate",
            "hex escape",
            "recursion limit",
        ];
        assert!(
            stricter.iter().any(|known| why.contains(known)),
            "{why}: {text}"
        );
    }
    if let Ok(range) = json::array(text, 0) {
        let values = &text[range];
        let _ = json::placeholders(values, 3, 3);
        let first = json::first_value_end(values);
        let first = &values[..first];
        let first = first.strip_suffix(',').unwrap_or(first);
        let none = first.trim_ascii().is_empty();
        assert!(none || json::check(first).is_ok(), "{text}");
    }
    if let Ok(parts) = json::event(text, 0) {
        let _ = parts.name.read(text);
        let _ = json::placeholders(&text[parts.args], 3, 3);
    }
    let mut quoted = String::new();
    json::write_string(&mut quoted, text);
    assert_eq!(
        serde_json::from_str::<String>(&quoted).ok().as_deref(),
        Some(text)
    );
}
