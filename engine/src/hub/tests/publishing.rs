//! Who is meant by a publication or an order, and what it costs.

use super::*;

#[test]
fn what_is_published_to_a_room_reaches_those_who_were_told_to_join_it() {
    let mut hubs: [Hub; 3] = hubs();
    let sockets: Vec<_> = hubs.iter_mut().map(socket).collect();
    hubs[1].join(sockets[1], "a");
    carry(&mut hubs, 1);
    let to = |room| everybody().to(room);
    hubs[0].act(Tick(1), to("a"), Action::Join(vec!["b".into()]));
    hubs[0].publish(Tick(1), to("b"), &event("x", "")).unwrap();
    hubs[0].act(Tick(1), to("b"), Action::Join(vec!["c".into()]));
    hubs[0].publish(Tick(1), to("c"), &event("y", "")).unwrap();
    assert_eq!(carry(&mut hubs, 0), 4, "all to the one shard with members");
    assert_eq!(flush(&mut hubs[1], 1).frames, [r#"42["x"]"#, r#"42["y"]"#]);
    // Nobody is expected any more.
    hubs[1].leave(sockets[1], "b");
    hubs[0].publish(Tick(1), to("b"), &event("x", "")).unwrap();
    hubs[0].act(Tick(1), to("nobody"), Action::Join(vec!["b".into()]));
    hubs[0].publish(Tick(1), to("b"), &event("x", "")).unwrap();
    assert_eq!(carry(&mut hubs, 0), 0);
}

#[test]
fn a_hub_publishes_for_those_who_are_none_and_keeps_their_order() {
    let mut hubs: [Hub; 2] = hubs();
    for hub in &mut hubs {
        socket(hub);
    }
    hubs[0].act(Tick(1), everybody(), Action::Join(vec!["a".into()]));
    let publication = Arc::new(Publication {
        to: everybody().to("a"),
        frame: Hub::encode_event("/", &event("x", "1"), 100).unwrap(),
        volatile: false,
        compress: true,
        ack: None,
    });
    hubs[0].receive_mail(Tick(1), Mail::Relay(publication));
    hubs[0].act(
        Tick(1),
        everybody().to("a"),
        Action::Disconnect { close: false },
    );
    assert_eq!(carry(&mut hubs, 0), 3);
    for hub in &mut hubs {
        assert_eq!(flush(hub, 1).frames, [r#"42["x",1]"#, "41"]);
    }
}

#[test]
fn a_large_broadcast_is_shared_with_one_shard_too() {
    let mut hub = hub(Config::default());
    let polling = hub.open(Tick(0), None);
    hub.receive_text(Tick(0), polling, "40").unwrap();
    socket(&mut hub);
    let mut published = |args: &str| {
        hub.publish(Tick(1), everybody(), &event("x", args))
            .unwrap();
        let shared = hub.sessions.palette.shared();
        assert_eq!(flush(&mut hub, 1).frames, [format!(r#"42["x",{args}]"#)]);
        shared
    };
    assert_eq!(published(&"1".repeat(SHARED_BYTES_MIN)), 1);
    assert_eq!(published("1"), 0);
    let body = hub.take_poll(Tick(1), polling).bytes;
    assert!(body.ends_with(b"1]\x1e42[\"x\",1]"), "{body:?}");
}

#[test]
fn selections_that_begin_to_count_again_forget_nobody() {
    let mut hub = hub(Config::default());
    let (old, new) = (socket(&mut hub), socket(&mut hub));
    hub.join(old, "old");
    hub.join(new, "new");
    let found = |hub: &mut Hub, room| hub.sockets(&everybody().to(room).to("")).len();
    assert_eq!((found(&mut hub, "old"), hub.visit), (1, 1));
    hub.visit = u32::MAX;
    assert_eq!(
        (found(&mut hub, "old"), hub.visit),
        (1, 1),
        "also with the old mark"
    );
    hub.visit = u32::MAX;
    assert_eq!(found(&mut hub, "new"), 1, "also with a new socket's mark");
}

#[test]
fn a_socket_that_could_not_have_an_id_is_refused() {
    let mut hub = hub(Config::default());
    hub.sockets_max = 2;
    session(&mut hub, &["40", "40/gate,"]);
    let key = hub.open(Tick(0), Some((WS, b"")));
    flush(&mut hub, 0);
    hub.receive_text(Tick(0), key, "40").unwrap();
    let refused = r#"44{"message":"Too many sockets"}"#;
    assert_eq!(flush(&mut hub, 0).frames, [refused]);
    let first = hub.sockets.key_at(0);
    hub.disconnect(Tick(0), first, false);
    hub.receive_text(Tick(0), key, "40").unwrap();
    assert_eq!(hub.population(NamespaceId::ROOT), 1);
}

#[test]
fn who_of_a_selection_does_not_join_is_told() {
    let mut config = Config::default();
    config.limits.rooms_per_socket = 1;
    let mut hub = hub(config);
    let (in_another, _) = (socket(&mut hub), socket(&mut hub));
    hub.join(in_another, "other");
    let long = "r".repeat(NAME_BYTES_MAX + 1);
    let rooms = ["a", &*long].map(Box::from).into();
    hub.act(Tick(1), everybody(), Action::Join(rooms));
    for (name, count) in [("a", 1), (&*long, 2)] {
        match hub.next_event() {
            Some(Event::NotJoined { room, sockets, .. }) => {
                assert_eq!((&*room, sockets), (name, count));
            }
            other => panic!("{other:?}"),
        }
    }
    hub.act(Tick(1), everybody(), Action::Join(vec!["a".into()]));
    assert!(hub.next_event().is_some());
    assert!(
        hub.next_event().is_none(),
        "who is in already is not refused"
    );
}

/// What nobody is meant to get, or can take, is not encoded: it would be memory for nothing.
#[test]
fn nothing_is_encoded_for_nobody() {
    let mut config = Config::default();
    config.limits.acks_per_socket = 1;
    let mut hub = hub(config);
    let key = socket(&mut hub);
    let large = "1".repeat(SHARED_BYTES_MIN);
    let volatile = |name| Emit {
        volatile: true,
        compress: true,
        ..event(name, &large)
    };
    let wait = Duration::from_secs(1);
    let ask = |hub: &mut Hub| {
        let asked = hub.publish_with_ack(Tick(1), everybody(), &event("q", &large), 1, wait);
        assert_eq!(asked, Ok(1));
    };
    ask(&mut hub);
    assert_eq!(flush(&mut hub, 1).frames.len(), 1);
    for args in ["1", &large] {
        let to = everybody().to("empty");
        hub.publish(Tick(1), to.clone(), &event("x", args)).unwrap();
        let to = everybody().except(format!("{}", hub.socket_id(key).unwrap()));
        hub.publish(Tick(1), to.clone(), &event("x", args)).unwrap();
        let frame = Hub::encode_event("/", &event("x", args), usize::MAX).unwrap();
        let publication = Publication {
            to,
            frame,
            volatile: false,
            compress: true,
            ack: None,
        };
        hub.receive_mail(Tick(1), Mail::Publish(Arc::new(publication)));
    }
    ask(&mut hub); // it owes an answer already
    assert!(hub.sessions.palette.is_empty());
    assert_eq!(hub.emit(key, &volatile("first")), Ok(true));
    let queued = hub.sessions.palette.size();
    assert_eq!(hub.emit(key, &volatile("second")), Ok(false));
    hub.publish(Tick(1), everybody(), &volatile("third"))
        .unwrap();
    assert_eq!(hub.sessions.palette.size(), queued);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_encoded() {
    let mut config = Config::default();
    config.limits.packet_bytes = 200;
    let mut hub = hub(config);
    let key = session(&mut hub, &["40", "40/gate,"]);
    let socket = hub.sockets.key_at(0);
    let attachments = [vec![0; 100].into(), vec![1; 100].into()];
    let (large, many) = (
        "1".repeat(200),
        Emit {
            attachments: &attachments,
            ..event("x", "")
        },
    );
    let wait = Duration::from_secs(1);
    for emit in [event("x", &large), many] {
        hub.emit(socket, &emit).unwrap_err();
        hub.emit_with_ack(Tick(1), socket, &emit, 1, wait)
            .unwrap_err();
        hub.ack(socket, 1, emit.args, &attachments).unwrap_err();
        hub.publish(Tick(1), everybody(), &emit).unwrap_err();
        hub.publish(Tick(1), everybody().to("empty"), &emit)
            .unwrap_err();
        hub.publish_with_ack(Tick(1), everybody(), &emit, 1, wait)
            .unwrap_err();
        Hub::encode_event("/", &emit, 200).unwrap_err();
    }
    assert!(!hub.send(key, Kind::Binary, large.as_bytes().repeat(2).as_slice()));
    assert!(hub.sessions.palette.is_empty());
    assert_eq!(hub.counts().acks, 0);
    let connecting = hub.sockets.key_at(1);
    hub.refuse(connecting, "no", Some(&large)).unwrap_err();
    assert_eq!(flush(&mut hub, 1).frames, [r#"44/gate,{"message":""}"#]);
}
