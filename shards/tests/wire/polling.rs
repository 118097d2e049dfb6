//! Long-polling that goes well (PROTOCOL.md 2.1, 2.3).

use crate::support::http::request;
use crate::support::{Http, Polling, Profile, RS, each, show};

/// A POST is answered 200, text/html, `ok`; a CONNECT in it is answered by a GET.
#[test]
fn a_round_trip() {
    each(Profile::Calm, |server| {
        let mut session = Polling::open(server);
        let posted = session.post("40");
        posted.is_ok("ok");
        assert_eq!(
            posted.header("content-type"),
            Some("text/html"),
            "{}",
            posted.head
        );
        assert_eq!(
            posted.header("content-length"),
            Some("2"),
            "{}",
            posted.head
        );
        assert_eq!(
            posted.header("cache-control"),
            Some("no-store"),
            "{}",
            posted.head
        );
        assert!(session.packet().starts_with(r#"40{"sid":""#));
        session.expect(r#"42["auth",{}]"#);
        session.echoes("hello");
    });
}

/// The headers of the answer to a GET.
#[test]
fn the_headers_of_a_poll() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        session.post(r#"42["echo","é"]"#).is_ok("ok");
        let polled = session.get();
        polled.is_ok(r#"42["echo","é"]"#);
        assert_eq!(
            polled.header("content-type"),
            Some("text/plain; charset=UTF-8")
        );
        assert_eq!(
            polled.header("content-length"),
            Some("15"),
            "bytes, not characters"
        );
        assert_eq!(polled.header("cache-control"), Some("no-store"));
    });
}

/// Packets of a payload are joined by 0x1E, both ways, and stay in order.
#[test]
fn several_packets_in_one_payload() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let body = format!(r#"42["echo",1]{RS}42["echo",2]{RS}421["echo_ack",3]"#);
        session.post(&body).is_ok("ok");
        session
            .get()
            .is_ok(&format!(r#"42["echo",1]{RS}42["echo",2]{RS}431[3]"#));
    });
}

/// The packets of a POST are processed before its reply, so the next GET has them all.
#[test]
fn a_get_takes_all_that_is_buffered() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        for n in 1..=3 {
            session.post(&format!(r#"42["echo",{n}]"#)).is_ok("ok");
        }
        let all = [1, 2, 3]
            .map(|n| format!(r#"42["echo",{n}]"#))
            .join("\u{1e}");
        session.get().is_ok(&all);
    });
}

/// A GET with nothing to fetch waits, and one message answers it.
#[test]
fn a_parked_get_is_answered_by_a_message() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        session.post(r#"42["echo","now"]"#).is_ok("ok");
        parked.response().is_ok(r#"42["echo","now"]"#);
    });
}

/// Each GET gets one response; the next GET is parked anew.
#[test]
fn a_parked_get_is_answered_once() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut http = session.park();
        for n in 0..5 {
            let event = format!(r#"42["echo",{n}]"#);
            session.post(&event).is_ok("ok");
            http.response().is_ok(&event);
            http.send(request("GET", &session.target(), ""));
            server.settle(http.port());
        }
    });
}

/// Binary in a payload is `b` and base64, both ways.
#[test]
fn binary_is_base64() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        session.post(&format!("{head}{RS}bAQIDBA==")).is_ok("ok");
        session.get().is_ok(&format!("{head}{RS}bAQIDBA=="));
    });
}

/// A packet and its attachments may come in separate POSTs.
#[test]
fn attachments_in_posts_of_their_own() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let event =
            r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
        for body in [event, "bAAEC", "b//79"] {
            session.post(body).is_ok("ok");
        }
        let back = event.replace("\"message\"", "\"message-back\"");
        session.get().is_ok(&format!("{back}{RS}bAAEC{RS}b//79"));
    });
}

/// Node's base64 takes missing padding and the URL-safe alphabet.
#[test]
fn lenient_base64() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        for (sent, back) in [
            ("bAQIDBA", "bAQIDBA=="),
            ("b-_8=", "b+/8="),
            ("b-_8", "b+/8="),
        ] {
            session.post(&format!("{head}{RS}{sent}")).is_ok("ok");
            session.get().is_ok(&format!("{head}{RS}{back}"));
        }
    });
}

/// An attachment may be empty.
#[test]
fn an_empty_attachment() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        session.post(&format!("{head}{RS}b")).is_ok("ok");
        session.get().is_ok(&format!("{head}{RS}b"));
    });
}

/// A POST with a chunked body, cut anywhere, with extension and trailer.
#[test]
fn a_chunked_body() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            session.target()
        );
        let event = r#"42["echo","chunked"]"#;
        let (a, b) = event.split_at(5);
        let bodies = [
            format!("14\r\n{event}\r\n0\r\n\r\n"),
            format!("5\r\n{a}\r\nF\r\n{b}\r\n0\r\n\r\n"),
            format!("5;name=value\r\n{a}\r\n0f\r\n{b}\r\n0\r\nTrailer: x\r\n\r\n"),
            event
                .chars()
                .map(|c| format!("1\r\n{c}\r\n"))
                .collect::<Vec<_>>()
                .concat()
                + "0\r\n\r\n",
        ];
        for body in bodies {
            let mut http = Http::connect(server);
            http.send(head.clone() + &body);
            http.response().is_ok("ok");
            session.expect(event);
        }
    });
}

