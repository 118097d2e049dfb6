//! The least that speaks Socket.IO over long-polling, a connection for each request.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use super::child::Server;

impl Server {
    /// A request that must be answered 200; the response's body.
    pub(crate) fn request(&self, method: &str, sid: &str, body: &str) -> String {
        let response = read(send(self.address, method, sid, body));
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        response.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// A session that has joined `/`, as the query's parameter.
    pub(crate) fn join(&self) -> String {
        let open = self.request("GET", "", "");
        let sid = open.split('"').nth(3).unwrap();
        let sid = format!("&sid={sid}");
        assert_eq!(self.request("POST", &sid, "40"), "ok");
        assert!(self.request("GET", &sid, "").starts_with("40{"));
        sid
    }
}

/// One request on a connection of its own, which the kernel gives to any shard.
pub(crate) fn send(address: SocketAddr, method: &str, sid: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} /socket.io/?EIO=4&transport=polling{sid} HTTP/1.1\r\nHost: x\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

pub(crate) fn read(mut stream: TcpStream) -> String {
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
