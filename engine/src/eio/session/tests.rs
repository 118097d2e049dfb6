use super::*;

const WS: ConnId = ConnId(7);

fn polling() -> (Session, Config) {
    let config = Config::default();
    (Session::open(Tick(0), &config, None), config)
}

#[test]
fn one_get_waits_and_a_second_is_an_overlap() {
    let (mut session, _) = polling();
    assert_eq!(session.recv_get(true), Ok(Poll::Answer));
    assert_eq!(session.recv_get(false), Ok(Poll::Park));
    assert_eq!(session.outlet(), Outlet::Poll);
    assert_eq!(session.recv_get(true), Err(PeerError::OverlappingPoll));
    session.send_poll();
    assert_eq!(session.outlet(), Outlet::None);
}

#[test]
fn an_upgrade_lets_polls_go_and_ends_them() {
    let (mut session, config) = polling();
    assert!(session.recv_probe_open(Tick(1), &config, WS));
    assert!(
        !session.recv_probe_open(Tick(1), &config, ConnId(8)),
        "one probe at a time"
    );
    assert_eq!(
        session.recv_get(false),
        Ok(Poll::Park),
        "before the probe's ping"
    );
    assert_eq!(
        session.recv_probe(Tick(2), &config, true, false),
        Probed::Pong
    );
    session.send_poll();
    assert_eq!(session.recv_get(false), Ok(Poll::Answer), "after it");
    assert_eq!(
        session.recv_probe(Tick(3), &config, false, true),
        Probed::Upgraded
    );
    assert_eq!(session.recv_get(false), Ok(Poll::Mismatch));
    assert_eq!(session.recv_post(), Ok(false));
    assert_eq!(session.outlet(), Outlet::WebSocket(WS));
}

#[test]
fn a_failed_or_late_probe_leaves_polling_alive() {
    let (mut session, config) = polling();
    session.recv_probe_open(Tick(0), &config, WS);
    assert_eq!(
        session.recv_probe(Tick(1), &config, false, false),
        Probed::Abandon
    );
    session.recv_probe_open(Tick(1), &config, WS);
    assert_eq!(
        session.expire(Tick(10_001), Tick(10_001), &config),
        Expired::UpgradeTimeout(WS)
    );
    assert_eq!(
        session.expire(Tick(10_001), Tick(10_001), &config),
        Expired::No
    );
    assert_eq!(session.recv_get(false), Ok(Poll::Park));
}

#[test]
fn the_heart_beats_and_stops() {
    let (mut session, config) = polling();
    assert_eq!(
        session.expire(Tick(24_999), Tick(24_999), &config),
        Expired::No
    );
    assert_eq!(
        session.expire(Tick(25_000), Tick(25_000), &config),
        Expired::SendPing
    );
    session.recv_pong(Tick(25_100), &config);
    assert_eq!(
        session.expire(Tick(50_100), Tick(50_100), &config),
        Expired::SendPing
    );
    session.recv_packet(Tick(60_000), &config);
    session.recv_packet(Tick(79_000), &config); // prolongs no more
    assert_eq!(
        session.expire(Tick(79_999), Tick(79_999), &config),
        Expired::No
    );
    assert_eq!(
        session.expire(Tick(80_000), Tick(80_000), &config),
        Expired::PingTimeout
    );
}

#[test]
fn a_server_that_was_held_up_does_not_blame_its_peers() {
    let (mut session, config) = polling();
    assert_eq!(
        session.expire(Tick(90_000), Tick(90_000), &config),
        Expired::SendPing
    );
    assert_eq!(
        session.expire(Tick(90_000), Tick(90_000), &config),
        Expired::No
    );
    assert_eq!(session.deadline(), Tick(110_000));
}

#[test]
fn a_closed_polling_session_waits_for_its_get() {
    let (mut session, config) = polling();
    session.close(Tick(0), false, None);
    assert!(!session.is_open());
    assert_eq!(session.last_words(false), ["6", "1"]);
    assert_eq!(session.recv_get(false), Ok(Poll::Answer));
    assert_eq!(
        session.expire(Tick(29_999), Tick(29_999), &config),
        Expired::No
    );
    assert_eq!(
        session.expire(Tick(30_000), Tick(30_000), &config),
        Expired::Gone
    );
    let (mut session, _) = polling();
    session.recv_get(false).unwrap();
    session.close(Tick(0), false, None);
    assert_eq!(
        (session.outlet(), session.last_words(false)),
        (Outlet::Poll, &["1"][..])
    );
}

