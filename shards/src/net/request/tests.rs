//! Each phase, and that any cut of any requests gives the same ones, whatever waits.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Answered at once.
    Now,
    /// Its answer comes later.
    Later,
    /// Its body is held, and its answer comes at once when it is given again.
    Held,
    /// Both.
    HeldAndLater,
}

/// A request, by number.
#[derive(Debug, Clone, Copy)]
struct Sent {
    fate: Fate,
    /// A POST's body.
    body: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Got {
    Head(usize),
    Body(Vec<u8>),
    Bad(HeadError),
}

fn bytes_of(n: usize, sent: Sent) -> Vec<u8> {
    let Some(len) = sent.body else {
        return format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes();
    };
    let mut bytes =
        format!("POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n").into_bytes();
    bytes.extend(body_of(n, len));
    bytes
}

/// A body that looks like requests.
fn body_of(n: usize, len: usize) -> Vec<u8> {
    let text = format!("GET /{n} HTTP/1.1\r\nHost: b\r\n\r\n");
    text.bytes().cycle().take(len).collect()
}

/// What the requests are to be read as.
fn expected(all: &[Sent]) -> Vec<Got> {
    let each = all.iter().enumerate();
    let gots = each.flat_map(|(n, sent)| {
        let body = sent.body.map(|len| Got::Body(body_of(n, len)));
        [Some(Got::Head(n)), body].into_iter().flatten()
    });
    gots.collect()
}

/// Somebody who answers requests as they are to be.
struct Caller<'a> {
    all: &'a [Sent],
    got: Vec<Got>,
    current: usize,
    /// The body was held.
    held: bool,
}

impl Caller<'_> {
    fn on(&mut self, incoming: &Incoming<'_>) -> Flow {
        match incoming {
            Incoming::Head(request, bytes) => {
                assert!(bytes.len() >= request.len);
                self.current = request.target[1..].parse().unwrap();
                self.held = false;
                self.got.push(Got::Head(self.current));
                let sent = self.all[self.current];
                match sent.body {
                    Some(len) => Flow::Body(u32::try_from(len).unwrap()),
                    None => answer(sent.fate),
                }
            }
            Incoming::Body(body) => {
                let sent = self.all[self.current];
                let holds = matches!(sent.fate, Fate::Held | Fate::HeldAndLater);
                if holds && !std::mem::replace(&mut self.held, true) {
                    return Flow::Hold;
                }
                self.got.push(Got::Body(body.to_vec()));
                answer(sent.fate)
            }
            Incoming::Bad(error) => {
                self.got.push(Got::Bad(*error));
                Flow::End
            }
        }
    }
}

fn answer(fate: Fate) -> Flow {
    match fate {
        Fate::Now | Fate::Held => Flow::Next,
        Fate::Later | Fate::HeldAndLater => Flow::Wait,
    }
}

/// Reads the bytes in pieces of these lengths; after each piece what waits goes on, or does not.
fn read(bytes: &[u8], all: &[Sent], pieces: &[usize], goes_on: &[bool]) -> (Vec<Got>, Reader) {
    let mut caller = Caller {
        all,
        got: Vec::new(),
        current: 0,
        held: false,
    };
    let mut reader = Reader::default();
    let mut pieces = pieces.iter().copied().cycle();
    let mut goes_on: VecDeque<bool> = goes_on.iter().copied().collect();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(pieces.next().unwrap().clamp(1, rest.len()));
        reader.feed(piece, |incoming| caller.on(&incoming));
        rest = behind;
        goes_on.rotate_left(1);
        if reader.is_busy() && goes_on[0] {
            reader.go_on(|incoming| caller.on(&incoming));
        }
    }
    while reader.is_busy() {
        reader.go_on(|incoming| caller.on(&incoming));
    }
    (caller.got, reader)
}

fn get(fate: Fate) -> Sent {
    Sent { fate, body: None }
}

fn post(fate: Fate, len: usize) -> Sent {
    Sent {
        fate,
        body: Some(len),
    }
}

#[test]
fn a_request_passes_through_its_phases() {
    let all = [post(Fate::HeldAndLater, 5), get(Fate::Now)];
    let mut caller = Caller {
        all: &all,
        got: Vec::new(),
        current: 0,
        held: false,
    };
    let bytes = bytes_of(0, all[0]);
    let head = bytes.len() - 5;
    let mut reader = Reader::default();
    let mut phases = vec![reader.phase()];
    for piece in [&bytes[..9], &bytes[9..head + 2], &bytes[head + 2..]] {
        reader.feed(piece, |incoming| caller.on(&incoming));
        phases.push(reader.phase());
    }
    assert_eq!(
        phases,
        [Phase::Idle, Phase::Head, Phase::Body(5), Phase::Held(5)]
    );
    assert_eq!(reader.held_body(), Some(&body_of(0, 5)[..]));
    reader.go_on(|incoming| caller.on(&incoming));
    assert_eq!((reader.phase(), reader.held_bytes()), (Phase::Busy, 0));
    reader.feed(&bytes_of(1, all[1]), |incoming| caller.on(&incoming));
    assert_eq!(reader.phase(), Phase::Busy);
    assert!(!reader.answered(), "there is a request behind it");
    reader.go_on(|incoming| caller.on(&incoming));
    assert_eq!((reader.phase(), reader.held_bytes()), (Phase::Idle, 0));
    assert_eq!(caller.got, expected(&all));
}

