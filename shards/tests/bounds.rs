//! What many clients together can make a server hold, in a process of its own, by its memory.
//!
//! Each test sends many times more than the bound that it sets; without the bound the server would hold it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod child;

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use child::Server;

const PATIENCE: Duration = Duration::from_mins(1);
/// A peer that takes no more shows it by taking nothing for so long.
const TAKES_NO_MORE: Duration = Duration::from_millis(500);
/// Clients of the tests of the budget, and what each makes the server hold: 180 MB without one.
const CLIENTS: usize = 200;
const PIECE: usize = 900_000;
/// The budget that they have.
const BUDGET: &str = "--held-bytes=16777216";
/// By how much the server may grow that has it, in KiB: what it frees does not go back to the system at once.
const GROWS_AT_MOST: u64 = 96 << 10;

/// A server on which nothing happens by itself, however slow the machine.
fn start(arguments: &[&str]) -> Server {
    let calm = [
        "contract-server",
        "--shards=1",
        "--ping-interval=600000",
        "--ping-timeout=600000",
        "--connect-timeout=600000",
        "--http-idle-wait=600000",
        "--http-piece-wait=600000",
        "--http-body-wait=600000",
    ];
    Server::start(&[&calm, arguments].concat(), |_| {})
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(TAKES_NO_MORE)).unwrap();
        stream
    }

    /// A figure of /proc/PID/status in KiB.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The server's memory stays within bounds during `act`, which it survives.
    fn stays_small<R>(&self, act: impl FnOnce() -> R) -> R {
        drop(Ws::joined(self));
        let before = self.memory("VmRSS");
        let result = act();
        Ws::joined(self).echoes();
        let peak = self.memory("VmHWM");
        assert!(
            peak < before + GROWS_AT_MOST,
            "{before} KiB before, {peak} KiB at the peak"
        );
        result
    }
}

/// What is sent, if the server takes it all.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    match stream.write_all(bytes) {
        Ok(()) => true,
        Err(error) => {
            let kinds = [
                ErrorKind::WouldBlock,
                ErrorKind::ConnectionReset,
                ErrorKind::BrokenPipe,
            ];
            assert!(kinds.contains(&error.kind()), "{error}");
            false
        }
    }
}

/// A response's status and body.
fn response(stream: &mut TcpStream) -> Option<(u16, String)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").unwrap();
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let status = head[9..12].parse().unwrap();
    Some((status, String::from_utf8(body).unwrap()))
}

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn post(target: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A long-polling client with one connection.
struct Polling {
    stream: TcpStream,
    target: String,
}

impl Polling {
    fn open(server: &Server) -> Self {
        let mut stream = server.connect();
        stream.write_all(get(POLL).as_bytes()).unwrap();
        let (status, body) = response(&mut stream).unwrap();
        assert_eq!(status, 200, "{body}");
        let (_, sid) = body.split_once(r#""sid":""#).unwrap();
        let (sid, _) = sid.split_once('"').unwrap();
        let target = format!("{POLL}&sid={sid}");
        Self { stream, target }
    }

    fn joined(server: &Server) -> Self {
        let mut client = Self::open(server);
        assert_eq!(client.ask(&post(&client.target, "40")), (200, "ok".into()));
        let (_, body) = client.ask(&get(&client.target));
        assert!(body.starts_with("40{"), "{body}");
        client
    }

    fn ask(&mut self, request: &str) -> (u16, String) {
        self.stream.write_all(request.as_bytes()).unwrap();
        response(&mut self.stream).unwrap()
    }
}

/// A WebSocket client.
struct Ws(TcpStream);

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ ..=65_535 => {
            frame.push(0xfe);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]); // masked by zeros
    frame.extend(payload);
    frame
}

impl Ws {
    fn joined(server: &Server) -> Self {
        let mut ws = Self(server.connect());
        let upgrade = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n\
                       Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        ws.0.write_all(upgrade.as_bytes()).unwrap();
        ws.text("40");
        ws.until("42[\"auth\",{}]");
        ws
    }

    fn text(&mut self, packet: &str) -> bool {
        send(&mut self.0, &frame(0x81, packet.as_bytes()))
    }

