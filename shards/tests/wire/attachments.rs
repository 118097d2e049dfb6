//! Binary events and acks (PROTOCOL.md 2.8.1, 2.8.2).

use std::thread;

use crate::support::proc::memory_kib;
use crate::support::server::each_alone;
use crate::support::ws::{FIN, PING, TEXT};
use crate::support::{
    Differs, Event, Polling, Profile, Server, Ws, each, masked, ours_only, refused,
};

const ONE: &str = r#"451-["echo",{"_placeholder":true,"num":0}]"#;

/// A binary event comes back byte for byte, at every size.
#[test]
fn attachments_of_every_size() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for size in [0, 1, 125, 126, 65_535, 65_536, 500_000] {
            let bytes: Vec<u8> = (0..size).map(|n: u32| (n * 7 % 256) as u8).collect();
            ws.send_text(ONE);
            ws.send_binary(&bytes);
            ws.expect_text(ONE);
            ws.expect_binary(&bytes);
        }
    });
}

/// Ten attachments, nested, come back in the order of their numbers.
#[test]
fn ten_attachments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let part = |n: u8| format!(r#"{{"_placeholder":true,"num":{n}}}"#);
        let list: Vec<String> = (1..9).map(part).collect();
        let arguments = format!(
            r#"{},[{}],{{"a":{{"b":{}}}}}"#,
            part(0),
            list.join(","),
            part(9)
        );
        ws.send_text(&format!(r#"4510-["message",{arguments}]"#));
        for n in 0..10 {
            ws.send_binary(&[n; 3]);
        }
        ws.expect_text(&format!(r#"4510-["message-back",{arguments}]"#));
        for n in 0..10 {
            ws.expect_binary(&[n; 3]);
        }
    });
}

/// Placeholders go by their number, not by their place.
#[test]
fn placeholders_out_of_order() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let (one, zero) = (
            r#"{"_placeholder":true,"num":1}"#,
            r#"{"num":0,"_placeholder":true}"#,
        );
        ws.send_text(&format!(r#"452-["message",{one},{zero}]"#));
        ws.send_binary(b"zero");
        ws.send_binary(b"one");
        // Numbered anew as Node does, or passed on as they came: the same arguments.
        let text = ws.text();
        if text == format!(r#"452-["message-back",{one},{zero}]"#) {
            ws.expect_binary(b"zero");
            ws.expect_binary(b"one");
        } else {
            let (zero, one) = (r#"{"_placeholder":true,"num":0}"#, one);
            assert_eq!(text, format!(r#"452-["message-back",{zero},{one}]"#));
            ws.expect_binary(b"one");
            ws.expect_binary(b"zero");
        }
    });
}

/// Numbers go by the order of the keys as they were sent.
#[test]
fn placeholders_in_objects() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let object = r#"{"z":{"_placeholder":true,"num":0},"a":[{"_placeholder":true,"num":1}]}"#;
        ws.send_text(&format!(r#"452-["message",{object}]"#));
        ws.send_binary(b"z");
        ws.send_binary(b"a");
        ws.expect_text(&format!(r#"452-["message-back",{object}]"#));
        ws.expect_binary(b"z");
        ws.expect_binary(b"a");
    });
}

/// Acks with binary, to and fro, in a namespace as well.
#[test]
fn binary_acks() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.join("40/custom,");
        ws.expect_text(r#"42/custom,["auth",{}]"#);
        for namespace in ["", "/custom,"] {
            let placeholder = r#"{"_placeholder":true,"num":0}"#;
            ws.send_text(&format!(
                r#"451-{namespace}13["message-with-ack",1,{placeholder}]"#
            ));
            ws.send_binary(&[1, 2, 255]);
            ws.expect_text(&format!("461-{namespace}13[1,{placeholder}]"));
            ws.expect_binary(&[1, 2, 255]);
        }
    });
}

/// The client's ack may carry attachments.
#[test]
fn a_binary_ack_from_the_client() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"42["ask",20000]"#);
        let question = ws.text();
        let id = question
            .strip_prefix("42")
            .and_then(|q| q.strip_suffix(r#"["question"]"#));
        let id = id.unwrap_or_else(|| panic!("{question}"));
        ws.send_text(&format!(r#"461-{id}["x",{{"_placeholder":true,"num":0}}]"#));
        ws.send_binary(&[7, 7]);
        ws.expect_text(r#"451-["asked",null,"x",{"_placeholder":true,"num":0}]"#);
        ws.expect_binary(&[7, 7]);
    });
}

/// Pings and pongs of either layer may come between the parts.
#[test]
fn heartbeats_between_the_parts() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(ONE);
        ws.send_text("3");
        ws.raw(masked(FIN | PING, b"?"));
        assert_eq!(ws.event(), Event::Pong(b"?".to_vec()));
        ws.send_binary(&[1]);
        ws.expect_text(ONE);
        ws.expect_binary(&[1]);
    });
}

/// In a text event a placeholder is an object like any other.
#[test]
fn a_placeholder_in_a_text_event() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let event = r#"42["echo",{"_placeholder":true,"num":0}]"#;
        ws.send_text(event);
        ws.expect_text(event);
    });
}

