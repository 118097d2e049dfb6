//! Binary as text, `b` and base64, over WebSocket: from any client, and to those that said `b64=1`, as
//! the official client does with `forceBase64` (PROTOCOL.md 2.1).

use crate::support::Differs;
use crate::support::ws::{BINARY, FIN, PING, TEXT};
use crate::support::{Event, Polling, Profile, RS, Server, WS, Ws, each, masked, node_differs};
use crate::upgrade::{finish, target};

const ONE: &str = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
const TWO: &str = r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
const TWO_BACK: &str =
    r#"452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;

/// A client in `/` that takes no binary frames.
#[track_caller]
fn text_only(server: &Server) -> Ws {
    let mut ws = Ws::upgrade(server, &format!("{WS}&b64=1"));
    assert!(ws.text().starts_with(r#"0{"sid":""#));
    ws.join("40");
    ws.expect_text(r#"42["auth",{}]"#);
    ws
}

/// Whoever sends it: text is read as binary, also beside binary frames.
#[test]
fn text_is_read_as_binary() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(ONE);
        ws.send_text("bAQID");
        ws.expect_text(ONE);
        ws.expect_binary(&[1, 2, 3]);
        ws.send_text(TWO);
        ws.send_text("b");
        ws.send_binary(&[4]);
        ws.expect_text(TWO_BACK);
        ws.expect_binary(&[]);
        ws.expect_binary(&[4]);
        ws.echoes("text");
    });
}

/// Who said `b64=1` is sent text, and may send either.
#[test]
fn binary_is_sent_as_text() {
    each(Profile::Calm, |server| {
        let mut ws = text_only(server);
        ws.send_text(TWO);
        ws.send_text("bAP8=");
        ws.send_binary(&[1, 2, 3, 4]);
        ws.send_text(r#"42["echo","behind"]"#);
        for text in [TWO_BACK, "bAP8=", "bAQIDBA==", r#"42["echo","behind"]"#] {
            ws.expect_text(text);
        }
        ws.raw(masked(FIN | PING, b"alive?"));
        assert_eq!(ws.event(), Event::Pong(b"alive?".to_vec()));
        let big = vec![7; 500_000];
        ws.send_text(r#"451-7["echo_ack",{"_placeholder":true,"num":0}]"#);
        ws.send_binary(&big);
        ws.expect_text(r#"461-7[{"_placeholder":true,"num":0}]"#);
        let text = ws.text();
        assert_eq!(text.len(), 1 + 666_668);
        assert!(
            text.starts_with("bBwcHBwcH") && text.ends_with("Bwc="),
            "{}",
            &text[..20]
        );
        ws.echoes("and on");
    });
}

/// One broadcast, each in its own form.
#[test]
fn a_broadcast_to_both() {
    each(Profile::Calm, |server| {
        let (mut text, mut plain) = (text_only(server), Ws::joined(server));
        for ws in [&mut text, &mut plain] {
            ws.send_text(r#"420["join","both-forms"]"#);
            ws.expect_text("430[]");
        }
        for n in 0..3 {
            plain.send_text(r#"451-["room","both-forms",{"_placeholder":true,"num":0}]"#);
            plain.send_binary(&[n, 255]);
            for ws in [&mut text, &mut plain] {
                ws.expect_text(r#"451-["room",{"_placeholder":true,"num":0}]"#);
            }
            plain.expect_binary(&[n, 255]);
            text.expect_text(["bAP8=", "bAf8=", "bAv8="][usize::from(n)]);
        }
    });
}

/// The request that opened the WebSocket says it, also for what was queued before.
#[test]
fn an_upgrade_to_text_only() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let queued = format!("{ONE}{RS}bAP8={RS}{ONE}{RS}bAQID");
        session.post(&queued).is_ok("ok");
        let mut ws = Ws::upgrade(server, &format!("{}&b64=1", target(&session)));
        ws.send_text("5");
        for text in [ONE, "bAP8=", ONE, "bAQID"] {
            ws.expect_text(text);
        }
        ws.send_text(ONE);
        ws.send_text("bAQ==");
        ws.expect_text(ONE);
        ws.expect_text("bAQ==");
    });
}

/// And what an earlier WebSocket said that came to nothing does not count.
#[test]
fn a_plain_upgrade_after_one_to_text_only() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut first = Ws::upgrade(server, &format!("{}&b64=1", target(&session)));
        first.http.finish();
        first.ends();
        server.settle(first.http.port());
        session.post(&format!("{ONE}{RS}bAP8=")).is_ok("ok");
        let mut ws = finish(server, &session);
        ws.expect_text(ONE);
        ws.expect_binary(&[0, 255]);
    });
}

/// The same rules as for binary frames: what nobody waits for, and what is too large.
#[test]
fn text_that_stands_for_binary_has_its_rules() {
    each(Profile::Calm, |server| {
        for client in [Ws::joined, text_only] {
            client(server).is_closed_by("bAQID");
        }
        if !node_differs(Differs::Base64) {
            for bad in ["b*", "bA", "bAQI=DBA="] {
                let mut ws = Ws::joined(server);
                ws.send_text(ONE);
                ws.is_closed_by(bad);
            }
        }
    });
    each(Profile::Small, |server| {
        let most = format!("b{}", "A".repeat(9_999 / 4 * 4));
        let mut ws = Ws::joined(server);
        ws.send_text(ONE);
        ws.send_text(&most);
        ws.expect_text(ONE);
        ws.expect_binary(&[0; 7_497]);
        ws.send_text(ONE);
        ws.raw(masked(FIN | TEXT, &[b'A'; 10_001]));
        ws.closes(&[1009]);
        let mut ws = Ws::joined(server);
        ws.send_text(ONE);
        ws.raw(masked(FIN | BINARY, &[0; 10_001]));
        ws.closes(&[1009]);
    });
}
