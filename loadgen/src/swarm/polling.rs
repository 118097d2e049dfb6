//! Answers: which request of a long-polling client is out, and what goes next.
//!
//! Also its change to WebSocket. Must not know what packets mean.

use super::carry::Side;
use super::client::State;
use super::setup::Carrier;
use super::worker::Worker;
use crate::proto::http::Answer;
use crate::proto::ws::{self, opcode};
use base64::Engine as _;

impl Worker<'_> {
    /// An answer to a poll or a post.
    pub(super) fn polled(&mut self, local: u32, side: Side, answer: &Answer) {
        if answer.status != 200 {
            let what = if side == Side::Post { "post" } else { "poll" };
            let reason = format!("HTTP {} for a {what}", answer.status);
            return self.lose_saying(local, &reason, &answer.body);
        }
        let client = &mut self.clients[local as usize];
        let Some(polling) = &mut client.polling else {
            return;
        };
        if side == Side::Post {
            polling.posting = false;
            if answer.closing {
                polling.post.close(false);
            }
            if !answer.body.eq_ignore_ascii_case(b"ok") {
                self.stats.wrong("a post not answered by ok", &answer.body);
            }
        } else {
            polling.getting = false;
            if answer.closing {
                client.main.close(false); // the next poll opens another
            }
            for part in answer.body.split(|b| *b == 0x1e) {
                self.polled_packet(local, part);
            }
        }
        self.pump_get(local);
        self.pump_post(local);
        self.finish_upgrade(local);
    }

    fn polled_packet(&mut self, local: u32, part: &[u8]) {
        if let Some(encoded) = part.strip_prefix(b"b") {
            match base64::prelude::BASE64_STANDARD.decode(encoded) {
                Ok(data) => self.attached(local, &data),
                Err(_) => self.stats.wrong("an attachment that is no base64", part),
            }
        } else {
            self.packet(local, part);
        }
    }

    /// Keeps one poll out.
    fn pump_get(&mut self, local: u32) {
        let client = &mut self.clients[local as usize];
        let Some(polling) = &mut client.polling else {
            return;
        };
        if polling.getting || polling.pausing || client.state == State::Gone {
            return;
        }
        polling.getting = true;
        let mut request = Vec::new();
        self.setup.address.get(&mut request, Some(&polling.sid));
        if client.main.socket.is_none() && !self.redial(local, Side::Main) {
            return;
        }
        self.send_raw(local, Side::Main, &request);
    }

    /// Posts what is queued, one post at a time.
    pub(super) fn pump_post(&mut self, local: u32) {
        let Some(polling) = &mut self.clients[local as usize].polling else {
            return;
        };
        if polling.posting || polling.queue.is_empty() || polling.sid.is_empty() {
            return;
        }
        polling.posting = true;
        let mut request = Vec::new();
        self.setup
            .address
            .post(&mut request, &polling.sid, &polling.queue);
        polling.queue.clear();
        if polling.queue.capacity() > 4096 {
            polling.queue = Vec::new();
        }
        if polling.post.socket.is_none() && !self.redial(local, Side::Post) {
            return;
        }
        self.send_raw(local, Side::Post, &request);
    }

    fn redial(&mut self, local: u32, side: Side) -> bool {
        match self.new_link(local) {
            Ok(link) => {
                if let Some(place) = self.clients[local as usize].link(side) {
                    *place = link;
                }
                self.watch(local, side, false);
                true
            }
            Err(error) => {
                self.lose(local, &format!("connect: {error}"));
                false
            }
        }
    }

    /// Opens the WebSocket that shall take over.
    pub(super) fn begin_upgrade(&mut self, local: u32) {
        let now = self.setup.clock.now();
        let Some(polling) = &mut self.clients[local as usize].polling else {
            return;
        };
        polling.probe_since = now;
        let mut request = Vec::new();
        self.setup
            .address
            .upgrade(&mut request, &self.key.offered, Some(&polling.sid));
        if self.redial(local, Side::Probe) {
            self.send_raw(local, Side::Probe, &request);
        }
    }

    /// The WebSocket is there: try it.
    pub(super) fn probe_opened(&mut self, local: u32) {
        if let Some(polling) = &mut self.clients[local as usize].polling {
            polling.probe_open = true;
        }
        self.probe_send(local, b"2probe");
    }

    fn probe_send(&mut self, local: u32, text: &[u8]) {
        let mut out = Vec::new();
        let start = ws::begin(&mut out);
        out.extend_from_slice(text);
        ws::finish(&mut out, start, opcode::TEXT, self.mask);
        self.send_raw(local, Side::Probe, &out);
    }

    /// A message on the WebSocket being tried.
    pub(super) fn probe_message(&mut self, local: u32, data: &[u8]) {
        if data != b"3probe" {
            return self.stats.wrong("not the answer to the probe", data);
        }
        if let Some(polling) = &mut self.clients[local as usize].polling {
            polling.pausing = true;
        }
        self.finish_upgrade(local);
    }

    /// Once no request is out any more, the WebSocket takes over.
    fn finish_upgrade(&mut self, local: u32) {
        let Some(polling) = &self.clients[local as usize].polling else {
            return;
        };
        if !polling.pausing || polling.getting || polling.posting || !polling.queue.is_empty() {
            return;
        }
        self.probe_send(local, b"5");
        let client = &mut self.clients[local as usize];
        if client.state == State::Gone {
            return;
        }
        if let Some(mut polling) = client.polling.take() {
            client.main.close(false);
            client.main = std::mem::take(&mut polling.probe);
            polling.post.close(false);
            let taken = self.setup.clock.now().saturating_sub(polling.probe_since);
            self.stats.upgrade.record(taken);
        }
        debug_assert_eq!(self.clients[local as usize].carrier, Carrier::Upgrade);
        self.watch(local, Side::Main, true);
        self.settle_in(local);
        self.flush(local);
    }
}
