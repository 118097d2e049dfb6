//! Answers: what are the paths that must not become slower.
//!
//! Each is built once and then runs as often as asked, with the same work every time: criterion
//! times it, the guard counts its instructions. It must not know either of them.

use std::{hint::black_box, ops::ControlFlow};

use stentor::{
    mailbox::mailbox,
    net::ws::{ReadLimits, Reader},
};
use stentor_engine::{
    hub::Selection,
    id::NamespaceId,
    room::{Member, Rooms},
    sio::{
        encode::{Body, Outgoing},
        packet::decode,
    },
    time::Tick,
    wheel::Wheel,
};

use crate::{
    crowd::{Crowd, NEWS, everybody},
    input,
};

/// One path, ready to run.
pub type Run = Box<dyn FnMut()>;

/// A path.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Its name in the tables.
    pub name: &'static str,
    /// What one run does.
    pub what: &'static str,
    /// Runs over which the guard takes the mean.
    pub runs: u64,
    build: fn() -> Run,
}

impl Path {
    /// Builds what one run needs.
    #[must_use]
    pub fn build(&self) -> Run {
        (self.build)()
    }
}

const fn path(name: &'static str, runs: u64, what: &'static str, build: fn() -> Run) -> Path {
    Path {
        name,
        what,
        runs,
        build,
    }
}

/// All of them.
pub const ALL: &[Path] = &[
    path(
        "echo",
        1000,
        "64 B event: receive_text, emit, flush; 100 clients in turn",
        echo,
    ),
    path(
        "echo_1k",
        1000,
        "1 KiB event of records: receive_text, emit, flush",
        echo_1k,
    ),
    path(
        "emit_ack",
        1000,
        "event with an ack id: receive_text, ack, flush",
        ack,
    ),
    path(
        "broadcast_1000",
        20,
        "128 B to a namespace of 1,000, flushed",
        broadcast,
    ),
    path(
        "room_1000_of_1000",
        20,
        "128 B to a room of 1,000, nobody else there",
        room_alone,
    ),
    path(
        "room_1000_of_21000",
        20,
        "the same with 20,000 other sessions",
        room_among_many,
    ),
    path(
        "except_1000",
        20,
        "128 B to 1,000 but a room of 500",
        except,
    ),
    path(
        "ws_feed_64",
        1000,
        "one masked 64 B text frame through the reader",
        feed_64,
    ),
    path(
        "ws_feed_1k",
        1000,
        "one masked 1 KiB text frame through the reader",
        feed_1k,
    ),
    path(
        "ws_feed_split",
        1000,
        "a 1 KiB frame that arrives in two halves",
        feed_split,
    ),
    path(
        "decode",
        1000,
        "Socket.IO decode of a 64 B event, JSON checked",
        decode_event,
    ),
    path("decode_1k", 1000, "the same of 1 KiB of records", decode_1k),
    path(
        "encode",
        1000,
        "a 128 B event with its frame header",
        encode,
    ),
    path(
        "heartbeat_1000",
        10,
        "1,000 sessions: ping, flush, pong",
        heartbeat,
    ),
    path("connect", 100, "open, join /, flush, close, drain", connect),
    path(
        "join_leave",
        1000,
        "one socket into a room and out again",
        join_leave,
    ),
    path("wheel_extend", 1000, "a deadline moved later", wheel_extend),
    path(
        "mailbox",
        1000,
        "one mail sent and received on one thread",
        mail,
    ),
];

/// The path of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Path> {
    ALL.iter().find(|path| path.name == name)
}

/// Events whose names do not repeat one after the other: an echo in turn over all clients.
fn echo_of(text: String) -> Run {
    let mut crowd = Crowd::of(100);
    let mut turn = 0;
    Box::new(move || {
        crowd.echo(turn % 100, black_box(&text));
        turn += 1;
    })
}

fn echo() -> Run {
    echo_of(format!("4{}", input::EVENT))
}

fn echo_1k() -> Run {
    echo_of(format!("4{}", input::event(&input::records(1000))))
}

