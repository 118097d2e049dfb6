//! The upgrade from polling to WebSocket, as it should go (PROTOCOL.md 2.11).

use std::io::Write;

use crate::support::http::request;
use crate::support::server::Peer;
use crate::support::ws::{FIN, TEXT, upgrade_request};
use crate::support::{Http, POLL, Polling, Profile, RS, Server, WS, Ws, each, masked};

/// Where this session is upgraded.
pub(crate) fn target(session: &Polling<'_>) -> String {
    format!("{WS}&sid={}", session.sid)
}

/// A WebSocket that has probed.
#[track_caller]
pub(crate) fn probe(server: &Server, session: &Polling<'_>) -> Ws {
    let mut ws = Ws::upgrade(server, &target(session));
    ws.send_text("2probe");
    ws.expect_text("3probe");
    ws
}

/// A WebSocket that the session has moved to.
#[track_caller]
pub(crate) fn finish(server: &Server, session: &Polling<'_>) -> Ws {
    let mut ws = probe(server, session);
    ws.send_text("5");
    ws
}

/// The whole exchange, the parked GET is answered `6`.
#[test]
fn the_whole_exchange() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        let mut ws = probe(server, &session);
        parked.response().is_ok("6");
        ws.send_text("5");
        ws.echoes("upgraded");
        ws.send_text(r#"421["whoami"]"#);
        let whoami = ws.text();
        assert!(whoami.contains(r#""transport":"websocket""#), "{whoami}");
    });
}

/// A GET between `3probe` and `5` returns exactly `6`; and so does the next.
#[test]
fn a_get_between_probe_and_upgrade() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        for _ in 0..3 {
            session.get().is_ok("6");
        }
        ws.send_text("5");
        ws.echoes("upgraded");
    });
}

/// A GET after `5` is 400, and so is a POST; code 3.
#[test]
fn polling_after_the_upgrade() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = finish(server, &session);
        ws.echoes("upgraded");
        session.get().is_error(3);
        session.post(r#"42["echo","no"]"#).is_error(3);
        ws.echoes("still here");
    });
}

/// What was buffered for polling is flushed over the WebSocket, in order.
#[test]
fn buffered_packets_move() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = Ws::upgrade(server, &target(&session));
        for n in 0..5 {
            session.post(&format!(r#"42["echo",{n}]"#)).is_ok("ok");
        }
        // No probe: Node upgrades on `5` alone, and no ticker empties the buffer.
        ws.send_text("5");
        for n in 0..5 {
            ws.expect_text(&format!(r#"42["echo",{n}]"#));
        }
        ws.echoes("and on");
    });
}

/// Binary events and acks that were buffered move as well, as binary frames.
#[test]
fn buffered_attachments_move() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        session
            .post(&format!(r#"{head}{RS}bAP8={RS}427["echo_ack",1]"#))
            .is_ok("ok");
        let mut ws = Ws::upgrade(server, &target(&session));
        ws.send_text("5");
        ws.expect_text(head);
        ws.expect_binary(&[0, 255]);
        ws.expect_text("437[1]");
    });
}

