//! The shape of the sources: no module names one above it, no file is too long, each begins with its question.

#[path = "../../shards/tests/arrows/mod.rs"]
mod arrows;

use arrows::{arrows_up, none, sources};

/// From the top. A module names those of lower floors only, so that there is no cycle.
const FLOORS: &[&[&str]] = &[
    &["versus"],
    &["cli", "screen"],
    &["compare", "run"],
    &["report", "rude", "swarm"],
    &["limits", "stats"],
    &["observe", "plan"],
    &["net", "proto"],
    &["bootstrap", "clock", "sys", "units"],
];

#[test]
fn each_module_names_lower_floors_only() {
    none(&arrows_up(&sources(env!("CARGO_MANIFEST_DIR")), FLOORS));
}

#[test]
fn files_are_short_and_begin_with_their_question() {
    for source in sources(env!("CARGO_MANIFEST_DIR")) {
        let (name, text) = (source.name, source.text);
        let lines = text.lines().count();
        assert!(lines <= 500, "{name} has {lines} lines");
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! Answers: "),
            "{name} begins with {first:?}"
        );
    }
}
