//! Sessions and connections are independent: any request finds its session.

use crate::support::http::request;
use crate::support::{Http, POLL, Polling, Profile, RS, Ws, each, field};

/// Forty new connections, wherever they land, find the one session.
#[test]
fn one_session_over_many_connections() {
    each(Profile::Calm, |server| {
        let mut session = Polling::joined(server);
        for n in 0..40 {
            session.echoes(&format!("connection {n}"));
        }
    });
}

/// Kept connections to every shard carry one session, in order.
#[test]
fn one_session_over_many_kept_connections() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut kept: Vec<Http> = (0..12).map(|_| Http::connect(server)).collect();
        for n in 0..60 {
            let event = format!(r#"42["echo",{n}]"#);
            kept[n % 12].post(&session.target(), &event).is_ok("ok");
            kept[(n + 5) % 12].get(&session.target()).is_ok(&event);
        }
    });
}

/// One kept connection carries many sessions, each with its own answers.
#[test]
fn many_sessions_over_one_connection() {
    each(Profile::Calm, |server| {
        let sessions: Vec<Polling<'_>> = (0..25).map(|_| Polling::joined(server)).collect();
        let mut http = Http::connect(server);
        for (n, session) in sessions.iter().enumerate() {
            http.post(&session.target(), &format!(r#"42["echo",{n}]"#))
                .is_ok("ok");
        }
        for (n, session) in sessions.iter().enumerate().rev() {
            http.get(&session.target())
                .is_ok(&format!(r#"42["echo",{n}]"#));
        }
    });
}

/// RFC 9112 9.3.2: pipelined requests of several sessions are answered in their order.
#[test]
fn pipelined_requests_of_several_sessions() {
    each(Profile::Calm, |server| {
        let sessions: Vec<Polling<'_>> = (0..8).map(|_| Polling::joined(server)).collect();
        let mut all = String::new();
        for (n, session) in sessions.iter().enumerate() {
            all += &request("POST", &session.target(), &format!(r#"42["echo",{n}]"#));
        }
        let mut http = Http::connect(server);
        http.send(all);
        for _ in &sessions {
            http.response().is_ok("ok");
        }
        let polls: String = sessions
            .iter()
            .map(|session| request("GET", &session.target(), ""))
            .collect();
        http.send(polls);
        for n in 0..sessions.len() {
            http.response().is_ok(&format!(r#"42["echo",{n}]"#));
        }
    });
}

/// The handshake, the POSTs and the GETs of a session on one kept connection.
#[test]
fn a_whole_session_on_one_connection() {
    each(Profile::Calm, |server| {
        for _ in 0..6 {
            let mut http = Http::connect(server);
            let sid = field(http.get(POLL).text(), "sid").to_owned();
            let target = format!("{POLL}&sid={sid}");
            http.post(&target, "40").is_ok("ok");
            let mut packets = Vec::new();
            while packets.len() < 2 {
                let response = http.get(&target);
                packets.extend(response.text().split(RS).map(str::to_owned));
            }
            assert_eq!(packets[1], r#"42["auth",{}]"#);
            http.post(&target, "1").is_ok("ok");
            http.get(&target).is_error(1);
        }
    });
}

/// An upgrade that lands on another shard moves its connection, whichever it is.
#[test]
fn upgrades_find_their_session_on_any_shard() {
    each(Profile::Calm, |server| {
        for n in 0..16 {
            let session = Polling::joined(server);
            let mut ws = Ws::upgrade(server, &crate::upgrade::target(&session));
            ws.send_text("2probe");
            ws.expect_text("3probe");
            ws.send_text("5");
            ws.echoes(&format!("moved {n}"));
        }
    });
}

/// Sixty-four connections, open at once over all shards, each with its own echo.
#[test]
fn many_websockets_at_once() {
    each(Profile::Calm, |server| {
        let mut all: Vec<Ws> = (0..64).map(|_| Ws::joined(server)).collect();
        for (n, ws) in all.iter_mut().enumerate() {
            ws.send_text(&format!(r#"42["echo",{n}]"#));
        }
        for (n, ws) in all.iter_mut().enumerate().rev() {
            ws.expect_text(&format!(r#"42["echo",{n}]"#));
        }
    });
}
