//! Output in slices and slow readers, on Engine.IO sessions alone.

use core::cell::Cell;

use alloc::{collections::BTreeMap, format, vec, vec::Vec};

use super::{Client, Due, Seen, SessionKey, Sessions, Signal, Transmit};
use crate::{
    config::Config,
    eio::payload::Payload,
    frame::{Frames, Kind},
    id::{ConnId, ShardId},
    limits::{OUTBOX_HARD_CAP, SLICE_PARTS, SLOW_SHARE, SLOW_WAIT},
    out::{Flushed, Written},
    time::Tick,
};

/// Connections that take so many bytes more.
#[derive(Default)]
struct Pipes {
    conns: BTreeMap<u64, (Vec<u8>, usize)>,
    /// Connections in the order in which they were written to.
    order: Vec<u64>,
}

impl Pipes {
    fn room(&mut self, conn: u64, room: usize) {
        self.conns.entry(conn).or_default().1 = room;
    }

    /// Payloads that came over a connection.
    fn read(&mut self, conn: u64) -> Vec<Vec<u8>> {
        let taken = core::mem::take(&mut self.conns.entry(conn).or_default().0);
        Frames(&taken)
            .map(|(_, payload)| payload.to_vec())
            .collect()
    }
}

impl Transmit for Pipes {
    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Written {
        self.order.push(conn.0);
        let (taken, room) = self.conns.entry(conn.0).or_insert((vec![], usize::MAX));
        if *room == 0 {
            return Written::Blocked;
        }
        let bytes = slices.concat();
        let n = bytes.len().min(*room);
        taken.extend_from_slice(&bytes[..n]);
        *room -= n;
        Written::Bytes(n)
    }

    fn answer(&mut self, _: SessionKey, _: Payload) {}
}

struct Bench {
    sessions: Sessions,
    keys: Vec<SessionKey>,
    pipes: Pipes,
    failed: Vec<(SessionKey, Flushed)>,
}

impl Bench {
    /// So many sessions, each over a connection, that have had their OPEN packet.
    fn new(count: u64, slice_sessions: usize) -> Self {
        let mut config = Config::default();
        config.limits.outbox_bytes = 64_000;
        config.limits.slice_sessions = slice_sessions;
        let mut bench = Self {
            sessions: Sessions::new(config, ShardId(0)),
            keys: vec![],
            pipes: Pipes::default(),
            failed: vec![],
        };
        for conn in 0..count {
            let random = [conn as u8; 14];
            let key =
                (bench.sessions).open(Tick(0), Some((ConnId(conn), b"")), random, Client::new());
            bench.keys.push(key);
        }
        while !bench.slice(0) {}
        for conn in 0..count {
            bench.pipes.read(conn);
        }
        bench.pipes.order.clear();
        bench
    }

    /// One slice of a turn. True if nobody waits any more.
    fn slice(&mut self, now: u64) -> bool {
        let Self {
            sessions,
            pipes,
            failed,
            ..
        } = self;
        sessions.flush(Tick(now), pipes, failed);
        sessions.flush_slice(Tick(now), pipes, failed);
        sessions.end_turn();
        self.sessions.waiting() == 0
    }

    fn broadcast(&mut self, text: &[u8]) {
        let packet = self.sessions.palette.text(text);
        for key in &self.keys {
            self.sessions.push(key.index(), packet);
        }
    }

    fn send(&mut self, to: usize, text: &[u8]) {
        assert!(self.sessions.send(self.keys[to], Kind::Text, text));
    }

    fn signals(&mut self) -> Vec<Signal> {
        core::iter::from_fn(|| self.sessions.next_signal()).collect()
    }

    fn advance(&mut self, now: Tick) -> Vec<Due> {
        self.advance_seen(now, &Seen::all(now, &Cell::new(false)))
    }

    fn advance_seen(&mut self, now: Tick, seen: &Seen<'_>) -> Vec<Due> {
        let mut due = vec![];
        self.sessions.advance(now, seen, &mut due);
        due
    }
}

