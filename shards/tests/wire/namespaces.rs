//! Namespaces, CONNECT and the violations around them (PROTOCOL.md 2.8.4, 2.10).

use crate::support::{Differs, Event, Polling, Profile, Ws, each, ours_only, refused};

/// An unknown namespace: `CONNECT_ERROR` only, and the connection goes on.
#[test]
fn an_unknown_namespace() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        for name in [
            "/x",
            "/random",
            "/customx",
            "/custom/",
            "/é",
            "/__proto__",
            "/constructor",
        ] {
            ws.send_text(&format!("40{name},"));
            ws.expect_text(&format!(r#"44{name},{{"message":"Invalid namespace"}}"#));
        }
        ws.send_text(r#"40/y,{"token":1}"#);
        ws.expect_text(r#"44/y,{"message":"Invalid namespace"}"#);
        ws.join("40");
    });
}

/// The query of a namespace is not stripped for EIO4.
#[test]
fn a_namespace_with_a_query() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        ws.send_text("40/custom?token=1,");
        ws.expect_text(r#"44/custom?token=1,{"message":"Invalid namespace"}"#);
        ws.send_text("40/custom?token=1");
        ws.expect_text(r#"44/custom?token=1,{"message":"Invalid namespace"}"#);
    });
}

/// An unknown namespace on polling.
#[test]
fn an_unknown_namespace_on_polling() {
    each(Profile::Calm, |server| {
        let mut session = Polling::open(server);
        session.post("40/x,").is_ok("ok");
        session.expect(r#"44/x,{"message":"Invalid namespace"}"#);
        session.post("40").is_ok("ok");
        assert!(session.packet().starts_with(r#"40{"sid":""#));
    });
}

/// A refusal by middleware carries the error and its data.
#[test]
fn a_refused_connect() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        ws.send_text("40/guarded,");
        let refusal = r#"{"message":"not authorized","data":{"code":"E_AUTH","token":null}}"#;
        ws.expect_text(&format!("44/guarded,{refusal}"));
        ws.send_text(r#"40/guarded,{"token":"x"}"#);
        let refusal = r#"{"message":"not authorized","data":{"code":"E_AUTH","token":"x"}}"#;
        ws.expect_text(&format!("44/guarded,{refusal}"));
        ws.join(r#"40/guarded,{"token":"letmein"}"#);
        ws.expect_text(r#"42/guarded,["auth",{"token":"letmein"}]"#);
    });
}

/// Events for a namespace that refused are a violation.
#[test]
fn an_event_after_a_refusal() {
    each(Profile::Calm, |server| {
        for namespace in ["/guarded", "/x"] {
            let (mut ws, _) = Ws::open(server);
            ws.send_text(&format!("40{namespace},"));
            assert!(ws.text().starts_with(&format!("44{namespace},")));
            ws.send_text(&format!(r#"42{namespace},["echo",1]"#));
            ws.closes(&[1005]);
        }
    });
}

/// Two namespaces on one connection, two ids, each event with its prefix.
#[test]
fn two_namespaces_on_one_connection() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        let root = ws.join("40");
        ws.expect_text(r#"42["auth",{}]"#);
        let custom = ws.join(r#"40/custom,{"a":1}"#);
        ws.expect_text(r#"42/custom,["auth",{"a":1}]"#);
        assert_ne!(root, custom);
        ws.send_text(r#"42/custom,["message","c"]"#);
        ws.send_text(r#"42["message","r"]"#);
        ws.send_text(r#"42/custom,13["message-with-ack","c"]"#);
        ws.send_text(r#"4213["message-with-ack","r"]"#);
        ws.expect_text(r#"42/custom,["message-back","c"]"#);
        ws.expect_text(r#"42["message-back","r"]"#);
        ws.expect_text(r#"43/custom,13["c"]"#);
        ws.expect_text(r#"4313["r"]"#);
    });
}

/// `41/custom,` leaves that namespace alone.
#[test]
fn leaving_one_of_two_namespaces() {
    each(Profile::Calm, |server| {
        for leave in ["41/custom,", "41/custom"] {
            let mut ws = Ws::joined(server);
            ws.join("40/custom,");
            ws.expect_text(r#"42/custom,["auth",{}]"#);
            ws.send_text(leave);
            ws.echoes("the root lives");
            ws.join("40/custom,");
            ws.expect_text(r#"42/custom,["auth",{}]"#);
            ws.send_text("41");
            ws.send_text(r#"42/custom,["echo",1]"#);
            ws.expect_text(r#"42/custom,["echo",1]"#);
        }
    });
}

/// An event for a namespace that was left is a violation.
#[test]
fn an_event_for_a_namespace_that_was_left() {
    each(Profile::Calm, |server| {
        for (leave, event) in [
            ("41", r#"42["echo",1]"#),
            ("41/custom,", r#"42/custom,["echo",1]"#),
        ] {
            let mut ws = Ws::joined(server);
            ws.join("40/custom,");
            ws.expect_text(r#"42/custom,["auth",{}]"#);
            ws.send_text(leave);
            server.settle(ws.http.port());
            ws.send_text(event);
            ws.closes(&[1005]);
        }
    });
}

/// A second CONNECT for a namespace closes the connection.
#[test]
fn a_double_connect() {
    each(Profile::Calm, |server| {
        for (first, second) in [
            ("40", "40"),
            ("40", "40{}"),
            ("40/custom,", "40/custom,"),
            ("40", "40/,"),
        ] {
            let (mut ws, _) = Ws::open(server);
            ws.join(first);
            ws.text();
            ws.send_text(second);
            ws.closes(&[1005]);
        }
    });
}

/// socketioxide 0.18.1-0.18.9 "duplicate CONNECT": two in one segment are a violation too.
#[test]
fn a_double_connect_in_one_segment() {
    ours_only(Differs::PendingConnect, Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        let connect = crate::support::masked(0x81, b"40");
        ws.raw([connect.clone(), connect].concat());
        let before = ws.ends();
        assert!(before.len() <= 2, "{before:?}");
    });
}

refused! {
    |server| Ws::open(server).0;
    /// The first packet is not a CONNECT: an event.
    an_event_before_connect: [r#"42["echo",1]"#, r#"421["echo_ack",1]"#, r#"42/custom,["echo",1]"#];
    /// An ack.
    an_ack_before_connect: ["430[]", "43/custom,0[]"];
    /// A DISCONNECT.
    a_disconnect_before_connect: ["41", "41/custom,"];
    /// A `CONNECT_ERROR`.
    a_connect_error_before_connect: ["44", r#"44{"message":"x"}"#];
}

/// A binary event before CONNECT, when it is whole.
#[test]
fn a_binary_event_before_connect() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        ws.send_text(r#"451-["echo",{"_placeholder":true,"num":0}]"#);
        ws.send_binary(&[1]);
        ws.closes(&[1005]);
    });
}

/// A namespace that was joined does not open the others.
#[test]
fn an_event_for_another_namespace() {
    each(Profile::Calm, |server| {
        for packet in [
            r#"42/custom,["echo",1]"#,
            r#"42/x,["echo",1]"#,
            "43/custom,0[]",
            "41/custom,",
        ] {
            Ws::joined(server).is_closed_by(packet);
        }
    });
}

/// A client that joins nothing within `connectTimeout` is closed.
#[test]
fn no_connect_in_time() {
    each(Profile::Hasty, |server| {
        let (mut ws, _) = Ws::open(server);
        ws.closes(&[1005]);
        let session = Polling::open(server);
        session.get().is_ok("1");
        session.is_gone();
    });
}

/// An unknown or refusing namespace does not count as joined.
#[test]
fn a_refusal_does_not_stop_the_connect_timeout() {
    each(Profile::Hasty, |server| {
        let (mut ws, _) = Ws::open(server);
        ws.send_text("40/x,");
        ws.expect_text(r#"44/x,{"message":"Invalid namespace"}"#);
        ws.send_text("40/guarded,");
        assert!(ws.text().starts_with("44/guarded,"));
        ws.closes(&[1005]);
    });
}

/// Who joined in time may stay, also after leaving everything again.
#[test]
fn a_connect_in_time() {
    each(Profile::Hasty, |server| {
        let mut stays = Ws::joined(server);
        let mut left = Ws::joined(server);
        left.send_text("41");
        let (mut late, _) = Ws::open(server);
        late.closes(&[1005]);
        stays.echoes("in time");
        left.join("40");
    });
}

/// Hundreds of unknown names leave a connection usable.
#[test]
fn hundreds_of_unknown_namespaces() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for n in 0..500 {
            ws.send_text(&format!("40/dyn-{n},"));
            ws.expect_text(&format!(r#"44/dyn-{n},{{"message":"Invalid namespace"}}"#));
        }
        ws.echoes("still here");
    });
}

/// A long name of a namespace is refused, with or without saying it again.
#[test]
fn a_long_namespace() {
    each(Profile::Calm, |server| {
        let name = format!("/{}", "n".repeat(5000));
        let (mut ws, _) = Ws::open(server);
        ws.send_text(&format!("40{name},"));
        match ws.event() {
            Event::Text(text) => {
                assert!(text.starts_with("44/n"), "{text}");
                assert!(
                    text.ends_with(r#",{"message":"Invalid namespace"}"#),
                    "{text}"
                );
                ws.join("40");
            }
            other => assert_eq!(other, Event::Close(1005)),
        }
    });
}

/// A kick (scripts/clients/CONTRACT.md) is `41`, and only that namespace.
#[test]
fn a_kick() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.join("40/custom,");
        ws.expect_text(r#"42/custom,["auth",{}]"#);
        ws.send_text(r#"42/custom,["kick",false]"#);
        ws.expect_text("41/custom,");
        ws.echoes("the root lives");
        ws.send_text(r#"42["kick",false]"#);
        ws.expect_text("41");
        ws.join("40");
    });
}

/// What was on its way when the server removed a socket is no violation: nothing comes of it, and the
/// other namespaces live. Node closes them all, unless it came in the same segment.
#[test]
fn what_crosses_a_kick() {
    ours_only(Differs::CrossesKick, Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.join("40/custom,");
        ws.expect_text(r#"42/custom,["auth",{}]"#);
        ws.send_text(r#"42/custom,["kick",false]"#);
        ws.expect_text("41/custom,");
        ws.send_text(r#"42/custom,1["echo_ack",1]"#);
        ws.send_text(r#"451-/custom,["echo",{"_placeholder":true,"num":0}]"#);
        ws.send_binary(&[1]);
        ws.send_text("43/custom,0[]");
        ws.send_text("41/custom,");
        ws.echoes("the root lives");
        ws.join("40/custom,");
        ws.expect_text(r#"42/custom,["auth",{}]"#);
        ws.send_text("41/custom,");
        ws.is_closed_by(r#"42/custom,["echo","it knew"]"#);
    });
}

/// What a connect handler says to a client that ends its side at once arrives, as with a close frame.
#[test]
fn a_connect_and_the_end() {
    ours_only(Differs::AnswersFirst, Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        server.in_one_turn(|| {
            ws.send_text("40");
            ws.send_text(r#"420["echo_ack","x"]"#);
            ws.http.finish();
        });
        assert!(ws.text().starts_with(r#"40{"sid":""#));
        ws.expect_text(r#"42["auth",{}]"#);
        ws.expect_text(r#"430["x"]"#);
        assert!(ws.ends().is_empty());
    });
}
