//! Rules that the simulator's clients and application do not come near.

use alloc::{boxed::Box, vec, vec::Vec};
use core::cell::Cell;

use super::{
    Action, Alone, Config, ConnId, Ending, Event, Half, Hub, Kind, Mode, NAME_BYTES_MAX, PeerError,
    SessionKey, Setup, ShardId, Signal, Tick, Transmit, WS, event, everybody, flush, hub, parked,
    session, socket,
};
use crate::{
    eio::{payload::Payload, session::Poll},
    error::CloseReason,
    hub::{AckNews, AckOutcome, Counts, Emit, Received, Seen},
    limits::{DRAIN_WAIT, OUTBOX_HARD_CAP},
    out::Written,
    room::Change,
};

const fn volatile(name: &str) -> Emit<'_> {
    Emit {
        name,
        args: "",
        attachments: &[],
        volatile: true,
        compress: true,
    }
}

#[test]
fn without_socket_io_messages_are_the_applications() {
    let mut hub = Hub::new(Setup {
        config: Config::default(),
        shard: ShardId(0),
        shards: 1,
        mode: Mode::EngineIo,
        seed: 1,
        directory: Box::new(Alone),
        entropy: Box::new(|out: &mut [u8]| out.fill(3)),
    });
    let key = hub.open(Tick(0), Some((WS, b"")));
    flush(&mut hub, 0);
    match hub.receive_text(Tick(1), key, "440 is no CONNECT here") {
        Ok(Received::Text(text)) => assert_eq!(text, "40 is no CONNECT here"),
        other => panic!("{other:?}"),
    }
    match hub.receive_binary(Tick(1), key, b"bytes") {
        Ok(Received::Binary(data)) => assert_eq!(&*data, b"bytes"),
        other => panic!("{other:?}"),
    }
    assert!(hub.send(key, Kind::Text, b"text"));
    assert!(hub.send(key, Kind::Binary, b"binary"));
    assert_eq!(flush(&mut hub, 1).frames, ["4text", "binary"]);
    // No namespace is waited for.
    hub.advance(Tick(46_000));
    assert!(hub.is_open(key));
    hub.close(
        Tick(46_000),
        key,
        CloseReason::TransportClose,
        Ending::ByPeer,
    );
    assert!(!hub.send(key, Kind::Text, b"late"));
    flush(&mut hub, 2);
    assert_eq!(hub.counts(), Counts::default());
}

