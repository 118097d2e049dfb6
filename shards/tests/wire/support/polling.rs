//! An Engine.IO session over long-polling, each request on a new connection, so that with several
//! shards every request lands anywhere.

use std::collections::VecDeque;

use super::http::{once, request};
use super::{Http, POLL, RS, Response, Server, WS, await_that, field};

#[derive(Debug)]
pub(crate) struct Polling<'a> {
    pub(crate) server: &'a Server,
    pub(crate) sid: String,
    /// Packets that came and were not asked for yet.
    ready: VecDeque<String>,
}

impl<'a> Polling<'a> {
    /// The Engine.IO handshake.
    pub(crate) fn open(server: &'a Server) -> Self {
        let response = once(server, "GET", POLL, "");
        assert_eq!(response.status, 200, "{response:?}");
        let sid = field(response.text(), "sid").to_owned();
        Self {
            server,
            sid,
            ready: VecDeque::new(),
        }
    }

    /// The handshake, and CONNECT to `/`.
    pub(crate) fn joined(server: &'a Server) -> Self {
        let mut session = Self::open(server);
        session.post("40").is_ok("ok");
        let connect = session.packet();
        assert!(connect.starts_with(r#"40{"sid":""#), "{connect}");
        session.expect(r#"42["auth",{}]"#);
        session
    }

    pub(crate) fn target(&self) -> String {
        format!("{POLL}&sid={}", self.sid)
    }

    pub(crate) fn get(&self) -> Response {
        once(self.server, "GET", &self.target(), "")
    }

    pub(crate) fn post(&self, body: &str) -> Response {
        once(self.server, "POST", &self.target(), body)
    }

    /// A GET that the server will keep, when it has read it.
    pub(crate) fn park_unseen(&self) -> Http {
        let mut http = Http::connect(self.server);
        http.send(request("GET", &self.target(), ""));
        http
    }

    /// A GET that the server has read and keeps.
    pub(crate) fn park(&self) -> Http {
        let http = self.park_unseen();
        self.server.settle(http.port());
        http
    }

    /// The next packet, polled for as often as it takes.
    pub(crate) fn packet(&mut self) -> String {
        while self.ready.is_empty() {
            let response = self.get();
            assert_eq!(response.status, 200, "{response:?}");
            self.ready
                .extend(response.text().split(RS).map(str::to_owned));
        }
        self.ready
            .pop_front()
            .expect("a payload has one packet at least")
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, packet: &str) {
        assert_eq!(self.packet(), packet);
    }

    /// Sends an event and waits for its echo: the session works.
    #[track_caller]
    pub(crate) fn echoes(&mut self, what: &str) {
        let event = format!(r#"42["echo","{what}"]"#);
        self.post(&event).is_ok("ok");
        self.expect(&event);
    }

    /// Asks whether the session is there without touching it: the verification (PROTOCOL.md 2.2,
    /// step 3) knows code 1 for an unknown sid, and code 3 for another transport than its own.
    pub(crate) fn is_known(&self) -> bool {
        let target = format!("{WS}&sid={}", self.sid);
        let response = once(self.server, "GET", &target, "");
        response.is_error(if response.text().contains(r#""code":1"#) {
            1
        } else {
            3
        });
        response.text().contains(r#""code":3"#)
    }

    /// The session goes, sooner or later, without our doing.
    pub(crate) fn goes_away(&self) {
        await_that("the session is removed", || {
            (!self.is_known()).then_some(())
        });
        self.is_gone();
    }

    /// The session is gone now: the next GET and POST are answered with code 1.
    #[track_caller]
    pub(crate) fn is_gone(&self) {
        self.get().is_error(1);
        self.post("3").is_error(1);
    }
}
