//! Order, and what one event may do to the next.

use crate::support::server::{each_alone, node_differs};
use crate::support::ws::{FIN, TEXT};
use crate::support::{Differs, Polling, Profile, RS, Ws, each, masked};

fn in_one_segment<'a>(packets: impl IntoIterator<Item = &'a String>) -> Vec<u8> {
    packets
        .into_iter()
        .flat_map(|packet| masked(FIN | TEXT, packet.as_bytes()))
        .collect()
}

/// 100 events in one segment are answered in order, five times.
#[test]
fn a_hundred_events_in_one_segment() {
    each(Profile::Calm, |server| {
        let events: Vec<String> = (0..100).map(|n| format!(r#"42["echo",{n}]"#)).collect();
        for _ in 0..5 {
            let mut ws = Ws::joined(server);
            ws.raw(in_one_segment(&events));
            for event in &events {
                ws.expect_text(event);
            }
        }
    });
}

/// Emits and acks of one client keep their order among each other.
#[test]
fn emits_and_acks_in_one_segment() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let events: Vec<String> = (0..100)
            .map(|n| match n % 3 {
                0 => format!(r#"42["echo",{n}]"#),
                1 => format!(r#"42{n}["echo_ack",{n}]"#),
                _ => format!(r#"42{n}["message-with-ack",{n}]"#),
            })
            .collect();
        ws.raw(in_one_segment(&events));
        for n in 0..100 {
            let answer = if n % 3 == 0 {
                format!(r#"42["echo",{n}]"#)
            } else {
                format!("43{n}[{n}]")
            };
            ws.expect_text(&answer);
        }
    });
}

/// 100 events in one POST are answered in order, in one payload.
#[test]
fn a_hundred_events_in_one_post() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let events: Vec<String> = (0..100).map(|n| format!(r#"42["echo",{n}]"#)).collect();
        let body = events.join(&RS.to_string());
        session.post(&body).is_ok("ok");
        session.get().is_ok(&body);
    });
}

/// A hundred events right behind a CONNECT are answered after the CONNECT.
#[test]
fn connect_and_events_in_one_payload() {
    each(Profile::Calm, |server| {
        let mut session = Polling::open(server);
        session.post("40").is_ok("ok");
        let events: Vec<String> = (0..50).map(|n| format!(r#"42["echo",{n}]"#)).collect();
        session.post(&events.join(&RS.to_string())).is_ok("ok");
        assert!(session.packet().starts_with(r#"40{"sid":""#));
        session.expect(r#"42["auth",{}]"#);
        for event in &events {
            session.expect(event);
        }
    });
}

/// A handler that panics harms only its own event, on any shard, any number of times.
#[test]
fn a_panicking_handler() {
    each(Profile::Calm, |server| {
        for _ in 0..8 {
            let mut ws = Ws::joined(server);
            let mut other = Ws::joined(server);
            let events = ["1", "2"].map(|n| format!(r#"42["echo",{n}]"#));
            let panic = r#"42["throw","x"]"#.to_owned();
            ws.raw(in_one_segment([&events[0], &panic, &events[1]]));
            ws.expect_text(&events[0]);
            ws.expect_text(&events[1]);
            other.echoes("unharmed");
        }
    });
}

/// A handler that panics acks with an error (none from Node), and the acks of the others are
/// theirs.
#[test]
fn a_panicking_handler_acks_with_an_error() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for packet in [
            r#"421["throw"]"#,
            r#"422["echo_ack","a"]"#,
            r#"423["throw",1,2]"#,
        ] {
            ws.send_text(packet);
        }
        ws.send_text(r#"424["echo_ack","b"]"#);
        let failed = |ws: &mut Ws, id| {
            if !node_differs(Differs::PanicAck) {
                let error = r#"[{"error":{"message":"Internal server error"}}]"#;
                ws.expect_text(&format!("43{id}{error}"));
            }
        };
        failed(&mut ws, 1);
        ws.expect_text(r#"432["a"]"#);
        failed(&mut ws, 3);
        ws.expect_text(r#"434["b"]"#);
        ws.send_text("40/custom,");
        assert!(ws.text().starts_with("40/custom,"));
    });
}

/// A panic while a binary event is handled, and on polling.
#[test]
fn a_panicking_handler_of_attachments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"451-["throw",{"_placeholder":true,"num":0}]"#);
        ws.send_binary(&[1; 1000]);
        ws.echoes("unharmed");
        let mut session = Polling::joined(server);
        session
            .post(&format!(r#"42["throw"]{RS}42["echo","same payload"]"#))
            .is_ok("ok");
        session.expect(r#"42["echo","same payload"]"#);
        session.echoes("unharmed");
    });
}

/// A handler that waits holds nobody up; its answer comes when it comes.
#[test]
fn a_slow_handler_holds_nobody_up() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"421["late-ack",100,"late"]"#);
        for n in 0..10 {
            ws.echoes(&n.to_string());
        }
        ws.expect_text(r#"431["late"]"#);
    });
}

/// A room's members are told, in order, until they leave.
#[test]
fn rooms() {
    each(Profile::Calm, |server| {
        let mut members: Vec<Ws> = (0..6).map(|_| Ws::joined(server)).collect();
        for ws in &mut members {
            ws.send_text(r#"420["join","order-room"]"#);
            ws.expect_text("430[]");
        }
        let mut sender = Ws::joined(server);
        for n in 0..30 {
            sender.send_text(&format!(r#"42["room","order-room",{n}]"#));
        }
        sender.echoes("not a member");
        for ws in &mut members {
            for n in 0..30 {
                ws.expect_text(&format!(r#"42["room",{n}]"#));
            }
        }
        members[0].send_text(r#"421["leave","order-room"]"#);
        members[0].expect_text("431[]");
        members[1].send_text(r#"42["room-others","order-room","last"]"#);
        members[1].echoes("not to the sender");
        members[0].echoes("not to who left");
        for ws in &mut members[2..] {
            ws.expect_text(r#"42["room","last"]"#);
        }
    });
}

/// FIFO per sender and receiver, over all shards, to everybody, the sender too.
#[test]
fn broadcasts_come_in_order() {
    each_alone(|server| {
        let mut all: Vec<Ws> = (0..10).map(|_| Ws::joined(server)).collect();
        for n in 0..50 {
            all[0].send_text(&format!(r#"42["broadcast",{n}]"#));
        }
        for ws in &mut all {
            for n in 0..50 {
                ws.expect_text(&format!(r#"42["broadcast",{n}]"#));
            }
        }
    });
}

/// Two senders; each one's broadcasts stay in order, and none comes twice.
#[test]
fn broadcasts_of_two_senders() {
    each_alone(|server| {
        let mut all: Vec<Ws> = (0..8).map(|_| Ws::joined(server)).collect();
        for n in 0..40 {
            all[0].send_text(&format!(r#"42["broadcast","a{n}"]"#));
            all[1].send_text(&format!(r#"42["broadcast","b{n}"]"#));
        }
        for ws in &mut all {
            let got: Vec<String> = (0..80).map(|_| ws.text()).collect();
            for sender in ["a", "b"] {
                let prefix = format!(r#"42["broadcast","{sender}"#);
                let of: Vec<&String> = got.iter().filter(|g| g.starts_with(&prefix)).collect();
                let want: Vec<String> = (0..40).map(|n| format!(r#"{prefix}{n}"]"#)).collect();
                assert!(of.into_iter().eq(want.iter()), "{got:?}");
            }
            ws.echoes("and no more");
        }
    });
}

/// A broadcast is its namespace's, and reaches polling clients as well.
#[test]
fn a_broadcast_reaches_its_namespace_only() {
    each_alone(|server| {
        let mut root = Ws::joined(server);
        let mut polling = Polling::joined(server);
        let (mut custom, _) = Ws::open(server);
        custom.join("40/custom,");
        custom.expect_text(r#"42/custom,["auth",{}]"#);
        root.send_text(r#"42["broadcast","root"]"#);
        root.expect_text(r#"42["broadcast","root"]"#);
        polling.expect(r#"42["broadcast","root"]"#);
        custom.send_text(r#"42/custom,["broadcast","custom"]"#);
        custom.expect_text(r#"42/custom,["broadcast","custom"]"#);
        root.echoes("not this one");
        polling.echoes("nor this one");
    });
}

/// Many emits from one handler come in order, before its ack.
#[test]
fn a_flood_and_its_ack() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"429["flood",500,"x"]"#);
        for n in 0..500 {
            ws.expect_text(&format!(r#"42["flood",{n},"x"]"#));
        }
        ws.expect_text("439[]");
    });
}

/// Events of one segment go in order to another client too, wherever it lives.
#[test]
fn events_in_one_segment_for_another_client() {
    each(Profile::Calm, |server| {
        let mut witness = crate::reasons::witness(server, "order");
        let mut ws = Ws::joined(server);
        let mut packets = vec![r#"420["watch","order"]"#.to_owned()];
        packets.extend((0..20).map(|n| format!(r#"42["room","gone:order",{n}]"#)));
        ws.raw(in_one_segment(&packets));
        for n in 0..20 {
            witness.expect_text(&format!(r#"42["room",{n}]"#));
        }
        ws.send_text("41");
        witness.expect_text(r#"42["gone","order","client namespace disconnect"]"#);
    });
}
