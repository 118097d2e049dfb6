//! Answers: what is left of clients that have gone.
//!
//! Nothing, however many came. Alone in its program, as it counts all of the program's memory.

use cap::Cap;
use std::alloc::System;
use stentor_bench::crowd::{Crowd, everybody};
use stentor_engine::{error::CloseReason, hub::Ending};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const CLIENTS: usize = 10_000;
/// Short lists stay, and what is known of chunks that were given back.
const KEPT_MAX: usize = 16_000;

/// All come, join rooms, get a broadcast, and go.
fn wave(crowd: &mut Crowd) {
    crowd.fill(CLIENTS);
    for (nth, socket) in crowd.sockets.iter().enumerate() {
        crowd.hub.join(*socket, &format!("room {}", nth % 100));
    }
    crowd.broadcast(everybody());
    for session in std::mem::take(&mut crowd.sessions) {
        let reason = CloseReason::TransportClose;
        crowd.hub.close(crowd.now, session, reason, Ending::ByPeer);
    }
    while crowd.hub.next_event().is_some() {}
    crowd.sockets = Vec::new();
    crowd.flush();
    while crowd.hub.next_signal().is_some() {}
    crowd.hub.trim();
    assert_eq!(crowd.hub.counts(), stentor_engine::hub::Counts::default());
}

#[test]
fn memory_is_back_after_a_storm() {
    let mut crowd = Crowd::of(0);
    let empty = ALLOCATOR.allocated();
    wave(&mut crowd);
    let after_one = ALLOCATOR.allocated();
    assert!(
        after_one < empty + KEPT_MAX,
        "{CLIENTS} clients left {} bytes",
        after_one - empty
    );
    for _ in 1..10 {
        wave(&mut crowd);
    }
    let after_ten = ALLOCATOR.allocated();
    assert!(
        after_ten <= after_one,
        "100,000 connects and disconnects left {} bytes more than 10,000",
        after_ten - after_one
    );
}
