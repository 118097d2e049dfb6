//! WebSocket frames (RFC 6455 5 to 7, PROTOCOL.md 2.4).

use crate::support::http::End;
use crate::support::ws::{BINARY, CLOSE, FIN, PING, PONG, TEXT, header, unmasked};
use crate::support::{Differs, Event, Profile, Ws, each, masked, ours_only};

const CONTINUATION: u8 = 0;

/// The header of a message one byte above the official limit. The message itself need not come.
pub(crate) fn oversized() -> Vec<u8> {
    let mut frame = header(FIN | TEXT, 1_000_001, true);
    frame.extend([1, 2, 3, 4]);
    frame
}

macro_rules! closes {
    ($($(#[$doc:meta])+ $name:ident: $codes:expr, [$($frames:expr),+ $(,)?];)+) => {$(
        $(#[$doc])+
        #[test]
        fn $name() {
            each(Profile::Calm, |server| {
                $(
                    let mut ws = Ws::joined(server);
                    ws.raw($frames);
                    ws.closes(&$codes);
                )+
            });
        }
    )+};
}

closes! {
    /// RFC 6455 5.1: a client must mask, also an empty frame.
    an_unmasked_message: [1002], [
        unmasked(FIN | TEXT, br#"42["echo",1]"#),
        unmasked(FIN | BINARY, b"x"),
        unmasked(FIN | TEXT, b""),
    ];
    /// RFC 6455 5.1: a client must mask control frames as well.
    an_unmasked_control_frame: [1002], [
        unmasked(FIN | PING, b""),
        unmasked(FIN | PONG, b"x"),
        unmasked(FIN | CLOSE, &[3, 232]),
    ];
    /// CVE-2022-21676, RFC 6455 5.2: RSV bits without an extension.
    reserved_bits: [1002], [
        masked(FIN | 0x40 | TEXT, b"3"),
        masked(FIN | 0x20 | TEXT, b"3"),
        masked(FIN | 0x10 | TEXT, b"3"),
        masked(FIN | 0x70 | BINARY, b""),
        masked(FIN | 0x40 | PING, b""),
        masked(FIN | 0x20 | CLOSE, b""),
    ];
    /// RFC 6455 5.2: reserved data opcodes.
    reserved_data_opcodes: [1002], [
        masked(FIN | 3, b""), masked(FIN | 4, b"x"), masked(FIN | 5, b""),
        masked(FIN | 6, b"x"), masked(FIN | 7, b""),
    ];
    /// RFC 6455 5.2: reserved control opcodes.
    reserved_control_opcodes: [1002], [
        masked(FIN | 0xb, b""), masked(FIN | 0xc, b"x"), masked(FIN | 0xd, b""),
        masked(FIN | 0xe, b"x"), masked(FIN | 0xf, b""),
    ];
    /// RFC 6455 5.5: control frames carry 125 bytes at most.
    long_control_frames: [1002], [
        masked(FIN | PING, &[0; 126]),
        masked(FIN | PONG, &[0; 126]),
        masked(FIN | CLOSE, &[b'a'; 126]),
    ];
    /// RFC 6455 5.5: the length of a control frame is not in more than 7 bits, whatever it is.
    control_frames_with_long_lengths: [1002], [
        [FIN | PING, 0xfe, 0, 5, 1, 2, 3, 4],
        [FIN | PONG, 0xfe, 0, 5, 1, 2, 3, 4],
    ];
    /// RFC 6455 5.4: control frames are not fragmented.
    fragmented_control_frames: [1002], [
        masked(PING, b"x"), masked(PONG, b""), masked(CLOSE, &[3, 232]),
    ];
    /// RFC 6455 5.4: a continuation of nothing.
    a_continuation_of_nothing: [1002], [
        masked(FIN, b"x"),
        masked(CONTINUATION, b"x"),
        [masked(FIN | TEXT, b"3"), masked(FIN, b"x")].concat(),
    ];
    /// RFC 6455 5.4: a new message inside a fragmented one.
    a_message_inside_a_message: [1002], [
        [masked(TEXT, b"4"), masked(FIN | TEXT, b"3")].concat(),
        [masked(TEXT, b"4"), masked(TEXT, b"3")].concat(),
        [masked(BINARY, b"4"), masked(FIN | BINARY, b"3")].concat(),
        [masked(TEXT, b"4"), masked(CONTINUATION, b"2"), masked(FIN | BINARY, b"3")].concat(),
    ];
    /// RFC 6455 8.1: text is UTF-8.
    invalid_utf8: [1007], [
        masked(FIN | TEXT, b"42[\"echo\",\"\xff\"]"),
        masked(FIN | TEXT, b"4\xc3\x28"),
        masked(FIN | TEXT, b"4\x80"),
        masked(FIN | TEXT, b"4\xed\xa0\x80"),
        masked(FIN | TEXT, b"4\xc0\xaf"),
        masked(FIN | TEXT, b"4\xf4\x90\x80\x80"),
    ];
    /// RFC 6455 8.1: text ends with a whole character.
    utf8_that_ends_too_early: [1007], [
        masked(FIN | TEXT, b"42[\"echo\",\"\xe2\x82"),
        [masked(TEXT, b"42[\"\xe2"), masked(FIN, b"\x82")].concat(),
        [masked(TEXT, b"42[\"\xe2\x82"), masked(FIN, b"")].concat(),
    ];
    /// RFC 6455 8.1: invalid UTF-8 that only shows across a fragment's edge.
    invalid_utf8_across_fragments: [1007], [
        [masked(TEXT, b"4\xe2"), masked(FIN, b"\x28\xa1")].concat(),
        [masked(TEXT, b"4\xed"), masked(CONTINUATION, b"\xa0"), masked(FIN, b"\x80")].concat(),
    ];
    /// The header of a frame over the limit is enough.
    a_message_too_large: [1009], [
        oversized(),
        [&[FIN | BINARY, 0xff, 0, 0, 0, 1, 0, 0, 0, 0][..], &[1, 2, 3, 4]].concat(),
    ];
    /// RFC 6455 5.2: the top bit of a 64-bit length is zero; ws says too large.
    a_length_with_the_top_bit: [1002, 1009], [
        [&[FIN | TEXT, 0xff][..], &[0x80, 0, 0, 0, 0, 0, 0, 1], &[1, 2, 3, 4]].concat(),
        [&[FIN | TEXT, 0xff][..], &[0xff; 8], &[1, 2, 3, 4]].concat(),
    ];
    /// RFC 6455 5.5.1: half a close code.
    a_close_of_one_byte: [1002], [masked(FIN | CLOSE, &[3])];
    /// RFC 6455 7.4.1: codes that must not be sent.
    a_close_with_a_forbidden_code: [1002], [
        masked(FIN | CLOSE, &0_u16.to_be_bytes()),
        masked(FIN | CLOSE, &999_u16.to_be_bytes()),
        masked(FIN | CLOSE, &1004_u16.to_be_bytes()),
        masked(FIN | CLOSE, &1005_u16.to_be_bytes()),
        masked(FIN | CLOSE, &1006_u16.to_be_bytes()),
        masked(FIN | CLOSE, &1015_u16.to_be_bytes()),
        masked(FIN | CLOSE, &2999_u16.to_be_bytes()),
        masked(FIN | CLOSE, &5000_u16.to_be_bytes()),
        masked(FIN | CLOSE, &65535_u16.to_be_bytes()),
    ];
    /// RFC 6455 5.5.1: the reason of a close is UTF-8.
    a_close_with_an_invalid_reason: [1007], [masked(FIN | CLOSE, b"\x03\xe8\xff\xff")];
}

/// CVE-2022-21676: a bad frame as the very first, before any CONNECT, and with the upgrade done.
#[test]
fn a_bad_frame_first() {
    each(Profile::Calm, |server| {
        for frame in [
            masked(FIN | 0x20 | TEXT, b""),
            unmasked(FIN | TEXT, b"40"),
            vec![0x8f, 0x80],
        ] {
            let (mut ws, _) = Ws::open(server);
            ws.raw(&frame);
            if frame.len() == 2 {
                ws.raw([0; 4]);
            }
            ws.closes(&[1002]);
        }
    });
}

/// RFC 6455 5.5.1: a close is answered with the same code.
#[test]
fn a_close_is_answered_with_its_code() {
    each(Profile::Calm, |server| {
        for code in [
            1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1014, 3000, 4000, 4999,
        ] {
            let mut ws = Ws::joined(server);
            let mut payload = code.to_be_bytes().to_vec();
            payload.extend("bye é".as_bytes());
            ws.raw(masked(FIN | CLOSE, &payload));
            assert_eq!(ws.event(), Event::Close(code));
            assert_eq!(ws.event(), Event::End(End::Eof));
        }
    });
}

/// RFC 6455 5.5.1: a close without a code is answered without a code.
#[test]
fn a_close_without_code() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.raw(masked(FIN | CLOSE, b""));
        assert_eq!(ws.event(), Event::Close(1005));
        assert_eq!(ws.event(), Event::End(End::Eof));
    });
}

