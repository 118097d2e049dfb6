//! One hub, driven by hand: what went wrong once.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::time::Duration;

use super::{Alone, Client, Event, Hub, Io, Mode, Namespace, SessionKey, Setup, Signal};
use crate::{
    config::Config,
    error::{CloseReason, PeerError},
    frame::{Frames, Kind},
    id::{ConnId, ShardId},
    out::Written,
    time::Tick,
};

const WS: ConnId = ConnId(7);

/// Takes everything: payloads of frames, and bodies of answered GETs.
#[derive(Default)]
struct Wire {
    frames: Vec<String>,
    answers: Vec<String>,
}

impl Io<Client> for Wire {
    fn write(&mut self, _: ConnId, slices: &[&[u8]]) -> Written {
        let bytes = slices.concat();
        let text = |(_, payload): (_, &[u8])| String::from_utf8_lossy(payload).into_owned();
        self.frames.extend(Frames(&bytes).map(text));
        Written::Bytes(bytes.len())
    }

    fn answer(&mut self, _: SessionKey, body: Vec<u8>) {
        self.answers.push(String::from_utf8(body).unwrap());
    }
}

fn hub(config: Config) -> Hub {
    let namespace = |(name, gated): (&str, bool)| Namespace {
        name: Box::from(name),
        gated,
    };
    let mut random = 0;
    Hub::new(Setup {
        config,
        shard: ShardId(0),
        shards: 1,
        mode: Mode::SocketIo([("/", false), ("/gate", true)].map(namespace).into()),
        seed: 1,
        directory: Box::new(Alone),
        entropy: Box::new(move |out: &mut [u8]| {
            random += 1;
            out.fill(random);
        }),
    })
}

fn flush(hub: &mut Hub, now: u64) -> Wire {
    let mut wire = Wire::default();
    hub.flush(Tick(now), &mut wire);
    wire
}

/// A session over a WebSocket that says `messages`.
fn session(hub: &mut Hub, messages: &[&str]) -> SessionKey {
    let key = hub.open(Tick(0), Some((WS, b"")));
    for message in messages {
        hub.receive_text(Tick(0), key, message).unwrap();
    }
    flush(hub, 0);
    key
}

/// A polling session whose GET is parked.
fn parked(hub: &mut Hub) -> SessionKey {
    let key = hub.open(Tick(0), None);
    hub.sessions().recv_get(key).unwrap().unwrap();
    hub.sessions().take_poll(key);
    hub.sessions().recv_get(key).unwrap().unwrap();
    assert_eq!(flush(hub, 0).answers, [""; 0], "there is nothing to say");
    key
}

#[test]
fn a_socket_that_was_not_let_in_gets_no_disconnect_packet() {
    let mut hub = hub(Config::default());
    session(&mut hub, &["40", "40/gate,"]);
    let mut socket = None;
    while let Some(event) = hub.next_event() {
        if let Event::Connected { socket: key, .. } = event {
            socket = Some(key);
        }
    }
    assert!(hub.disconnect(Tick(1), socket.unwrap(), true));
    assert_eq!(flush(&mut hub, 1).frames, ["41"]);
}

#[test]
fn an_upgrade_answers_the_get_it_leaves_behind() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    assert!(hub.sessions().recv_probe_open(Tick(1), key, WS));
    hub.sessions().recv_probe(Tick(1), key, WS, "5");
    assert!(hub.sessions().is_on(key, WS));
    // Also if the session ends before the turn does.
    hub.close(
        Tick(1),
        key,
        CloseReason::TransportClose,
        super::Ending::ByPeer,
    );
    assert_eq!(flush(&mut hub, 1).answers, ["6"]);
}

#[test]
fn only_the_connection_that_probes_is_heard() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    let stale = ConnId(6);
    assert!(hub.sessions().recv_probe_open(Tick(1), key, stale));
    hub.sessions().abandon_probe(key, stale);
    assert!(hub.sessions().recv_probe_open(Tick(2), key, WS));
    hub.sessions().recv_probe(Tick(2), key, stale, "5");
    assert_eq!(hub.next_signal(), Some(Signal::Close(stale, None)));
    hub.sessions().recv_probe(Tick(2), key, WS, "2probe");
    assert_eq!(hub.next_signal(), Some(Signal::Text(WS, "3probe")));
}

