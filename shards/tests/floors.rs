//! Answers: does each module of this crate name only modules of lower floors?
//!
//! docs/ARCHITECTURE.md says what the floors are for.

mod arrows;

use arrows::{Source, arrows_up, calls_up, none, sources};

/// From the top.
const FLOORS: &[&[&str]] = &[
    &["server"],
    &["turn"],
    // Neither knows the other: the shard tells the application by a trait.
    &["edge", "handler"],
    &["api"],
    &["shard"],
    &["config", "shared"],
    &["policy"],
    &["client_files", "compress", "discard", "listen", "post"],
    &[
        "clock",
        "entropy",
        "fd_table",
        "handshake",
        "log",
        "mailbox",
        "net",
        "placement",
    ],
    &["address"],
];

#[test]
fn each_module_names_lower_floors_only() {
    none(&arrows_up(&sources(env!("CARGO_MANIFEST_DIR")), FLOORS));
}

#[test]
fn no_floor_calls_what_a_higher_one_gives_to_the_shard() {
    let sources = sources(env!("CARGO_MANIFEST_DIR"));
    // Requests stand beside the tables yet: what they call of the edge is no arrow up.
    let floors: &[&[&str]] = &[&["server"], &["turn"], &["edge", "handler", "api", "shard"]];
    none(&calls_up(&sources, floors, "Shard", "shard"));
}

#[test]
fn an_arrow_up_is_told_with_its_line() {
    let floors: &[&[&str]] = &[&["server"], &["edge", "handler"], &["net"]];
    let sources = [
        Source::new(
            "server.rs",
            "use crate::{edge::{self, http::Body as B}, net};\n",
        ),
        Source::new(
            "edge/http.rs",
            "// crate::server\nuse super::frames;\nuse crate::{\n    net,\n    handler::Call,\n};\n",
        ),
        Source::new(
            "edge/mod.rs",
            "const TEXT: &str = \"crate::server\";\nuse crate::Server;\n",
        ),
        Source::new(
            "handler.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::server;\n}\n",
        ),
        Source::new("net/ws.rs", "fn of() -> super::super::edge::Body {}\n"),
        Source::new("new.rs", ""),
    ];
    let told = arrows_up(&sources, floors);
    let expected = [
        "src/edge/http.rs:5: `handler::Call,`: handler does not stand below edge",
        "src/edge/mod.rs:2: `use crate::Server;`: Server is no module: say in which it is",
        "src/net/ws.rs:1: `fn of() -> super::super::edge::Body {}`: edge does not stand below net",
        "src/new.rs stands on no floor",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_call_up_is_told_with_its_line() {
    let floors: &[&[&str]] = &[&["edge"], &["shard"]];
    let sources = [
        Source::new(
            "edge.rs",
            "\nimpl Shard {\n    pub(crate) fn read(&self) {\n    }\n}\n",
        ),
        Source::new(
            "shard.rs",
            "\nimpl Shard {\n    fn a(&self) {\n        self.read();\n        conn.read();\n    }\n}\n\n\
             fn b(shard: &Shard) {\n    shard.read();\n}\n",
        ),
    ];
    let told = calls_up(&sources, floors, "Shard", "shard");
    let lines: Vec<_> = told
        .iter()
        .map(|t| t.split(": ").next().unwrap_or(""))
        .collect();
    assert_eq!(lines, ["src/shard.rs:4", "src/shard.rs:10"], "{told:?}");
}
