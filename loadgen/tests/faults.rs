//! The generator finds every fault of a broken server, and none in a correct one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;

use serde_json::Value;
use server::{Fault, Server};
use std::process::Command;

/// Runs the program against a server; gives its exit code and result.
fn run(server: &Server, arguments: &[&str]) -> (i32, Value) {
    let path = std::env::temp_dir().join(format!("loadgen-{}.json", server.port));
    let url = format!("http://127.0.0.1:{}", server.port);
    let output = Command::new(env!("CARGO_BIN_EXE_stentor-loadgen"))
        .args(arguments)
        .args([
            "--url", &url, "--quiet", "--secs", "1", "--warmup", "0", "--drain", "2",
        ])
        .arg("--json")
        .arg(&path)
        .output()
        .unwrap();
    let text = std::fs::read(&path).unwrap_or_else(|_| panic!("no result: {output:?}"));
    std::fs::remove_file(&path).unwrap();
    (
        output.status.code().unwrap(),
        serde_json::from_slice(&text).unwrap(),
    )
}

fn fault(result: &Value, name: &str) -> u64 {
    result["faults"][name].as_u64().unwrap()
}

const KINDS: [&[&str]; 4] = [
    &["echo", "--rate", "1000", "-c", "20"],
    &["ack", "--rate", "1000", "-c", "20"],
    &["broadcast", "--rate", "50", "-c", "20"],
    &["rooms", "--rate", "100", "-c", "20"],
];

#[test]
fn a_correct_server_has_no_faults() {
    let server = Server::start(Fault::None, 1);
    for arguments in KINDS {
        for more in [&[][..], &["--binary"], &["--poisson", "--threads", "2"]] {
            let all = [arguments, more].concat();
            let (code, result) = run(&server, &all);
            assert_eq!(
                (code, result["ok"].as_bool()),
                (0, Some(true)),
                "{all:?}: {result:#}"
            );
            let load = &result["total"]["loads"][0];
            let due = if load["expected"] == 0 {
                &load["sent"]
            } else {
                &load["expected"]
            };
            assert_eq!(&load["received"], due, "{all:?}");
        }
    }
}

#[test]
fn closed_loops_go_on() {
    let server = Server::start(Fault::None, 1);
    for arguments in [["echo", "--window", "4"], ["broadcast", "--window", "1"]] {
        let (code, result) = run(&server, &[&arguments[..], &["--threads", "2"]].concat());
        assert_eq!(code, 0, "{result:#}");
        let sent = result["total"]["loads"][0]["sent"].as_u64().unwrap();
        assert!(sent > 10, "{arguments:?} sent {sent} only");
    }
}

#[test]
fn one_in_a_thousand_is_caught() {
    for (wrong, name) in [
        (Fault::Drop, "lost"),
        (Fault::Duplicate, "duplicated"),
        (Fault::Reorder, "reordered"),
        (Fault::Alter, "wrong"),
    ] {
        let server = Server::start(wrong, 333);
        for arguments in KINDS {
            let (code, result) = run(&server, arguments);
            assert_eq!(code, 1, "{wrong:?} {arguments:?}: {result:#}");
            assert!(
                fault(&result, name) > 0,
                "{wrong:?} {arguments:?}: {:#}",
                result["faults"]
            );
            assert!(
                result["headline"].is_null(),
                "a wrong server gets no headline"
            );
        }
    }
}

#[test]
fn leaks_between_rooms_are_caught() {
    let server = Server::start(Fault::Leak, 1);
    let (code, result) = run(&server, KINDS[3]);
    assert_eq!(code, 1);
    let examples = result["faults"]["examples"].to_string();
    assert!(examples.contains("another room"), "{examples}");
}

#[test]
fn lost_connections_are_caught_with_their_reason() {
    let server = Server::start(Fault::HangUp, 333);
    let (code, result) = run(&server, KINDS[0]);
    assert_eq!(code, 1);
    let disconnects = result["faults"]["disconnects"].as_object().unwrap();
    assert!(!disconnects.is_empty(), "{result:#}");
}

#[test]
fn a_flood_may_lose() {
    let server = Server::start(Fault::Drop, 10);
    let (code, result) = run(&server, &["flood", "--rate", "50", "-c", "20"]);
    assert_eq!((code, fault(&result, "lost")), (0, 0), "{result:#}");
    assert!(fault(&result, "tolerated") > 0);
}

#[test]
fn clients_that_come_and_go_are_no_fault() {
    let server = Server::start(Fault::None, 1);
    let (code, result) = run(&server, &["churn", "-c", "40", "--churn", "1200"]);
    assert_eq!(code, 0, "{result:#}");
    assert!(
        result["total"]["closed"].as_u64().unwrap() >= 10,
        "{:#}",
        result["total"]
    );
    let (code, result) = run(&server, &["storm", "-c", "40", "--drop", "0.5"]);
    assert_eq!(code, 0, "{result:#}");
    let back = result["total"]["recovery"]["count"].as_u64().unwrap();
    assert_eq!(
        Some(back),
        result["total"]["closed"].as_u64(),
        "all come back"
    );
    assert!(back >= 15, "{back}");
}

#[test]
fn thresholds_decide_the_exit_code() {
    let server = Server::start(Fault::None, 1);
    let (code, _) = run(&server, &["echo", "-t", "lost == 0", "-t", "echo.rate > 1"]);
    assert_eq!(code, 0);
    let (code, result) = run(&server, &["echo", "-t", "clients > 1000000"]);
    assert_eq!(
        (code, &result["thresholds"][0]["ok"]),
        (1, &Value::Bool(false))
    );
}

#[test]
fn a_refused_connection_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let output = Command::new(env!("CARGO_BIN_EXE_stentor-loadgen"))
        .args(["echo", "-q", "--url", &format!("http://127.0.0.1:{port}")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.to_lowercase().contains("refused"), "{text}");
}
