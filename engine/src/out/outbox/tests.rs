//! Answers: do bytes leave whole and in order, and is what is kept counted.

use alloc::{vec, vec::Vec};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// Takes `room` bytes, then is full until given more.
struct Pipe {
    taken: Vec<u8>,
    room: usize,
}

impl Sink for Pipe {
    fn write(&mut self, slices: &[&[u8]]) -> Written {
        if self.room == 0 {
            return Written::Blocked;
        }
        let mut n = 0;
        for slice in slices {
            let take = slice.len().min(self.room);
            self.taken.extend_from_slice(&slice[..take]);
            self.room -= take;
            n += take;
        }
        Written::Bytes(n)
    }
}

/// How the hub does it.
fn leave(outbox: &mut Outbox, palette: &Palette, held: &mut Held, sink: &mut impl Sink) -> Flushed {
    let Some((run, bytes)) = outbox.take_run(palette) else {
        return outbox.flush(palette, held, sink);
    };
    match sink.write(&[bytes]) {
        Written::Bytes(n) if n == bytes.len() => return Flushed::Done,
        Written::Bytes(n) => outbox.put_back(run, n, palette, held),
        Written::Blocked => outbox.put_back(run, 0, palette, held),
        Written::Failed => return Flushed::Failed,
    }
    Flushed::Blocked
}

proptest! {
    /// Whatever the interleaving of own and shared packets of two sessions and the sink's
    /// appetite, bytes come out whole and in order, and the backlog's count is true.
    #[test]
    fn bytes_leave_in_order(
        turns in prop::collection::vec(
            (prop::collection::vec((any::<bool>(), any::<bool>(), 0usize..5000), 0..12), 0usize..9000),
            1..12,
        ),
    ) {
        let mut palette = Palette::default();
        let mut held = Held::default();
        let mut ours = Outbox::default();
        let mut other = Outbox::default();
        let mut pipe = Pipe { taken: vec![], room: 0 };
        let mut expected = vec![];
        let mut mark = 0u8;
        for (packets, room) in turns {
            for (mine, shared, len) in packets {
                mark = mark.wrapping_add(1);
                let payload = vec![mark; len];
                let entry = if shared {
                    let mut frame = vec![];
                    crate::frame::write_head(&mut frame, crate::frame::Kind::Text, len);
                    frame.extend_from_slice(&payload);
                    palette.share(Frame(Bytes::from(frame)))
                } else {
                    palette.text(&payload)
                };
                let bytes = palette.bytes(entry).to_vec();
                if mine {
                    expected.extend(bytes);
                    ours.push(entry);
                } else {
                    other.push(entry);
                }
            }
            pipe.room = room;
            let flushed = leave(&mut ours, &palette, &mut held, &mut pipe);
            other.stash(&palette, &mut held);
            prop_assert_eq!(flushed == Flushed::Done, ours.is_empty());
            prop_assert_eq!(pipe.taken.len() + ours.backlog_bytes(), expected.len());
            palette.clear();
        }
        pipe.room = usize::MAX;
        prop_assert_eq!(leave(&mut ours, &palette, &mut held, &mut pipe), Flushed::Done);
        prop_assert_eq!(pipe.taken, expected);
        other.discard(&mut held);
        prop_assert_eq!(held.bytes(), 0);
    }
}

#[test]
fn one_packet_alone_is_never_too_much() {
    let mut palette = Palette::default();
    let mut held = Held::default();
    let mut outbox = Outbox::default();
    outbox.push(palette.text(&[b'4'; 5000]));
    outbox.stash(&palette, &mut held);
    assert!(!outbox.is_over(1000));
    palette.clear();
    outbox.push(palette.text(b"4"));
    outbox.stash(&palette, &mut held);
    assert!(outbox.is_over(1000));
    assert!(!outbox.is_over(6000));
}

/// It excuses nothing that is queued behind it once it has left but for a few bytes, nor
/// afterwards.
#[test]
fn a_large_packet_excuses_itself_alone() {
    let mut palette = Palette::default();
    let mut held = Held::default();
    let mut outbox = Outbox::default();
    outbox.push(palette.text(&vec![b'4'; 50_000]));
    outbox.stash(&palette, &mut held);
    palette.clear();
    let mut pipe = Pipe {
        taken: vec![],
        room: 49_990,
    };
    assert_eq!(
        outbox.flush(&palette, &mut held, &mut pipe),
        Flushed::Blocked
    );
    for _ in 0..30 {
        outbox.push(palette.text(&[b'4'; 100]));
    }
    outbox.stash(&palette, &mut held);
    assert!(outbox.is_over(1000));
}

#[test]
fn slow_readers_hold_a_large_packet_once() {
    let mut palette = Palette::default();
    let frame = Frame(Bytes::from(vec![b'4'; SHARED_BYTES_MIN]));
    let entry = palette.share(frame.clone());
    let mut held = Held::default();
    let mut readers = [(); 3].map(|()| Outbox::default());
    for reader in &mut readers {
        reader.push(entry);
        reader.stash(&palette, &mut held);
    }
    palette.clear();
    for reader in &readers {
        let rest = reader.rest.as_ref().unwrap();
        assert_eq!(rest.backlog[0].bytes().as_ptr(), frame.0.as_ptr());
    }
    assert_eq!(held.bytes(), SHARED_BYTES_MIN);
    for reader in &mut readers {
        reader.discard(&mut held);
    }
    assert_eq!(held.bytes(), 0);
}

#[test]
fn a_run_is_one_slice() {
    let mut palette = Palette::default();
    let mut outbox = Outbox::default();
    for _ in 0..16 {
        outbox.push(palette.text(b"4hello"));
    }
    let (_, bytes) = outbox.take_run(&palette).unwrap();
    assert_eq!(bytes.len(), 16 * palette.bytes(EntryId(0)).len());
    assert!(outbox.is_empty());
    assert!(outbox.take_run(&palette).is_none());
}
