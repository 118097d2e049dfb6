//! Engine.IO over WebSocket (PROTOCOL.md 2.1, 2.4).

use crate::support::ws::{CLOSE, FIN, TEXT};
use crate::support::{Differs, Event, Profile, WS, Ws, each, masked, ours_only};

/// One packet a message; an event goes there and back.
#[test]
fn a_round_trip() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text(r#"42["message",1,"2",{"3":[true,null]}]"#);
        ws.expect_text(r#"42["message-back",1,"2",{"3":[true,null]}]"#);
    });
}

/// Every length on either side of each length encoding.
#[test]
fn messages_of_every_length_encoding() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let frame = r#"42["echo",""]"#.len();
        for length in [
            frame, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 65_537, 300_000,
        ] {
            ws.echoes(&"x".repeat(length - frame));
        }
    });
}

/// Text is any Unicode, counted in bytes.
#[test]
fn multibyte_text() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let texts = [
            "é",
            "€",
            "😀",
            "\u{2028}\u{2029}",
            "\u{feff}",
            "\u{ffff}",
            "a\u{301}",
            "\u{7f}",
        ];
        for text in texts {
            ws.echoes(text);
            ws.echoes(&text.repeat(40));
        }
    });
}

/// Frames may be cut anywhere by TCP.
#[test]
fn a_frame_byte_by_byte() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let event = format!(r#"42["echo","{}"]"#, "é".repeat(100));
        for byte in masked(FIN | TEXT, event.as_bytes()) {
            ws.raw([byte]);
        }
        ws.expect_text(&event);
    });
}

/// Many frames in one segment, and the cut inside the next header.
#[test]
fn frames_glued_together() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let event = |n: usize| format!(r#"42["echo",{n}]"#);
        let all: Vec<u8> = (0..10)
            .flat_map(|n| masked(FIN | TEXT, event(n).as_bytes()))
            .collect();
        let one = all.len() / 10;
        for cut in one * 5..=one * 6 {
            ws.raw(&all[..cut]);
            server.until_read(ws.http.port());
            ws.raw(&all[cut..]);
            for n in 0..10 {
                ws.expect_text(&event(n));
            }
        }
    });
}

/// The key masks every byte, whichever key it is.
#[test]
fn any_mask_will_do() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for key in [
            [0; 4],
            [255; 4],
            [0, 0, 0, 1],
            [1, 0, 0, 0],
            [42, 91, 34, 101],
        ] {
            let event = br#"42["echo",12345678901234567890]"#;
            let mut frame = vec![FIN | TEXT, 0x80 | event.len() as u8];
            frame.extend(key);
            frame.extend(
                event
                    .iter()
                    .zip(key.iter().cycle())
                    .map(|(byte, key)| byte ^ key),
            );
            ws.raw(frame);
            let text = ws.text();
            assert!(text.starts_with(r#"42["echo",1234567890"#), "{text}");
        }
    });
}

macro_rules! parse_errors {
    ($($(#[$doc:meta])+ $name:ident: $packet:expr;)+) => {$(
        $(#[$doc])+
        #[test]
        fn $name() {
            each(Profile::Calm, |server| {
                for joined in [false, true] {
                    let mut ws = if joined { Ws::joined(server) } else { Ws::open(server).0 };
                    ws.send_text($packet);
                    ws.closes(&[1005]);
                }
            });
        }
    )+};
}

parse_errors! {
    /// The invalid packet `abc` closes, without a code.
    an_unknown_packet: "abc";
    /// The empty string is an error packet.
    an_empty_packet: "";
    /// A digit above 6 is an error packet.
    a_packet_of_type_7: "7";
    /// So is a digit of another script.
    a_packet_of_another_digit: "٤2";
    /// `2` from an EIO4 client is a transport error.
    a_ping: "2";
    /// A ping with data is a ping.
    a_probe_on_an_open_session: "2probe";
    /// `4` alone is a message without data, which Socket.IO refuses.
    a_message_without_data: "4";
}

/// An unsolicited `3` is accepted.
#[test]
fn an_unasked_pong() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for packet in ["3", "3", "3probe"] {
            ws.send_text(packet);
        }
        ws.echoes("still here");
    });
}

/// `0`, `5`, `6` after open are ignored.
#[test]
fn packets_that_mean_nothing_after_open() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for packet in ["0", "0{}", "5", "6", "6x"] {
            ws.send_text(packet);
            ws.echoes(packet);
        }
    });
}

/// `1` closes at once, where Node goes on until the ping timeout.
#[test]
fn a_close_packet() {
    ours_only(Differs::CloseOnWebSocket, Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.send_text("1");
        ws.closes(&[1005]);
        let (mut ws, _) = Ws::open(server);
        ws.send_text("1");
        ws.closes(&[1005]);
    });
}

/// Packets in the same segment behind a bad one are not handled.
#[test]
fn nothing_is_handled_behind_a_bad_packet() {
    each(Profile::Calm, |server| {
        let mut witness = crate::reasons::witness(server, "behind");
        let mut ws = Ws::joined(server);
        let mut bytes = masked(FIN | TEXT, b"x");
        bytes.extend(masked(FIN | TEXT, br#"42["room","gone:behind","late"]"#));
        ws.raw(bytes);
        ws.closes(&[1005]);
        witness.echoes("nothing came");
    });
}

/// After the client's FIN the server ends its side too.
#[test]
fn a_client_that_just_ends() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.http.finish();
        assert!(ws.ends().is_empty());
    });
}

/// A client that ends in the middle of a frame, a message, a header.
#[test]
fn a_client_that_ends_in_the_middle() {
    each(Profile::Calm, |server| {
        let frame = masked(FIN | TEXT, br#"42["echo",1]"#);
        for cut in 1..frame.len() {
            let mut ws = Ws::joined(server);
            ws.raw(&frame[..cut]);
            ws.http.finish();
            assert!(ws.ends().is_empty(), "cut at {cut}");
        }
        let mut ws = Ws::joined(server);
        ws.raw(masked(TEXT, br#"42["echo",1]"#));
        ws.http.finish();
        assert!(ws.ends().is_empty());
    });
}

/// Answers that were due when the client closed come before the close frame.
#[test]
fn answers_come_before_the_close() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let mut bytes = masked(FIN | TEXT, br#"42["echo","first"]"#);
        bytes.extend(masked(FIN | CLOSE, &[3, 232]));
        ws.raw(bytes);
        let mut events = vec![ws.event()];
        while !matches!(events.last(), Some(Event::Close(_) | Event::End(_))) {
            events.push(ws.event());
        }
        assert_eq!(events.last(), Some(&Event::Close(1000)));
        assert!(events.len() <= 2, "{events:?}");
    });
}

/// The query of a direct WebSocket may carry anything else as well.
#[test]
fn a_query_with_more_in_it() {
    each(Profile::Calm, |server| {
        for more in ["t=abc", "sid=", "tag=%C3%A9", "%zz"] {
            let mut ws = Ws::upgrade(server, &format!("{WS}&{more}"));
            assert!(ws.text().starts_with("0{"));
            ws.join("40");
        }
    });
}
