//! A server that does not do what the page says is told of while the run goes on, by the event's name.

use super::server::{Fault, Server};
use super::{fault, program, run, run_and_hear};

fn heard(server: &Server, arguments: &[&str]) -> (String, String) {
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut command = program();
    command
        .args(arguments)
        .args(["--url", &url, "--drain", "0"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = |data: &[u8]| String::from_utf8_lossy(data).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// How many lines, one a second, come before the note, from the first of a phase on.
fn seconds_before(lines: &str, phase: &str, note: &str) -> usize {
    let lines: Vec<_> = lines.lines().collect();
    let first = lines.iter().position(|l| l.contains(phase)).unwrap();
    let told = lines.iter().position(|l| l.contains(note));
    told.unwrap_or_else(|| panic!("not told: {lines:?}"))
        .saturating_sub(first)
}

#[test]
fn an_event_without_an_answer_is_named_while_the_run_goes_on() {
    let server = Server::start(Fault::Silent, 1);
    for (scenario, event) in [
        ("echo", "`echo`"),
        ("ack", "`echo_ack`"),
        ("broadcast", "`broadcast`"),
    ] {
        let flags = [
            scenario, "-c", "5", "--rate", "50", "--secs", "5", "--warmup", "0",
        ];
        let (out, err) = heard(&server, &flags);
        let note = format!("no right answer to {event}");
        // Two seconds after the first message: at most two lines come before it.
        assert!(
            seconds_before(&err, &format!(" {scenario} "), &note) <= 2,
            "{err}"
        );
        assert!(err.contains("docs/LOADGEN.md"), "{err}");
        assert!(
            out.contains(&format!("no right answer to {event} ever came")),
            "{out}"
        );
        assert!(out.contains("What the server must do"), "{out}");
    }
}

#[test]
fn a_room_that_nobody_is_let_into_is_named() {
    let server = Server::start(Fault::Silent, 1);
    let flags = ["rooms", "-c", "5", "--connect-timeout", "4s", "--secs", "1"];
    let (out, err) = heard(&server, &flags);
    assert!(err.contains("no right answer to `join`"), "{err}");
    assert!(
        out.contains("no acknowledgement of `join` in time"),
        "{out}"
    );
}

#[test]
fn something_that_is_no_server_of_socket_io_is_said() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut command = program();
    command.args([
        "echo",
        "-q",
        "-c",
        "2",
        "--connect-timeout",
        "4s",
        "--url",
        &url,
    ]);
    let output = command.output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("no client is connected 2 s after"), "{err}");
}

#[test]
fn lost_and_due_are_sums_of_the_same_time() {
    let server = Server::start(Fault::Silent, 1);
    let flags = ["echo", "--rate", "200", "--warmup", "1", "--secs", "1"];
    let (output, result) = run_and_hear(&server, &flags);
    let due = result["faults"]["due"].as_u64().unwrap();
    let measured = result["total"]["loads"][0]["sent"].as_u64().unwrap();
    assert!(due > measured, "the warm-up is in: {due} and {measured}");
    assert_eq!(fault(&result, "lost"), due, "{result:#}");
    assert_eq!(fault(&result, "sent"), due);
    let text = String::from_utf8_lossy(&output.stdout);
    let shown = stentor_loadgen::report::text::count(u32::try_from(due).unwrap().into());
    let line = format!("lost {shown} of {shown} due in the whole run");
    assert!(text.contains(&line), "{text}");
    // And with answers: what was due is what came and what was lost.
    let server = Server::start(Fault::Drop, 100);
    let (_, result) = run(&server, &flags);
    let sum = fault(&result, "received") + fault(&result, "lost");
    assert_eq!(sum, fault(&result, "due"), "{result:#}");
    assert!(fault(&result, "lost") > 0);
}

#[test]
fn wrong_acknowledgements_are_summed_by_kind() {
    let server = Server::start(Fault::EmptyAcks, 1);
    let flags = ["ack", "-c", "5", "--rate", "200", "--threads", "2"];
    let (output, result) = run_and_hear(&server, &flags);
    let text = String::from_utf8_lossy(&output.stdout);
    let kind = "an acknowledgement with another argument";
    let lines: Vec<_> = text.lines().filter(|l| l.contains(kind)).collect();
    assert_eq!(lines.len(), 1, "{text}");
    let counted = &result["faults"]["examples"][kind]["count"];
    assert_eq!(
        counted.as_u64(),
        Some(fault(&result, "wrong")),
        "{result:#}"
    );
    assert!(lines[0].contains("such as: 3"), "{text}");
}

#[test]
fn idle_shorter_than_a_ping_interval_is_said() {
    let server = Server::start(Fault::None, 1);
    let (output, result) = run_and_hear(&server, &["idle", "-c", "5", "--secs", "1"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("less than the server's ping interval of 25 s"),
        "{text}"
    );
    assert_eq!(result["ping_interval"], 25.0);
}
