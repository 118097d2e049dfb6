//! A tiny Socket.IO server of the event contract, for tests only: WebSocket, one thread, one
//! namespace; on wish it drops, doubles, reorders or alters one in so many payloads, or hangs up.
//! Its WebSocket code is another library's, so that a mistake of the generator's own shows.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tungstenite::{Bytes, Error, Message, WebSocket};

/// What it does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Drop,
    Duplicate,
    Reorder,
    Alter,
    HangUp,
    /// Sends room messages to everyone.
    Leak,
}

struct Peer {
    socket: WebSocket<TcpStream>,
    room: Option<String>,
    /// A binary event's text, until its attachment is here.
    announced: Option<String>,
    held: Option<Message>,
    alive: bool,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// Starts one that commits `fault` on every `every`-th payload.
    pub(crate) fn start(fault: Fault, every: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut core = Core {
                peers: Vec::new(),
                fault,
                every,
                payloads: 0,
            };
            while !stopped.load(Relaxed) {
                core.turn(&listener);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self {
            port,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

struct Core {
    peers: Vec<Peer>,
    fault: Fault,
    every: u64,
    payloads: u64,
}

impl Core {
    fn turn(&mut self, listener: &TcpListener) {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            let Ok(mut socket) = tungstenite::accept(stream) else {
                continue;
            };
            socket.get_ref().set_nonblocking(true).unwrap();
            let open = r#"0{"sid":"test","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;
            socket.send(Message::text(open)).unwrap();
            self.peers.push(Peer {
                socket,
                room: None,
                announced: None,
                held: None,
                alive: true,
            });
        }
        for from in 0..self.peers.len() {
            while self.peers[from].alive {
                match self.peers[from].socket.read() {
                    Ok(message) => self.received(from, message),
                    Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => self.peers[from].alive = false,
                }
            }
        }
        self.peers.retain(|p| p.alive);
    }

    fn received(&mut self, from: usize, message: Message) {
        match message {
            Message::Text(text) if text.starts_with("40") => {
                self.peers[from].raw(Message::text(r#"40{"sid":"test"}"#));
            }
            Message::Text(text) if text.starts_with("42") => self.event(from, &text, None),
            Message::Text(text) if text.starts_with("45") => {
                self.peers[from].announced = Some(text.to_string());
            }
            Message::Text(text) if text.starts_with("41") => {}
            Message::Binary(data) => {
                let text = self.peers[from].announced.take().unwrap();
                self.event(from, &text, Some(&data));
            }
            Message::Text(text) => panic!("the generator sent {text}"),
            _ => {}
        }
    }

    fn event(&mut self, from: usize, text: &str, attachment: Option<&Bytes>) {
        let head = text.find('[').unwrap();
        let id = text[..head]
            .strip_prefix("451-")
            .or_else(|| text[..head].strip_prefix("42"))
            .unwrap();
        let body: Vec<serde_json::Value> = serde_json::from_str(&text[head..]).unwrap();
        let binary = if attachment.is_some() { "51-" } else { "2" };
        let data = body.last().unwrap().clone();
        let emit = |name: &str| format!("4{binary}{}", serde_json::json!([name, data]));
        match body[0].as_str().unwrap() {
            "echo" => self.payload(&[from], &emit("echo"), attachment),
            "echo_ack" => {
                let binary = if attachment.is_some() { "61-" } else { "3" };
                let text = format!("4{binary}{id}{}", serde_json::json!([data]));
                self.payload(&[from], &text, attachment);
            }
            "broadcast" => {
                let all: Vec<_> = (0..self.peers.len()).collect();
                self.payload(&all, &emit("broadcast"), attachment);
            }
            "join" => {
                self.peers[from].room = data.as_str().map(str::to_owned);
                self.peers[from].raw(Message::text(format!("43{id}[]")));
            }
            "room" => {
                let room = body[1].as_str();
                let leak = self.fault == Fault::Leak;
                let of = |p: &Peer| leak || p.room.as_deref() == room;
                let to: Vec<_> = (0..self.peers.len())
                    .filter(|i| of(&self.peers[*i]))
                    .collect();
                self.payload(&to, &emit("room"), attachment);
            }
            other => panic!("unknown event {other}"),
        }
    }

    fn payload(&mut self, to: &[usize], text: &str, attachment: Option<&Bytes>) {
        for place in to {
            self.payloads += 1;
            let faulty = self.payloads.is_multiple_of(self.every);
            let fault = if faulty { self.fault } else { Fault::None };
            let peer = &mut self.peers[*place];
            let message = Message::text(text);
            match fault {
                Fault::Drop => continue,
                Fault::HangUp => {
                    peer.alive = false;
                    continue;
                }
                // Text payloads only: an attachment must follow its event.
                Fault::Reorder if attachment.is_none() && peer.held.is_none() => {
                    peer.held = Some(message);
                    continue;
                }
                Fault::Duplicate if attachment.is_none() => peer.raw(message.clone()),
                Fault::Alter => {
                    let altered = text.replacen("abcd", "abxd", 1);
                    peer.raw(Message::text(altered));
                    continue;
                }
                _ => {}
            }
            peer.raw(message);
            if let Some(data) = attachment {
                peer.raw(Message::Binary(data.clone()));
            }
            if let Some(held) = peer.held.take() {
                peer.raw(held);
            }
        }
    }
}

impl Peer {
    fn raw(&mut self, message: Message) {
        match self.socket.send(message) {
            Ok(()) => {}
            // Kept by the library and sent with the next.
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.alive = false,
        }
    }
}
