//! What the server does in HTTP beside its pages: the client's files, and polls that are compressed.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
};

use stentor::{HttpCompression, Server, prelude::*};

use crate::{SHARD_COUNTS, client, server};

const POLLING: &str = "GET /socket.io/?EIO=4&transport=polling";

/// The head of the response to a request of a client that takes gzip.
fn head(at: SocketAddr, request: &str) -> String {
    let mut stream = client::connect(at);
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let end = response.windows(4).position(|four| four == b"\r\n\r\n");
    String::from_utf8(response[..end.unwrap()].to_vec()).unwrap()
}

fn sends(server: Server) -> Server {
    let text = || "x".repeat(3_000);
    server.app(move |app| {
        app.ns("/")
            .on_sync("worth", move |s: Socket| s.emit("x", text()))
            .on_sync("not", move |s: Socket| s.emit_uncompressed("x", text()))
            .on_sync("all", move |io: Io| {
                io.all().compress(false).emit("x", text())
            })
            .on_sync("both", move |s: Socket| {
                s.emit_uncompressed("x", text())?;
                s.emit("x", ())
            });
    })
}

/// Whether the answer to a poll is compressed to which these events lead.
fn is_compressed(at: SocketAddr, event: &str) -> bool {
    let (_, open) = client::http(at, POLLING, "");
    let sid = open.split('"').nth(3).unwrap();
    let target = format!("{POLLING}&sid={sid}");
    let post = target.replace("GET", "POST");
    client::http(at, &post, "40");
    client::http(at, &target, "");
    client::http(at, &post, &format!(r#"42["{event}"]"#));
    let head = head(at, &target);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    head.contains("content-encoding: gzip")
}

#[test]
fn an_event_that_is_not_worth_compressing() {
    for shards in SHARD_COUNTS {
        let running = sends(server(shards)).start().unwrap();
        let at = running.address();
        for (event, compressed) in [
            ("worth", true),
            ("not", false),
            ("all", false),
            ("both", true),
        ] {
            assert_eq!(
                is_compressed(at, event),
                compressed,
                "{event}, {shards} shards"
            );
        }
        running.stop().unwrap();
    }
}

#[test]
fn compression_can_be_off_or_begin_elsewhere() {
    let later = HttpCompression {
        threshold: 5_000,
        ..HttpCompression::default()
    };
    for compression in [None, Some(later)] {
        let running = sends(server(1)).http_compression(compression);
        let running = running.start().unwrap();
        assert!(
            !is_compressed(running.address(), "worth"),
            "{compression:?}"
        );
        running.stop().unwrap();
    }
}

#[test]
fn a_level_that_there_is_not_fails_the_start() {
    for level in [0, 10] {
        let compression = HttpCompression {
            level,
            ..HttpCompression::default()
        };
        let error = server(1).http_compression(compression).start().unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("http_compression.level") && said.contains("1 to 9"),
            "{said}"
        );
    }
}

/// Under the path that is served, whatever it is; not without the option, and not with Engine.IO alone.
#[test]
fn the_clients_files_are_an_option() {
    let at = |server: Server, file: &str| {
        let running = server.start().unwrap();
        let head = head(running.address(), &format!("GET {file}"));
        running.stop().unwrap();
        head[9..12].to_owned()
    };
    for shards in SHARD_COUNTS {
        assert_eq!(at(server(shards), "/socket.io/socket.io.js"), "200");
        let other = server(shards).path("/realtime");
        assert_eq!(at(other, "/realtime/socket.io.min.js"), "200");
        let other = server(shards).path("/realtime");
        assert_eq!(at(other, "/socket.io/socket.io.min.js"), "404");
        assert_eq!(at(server(shards).path("/"), "/socket.io.js.map"), "200");
        let without = server(shards).serve_client(false);
        assert_eq!(at(without, "/socket.io/socket.io.js"), "400");
        let engine = Server::engine(|_| {}).listen("127.0.0.1:0").shards(shards);
        assert_eq!(at(engine, "/engine.io/socket.io.js"), "400");
    }
}
