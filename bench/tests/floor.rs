//! Answers: does the floor program do what the load generator asks of it.
//!
//! The program itself over loopback: alone, and as processes that share a port.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use stentor_bench::input::text_frame;

struct Floor {
    program: Child,
    address: String,
}

impl Floor {
    fn start(processes: usize) -> Self {
        let mut program = Command::new(env!("CARGO_BIN_EXE_floor"))
            .args(["--port", "0", "--processes", &processes.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = program.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on http://").unwrap();
        Self {
            address: address.trim().to_owned(),
            program,
        }
    }

    /// A client that has joined.
    fn client(&self) -> TcpStream {
        let mut client = TcpStream::connect(&self.address).unwrap();
        client
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        client
            .write_all(
                b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            )
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(text(&mut client).starts_with("0{\"sid\":\""));
        say(&mut client, "40");
        assert!(text(&mut client).starts_with("40{\"sid\":\""));
        client
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn say(client: &mut TcpStream, said: &str) {
    client.write_all(&text_frame(said)).unwrap();
}

/// The next frame's text.
fn text(client: &mut TcpStream) -> String {
    let mut head = [0; 2];
    client.read_exact(&mut head).unwrap();
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            client.read_exact(&mut len).unwrap();
            u16::from_be_bytes(len).into()
        }
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    client.read_exact(&mut payload).unwrap();
    String::from_utf8(payload).unwrap()
}

#[test]
fn alone_it_speaks_the_contract() {
    let floor = Floor::start(1);
    let mut clients: Vec<_> = (0..3).map(|_| floor.client()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        say(client, "421[\"echo_ack\",\"x\"]");
        assert_eq!(text(client), "431[\"x\"]");
        let room = at.min(1);
        say(client, &format!("422[\"join\",\"r{room}\"]"));
        assert_eq!(text(client), "432[]");
    }
    say(&mut clients[1], "42[\"room\",\"r1\",\"news\"]");
    for client in &mut clients[1..] {
        assert_eq!(text(client), "42[\"room\",\"news\"]");
    }
    // Only now: between two senders there is no order.
    say(&mut clients[2], "42[\"broadcast\",\"all\"]");
    for client in &mut clients {
        assert_eq!(text(client), "42[\"broadcast\",\"all\"]");
        // Whatever came twice would come before this.
        say(client, "42[\"echo\",\"last\"]");
        assert_eq!(text(client), "42[\"echo\",\"last\"]");
    }
}

#[test]
fn processes_that_share_a_port_pass_broadcasts_on() {
    let floor = Floor::start(3);
    // The kernel deals them out: that all of so many are one process's happens in no lifetime.
    let mut clients: Vec<_> = (0..64).map(|_| floor.client()).collect();
    for from in [0, 40] {
        let said = format!("42[\"broadcast\",\"from {from}\"]");
        say(&mut clients[from], &said);
        for client in &mut clients {
            assert_eq!(text(client), said);
        }
    }
    for client in &mut clients {
        say(client, "42[\"echo\",\"last\"]");
        assert_eq!(text(client), "42[\"echo\",\"last\"]");
    }
}
