//! Sessions that the server closes while their client upgrades: what was said to them arrives,
//! whichever transport the client turns to (docs/decisions/0019).

use crate::support::{Differs, Event, Polling, Profile, RS, Ws, each, ours_only};
use crate::upgrade::{probe, target};

/// Two events to the client, and then its end.
const SAID: [&str; 2] = [r#"42["echo","a"]"#, r#"42["echo","b"]"#];

fn said_and(last: &str) -> String {
    [SAID[0], SAID[1], last].join(&RS.to_string())
}

/// What a WebSocket is sent before its close frame.
#[track_caller]
fn last_words(ws: &mut Ws) -> Vec<String> {
    let text = |event| match event {
        Event::Text(text) => text,
        other => panic!("{other:?} instead of a text"),
    };
    ws.ends().into_iter().map(text).collect()
}

/// The official client has paused polling when it says `5`: all comes over the WebSocket.
#[test]
fn the_upgrade_comes_after_the_close() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        session.post(&said_and(r#"42["kick",true]"#)).is_ok("ok");
        ws.send_text("5");
        assert_eq!(last_words(&mut ws), [SAID[0], SAID[1], "41"]);
        session.is_gone();
    });
}

/// A client that has not paused yet polls once more: the GET has all, the next one the close, and
/// then the WebSocket is closed.
#[test]
fn a_get_comes_after_the_close() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        session.post(&said_and(r#"42["kick",true]"#)).is_ok("ok");
        session.get().is_ok(&said_and("41"));
        session.get().is_ok(&format!("6{RS}1"));
        assert_eq!(last_words(&mut ws), [""; 0]);
        session.is_gone();
    });
}

/// It polls, and says `5` when it has read that.
#[test]
fn a_get_and_then_the_upgrade_come_after_the_close() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        session.post(&said_and(r#"42["kick",true]"#)).is_ok("ok");
        session.get().is_ok(&said_and("41"));
        ws.send_text("5");
        assert_eq!(last_words(&mut ws), [""; 0]);
        session.is_gone();
    });
}

/// Before `2probe` the client cannot have left polling: the WebSocket is closed at once.
#[test]
fn a_close_before_the_probe() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = Ws::upgrade(server, &target(&session));
        session.post(&said_and(r#"42["kick",true]"#)).is_ok("ok");
        assert_eq!(last_words(&mut ws), [""; 0]);
        session.get().is_ok(&said_and("41"));
        session.get().is_ok(&format!("6{RS}1"));
        session.is_gone();
    });
}

/// A GET is parked as the session closes, before `2probe`.
#[test]
fn a_close_before_the_probe_with_a_parked_get() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = Ws::upgrade(server, &target(&session));
        let mut parked = session.park();
        session.post(&said_and(r#"42["kick",true]"#)).is_ok("ok");
        // In one payload, or as from Node in two.
        let mut polled = vec![parked.response().text().to_owned()];
        while polled
            .last()
            .is_some_and(|body| !body.ends_with("6\u{1e}1"))
        {
            polled.push(session.get().text().to_owned());
        }
        let packets = polled.join("\u{1e}");
        assert_eq!(packets, said_and(&format!("41{RS}6{RS}1")));
        assert_eq!(last_words(&mut ws), [""; 0]);
        session.is_gone();
    });
}

/// The WebSocket goes instead: polling has it all.
#[test]
fn the_probe_is_lost_after_the_close() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        session.post(&said_and(r#"42["kick",true]"#)).is_ok("ok");
        ws.http.finish();
        ws.ends();
        session.get().is_ok(&said_and("41"));
        session.get().is_ok(&format!("6{RS}1"));
        session.is_gone();
    });
}

/// A violation closes as `disconnect` does: the answers to what came before it arrive.
#[test]
fn a_violation_amid_the_upgrade() {
    ours_only(Differs::AnswersFirst, Profile::Calm, |server| {
        for bad in ["40", "42{}", "49"] {
            let session = Polling::joined(server);
            let mut ws = probe(server, &session);
            session.post(&said_and(bad)).is_ok("ok");
            ws.send_text("5");
            assert_eq!(last_words(&mut ws), SAID, "{bad}");
            session.is_gone();
        }
    });
}

/// One that breaks the transport's rules gets no answers, but its client hears of the end.
#[test]
fn an_abrupt_end_amid_the_upgrade() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        session.post("x");
        ws.send_text("5");
        assert_eq!(last_words(&mut ws), [""; 0]);
        session.is_gone();
    });
}

/// Leaving one namespace closes nothing: the upgrade goes on.
#[test]
fn the_namespace_alone_is_left() {
    each(Profile::Calm, |server| {
        let session = Polling::joined(server);
        let mut ws = probe(server, &session);
        session.post(&said_and(r#"42["kick",false]"#)).is_ok("ok");
        ws.send_text("5");
        for packet in [SAID[0], SAID[1], "41"] {
            ws.expect_text(packet);
        }
        ws.send_text("40");
        assert!(ws.text().starts_with(r#"40{"sid":""#));
    });
}