#[test]
fn a_broadcast_leaves_in_slices_and_an_answer_does_not_stand_behind_it() {
    let mut bench = Bench::new(40, 16);
    bench.broadcast(b"4first");
    assert!(!bench.slice(1));
    assert_eq!(bench.pipes.order, (0..16).collect::<Vec<_>>());
    // One who has not had it yet is answered: both leave at once, in order.
    bench.send(39, b"answer");
    assert!(!bench.slice(1));
    assert_eq!(bench.pipes.order[16], 39);
    assert_eq!(bench.pipes.read(39), [&b"4first"[..], b"4answer"]);
    // What comes meanwhile goes behind, in the same write.
    bench.broadcast(b"4second");
    while !bench.slice(1) {}
    for conn in 0..39 {
        let all = bench.pipes.read(conn);
        assert_eq!(all, [&b"4first"[..], b"4second"], "{conn}");
    }
    assert_eq!(bench.pipes.read(39), [b"4second"]);
    assert!(bench.sessions.palette.is_empty());
}

#[test]
fn answers_do_not_pile_up_while_a_broadcast_leaves() {
    let mut bench = Bench::new(100, 16);
    bench.broadcast(b"4to all");
    bench.slice(1);
    let size = bench.sessions.palette.size();
    for nth in 0..4 {
        bench.send(0, &[b'x'; 10_000]);
        assert!(!bench.slice(1), "{nth}");
        assert_eq!(bench.sessions.palette.size(), size);
    }
    while !bench.slice(1) {}
    assert!(bench.sessions.palette.is_empty());
}

#[test]
fn a_slice_is_given_in_parts_so_that_the_clock_is_looked_at_between_them() {
    let mut bench = Bench::new(1000, 512);
    bench.broadcast(b"4to all");
    assert!(!bench.slice(1));
    assert_eq!(bench.pipes.order.len(), 512 / SLICE_PARTS);
}

#[test]
fn large_packets_make_slices_small() {
    let mut bench = Bench::new(10, 1024);
    bench.broadcast(&vec![b'4'; 1_500_000]);
    assert!(!bench.slice(1));
    assert_eq!(bench.pipes.order.len(), 3); // two writes fill a flush, one a part of a slice
    while !bench.slice(1) {}
    assert_eq!(bench.pipes.order.len(), 10);
}

#[test]
fn a_ping_does_not_wait_behind_a_broadcast_of_the_same_turn() {
    let mut bench = Bench::new(40, 16);
    for key in &bench.keys[..38] {
        bench.sessions.recv_pong(Tick(10_000), *key); // their ping is due later than the last two's
    }
    bench.broadcast(b"4to all");
    assert!(bench.advance(Tick(25_050)).is_empty());
    bench.slice(25_050);
    assert_eq!(bench.pipes.order[..2], [38, 39]);
    assert!(bench.sessions.waiting() > 0);
}

#[test]
fn a_ping_that_waited_is_answered_in_time() {
    let mut bench = Bench::new(100, 16);
    assert_eq!(bench.advance(Tick(25_050)), []);
    bench.slice(25_050); // four slices of pings at once, sixteen by a part of a slice
    let early: Vec<_> = bench
        .pipes
        .order
        .iter()
        .map(|at| bench.keys[*at as usize])
        .collect();
    while !bench.slice(44_000) {}
    let dead = bench.advance(Tick(45_100));
    assert_eq!((early.len(), dead.len()), (80, 80));
    assert!(
        early
            .iter()
            .all(|key| dead.contains(&Due::PingTimeout(*key))),
        "{dead:?}"
    );
    for key in early {
        bench.sessions.remove(key);
    }
    assert_eq!(bench.advance(Tick(63_900)), []);
    assert_eq!(bench.advance(Tick(64_100)).len(), 20);
}

#[test]
fn nobody_is_judged_before_what_came_was_looked_at() {
    let mut bench = Bench::new(2, 16);
    bench.advance(Tick(25_050));
    bench.slice(25_050);
    let late = Tick(45_100);
    let asked = Cell::new(false);
    let seen = |here, unread: &'static dyn Fn(ConnId) -> bool| Seen {
        here: Tick(here),
        everywhere: late,
        unread,
        asked: &asked,
    };
    assert_eq!(bench.advance_seen(late, &seen(44_999, &|_| false)), []);
    // Asked again soon, and not all the time.
    let next = bench.sessions.deadline().unwrap();
    assert!(next > late && next.since(late) <= 50, "{next:?}");
    let later = Tick(45_200);
    let dead = bench.advance_seen(later, &seen(45_150, &|conn| conn == ConnId(0)));
    assert_eq!(dead, [Due::PingTimeout(bench.keys[1])]);
}

