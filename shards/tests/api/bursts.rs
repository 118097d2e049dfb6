//! Much is said at once to clients that read: they get all of it. And a handler goes as fast as its
//! client, if it wants to.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use serde_json::json;
use socket2::{Domain, Socket as RawSocket, Type};
use stentor::{Limits, prelude::*};

use crate::{Client, SHARD_COUNTS, channel, client, server};

/// A connection whose kernel takes little at once, as on a real network.
fn narrow(address: SocketAddr) -> TcpStream {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_tcp_mss(1400).unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(client::PATIENCE)).unwrap();
    stream
}

fn over(stream: TcpStream) -> Client {
    let target = "/socket.io/?EIO=4&transport=websocket";
    let ws = client::upgrade(stream, target).unwrap();
    Client::join_over(ws, "/", "").unwrap()
}

/// What requests of a new polling session ask for.
fn polled(address: SocketAddr) -> String {
    let target = "/socket.io/?EIO=4&transport=polling";
    let (_, open) = client::http(address, &format!("GET {target}"), "");
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    format!("{target}&sid={}", open["sid"].as_str().unwrap())
}

fn history(app: &mut App) {
    app.ns("/")
        .on_sync("history", |s: Socket, Data(rows): Data<u32>| {
            let row = "r".repeat(1000);
            for nth in 0..rows {
                let _ = s.emit("row", Args((nth, row.as_str())));
            }
        });
}

