//! The official strings of why a socket is gone (PROTOCOL.md 1.12), seen by another client.

use crate::support::ws::{CLOSE, FIN, PING, TEXT};
use crate::support::{Differs, Event, POLL, Polling, Profile, Server, Ws, each, masked, ours_only};

/// A client in the room that is told when the socket that `watch`es `tag` is gone.
pub(crate) fn witness(server: &Server, tag: &str) -> Ws {
    let mut ws = Ws::joined(server);
    ws.send_text(&format!(r#"420["join","gone:{tag}"]"#));
    ws.expect_text("430[]");
    ws
}

/// A joined client whose end will be told, and the witness.
fn pair(server: &Server, tag: &str) -> (Ws, Ws) {
    let witness = witness(server, tag);
    let mut ws = Ws::joined(server);
    ws.send_text(&format!(r#"420["watch","{tag}"]"#));
    ws.expect_text("430[]");
    (ws, witness)
}

/// The same with a client that polls.
fn polling_pair<'a>(server: &'a Server, tag: &str) -> (Polling<'a>, Ws) {
    let witness = witness(server, tag);
    let mut session = Polling::joined(server);
    let watch = format!(r#"420["watch","{tag}"]"#);
    session.post(&watch).is_ok("ok");
    session.expect("430[]");
    (session, witness)
}

#[track_caller]
fn tells(witness: &mut Ws, tag: &str, reason: &str) {
    let told = witness.text();
    let is = |reason: &str| told == format!(r#"42["gone","{tag}","{reason}"]"#);
    // The official documentation says `forced server close`; Node 4.8.4 says so only where its transport
    // does not close at once (a polling session with no GET parked), else `forced close`.
    let either = reason == "forced server close" && is("forced close");
    assert!(is(reason) || either, "{told} instead of {reason}");
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident: $reason:literal, |$ws:ident| $act:expr;)+) => {$(
        $(#[$doc])+
        #[test]
        fn $name() {
            each(Profile::Calm, |server| {
                let tag = stringify!($name);
                let (mut $ws, mut witness) = pair(server, tag);
                $act;
                tells(&mut witness, tag, $reason);
            });
        }
    )+};
}

reasons! {
    /// A DISCONNECT from the client.
    a_disconnect: "client namespace disconnect", |ws| ws.send_text("41");
    /// A WebSocket close frame.
    a_close_frame: "transport close", |ws| {
        ws.raw(masked(FIN | CLOSE, &[3, 232]));
        ws.ends();
        ws.http.finish();
    };
    /// The end of the TCP connection.
    a_fin: "transport close", |ws| ws.http.finish();
    /// An Engine.IO packet that cannot be decoded.
    an_unknown_engine_packet: "parse error", |ws| ws.send_text("x");
    /// A Socket.IO packet that cannot be decoded.
    an_unknown_packet: "forced close", |ws| ws.send_text("49");
    /// A binary message out of place.
    an_attachment_out_of_place: "forced close", |ws| ws.send_binary(&[1]);
    /// The same as text, and what is no base64.
    base64_out_of_place: "forced close", |ws| ws.send_text("bAQID");
    /// A second CONNECT for the same namespace.
    a_double_connect: "forced server close", |ws| ws.send_text("40");
    /// An event for a namespace that was not joined.
    an_event_elsewhere: "forced server close", |ws| ws.send_text(r#"42/custom,["echo",1]"#);
    /// A `CONNECT_ERROR` from a client.
    a_connect_error: "forced server close", |ws| ws.send_text(r#"44{"message":"x"}"#);
    /// A ping from an EIO4 client.
    an_invalid_heartbeat: "transport error", |ws| ws.send_text("2");
    /// A WebSocket protocol error.
    a_reserved_bit: "transport error", |ws| ws.raw(masked(FIN | 0x40 | TEXT, b"3"));
    /// A message over the limit.
    a_message_too_large: "transport error", |ws| ws.raw(crate::frames::oversized());
    /// The server disconnects this socket.
    a_kick: "server namespace disconnect", |ws| {
        ws.send_text(r#"42["kick",false]"#);
        ws.expect_text("41");
    };
    /// The server disconnects the connection.
    a_kick_with_close: "server namespace disconnect", |ws| ws.send_text(r#"42["kick",true]"#);
}

/// `1` on a WebSocket is a close.
#[test]
fn a_close_packet() {
    ours_only(Differs::CloseOnWebSocket, Profile::Calm, |server| {
        let (mut ws, mut witness) = pair(server, "close-packet");
        ws.send_text("1");
        tells(&mut witness, "close-packet", "transport close");
        ws.ends();
    });
}

/// A client that does not answer the ping.
#[test]
fn no_pong() {
    each(Profile::Beats, |server| {
        let mut witness = witness(server, "no-pong");
        let mut ws = Ws::joined(server);
        ws.send_text(r#"420["watch","no-pong"]"#);
        let told = loop {
            match witness.text().as_str() {
                "2" => witness.send_text("3"),
                other => break other.to_owned(),
            }
        };
        assert_eq!(told, r#"42["gone","no-pong","ping timeout"]"#);
    });
}

/// On polling the reasons are the same strings.
#[test]
fn reasons_on_polling() {
    each(Profile::Calm, |server| {
        let cases = [
            ("1", "transport close"),
            ("x", "parse error"),
            ("2", "transport error"),
            ("49", "forced close"),
            ("40", "forced server close"),
            ("41", "client namespace disconnect"),
        ];
        for (n, (packet, reason)) in cases.into_iter().enumerate() {
            let tag = format!("polling-{n}");
            let (session, mut witness) = polling_pair(server, &tag);
            let _parked = session.park();
            session.post(packet);
            tells(&mut witness, &tag, reason);
        }
    });
}

/// An aborted GET is a transport error.
#[test]
fn an_aborted_poll() {
    each(Profile::Calm, |server| {
        let (session, mut witness) = polling_pair(server, "aborted-poll");
        drop(session.park());
        tells(&mut witness, "aborted-poll", "transport error");
    });
}

/// Each namespace's socket is told its own reason.
#[test]
fn each_namespace_has_its_own_end() {
    each(Profile::Calm, |server| {
        let (mut ws, mut witness) = pair(server, "two-ends");
        ws.join("40/custom,");
        ws.expect_text(r#"42/custom,["auth",{}]"#);
        ws.send_text(r#"42/custom,1["watch","two-ends"]"#);
        ws.expect_text("43/custom,1[]");
        ws.send_text("41/custom,");
        tells(&mut witness, "two-ends", "client namespace disconnect");
        ws.echoes("the other one lives");
        ws.raw(masked(FIN | PING, b""));
        assert_eq!(ws.event(), Event::Pong(Vec::new()));
        ws.http.finish();
        tells(&mut witness, "two-ends", "transport close");
    });
}

/// A session that upgraded ends like a WebSocket.
#[test]
fn the_end_of_an_upgraded_session() {
    each(Profile::Calm, |server| {
        let (session, mut witness) = polling_pair(server, "upgraded-end");
        let mut ws = crate::upgrade::finish(server, &session);
        ws.echoes("upgraded");
        ws.http.finish();
        tells(&mut witness, "upgraded-end", "transport close");
        let target = format!("{POLL}&sid={}", session.sid);
        crate::support::http::once(server, "GET", &target, "").is_error(1);
    });
}

/// The end is seen behind more than one turn reads: epoll tells of it once.
#[test]
fn much_comes_before_the_end() {
    each(Profile::Calm, |server| {
        let tag = "much_comes_before_the_end";
        let (mut ws, mut witness) = pair(server, tag);
        let event = format!(r#"42["nobody listens","{}"]"#, "x".repeat(1_000));
        let bytes = masked(FIN | TEXT, event.as_bytes()).repeat(330);
        server.in_one_turn(|| {
            std::thread::spawn(move || {
                ws.raw(&bytes);
                drop(ws);
            })
        });
        tells(&mut witness, tag, "transport close");
    });
}