#[test]
fn pings_come_in_time_when_the_timeout_is_longer_than_the_interval() {
    let mut hub = hub(Config {
        ping_interval: Duration::from_millis(100),
        ping_timeout: Duration::from_secs(1),
        ..Config::default()
    });
    let key = session(&mut hub, &["40"]);
    hub.advance(Tick(104));
    assert_eq!(flush(&mut hub, 104).frames, ["2"]);
    hub.receive_text(Tick(110), key, "3").unwrap();
    assert_eq!(hub.deadline().map(|at| at.0 <= 216), Some(true));
    hub.advance(Tick(216));
    assert_eq!(flush(&mut hub, 216).frames, ["2"]);
}

#[test]
fn letting_a_socket_in_does_not_forget_that_binary_parts_are_due() {
    let mut hub = hub(Config::default());
    let part = r#"451-["a",{"_placeholder":true,"num":0}]"#;
    session(&mut hub, &["40", "40/gate,", part]);
    let mut knocking = None;
    while let Some(event) = hub.next_event() {
        if let Event::Connecting { socket, .. } = event {
            knocking = Some(socket);
        }
    }
    assert!(hub.accept(Tick(1), knocking.unwrap()));
    let late = Tick(0).after(hub.config().limits.attachments_wait).0 + 8;
    hub.receive_text(Tick(late - 10), hub.sessions.key_at(0), "3")
        .unwrap();
    hub.advance(Tick(late));
    let mut reasons = vec![];
    while let Some(event) = hub.next_event() {
        if let Event::Closed { reason, .. } = event {
            reasons.push(reason);
        }
    }
    assert_eq!(reasons, [CloseReason::ForcedClose]);
}

#[test]
fn a_closing_session_whose_get_is_lost_is_gone_in_time() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    // The page is closed: the browser's last POST and the end of its GET come in one turn.
    hub.receive_text(Tick(1), key, "1").unwrap();
    hub.sessions().poll_lost(key);
    flush(&mut hub, 1);
    hub.advance(Tick(31_000));
    flush(&mut hub, 31_000);
    assert_eq!(hub.counts(), super::Counts::default());
}

#[test]
fn what_is_held_leaves_in_order_when_it_is_released() {
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    assert!(hub.sessions().hold(key));
    for turn in ["a", "b"] {
        assert!(hub.send(key, Kind::Text, turn.as_bytes()));
        assert_eq!(flush(&mut hub, 1).frames, [""; 0]);
    }
    hub.sessions().release(key);
    assert_eq!(flush(&mut hub, 2).frames, ["4a", "4b"]);
    hub.sessions().release(key);
    assert_eq!(flush(&mut hub, 3).frames, [""; 0]);
}

#[test]
fn what_is_held_leaves_before_a_session_ends_and_before_it_is_too_much() {
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    flush(&mut hub, 1);
    assert!(hub.sessions().hold(key));
    hub.send(key, Kind::Text, b"last");
    hub.fail(Tick(2), key, PeerError::PacketType);
    assert_eq!(flush(&mut hub, 2).frames, ["4last"]);
    let key = session(&mut hub, &["40"]);
    flush(&mut hub, 3);
    assert!(hub.sessions().hold(key));
    let half = vec![b'x'; hub.config().limits.outbox_bytes / 2 + 1];
    hub.send(key, Kind::Text, &half);
    assert!(flush(&mut hub, 3).frames.is_empty());
    hub.send(key, Kind::Text, &half);
    assert_eq!(flush(&mut hub, 3).frames.len(), 2);
    assert!(hub.is_open(key));
}

/// A client that does not take all of a packet, and then not more of it in time.
#[test]
fn a_cut_packet_is_followed_by_no_close_frame() {
    struct Half;
    impl Io<Client> for Half {
        fn write(&mut self, _: ConnId, slices: &[&[u8]]) -> Written {
            Written::Bytes(slices.concat().len() / 2)
        }
        fn answer(&mut self, _: SessionKey, _: Vec<u8>) {}
    }
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    flush(&mut hub, 1);
    hub.send(key, Kind::Text, b"not all of this");
    hub.flush(Tick(1), &mut Half);
    hub.close(
        Tick(2),
        key,
        CloseReason::SlowConsumer,
        super::Ending::Abrupt(Some(1013)),
    );
    assert_eq!(hub.next_signal(), Some(Signal::Cut(WS)));
}