#[test]
fn a_long_history_reaches_a_client_that_reads() {
    const ROWS: u32 = 6_000;
    for shards in SHARD_COUNTS {
        let running = server(shards).app(history).start().unwrap();
        let mut client = over(narrow(running.address()));
        client.emit(&format!(r#"["history",{ROWS}]"#));
        for nth in 0..ROWS {
            assert_eq!(client.event()[1], json!(nth));
        }
        running.stop().unwrap();
    }
}

#[test]
fn a_long_history_reaches_a_client_that_polls() {
    const ROWS: usize = 3_000;
    let running = server(1).app(history).start().unwrap();
    let target = polled(running.address());
    let post = |body: &str| {
        let answer = client::http(running.address(), &format!("POST {target}"), body);
        assert_eq!(answer, (200, "ok".to_owned()));
    };
    post("40");
    post(&format!(r#"42["history",{ROWS}]"#));
    let mut rows = 0;
    while rows < ROWS {
        let (status, body) = client::http(running.address(), &format!("GET {target}"), "");
        assert_eq!(status, 200, "after {rows} rows");
        for packet in body
            .split('\u{1e}')
            .filter(|packet| packet.starts_with("42"))
        {
            assert!(packet.starts_with(&format!(r#"42["row",{rows},"#)));
            rows += 1;
        }
    }
    running.stop().unwrap();
}

/// More than a hard cap's worth of answers in all: nothing is read from the client while too many wait.
#[test]
fn a_client_whose_answers_wait_is_not_read_from() {
    const ECHOES: usize = 100;
    let limits = Limits {
        outbox_bytes: 100_000,
        ..Limits::default()
    };
    let app = |app: &mut App| {
        app.ns("/")
            .on_sync("echo", |s: Socket, args: Raw| s.emit("echo", args));
    };
    let running = server(1).limits(limits).app(app).start().unwrap();
    let mut client = over(narrow(running.address()));
    let mut write = client.stream().try_clone().unwrap();
    let text = "x".repeat(90_000);
    let sends = thread::spawn(move || {
        for nth in 0..ECHOES {
            let packet = format!(r#"42["echo",{nth},"{text}"]"#);
            client::write_text(&mut write, &packet);
        }
    });
    thread::sleep(Duration::from_millis(300)); // it begins to read when many answers could wait
    for nth in 0..ECHOES {
        assert_eq!(client.event()[1], json!(nth));
    }
    sends.join().unwrap();
    running.stop().unwrap();
}

#[test]
fn a_handler_goes_as_fast_as_its_client() {
    const PIECES: u32 = 40;
    let (told, most) = channel();
    let app = move |app: &mut App| {
        let told = told.clone();
        app.ns("/").on("pieces", async move |s: Socket| {
            let piece = "p".repeat(200_000);
            let mut most = 0;
            for nth in 0..PIECES {
                let _ = s.emit("piece", Args((nth, piece.as_str())));
                if !s.drained().await {
                    return;
                }
                most = most.max(s.backlog());
            }
            told.send(most).unwrap();
        });
    };
    let running = server(1).app(app).start().unwrap();
    let mut client = over(narrow(running.address()));
    client.emit(r#"["pieces"]"#);
    for nth in 0..PIECES {
        assert_eq!(client.event()[1], json!(nth));
    }
    assert_eq!(most.recv_timeout(client::PATIENCE).unwrap(), 0);
    running.stop().unwrap();
}

#[test]
fn who_waits_for_a_client_that_goes_is_told() {
    let (told, gone) = channel();
    let app = move |app: &mut App| {
        let told = told.clone();
        app.ns("/").on("much", async move |s: Socket| {
            let _ = s.emit("much", "m".repeat(8_000_000));
            told.send(None).unwrap();
            told.send(Some(s.drained().await)).unwrap();
        });
    };
    let running = server(1).app(app).start().unwrap();
    let mut client = over(narrow(running.address()));
    client.emit(r#"["much"]"#);
    assert_eq!(gone.recv_timeout(client::PATIENCE).unwrap(), None);
    client.stream().read_exact(&mut [0; 1000]).unwrap();
    client.vanish();
    assert_eq!(gone.recv_timeout(client::PATIENCE).unwrap(), Some(false));
    running.stop().unwrap();
}

/// Questions whose answers are far more than the outbox of [`asked_by_posts`] may hold.
const ASKED: usize = 30;

/// A POST's status, from a connection that stays.
fn posted(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer[9..12]).into_owned()
}

/// A client that polls asks by POSTs for more than its outbox holds, and fetches more slowly than it asks:
/// its POSTs wait for it. `ask` is given the server's address, a POST's first line and its body.
fn asked_by_posts(ask: fn(SocketAddr, &str, &str)) {
    for shards in SHARD_COUNTS {
        let limits = Limits {
            outbox_bytes: 100_000, // 16 times that is the end; a turn reads a megabyte
            ..Limits::default()
        };
        let echo = |app: &mut App| {
            app.ns("/")
                .on_sync("echo", |s: Socket, Data(d): Data<String>| {
                    s.emit("echo", d).unwrap();
                });
        };
        let running = server(shards).limits(limits).app(echo).start().unwrap();
        let address = running.address();
        let target = polled(address);
        let post = format!("POST {target}");
        client::http(address, &post, "40");
        let question = format!(r#"42["echo","{}"]"#, "q".repeat(90_000));
        let asks = thread::spawn(move || ask(address, &post, &question));
        let mut answers = 0;
        while answers < ASKED {
            thread::sleep(Duration::from_millis(400));
            let (status, body) = client::http(address, &format!("GET {target}"), "");
            assert_eq!(status, 200, "{answers} answers");
            answers += body.matches("echo").count();
        }
        asks.join().unwrap();
        running.stop().unwrap();
    }
}

fn request(post: &str, body: &str) -> String {
    let length = body.len();
    format!("{post} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Over a connection that stays, and over new ones that hyper serves.
#[test]
fn a_client_that_posts_faster_than_it_polls_has_all_its_answers() {
    asked_by_posts(|address, post, question| {
        let mut kept = TcpStream::connect(address).unwrap();
        for nth in 0..ASKED {
            if nth % 2 == 0 {
                kept.write_all(request(post, question).as_bytes()).unwrap();
                assert_eq!(posted(&mut kept), "200", "POST {nth}");
            } else {
                let (status, _) = client::http(address, post, question);
                assert_eq!(status, 200, "POST {nth}");
            }
        }
    });
}

/// More comes behind a POST that waits than is read meanwhile.
#[test]
fn what_comes_behind_a_post_that_waits_is_handled_after_it() {
    asked_by_posts(|address, post, question| {
        let mut kept = TcpStream::connect(address).unwrap();
        let all = request(post, question).repeat(ASKED);
        kept.write_all(all.as_bytes()).unwrap();
        for nth in 0..ASKED {
            assert_eq!(posted(&mut kept), "200", "POST {nth}");
        }
    });
}

/// A pong stands in a POST that waits: the client has sent it in time.
#[test]
fn a_pong_in_a_post_that_waits_is_in_time() {
    /// Less than a POST waits at most where a pong has more time.
    const PONG_WAIT: Duration = Duration::from_millis(1_900);
    let limits = Limits {
        outbox_bytes: 1_000,
        ..Limits::default()
    };
    let app = |app: &mut App| {
        app.ns("/").on_sync("much", |s: Socket| {
            for _ in 0..4 {
                s.emit("row", "r".repeat(1_000)).unwrap();
            }
        });
    };
    let server = server(1).limits(limits).app(app);
    let server = server.ping_interval(Duration::from_secs(1));
    let running = server.ping_timeout(PONG_WAIT).start().unwrap();
    let address = running.address();
    let target = polled(address);
    let (get, post) = (format!("GET {target}"), format!("POST {target}"));
    client::http(address, &post, "40");
    while client::http(address, &get, "").1 != "2" {}
    client::http(address, &post, r#"42["much"]"#);
    assert_eq!(
        client::http(address, &post, "3\u{1e}42[\"much\"]"),
        (200, "ok".to_owned())
    );
    let (status, rows) = client::http(address, &get, "");
    assert_eq!((status, rows.matches("row").count()), (200, 8));
    running.stop().unwrap();
}
