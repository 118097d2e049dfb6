//! Socket.IO packets, the default parser (PROTOCOL.md 2.8.1 to 2.8.4).

use crate::support::server::each_alone;
use crate::support::{Differs, Event, Profile, Ws, each, ours_only, refused};

/// Each form of CONNECT, and the payload that comes back as `auth`.
#[test]
fn connect_variants() {
    each(Profile::Calm, |server| {
        let cases = [
            ("40", r#"42["auth",{}]"#),
            ("40{}", r#"42["auth",{}]"#),
            (r#"40{"token":"x"}"#, r#"42["auth",{"token":"x"}]"#),
            (
                r#"40 {"a":[1,{"b":null}]} "#,
                r#"42["auth",{"a":[1,{"b":null}]}]"#,
            ),
            ("40/custom", r#"42/custom,["auth",{}]"#),
            ("40/custom,", r#"42/custom,["auth",{}]"#),
            ("40/custom,{}", r#"42/custom,["auth",{}]"#),
            (
                r#"40/custom,{"token":"x,y"}"#,
                r#"42/custom,["auth",{"token":"x,y"}]"#,
            ),
        ];
        for (connect, auth) in cases {
            let (mut ws, _) = Ws::open(server);
            ws.send_text(connect);
            let answer = ws.text();
            let start = if connect.contains("/custom") {
                r#"40/custom,{"sid":""#
            } else {
                r#"40{"sid":""#
            };
            assert!(
                answer.starts_with(start),
                "{connect:?} was answered {answer:?}"
            );
            assert_eq!(answer.len(), start.len() + 20 + r#""}"#.len(), "{answer}");
            ws.expect_text(auth);
        }
    });
}

/// The namespace `/` may be written out.
#[test]
fn the_root_namespace_by_name() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        ws.send_text("40/,");
        assert!(ws.text().starts_with(r#"40{"sid":""#));
        ws.expect_text(r#"42["auth",{}]"#);
        ws.send_text(r#"42/,7["message-with-ack",1]"#);
        ws.expect_text("437[1]");
    });
}

/// Any JSON goes there and back, in any number of arguments.
#[test]
fn arguments_of_every_kind() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let arguments = [
            "",
            ",null",
            ",true,false",
            ",0,-1,1.5,9007199254740991,-9007199254740991",
            r#","","a\"b\\c\n\t""#,
            ",[],{}",
            r#",[[1,[2]],{"a":{"b":[]}}]"#,
            r#",{"_placeholder":true}"#,
            r#",{"":0}"#,
            r#",{"zebra":1,"ant":{"z":1,"a":2},"mule":[{"y":0,"b":0}]}"#,
            r#",{"__proto__":{"a":1},"constructor":2,"toString":"3","toJSON":4}"#,
        ];
        for arguments in arguments {
            ws.send_text(&format!(r#"42["message"{arguments}]"#));
            ws.expect_text(&format!(r#"42["message-back"{arguments}]"#));
        }
    });
}

/// It is JSON, so white space and escapes are what they are in JSON.
#[test]
fn white_space_and_escapes() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let events = [
            "42[ \"echo\" , 1 ]",
            "42[\"echo\",1]\n",
            "42[\r\n\t\"echo\",1]",
            r#"42["\u0065cho",1]"#,
            r#"42["ech\u006F",1]"#,
        ];
        for event in events {
            ws.send_text(event);
            let echo: String = ws.text().split_whitespace().collect();
            assert_eq!(echo, r#"42["echo",1]"#, "{event:?}");
        }
    });
}

/// RFC 8259 8.2: escapes of half a surrogate pair are JavaScript's to keep; no one else's to die of.
#[test]
fn half_a_surrogate_pair() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"42["message","\ud83d\ude00"]"#);
        let text = ws.text();
        let whole = [
            r#"42["message-back","😀"]"#,
            r#"42["message-back","\ud83d\ude00"]"#,
        ];
        assert!(whole.contains(&&*text), "{text}");
        ws.send_text(r#"42["echo","\ud800"]"#);
        match ws.event() {
            Event::Text(text) => assert_eq!(text, r#"42["echo","\ud800"]"#),
            other => assert_eq!(other, Event::Close(1005)),
        }
    });
}

/// `42…13[…]` is answered `43…13[…]`, whatever the number.
#[test]
fn acknowledgements() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for id in ["0", "1", "13", "4294967296", "9007199254740991"] {
            ws.send_text(&format!(r#"42{id}["message-with-ack",1,"two",[3]]"#));
            ws.expect_text(&format!(r#"43{id}[1,"two",[3]]"#));
            ws.send_text(&format!(r#"42{id}["message-with-ack"]"#));
            ws.expect_text(&format!("43{id}[]"));
        }
    });
}

/// An id may be used again, and answers come to the id that asked.
#[test]
fn the_same_ack_id_again() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"427["late-ack",50,"late"]"#);
        ws.send_text(r#"428["echo_ack","soon"]"#);
        ws.send_text(r#"427["echo_ack","again"]"#);
        ws.expect_text(r#"438["soon"]"#);
        ws.expect_text(r#"437["again"]"#);
        ws.expect_text(r#"437["late"]"#);
    });
}

/// A handler that never acks sends nothing; events without an id get no ack.
#[test]
fn no_acknowledgement() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for event in [
            r#"423["never-ack",1]"#,
            r#"424["nobody-listens"]"#,
            r#"42["echo_ack",1]"#,
        ] {
            ws.send_text(event);
        }
        ws.echoes("only this");
    });
}

/// An ACK with an unknown id, or without one, is ignored.
#[test]
fn acks_nobody_waits_for() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for ack in ["430[]", "4399[1]", "439007199254740993[]", r#"43["x"]"#] {
            ws.send_text(ack);
        }
        ws.echoes("still here");
    });
}

/// The id of an event that asks for an ack.
#[track_caller]
fn ack_id(event: &str, rest: &str) -> u64 {
    let id = event
        .strip_prefix("42")
        .and_then(|event| event.strip_suffix(rest));
    let id = id.and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("{event} is not 42, an id and {rest}"))
}

/// An ack settles the question with its id, once.
#[test]
fn the_server_asks() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"42["ask",20000,"a"]"#);
        ws.send_text(r#"42["ask",20000,"b"]"#);
        let a = ack_id(&ws.text(), r#"["question","a"]"#);
        let b = ack_id(&ws.text(), r#"["question","b"]"#);
        assert_ne!(a, b);
        ws.send_text(&format!(r#"43{b}["to b",2]"#));
        ws.send_text(&format!(r#"43{b}["twice"]"#));
        ws.send_text(&format!("43{a}[]"));
        ws.expect_text(r#"42["asked",null,"to b",2]"#);
        ws.expect_text(r#"42["asked",null]"#);
        ws.echoes("and no more");
    });
}

/// On a fresh server ack ids count from 0; shards may share the numbers out.
#[test]
fn the_first_ack_id() {
    each_alone(|server| {
        let (mut ws, _) = Ws::open(server);
        ws.join("40/custom,");
        ws.expect_text(r#"42/custom,["auth",{}]"#);
        let ids = [(); 3].map(|()| {
            ws.send_text(r#"42/custom,["ask",20000]"#);
            ack_id(&ws.text().replacen("/custom,", "", 1), r#"["question"]"#)
        });
        assert!(ids[0] < 4 && ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    });
}

/// An ack that comes after the timeout is ignored.
#[test]
fn an_ack_that_is_too_late() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"42["ask",20]"#);
        let id = ack_id(&ws.text(), r#"["question"]"#);
        ws.expect_text(r#"42["asked","operation has timed out"]"#);
        ws.send_text(&format!(r#"43{id}["late"]"#));
        ws.echoes("nothing came of it");
    });
}

/// An event's name may be a number, or any string not reserved.
#[test]
fn names_nobody_listens_to() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let names = [
            "1",
            "1.5",
            "-0",
            "\"\"",
            "\"error\"",
            "\"connection\"",
            "\"__proto__\"",
        ];
        for name in names
            .into_iter()
            .chain(["\"toString\"", "\"Connect\"", "\"disconnect \""])
        {
            ws.send_text(&format!("42[{name},1]"));
            ws.echoes("still here");
        }
    });
}

/// CVE-2024-38355: `error` is an event like others, and a handler that fails harms only it.
#[test]
fn the_error_event() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"42["error"]"#);
        ws.echoes("still here");
        ws.send_text(r#"421["error",{"message":"x"}]"#);
        ws.send_text(r#"422["echo_ack","next"]"#);
        // A handler that fails may say so in its ack; in Node nobody listens to `error`.
        let mut answer = ws.text();
        if answer.starts_with("431[") {
            answer = ws.text();
        }
        assert_eq!(answer, r#"432["next"]"#);
    });
}

/// `41` leaves the namespace, not the connection; it may be joined again.
#[test]
fn a_disconnect_keeps_the_connection() {
    each(Profile::Calm, |server| {
        let (mut ws, _) = Ws::open(server);
        let first = ws.join("40");
        ws.expect_text(r#"42["auth",{}]"#);
        ws.send_text("41");
        // Node handles `41` a tick later than it judges the CONNECT behind it.
        server.settle(ws.http.port());
        let second = ws.join("40");
        assert_ne!(first, second, "a new socket has a new id");
        ws.expect_text(r#"42["auth",{}]"#);
        ws.echoes("joined again");
    });
}

refused! {
    Ws::joined;
    /// An unknown packet type.
    unknown_types: ["47", "48", "49", r#"47["a"]"#, "4x", "4-1", "4/", "4[", "4\u{0}", "4é"];
    /// Text that is not JSON.
    invalid_json: [
        r#"42["echo""#, r#"42["echo",]"#, "42[echo]", "42['echo']", "42[", "42{",
        r#"42["echo",01]"#,
        r#"42["echo",NaN]"#, r#"42["echo",undefined]"#, r#"42["echo",1 2]"#, r#"42["\x"]"#,
        "42[\"echo\",\"\u{1}\"]", r#"42["echo",.5]"#, r#"42["echo",+1]"#, r#"42["echo","\u12"]"#,
    ];
    /// Text behind the JSON.
    trailing_garbage: [
        r#"42["echo",1]x"#, r#"42["echo",1]]"#, r#"42["echo",1]{}"#, r#"42["echo",1],"#,
        r#"42["echo",1]["echo",2]"#, "42[\"echo\",1]\u{0}", r#"420["echo_ack",1]0"#,
    ];
    /// An event's payload is an array with a name in front.
    events_without_name: [
        "42[]", "42{}", r#"42"echo""#, "42null", "42true", "42[null]", "42[true]",
        r#"42[["echo"]]"#,
        "42[{}]", "421[]", r#"42{"0":"echo"}"#,
    ];
    /// CVE-2023-32695: an event whose name is an object with a toString of its own.
    an_object_for_a_name: [r#"42[{"toString":"foo"}]"#, r#"42[{"toString":"foo"},1]"#];
    /// Reserved event names.
    reserved_names: [
        r#"42["connect"]"#, r#"42["connect_error",{}]"#, r#"42["disconnect","x"]"#,
        r#"42["disconnecting"]"#, r#"42["newListener"]"#, r#"42["removeListener",1]"#,
        r#"421["connect"]"#, r#"42["\u0063onnect"]"#,
    ];
    /// DISCONNECT has no payload.
    disconnects_with_payload: ["41{}", "41[]", r#"41"x""#, "41null", "41x"];
    /// An ACK's payload is an array.
    acks_that_are_no_arrays: ["430{}", r#"430"x""#, "430null", "430[", "430[1", "430x"];
    /// A `CONNECT_ERROR` is for servers to send.
    connect_errors: ["44", r#"44{"message":"x"}"#, r#"44"x""#, "44[]", "44/custom,{}"];
}

/// CONNECT's payload is an object or nothing.
#[test]
fn connect_with_another_payload() {
    each(Profile::Calm, |server| {
        let payloads = [
            "[]", "[1]", r#""x""#, "null", "1", "true", "{", "{}x", "{a:1}", "x", "{}{}",
        ];
        for payload in payloads {
            for connect in ["40", "40/custom,"] {
                let (mut ws, _) = Ws::open(server);
                if payload == "1" {
                    continue; // the digits of an ack id
                }
                ws.is_closed_by(&format!("{connect}{payload}"));
            }
        }
    });
}

/// An event without its array closes, where Node emits `undefined`.
#[test]
fn an_event_without_payload() {
    ours_only(Differs::BareEvent, Profile::Calm, |server| {
        for packet in ["42", "42/", "4212"] {
            Ws::joined(server).is_closed_by(packet);
        }
    });
}

/// A space is no digit, so there is no ack 0, and nothing else stands there.
#[test]
fn a_space_is_no_ack_id() {
    ours_only(Differs::NoCoercion, Profile::Calm, |server| {
        for packet in [
            r#"42 ["echo_ack",1]"#,
            "42\t[\"echo_ack\",1]",
            r#"42 1["echo_ack",1]"#,
            r#"425 ["echo_ack",1]"#,
            "43 []",
        ] {
            Ws::joined(server).is_closed_by(packet);
        }
    });
}

/// An id of 20 digits and more is answered exactly, or refused.
#[test]
fn huge_ack_ids() {
    ours_only(Differs::NoCoercion, Profile::Calm, |server| {
        for id in [
            "9007199254740993",
            "18446744073709551615",
            "99999999999999999999",
        ] {
            answered_exactly_or_closed(server, id);
        }
        for length in [21, 25, 100, 10_000] {
            answered_exactly_or_closed(server, &"7".repeat(length));
        }
    });
}

fn answered_exactly_or_closed(server: &crate::support::Server, id: &str) {
    let mut ws = Ws::joined(server);
    ws.send_text(&format!(r#"42{id}["message-with-ack"]"#));
    match ws.event() {
        Event::Text(text) => assert_eq!(text, format!("43{id}[]")),
        other => assert_eq!(other, Event::Close(1005), "{id}"),
    }
}

/// Two broken packets at once are one close.
#[test]
fn the_end_comes_once() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let bad = crate::support::masked(0x81, b"49");
        ws.raw([bad.clone(), bad.clone(), bad].concat());
        ws.closes(&[1005]);
    });
}