#[test]
fn polling_is_judged_by_what_all_shards_have_read() {
    let mut bench = Bench::new(0, 16);
    let key = bench.sessions.open(Tick(0), None, [9; 14], Client::new());
    bench.slice(0);
    bench.advance(Tick(25_050));
    bench.slice(25_050);
    let asked = Cell::new(false);
    let seen = |everywhere| Seen {
        here: Tick(45_100),
        everywhere: Tick(everywhere),
        unread: &|_| false,
        asked: &asked,
    };
    assert_eq!(bench.advance_seen(Tick(45_100), &seen(44_000)), []);
    assert!(asked.take());
    let dead = bench.advance_seen(Tick(45_200), &seen(45_000));
    assert_eq!(dead, [Due::PingTimeout(key)]);
    assert!(!asked.get());
}

#[test]
fn a_burst_is_no_slowness() {
    let mut bench = Bench::new(1, 16);
    bench.pipes.room(0, 1_000);
    for _ in 0..100 {
        bench.send(0, &[b'x'; 1_000]); // 100 kB: over the bound of 64
    }
    bench.slice(1);
    assert!(bench.failed.is_empty());
    assert_eq!(bench.signals(), [Signal::Pause(ConnId(0))]);
    // It takes what it must, again and again.
    let mut now = Tick(1);
    let least = 64_000 / SLOW_SHARE;
    for _ in 0..5 {
        now = now.after(SLOW_WAIT);
        bench.pipes.room(0, least);
        bench.sessions.writable(bench.keys[0]);
        bench.slice(now.0);
        assert!(bench.advance(now).is_empty());
    }
    bench.pipes.room(0, 70_000);
    bench.sessions.writable(bench.keys[0]);
    bench.slice(now.0);
    assert_eq!(bench.signals(), [Signal::Resume(ConnId(0))]);
    // Below half of the bound it may take its time.
    let due = bench.advance(now.after(SLOW_WAIT).after(SLOW_WAIT));
    assert!(!due.contains(&Due::Slow(bench.keys[0])));
}

#[test]
fn one_who_takes_too_little_is_slow() {
    let mut bench = Bench::new(1, 16);
    bench.pipes.room(0, 0);
    for _ in 0..100 {
        bench.send(0, &[b'x'; 1_000]);
    }
    bench.slice(1);
    bench.pipes.room(0, 64_000 / SLOW_SHARE - 1);
    bench.sessions.writable(bench.keys[0]);
    bench.slice(2);
    assert!(bench.advance(Tick(SLOW_WAIT.as_millis() as u64)).is_empty());
    let due = bench.advance(Tick(1).after(SLOW_WAIT));
    assert_eq!(due, [Due::Slow(bench.keys[0])]);
}

#[test]
fn what_was_not_offered_was_not_refused() {
    let mut bench = Bench::new(1, 16);
    bench.pipes.room(0, 0);
    for _ in 0..100 {
        bench.send(0, &[b'x'; 1_000]);
    }
    bench.slice(1);
    // The kernel has room, and the shard has not come to it yet.
    bench.sessions.writable(bench.keys[0]);
    assert!(bench.advance(Tick(1).after(SLOW_WAIT)).is_empty());
    bench.slice(6_000);
    let due = bench.advance(Tick(1).after(SLOW_WAIT).after(SLOW_WAIT));
    assert_eq!(due, [Due::Slow(bench.keys[0])]);
}

#[test]
fn there_is_a_hard_cap_for_all() {
    let mut bench = Bench::new(1, 16);
    bench.pipes.room(0, 0);
    for nth in 0..OUTBOX_HARD_CAP {
        bench.send(0, &vec![b'x'; 63_000]);
        bench.slice(1);
        assert!(bench.failed.is_empty(), "{nth}");
    }
    bench.send(0, &vec![b'x'; 63_000]);
    bench.slice(1);
    assert_eq!(bench.failed, [(bench.keys[0], Flushed::Blocked)]);
}

#[test]
fn backlogs_are_counted_until_they_have_gone() {
    let mut bench = Bench::new(3, 16);
    for conn in 0..3 {
        bench.pipes.room(conn, 0);
    }
    for nth in 0..20 {
        bench.broadcast(format!("4{nth}").as_bytes());
        bench.send(nth % 3, &[b'x'; 500]);
    }
    bench.slice(1);
    assert!(bench.sessions.backlog_total() > 20 * 500);
    bench.pipes.room(0, usize::MAX);
    bench.sessions.writable(bench.keys[0]);
    bench.slice(1);
    for nth in [1, 2] {
        bench.sessions.remove(bench.keys[nth]);
    }
    assert_eq!(bench.sessions.backlog_total(), 0);
}