/// RFC 6455 5.5.1: the longest close there is, 125 bytes.
#[test]
fn the_longest_close() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let payload = [&[3, 232][..], &[b'x'; 123]].concat();
        ws.raw(masked(FIN | CLOSE, &payload));
        assert_eq!(ws.event(), Event::Close(1000));
    });
}

/// RFC 6455 5.5.1: nothing that follows a close frame is handled.
#[test]
fn frames_after_a_close_are_ignored() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let mut bytes = masked(FIN | CLOSE, &[3, 232]);
        bytes.extend(masked(FIN | TEXT, br#"42["echo","late"]"#));
        bytes.extend(masked(FIN | PING, b"late"));
        ws.raw(bytes);
        assert_eq!(ws.event(), Event::Close(1000));
        assert!(ws.ends().is_empty());
    });
}

/// RFC 6455 5.5.2: a ping is answered with its payload, at any length allowed.
#[test]
fn pings_are_answered() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        for length in [0, 1, 4, 124, 125] {
            let payload: Vec<u8> = (0..length).collect();
            ws.raw(masked(FIN | PING, &payload));
            assert_eq!(ws.event(), Event::Pong(payload));
        }
        ws.raw(masked(FIN | PING, b"\xff\xfe\x00"));
        assert_eq!(ws.event(), Event::Pong(b"\xff\xfe\x00".to_vec()));
    });
}

