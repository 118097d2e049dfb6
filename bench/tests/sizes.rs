//! Answers: what does one client cost in the tables of a shard, by struct.
//!
//! A guard that no noise can move. A struct that grows fails here; whoever grows it says so by changing
//! the number. Capacity that a growing `Vec` holds ahead is not counted: `--bin scale` measures it.

use stentor::net::ws::Reader;
use stentor_engine::{
    eio::session::Session,
    hub::{Client, Entry, Socket},
    id::{Sid, SocketId},
    out::Outbox,
    room::{Member, Rooms},
    slab::Slab,
    wheel::Wheel,
};

/// Bytes of the tables for an idle client over WebSocket that has joined one namespace.
const IDLE_MAX: usize = 200;

#[test]
fn per_client_structs_have_their_size() {
    let sizes = [
        ("Entry", size_of::<Entry>(), 104),
        ("a session's row", Slab::<Entry>::SLOT_BYTES, 112),
        ("Session", size_of::<Session>(), 40),
        ("Client", size_of::<Client>(), 16),
        ("Outbox", size_of::<Outbox>(), 16),
        ("Socket", size_of::<Socket>(), 40),
        ("a socket's row", Slab::<Socket>::SLOT_BYTES, 48),
        ("Member", size_of::<Member>(), 8),
        ("a membership", Rooms::MEMBERSHIP_BYTES, 8),
        ("a timer", Wheel::NODE_BYTES, 24),
        ("Sid", size_of::<Sid>(), 15),
        ("SocketId", size_of::<SocketId>(), 15),
        ("ws::Reader", size_of::<Reader>(), 8),
    ];
    let grown: Vec<_> = sizes.iter().filter(|(_, is, was)| is != was).collect();
    assert!(grown.is_empty(), "(struct, bytes, bytes it had): {grown:?}");
}

#[test]
fn an_idle_client_fits() {
    let sid_index = 4 + 1; // a slot number and hashbrown's control byte, at most 7/8 full
    let bytes = Slab::<Entry>::SLOT_BYTES
        + sid_index * 8 / 7
        + Wheel::NODE_BYTES
        + Slab::<Socket>::SLOT_BYTES
        + size_of::<Member>();
    assert!(bytes <= IDLE_MAX, "{bytes}");
}
