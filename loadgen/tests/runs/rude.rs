//! What the rude scenarios say of servers of which it is known.

use crate::program;
use crate::server::{Fault, Server};
use std::process::Output;

/// Plays a scenario, small and short.
fn play(server: &Server, scene: &str, clients: &str) -> Output {
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut command = program();
    command.args(["rude", scene, "--url", &url, "--name", "tiny"]);
    command.args(["--clients", clients, "--secs", "1"]);
    command.output().unwrap()
}

#[test]
fn polite_clients_of_a_sound_server_are_answered() {
    let server = Server::start(Fault::None, 1);
    let output = play(&server, "broadcast", "5");
    let said = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}{err}");
    assert!(
        said.starts_with("| a broadcast a second to 5 | tiny |"),
        "{said}"
    );
    assert!(said.contains("unanswered 0; received 5 of 5;"), "{said}");
    assert!(said.contains("closed 0 |"), "{said}");
}

/// Polite clients lose their connections: that is a fault, whatever else goes on.
#[test]
fn a_server_that_hangs_up_is_told_of() {
    let server = Server::start(Fault::HangUp, 50);
    let output = play(&server, "broadcast", "5");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("closed 0 |"), "{said}");
}