/// The body of a POST is UTF-8 however the segments cut it.
#[test]
fn multibyte_text_split_over_segments() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let event = r#"42["echo","é€😀"]"#;
        let bytes = request("POST", &session.target(), event).into_bytes();
        for cut in bytes.len() - 13..bytes.len() {
            let mut http = Http::connect(server);
            http.send(&bytes[..cut]);
            server.until_read(http.port());
            http.send(&bytes[cut..]);
            http.response().is_ok("ok");
            session.expect(event);
        }
    });
}

/// The body of a POST is UTF-8 however the chunks cut it.
#[test]
fn multibyte_text_split_over_chunks() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let event = r#"42["echo","é€😀"]"#;
        let mut bytes = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            session.target()
        )
        .into_bytes();
        for byte in event.bytes() {
            bytes.extend([b'1', b'\r', b'\n', byte, b'\r', b'\n']);
        }
        bytes.extend(b"0\r\n\r\n");
        let mut http = Http::connect(server);
        http.send(bytes);
        http.response().is_ok("ok");
        session.expect(event);
    });
}

/// A POST may come one byte at a time.
#[test]
fn a_post_byte_by_byte() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let event = r#"42["echo","slowly"]"#;
        let mut http = Http::connect(server);
        for byte in request("POST", &session.target(), event).bytes() {
            http.send([byte]);
        }
        http.response().is_ok("ok");
        session.expect(event);
    });
}

/// RFC 9110 10.1.1: a client that expects 100 is not left waiting.
#[test]
fn expect_100_continue() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let event = r#"42["echo","continued"]"#;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            session.target(),
            event.len()
        );
        let mut http = Http::connect(server);
        http.send(head);
        assert_eq!(http.response().status, 100);
        http.send(event);
        http.response().is_ok("ok");
        session.expect(event);
    });
}

/// A POST and a GET pipelined on one connection, answered in order.
#[test]
fn a_post_and_a_get_in_one_segment() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let target = session.target();
        let event = r#"42["echo","both"]"#;
        let mut http = Http::connect(server);
        http.send(request("POST", &target, event) + &request("GET", &target, ""));
        http.response().is_ok("ok");
        http.response().is_ok(event);
    });
}

/// Large texts and attachments pass unchanged.
#[test]
fn large_payloads() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        let text = "é€😀x".repeat(20_000);
        session.echoes(&text);
        let head = r#"451-["echo",{"_placeholder":true,"num":0}]"#;
        let attachment = format!("b{}", "AAEC/w+/".repeat(50_000));
        session.post(&format!("{head}{RS}{attachment}")).is_ok("ok");
        session.expect(head);
        let back = session.packet();
        assert!(back == attachment, "{}", show(back.as_bytes()));
    });
}

/// A pong nobody asked for is taken, also in a payload, also between packets.
#[test]
fn an_unasked_pong() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        session
            .post(&format!(r#"3{RS}42["echo",1]{RS}3{RS}42["echo",2]"#))
            .is_ok("ok");
        session
            .get()
            .is_ok(&format!(r#"42["echo",1]{RS}42["echo",2]"#));
    });
}

/// `0`, `5` and `6` after open are ignored, on polling as well.
#[test]
fn packets_that_mean_nothing_after_open() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        for packet in ["0", "5", "6", "0{}", "6x"] {
            session
                .post(&format!(r#"{packet}{RS}42["echo",1]"#))
                .is_ok("ok");
            session.get().is_ok(r#"42["echo",1]"#);
        }
    });
}

/// The packet `1` closes: a parked GET is answered `6`, the POST `ok`, the session goes.
#[test]
fn closing_while_a_get_is_parked() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut parked = session.park();
        session.post("1").is_ok("ok");
        parked.response().is_ok("6");
        session.is_gone();
    });
}

/// After a close with no GET parked nothing is left of the session: code 1.
#[test]
fn closing_with_no_get_parked() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        session.post("1").is_ok("ok");
        session.is_gone();
        let unconnected = Polling::open(server);
        unconnected.post("1").is_ok("ok");
        unconnected.is_gone();
    });
}

/// Packets behind a close in the same payload are ignored.
#[test]
fn packets_after_a_close_are_ignored() {
    each(Profile::Calm, |server| {
        let mut witness = crate::reasons::witness(server, "after-close");
        let mut session = Polling::joined(server);
        session.post(r#"420["watch","after-close"]"#).is_ok("ok");
        session.expect("430[]");
        let room = r#"42["room","gone:after-close","late"]"#;
        session.post(&format!("1{RS}{room}")).is_ok("ok");
        witness.expect_text(r#"42["gone","after-close","transport close"]"#);
        witness.echoes("and no more");
    });
}
