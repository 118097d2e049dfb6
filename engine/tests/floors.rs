//! Answers: does each module of the core name only modules of lower floors, and do the two protocols not know
//! each other?

#[path = "../../shards/tests/arrows/mod.rs"]
mod arrows;

use arrows::{arrows_up, none, sources};

/// From the top.
const FLOORS: &[&[&str]] = &[
    &["sim"],
    &["hub"],
    // Of one floor, so that neither knows the other.
    &["eio", "room", "sio"],
    &["config", "id", "out", "slab", "wheel"],
    &["chunks", "error", "frame", "hash", "limits", "time"],
];

#[test]
fn each_module_names_lower_floors_only() {
    none(&arrows_up(&sources(env!("CARGO_MANIFEST_DIR")), FLOORS));
}
