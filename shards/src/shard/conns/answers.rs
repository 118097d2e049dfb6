//! Answers: how does a long-polling connection get its responses, and when may it go on.

use super::{ConnKey, Conns, Interest, Polled, Role, Tick, Written, token};
use crate::net::request::{Flow, Phase};

impl Conns {
    /// What is behind a request was read up to the bound, and the request does not wait any more: epoll tells
    /// again if more is there.
    pub(crate) fn read_on(&mut self, key: ConnKey) {
        if let Some(conn) = self.table.get_mut(key)
            && let Some(registry) = &self.registry
        {
            let interest = Interest::READABLE | Interest::WRITABLE;
            // It fails only for what epoll does not have.
            let _ = registry.reregister(&mut conn.stream, token(key), interest);
        }
    }

    /// What a connection keeps that brings long-polling requests.
    pub(crate) fn polled(&mut self, key: ConnKey) -> Option<&mut Polled> {
        match &mut self.table.get_mut(key)?.role {
            Role::Polled(polled) => Some(polled),
            _ => None,
        }
    }

    /// Sets the time by which something must have happened on a long-polling connection.
    pub(crate) fn set_due(&mut self, key: ConnKey, due: Tick) {
        if let Some(conn) = self.table.get_mut(key)
            && let Role::Polled(polled) = &mut conn.role
        {
            self.polled.set(key, polled, due);
        }
    }

    /// Sends a response, and keeps what the peer does not take now. `last` if the connection ends
    /// with it. What becomes of the connection's next request.
    pub(crate) fn respond(
        &mut self,
        key: ConnKey,
        bytes: (&[u8], &[u8]),
        last: bool,
        now: Tick,
    ) -> Flow {
        let (head, body) = bytes;
        let written = if body.is_empty() {
            self.write(key, &[head])
        } else {
            self.write(key, &[head, body])
        };
        let n = match written {
            Written::Bytes(n) => n,
            Written::Blocked => 0,
            Written::Failed => {
                self.drop_conn(key);
                return Flow::End;
            }
        };
        let mut flow = Flow::Next;
        if n < head.len() + body.len()
            && let Some(polled) = self.polled(key)
        {
            let (of_head, of_body) = (n.min(head.len()), n.saturating_sub(head.len()));
            polled.unsent = [&head[of_head..], &body[of_body..]].concat();
            flow = Flow::Wait;
            if last {
                polled.reader.end();
                flow = Flow::End;
            }
            self.recount(key);
        } else if last {
            self.finish(key, &[], now);
            return Flow::End;
        }
        self.set_due(key, now.after(self.waits.idle));
        flow
    }

    /// The peer may take more of a response. True if it has taken all, and requests may follow.
    pub(crate) fn send_rest(&mut self, key: ConnKey, now: Tick) -> bool {
        let Some(mut unsent) = self.polled(key).map(|p| std::mem::take(&mut p.unsent)) else {
            return false;
        };
        if unsent.is_empty() {
            return false;
        }
        match self.write(key, &[&unsent]) {
            Written::Bytes(n) if n == unsent.len() => unsent = Vec::new(),
            Written::Bytes(n) => drop(unsent.drain(..n)),
            Written::Blocked => {}
            Written::Failed => {
                self.drop_conn(key);
                return false;
            }
        }
        self.set_due(key, now.after(self.waits.idle));
        let Some(polled) = self.polled(key) else {
            return false;
        };
        polled.unsent = unsent;
        let all = polled.unsent.is_empty();
        let last = polled.reader.phase() == Phase::Ending;
        self.recount(key);
        if !all {
            return false;
        }
        if last {
            self.finish(key, &[], now);
        }
        !last
    }
}
