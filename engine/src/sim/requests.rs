//! Answers: how does a shell serve the requests of long-polling.

use alloc::{string::String, vec::Vec};

use super::{
    client::{Sent, What, Wire},
    shell::Post,
    wire,
    world::{Task, World},
};
use crate::{
    eio::{handshake::Transport, payload, session::Poll},
    hub::SessionKey,
    id::Sid,
};

impl World {
    /// The session that a request's sid names.
    fn find(&self, client: usize) -> Option<(usize, SessionKey)> {
        let sid = Sid::parse(self.clients[client].sid.as_ref()?.as_bytes())?;
        let hub = usize::from(sid.shard().0);
        Some((hub, self.hubs.get(hub)?.find(&sid)?))
    }

    /// A request comes in, over whichever shard: it goes to that of its session.
    pub(super) fn request(&mut self, client: usize, request: Post) {
        let (door, hub) = (self.clients[client].door, self.clients[client].hub);
        if door == hub {
            self.posted_by(door, hub, request);
        } else {
            self.post(door, hub, request);
        }
    }

    pub(super) fn get(&mut self, client: usize) {
        let Some((hub, key)) = self.find(client) else {
            return self.soon(Task::Answer(client, None));
        };
        let parked = self.parked.contains_key(&(hub, key.to_bits()));
        self.log(format_args!("client {client} polls"));
        let on_it = self.hubs[hub].transport(key) == Some(Transport::Polling);
        let answer = self.hubs[hub].recv_get(key);
        if parked && on_it {
            let refused = matches!(answer, Some(Err(_)));
            self.oracle.expect(refused, "a second GET was taken");
        }
        match answer {
            Some(Ok(Poll::Park)) => {
                self.parked.insert((hub, key.to_bits()), client);
            }
            Some(Ok(Poll::Answer)) => {
                let body = self.hubs[hub].take_poll(self.now, key).bytes.into();
                self.soon(Task::Answer(client, Some(body)));
            }
            Some(Ok(Poll::Mismatch)) | None => self.soon(Task::Answer(client, None)),
            Some(Err(error)) => {
                self.oracle.expect(parked, "an overlap of one GET");
                self.oracle.ends(client, error.close_reason());
                self.hubs[hub].fail(self.now, key, error);
                self.soon(Task::Answer(client, None));
            }
        }
        self.drain(hub);
    }

    /// The head of a POST arrives.
    pub(super) fn post_head(&mut self, client: usize, body: Vec<Sent>) {
        let Some((hub, key)) = self.find(client) else {
            return self.soon(Task::Posted(client, false));
        };
        let posting = self.posting.contains(&client);
        let on_it = self.hubs[hub].transport(key) == Some(Transport::Polling);
        let answer = self.hubs[hub].recv_post(key);
        if posting && on_it {
            let refused = matches!(answer, Some(Err(_)));
            self.oracle.expect(refused, "a second POST was taken");
        }
        match answer {
            Some(Ok(true)) => {
                self.posting.insert(client);
                self.soon(Task::PostBody(client, body));
            }
            Some(Ok(false)) | None => self.soon(Task::Posted(client, false)),
            Some(Err(error)) => {
                self.oracle.expect(posting, "an overlap of one POST");
                self.oracle.ends(client, error.close_reason());
                self.hubs[hub].fail(self.now, key, error);
                self.soon(Task::Posted(client, false));
            }
        }
        self.drain(hub);
    }

    /// The body of a POST has arrived.
    pub(super) fn post_body(&mut self, client: usize, messages: &[Sent]) {
        if !self.posting.remove(&client) {
            return; // the client went away before it had said all
        }
        if let Some(much) = messages.iter().find(|s| matches!(s.what, What::TooLarge)) {
            // The whole body is refused.
            self.message(client, much);
            let session = &self.oracle.sessions[client];
            let (hub, key) = (session.hub, session.key);
            self.hubs[hub].end_post(key);
            return self.soon(Task::Posted(client, false));
        }
        let session = &self.oracle.sessions[client];
        let (hub, key) = (session.hub, session.key);
        let mut body = String::new();
        for (at, sent) in messages.iter().enumerate() {
            body.push_str(if at == 0 { "" } else { "\u{1e}" });
            match &sent.wire {
                Wire::Text(text) => body.push_str(text),
                Wire::Binary(data) => {
                    body.push('b');
                    body.push_str(&wire::to_base64(data));
                }
            }
        }
        let stuck = self.stuck(client);
        let packets: Vec<_> = payload::packets(&body).collect();
        let whole = packets.len() == messages.len();
        self.oracle.expect(whole, "a body fell into other packets");
        for (packet, sent) in packets.into_iter().zip(messages) {
            let (wire, what) = (Wire::Text(packet.into()), sent.what.clone());
            self.message(client, &Sent { wire, what });
        }
        self.put_aside(client, stuck);
        self.hubs[hub].end_post(key);
        self.touch(hub);
        self.soon(Task::Posted(client, true));
    }
}