#[test]
fn an_answer_with_nothing_behind_it_ends_the_waiting() {
    let all = [get(Fate::Later)];
    let (mut reader, bytes) = (Reader::default(), bytes_of(0, all[0]));
    reader.feed(&bytes, |_| Flow::Wait);
    assert!(reader.is_busy() && reader.answered() && !reader.is_busy());
}

#[test]
fn nothing_is_read_behind_the_end() {
    let bytes = [
        bytes_of(0, get(Fate::Now)),
        b"noise\n\n".to_vec(),
        bytes_of(0, get(Fate::Now)),
    ];
    let all = [get(Fate::Now)];
    for piece in 1..bytes.concat().len() {
        let (got, reader) = read(&bytes.concat(), &all, &[piece], &[true]);
        assert_eq!(got, [Got::Head(0), Got::Bad(HeadError::LineEnd)]);
        assert_eq!((reader.phase(), reader.held_bytes()), (Phase::Ending, 0));
    }
}

#[test]
fn an_end_forgets_what_is_kept() {
    let mut reader = Reader::begun(b"GET / HT".to_vec());
    assert_eq!(
        (reader.phase(), reader.kept()),
        (Phase::Head, &b"GET / HT"[..])
    );
    reader.end();
    reader.feed(b"TP/1.1\r\nHost: a\r\n\r\n", |_| unreachable!());
    reader.go_on(|_| unreachable!());
    assert_eq!((reader.phase(), reader.held_bytes()), (Phase::Ending, 0));
}

/// Its memory grows with what has come and no faster, and not to more than was announced.
#[test]
fn a_body_that_drips_in_is_bounded() {
    let sent = post(Fate::Now, 1_000);
    let bytes = bytes_of(0, sent);
    let head = bytes.len() - 1_000;
    let mut reader = Reader::default();
    let (mut grown, mut last) = (0, 0);
    for (nth, byte) in bytes[..bytes.len() - 1].iter().enumerate() {
        let flow = |incoming: Incoming<'_>| match incoming {
            Incoming::Head(..) => Flow::Body(1_000),
            _ => Flow::Next,
        };
        reader.feed(&[*byte], flow);
        if nth >= head {
            grown += usize::from(reader.held_bytes() != last);
            last = reader.held_bytes();
            assert!(
                last <= 1_000 && last <= (nth - head + 1) * 3 / 2 + 1,
                "{last}"
            );
        }
    }
    assert!(grown < 25, "it grew {grown} times");
}

#[test]
fn sizes() {
    assert_eq!(size_of::<Phase>(), 8);
    assert_eq!(size_of::<Reader>(), 32);
}

fn sent() -> impl Strategy<Value = Sent> {
    let fate = prop_oneof![
        Just(Fate::Now),
        Just(Fate::Later),
        Just(Fate::Held),
        Just(Fate::HeldAndLater)
    ];
    let body = prop_oneof![Just(None), (0..120_usize).prop_map(Some)];
    (fate, body).prop_map(|(fate, body)| Sent { fate, body })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_gives_the_same_requests(
        all in prop::collection::vec(sent(), 1..8),
        pieces in prop::collection::vec(1..200_usize, 1..6),
        goes_on in prop::collection::vec(any::<bool>(), 1..6),
    ) {
        let bytes: Vec<u8> = all.iter().enumerate().flat_map(|(n, sent)| bytes_of(n, *sent)).collect();
        let (got, reader) = read(&bytes, &all, &pieces, &goes_on);
        prop_assert_eq!(got, expected(&all));
        prop_assert_eq!((reader.phase(), reader.held_bytes()), (Phase::Idle, 0));
    }

    /// A request that is cut off leaves just what has come of it.
    #[test]
    fn what_is_not_whole_is_kept(
        all in prop::collection::vec(sent(), 1..4),
        pieces in prop::collection::vec(1..200_usize, 1..6),
        cut in 1..400_usize,
    ) {
        let ends: Vec<Vec<u8>> = all.iter().enumerate().map(|(n, sent)| bytes_of(n, *sent)).collect();
        let bytes = ends.concat();
        let bytes = &bytes[..bytes.len() - cut.min(bytes.len() - 1)];
        let (got, reader) = read(bytes, &all, &pieces, &[true]);
        let whole = read(bytes, &all, &[bytes.len()], &[true]);
        prop_assert_eq!(got, whole.0);
        prop_assert_eq!((reader.phase(), reader.kept()), (whole.1.phase(), whole.1.kept()));
    }
}