#[test]
fn a_volatile_packet_comes_once_a_moment_to_whoever_takes_it() {
    let mut hub = hub(Config::default());
    let key = socket(&mut hub);
    let session = hub.session_of(key).unwrap();
    let emit = |hub: &mut Hub, name| hub.emit(key, &volatile(name)) == Ok(true);
    assert!(emit(&mut hub, "a"));
    assert!(!emit(&mut hub, "b"), "in the same moment");
    hub.receive_text(Tick(1), session, "6").unwrap();
    assert!(emit(&mut hub, "c"), "a packet came");
    assert_eq!(flush(&mut hub, 1).frames, [r#"42["a"]"#, r#"42["c"]"#]);
    assert!(emit(&mut hub, "d"), "a turn went");
    flush(&mut hub, 1);
    assert!(hub.hold(session));
    assert!(!emit(&mut hub, "e"), "what is queued is held");
}

#[test]
fn a_volatile_packet_does_not_wait_for_a_poll() {
    let mut hub = hub(Config::default());
    let key = hub.open(Tick(0), None);
    hub.receive_text(Tick(0), key, "40").unwrap();
    let Some(Event::Connected { socket, .. }) = hub.next_event() else {
        panic!("not connected");
    };
    hub.recv_get(key).unwrap().unwrap();
    hub.take_poll(Tick(0), key);
    flush(&mut hub, 0);
    assert_eq!(hub.emit(socket, &volatile("lost")), Ok(false));
    assert_eq!(hub.recv_get(key), Some(Ok(Poll::Park)));
    assert_eq!(hub.emit(socket, &volatile("comes")), Ok(true));
    assert_eq!(flush(&mut hub, 1).answers, [r#"42["comes"]"#]);
}

#[test]
fn a_client_that_closes_by_post_only_gets_its_get_back() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    hub.receive_text(Tick(1), key, "1").unwrap();
    assert_eq!(flush(&mut hub, 1).answers, ["6"]);
    let key = parked(&mut hub);
    hub.fail(Tick(1), key, PeerError::PacketType);
    assert_eq!(flush(&mut hub, 1).answers, ["1"]);
}

#[test]
fn a_probe_may_be_said_twice() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    assert!(hub.recv_probe_open(Tick(1), key, WS));
    for _ in 0..2 {
        hub.recv_probe(Tick(1), key, WS, "2probe");
        assert_eq!(hub.next_signal(), Some(Signal::Text(WS, "3probe")));
    }
    hub.recv_probe(Tick(1), key, WS, "5");
    assert!(hub.is_on(key, WS));
}

#[test]
fn a_probe_that_says_nothing_is_over_in_time() {
    let config = Config::default();
    let late = Tick(1).after(config.upgrade_timeout);
    let mut hub = hub(config);
    let key = parked(&mut hub);
    assert!(hub.recv_probe_open(Tick(1), key, WS));
    assert!(hub.deadline().unwrap() <= Tick(late.0 + 1));
    hub.advance(Tick(late.0 + 1));
    assert_eq!(hub.next_signal(), Some(Signal::Close(WS, None)));
    assert!(!hub.is_probing(key, WS));
}

#[test]
fn what_waited_leaves_as_soon_as_an_upgrade_is_done() {
    let mut hub = hub(Config::default());
    let key = hub.open(Tick(0), None);
    assert!(hub.recv_probe_open(Tick(1), key, WS));
    flush(&mut hub, 1);
    hub.recv_probe(Tick(2), key, WS, "5");
    assert_eq!(flush(&mut hub, 2).frames.len(), 1, "the OPEN packet");
}

#[test]
fn upgrades_that_are_not_allowed_are_neither_offered_nor_taken() {
    let open = |config: Config| {
        let mut hub = hub(config);
        let key = hub.open(Tick(0), None);
        let body = hub.take_poll(Tick(0), key);
        let taken = hub.recv_probe_open(Tick(0), key, WS);
        (
            alloc::string::String::from_utf8(body.bytes.into())
                .unwrap()
                .contains("\"websocket\""),
            taken,
        )
    };
    assert_eq!(open(Config::default()), (true, true));
    let config = Config {
        allow_upgrades: false,
        ..Config::default()
    };
    assert_eq!(open(config), (false, false));
    let config = Config {
        websocket: false,
        ..Config::default()
    };
    assert!(!open(config).0);
}

#[test]
fn so_many_namespaces_and_not_one_more() {
    let mut config = Config::default();
    config.limits.namespaces_per_session = 1;
    let mut hub = hub(config);
    let key = session(&mut hub, &["40"]);
    hub.receive_text(Tick(1), key, "40/gate,").unwrap();
    let refused = r#"44/gate,{"message":"Too many namespaces"}"#;
    assert_eq!(flush(&mut hub, 1).frames, [refused]);
}

#[test]
fn names_have_their_bytes_and_not_one_more() {
    let mut hub = hub(Config::default());
    let key = socket(&mut hub);
    let long = "r".repeat(NAME_BYTES_MAX);
    assert_eq!(hub.join(key, &long), Change::Room);
    assert_eq!(hub.join(key, &(long + "r")), Change::Full);
}

#[test]
fn credentials_reach_user_code_as_they_were_sent() {
    let mut hub = hub(Config::default());
    let mut auths = Vec::new();
    session(&mut hub, &["40", "40/gate,{ \"a\": 1}"]);
    session(&mut hub, &["40{}"]);
    while let Some(event) = hub.next_event() {
        if let Event::Connected { auth, .. } | Event::Connecting { auth, .. } = event {
            auths.push(auth);
        }
    }
    assert_eq!(auths, [None, Some("{ \"a\": 1}".into()), Some("{}".into())]);
}

#[test]
fn a_socket_that_leaves_names_its_session() {
    let mut hub = hub(Config::default());
    session(&mut hub, &["40"]);
    let second = session(&mut hub, &["40"]);
    while hub.next_event().is_some() {}
    hub.receive_text(Tick(1), second, "41").unwrap();
    match hub.next_event() {
        Some(Event::Disconnected { session, .. }) => assert_eq!(session, second),
        other => panic!("{other:?}"),
    }
}

#[test]
fn questions_count_from_0_and_volatile_ones_are_not_put_to_who_takes_none() {
    let mut hub = hub(Config::default());
    let key = socket(&mut hub);
    let wait = core::time::Duration::from_secs(1);
    for id in 0..2 {
        let asked = hub.emit_with_ack(Tick(1), key, &event("q", ""), id, wait);
        assert_eq!(asked, Ok(true));
        let text = alloc::format!(r#"42{id}["q"]"#);
        assert_eq!(flush(&mut hub, 1).frames, [text]);
    }
    let session = hub.session_of(key).unwrap();
    hub.hold(session);
    while hub.next_event().is_some() {}
    let asked = hub.publish_with_ack(Tick(1), everybody(), &volatile("q"), 9, wait);
    assert_eq!(asked, Ok(1));
    match hub.next_event() {
        Some(Event::Ack {
            token: 9,
            news: AckNews::Asked(0),
        }) => {}
        other => panic!("{other:?}"),
    }
    hub.receive_text(Tick(2), session, r#"430["yes"]"#).unwrap();
    match hub.next_event() {
        Some(Event::Ack {
            token: 0,
            news: AckNews::Settled(_, AckOutcome::Value(args, _)),
        }) => {
            assert_eq!(&*args, r#""yes""#);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_meant_does_not_include_who_is_excepted() {
    let mut hub = hub(Config::default());
    let (one, other) = (socket(&mut hub), socket(&mut hub));
    hub.join(one, "r");
    let ids = hub.sockets(&everybody().except("r"));
    assert_eq!(ids, [hub.socket_id(other).unwrap()]);
}

#[test]
fn nothing_is_left_in_any_table() {
    let mut hub = hub(Config::default());
    let key = socket(&mut hub);
    hub.join(key, "r");
    let sid = hub.sid(hub.session_of(key).unwrap()).unwrap();
    assert_eq!((hub.counts().sids, hub.counts().names), (1, 1));
    hub.act(Tick(1), everybody(), Action::Disconnect { close: true });
    flush(&mut hub, 1);
    assert_eq!(hub.counts(), Counts::default());
    assert_eq!(hub.find(&sid), None);
}

#[test]
fn any_packet_gives_a_client_the_timeout_once_more() {
    let config = Config::default();
    let (interval, timeout) = (config.ping_interval, config.ping_timeout);
    let mut hub = hub(config);
    let key = session(&mut hub, &["40"]);
    for (at, open) in [("0", true), ("5", true), ("6", true)] {
        let sent = Tick(hub.deadline().unwrap().0);
        hub.advance(sent);
        let half = sent.after(timeout / 2);
        hub.advance(half);
        hub.receive_text(half, key, at).unwrap();
        hub.advance(sent.after(timeout + timeout / 4));
        assert_eq!(hub.is_open(key), open, "after {at}");
        hub.receive_text(sent.after(timeout + timeout / 4), key, "3")
            .unwrap();
    }
    let last = Tick(hub.deadline().unwrap().0).after(interval + timeout);
    hub.advance(last);
    hub.advance(last.after(timeout + timeout));
    assert!(!hub.is_open(key));
}

#[test]
fn raw_bytes_are_no_matter_of_polls_nor_of_the_dead() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    assert!(!hub.push_raw(key, b"raw"));
    assert!(flush(&mut hub, 1).answers.is_empty());
}

#[test]
fn a_session_that_is_closing_is_not_held() {
    let mut hub = hub(Config::default());
    let key: SessionKey = session(&mut hub, &["40"]);
    hub.send(key, Kind::Text, b"last");
    hub.close(Tick(1), key, CloseReason::ForcedServerClose, Ending::Polite);
    assert!(!hub.hold(key));
    assert_eq!(flush(&mut hub, 1).frames, ["4last"]);
    assert_eq!(hub.next_signal(), Some(Signal::Close(WS, None)));
}

/// A client that took half a packet before its session was closed, and then nothing.
#[test]
fn when_the_time_to_drain_is_over_half_a_packet_is_cut_off() {
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    hub.send(key, Kind::Text, b"not all of this");
    hub.flush(Tick(1), &mut Half);
    hub.close(Tick(1), key, CloseReason::ForcedServerClose, Ending::Polite);
    flush(&mut hub, 1);
    assert_eq!(hub.next_signal(), None, "it waits for the rest");
    hub.advance(Tick(2).after(DRAIN_WAIT));
    assert_eq!(hub.next_signal(), Some(Signal::Cut(WS)));
}

#[test]
fn close_frames_say_why() {
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    hub.fail(Tick(1), key, PeerError::TooLarge);
    flush(&mut hub, 1);
    assert_eq!(hub.next_signal(), Some(Signal::Close(WS, Some(1009))));
    let other = ConnId(8);
    let key = hub.open(Tick(1), Some((other, b"")));
    hub.fail(Tick(1), key, PeerError::Aborted);
    flush(&mut hub, 1);
    assert_eq!(hub.next_signal(), Some(Signal::Close(other, None)));
    assert_eq!(vec![hub.next_signal()], [None]);
}

/// A client that polls a shard that stood still gets the ping late: its answer may take as long as ever.
#[test]
fn a_ping_that_a_request_carries_late_has_its_time() {
    let config = Config::default();
    let (interval, timeout) = (config.ping_interval, config.ping_timeout);
    let mut hub = hub(config);
    let key = hub.open(Tick(0), None);
    hub.recv_get(key).unwrap().unwrap();
    hub.take_poll(Tick(0), key);
    hub.receive_text(Tick(0), key, "40").unwrap();
    hub.recv_get(key).unwrap().unwrap();
    hub.take_poll(Tick(0), key);
    flush(&mut hub, 0);
    let due = Tick(0).after(interval);
    let asked = Cell::new(false);
    let tell = |hub: &mut Hub, now: Tick, everywhere: Tick| {
        let seen = Seen {
            here: now,
            everywhere,
            unread: &|_| false,
            asked: &asked,
        };
        hub.advance_seen(now, &seen);
        hub.has_queued(key)
    };
    assert!(tell(&mut hub, due, Tick(0)), "a ping is queued");
    flush(&mut hub, due.0);
    // The request that is to carry it lies unread for long.
    let late = due.after(timeout).after(timeout);
    tell(&mut hub, late, due);
    assert!(asked.get() && hub.is_open(key));
    assert_eq!(hub.recv_get(key), Some(Ok(Poll::Answer)));
    assert_eq!(hub.take_poll(late, key).bytes, &b"2"[..]);
    let last = late.after(timeout);
    tell(&mut hub, Tick(last.0 - 1), last);
    assert!(hub.is_open(key), "the pong may come until then");
    tell(&mut hub, last, last);
    assert!(!hub.is_open(key), "and no longer");
}

/// A client that has taken nothing learns why by the close code: no part of a packet went before it.
#[test]
fn a_slow_client_that_took_nothing_is_closed_with_1013() {
    struct Full;
    impl Transmit for Full {
        fn write(&mut self, _: ConnId, _: &[&[u8]]) -> Written {
            Written::Blocked
        }
        fn answer(&mut self, _: SessionKey, _: Payload) {}
    }
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    let most = hub.config().limits.outbox_bytes * OUTBOX_HARD_CAP;
    let packet = vec![b'x'; hub.config().limits.packet_bytes];
    for _ in 0..most / packet.len() + 3 {
        hub.send(key, Kind::Text, &packet);
        hub.flush(Tick(1), &mut Full);
    }
    assert!(!hub.is_open(key));
    let signals: Vec<_> = core::iter::from_fn(|| hub.next_signal()).collect();
    assert_eq!(signals.last(), Some(&Signal::Close(WS, Some(1013))));
    assert_eq!(hub.held_bytes(), 0);
}
