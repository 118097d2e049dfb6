//! Whom the server takes a client for, behind proxies of all kinds, and where it listens for them.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::{Value as Json, json};
use socket2::{Domain, Socket as RawSocket, Type};
use stentor::{
    Endpoint, ForwardedHeader, HttpWaits, Listen, Peer, Running, Server, ServerError, ShardLimits,
    prelude::*,
};
use tungstenite::{WebSocket, protocol::Role};

use crate::{
    Client, SHARD_COUNTS,
    client::{self, PATIENCE},
    server,
};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";
const PROXY: &str = "127.0.0.1";
/// Somebody of this machine who is no proxy.
const STRANGER: &str = "127.0.0.2";

/// A connection from an address of this machine's own.
fn connect_from(source: &str, to: SocketAddr) -> TcpStream {
    let socket = RawSocket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: IpAddr = source.parse().unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// A connection by a Unix socket, in the type that the other helpers take.
fn connect_unix(path: &Path) -> TcpStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    OwnedFd::from(stream).into()
}

/// A place for a Unix socket.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stentor-api-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Refuses everybody, and says whom it has taken them for.
fn tells(server: Server) -> Running {
    let server = server.allow_request(|request| {
        let address = request
            .address()
            .map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        let peer = match request.peer() {
            Peer::Tcp(peer) => peer.ip().to_string(),
            other => other.to_string(),
        };
        let secure = if request.secure() { " secure" } else { "" };
        Err(format!("{address} by {peer}{secure}"))
    });
    server.start().unwrap()
}

