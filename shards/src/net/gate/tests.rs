//! Any cut of any sequence of requests is judged alike, and hyper never sees beyond one message.

use http::Uri;
use proptest::prelude::*;

use super::{Gate, HeadError, IN_PLACE, Next};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// What one reading by hyper may see, one after the other, of bytes that come in pieces of these sizes,
/// given in pieces of at most `max` bytes.
fn run(bytes: &[u8], first: usize, pieces: &[usize], max: usize) -> (Vec<Vec<u8>>, Gate) {
    let (read, mut rest) = bytes.split_at(first.min(bytes.len()));
    let mut gate = Gate::new(read.to_vec());
    let mut pieces = pieces.iter().cycle();
    let mut given = Vec::new();
    loop {
        let some = gate.give(max);
        if !some.is_empty() {
            given.push(some.to_vec());
            continue;
        }
        let piece = *pieces.next().unwrap_or(&1);
        match gate.next() {
            Next::End => return (given, gate),
            _ if rest.is_empty() => return (given, gate),
            Next::Head => {
                let (piece, behind) = rest.split_at(piece.min(rest.len()));
                gate.feed(piece);
                rest = behind;
            }
            Next::Body(left) => {
                let n = piece.min(max).min(rest.len()).min(left as usize);
                given.push(rest[..n].to_vec());
                gate.passed(n);
                rest = &rest[n..];
            }
            Next::Chunks | Next::Through => {
                given.push(rest.to_vec());
                rest = &[];
            }
        }
    }
}

fn post(length: usize) -> Vec<u8> {
    let head = format!("POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    // A body that looks like a request.
    let body = GET.iter().copied().cycle().take(length);
    head.bytes().chain(body).collect()
}

fn refusal(bytes: &[u8]) -> HeadError {
    let (given, gate) = run(bytes, 0, &[1], 9_999);
    assert_eq!(given, [IN_PLACE]);
    gate.refused().expect("a reason")
}

#[test]
fn heads_that_are_refused() {
    use HeadError as E;
    assert_eq!(refusal(b"GET / HTTP/1.1\nHost: a\n\n"), E::LineEnd);
    assert_eq!(
        refusal(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        E::SeveralHosts
    );
    assert_eq!(refusal(&vec![b'a'; 20_000]), E::TooLong);
}

#[test]
fn a_head_that_is_late() {
    let mut gate = Gate::new(GET[..5].to_vec());
    assert!(gate.is_in_head() && gate.give(99).is_empty());
    gate.refuse(HeadError::Late);
    assert_eq!(gate.give(999), IN_PLACE);
    assert_eq!(
        (gate.next(), gate.refused()),
        (Next::End, Some(HeadError::Late))
    );
    gate.feed(GET);
    assert!(gate.give(999).is_empty());
}

#[test]
fn chunks_are_the_last_thing() {
    let chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n3\r\n";
    let (given, gate) = run(chunked, 9, &[3], 7);
    assert_eq!(given.concat(), chunked);
    assert_eq!(gate.next(), Next::Chunks);
}

#[test]
fn what_follows_an_upgrade_is_no_request() {
    let upgrade = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let mut gate = Gate::new([&upgrade[..], b"\n\nnoise"].concat());
    assert_eq!(gate.give(999), &upgrade[..]);
    gate.open();
    assert_eq!(gate.give(999), &b"\n\nnoise"[..]);
    assert_eq!(gate.next(), Next::Through);
}

#[test]
fn what_was_not_given_is_left() {
    let mut gate = Gate::new([GET, GET, b"GE"].concat());
    assert_eq!(gate.give(4), &GET[..4]);
    assert_eq!(gate.into_rest(), [&GET[4..], GET, b"GE"].concat());
}

/// What the plain path accepts hyper accepts too.
#[test]
fn every_target_is_one_for_hyper() {
    let uri = |target: &[u8]| {
        let bytes = [b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        let (given, gate) = run(&bytes, bytes.len(), &[1], 9_999);
        assert_eq!(gate.refused(), None, "{}", target.escape_ascii());
        let head = given.concat();
        let target = head.split(|byte| *byte == b' ').nth(1).expect("a target");
        Uri::try_from(target).expect("hyper takes it")
    };
    for byte in 0x21..0x7f_u8 {
        let text = [byte];
        uri(&[b"/socket.io/", &text[..], b"?EIO=4"].concat());
        uri(&[b"/socket.io/?a=", &text[..]].concat());
        if !b"#:@[".contains(&byte) {
            uri(&[b"http://host/", &text[..]].concat());
        }
    }
    assert_eq!(
        uri(br#"/?j={"a<b>":1}"#).query(),
        Some("j={%22a%3Cb%3E%22:1}")
    );
    assert_eq!(uri(b"/socket.io/#?x").path(), "/socket.io/%23");
    assert_eq!(uri("/é?ü".as_bytes()).path(), "/é");
    assert_eq!(uri(b"*").path(), "*");
}

/// A message, and whether it is refused.
fn message() -> impl Strategy<Value = (Vec<u8>, bool)> {
    prop_oneof![
        4 => Just((GET.to_vec(), false)),
        4 => (0..200_usize).prop_map(|length| (post(length), false)),
        1 => Just((b"\r\nGET /x HTTP/1.0\r\n\r\n".to_vec(), false)),
        1 => Just((b"GET / HTTP/1.1\r\n\r\n".to_vec(), true)),
        1 => Just((b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n".to_vec(), true)),
        1 => Just((
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx".to_vec(),
            true
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_is_judged_alike(
        messages in prop::collection::vec(message(), 1..8),
        first in 0..300_usize,
        pieces in prop::collection::vec(1..100_usize, 1..5),
        max in 1..300_usize,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let (given, gate) = run(&bytes, first, &pieces, max);
        let mut wanted: Vec<Vec<u8>> = Vec::new();
        for (bytes, refused) in messages {
            if refused {
                wanted.push(IN_PLACE.to_vec());
                break;
            }
            wanted.push(bytes);
        }
        prop_assert_eq!(given.concat(), wanted.concat());
        prop_assert_eq!(gate.refused().is_some(), wanted.ends_with(&[IN_PLACE.to_vec()]));
        // No piece has bytes of two messages.
        let mut given = given.into_iter();
        for message in wanted {
            let mut so_far = Vec::new();
            while so_far.len() < message.len() {
                so_far.extend(given.next().expect("the same bytes"));
            }
            prop_assert_eq!(so_far, message);
        }
    }
}