/// Text while attachments are awaited closes, whatever the text.
#[test]
fn text_while_waiting() {
    each(Profile::Calm, |server| {
        for text in [r#"42["echo",1]"#, "40/custom,", "41", "430[]", ONE] {
            let mut ws = Ws::joined(server);
            ws.send_text(ONE);
            ws.send_text(text);
            assert_eq!(ws.event(), Event::Close(1005), "{text}");
        }
    });
}

/// Binary without a packet that awaits it.
#[test]
fn binary_without_header() {
    each(Profile::Calm, |server| {
        for bytes in [&[][..], &[1], b"42[\"echo\",1]"] {
            let mut ws = Ws::joined(server);
            ws.send_binary(bytes);
            ws.closes(&[1005]);
        }
        let (mut ws, _) = Ws::open(server);
        ws.send_binary(&[1]);
        ws.closes(&[1005]);
    });
}

/// One attachment more than announced.
#[test]
fn one_attachment_too_many() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(ONE);
        ws.send_binary(&[1]);
        ws.expect_text(ONE);
        ws.expect_binary(&[1]);
        ws.send_binary(&[2]);
        ws.closes(&[1005]);
    });
}

refused! {
    Ws::joined;
    /// CVE-2026-69185: a count of 0 is no count, for events and acks.
    a_count_of_zero: [r#"450-["x"]"#, r#"460-1["x"]"#, r#"4500-["x"]"#];
    /// A count that is no number.
    illegal_counts: [
        r#"45["x"]"#, r#"45-["x"]"#, r#"45x-["x"]"#, r#"45-1-["x"]"#, r#"451.5-["x"]"#, "45", "451",
        "45-", r#"451["x"]"#, r#"46["x"]"#, r#"461["x"]"#, r#"451_0-["x"]"#, r#"45１-["x"]"#,
    ];
    /// CVE-2026-33151: eleven attachments are too many, and so is any other number above ten.
    too_many_attachments: [
        r#"4511-["x"]"#, r#"4699-1["x"]"#, r#"45599999-["x"]"#,
        r#"4599999999999999999999999-["x"]"#,
    ];
    /// The JSON is judged before any attachment comes.
    a_bad_payload_with_attachments: [
        r#"451-["connect",{"_placeholder":true,"num":0}]"#, "451-[]", "451-{}", r#"451-["x"#,
        "461-0{}", r#"451-["x",{"_placeholder":true,"num":0}]]"#,
    ];
}

/// `1e1` is not ten and a space is not nothing; Node reads JS numbers.
#[test]
fn counts_that_only_javascript_reads() {
    ours_only(Differs::NoCoercion, Profile::Calm, |server| {
        for count in ["1e1", "0x2", " 1", "1 ", "+1", "1.0", "0b1", "0o1"] {
            let mut ws = Ws::joined(server);
            ws.send_text(&format!(
                r#"45{count}-["echo",{{"_placeholder":true,"num":0}}]"#
            ));
            assert_eq!(ws.event(), Event::Close(1005), "{count:?}");
        }
    });
}

/// CVE-2022-2421: a placeholder's number is an integer of the attachments there are.
#[test]
fn illegal_placeholders() {
    each(Profile::Calm, |server| {
        let numbers = [
            "1",
            "10",
            "-1",
            "\"0\"",
            "\"splice\"",
            "null",
            "true",
            "{}",
            "1e300",
        ];
        for num in numbers {
            let mut ws = Ws::joined(server);
            ws.send_text(&format!(
                r#"451-["echo",{{"_placeholder":true,"num":{num}}}]"#
            ));
            ws.send_binary(&[1]);
            assert_eq!(ws.event(), Event::Close(1005), "{num}");
        }
        let mut ws = Ws::joined(server);
        ws.send_text(r#"451-["echo",{"_placeholder":true}]"#);
        ws.send_binary(&[1]);
        ws.closes(&[1005]);
    });
}

/// CVE-2022-2421: half a number is none; Node looks it up and finds nothing, so `null`.
#[test]
fn a_fractional_placeholder() {
    ours_only(Differs::NoCoercion, Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"451-["echo",{"_placeholder":true,"num":0.5}]"#);
        ws.send_binary(&[1]);
        ws.closes(&[1005]);
    });
}

/// CVE-2022-2421, the same deep inside, and with good placeholders around.
#[test]
fn an_illegal_placeholder_among_good_ones() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let good = r#"{"_placeholder":true,"num":0}"#;
        let bad = r#"{"_placeholder":true,"num":2}"#;
        ws.send_text(&format!(r#"452-["echo",[{good},{{"a":[{bad}]}}]]"#));
        ws.send_binary(&[1]);
        ws.send_binary(&[2]);
        ws.closes(&[1005]);
    });
}