/// Reads one response.
fn response(stream: &mut TcpStream) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
    let head = String::from_utf8(read).unwrap();
    let lower = head.to_ascii_lowercase();
    let length = lower
        .split_once("content-length: ")
        .map_or("0", |(_, rest)| rest);
    let mut body = vec![0; length.lines().next().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// Sends a request, after `before`, and reads the answer.
fn ask(stream: &mut TcpStream, before: &[u8], target: &str, headers: &str) -> String {
    stream.write_all(before).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    response(stream)
}

/// Whom a server takes a client for that sends `before`, and `headers` with its requests: whoever reads those, and
/// whatever they ask for.
#[track_caller]
fn is_taken_for(connect: impl Fn() -> TcpStream, before: &[u8], headers: &str, expected: &str) {
    const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let upgrade = format!("{UPGRADE}{headers}");
    for (what, target, headers) in [
        ("polling", POLLING, headers),
        ("websocket", WEBSOCKET, &upgrade),
    ] {
        let said = ask(&mut connect(), before, target, headers);
        assert!(
            said.contains(expected),
            "{what}: {expected:?} is not in {said}"
        );
        let mut hypers = connect();
        let said = ask(&mut hypers, before, "/nothing/here", "");
        assert!(said.starts_with("HTTP/1.1 404"), "{said}");
        let said = ask(&mut hypers, b"", target, headers);
        assert!(
            said.contains(expected),
            "late {what}: {expected:?} is not in {said}"
        );
    }
}

#[test]
fn a_trusted_proxy_names_its_client() {
    for shards in SHARD_COUNTS {
        let running = tells(server(shards).trusted_proxies([PROXY, "10.0.0.0/8"]));
        let at = running.address();
        let named = "X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1\r\nX-Forwarded-Proto: https\r\n";
        let proxy = || connect_from(PROXY, at);
        is_taken_for(proxy, b"", named, "192.0.2.1 by 127.0.0.1 secure");
        is_taken_for(proxy, b"", "", "127.0.0.1 by 127.0.0.1");
        let other = "Forwarded: for=6.6.6.6;proto=https\r\n";
        is_taken_for(proxy, b"", other, "127.0.0.1 by 127.0.0.1");
        let stranger = || connect_from(STRANGER, at);
        is_taken_for(stranger, b"", named, "127.0.0.2 by 127.0.0.2");
        running.stop().unwrap();
    }
}

#[test]
fn nobody_is_trusted_unless_told() {
    let running = tells(server(1));
    let at = running.address();
    let named =
        "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1\r\n";
    is_taken_for(
        || connect_from(PROXY, at),
        b"",
        named,
        "127.0.0.1 by 127.0.0.1",
    );
    running.stop().unwrap();
    let standard = server(1)
        .trusted_proxies([PROXY])
        .forwarded_header(ForwardedHeader::Forwarded);
    let running = tells(standard);
    let at = running.address();
    let named = "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=\"[2001:db8::1]:80\";proto=https\r\n";
    let expected = "2001:db8::1 by 127.0.0.1 secure";
    is_taken_for(|| connect_from(PROXY, at), b"", named, expected);
    running.stop().unwrap();
    let error = server(1)
        .trusted_proxies(["10.0.0.0/8", "nginx"])
        .start()
        .unwrap_err();
    assert!(matches!(error, ServerError::Options(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("trusted_proxies: \"nginx\" cannot work"),
        "{error}"
    );
}

/// A header of version 2 for 192.0.2.1:4711.
fn version_2(command: u8) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([
        command, 0x11, 0, 12, 192, 0, 2, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80,
    ]);
    header
}

const VERSION_1: &[u8] = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711 80\r\n";

#[test]
fn a_proxy_header_names_the_client() {
    for shards in SHARD_COUNTS {
        let listen = Listen::tcp("127.0.0.1:0").proxy_protocol(true);
        let running = tells(server(shards).listen(listen.clone()));
        let at = running.address();
        let proxy = || connect_from(STRANGER, at);
        let client = "192.0.2.1 by 127.0.0.2";
        is_taken_for(proxy, VERSION_1, "X-Forwarded-For: 6.6.6.6\r\n", client);
        is_taken_for(proxy, &version_2(0x21), "", client);
        is_taken_for(proxy, b"PROXY UNKNOWN\r\n", "", "127.0.0.2 by 127.0.0.2");
        is_taken_for(proxy, &version_2(0x20), "", "127.0.0.2 by 127.0.0.2");
        let mut dripping = proxy();
        for byte in &version_2(0x21) {
            dripping.write_all(&[*byte]).unwrap();
        }
        let said = ask(&mut dripping, b"", POLLING, "");
        assert!(said.contains(client), "{said}");
        running.stop().unwrap();

        // Where proxies are named, others' headers are read, and not believed.
        let running = tells(
            server(shards)
                .listen(listen)
                .trusted_proxies([PROXY, "192.0.2.1"]),
        );
        let at = running.address();
        let next = "X-Forwarded-For: 203.0.113.9\r\n"; // the one that the first proxy names is one, too
        is_taken_for(
            || connect_from(PROXY, at),
            VERSION_1,
            "",
            "192.0.2.1 by 127.0.0.1",
        );
        is_taken_for(
            || connect_from(PROXY, at),
            VERSION_1,
            next,
            "203.0.113.9 by 127.0.0.1",
        );
        for forged in [VERSION_1, &version_2(0x21)] {
            let stranger = || connect_from(STRANGER, at);
            is_taken_for(stranger, forged, next, "127.0.0.2 by 127.0.0.2");
        }
        running.stop().unwrap();
    }
}

/// The peer hears nothing but the end.
#[track_caller]
fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    assert!(read.is_ok() || read.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
    assert_eq!(rest, b"");
}

#[test]
fn what_does_not_begin_with_a_proxy_header_is_closed() {
    for shards in SHARD_COUNTS {
        let listen = Listen::tcp("127.0.0.1:0").proxy_protocol(true);
        let running = server(shards)
            .listen("127.0.0.1:0")
            .also_listen(listen)
            .start()
            .unwrap();
        let [Endpoint::Tcp(open), Endpoint::Tcp(proxied)] = *running.endpoints() else {
            panic!("{:?}", running.endpoints());
        };
        assert_eq!(running.address(), open);
        let mut too_long = version_2(0x21);
        too_long[14] = 0xff;
        let request = format!("GET {POLLING} HTTP/1.1\r\nHost: x\r\n\r\n");
        let endless = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 100]].concat();
        let wrong = b"PROXY TCP4 192.0.2.1 10.0.0.1 4711\r\n".as_slice();
        for bytes in [
            request.as_bytes(),
            &too_long,
            &endless,
            wrong,
            b"\r\n\r\nGET",
        ] {
            let mut stream = client::connect(proxied);
            stream.write_all(bytes).unwrap();
            is_closed(stream);
        }
        let said = ask(&mut client::connect(proxied), VERSION_1, POLLING, "");
        assert!(said.contains("0{\"sid\""), "{said}");
        // On the other listener a PROXY header is no request.
        let mut stream = client::connect(open);
        stream.write_all(VERSION_1).unwrap();
        let said = response(&mut stream);
        assert!(said.starts_with("HTTP/1.1 5"), "{said}");
        assert!(Client::join(open).id.len() > 10);
        running.stop().unwrap();
    }
}

