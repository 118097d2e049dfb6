//! Reads Socket.IO packets, a JSON string a line, and writes what each stands for, an object a line:
//! for scripts/clients/js/parser.js, which asks socket.io-parser the same.

use std::io::{self, BufRead as _, Write as _};

use serde_json::{Value, json};
use stentor_engine::{
    error::PeerError,
    limits::Limits,
    sio::{
        json::placeholders,
        packet::{Kind, decode},
    },
};

fn read(text: &str) -> Result<Value, PeerError> {
    let packet = decode(text, Limits::default().attachments)?;
    let payload = &text[packet.payload.clone()];
    if packet.attachments > 0 {
        placeholders(payload, packet.attachments, packet.attachments)?;
    }
    let kind = match packet.kind {
        Kind::Connect => "connect",
        Kind::Disconnect => "disconnect",
        Kind::Event => "event",
        Kind::Ack => "ack",
        Kind::ConnectError => "connect_error",
    };
    Ok(json!({
        "kind": kind,
        "parts": packet.attachments,
        "nsp": packet.namespace(text),
        "id": packet.id.map(|id| id.to_string()),
        "name": packet.name.read(text),
        "payload": payload,
    }))
}

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let text: String = serde_json::from_str(&line?)?;
        let said = read(&text).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(out, "{said}")?;
    }
    out.flush()
}
