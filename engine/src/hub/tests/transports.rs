//! What requests, upgrades, pauses and ends mean for a session of a hub.

use super::*;

#[test]
fn errors_of_polling_do_not_reach_an_upgraded_session() {
    let mut hub = hub(Config::default());
    let (key, _) = probed(&mut hub);
    assert_eq!(hub.recv_post(key), Some(Ok(true)));
    hub.recv_probe(Tick(2), key, WS, "5");
    hub.fail_poll(Tick(3), key, PeerError::Aborted);
    assert!(hub.is_open(key));
    let (key, _) = probed(&mut hub);
    hub.fail_poll(Tick(3), key, PeerError::Aborted);
    assert!(!hub.is_open(key));
}

#[test]
fn an_upgrade_answers_the_get_it_leaves_behind() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    assert!(hub.recv_probe_open(Tick(1), key, WS));
    hub.recv_probe(Tick(1), key, WS, "5");
    assert!(hub.is_on(key, WS));
    // Also if the session ends before the turn does.
    hub.close(Tick(1), key, CloseReason::TransportClose, Ending::ByPeer);
    assert_eq!(flush(&mut hub, 1).answers, ["6"]);
}

/// A polling session in `/` whose client has probed, and has all that was said to it.
fn probed(hub: &mut Hub) -> (SessionKey, SocketKey) {
    let key = parked(hub);
    let now = at(hub, 1);
    hub.receive_text(now, key, "40").unwrap();
    flush(hub, 0);
    assert!(hub.recv_probe_open(now, key, WS));
    hub.recv_probe(now, key, WS, "2probe");
    flush(hub, 1);
    assert_eq!(hub.next_signal(), Some(Signal::Text(WS, "3probe")));
    match hub.next_event() {
        Some(Event::Connected { socket, .. }) => (key, socket),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_closes_a_session_amid_its_upgrade_its_client_hears_of_it_there() {
    type Close = fn(&mut Hub, SessionKey, SocketKey);
    let said: [(Close, &[&str]); 6] = [
        (
            |hub, _, socket| assert!(hub.disconnect(Tick(2), socket, true)),
            &[r#"42["a"]"#, "41"],
        ),
        (
            |hub, _, _| {
                let close = Action::Disconnect { close: true };
                hub.act(Tick(2), everybody(), close);
            },
            &[r#"42["a"]"#, "41"],
        ),
        (
            |hub, key, _| hub.close(Tick(2), key, CloseReason::ForcedClose, Ending::Polite),
            &[r#"42["a"]"#],
        ),
        (|hub, _, _| hub.shut_down(Tick(2)), &[r#"42["a"]"#]),
        (
            |hub, key, _| drop(hub.receive_text(Tick(2), key, "42{}")),
            &[r#"42["a"]"#],
        ),
        // What is queued is not for a peer that breaks the transport's rules, or does not answer.
        (|hub, key, _| drop(hub.receive_text(Tick(2), key, "9")), &[]),
    ];
    for (case, (close, said)) in said.into_iter().enumerate() {
        for by_websocket in [true, false] {
            let mut hub = hub(Config::default());
            let (key, socket) = probed(&mut hub);
            hub.emit(socket, &event("a", "")).unwrap();
            close(&mut hub, key, socket);
            assert_eq!(flush(&mut hub, 2).frames, [""; 0]);
            assert_eq!(
                hub.next_signal(),
                None,
                "case {case}: the probe is left alone"
            );
            if by_websocket {
                hub.recv_probe(Tick(3), key, WS, "5");
                assert!(hub.is_on(key, WS));
                assert_eq!(flush(&mut hub, 3).frames, said, "case {case}");
            } else {
                let mut polled = vec![];
                while hub.transport(key).is_some() {
                    assert_eq!(hub.recv_get(key), Some(Ok(Poll::Answer)));
                    let body = hub.take_poll(Tick(2), key).bytes;
                    polled.push(String::from_utf8(body.into()).unwrap());
                }
                assert_eq!(polled.pop().as_deref(), Some("6\u{1e}1"), "case {case}");
                let said = said.join("\u{1e}");
                assert_eq!(polled.join("\u{1e}"), said, "case {case}");
            }
            assert_eq!(hub.next_signal(), Some(Signal::Close(WS, None)));
            assert_eq!(hub.counts(), crate::hub::Counts::default());
        }
    }
}

#[test]
fn nothing_probes_for_a_session_that_is_gone() {
    let mut hub = hub(Config::default());
    let (key, socket) = probed(&mut hub);
    hub.disconnect(Tick(2), socket, true);
    flush(&mut hub, 2);
    hub.advance(Tick(10_100));
    assert_eq!(hub.next_signal(), Some(Signal::Close(WS, None)));
    hub.advance(Tick(41_000));
    assert_eq!(hub.transport(key), None);
    assert_eq!(hub.counts(), crate::hub::Counts::default());
}

#[test]
fn only_the_connection_that_probes_is_heard() {
    let mut hub = hub(Config::default());
    let key = parked(&mut hub);
    let stale = ConnId(6);
    assert!(hub.recv_probe_open(Tick(1), key, stale));
    hub.abandon_probe(key, stale);
    assert!(hub.recv_probe_open(Tick(2), key, WS));
    hub.recv_probe(Tick(2), key, stale, "5");
    assert_eq!(hub.next_signal(), Some(Signal::Close(stale, None)));
    hub.recv_probe(Tick(2), key, WS, "2probe");
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
    assert!(hub.accept(knocking.unwrap()));
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
    hub.poll_lost(key);
    flush(&mut hub, 1);
    hub.advance(Tick(31_000));
    flush(&mut hub, 31_000);
    assert_eq!(hub.counts(), crate::hub::Counts::default());
}

#[test]
fn what_is_held_leaves_in_order_when_it_is_released() {
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    assert!(hub.hold(key));
    for turn in ["a", "b"] {
        assert!(hub.send(key, Kind::Text, turn.as_bytes()));
        assert_eq!(flush(&mut hub, 1).frames, [""; 0]);
    }
    hub.release(key);
    assert_eq!(flush(&mut hub, 2).frames, ["4a", "4b"]);
    hub.release(key);
    assert_eq!(flush(&mut hub, 3).frames, [""; 0]);
}

#[test]
fn what_is_held_leaves_before_a_session_ends_and_before_it_is_too_much() {
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    flush(&mut hub, 1);
    assert!(hub.hold(key));
    hub.send(key, Kind::Text, b"last");
    hub.fail(Tick(2), key, PeerError::PacketType);
    assert_eq!(flush(&mut hub, 2).frames, ["4last"]);
    let key = session(&mut hub, &["40"]);
    flush(&mut hub, 3);
    assert!(hub.hold(key));
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
    let mut hub = hub(Config::default());
    let key = session(&mut hub, &["40"]);
    flush(&mut hub, 1);
    hub.send(key, Kind::Text, b"not all of this");
    hub.flush(Tick(1), &mut Half);
    hub.close(
        Tick(2),
        key,
        CloseReason::SlowConsumer,
        Ending::Abrupt(Some(1013)),
    );
    assert_eq!(hub.next_signal(), Some(Signal::Cut(WS)));
}
