//! Answers: does every measurement run, and does it do what its name says.
//!
//! Each once, small.

use std::collections::BTreeSet;

use stentor_bench::{
    crowd::{Crowd, NEWS, emit, everybody},
    input, paths, rig,
    scale::{World, run},
    versus::cases::{Extent, all},
};

#[test]
fn every_path_runs() {
    let names: BTreeSet<_> = paths::ALL.iter().map(|path| path.name).collect();
    assert_eq!(names.len(), paths::ALL.len(), "a name is given once");
    for path in paths::ALL {
        let mut run = path.build();
        run();
        run();
    }
}

#[test]
fn every_comparison_runs() {
    let mut tables = Vec::new();
    let rows = all(Extent::SMOKE, |table| tables.push(table.to_owned()));
    assert_eq!(tables.len(), 3);
    assert!(rows.iter().all(|row| row.ratio.is_finite()));
}

#[test]
fn inputs_are_as_long_as_they_say() {
    assert_eq!(input::EVENT.len(), 64);
    let mut out = Vec::new();
    let emit = emit("news", NEWS);
    let frame = stentor_engine::hub::Hub::encode_event("/", &emit, usize::MAX).expect("no bound");
    out.extend_from_slice(&frame.0);
    assert_eq!(out.len(), 4 + 128);
    for bytes in [1 << 10, 1 << 16] {
        for json in [input::records(bytes), input::text(bytes)] {
            assert!(
                json.len() <= bytes && json.len() + 100 > bytes,
                "{bytes} {}",
                json.len()
            );
        }
    }
    assert_eq!(rig::event_frame("echo", 64).len(), 64 + 6);
}

#[test]
fn a_broadcast_writes_to_its_receivers_only() {
    let mut crowd = Crowd::of(100).with_room("room", 7);
    let before = crowd.io;
    crowd.broadcast(everybody().to("room"));
    assert_eq!(crowd.io.writes - before.writes, 7);
    assert_eq!(crowd.io.bytes - before.bytes, 7 * (4 + 128));
}

/// The claim of the table that `--bin scale` prints for a million, at 64 shards and 20,000.
#[test]
fn cost_follows_from_the_receivers_alone() {
    let small = run(&mut World::new(64, 64 * 160));
    let mut world = World::new(64, 20_000);
    let large = run(&mut world);
    assert_eq!(world.sessions(), 20_000);
    for (small, large) in small.iter().zip(&large) {
        if small.name != "everybody" {
            assert_eq!(small.cost, large.cost, "{}", small.name);
        }
    }
    assert_eq!(world.heartbeat().sessions, 20_000);
}

#[test]
fn a_whole_server_echoes_and_broadcasts() {
    let server = rig::server();
    let mut clients = rig::clients(server.address(), 3);
    clients[0].send(&rig::event_frame("echo", 64)).unwrap();
    clients[0].skip_frames(1).unwrap();
    clients[0].send(&rig::event_frame("all", 1024)).unwrap();
    for client in &mut clients {
        client.skip_frames(1).unwrap();
    }
    drop(clients);
    server.stop().unwrap();
}