/// RFC 6455 5.5.3: an unsolicited pong means nothing.
#[test]
fn pongs_are_ignored() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.raw(masked(FIN | PONG, b"whatever"));
        ws.raw(masked(FIN | PONG, b""));
        ws.echoes("still here");
    });
}

/// RFC 6455 5.4: a message in fragments, the text cut inside a character.
#[test]
fn a_message_in_fragments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let event = r#"42["echo","é€😀"]"#.as_bytes();
        for size in 1..event.len() {
            let last = (event.len() - 1) / size;
            for (n, part) in event.chunks(size).enumerate() {
                let opcode = if n == 0 { TEXT } else { CONTINUATION };
                ws.raw(masked(opcode | if n == last { FIN } else { 0 }, part));
            }
            ws.expect_text(str::from_utf8(event).expect("the event is text"));
        }
    });
}

/// RFC 6455 5.4: empty fragments are fragments, first, last and between.
#[test]
fn empty_fragments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let event = br#"42["echo",1]"#;
        ws.raw(masked(TEXT, b""));
        ws.raw(masked(CONTINUATION, event));
        ws.raw(masked(CONTINUATION, b""));
        ws.raw(masked(FIN, b""));
        ws.expect_text(r#"42["echo",1]"#);
    });
}

/// RFC 6455 5.4: a ping between fragments is answered before the message is whole.
#[test]
fn a_ping_between_fragments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.raw(masked(TEXT, br#"42["ec"#));
        ws.raw(masked(FIN | PING, b"between"));
        assert_eq!(ws.event(), Event::Pong(b"between".to_vec()));
        ws.raw(masked(CONTINUATION, br#"ho","#));
        ws.raw(masked(FIN | PONG, b"x"));
        ws.raw(masked(FIN, b"1]"));
        ws.expect_text(r#"42["echo",1]"#);
    });
}

/// RFC 6455 5.5.1: a close between fragments is a close.
#[test]
fn a_close_between_fragments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        ws.raw(masked(TEXT, b"4"));
        ws.raw(masked(FIN | CLOSE, &[3, 232]));
        assert_eq!(ws.event(), Event::Close(1000));
    });
}

/// What came before a violation, or before a close, in the same segment is answered first (Autobahn
/// 3.2, 4.1.3, 5.15).
#[test]
fn answers_before_the_close() {
    let (ping, event) = (masked(FIN | PING, b"p"), r#"42["echo",1]"#);
    let message = masked(FIN | TEXT, event.as_bytes());
    let ends = [
        (masked(FIN | 3, b""), 1002),
        (masked(FIN | TEXT, b"\xff"), 1007),
        (oversized(), 1009),
        (masked(FIN | CLOSE, &[3, 232]), 1000),
        (masked(FIN | CLOSE, b""), 1005),
    ];
    ours_only(Differs::AnswersFirst, Profile::Calm, |server| {
        for (end, code) in &ends {
            let mut ws = Ws::joined(server);
            ws.raw([&ping[..], &message, &ping, end].concat());
            assert_eq!(ws.event(), Event::Pong(b"p".to_vec()));
            ws.expect_text(event);
            assert_eq!(ws.event(), Event::Pong(b"p".to_vec()));
            ws.closes(&[*code]);
        }
    });
}

/// RFC 6455 5.4: an attachment in fragments, with bytes that are no UTF-8.
#[test]
fn an_attachment_in_fragments() {
    each(Profile::Calm, |server| {
        let mut ws = Ws::joined(server);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        ws.send_text(head);
        ws.raw(masked(BINARY, b"\xff\xe2"));
        ws.raw(masked(CONTINUATION, b""));
        ws.raw(masked(FIN, b"\x82\x00"));
        ws.expect_text(head);
        ws.expect_binary(b"\xff\xe2\x82\x00");
    });
}

/// RFC 6455 5.2: a length must be in its shortest form; ws takes the others too.
#[test]
fn lengths_that_are_too_long() {
    each(Profile::Calm, |server| {
        for head in [
            &[FIN | TEXT, 0xfe, 0, 1][..],
            &[FIN | TEXT, 0xff, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            let mut ws = Ws::joined(server);
            ws.raw(head);
            ws.raw([0, 0, 0, 0, b'3']);
            ws.send_text(r#"42["echo","taken"]"#);
            match ws.event() {
                Event::Text(text) => assert_eq!(text, r#"42["echo","taken"]"#),
                other => assert_eq!(other, Event::Close(1002)),
            }
        }
    });
}
