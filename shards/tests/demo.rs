//! The demo's server, as its page talks to it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket, protocol::Role};

/// Far more than anything takes.
const WAIT: Duration = Duration::from_mins(1);

struct Demo {
    child: Child,
    address: SocketAddr,
}

impl Demo {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stentor"));
        command.args(["demo", "--port", "0", "--shards", "2"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let port = line.split("localhost:").nth(1).unwrap();
        let port: u16 = port.split(' ').next().unwrap().parse().unwrap();
        // What it says later has somewhere to go.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self {
            child,
            address: ([127, 0, 0, 1], port).into(),
        }
    }

    /// A connection with an `Origin`, if the server takes it.
    fn connect(&self, origin: Option<&str>) -> Option<Tab> {
        let origin = origin.map_or_else(String::new, |origin| format!("Origin: {origin}\r\n"));
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{origin}\r\n",
            self.address
        );
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let taken = head.starts_with(b"HTTP/1.1 101 ");
        taken.then(|| Tab {
            socket: WebSocket::from_raw_socket(stream, Role::Client, None),
            acks: 0,
            passed: VecDeque::new(),
        })
    }

    /// A visitor, and what it is told.
    fn visit(&self, auth: &Value) -> (Tab, Value) {
        let mut tab = self.connect(None).unwrap();
        assert!(tab.next().starts_with('0'));
        tab.send(&format!("40{auth}"));
        assert!(tab.next().starts_with("40"));
        let welcome = tab.event("welcome");
        (tab, welcome)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Tab {
    socket: WebSocket<TcpStream>,
    acks: usize,
    /// Events that came while an acknowledgement was waited for.
    passed: VecDeque<Value>,
}

impl Tab {
    fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    /// The next packet; heartbeats are answered.
    fn next(&mut self) -> String {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) if text.as_str() == "2" => self.send("3"),
                Message::Text(text) => return text.to_string(),
                _ => {}
            }
        }
    }

    /// The first argument of the next event of this name that `wanted` accepts.
    fn event_where(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let passed = self.passed.pop_front();
            let args = passed.or_else(|| {
                let packet = self.next();
                self.hear(&packet)
            });
            if let Some(args) = args
                && args[0] == name
                && wanted(&args[1])
            {
                return args[1].clone();
            }
        }
    }

    /// The name and arguments of an event. Who is asked something answers.
    fn hear(&mut self, packet: &str) -> Option<Value> {
        let rest = packet.strip_prefix("42")?;
        let (id, _) = rest.split_once('[')?;
        if let Ok(id) = id.parse::<u32>() {
            self.send(&format!("43{id}[]"));
        }
        serde_json::from_str(&rest[id.len()..]).ok()
    }

    fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true)
    }

    /// Emits, and waits for the acknowledgement's first argument.
    fn ask(&mut self, name: &str, value: &Value) -> Value {
        self.acks += 1;
        self.send(&format!("42{}{}", self.acks, json!([name, value])));
        let answer = format!("43{}[", self.acks);
        loop {
            let packet = self.next();
            if let Some(rest) = packet.strip_prefix(&answer) {
                let args: Value = serde_json::from_str(&format!("[{rest}")).unwrap();
                return args[0].clone();
            }
            let event = self.hear(&packet);
            self.passed.extend(event);
        }
    }

    /// Uses a power, as soon as it may: all tabs together use one at a time.
    fn use_power(&mut self, name: &str, value: &Value) -> Value {
        loop {
            let answer = self.ask(name, value);
            let why = answer["error"]["message"].as_str().unwrap_or_default();
            if !why.starts_with("one at a time") {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether a process holds idle clients of the server at this address.
fn is_held(address: SocketAddr) -> bool {
    let wanted = format!("demo-idle\0{address}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut lines = processes.flat_map(|process| std::fs::read(process.path().join("cmdline")));
    lines.any(|line| String::from_utf8_lossy(&line).contains(&wanted))
}

/// However the server ends, what it has started ends too.
#[test]
fn idle_clients_do_not_outlive_their_server() {
    let demo = Demo::start();
    let (mut ann, _) = demo.visit(&json!({}));
    assert_eq!(ann.use_power("idle", &json!(10)), 10);
    ann.event_where("news", |news| news["kind"] == "added");
    // Without clients nothing but the end of its stdin tells the process.
    assert_eq!(ann.use_power("idle", &json!(0)), 0);
    ann.event_where("gauge", |gauge| gauge["idle"] == 0);
    let address = demo.address;
    assert!(is_held(address));
    drop(demo);
    let ended = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        !is_held(address)
    });
    assert!(ended);
}

fn error(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}

#[test]
fn only_its_own_page_is_let_in() {
    let demo = Demo::start();
    let own = format!("http://{}", demo.address);
    assert!(demo.connect(Some(&own)).is_some());
    assert!(demo.connect(Some("http://evil.example")).is_none());
    assert!(demo.connect(Some("null")).is_none());
}

#[test]
fn a_message_sent_again_is_said_once() {
    let demo = Demo::start();
    let (mut ann, welcome) = demo.visit(&json!({"name": "Ann", "tab": "annssecret"}));
    let (mut bob, _) = demo.visit(&json!({"name": "Bob"}));
    let epoch = &welcome["epoch"];
    let message = json!({"id": "message1", "text": "hello"});
    let first = ann.ask("say", &message);
    assert_eq!(first["seq"], 1);
    drop(ann);
    // As if the acknowledgement had been lost.
    let auth = json!({"name": "Ann", "tab": "annssecret", "last": 0, "epoch": epoch});
    let (mut ann, again) = demo.visit(&auth);
    assert_eq!(again["you"], welcome["you"]);
    assert_eq!(again["history"][0]["text"], "hello");
    assert_eq!(ann.ask("say", &message), first);
    ann.ask("say", &json!({"id": "message2", "text": "the end"}));
    assert_eq!(bob.event("said")["text"], "hello");
    assert_eq!(bob.event("said")["text"], "the end");
    // Only what is new to it.
    let auth = json!({"tab": "annssecret", "last": 1, "epoch": epoch});
    let (_, later) = demo.visit(&auth);
    assert_eq!(later["history"].as_array().unwrap().len(), 1);
    assert_eq!(later["missed"], 0);
}

#[test]
fn the_history_is_the_last_fifty() {
    let demo = Demo::start();
    let (mut ann, _) = demo.visit(&json!({"name": "Ann"}));
    for n in 0..60 {
        let text = format!("line {n}");
        let id = format!("message{n}");
        assert_eq!(
            ann.ask("say", &json!({"id": id, "text": text}))["seq"],
            n + 1
        );
    }
    let (_, welcome) = demo.visit(&json!({}));
    let history = welcome["history"].as_array().unwrap();
    assert_eq!(
        (history.len(), &history[0]["text"]),
        (50, &json!("line 10"))
    );
}

#[test]
fn lengths_and_names_are_bounded_on_the_server() {
    let demo = Demo::start();
    let name = format!("\u{202e}\u{2066}a\u{7}\n{}", "b".repeat(100));
    let (mut ann, welcome) = demo.visit(&json!({"name": name}));
    assert_eq!(welcome["name"], format!("a {}", "b".repeat(22)));
    assert_eq!(welcome["people"][0]["name"], welcome["name"]);
    assert_eq!(ann.ask("rename", &json!("\u{200b} \u{202e}")), "Guest");
    let long = ann.ask("say", &json!({"id": "message1", "text": "x".repeat(501)}));
    assert!(error(&long).contains("at most 500"), "{long}");
    let empty = ann.ask("say", &json!({"id": "message1", "text": " \n "}));
    assert!(error(&empty).contains("needs some text"), "{empty}");
    let bad = ann.ask("say", &json!({"id": "<b>", "text": "x"}));
    assert!(error(&bad).contains("id"), "{bad}");
    let (_, other) = demo.visit(&json!({}));
    assert_eq!(other["history"], json!([]));
    // Beyond what any message of the page has, the connection ends.
    ann.send(&format!("42{}", json!(["say", "x".repeat(20_000)])));
    while ann.socket.read().is_ok() {}
}

#[test]
fn idle_clients_come_are_reached_cut_off_and_back() {
    let demo = Demo::start();
    let (mut ann, welcome) = demo.visit(&json!({"name": "Ann"}));
    assert_eq!(welcome["powers"]["allowed"], true);
    let most = welcome["powers"]["idle"].as_u64().unwrap();
    let refused = ann.use_power("idle", &json!(most + 1));
    assert!(error(&refused).contains("no room"), "{refused}");
    assert_eq!(ann.use_power("idle", &json!(60)), 60);
    let news = |tab: &mut Tab, kind: &str| tab.event_where("news", |news| news["kind"] == kind);
    assert_eq!(news(&mut ann, "added")["clients"], 60);
    let gauge = ann.event_where("gauge", |gauge| gauge["idle"] == 60);
    let shards = gauge["shards"].as_array().unwrap();
    let clients: u64 = shards.iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(clients, 61, "{gauge}");

    let own = welcome["shard"].as_u64().unwrap();
    let wave = ann.use_power("broadcast", &Value::Null);
    assert_eq!(wave["tabs"], 1);
    let reached = news(&mut ann, "reached");
    assert_eq!(reached["clients"], 60);
    assert!(reached["first"].as_u64() <= reached["last"].as_u64());
    let other = 1 - own;
    // A visitor sees a cut of the shard on which it is not.
    let lost = shards[usize::try_from(other).unwrap()].clone();
    let cut = ann.use_power("cut", &json!(other));
    assert_eq!(cut, lost);
    if lost != 0 {
        assert_eq!(news(&mut ann, "back")["clients"], lost);
    }
    let refused = ann.use_power("cut", &json!(2));
    assert!(error(&refused).contains("no such shard"), "{refused}");
    assert_eq!(ann.use_power("idle", &json!(0)), 0);
    let own = usize::try_from(own).unwrap();
    let alone = |gauge: &Value| gauge["idle"] == 0 && gauge["shards"][own] == 1;
    ann.event_where("gauge", alone);
}
