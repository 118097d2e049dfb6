//! Shards with descriptor tables of their own: connections and mail still cross between them.
//!
//! This is the test that `fd_table.rs` names for its one unsafe call: were a descriptor used by a
//! number that means another file in another table, requests would be lost or reach a stranger.

#![expect(clippy::unwrap_used, reason = "tests")]

mod child;
#[path = "child/polling.rs"]
mod polling;

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    process::Command,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use child::Server;
use polling::{read, send};
use stentor::{AckError, EmitError, FdTables, ServerError};

/// A table for each shard.
#[expect(unsafe_code, reason = "the mode under test asks for a promise")]
fn apart() -> FdTables {
    // SAFETY: what these tests' handlers share is `std`'s channels, and no other thread of this process
    // uses what a shard has opened.
    unsafe { FdTables::per_shard() }
}

#[test]
fn requests_reach_their_session_whatever_shard_accepts_them() {
    let server = Server::start(
        &[
            "contract-server",
            "--shards",
            "4",
            "--fd-tables",
            "per-shard",
        ],
        |_| (),
    );
    let sessions: Vec<_> = (0..8).map(|_| server.join()).collect();
    for (nth, sid) in sessions.iter().cycle().take(64).enumerate() {
        let event = format!(r#"42["echo",{nth}]"#);
        assert_eq!(server.request("POST", sid, &event), "ok");
        assert_eq!(server.request("GET", sid, ""), event);
    }
}

#[test]
fn broadcasts_reach_every_shard() {
    let server = Server::start(
        &[
            "contract-server",
            "--shards",
            "4",
            "--fd-tables",
            "per-shard",
        ],
        |_| (),
    );
    let sessions: Vec<_> = (0..16).map(|_| server.join()).collect();
    server.request("POST", &sessions[0], r#"42["broadcast","all"]"#);
    for sid in &sessions {
        assert_eq!(server.request("GET", sid, ""), r#"42["broadcast","all"]"#);
    }
}

/// The first shard accepts them, and deals them to tables that do not have them.
#[test]
fn connections_of_a_unix_socket_reach_every_shard() {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let path = std::env::temp_dir().join(format!("stentor-fd-tables-{}", std::process::id()));
    let unix = path.to_str().unwrap();
    let arguments = ["contract-server", "--shards", "4", "--unix", unix];
    let arguments = [&arguments[..], &["--fd-tables", "per-shard"]].concat();
    let server = Server::start(&arguments, |_| ());
    let mut shards = std::collections::BTreeSet::new();
    for nth in 0..16 {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        write!(
            stream,
            "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let sid = response.split("\"sid\":\"").nth(1).unwrap();
        let sid = sid.split('"').next().unwrap();
        // The first byte, in the first two of 64 letters, is the shard on which it began.
        shards.insert(LETTERS.find(&sid[1..2]).unwrap() / 16);
        let sid = format!("&sid={sid}");
        assert_eq!(server.request("POST", &sid, "40"), "ok");
        assert!(server.request("GET", &sid, "").starts_with("40{"), "{nth}");
    }
    assert_eq!(shards.len(), 4, "{shards:?}");
    drop(server);
    let _ = fs::remove_file(&path); // it was killed
}

/// The main thread's table still has the listener, which must not look alive.
#[test]
fn one_shard_parts_by_itself_and_refuses_clients_while_it_stops() {
    let mut server = Server::start(&["contract-server", "--shards", "1"], |_| ());
    let mut socket = TcpStream::connect(server.address).unwrap();
    let query = "EIO=4&transport=websocket";
    write!(
        socket,
        "GET /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    .unwrap();
    let mut bytes = [0; 4096];
    assert!(socket.read(&mut bytes).unwrap() > 0);
    let idle: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(server.address))
        .collect();
    server.join(); // they have been accepted
    let pid = server.child.id();
    let table = |thread: &str| fs::read_dir(format!("/proc/{pid}/{thread}/fd")).unwrap();
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let own = threads.map(|thread| {
        let id = thread.unwrap().file_name();
        table(&format!("task/{}", id.display())).count()
    });
    assert!(own.max().unwrap() >= table(".").count() + 20);
    drop(idle);

    let kill = Command::new("kill").arg(pid.to_string()).status();
    assert!(kill.unwrap().success());
    assert!(socket.read(&mut bytes).unwrap() > 0); // a close frame, which is left unanswered
    let refused = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(socket);
    assert!(server.child.wait().unwrap().success());
}

/// While a shard is busy, more connections are handed to it than a Unix socket holds. The test's own
/// server, so that a handler can be told when to return.
#[test]
fn more_connections_at_once_than_a_passage_holds() {
    const CONNECTIONS: usize = 900; // the kernel gives about half of them to either shard
    let (tell, told) = mpsc::sync_channel(1);
    let (go, wait) = mpsc::channel();
    let wait = Arc::new(Mutex::new(wait));
    let running = stentor::Server::new()
        .listen("127.0.0.1:0")
        .shards(2)
        .pin(false)
        .fd_tables(apart())
        .app(move |app| {
            let (tell, wait) = (tell.clone(), Arc::clone(&wait));
            app.ns("/").on_sync("block", move || {
                tell.send(()).unwrap();
                let () = wait.lock().unwrap().recv().unwrap();
            });
        })
        .start()
        .unwrap();
    let at = running.address();
    let open = read(send(at, "GET", "", ""));
    let sid = format!("&sid={}", open.split('"').nth(3).unwrap());
    read(send(at, "POST", &sid, "40"));
    let block = send(at, "POST", &sid, r#"42["block"]"#);
    told.recv().unwrap();
    let stranger = format!("{}{}", &sid[..7], "A".repeat(18)); // of the same shard
    let all: Vec<_> = (0..CONNECTIONS)
        .map(|_| send(at, "GET", &stranger, ""))
        .collect();
    thread::sleep(Duration::from_millis(500)); // till the other shard has done what it can
    go.send(()).unwrap();
    for stream in all {
        let response = read(stream);
        assert!(response.ends_with(r#""Session ID unknown"}"#), "{response}");
    }
    assert!(read(block).ends_with("ok"));
    running.stop().unwrap();
}

/// Answers, and signals, would have to wake the thread by a descriptor that the shards do not have.
#[test]
fn threads_that_are_no_shard_cannot_ask_nor_wait_for_signals() {
    let server = stentor::Server::new().listen("127.0.0.1:0").shards(2);
    let server = server.fd_tables(apart()).app(|app| {
        app.ns("/");
    });
    let running = server.start().unwrap();
    let io = running.io();
    io.emit("heard", ()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let ids = runtime.unwrap().block_on(io.all().ids());
    assert!(matches!(ids, Err(EmitError::OnlyHandlers)), "{ids:?}");
    let asked = io.all().call::<()>("q", ()).error();
    assert!(matches!(asked, Some(AckError::OnlyHandlers)), "{asked:?}");
    let waited = running.wait_for_signal();
    assert!(
        matches!(waited, Err(ServerError::SignalsTooLate)),
        "{waited:?}"
    );
    running.stop().unwrap();
}

/// The third shard's thread cannot be made: its stack does not fit. The other two wait for it.
#[test]
fn a_thread_that_cannot_start_fails_the_start() {
    let gib = 1 << 30;
    let command = format!(
        "ulimit -v {} && exec {} contract-server --port 0 --shards 4 --fd-tables per-shard",
        10 * (gib / 1024),
        env!("CARGO_BIN_EXE_stentor")
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .env("RUST_MIN_STACK", (4_u64 * gib).to_string())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("cannot start a shard: no thread for shard 2"),
        "{said}"
    );
}