fn ack() -> Run {
    use stentor_engine::hub::Received;
    let mut crowd = Crowd::of(100);
    let mut turn = 0;
    Box::new(move || {
        let text = black_box(r#"4217["save",{"id":5}]"#);
        let session = crowd.sessions[turn % 100];
        let received = crowd.hub.receive_text(crowd.now, session, text);
        let Ok(Received::Event(event)) = received else {
            panic!("the input is an event");
        };
        let id = event.ack.expect("it has an id");
        let acked = crowd.hub.ack(event.socket, id, r#""saved""#, &[]);
        acked.expect("it is small");
        crowd.flush();
        turn += 1;
    })
}

fn broadcast() -> Run {
    let mut crowd = Crowd::of(1000);
    Box::new(move || crowd.broadcast(everybody()))
}

fn room_of(mut crowd: Crowd) -> Run {
    Box::new(move || crowd.broadcast(everybody().to("room")))
}

fn room_alone() -> Run {
    room_of(Crowd::of(1000).with_room("room", 1000))
}

fn room_among_many() -> Run {
    room_of(Crowd::of(21_000).with_room("room", 1000))
}

fn except() -> Run {
    let mut crowd = Crowd::of(1000).with_room("left out", 500);
    Box::new(move || crowd.broadcast(everybody().except("left out")))
}

const LIMITS: ReadLimits = ReadLimits {
    message_bytes: 1_000_000,
    fragments: 64,
};

/// Feeds `frame`, cut at `cut`, and wants one message of it. The reader unmasks in place, so each
/// run has a copy: a `memcpy` is part of the figure.
fn feed(frame: Vec<u8>, cut: usize) -> Run {
    let mut reader = Reader::default();
    let mut buffer = frame.clone();
    Box::new(move || {
        buffer.copy_from_slice(&frame);
        let (head, tail) = buffer.split_at_mut(cut);
        let mut messages = 0;
        for part in [head, tail] {
            let fed = reader.feed(part, LIMITS, |message| {
                black_box(message);
                messages += 1;
                ControlFlow::Continue(())
            });
            fed.expect("the frame is well-formed");
        }
        assert_eq!(messages, 1);
    })
}

fn feed_64() -> Run {
    feed(input::text_frame(input::EVENT), 0)
}

fn feed_1k() -> Run {
    feed(input::text_frame(&input::event(&input::records(1000))), 0)
}

fn feed_split() -> Run {
    feed(input::text_frame(&input::event(&input::records(1000))), 512)
}

fn decode_of(text: String) -> Run {
    Box::new(move || {
        black_box(decode(black_box(&text), 10)).expect("it is a packet");
    })
}

fn decode_event() -> Run {
    decode_of(input::EVENT.to_owned())
}

fn decode_1k() -> Run {
    decode_of(input::event(&input::records(1000)))
}

fn encode() -> Run {
    let mut out = Vec::with_capacity(256);
    Box::new(move || {
        out.clear();
        let body = Body::Event {
            name: "news",
            args: black_box(NEWS),
        };
        Outgoing {
            namespace: "/",
            id: None,
            body,
            attachments: &[],
        }
        .write(&mut out);
        black_box(&out);
    })
}

/// One interval: everybody is pinged in one turn, everybody answers.
fn heartbeat() -> Run {
    let mut crowd = Crowd::of(1000);
    let interval = crowd.hub.config().ping_interval;
    Box::new(move || {
        crowd.now = crowd.now.after(interval);
        crowd.now.0 += 8; // a timer may be one grain late
        let before = crowd.io.writes;
        crowd.hub.advance(crowd.now);
        crowd.flush();
        assert_eq!(crowd.io.writes - before, 1000);
        for session in &crowd.sessions {
            let pong = crowd.hub.receive_text(crowd.now, *session, "3");
            pong.expect("a pong is a packet");
        }
    })
}

/// Among 100 others.
fn connect() -> Run {
    use stentor_engine::{error::CloseReason, hub::Ending};
    let mut crowd = Crowd::of(100);
    Box::new(move || {
        let (session, _) = crate::crowd::join_root(&mut crowd.hub, crowd.now, 1 << 20);
        crowd.flush();
        let reason = CloseReason::TransportClose;
        crowd.hub.close(crowd.now, session, reason, Ending::ByPeer);
        while crowd.hub.next_event().is_some() {}
        while crowd.hub.next_signal().is_some() {}
    })
}

fn join_leave() -> Run {
    let mut rooms = Rooms::new(1);
    let everyone = NamespaceId::ROOT;
    let member = |socket| Member {
        socket,
        session: socket,
    };
    for socket in 0..1000 {
        rooms.join(everyone, "room", member(socket), 10);
    }
    Box::new(move || {
        rooms.join(everyone, black_box("room"), member(1000), 10);
        rooms.leave(everyone, black_box("room"), 1000);
    })
}

fn wheel_extend() -> Run {
    let mut wheel = Wheel::default();
    for id in 0..1000 {
        wheel.set(id, Tick(25_000));
    }
    let mut later = 25_000;
    Box::new(move || {
        later += 1;
        wheel.set(black_box(500), Tick(later));
    })
}

fn mail() -> Run {
    let (sender, receiver) = mailbox::<(u64, Selection)>(1024, || {});
    Box::new(move || {
        receiver.begin();
        sender.try_send((1, everybody())).expect("there is room");
        black_box(receiver.try_recv()).expect("it was sent");
    })
}
