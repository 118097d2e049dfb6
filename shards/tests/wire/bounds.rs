//! What a message may cost before it is finished.

use crate::support::ws::{BINARY, FIN, PING, TEXT, header};
use crate::support::{Differs, Event, Profile, Server, Ws, each, masked};

const CONTINUATION: u8 = 0;

/// The profile's largest message.
const LIMIT: usize = 10_000;

fn event(length: usize) -> String {
    let frame = r#"42["echo",""]"#.len();
    format!(r#"42["echo","{}"]"#, "x".repeat(length - frame))
}

/// A message of exactly the limit is allowed.
#[test]
fn a_message_as_large_as_allowed() {
    each(Profile::Small, |server| {
        let mut ws = Ws::joined(server);
        let event = event(LIMIT);
        assert_eq!(event.len(), LIMIT);
        ws.send_text(&event);
        ws.expect_text(&event);
    });
}

/// A message one byte over the limit closes with 1009.
#[test]
fn a_message_one_byte_too_large() {
    each(Profile::Small, |server| {
        for opcode in [TEXT, BINARY] {
            let mut ws = Ws::joined(server);
            let mut frame = header(FIN | opcode, LIMIT + 1, true);
            frame.extend([0; 4]);
            ws.raw(frame);
            ws.closes(&[1009]);
        }
    });
}

/// It is the bytes that count, and the bytes of the whole message.
#[test]
fn a_message_in_fragments_as_large_as_allowed() {
    each(Profile::Small, |server| {
        let mut ws = Ws::joined(server);
        let event = event(LIMIT);
        for (n, part) in event.as_bytes().chunks(1000).enumerate() {
            let opcode = if n == 0 { TEXT } else { CONTINUATION };
            ws.raw(masked(opcode | if n == 9 { FIN } else { 0 }, part));
        }
        ws.expect_text(&event);
    });
}

/// The limit is on the message, not on its frames.
#[test]
fn fragments_that_are_too_large_together() {
    each(Profile::Small, |server| {
        let mut ws = Ws::joined(server);
        ws.raw(masked(TEXT, &[b'4'; 5000]));
        ws.raw(masked(CONTINUATION, &[b'4'; 5000]));
        ws.raw(masked(FIN | PING, b"allowed so far"));
        assert_eq!(ws.event(), Event::Pong(b"allowed so far".to_vec()));
        ws.raw(masked(CONTINUATION, b"4"));
        ws.closes(&[1009]);
    });
}

/// The header of the fragment that goes too far is enough.
#[test]
fn a_fragment_header_that_goes_too_far() {
    each(Profile::Small, |server| {
        let mut ws = Ws::joined(server);
        ws.raw(masked(BINARY, &[0; 9000]));
        let mut frame = header(FIN, 1001, true);
        frame.extend([0; 4]);
        ws.raw(frame);
        ws.closes(&[1009]);
    });
}

/// The count begins anew with every message.
#[test]
fn many_large_messages_one_after_another() {
    each(Profile::Small, |server| {
        let mut ws = Ws::joined(server);
        let event = event(LIMIT - 1);
        for _ in 0..20 {
            ws.send_text(&event);
            ws.expect_text(&event);
        }
    });
}

/// Sends fragments of `payload` until the server has had enough; more than anyone may send.
fn too_many_fragments(server: &Server, payload: &[u8]) {
    let mut ws = Ws::joined(server);
    ws.raw(masked(TEXT, b"4"));
    let thousand = masked(CONTINUATION, payload).repeat(1000);
    for _ in 0..20 {
        ws.raw(&thousand);
    }
    let codes = [Event::Close(1008), Event::Close(1009), Event::Close(1002)];
    let event = ws.event();
    assert!(codes.contains(&event), "{event:?} after 20,000 fragments");
}

/// As reported for ws (2329): 20,000 empty fragments are too many.
#[test]
fn endless_empty_fragments() {
    each(Profile::Calm, |server| too_many_fragments(server, b""));
}

/// CVE-2026-48779: 20,000 fragments of one byte are too many, within the limit of bytes.
#[test]
fn endless_fragments_of_one_byte() {
    each(Profile::Calm, |server| too_many_fragments(server, b"4"));
}

/// Each attachment may be as large as a message.
#[test]
fn ten_attachments_of_the_largest_size() {
    each(Profile::Small, |server| {
        let mut ws = Ws::joined(server);
        let parts: Vec<String> = (0..10)
            .map(|n| format!(r#"{{"_placeholder":true,"num":{n}}}"#))
            .collect();
        let head = format!(r#"4510-["echo",[{}]]"#, parts.join(","));
        ws.send_text(&head);
        for n in 0..10 {
            ws.send_binary(&[n; LIMIT]);
        }
        ws.expect_text(&head);
        for n in 0..10 {
            ws.expect_binary(&[n; LIMIT]);
        }
    });
}

/// 5,000 nested arrays cost this socket at most; Node's process ends.
#[test]
fn nesting_of_5000_levels() {
    crate::support::ours_only(Differs::Depth, Profile::Calm, |server| {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = format!("{}0{}", open.repeat(5000), close.repeat(5000));
            for event in ["echo", "message", "nobody-listens"] {
                let mut ws = Ws::joined(server);
                ws.send_text(&format!(r#"42["{event}",{nested}]"#));
                ws.send_text(r#"42["echo","next"]"#);
                match ws.event() {
                    Event::Text(text) if text == r#"42["echo","next"]"# => {}
                    Event::Text(text) => assert!(text.ends_with(&format!("{nested}]")), "{event}"),
                    other => assert_eq!(other, Event::Close(1005), "{event}"),
                }
            }
        }
    });
}

/// The same for the payload of a CONNECT, and never closed brackets.
#[test]
fn nesting_in_a_connect() {
    crate::support::ours_only(Differs::Depth, Profile::Calm, |server| {
        let nested = format!(r#"{{"a":{}0{}}}"#, "[".repeat(5000), "]".repeat(5000));
        let open = "[".repeat(100_000);
        for packet in [
            format!("40{nested}"),
            format!("40{open}"),
            format!("42{open}"),
        ] {
            let (mut ws, _) = Ws::open(server);
            ws.send_text(&packet);
            ws.http.finish();
            ws.ends();
        }
    });
}

/// JSON as deep as people send it is far below the cap.
#[test]
fn nesting_of_100_levels_is_fine() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let nested = format!(r#"42["echo",{}{}]"#, "[".repeat(100), "]".repeat(100));
        ws.send_text(&nested);
        ws.expect_text(&nested);
    });
}

/// CVE-2020-36049: a megabyte of digits, or of a namespace, is refused in linear time.
#[test]
fn a_megabyte_of_digits() {
    each(Profile::Calm, |server| {
        let digits = "9".repeat(900_000);
        let long = "n".repeat(900_000);
        for packet in [
            format!("42{digits}"),
            format!("45{digits}-[\"a\"]"),
            format!("40/{long}"),
        ] {
            let mut ws = Ws::joined(server);
            ws.send_text(&packet);
            ws.send_text("41");
            ws.http.finish();
            ws.ends();
        }
    });
}
