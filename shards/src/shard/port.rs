//! Answers: how does what the hub has queued reach connections and parked GETs.
//!
//! It must not know why something was queued, nor when turns begin.

use stentor_engine::{
    eio::payload::Payload,
    hub::{SessionKey, Transmit, Write},
    id::ConnId,
    out::Written,
};

use super::{Shard, conns::conn_key, parked::Parked, take};
use crate::post::Reply;

/// How the hub's output reaches connections and parked GETs.
pub(crate) struct Port<'a>(pub(crate) &'a Shard);

impl Transmit for Port<'_> {
    fn write_each(&mut self, writes: &[Write<'_>], short: impl FnMut(usize, Written)) {
        self.0.conns.borrow().write_each(writes, short);
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Written {
        self.0.conns.borrow().write(conn_key(conn), slices)
    }

    fn answer(&mut self, session: SessionKey, body: Payload) {
        let parked = take(&self.0.parked, session.to_bits());
        match parked {
            Some(Parked::Conn(key)) => self.0.answer_parked(key, Reply::Payload(body)),
            Some(Parked::Task(reply)) => {
                // A client that went away meanwhile is noticed by its request's own guard.
                let _ = reply.send(Reply::Payload(body));
            }
            None => {}
        }
    }
}

impl Shard {
    /// Lets output leave when much is queued. True if it can leave in slices only: then nothing is read,
    /// and no mail taken, before it has.
    #[inline]
    pub(crate) fn relieve(&self) -> bool {
        self.hub.borrow().is_full() && self.let_out()
    }

    #[cold]
    fn let_out(&self) -> bool {
        let mut hub = self.hub.borrow_mut();
        hub.flush(self.now.get(), &mut Port(self));
        hub.is_full()
    }
}
