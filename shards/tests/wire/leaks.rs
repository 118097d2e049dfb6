//! What is left after 10,000 clients have connected and gone.

use std::thread;

use crate::support::proc::{descriptors, memory_kib};
use crate::support::server::each_alone;
use crate::support::ws::{CLOSE, FIN, upgrade_request};
use crate::support::{Http, Polling, Server, Ws, await_that, masked};
use crate::upgrade::{finish, probe, target};

const CYCLES: usize = 10_000;

/// One client's life; each number is another way to come and go.
fn cycle(server: &Server, n: usize) {
    match n % 10 {
        0 => {
            let mut ws = Ws::joined(server);
            ws.raw(masked(FIN | CLOSE, &[3, 232]));
            ws.ends();
        }
        1 => drop(Ws::joined(server)),
        2 => reset(server),
        3 => drop(Polling::joined(server).post("1")),
        4 => {
            let mut session = Polling::joined(server);
            session.post(r#"420["join","leak"]"#).is_ok("ok");
            session.expect("430[]");
            drop(session.park_unseen());
        }
        5 => drop(finish(server, &Polling::open(server))),
        6 => {
            let session = Polling::open(server);
            drop(probe(server, &session));
            session.post("1").is_ok("ok");
        }
        7 => {
            let mut ws = Ws::joined(server);
            ws.send_text(r#"451-["echo",{"_placeholder":true,"num":0}]"#);
            ws.send_text("49");
            ws.ends();
        }
        8 => {
            let mut http = Http::connect(server);
            http.send(upgrade_request(&target(&Polling::open(server))));
        }
        _ => {
            let mut ws = Ws::joined(server);
            ws.send_text(r#"42["ask",60000,"never answered"]"#);
            ws.text();
        }
    }
}

/// A connection that ends by RST: it is dropped with bytes in it that nobody read.
fn reset(server: &Server) {
    let mut ws = Ws::joined(server);
    ws.send_text(r#"42["echo","unread"]"#);
    let mut byte = [0];
    assert_eq!(ws.http.stream.peek(&mut byte).expect("an echo"), 1);
}

/// 10,000 cycles of every kind leave no descriptor, and no memory that grows.
#[test]
fn ten_thousand_cycles() {
    each_alone(|server| {
        let baseline = warmed_up(server);
        let run = |range: std::ops::Range<usize>| {
            thread::scope(|scope| {
                for part in 0..4 {
                    let range = range.clone();
                    scope.spawn(move || {
                        range
                            .filter(|n| n % 4 == part)
                            .for_each(|n| cycle(server, n));
                    });
                }
            });
        };
        run(0..CYCLES / 2);
        let halfway = memory_kib(server.pid, "VmRSS");
        run(CYCLES / 2..CYCLES);
        await_that("the descriptors return to where they were", || {
            (descriptors(server.pid) <= baseline).then_some(())
        });
        let end = memory_kib(server.pid, "VmRSS");
        // Node's heap breathes; a leak of 2 KB a cycle would be 10 MB here.
        let node = crate::support::server::peer() == crate::support::server::Peer::Node;
        assert!(
            node || end < halfway + (10 << 10),
            "{halfway} KiB halfway, {end} KiB at the end"
        );
    });
}

/// The descriptors of a server that has served, and serves nobody now.
fn warmed_up(server: &Server) -> usize {
    (0..100).for_each(|n| cycle(server, n));
    let mut last = (usize::MAX, 0);
    await_that("the descriptors settle", || {
        let now = descriptors(server.pid);
        last = if now == last.0 {
            (now, last.1 + 1)
        } else {
            (now, 0)
        };
        (last.1 == 50).then_some(now)
    })
}

/// A thousand clients at once, of both kinds, all gone at once.
#[test]
fn a_thousand_at_once() {
    each_alone(|server| {
        let baseline = warmed_up(server);
        let mut all: Vec<Ws> = (0..700).map(|_| Ws::joined(server)).collect();
        let polling: Vec<Polling<'_>> = (0..300).map(|_| Polling::joined(server)).collect();
        let parked: Vec<Http> = polling.iter().map(Polling::park_unseen).collect();
        for (n, ws) in all.iter_mut().enumerate() {
            ws.send_text(&format!(r#"42["echo",{n}]"#));
        }
        for (n, ws) in all.iter_mut().enumerate() {
            ws.expect_text(&format!(r#"42["echo",{n}]"#));
        }
        assert!(descriptors(server.pid) >= baseline + 700);
        drop((all, parked));
        await_that("the descriptors return to where they were", || {
            (descriptors(server.pid) <= baseline).then_some(())
        });
        for session in &polling {
            session.goes_away();
        }
    });
}
