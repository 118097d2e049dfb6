//! Answers: what does this client want, and which words does it say it with.
//!
//! A client lives for one session. What it does when is chance's business (`peer`), what reaches
//! it and when is the world's; here is what it remembers and how it builds packets.

use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::{
    random::Random,
    wire::{self, Kind, Packet, Reader, Value},
};
use crate::error::CloseReason;

/// The namespaces: open, open, and one whose door is kept.
pub(super) const NAMESPACES: [&str; 3] = ["/", "/a", "/gate"];
/// One that no server has.
pub(super) const NOWHERE: &str = "/nowhere";

/// Credentials that clients send with CONNECT.
pub(super) const AUTHS: [&str; 3] = [r#"{"token":"x"}"#, "{}", r#"{ "a":["\""] }"#];

/// A message as it travels to the server.
#[derive(Debug, Clone)]
pub(super) enum Wire {
    Text(String),
    Binary(Vec<u8>),
}

/// A message and what a server must make of it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) wire: Wire,
    pub(super) what: What,
}

/// What a server must make of a message.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// To join a namespace, with these credentials.
    Connect(&'static str, Option<&'static str>),
    Leave(&'static str),
    /// An event or an answer, with the number of binary parts that follow.
    Packet(Packet, usize),
    Part(Vec<u8>),
    Pong,
    Ignored,
    Close,
    /// Said on a connection that probes.
    Probe,
    /// More than a message may have, as the reader of its transport finds.
    TooLarge,
    /// Not an Engine.IO packet, or one that clients may not send.
    BadEngine(CloseReason),
    /// Not a Socket.IO packet, or one that breaks a rule. With a namespace the rule counts only if
    /// the client is in it.
    Bad(CloseReason, Option<&'static str>),
}

/// How a client behaves, decided at birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// Reads, polls and answers pings at once.
    Sound,
    /// The same over a narrow line: what is queued for it waits, and it loses nothing.
    Steady,
    /// Never answers a ping.
    Silent,
    /// Stops reading for a while.
    Stalls,
    /// Takes its time between polls; reads little at a time.
    Slow,
    /// Joins no namespace.
    Idle,
}

/// How a client upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As the official client does.
    Good,
    /// Closes the connection before it says anything.
    CloseEarly,
    /// Closes it when the probe was answered.
    CloseLate,
    /// Never says `5`.
    Forget,
    /// Says `5` when it is about too late.
    LateFive,
    /// Says something else.
    Garbage,
    /// Says `5` without a probe.
    Direct,
}

/// Which transport a client is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    Polling,
    Ws(usize),
}

/// Where an upgrade stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upgrade {
    No,
    /// `2probe` is out, or whatever the style says in its place.
    Asked(usize, Style),
    /// `3probe` came; requests in flight are waited for.
    Pausing(usize),
}

/// What a client believes about a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Out,
    Asked,
    In,
}

/// See the module's text.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
pub(super) struct Client {
    pub(super) hub: usize,
    /// The hub to whose listener its requests come.
    pub(super) door: usize,
    pub(super) habit: Habit,
    pub(super) sid: Option<String>,
    pub(super) via: Via,
    pub(super) upgrade: Upgrade,
    /// GETs in flight.
    pub(super) gets: usize,
    pub(super) posting: bool,
    pub(super) outbox: VecDeque<Sent>,
    pub(super) reader: Reader,
    pub(super) stalled_until: u64,
    /// Goes once everything is said.
    pub(super) leaving: bool,
    /// Does nothing any more.
    pub(super) gone: bool,
    pub(super) places: [Place; 3],
    /// The id of its next question.
    pub(super) asks: u64,
    /// Sends and takes no binary messages.
    pub(super) text_only: bool,
}

impl Client {
    pub(super) const fn new(hub: usize, habit: Habit) -> Self {
        Self {
            hub,
            door: hub,
            habit,
            sid: None,
            via: Via::Polling,
            upgrade: Upgrade::No,
            gets: 0,
            posting: false,
            outbox: VecDeque::new(),
            reader: Reader { waiting: None },
            stalled_until: 0,
            leaving: false,
            gone: false,
            places: [Place::Out; 3],
            asks: 0,
            text_only: false,
        }
    }

    /// Whether the client can say something new.
    pub(super) const fn is_ready(&self) -> bool {
        self.sid.is_some() && !self.gone && !self.leaving
    }

