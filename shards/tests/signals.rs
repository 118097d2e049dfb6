//! What SIGTERM and SIGINT do to a server: the first stops it, the second ends the process.
//!
//! The server is this test's own program, run again as a child, as its handlers have to misbehave.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "api/client.rs"]
#[expect(dead_code, reason = "other tests' client")]
mod client;

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use client::Client;
use rustix::process::{Pid, Signal, kill_process};
use stentor::{Running, Signals, prelude::*};

/// Set for the child: which of its ways it goes.
const ROLE: &str = "STENTOR_TEST_ROLE";

fn application(app: &mut App) {
    app.ns("/")
        .on_sync("where", || {
            thread::current().name().unwrap_or_default().to_owned()
        })
        .on_sync("block", || -> NoAck {
            println!("blocked");
            loop {
                thread::park();
            }
        });
}

fn server(stop_timeout: Duration) -> Server {
    Server::new()
        .listen("127.0.0.1:0")
        .shards(2)
        .pin(false)
        .stop_timeout(stop_timeout)
        .app(application)
}

/// As a `main` that is `async` and has `#[tokio::main(flavor = "current_thread")]`.
fn block_on_one_thread<R>(future: impl Future<Output = R>) -> R {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(future)
}

fn serve(stop_timeout: Duration) -> stentor::Result {
    let signals = Signals::catch()?;
    let running: Running = server(stop_timeout).start()?;
    println!("listening on {}", running.address());
    running.wait_for(signals)?;
    running.stop()
}

/// Not a test but the child, if it is told to be.
#[test]
fn child() {
    let ended = match env::var(ROLE).as_deref() {
        Ok("brief") => serve(Duration::ZERO),
        Ok("patient") => serve(Duration::from_hours(1)),
        Ok("tokio") => {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { serve(Duration::ZERO) })
        }
        Ok("serve") => block_on_one_thread(async {
            // What else is on the runtime goes on.
            tokio::spawn(async {
                loop {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    println!("alive");
                }
            });
            let running = server(Duration::ZERO).start()?;
            println!("listening on {}", running.address());
            running.serve().await
        }),
        Ok("run") => block_on_one_thread(async { server(Duration::ZERO).run() }),
        _ => return,
    };
    println!("ended: {ended:?}");
}

struct Served {
    child: Child,
    lines: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Served {
    fn start(role: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let address = rest_of(&mut lines, "listening on ").parse().unwrap();
        Self {
            child,
            lines,
            address,
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What it says at its end, and its status.
    fn end(mut self) -> (String, Option<i32>) {
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        (said, self.child.wait().unwrap().code())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rest of the first line that has `start` in it.
fn rest_of(lines: &mut BufReader<ChildStdout>, start: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "no {start:?}");
        if let Some((_, rest)) = line.split_once(start) {
            return rest.trim().to_owned();
        }
    }
}

#[test]
fn the_first_signal_stops_the_server() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Served::start("patient");
        let mut client = Client::join(server.address);
        server.signal(signal);
        assert_eq!(client.close_frame(), None);
        drop(client);
        let (said, code) = server.end();
        assert!(said.contains("ended: Ok(())"), "{said}");
        assert_eq!(code, Some(0));
    }
}

/// A client that does not answer the close frame is waited for, here for an hour.
#[test]
fn the_second_signal_ends_the_process_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::TERM, Signal::INT),
        (Signal::INT, Signal::TERM),
    ] {
        let server = Served::start("patient");
        let mut client = Client::join(server.address);
        server.signal(first);
        assert_eq!(client.close_frame(), None); // the first has been heard
        server.signal(second);
        let (said, code) = server.end();
        assert!(!said.contains("ended"), "{said}");
        assert_eq!(code, Some(128 + second.as_raw()));
    }
}

#[test]
fn a_handler_that_never_returns_does_not_keep_the_process() {
    let mut server = Served::start("brief");
    let mut client = Client::join(server.address);
    let shard = client.ask(r#"["where"]"#);
    client.emit(r#"["block"]"#);
    rest_of(&mut server.lines, "blocked");
    server.signal(Signal::TERM);
    let (said, code) = server.end();
    let number = shard[0].as_str().unwrap().trim_start_matches("shard-");
    assert!(
        said.contains(&format!(
            "ended: Err(shard {number} is stuck and has not ended)"
        )),
        "{said}"
    );
    assert_eq!(code, Some(0)); // the test program's own
}

#[test]
fn a_server_may_be_run_where_a_runtime_is() {
    let server = Served::start("tokio");
    drop(Client::join(server.address));
    server.signal(Signal::TERM);
    let (said, _) = server.end();
    assert!(said.contains("ended: Ok(())"), "{said}");
}

#[test]
fn a_server_may_be_awaited_on_a_runtime_of_one_thread() {
    let mut server = Served::start("serve");
    drop(Client::join(server.address));
    rest_of(&mut server.lines, "alive");
    rest_of(&mut server.lines, "alive");
    server.signal(Signal::TERM);
    let (said, _) = server.end();
    assert!(said.contains("ended: Ok(())"), "{said}");
}

/// It would keep the runtime from all else: that is said, with what to write instead.
#[test]
fn a_server_does_not_block_a_runtime_of_one_thread() {
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(ROLE, "run")
        .output()
        .unwrap();
    let said = String::from_utf8(child.stdout).unwrap();
    assert!(
        said.contains("ended: Err(this would block") && said.contains("`server.serve().await`"),
        "{said}"
    );
}
