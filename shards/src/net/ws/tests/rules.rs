//! One test per rule.

use std::ops::ControlFlow;

use super::super::{FrameError, Incoming, ReadLimits, Reader, close_frame, pong_frame};
use super::{Got, LIMITS, MASK, frame, read, read_whole, refused};

/// A header with any length field, and no payload.
fn header(first: u8, length: &[u8]) -> Vec<u8> {
    [&[first], length, &MASK[..]].concat()
}

#[test]
fn a_whole_frame_is_borrowed_from_the_data_and_nothing_is_kept() {
    let mut data = [
        frame(0x81, b"2probe"),
        frame(0x82, &[1, 2]),
        frame(0x81, b""),
    ]
    .concat();
    let range = data.as_ptr_range();
    let mut reader = Reader::default();
    let mut seen = 0;
    reader
        .feed(&mut data, LIMITS, |incoming| {
            match incoming {
                Incoming::Text("2probe") => seen |= 1,
                Incoming::Binary([1, 2]) => seen |= 2,
                Incoming::Text("") => seen |= 4,
                other => panic!("{other:?}"),
            }
            if let Incoming::Text(text) = incoming {
                assert!(range.contains(&text.as_ptr()) || range.end == text.as_ptr());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(seen, 7);
    assert!(reader.is_idle());
    assert_eq!(reader.held_bytes(), 0);
    assert_eq!(size_of::<Reader>(), size_of::<usize>());
}

#[test]
fn every_length_form_is_read_in_any_split() {
    let limits = ReadLimits {
        message_bytes: 70_000,
        fragments: 1,
    };
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload: Vec<u8> = (0..len).map(|n: u32| n as u8).collect();
        let bytes = frame(0x82, &payload);
        for split in [0, 1, 2, 3, 5, 9, 13, 14, 15, 1_000] {
            let (left, right) = bytes.split_at(bytes.len().min(split));
            let mut reader = Reader::default();
            let (got, result) = read(&mut reader, [left, right], limits);
            assert_eq!(result, Ok(()));
            assert!(
                got == [Got::Binary(payload.clone())],
                "{len} bytes split at {split}"
            );
            assert!(reader.is_idle());
        }
    }
}

#[test]
fn fragments_make_one_message_and_control_frames_between_them_come_at_once() {
    let bytes = [
        frame(0x01, "gr\u{fc}".as_bytes().split_at(3).0), // ends inside the ü
        frame(0x89, b"are you there"),
        frame(0x00, b""),
        frame(0x00, "gr\u{fc}".as_bytes().split_at(3).1),
        frame(0x8a, b""),
        frame(0x80, "\u{df}e".as_bytes()),
        frame(0x82, b"next"),
    ]
    .concat();
    let expected = [
        Got::Ping(b"are you there".to_vec()),
        Got::Pong(Vec::new()),
        Got::Text("gr\u{fc}\u{df}e".to_owned()),
        Got::Binary(b"next".to_vec()),
    ];
    for size in 1..=bytes.len() {
        let mut reader = Reader::default();
        let (got, result) = read(&mut reader, bytes.chunks(size), LIMITS);
        assert_eq!(result, Ok(()));
        assert_eq!(got, expected, "in chunks of {size}");
        assert!(reader.is_idle());
    }
}

#[test]
fn breaking_drops_the_rest_and_all_that_was_kept() {
    let stop = |_: Incoming<'_>| ControlFlow::Break(());
    let mut reader = Reader::default();
    let mut data = [frame(0x81, b"one"), frame(0x81, b"two"), vec![0x81]].concat();
    reader.feed(&mut data, LIMITS, stop).unwrap();
    assert!(reader.is_idle());

    for last in [frame(0x80, b"end"), frame(0x88, b"")] {
        reader
            .feed(&mut frame(0x01, b"start"), LIMITS, stop)
            .unwrap();
        assert!(!reader.is_idle());
        reader
            .feed(&mut [&last[..], &[0xff]].concat(), LIMITS, stop)
            .unwrap();
        assert!(reader.is_idle());
    }
}

#[test]
fn header_rules() {
    use FrameError as E;
    assert_eq!(refused(&[0xc1]), (E::ReservedBit, 1002));
    assert_eq!(refused(&[0xa1]), (E::ReservedBit, 1002));
    assert_eq!(refused(&[0x91]), (E::ReservedBit, 1002));
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        assert_eq!(refused(&[0x80 | opcode]), (E::ReservedOpcode, 1002));
    }
    assert_eq!(refused(&[0x81, 0x05]), (E::Unmasked, 1002));
    assert_eq!(refused(&[0x89, 0x00]), (E::Unmasked, 1002));
    assert_eq!(
        refused(&header(0x82, &[0xfe, 0, 125])),
        (E::LongLength, 1002)
    );
    assert_eq!(
        refused(&header(0x82, &[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff])),
        (E::LongLength, 1002)
    );
    assert_eq!(
        refused(&header(0x82, &[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0])),
        (E::LengthTopBit, 1002)
    );
    for opcode in [8, 9, 10] {
        assert_eq!(refused(&[opcode]), (E::FragmentedControl, 1002));
        assert_eq!(refused(&[0x80 | opcode, 0xfe]), (E::LongControl, 1002));
        assert_eq!(refused(&[0x80 | opcode, 0xff]), (E::LongControl, 1002));
    }
    assert_eq!(refused(&[0x80]), (E::UnexpectedContinuation, 1002));
    assert_eq!(refused(&[0x00]), (E::UnexpectedContinuation, 1002));
    for again in [0x81, 0x82, 0x01, 0x02] {
        let bytes = [frame(0x01, b"a"), frame(again, b"b")].concat();
        assert_eq!(refused(&bytes), (E::InterruptedMessage, 1002));
    }
    // A finished message leaves nothing to continue.
    let bytes = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(refused(&bytes), (E::UnexpectedContinuation, 1002));
}

#[test]
fn the_size_limit_is_inclusive_and_checked_before_the_payload() {
    let (got, result) = read_whole(&frame(0x82, &[7; 1_000]));
    assert_eq!((got.len(), result), (1, Ok(())));
    assert_eq!(
        refused(&[0x82, 0xfe, 0x03, 0xe9]),
        (FrameError::TooBig, 1009)
    );
    let claim = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(refused(&claim), (FrameError::TooBig, 1009));
    // Over the sum of the fragments, empty or not.
    let exact = [
        frame(0x02, &[7; 600]),
        frame(0x00, &[]),
        frame(0x80, &[7; 400]),
    ]
    .concat();
    assert_eq!(read_whole(&exact).1, Ok(()));
    let over = [&frame(0x02, &[7; 600])[..], &[0x80, 0xfe, 0x01, 0x91]].concat();
    assert_eq!(refused(&over), (FrameError::TooBig, 1009));
    // A control frame inside is not part of the message.
    let ping = [
        frame(0x02, &[7; 999]),
        frame(0x89, b"ping"),
        frame(0x80, &[7]),
    ]
    .concat();
    assert_eq!(read_whole(&ping).1, Ok(()));
}

#[test]
fn fragments_are_counted_empty_ones_too() {
    let some = |count: usize| {
        let middle = frame(0x00, b"").repeat(count - 2);
        [frame(0x01, b""), middle, frame(0x80, b"")].concat()
    };
    assert_eq!(
        read_whole(&some(8)),
        (vec![Got::Text(String::new())], Ok(()))
    );
    assert_eq!(refused(&some(9)), (FrameError::TooManyFragments, 1008));
    // Small pieces are counted as empty ones are; those of some size are as many as fit.
    let pieces = |count: usize, piece: &[u8]| {
        let middle = frame(0x00, piece).repeat(count - 2);
        [frame(0x01, piece), middle, frame(0x80, b"")].concat()
    };
    assert_eq!(
        refused(&pieces(9, b"a")),
        (FrameError::TooManyFragments, 1008)
    );
    let many = ReadLimits {
        message_bytes: 64 * 64,
        ..LIMITS
    };
    let (got, result) = read(&mut Reader::default(), [&pieces(65, &[b'a'; 64])[..]], many);
    assert_eq!((got.len(), result), (1, Ok(())));
    // The count starts again with each message.
    assert_eq!(read_whole(&some(8).repeat(3)).1, Ok(()));
}

#[test]
fn text_is_utf8_and_fails_as_soon_as_it_cannot_be() {
    assert_eq!(
        refused(&frame(0x81, &[0xc3])),
        (FrameError::TextNotUtf8, 1007)
    );
    assert_eq!(
        refused(&frame(0x81, &[0xed, 0xa0, 0x80])),
        (FrameError::TextNotUtf8, 1007)
    );
    let cut = [frame(0x01, b"a\xc3"), frame(0x80, b"")].concat();
    assert_eq!(refused(&cut), (FrameError::TextNotUtf8, 1007));
    // In the first fragment, and in a frame that has not all arrived.
    assert_eq!(
        refused(&frame(0x01, b"\xf4\x90")),
        (FrameError::TextNotUtf8, 1007)
    );
    let unfinished = &frame(0x81, b"abc\xffdefghi")[..10];
    assert_eq!(read_whole(unfinished).1, Err(FrameError::TextNotUtf8));
    // Binary is anything.
    assert_eq!(
        read_whole(&[frame(0x02, &[0xff]), frame(0x80, &[0xff])].concat()).1,
        Ok(())
    );
}

#[test]
fn close_rules() {
    let close = |code: u16, reason: &[u8]| frame(0x88, &[&code.to_be_bytes(), reason].concat());
    assert_eq!(read_whole(&frame(0x88, b"")).0, [Got::Close(None)]);
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999,
    ] {
        let bytes = close(code, b"bye");
        assert_eq!(
            read_whole(&bytes).0,
            [Got::Close(Some((code, "bye".to_owned())))]
        );
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        assert_eq!(
            refused(&close(code, b"")),
            (FrameError::CloseCode, 1002),
            "{code}"
        );
    }
    assert_eq!(refused(&frame(0x88, &[3])), (FrameError::ShortClose, 1002));
    assert_eq!(
        refused(&close(1000, &[0xff])),
        (FrameError::ReasonNotUtf8, 1007)
    );
}

