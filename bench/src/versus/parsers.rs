//! Answers: how do our parsers and encoders compare with socketioxide's on the same packets.
//!
//! Both sides start from a message that is already in memory as each receives it: ours borrows it,
//! socketioxide's `Str` is a reference-counted slice of the connection's buffer. Work is compared
//! up to the same point: the header and the event's name, by when both have passed over all of the
//! JSON (theirs with `IgnoredAny`); then the arguments as a value.

use std::hint::black_box;

use bytes::Bytes;
use engineioxide_core::{Packet as EioPacket, ProtocolVersion, Str};
use serde_json::Value as Json;
use socketioxide_core::{
    Value,
    packet::{Packet as SioPacket, PacketData},
    parser::{Parse, ParseConfig, ParserState},
};
use socketioxide_parser_common::CommonParser;
use stentor_engine::{
    eio,
    frame::{Kind, write_head},
    sio::{
        encode::{Body, Outgoing},
        packet::decode,
    },
};

use super::{Name, Rounds, Row};
use crate::{crowd::NEWS, input};

/// The table of all that is here.
pub const PARSERS: &str = "parsers";

pub(super) fn compare(rounds: Rounds, rows: &mut Vec<Row>) {
    engine_packet(rounds, rows);
    for (what, text) in input::packets() {
        header(rounds, rows, what, &text);
        if what.starts_with("event") {
            arguments(rounds, rows, what, &text);
        }
    }
    encode(rounds, rows, "event 128 B", NEWS);
    encode(rounds, rows, "event 64 KiB", &input::records(64 << 10));
}

fn name(work: String, theirs: &'static str) -> Name {
    Name {
        table: PARSERS,
        work,
        bytes: 0,
        ours: "stentor-engine",
        theirs,
    }
}

fn engine_packet(rounds: Rounds, rows: &mut Vec<Row>) {
    let text = format!("4{}", input::EVENT);
    let shared = Str::from(text.clone());
    rows.push(rounds.compare(
        name(
            "Engine.IO packet, message of 64 B".to_owned(),
            "engineioxide-core",
        ),
        || {
            black_box(eio::packet::decode(black_box(&text))).expect("a packet");
        },
        || {
            let packet = EioPacket::parse(ProtocolVersion::V4, black_box(shared.clone()));
            black_box(packet).expect("a packet");
        },
    ));
}

/// Theirs, as their server does it: the packet, then the event's name.
fn theirs(config: &ParseConfig, state: &ParserState, text: &Str) -> Option<SioPacket> {
    let packet = CommonParser.decode_str(config, state, text.clone()).ok()?;
    if let PacketData::Event(value, _) = &packet.inner {
        black_box(CommonParser.read_event(value)).ok()?;
    }
    Some(packet)
}

fn header(rounds: Rounds, rows: &mut Vec<Row>, what: &str, text: &str) {
    let (config, shared) = (ParseConfig::default(), Str::from(text.to_owned()));
    // A binary packet stays in the parser until its attachments come: a new state each time.
    let binary = text.starts_with('5');
    let kept = ParserState::default();
    rows.push(rounds.compare(
        name(
            format!("Socket.IO decode and event name: {what}"),
            "socketioxide-parser-common",
        ),
        || {
            let packet = decode(black_box(text), 10).expect("a packet");
            black_box(packet.name.read(text));
            black_box(packet);
        },
        || {
            let shared = black_box(&shared);
            if binary {
                black_box(theirs(&config, &ParserState::default(), shared));
            } else {
                black_box(theirs(&config, &kept, shared)).expect("a packet");
            }
        },
    ));
}

fn arguments(rounds: Rounds, rows: &mut Vec<Row>, what: &str, text: &str) {
    let (config, shared) = (ParseConfig::default(), Str::from(text.to_owned()));
    let state = ParserState::default();
    rows.push(rounds.compare(
        name(
            format!("the same and the argument as a Value: {what}"),
            "socketioxide-parser-common",
        ),
        || {
            let packet = decode(black_box(text), 10).expect("a packet");
            black_box(serde_json::from_str::<Json>(&text[packet.payload])).expect("one argument");
        },
        || {
            let packet = theirs(&config, &state, black_box(&shared)).expect("a packet");
            let PacketData::Event(mut value, _) = packet.inner else {
                panic!("an event");
            };
            black_box(CommonParser.decode_value::<Json>(&mut value, true)).expect("one argument");
        },
    ));
}

/// From a JSON value to what goes to the socket: theirs makes the packet's text, and its WebSocket
/// library writes the header into a buffer with a copy of it; ours does both in one pass.
fn encode(rounds: Rounds, rows: &mut Vec<Row>, what: &str, json: &str) {
    let argument: Json = serde_json::from_str(json).expect("JSON");
    let (mut ours, mut wire) = (Vec::new(), Vec::new());
    rows.push(rounds.compare(
        name(
            format!("encode, with WebSocket header: {what}"),
            "socketioxide-parser-common",
        ),
        || {
            let args = serde_json::to_string(black_box(&argument)).expect("JSON");
            ours.clear();
            let body = Body::Event {
                name: "news",
                args: &args,
            };
            Outgoing {
                namespace: "/",
                id: None,
                body,
                attachments: &[],
            }
            .write(&mut ours);
            black_box(&ours);
        },
        || {
            let value = CommonParser.encode_value(black_box(&argument), Some("news"));
            let packet = SioPacket::event("/", value.expect("JSON"));
            let Value::Str(text, _) = CommonParser.encode(packet) else {
                panic!("text");
            };
            let text = Bytes::from(text);
            wire.clear();
            write_head(&mut wire, Kind::Text, 1 + text.len());
            wire.push(b'4');
            wire.extend_from_slice(&text);
            black_box(&wire);
        },
    ));
}