    /// Reads until this has come; all that was read.
    fn until(&mut self, end: &str) -> String {
        let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
        while !seen.windows(end.len()).any(|bytes| bytes == end.as_bytes()) {
            let n = self.0.read(&mut buffer).unwrap();
            assert!(n > 0, "closed after {}", seen.escape_ascii());
            seen.extend_from_slice(&buffer[..n]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    }

    fn echoes(&mut self) {
        assert!(self.text(r#"42["echo","well"]"#));
        self.until(r#"42["echo","well"]"#);
    }

    /// Whether the server has closed it.
    fn is_closed(&mut self) -> bool {
        self.0.set_read_timeout(Some(TAKES_NO_MORE)).unwrap();
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }
}

/// Thousands of handshakes on one connection, each with a head of 15 KB of bytes that are no text: the
/// connection is told "no" after 64, an address after as many as it may have, a shard too.
#[test]
fn sessions_that_cost_their_client_nothing() {
    let server = start(&["--unjoined-sessions=400", "--unjoined-per-address=300"]);
    let mut handshake = format!("GET {POLL} HTTP/1.1\r\nHost: x\r\nX-Long: ").into_bytes();
    handshake.extend([0xff; 15_000]);
    handshake.extend(b"\r\n\r\n");
    let begin = |count: usize| {
        let mut stream = server.connect();
        let mut writer = stream.try_clone().unwrap();
        let handshake = handshake.clone();
        let writing = thread::spawn(move || {
            (0..count)
                .take_while(|_| send(&mut writer, &handshake))
                .count()
        });
        let mut statuses = Vec::new();
        while let Some((status, _)) = response(&mut stream) {
            statuses.push(status);
            if statuses.len() == count {
                stream.shutdown(Shutdown::Both).unwrap();
            }
        }
        writing.join().unwrap();
        statuses
    };
    server.stays_small(|| {
        let first = begin(5_000);
        assert_eq!(first.len(), 65);
        assert!(first[..64].iter().all(|status| *status == 200));
        assert_eq!(first[64], 429);
        let others: Vec<_> = (0..20).flat_map(|_| begin(64)).collect();
        let granted = others.iter().filter(|status| **status == 200).count();
        assert_eq!(granted, 300 - 64, "of one address");
        assert!(others.iter().all(|status| matches!(status, 200 | 429)));
    });
    // Those who pay with a connection get in, and make no room scarcer.
    let mut ws = Ws::joined(&server);
    ws.echoes();
}

/// Who uses the sessions that it begins may begin as many as it likes, over one connection too, as a
/// proxy does.
#[test]
fn sessions_that_join_are_not_counted() {
    let limits = [
        "--unjoined-sessions=4",
        "--unjoined-per-address=4",
        "--unjoined-per-connection=4",
    ];
    let server = start(&limits);
    let mut client = Polling::joined(&server);
    for _ in 0..50 {
        let (status, body) = client.ask(&get(POLL));
        assert_eq!(status, 200, "{body}");
        let (_, sid) = body.split_once(r#""sid":""#).unwrap();
        let (sid, _) = sid.split_once('"').unwrap();
        let answer = client.ask(&post(&format!("{POLL}&sid={sid}"), "40"));
        assert_eq!(answer, (200, "ok".into()));
    }
    // Sessions that are closed before they join make room as well.
    for _ in 0..50 {
        let mut client = Polling::open(&server);
        let close = post(&client.target, "1");
        assert_eq!(client.ask(&close).0, 200);
    }
    for _ in 0..50 {
        // A packet for a namespace that it is not in ends the session politely.
        let mut client = Polling::open(&server);
        let wrong = post(&client.target, "42[\"x\"]");
        client.ask(&wrong);
        let (_, body) = client.ask(&get(&client.target));
        assert!(body.ends_with('1'), "{body}");
    }
}

#[test]
fn unfinished_posts() {
    let server = start(&[BUDGET]);
    let body = "4".repeat(PIECE);
    server.stays_small(|| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Polling::joined(&server)).collect();
        for client in &mut clients {
            let request = post(&client.target, &body);
            let request = request.replace("Content-Length: 900000", "Content-Length: 999999");
            send(&mut client.stream, request.as_bytes());
        }
        half_hear(&clients.iter().map(|client| &client.stream));
        let answered = clients.iter_mut().filter_map(|client| {
            let wait = Some(Duration::from_millis(20));
            client.stream.set_read_timeout(wait).unwrap();
            response(&mut client.stream)
        });
        let answers: Vec<_> = answered.map(|(status, _)| status).collect();
        assert!(answers.iter().all(|status| *status == 503), "{answers:?}");
        assert!(answers.len() < CLIENTS, "not all are refused");
    });
}

/// It is not read: TCP waits, and it goes on when the GET has been answered. No budget is needed for it.
#[test]
fn what_comes_behind_a_get_that_waits() {
    let server = start(&[]);
    let message = format!("42[\"echo\",\"{}\"]", "x".repeat(PIECE));
    let mut clients = server.stays_small(|| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Polling::joined(&server)).collect();
        for client in &mut clients {
            let waits = get(&client.target);
            let behind = post(&client.target, &message);
            client.stream.write_all(waits.as_bytes()).unwrap();
            let mut writer = client.stream.try_clone().unwrap();
            writer.set_write_timeout(Some(PATIENCE)).unwrap();
            thread::spawn(move || send(&mut writer, behind.as_bytes()));
        }
        thread::sleep(Duration::from_secs(2));
        clients
    });
    let client = &mut clients[0];
    let mut other = server.connect();
    let echo = post(&client.target, "42[\"echo\",\"now\"]");
    other.write_all(echo.as_bytes()).unwrap();
    assert_eq!(response(&mut other), Some((200, "ok".into())));
    let (status, body) = response(&mut client.stream).unwrap();
    assert_eq!((status, body.as_str()), (200, "42[\"echo\",\"now\"]"));
    assert_eq!(response(&mut client.stream), Some((200, "ok".into())));
    let (_, body) = client.ask(&get(&client.target));
    assert!(body == message, "{} bytes", body.len());
}

/// Waits until at least half of the clients hear something, their end or an answer.
fn half_hear<'a>(clients: &(impl Iterator<Item = &'a TcpStream> + Clone)) {
    let late = Instant::now() + PATIENCE;
    let count = clients.clone().count();
    let hears = |client: &&TcpStream| {
        client.set_nonblocking(true).unwrap();
        let seen = client.peek(&mut [0]);
        client.set_nonblocking(false).unwrap();
        !matches!(&seen, Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    while clients.clone().filter(hears).count() < count / 2 {
        assert!(Instant::now() < late, "nobody hears anything");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn unfinished_messages() {
    let server = start(&[BUDGET]);
    let mut whole = frame(0x82, &vec![b'x'; 999_999]);
    whole.truncate(PIECE);
    server.stays_small(|| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Ws::joined(&server)).collect();
        for client in &mut clients {
            send(&mut client.0, &whole);
        }
        half_hear(&clients.iter().map(|client| &client.0));
        assert!(
            clients.iter_mut().any(|client| !client.is_closed()),
            "not all"
        );
    });
}

/// Each announces two attachments and sends one.
#[test]
fn packets_whose_attachments_do_not_come() {
    let server = start(&[BUDGET]);
    let packet = r#"452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    let attachment = frame(0x82, &vec![b'x'; PIECE]);
    server.stays_small(|| {
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Ws::joined(&server)).collect();
        for client in &mut clients {
            client.text(packet);
            send(&mut client.0, &attachment);
        }
        half_hear(&clients.iter().map(|client| &client.0));
    });
}

/// And who does not is well: a budget is nobody's bound who holds little.
#[test]
fn those_who_hold_little_stay() {
    let server = start(&[BUDGET]);
    let mut quiet: Vec<_> = (0..20).map(|_| Ws::joined(&server)).collect();
    let mut begun = Ws::joined(&server);
    let event = frame(0x81, br#"42["echo","well"]"#);
    begun.0.write_all(&event[..20]).unwrap();
    let mut whole = frame(0x82, &vec![b'x'; 999_999]);
    whole.truncate(PIECE);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Ws::joined(&server)).collect();
    for client in &mut clients {
        send(&mut client.0, &whole);
    }
    half_hear(&clients.iter().map(|client| &client.0));
    quiet.iter_mut().for_each(Ws::echoes);
    begun.0.write_all(&event[20..]).unwrap();
    begun.until(r#"42["echo","well"]"#);
}

/// A broadcast to 1,000 clients that do not fetch it: the budget bounds what is held for all, those go first for
/// whom most is held, and those who read stay. They poll, so that no kernel takes it in their place.
#[test]
fn a_broadcast_to_a_thousand_that_do_not_read() {
    const GREEDY: usize = 20;
    let server = start(&[BUDGET]);
    let text = "x".repeat(1_400);
    let flood = format!(r#"42["flood",200,"{}"]"#, &text[..1_000]);
    let mut reader = Ws::joined(&server);
    for tag in ["greedy", "plain"] {
        reader.text(&format!(r#"42["join","gone:{tag}"]"#));
    }
    let mut quiet: Vec<_> = (0..5).map(|_| Ws::joined(&server)).collect();
    let (heard, deaf) = server.stays_small(|| {
        let deaf = (0..1_000).map(|nth| {
            let mut client = Polling::joined(&server);
            let greedy = nth < GREEDY;
            let tag = if greedy { "greedy" } else { "plain" };
            let watch = format!(r#"42["watch","{tag}"]"#);
            for event in [&watch, &flood].into_iter().take(1 + usize::from(greedy)) {
                let request = post(&client.target, event);
                assert_eq!(client.ask(&request).0, 200);
            }
            client
        });
        let deaf: Vec<_> = deaf.collect();
        let mut heard = String::new();
        for nth in 0..400 {
            reader.text(&format!(r#"42["broadcast","{text}",{nth}]"#));
            let end = format!(r#"",{nth}]"#);
            heard += &reader.until(&end);
            for ws in &mut quiet {
                ws.until(&end);
            }
        }
        reader.text(r#"42["echo","all"]"#);
        heard += &reader.until(r#"42["echo","all"]"#);
        (heard, deaf)
    });
    let gone: Vec<_> = heard.split(r#"42["gone",""#).skip(1).collect();
    let greedy = |who: &&&str| who.starts_with("greedy");
    let first = gone.iter().take(GREEDY / 2).filter(greedy).count();
    assert_eq!(first, GREEDY / 2, "of {} that went", gone.len());
    assert_eq!(gone.iter().filter(greedy).count(), GREEDY);
    assert!(gone.len() > GREEDY && gone.len() < deaf.len());
    reader.echoes();
    quiet.iter_mut().for_each(Ws::echoes);
}