/// More placeholders than attachments: who decodes them and sends them on would send one attachment
/// again and again, a thousand times what came.
#[test]
fn more_placeholders_than_attachments() {
    let part = r#"{"_placeholder":true,"num":0}"#;
    ours_only(Differs::Multiplied, Profile::Calm, |server| {
        for event in ["echo", "nobody listens to this"] {
            let mut ws = Ws::joined(server);
            ws.send_text(&format!(r#"451-["{event}",[{part},{part}]]"#));
            ws.closes(&[1005]);
        }
        let mut ws = Ws::joined(server);
        ws.send_text(&format!(r#"451-7["echo",{part},{part}]"#));
        ws.closes(&[1005]);
        // Twice the same, and another not at all: no more than came.
        let mut ws = Ws::joined(server);
        let event = format!(r#"452-["echo",{part},{part}]"#);
        ws.send_text(&event);
        ws.send_binary(b"once");
        ws.send_binary(b"");
        ws.expect_text(&event);
        ws.expect_binary(b"once");
        ws.expect_binary(b"");
    });
}

/// The same bytes are attached once, however often they are named.
#[test]
fn an_attachment_that_is_named_twice_is_sent_on_once() {
    let part = r#"{"_placeholder":true,"num":0}"#;
    ours_only(Differs::Multiplied, Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"420["join","named twice"]"#);
        ws.expect_text("430[]");
        ws.send_text(&format!(
            r#"452-["survey",20000,"named twice",[{part},{part}]]"#
        ));
        ws.send_binary(b"once");
        ws.send_binary(b"not named");
        let question = ws.text();
        let id = question.strip_prefix("451-");
        let id = id.and_then(|q| q.strip_suffix(&format!(r#"["question",[{part},{part}]]"#)));
        let id = id.unwrap_or_else(|| panic!("{question}")).to_owned();
        ws.expect_binary(b"once");
        ws.send_text(&format!("43{id}[]"));
        ws.echoes("nothing else was attached");
    });
}

/// A message of 260 KB does not make the server larger by hundreds of megabytes.
#[test]
fn attachments_are_not_multiplied() {
    let part = r#"{"_placeholder":true,"num":0}"#;
    let parts = vec![part; 2_000].join(",");
    if crate::support::server::skipped(Differs::Multiplied) {
        return;
    }
    each_alone(|server| {
        server.alive();
        let before = memory_kib(server.pid, "VmHWM");
        for room in ["nobody", "somebody"] {
            let mut ws = Ws::joined(server);
            ws.send_text(r#"420["join","somebody"]"#);
            ws.expect_text("430[]");
            ws.send_text(&format!(r#"451-["survey",300,"{room}",[{parts}]]"#));
            ws.send_binary(&vec![7; 200_000]);
            ws.ends();
        }
        server.alive();
        let after = memory_kib(server.pid, "VmHWM");
        // What it came to before placeholders were counted: 375 MiB.
        assert!(
            after < before + (40 << 10),
            "{before} KiB, then {after} KiB"
        );
    });
}

/// CVE-2026-48804: a client that never sends its attachments leaves nothing that hinders others.
#[test]
fn attachments_that_never_come() {
    each(Profile::Calm, |server| {
        let mut all: Vec<Ws> = (0..20).map(|_| Ws::joined(server)).collect();
        for ws in &mut all {
            ws.send_text(ONE);
        }
        server.alive();
        for ws in &mut all {
            ws.http.finish();
            assert!(ws.ends().is_empty());
        }
    });
}

/// Attachments stand together: behind the last of a packet comes a header, always.
#[test]
fn large_attachments_one_after_another() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let two = r#"452-["echo",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]"#;
        for n in 0..20 {
            ws.send_text(two);
            ws.send_binary(&vec![n; 20_000]);
            ws.send_binary(&[n; 3]);
            ws.send_text(r#"42["echo","text"]"#);
        }
        for n in 0..20 {
            ws.expect_text(two);
            ws.expect_binary(&vec![n; 20_000]);
            ws.expect_binary(&[n; 3]);
            ws.expect_text(r#"42["echo","text"]"#);
        }
    });
}

/// Broadcasts with two attachments and without, as fast as it goes; echoes to keep in step.
fn broadcaster(server: &Server, name: u8) {
    let mut ws = Ws::joined(server);
    for n in 0..20_u8 {
        let parts = r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        ws.raw(masked(
            FIN | TEXT,
            format!(r#"452-["broadcast-others",{parts}]"#).as_bytes(),
        ));
        ws.send_binary(&[name, n]);
        ws.send_binary(&[name, n, 255]);
        ws.send_text(&format!(r#"42["broadcast-others",{n}]"#));
    }
    ws.send_text(r#"42["echo","done"]"#);
    while ws.event() != Event::Text(r#"42["echo","done"]"#.to_owned()) {}
}

/// A broadcast with attachments is never interleaved, whoever sends at the same time.
#[test]
fn broadcasts_are_not_interleaved() {
    each_alone(|server| {
        let mut receivers: Vec<Ws> = (0..4).map(|_| Ws::joined(server)).collect();
        let parts = r#"[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        thread::scope(|scope| {
            for name in 0..4 {
                scope.spawn(move || broadcaster(server, name));
            }
            for ws in &mut receivers {
                scope.spawn(move || {
                    let (mut binary, mut text) = (0, 0);
                    while binary + text < 4 * 20 * 2 {
                        if ws.text() != format!(r#"452-["broadcast",{parts}]"#) {
                            text += 1;
                            continue;
                        }
                        let Event::Binary(first) = ws.event() else {
                            panic!("not contiguous")
                        };
                        ws.expect_binary(&[&first[..], &[255]].concat());
                        binary += 1;
                    }
                    assert_eq!((binary, text), (80, 80));
                });
            }
        });
    });
}

/// The same on polling, in one payload and in order.
#[test]
fn attachments_on_polling() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let back =
            r#"452-["message-back",[{"_placeholder":true,"num":0}],{"_placeholder":true,"num":1}]"#;
        let there = back.replace("message-back", "message");
        session
            .post(&format!(
                "{there}\u{1e}bAAEC\u{1e}b/w==\u{1e}42[\"echo\",1]"
            ))
            .is_ok("ok");
        for packet in [back, "bAAEC", "b/w==", r#"42["echo",1]"#] {
            session.expect(packet);
        }
        let mut parked = session.park();
        session.post(&format!("{ONE}\u{1e}42[\"echo\",1]"));
        parked.response().is_ok("1");
        session.is_gone();
    });
}