#[test]
fn memory_follows_the_data_not_the_claim() {
    let limits = ReadLimits {
        message_bytes: 1 << 30,
        fragments: 1_000,
    };
    let mut reader = Reader::default();
    let claim = header(0x82, &[0xff, 0, 0, 0, 0, 0x3f, 0, 0, 0]);
    assert_eq!(read(&mut reader, [&claim[..]], limits).1, Ok(()));
    assert!(reader.held_bytes() < 200, "{}", reader.held_bytes());
    // The first bytes are kept exactly, and later ones cost at most half as much again.
    let empty = reader.held_bytes();
    read(&mut reader, [&[0; 100][..]], limits).1.unwrap();
    assert_eq!(reader.held_bytes(), empty + 100);
    for arrived in 101..5_000 {
        read(&mut reader, [&[0; 1][..]], limits).1.unwrap();
        assert!(reader.held_bytes() <= empty + arrived * 3 / 2);
    }
}

#[test]
fn encoders() {
    let (bytes, len) = close_frame(None, "unsaid");
    assert_eq!(bytes[..len], [0x88, 0]);
    let (bytes, len) = close_frame(Some(1000), "bye");
    assert_eq!(bytes[..len], *b"\x88\x05\x03\xe8bye");
    let (bytes, len) = close_frame(Some(1009), &"\u{20ac}".repeat(60));
    assert_eq!((len, bytes[1]), (2 + 2 + 123, 125));
    let (bytes, len) = close_frame(Some(1009), &format!("a{}", "\u{20ac}".repeat(60)));
    assert_eq!(
        (len, bytes[1]),
        (2 + 2 + 121, 123),
        "cut between characters"
    );

    let mut out = b"before".to_vec();
    pong_frame(b"hi", &mut out);
    assert_eq!(out, b"before\x8a\x02hi");
}
