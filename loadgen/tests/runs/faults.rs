//! Every fault of a broken server is found, and none in a correct one.

use super::server::{Fault, Server};
use super::{fault, program, run, run_well};
use serde_json::Value;

const KINDS: [&[&str]; 4] = [
    &["echo", "--rate", "1000", "-c", "20"],
    &["ack", "--rate", "1000", "-c", "20"],
    &["broadcast", "--rate", "50", "-c", "20"],
    &["rooms", "--rate", "100", "-c", "20"],
];

/// Ways to travel, each of which must show every fault.
const WAYS: [&[&str]; 3] = [
    &[],
    &["--websocket", "0", "--polling", "1"],
    &["--websocket", "0", "--upgrading", "1"],
];

#[test]
fn a_correct_server_has_no_faults() {
    let server = Server::start(Fault::None, 1);
    for arguments in KINDS {
        for more in [&[][..], &["--binary"], &["--poisson", "--threads", "2"]] {
            run_well(&server, &[arguments, more].concat());
        }
    }
}

#[test]
fn closed_loops_go_on() {
    let server = Server::start(Fault::None, 1);
    for arguments in [["echo", "--window", "4"], ["broadcast", "--window", "1"]] {
        let result = run_well(&server, &[&arguments[..], &["--threads", "2"]].concat());
        let sent = result["total"]["loads"][0]["sent"].as_u64().unwrap();
        assert!(sent > 10, "{arguments:?} sent {sent} only");
    }
}

#[test]
fn a_window_of_one_keeps_one_message_in_flight() {
    let server = Server::start(Fault::None, 1);
    let flags = ["broadcast", "--window", "1", "-c", "20", "--warmup", "0.5"];
    for threads in ["1", "2"] {
        let result = run_well(&server, &[&flags[..], &["--threads", threads]].concat());
        let (total, load) = (&result["total"], &result["total"]["loads"][0]);
        let number = |value: &Value| value.as_f64().unwrap();
        // Little's law: messages in flight are their rate times the time each takes, however fast
        // or slow the machine is.
        let last = number(&load["last_uncorrected"]["mean"]);
        let in_flight = last * number(&load["sent"]) / number(&total["secs"]);
        assert!((0.3..1.4).contains(&in_flight), "{in_flight} in flight");
    }
}

/// One in 333 payloads goes wrong.
fn is_caught(wrong: Fault, name: &str) {
    for (way, arguments) in WAYS.iter().flat_map(|w| KINDS.map(|k| (*w, k))) {
        if !way.is_empty() && !["echo", "rooms"].contains(&arguments[0]) {
            continue; // which kind it was made no difference to the transport
        }
        let server = Server::start(wrong, 333);
        let arguments = [arguments, way].concat();
        let (code, result) = run(&server, &arguments);
        assert_eq!(code, 1, "{wrong:?} {arguments:?}: {result:#}");
        let faults = &result["faults"];
        assert!(fault(&result, name) > 0, "{arguments:?}: {faults:#}");
        assert!(result["headline"].is_null(), "a wrong server gets none");
    }
}

#[test]
fn lost_messages_are_caught() {
    is_caught(Fault::Drop, "lost");
}

#[test]
fn doubled_messages_are_caught() {
    is_caught(Fault::Duplicate, "duplicated");
}

#[test]
fn reordered_messages_are_caught() {
    is_caught(Fault::Reorder, "reordered");
}

#[test]
fn altered_messages_are_caught() {
    is_caught(Fault::Alter, "wrong");
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
    for (way, reason) in [(WAYS[0], "clos"), (WAYS[1], "HTTP 400"), (WAYS[2], "clos")] {
        let server = Server::start(Fault::HangUp, 333);
        let (code, result) = run(&server, &[KINDS[0], way].concat());
        let disconnects = result["faults"]["disconnects"].as_object().unwrap();
        assert_eq!(code, 1);
        // Either end may be first to notice; a reset is as good a reason.
        let named = |text: &String| text.contains(reason) || text.contains("reset");
        assert!(disconnects.keys().any(named), "{disconnects:?}");
    }
}

#[test]
fn a_server_that_stops_its_heartbeats_is_caught() {
    let server = Server::start(Fault::Mute, 1);
    let (code, result) = run(&server, &["idle", "-c", "5", "--secs", "4"]);
    let disconnects = result["faults"]["disconnects"].to_string();
    assert_eq!(code, 1, "{result:#}");
    assert!(disconnects.contains("no ping"), "{disconnects}");
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
    let closed = result["total"]["closed"].as_u64().unwrap();
    assert!(closed >= 10, "{closed}");
    let (code, result) = run(&server, &["storm", "-c", "40", "--drop", "0.5"]);
    assert_eq!(code, 0, "{result:#}");
    let back = result["total"]["recovery"]["count"].as_u64();
    assert_eq!(back, result["total"]["closed"].as_u64(), "all come back");
    assert!(back.unwrap() >= 15, "{back:?}");
    let headline = result["headline"].as_str().unwrap_or("all back within");
    assert!(headline.contains("all back within"), "{headline}");
}

#[test]
fn slow_readers_fall_behind_and_get_everything_in_the_end() {
    let server = Server::start(Fault::None, 1);
    let slow = ["slow", "-c", "20", "--rate", "50", "--size", "1000"];
    let more = ["--slow", "0.5", "--slow-pause", "0.3"];
    let result = run_well(&server, &[&slow[..], &more].concat());
    let load = &result["total"]["loads"][0];
    let (timed, received) = (&load["latency"]["count"], &load["received"]);
    let share = timed.as_f64().unwrap() / received.as_f64().unwrap();
    assert!((0.4..0.7).contains(&share), "half of them are not timed");
}

#[test]
fn a_refused_connection_is_named() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let output = program().args(["echo", "-q", "--url", &url]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.to_lowercase().contains("refused"), "{text}");
}
