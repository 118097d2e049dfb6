//! Answers: what does the server say in HTTP to what it was asked, and how does that reach a connection.
//!
//! How a response is written is [`crate::net::response`]'s. Here the shard's words become one: those to a
//! long-polling request ([`Reply`]), refusals, and the options that a request has decided for its response.

use http::StatusCode;
use stentor_engine::{eio::handshake::Refusal, hub::SessionKey};

use super::{Shard, conns::ConnKey};
use crate::{
    net::response::{Response, ResponseOptions},
    post::Reply,
};

const JSON: &str = "application/json";
const HTML: &str = "text/html";

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Payload(body) => Self::new(StatusCode::OK, "text/plain; charset=UTF-8", body),
            Reply::Ok | Reply::Continue => Self::new(StatusCode::OK, HTML, &b"ok"[..]),
            Reply::Refused(refusal) => refused(refusal, None),
            Reply::Status(code) => {
                let status = StatusCode::from_u16(code);
                Self::status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }
}

/// An official error; `message` instead of the official one if there is one.
pub(super) fn refused(refusal: Refusal, message: Option<&str>) -> Response {
    let status = match refusal {
        Refusal::Forbidden => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = match message {
        Some(message) => {
            serde_json::json!({ "code": refusal.code(), "message": message }).to_string()
        }
        None => refusal.body(),
    };
    Response::new(status, JSON, body.into_bytes())
}

/// What a WebSocket request is told that is refused before it is one (PROTOCOL.md 2.2).
pub(super) fn upgrade_refused(message: String) -> Response {
    Response::new(StatusCode::BAD_REQUEST, HTML, message.into_bytes()).closing()
}

impl Shard {
    /// What a request decides about its response. `header` is the first header of that name.
    #[expect(clippy::unused_self, reason = "the options of the server decide it")]
    pub(super) fn response_options<'a>(
        &self,
        _header: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> ResponseOptions {
        ResponseOptions::default()
    }

    /// Answers the request that a connection is at, which may go on afterwards.
    pub(super) fn respond(&self, key: ConnKey, mut response: Response) {
        response.close |= self.stopping.get();
        let now = self.now.get();
        let mut conns = self.conns.borrow_mut();
        if let Some(polled) = conns.polled(key) {
            response.options = std::mem::take(&mut polled.options);
        }
        let mut writer = self.writer.borrow_mut();
        let bytes = writer.write(&response, &self.config.header_sets, now.0);
        conns.respond(key, bytes, response.close, now);
    }

    /// Answers the request that a connection began with, and ends the connection.
    pub(super) fn refuse(&self, key: ConnKey, response: &Response) {
        let now = self.now.get();
        let mut writer = self.writer.borrow_mut();
        let (head, body) = writer.write(response, &self.config.header_sets, now.0);
        let whole;
        let bytes = if body.is_empty() {
            head
        } else {
            whole = [head, body].concat();
            &whole
        };
        self.conns.borrow_mut().finish(key, bytes, now);
    }

    /// Answers the GET that is parked on a connection. What is behind it is seen to later in the
    /// turn: the hub is not free here.
    pub(super) fn answer_parked(&self, key: ConnKey, reply: Reply) {
        if let Some(polled) = self.conns.borrow_mut().polled(key) {
            polled.parked = None;
            if !polled.read.is_empty() {
                self.resumable.borrow_mut().push(key);
            }
        }
        self.respond(key, reply.into());
    }

    /// Answers the POST whose body is coming on a connection, and reads no more of it.
    pub(super) fn give_up_post(&self, key: ConnKey, session: SessionKey, reply: Reply) {
        let mut conns = self.conns.borrow_mut();
        let body = conns.polled(key).and_then(|polled| {
            let body = polled.body.take_if(|body| body.session == session)?;
            polled.read = Vec::new();
            Some(body)
        });
        conns.recount(key);
        drop(conns);
        if body.is_some() {
            self.respond(key, Response::from(reply).closing());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_in_http() {
        let told = |reply: Reply| {
            let response = Response::from(reply);
            let body = String::from_utf8(response.body.into_owned()).unwrap();
            (response.status.as_u16(), response.content_type, body)
        };
        let payload = Reply::Payload(b"2".to_vec());
        let plain = "text/plain; charset=UTF-8";
        assert_eq!(told(payload), (200, plain, "2".to_owned()));
        assert_eq!(told(Reply::Ok), (200, HTML, "ok".to_owned()));
        let unknown = r#"{"code":1,"message":"Session ID unknown"}"#;
        let refused = Reply::Refused(Refusal::SessionUnknown);
        assert_eq!(told(refused), (400, JSON, unknown.to_owned()));
        let forbidden = r#"{"code":4,"message":"Forbidden"}"#;
        let refused = Reply::Refused(Refusal::Forbidden);
        assert_eq!(told(refused), (403, JSON, forbidden.to_owned()));
        assert_eq!(told(Reply::Status(413)), (413, "", String::new()));
    }
}