/// A session whose client has probed, closed at 5.
fn parting(get: bool) -> (Session, Config) {
    let (mut session, config) = polling();
    session.recv_probe_open(Tick(1), &config, WS);
    session.recv_probe(Tick(2), &config, true, false);
    if get {
        // Only until the end of the turn that the probe came in.
        (session, _) = polling();
        session.recv_get(false).unwrap();
        session.recv_probe_open(Tick(1), &config, WS);
        session.recv_probe(Tick(2), &config, true, false);
    }
    session.close(Tick(5), false, Some(1013));
    assert!(!session.is_open());
    (session, config)
}

#[test]
fn a_session_that_closes_amid_an_upgrade_takes_the_upgrade() {
    let (mut session, config) = parting(false);
    assert_eq!(session.probing(), Some(WS));
    let again = session.recv_probe(Tick(6), &config, true, false);
    assert_eq!(again, Probed::Pong);
    let five = session.recv_probe(Tick(7), &config, false, true);
    assert_eq!(five, Probed::Upgraded);
    assert_eq!(session.outlet(), Outlet::WebSocket(WS));
    assert_eq!(session.close_code(), Some(1013));
    assert_eq!(session.recv_get(true), Ok(Poll::Mismatch));
    assert_eq!(
        session.expire(Tick(10_006), Tick(10_006), &config),
        Expired::No
    );
    assert_eq!(
        session.expire(Tick(10_007), Tick(10_007), &config),
        Expired::Gone
    );
}

#[test]
fn a_session_that_closes_amid_an_upgrade_takes_a_get() {
    let (mut session, config) = parting(false);
    assert_eq!(session.recv_get(true), Ok(Poll::Answer));
    assert_eq!(session.last_words(true), [""; 0]);
    session.send_poll();
    assert_eq!(session.recv_get(false), Ok(Poll::Answer));
    assert_eq!(session.last_words(false), ["6", "1"]);
    assert_eq!(
        session.expire(Tick(10_000), Tick(10_000), &config),
        Expired::No
    );
    let (mut session, _) = parting(true);
    assert_eq!(session.outlet(), Outlet::Poll);
    assert_eq!(session.recv_get(false), Err(PeerError::OverlappingPoll));
    assert_eq!(session.last_words(false), ["1"]);
}

#[test]
fn a_closing_session_whose_upgrade_fails_waits_for_its_get() {
    let (mut session, config) = parting(false);
    let garbage = session.recv_probe(Tick(6), &config, false, false);
    assert_eq!(garbage, Probed::Abandon);
    assert_eq!(session.probing(), None);
    assert_eq!(session.recv_get(false), Ok(Poll::Answer));
    let (mut session, _) = parting(false);
    let late = session.expire(Tick(10_001), Tick(10_001), &config);
    assert_eq!(late, Expired::UpgradeTimeout(WS));
    assert_eq!(
        session.expire(Tick(40_000), Tick(40_000), &config),
        Expired::No
    );
    assert_eq!(
        session.expire(Tick(40_001), Tick(40_001), &config),
        Expired::Gone
    );
    let (mut session, _) = parting(true);
    session.abandon_probe();
    assert_eq!(session.outlet(), Outlet::Poll);
}

#[test]
fn a_websocket_without_binary_frames_is_one_all_its_life() {
    let config = Config::default();
    let mut session = Session::open(Tick(0), &config, Some(WS));
    session.recv_b64();
    assert!(session.is_text_only() && session.is_open());
    assert_eq!(
        session.websocket(),
        None,
        "it is not sent frames as they are"
    );
    assert_eq!(session.outlet(), Outlet::WebSocket(WS));
    session.close(Tick(1), false, None);
    assert!(session.is_text_only());
    // A probe that came to nothing has no say in the next one.
    let (mut session, _) = polling();
    session.recv_probe_open(Tick(1), &config, WS);
    session.recv_b64();
    assert!(!session.is_text_only(), "it polls");
    session.abandon_probe();
    session.recv_probe_open(Tick(2), &config, WS);
    session.recv_probe(Tick(2), &config, false, true);
    assert!(!session.is_text_only());
    let (mut session, _) = polling();
    session.recv_probe_open(Tick(1), &config, WS);
    session.recv_b64();
    session.recv_probe(Tick(2), &config, false, true);
    assert!(session.is_text_only());
}

#[test]
fn a_client_that_has_not_probed_or_closes_itself_is_not_waited_for() {
    let (mut session, config) = polling();
    session.recv_probe_open(Tick(1), &config, WS);
    session.close(Tick(5), false, None);
    assert_eq!(session.probing(), None);
    let (mut session, _) = polling();
    session.recv_probe_open(Tick(1), &config, WS);
    session.recv_probe(Tick(2), &config, true, false);
    session.close(Tick(5), true, None);
    assert_eq!(session.probing(), None);
}