/// Between `2probe` and `5` polling still carries data both ways.
#[test]
fn polling_works_between_probe_and_upgrade() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let mut ws = probe(server, &session);
        for n in 0..3 {
            session.post(&format!(r#"42["echo",{n}]"#)).is_ok("ok");
            let packet = std::iter::repeat_with(|| session.packet()).find(|packet| packet != "6");
            assert_eq!(
                packet.as_deref(),
                Some(format!(r#"42["echo",{n}]"#).as_str())
            );
        }
        ws.send_text("5");
        ws.echoes("upgraded");
    });
}

/// FIFO per sender, also across an upgrade; nothing is lost and nothing twice.
#[test]
fn order_across_the_upgrade() {
    each(Profile::Calm, |server| {
        for round in 0..5 {
            let session = Polling::joined(server);
            let mut got = Vec::new();
            session.post(r#"42["flood",20,"a"]"#).is_ok("ok");
            let mut ws = probe(server, &session);
            session.post(r#"42["flood",20,"b"]"#).is_ok("ok");
            let answer = session.get();
            got.extend(answer.text().split(RS).map(str::to_owned));
            ws.send_text("5");
            ws.send_text(r#"42["flood",20,"c"]"#);
            while got
                .iter()
                .filter(|packet| packet.ends_with(r#""c"]"#))
                .count()
                < 20
            {
                got.push(ws.text());
            }
            got.retain(|packet| packet != "6");
            let all = ["a", "b", "c"];
            let all = all.iter().flat_map(|name| (0..20).map(move |n| (name, n)));
            let want: Vec<String> = all
                .map(|(name, n)| format!(r#"42["flood",{n},"{name}"]"#))
                .collect();
            assert_eq!(got, want, "round {round}");
        }
    });
}

/// Acks, attachments and namespaces live on after the upgrade.
#[test]
fn sockets_survive_the_upgrade() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        session.post("40/custom,").is_ok("ok");
        assert!(session.packet().starts_with(r#"40/custom,{"sid":""#));
        session.expect(r#"42/custom,["auth",{}]"#);
        let mut ws = finish(server, &session);
        ws.send_text(r#"42/custom,5["message-with-ack","x"]"#);
        ws.expect_text(r#"43/custom,5["x"]"#);
        ws.send_text(r#"451-["message",{"_placeholder":true,"num":0}]"#);
        ws.send_binary(&[1, 2, 3]);
        ws.expect_text(r#"451-["message-back",{"_placeholder":true,"num":0}]"#);
        ws.expect_binary(&[1, 2, 3]);
    });
}

/// A packet begun on polling may be finished on the WebSocket.
#[test]
fn an_attachment_across_the_upgrade() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        session.post(head).is_ok("ok");
        let mut ws = finish(server, &session);
        ws.send_binary(&[9, 8, 7]);
        ws.expect_text(head);
        ws.expect_binary(&[9, 8, 7]);
    });
}

/// An upgrade before any CONNECT, which then comes over the WebSocket.
#[test]
fn an_upgrade_before_connect() {
    each(Profile::Calm, |server| {
        let session = Polling::open(server);
        let mut ws = finish(server, &session);
        ws.join("40");
        ws.expect_text(r#"42["auth",{}]"#);
    });
}

/// The answer to a CONNECT that was posted comes over the WebSocket.
#[test]
fn a_connect_before_and_its_answer_after() {
    each(Profile::Calm, |server| {
        let session = Polling::open(server);
        session.post("40").is_ok("ok");
        let mut ws = Ws::upgrade(server, &target(&session));
        ws.send_text("5");
        assert!(ws.text().starts_with(r#"40{"sid":""#));
        ws.expect_text(r#"42["auth",{}]"#);
    });
}

/// The server's pings go on over the WebSocket.
#[test]
fn pings_after_the_upgrade() {
    each(Profile::Beats, |server| {
        let session = Polling::open(server);
        let mut ws = finish(server, &session);
        for _ in 0..4 {
            ws.expect_text("2");
            ws.send_text("3");
        }
    });
}

/// The pong to a ping that was sent over polling may come by WebSocket.
#[test]
fn a_pong_after_the_upgrade_for_a_ping_before() {
    each(Profile::Beats, |server| {
        let session = Polling::open(server);
        let mut ws = Ws::upgrade(server, &target(&session));
        session.get().is_ok("2");
        ws.send_text("5");
        ws.send_text("3");
        ws.expect_text("2");
        ws.send_text("3");
        ws.expect_text("2");
    });
}

/// Probe and upgrade in the same segment as the request; here, with a
/// session, Node does not lose them either.
#[test]
fn probe_and_upgrade_with_the_request() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut bytes = upgrade_request(&target(&session)).into_bytes();
        for packet in ["2probe", "5", r#"42["echo","quick"]"#] {
            bytes.extend(masked(FIN | TEXT, packet.as_bytes()));
        }
        let mut http = Http::connect(server);
        http.send(bytes);
        assert_eq!(http.response().status, 101);
        let mut ws = Ws { http };
        ws.expect_text("3probe");
        ws.expect_text(r#"42["echo","quick"]"#);
    });
}

/// The upgrade on a connection that has already carried polls of the session.
#[test]
fn an_upgrade_on_a_used_connection() {
    each(Profile::Calm, |server| {
        for _ in 0..4 {
            let session = Polling::joined(server);
            let mut http = Http::connect(server);
            http.post(&session.target(), r#"42["echo",1]"#).is_ok("ok");
            http.get(&session.target()).is_ok(r#"42["echo",1]"#);
            http.send(upgrade_request(&target(&session)));
            assert_eq!(http.response().status, 101);
            let mut ws = Ws { http };
            ws.send_text("2probe");
            ws.expect_text("3probe");
            ws.send_text("5");
            ws.echoes("upgraded");
        }
    });
}

/// A POST that is halfway when `5` comes loses nothing that was acknowledged.
#[test]
fn a_post_that_is_halfway_at_the_upgrade() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let bytes = request("POST", &session.target(), r#"42["echo","halfway"]"#);
        let mut http = Http::connect(server);
        http.send(&bytes[..bytes.len() - 4]);
        server.settle(http.port());
        let mut ws = finish(server, &session);
        ws.echoes("upgraded");
        http.send(&bytes[bytes.len() - 4..]);
        if http
            .try_response()
            .is_ok_and(|response| response.status == 200)
        {
            ws.expect_text(r#"42["echo","halfway"]"#);
        }
        ws.echoes("still here");
    });
}

/// The old transport's requests are left behind with it: one that breaks off or brings
/// nonsense after `5` is not the session's end. Its sender hears that it was not taken.
#[test]
fn a_post_that_fails_after_the_upgrade() {
    each(Profile::Calm, |server| {
        let bodies: [&[u8]; 4] = [b"x", b"42{}", b"42[\"echo\",\"no\"]", &[0xff; 2]];
        for body in bodies {
            let session = Polling::joined(server);
            let mut http = Http::connect(server);
            let mut bytes =
                request("POST", &session.target(), &"_".repeat(body.len())).into_bytes();
            bytes.truncate(bytes.len() - body.len());
            http.send(&bytes);
            server.settle(http.port());
            let mut ws = finish(server, &session);
            ws.echoes("upgraded");
            http.send(body);
            let answer = http.try_response();
            let is_ok = answer.is_ok_and(|response| response.status == 200);
            assert!(!is_ok || crate::support::server::peer() == Peer::Node);
            ws.echoes("still here");
        }
        let session = Polling::joined(server);
        let mut http = Http::connect(server);
        let bytes = request("POST", &session.target(), r#"42["echo",1]"#);
        http.send(&bytes[..bytes.len() - 2]);
        server.settle(http.port());
        let mut ws = finish(server, &session);
        ws.echoes("upgraded");
        http.finish();
        http.rest();
        ws.echoes("still here");
    });
}

/// Polling cannot use the sid of a session that a WebSocket opened.
#[test]
fn a_websocket_session_does_not_poll() {
    each(Profile::Calm, |server| {
        let (mut ws, open) = Ws::open(server);
        let sid = crate::support::field(&open, "sid");
        let mut http = Http::connect(server);
        http.get(&format!("{POLL}&sid={sid}")).is_error(3);
        ws.join("40");
    });
}

/// What a client that does not wait sends with its `5` is the session's, however much of it comes in
/// the turn of the upgrade: more than one read takes, here.
#[test]
fn much_comes_with_the_upgrade() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        let big = format!(r#"42["echo","{}"]"#, "x".repeat(200_000));
        let mut bytes = masked(FIN | TEXT, b"5");
        for text in [&*big, r#"42["echo",1]"#, r#"42["echo",2]"#] {
            bytes.extend(masked(FIN | TEXT, text.as_bytes()));
        }
        server.in_one_turn(|| {
            let mut stream = ws.http.stream.try_clone().expect("a second handle");
            std::thread::spawn(move || stream.write_all(&bytes))
        });
        ws.expect_text(&big);
        ws.expect_text(r#"42["echo",1]"#);
        ws.expect_text(r#"42["echo",2]"#);
        ws.echoes("and on");
    });
}

/// A connection that ends in the turn in which it became the session's ends the session.
#[test]
fn the_end_comes_with_the_upgrade() {
    each(Profile::Calm, |server| {
        let tag = "the_end_comes_with_the_upgrade";
        let mut witness = crate::reasons::witness(server, tag);
        let mut session = Polling::joined(server);
        let watch = format!(r#"420["watch","{tag}"]"#);
        session.post(&watch).is_ok("ok");
        session.expect("430[]");
        let mut ws = probe(server, &session);
        server.in_one_turn(|| {
            ws.send_text("5");
            drop(ws);
        });
        let told = witness.text();
        assert!(
            told.starts_with(&format!(r#"42["gone","{tag}","#)),
            "{told}"
        );
    });
}
