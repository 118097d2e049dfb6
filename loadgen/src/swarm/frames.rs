//! Answers: which messages are in the bytes that a client received.
//!
//! HTTP answers before a WebSocket, frames after. Must not know what messages mean.

use super::carry::Side;
use super::client::{Pieces, State};
use super::worker::Worker;
use crate::proto::http::{self, Answer};
use crate::proto::ws::{self, Header, opcode};

impl Worker<'_> {
    /// Takes as much as is complete; gives the number of bytes taken.
    pub(super) fn consume(&mut self, local: u32, side: Side, data: &[u8]) -> usize {
        let mut used = 0;
        while used < data.len() {
            let taken = if self.speaks_http(local, side) {
                self.consume_answer(local, side, &data[used..])
            } else {
                self.consume_frame(local, side, &data[used..])
            };
            if taken == 0 {
                break;
            }
            used += taken;
            if matches!(
                self.clients[local as usize].state,
                State::Gone | State::Vacant
            ) {
                return data.len();
            }
        }
        used
    }

    fn speaks_http(&self, local: u32, side: Side) -> bool {
        let client = &self.clients[local as usize];
        match (&client.polling, side) {
            (Some(polling), Side::Probe) => !polling.probe_open,
            (Some(_), _) => true,
            (None, _) => client.state == State::Requesting,
        }
    }

    fn consume_answer(&mut self, local: u32, side: Side, data: &[u8]) -> usize {
        match http::answer(data) {
            Ok(None) => 0,
            Ok(Some(answer)) => {
                let used = answer.used;
                let upgrading =
                    side == Side::Probe || self.clients[local as usize].state == State::Requesting;
                if upgrading {
                    self.upgraded(local, side, &answer);
                } else {
                    self.polled(local, side, &answer);
                }
                used
            }
            Err(wrong) => {
                self.lose(local, wrong);
                data.len()
            }
        }
    }

    /// The answer to the request for a WebSocket.
    fn upgraded(&mut self, local: u32, side: Side, answer: &Answer) {
        if answer.status != 101 {
            let reason = format!("HTTP {} for a WebSocket", answer.status);
            return self.lose_saying(local, &reason, &answer.body);
        }
        if answer.accept.as_deref() != Some(&self.key.accept) {
            return self.lose(local, "wrong Sec-WebSocket-Accept");
        }
        if answer.extensions {
            return self.lose(local, "a WebSocket extension nobody offered");
        }
        let client = &mut self.clients[local as usize];
        if side == Side::Probe {
            self.probe_opened(local);
        } else {
            client.state = State::Opening;
        }
    }

    fn consume_frame(&mut self, local: u32, side: Side, data: &[u8]) -> usize {
        let Some(header) = ws::header(data) else {
            return 0;
        };
        if header.illegal {
            self.lose(local, "illegal WebSocket frame");
            return data.len();
        }
        let total = header.header_len.saturating_add(header.payload_len);
        let Some(payload) = data.get(header.header_len..total) else {
            return 0;
        };
        match header.opcode {
            opcode::CLOSE => {
                let code = payload
                    .get(..2)
                    .map_or(1005, |c| u16::from_be_bytes([c[0], c[1]]));
                self.lose(local, &format!("WebSocket close {code}"));
            }
            opcode::PING if side == Side::Main => self.frame(opcode::PONG, payload),
            opcode::PING | opcode::PONG => {}
            opcode::TEXT | opcode::BINARY | opcode::CONTINUATION => {
                self.piece(local, side, header, payload);
            }
            other => self.lose(local, &format!("unknown WebSocket opcode {other}")),
        }
        total
    }

    fn piece(&mut self, local: u32, side: Side, header: Header, payload: &[u8]) {
        let begins = header.opcode != opcode::CONTINUATION;
        let pieces = &mut self.clients[local as usize].pieces;
        match (begins, pieces.take()) {
            (true, None) if header.fin => self.whole(local, side, header.opcode, payload),
            (true, None) => {
                let data = payload.to_vec();
                *pieces = Some(Box::new(Pieces {
                    opcode: header.opcode,
                    data,
                }));
            }
            (false, Some(mut begun)) => {
                begun.data.extend_from_slice(payload);
                if header.fin {
                    self.whole(local, side, begun.opcode, &begun.data);
                } else {
                    *pieces = Some(begun);
                }
            }
            _ => self.lose(local, "WebSocket fragments out of order"),
        }
    }

    fn whole(&mut self, local: u32, side: Side, kind: u8, data: &[u8]) {
        if side == Side::Probe {
            self.probe_message(local, data);
        } else if kind == opcode::BINARY {
            self.attached(local, data);
        } else {
            self.packet(local, data);
        }
    }
}