/// Those that send a PROXY header by drops, or none, are closed in time, and nobody waits for them.
#[test]
fn a_proxy_header_that_does_not_come() {
    for shards in SHARD_COUNTS {
        let waits = HttpWaits {
            head: Duration::from_millis(700),
            ..HttpWaits::default()
        };
        let listen = Listen::tcp("127.0.0.1:0").proxy_protocol(true);
        let server = server(shards).listen(listen).http_waits(waits);
        let server = server.app(|app| {
            app.ns("/").on_sync("echo", |args: Raw| args);
        });
        let running = server.start().unwrap();
        let at = running.address();
        let mut silent: Vec<_> = (0..8).map(|_| client::connect(at)).collect();
        let mut dripping: Vec<_> = (0..8).map(|_| client::connect(at)).collect();
        let mut client = join(client::connect(at), VERSION_1, "");
        let late = Instant::now() + PATIENCE;
        let mut nth = 0;
        // A header that would never end, a byte at a time.
        while !dripping.is_empty() {
            assert!(Instant::now() < late, "{} are still open", dripping.len());
            let byte = [*b"PROXY UNKNOWN ".get(nth).unwrap_or(&b'x')];
            dripping.retain_mut(|stream| stream.write_all(&byte).is_ok());
            assert_eq!(client.ask(r#"["echo",1]"#), json!([1]));
            nth += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        silent.drain(..).for_each(is_closed);
        assert_eq!(client.ask(r#"["echo",2]"#), json!([2]));
        drop(client);
        running.stop().unwrap();
    }
}

/// A client over WebSocket, after `before`, with headers.
fn join(mut stream: TcpStream, before: &[u8], headers: &str) -> Client {
    let headers = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{headers}"
    );
    stream.write_all(before).unwrap();
    let target = format!("{WEBSOCKET}&room=a&room=b%20c");
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    let ws = WebSocket::from_raw_socket(stream, Role::Client, None);
    Client::join_over(ws, "/", r#"{"token":"x"}"#).ok().unwrap()
}

fn shows(app: &mut App) {
    let whole = |handshake: Rc<Handshake>| serde_json::to_value(&*handshake);
    app.ns("/")
        .keep_auth()
        .on_connect(async |s: Socket, handshake: Rc<Handshake>| {
            s.emit("auth", handshake.auth::<Json>()).unwrap();
        })
        .on_sync("handshake", whole)
        .on_sync("shard", || {
            std::thread::current().name().map(ToOwned::to_owned)
        });
    app.ns("/forgets").on_sync("handshake", whole);
}

#[test]
fn the_handshake_is_the_official_object() {
    let running = server(2)
        .trusted_proxies([PROXY])
        .app(shows)
        .start()
        .unwrap();
    let headers =
        "Origin: http://a.example\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n";
    let mut client = join(client::connect(running.address()), b"", headers);
    assert_eq!(client.event(), json!(["auth", { "token": "x" }]));
    let mut whole = client.ask(r#"["handshake"]"#)[0].take();
    let issued = whole["issued"].take().as_u64().unwrap();
    assert!(issued > 1_700_000_000_000, "{issued}");
    let time = whole["time"].take();
    assert!(
        time.as_str()
            .unwrap()
            .ends_with(" GMT+0000 (Coordinated Universal Time)"),
        "{time}"
    );
    let expected = json!({
        "headers": {
            "host": "x", "upgrade": "websocket", "connection": "Upgrade", "origin": "http://a.example",
            "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13",
            "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": "https",
        },
        "time": null,
        "address": "192.0.2.1",
        "xdomain": true,
        "secure": true,
        "issued": null,
        "url": format!("{WEBSOCKET}&room=a&room=b%20c"),
        "query": { "EIO": "4", "transport": "websocket", "room": ["a", "b c"] },
        "auth": { "token": "x" },
    });
    assert_eq!(whole, expected);
    drop(client);
    // A namespace that does not keep it does not know it.
    let mut client = Client::join_as(running.address(), "/forgets", "{}").unwrap();
    let whole = client.ask(r#"["handshake"]"#)[0].take();
    assert_eq!(
        (&whole["auth"], &whole["address"]),
        (&Json::Null, &json!(PROXY))
    );
    assert_eq!(
        (&whole["secure"], &whole["xdomain"]),
        (&json!(false), &json!(false))
    );
    drop(client);
    running.stop().unwrap();
}

/// The bound for one address goes by the client's, not by the proxy's.
#[test]
fn each_client_behind_a_proxy_has_its_own_bound() {
    let limits = ShardLimits {
        unjoined_per_address: 2,
        ..ShardLimits::default()
    };
    let running = server(1)
        .shard_limits(limits)
        .trusted_proxies([PROXY])
        .start()
        .unwrap();
    let open = |client: &str| {
        let headers = format!("X-Forwarded-For: {client}\r\n");
        let mut plain = client::connect(running.address());
        let said = ask(&mut plain, b"", POLLING, &headers);
        said[9..12].parse::<u16>().unwrap()
    };
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!([open(client), open(client), open(client)], [200, 200, 429]);
    }
    running.stop().unwrap();
}

#[test]
fn a_unix_socket_serves_all_shards() {
    for shards in SHARD_COUNTS {
        let place = Place::new(&format!("serves-{shards}"));
        let app = server(shards).app(shows);
        let running = app.unix(&place.0).start().unwrap();
        let [Endpoint::Tcp(tcp), Endpoint::Unix(path)] = running.endpoints() else {
            panic!("{:?}", running.endpoints());
        };
        assert_eq!(*path, place.0);
        let mut clients: Vec<_> = (0..2 * shards)
            .map(|_| join(connect_unix(path), b"", ""))
            .collect();
        let mut seen = BTreeSet::new();
        for client in &mut clients {
            assert_eq!(client.event(), json!(["auth", { "token": "x" }]));
            let whole = client.ask(r#"["handshake"]"#)[0].take();
            assert_eq!(
                (&whole["address"], &whole["secure"]),
                (&Json::Null, &json!(false))
            );
            seen.insert(client.ask(r#"["shard"]"#)[0].to_string());
        }
        assert_eq!(seen.len(), shards, "each has its share: {seen:?}");
        // A session that polls is found from wherever its requests come.
        for nth in 0..2 * shards {
            let opened = ask(&mut connect_unix(path), b"", POLLING, "");
            let sid = opened
                .split("\"sid\":\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            let target = format!("POST {POLLING}&sid={sid}");
            if nth % 2 == 0 {
                assert_eq!(client::http(*tcp, &target, "40"), (200, "ok".to_owned()));
            } else {
                let mut stream = connect_unix(path);
                let body = "Content-Length: 2\r\n\r\n40";
                write!(stream, "{target} HTTP/1.1\r\nHost: x\r\n{body}").unwrap();
                assert!(response(&mut stream).ends_with("ok"));
            }
            let answer = ask(
                &mut connect_unix(path),
                b"",
                &format!("{POLLING}&sid={sid}"),
                "",
            );
            assert!(answer.contains("40{\"sid\""), "{answer}");
        }
        drop(clients);
        running.stop().unwrap();
        assert!(!place.0.exists(), "it goes with the server");
    }
}

#[test]
fn a_unix_socket_may_be_all_there_is() {
    let place = Place::new("all");
    let only = || Server::new().pin(false).shards(2);
    let running = tells(only().listen(Listen::unix(&place.0).mode(0o600)));
    let mode = fs::metadata(&place.0).unwrap().permissions().mode();
    assert_eq!((mode & 0o777, running.address().port()), (0o600, 0));
    is_taken_for(
        || connect_unix(&place.0),
        b"",
        "X-Forwarded-For: 6.6.6.6\r\n",
        "- by unix",
    );
    let taken = only().unix(&place.0).start().unwrap_err();
    assert!(matches!(taken, ServerError::Listen { .. }), "{taken}");
    assert!(taken.to_string().contains("unix:"), "{taken}");
    running.stop().unwrap();

    let running = tells(only().unix(&place.0).trusted_proxies(["unix"]));
    let named = "X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\n";
    is_taken_for(|| connect_unix(&place.0), b"", named, "192.0.2.1 by unix");
    running.stop().unwrap();

    let proxied = Listen::unix(&place.0).proxy_protocol(true);
    let running = tells(only().listen(proxied));
    is_taken_for(
        || connect_unix(&place.0),
        VERSION_1,
        "",
        "192.0.2.1 by unix",
    );
    is_taken_for(
        || connect_unix(&place.0),
        b"PROXY UNKNOWN\r\n",
        "",
        "- by unix",
    );
    running.stop().unwrap();

    fs::write(&place.0, "precious").unwrap();
    only().unix(&place.0).start().unwrap_err();
    assert_eq!(fs::read(&place.0).unwrap(), b"precious");
}
