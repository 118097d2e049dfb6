//! Work on what peers send grows as its length does, and no faster: not with its depth, the number of
//! its parts, or what else a client has open.
//!
//! Times are compared with each other: what is asked is whether ten times the input costs some ten times as
//! much. They are the thread's own, which do not pass while others have the processor. What was once quadratic
//! here took 86 to 4,485 times its share.

#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use std::{hint::black_box, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use stentor_engine::{
    config::Config,
    eio::payload,
    hub::{Alone, Emit, Event, Hub, Mode, Namespace, SessionKey, Setup, SocketKey},
    id::{ConnId, ShardId},
    sio::{json, packet},
    time::Tick,
};

/// Bytes that each measurement looks at, in one text or in many.
const BYTES: usize = 400_000;

/// A share of the work that is as good as the same: a machine under load is no failure.
const MUCH: f64 = 8.0;

/// The shortest of some runs, in seconds.
fn shortest(mut run: impl FnMut() -> f64) -> f64 {
    (0..5).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Seconds of the processor that some work takes.
fn timed<R>(work: impl FnOnce() -> R) -> f64 {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a time");
    let begin = now();
    black_box(work());
    now().saturating_sub(begin).as_secs_f64()
}

/// Seconds a byte that everything takes which looks at an event's arguments.
fn scan(args: &str) -> f64 {
    let event = format!(r#"51-["event",{args}]"#);
    let times = (BYTES / args.len()).max(1);
    let once = || {
        let packet = packet::decode(&event, 10);
        let values = packet.map(|packet| packet.payload).unwrap_or_default();
        let _ = black_box(json::placeholders(&event[values.clone()], 10, usize::MAX));
        let first = json::first_value_end(&event[values]);
        let _ = black_box((first, json::check(args), json::readable(args)));
        json::unescape(args).len()
    };
    let time = shortest(|| timed(|| (0..times).map(|_| once()).sum::<usize>()));
    time / (times * args.len()) as f64
}

/// Arguments of about so many bytes, in one level after the other.
struct Shape {
    name: &'static str,
    /// What is repeated, and how it ends: `depth` times around one another, or side by side.
    open: &'static str,
    filler: &'static str,
    close: &'static str,
}

const SHAPES: [Shape; 15] = [
    shape("arrays", "[", "1", "]"),
    shape("objects", r#"{"a":"#, "1", "}"),
    shape("a key `num`", r#"{"num":"#, r#""é""#, "}"),
    shape("a key `_placeholder`", r#"{"_placeholder":"#, r#""é""#, "}"),
    shape("keys with escapes", r#"{"n\u0075m":"#, "1", "}"),
    shape("a key twice", r#"{"num":1,"num":"#, "1", "}"),
    shape(
        "no placeholder",
        r#"{"_placeholder":false,"num":"#,
        "1",
        "}",
    ),
    shape(
        "as clients write it",
        r#"{"_placeholder":true,"num":"#,
        "null",
        "}",
    ),
    shape("a wide object", "{", r#""a":1"#, "}"),
    shape("a wide object of one name", "{", r#""num":1"#, "}"),
    shape("strings", "[", r#""string""#, "]"),
    shape("escapes", "[", r#""\n\ud83d""#, "]"),
    shape("numbers", "[", "-1.5e300", "]"),
    shape("large numbers", "[", "1e400", "]"),
    shape("space", "[", "                1", "]"),
];

const fn shape(
    name: &'static str,
    open: &'static str,
    filler: &'static str,
    close: &'static str,
) -> Shape {
    Shape {
        name,
        open,
        filler,
        close,
    }
}

impl Shape {
    /// `depth` levels, in the innermost of which `bytes` are filled up.
    fn text(&self, depth: usize, bytes: usize) -> String {
        // Where only one value fits it is long; elsewhere there are many.
        let one = self.open.ends_with(':');
        let filler = match self.filler.strip_suffix('"') {
            Some(string) if one => string.to_owned() + &"é".repeat(bytes / 2) + "\"",
            _ if one => "1".repeat(bytes),
            _ => vec![self.filler; bytes / self.filler.len()].join(","),
        };
        // Objects that are filled with members hold the next level under a name.
        let (open, last) = match self.open {
            "{" => (r#"{"a":"#, "{"),
            open => (open, open),
        };
        let around = open.repeat(depth - 1);
        let close = self.close.repeat(depth);
        format!("{around}{last}{filler}{close}")
    }
}

#[test]
fn scanning_costs_the_same_for_each_byte_however_deep_and_long() {
    for shape in &SHAPES {
        let name = shape.name;
        let share = scan(&shape.text(1, 20_000));
        for (depth, bytes) in [(1, BYTES), (120, 20_000), (120, BYTES)] {
            let more = scan(&shape.text(depth, bytes)) / share;
            assert!(
                more < MUCH,
                "{name}, {depth} deep, {bytes} B: {more:.1} times as much for each byte"
            );
        }
    }
}

#[test]
fn many_small_arguments_cost_what_they_are_long() {
    for part in [
        "1,",
        "[],",
        "{},",
        r#"{"num":1},"#,
        r#"{"_placeholder":true,"num":11},"#,
    ] {
        let args = |count: usize| part.repeat(count) + "1";
        let share = scan(&args(1_000));
        let more = scan(&args(50_000)) / share;
        assert!(more < MUCH, "{part} {more:.1} times as much for each");
    }
}

#[test]
fn packets_of_a_polling_payload_cost_what_they_are_long() {
    let cost = |packets: usize| {
        let body = "2\u{1e}bAAAA\u{1e}".repeat(packets) + "2";
        let read = |packet: &str| {
            let bytes = packet.strip_prefix('b').map(payload::binary);
            bytes.map_or(0, |bytes| bytes.expect("it is base64").len())
        };
        let time = shortest(|| timed(|| payload::packets(&body).map(read).sum::<usize>()));
        time / body.len() as f64
    };
    let more = cost(50_000) / cost(1_000);
    assert!(more < MUCH, "{more:.1} times as much for each");
}

/// A hub with one socket that may owe any number of answers.
fn hub() -> (Hub, SessionKey, SocketKey) {
    let mut config = Config::default();
    config.limits.acks_per_socket = usize::MAX;
    let root = Namespace {
        name: "/".into(),
        gated: false,
    };
    let mut hub = Hub::new(Setup {
        config,
        shard: ShardId(0),
        shards: 1,
        mode: Mode::SocketIo(vec![root]),
        seed: 1,
        directory: Box::new(Alone),
        entropy: Box::new(|bytes| bytes.fill(1)),
    });
    let session = hub.open(Tick(0), Some((ConnId(1), b"")));
    hub.receive_text(Tick(0), session, "40").expect("a packet");
    match hub.next_event() {
        Some(Event::Connected { socket, .. }) => (hub, session, socket),
        other => panic!("{other:?}"),
    }
}

/// Asks so many questions with this wait for their answers.
fn ask(hub: &mut Hub, socket: SocketKey, questions: usize, wait: Duration) {
    let emit = Emit {
        name: "q",
        args: "",
        attachments: &[],
        volatile: false,
        compress: true,
    };
    for _ in 0..questions {
        let asked = hub.emit_with_ack(Tick(0), socket, &emit, 0, wait);
        assert_eq!(asked, Ok(true));
    }
    while hub.next_event().is_some() {}
}

/// Seconds an answer that nobody waits for takes, with so many that are waited for.
fn stray_answer(open: usize) -> f64 {
    let (mut hub, session, socket) = hub();
    ask(&mut hub, socket, open, Duration::from_mins(1));
    shortest(|| {
        timed(|| {
            for _ in 0..1_000 {
                let stray = hub.receive_text(Tick(1), session, "43999999999[]");
                stray.expect("an answer too many is no violation");
            }
        })
    })
}

#[test]
fn an_answer_that_nobody_waits_for_costs_the_same_whatever_is_open() {
    let more = stray_answer(60_000) / stray_answer(10);
    assert!(more < MUCH, "{more:.1} times as much");
}

/// Seconds that the end of so many questions takes, each.
fn expiry(questions: usize) -> f64 {
    let wait = Duration::from_secs(1);
    let time = shortest(|| {
        let (mut hub, _, socket) = hub();
        ask(&mut hub, socket, questions, wait);
        let late = Tick(0).after(wait);
        let time = timed(|| {
            while hub.deadline().is_some_and(|deadline| deadline <= late) {
                hub.advance(late);
            }
        });
        assert_eq!(hub.counts().acks, 0);
        time
    });
    time / questions as f64
}

#[test]
fn questions_that_nobody_answers_end_at_the_same_cost_each() {
    let more = expiry(30_000) / expiry(300);
    assert!(more < MUCH, "{more:.1} times as much for each");
}
