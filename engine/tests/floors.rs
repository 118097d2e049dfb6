//! Answers: does each module of the core name only modules of lower floors, and do the two protocols not know
//! each other?

#[path = "../../shards/tests/arrows/mod.rs"]
mod arrows;

use arrows::{arrows_up, none, sources};

/// From the top.
const FLOORS: &[&[&str]] = &[
    &["sim"],
    &["hub"],
    // Knows the forms of a packet, and of those the payload of a poll.
    &["out"],
    // Of one floor, so that neither knows the other.
    &["eio", "room", "sio"],
    &["config", "id", "slab", "wheel"],
    &["chunks", "error", "frame", "hash", "limits", "time"],
];

#[test]
fn each_module_names_lower_floors_only() {
    none(&arrows_up(&sources(env!("CARGO_MANIFEST_DIR")), FLOORS));
}