    /// A namespace the client believes to be in.
    pub(super) fn home(&self, random: &mut Random) -> Option<&'static str> {
        let at = random.index(3);
        (self.places[at] == Place::In).then_some(NAMESPACES[at])
    }

    pub(super) fn place(&mut self, namespace: &str) -> Option<&mut Place> {
        let at = NAMESPACES.iter().position(|name| *name == namespace)?;
        Some(&mut self.places[at])
    }

    pub(super) fn text(&mut self, text: impl Into<String>, what: What) {
        let wire = Wire::Text(text.into());
        self.outbox.push_back(Sent { wire, what });
    }

    /// Says an event or an answer, its binary parts behind it.
    pub(super) fn packet(&mut self, packet: Packet) {
        let mut parts = Vec::new();
        let json = wire::write(&packet.data, &mut parts);
        let digit = match (packet.kind, parts.is_empty()) {
            (Kind::Event, true) => '2',
            (Kind::Event, false) => '5',
            (Kind::Ack, true) => '3',
            _ => '6',
        };
        let count = if parts.is_empty() {
            String::new()
        } else {
            format!("{}-", parts.len())
        };
        let namespace = match &*packet.namespace {
            "/" => String::new(),
            name => format!("{name},"),
        };
        let id = packet.id.map_or_else(String::new, |id| id.to_string());
        let text = format!("4{digit}{count}{namespace}{id}[{json}]");
        self.text(text, What::Packet(packet, parts.len()));
        for part in parts {
            let wire = if self.text_only {
                Wire::Text(format!("b{}", wire::to_base64(&part)))
            } else {
                Wire::Binary(part.to_vec())
            };
            let what = What::Part(part.to_vec());
            self.outbox.push_back(Sent { wire, what });
        }
    }

    /// Says something that ends the session, or would in another state of it.
    pub(super) fn bad(&mut self, random: &mut Random) {
        let root = NAMESPACES[0];
        let here = Some(root);
        let forced = CloseReason::ForcedClose;
        let cases: [(&str, What); 13] = [
            ("", What::TooLarge),
            ("9", What::BadEngine(CloseReason::ParseError)),
            ("2", What::BadEngine(CloseReason::TransportError)),
            ("4", What::Bad(forced, None)),
            ("47", What::Bad(forced, None)),
            ("42{}", What::Bad(forced, None)),
            ("42[\"connect\"]", What::Bad(forced, None)),
            ("42[\"a\",]", What::Bad(forced, None)),
            ("4599-[\"a\"]", What::Bad(forced, None)),
            (
                r#"451-["a",{"_placeholder":true,"num":1}]"#,
                What::Bad(forced, here),
            ),
            (
                r#"451-["a",{"x":[{"num":7,"_placeholder":true}]}]"#,
                What::Bad(forced, here),
            ),
            (
                "42/nowhere,[\"a\"]",
                What::Bad(CloseReason::ForcedServerClose, None),
            ),
            ("44{}", What::Bad(CloseReason::ForcedServerClose, None)),
        ];
        let (text, what) = cases[random.index(cases.len())].clone();
        self.text(text, what);
    }
}

/// Binary parts, so many.
pub(super) fn parts(random: &mut Random, count: u64) -> Value {
    let parts = (0..count).map(|_| {
        let long = if random.chance(20) { 300 } else { 8 };
        let len = random.index(long);
        Value::Binary(random.bytes(len))
    });
    Value::Object(alloc::vec![("b".into(), Value::List(parts.collect()))])
}

/// Arguments of an event: its number, and perhaps more.
pub(super) fn arguments(random: &mut Random, number: u64, long: usize) -> Vec<Value> {
    let mut data = alloc::vec![Value::Number(number)];
    match random.below(12) {
        0 => data.push(Value::Text("\"quoted\" \\ \n\u{1f980}\u{2028}é".into())),
        1 => data.push(Value::Object(alloc::vec![
            ("_placeholder".into(), Value::Bool(false)),
            (
                String::new(),
                Value::List(alloc::vec![Value::Null, Value::List(Vec::new())])
            ),
        ])),
        2 => data.push(Value::Text("x".repeat(random.index(long)))),
        3 => data.push(Value::Text("y".repeat(random.index(400)))),
        4 | 5 => {
            let count = random.between(1, 3);
            data.push(parts(random, count));
        }
        _ => {}
    }
    data
}

/// An event's name.
pub(super) fn name(random: &mut Random) -> &'static str {
    random.pick(&["message", "a", "with \"quotes\"\n", "été", "0"])
}
