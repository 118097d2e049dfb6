//! Answers: is an answer wanted still.
//!
//! A client's question is answered once, by whoever is first: the handler's result, or an [`AckHandle`], of
//! which a handler may have several and keep them for long.

use std::{
    cell::{Cell, OnceCell},
    fmt::Display,
    rc::Rc,
};

use stentor_engine::{error::PacketTooLarge, hub::SocketKey};

use super::{
    call::{Cause, Context},
    extract::{FromContext, Reject},
};
use crate::{
    api::{
        Socket,
        payload::{Encoded, IntoArgs},
    },
    log::{self, failure},
    shard::Shard,
};

/// Whether an event's question has been answered. It is shared, and allocated, once an [`AckHandle`] is made,
/// or if there are several handlers.
#[derive(Debug, Default)]
pub(crate) struct Answered(OnceCell<Rc<Cell<bool>>>);

impl Answered {
    fn share(&self) -> Rc<Cell<bool>> {
        Rc::clone(self.0.get_or_init(Rc::default))
    }
}

/// A question of a client that may still be to be answered.
#[derive(Debug)]
pub(crate) struct OwedAck {
    id: u64,
    answered: Option<Rc<Cell<bool>>>,
}

impl OwedAck {
    /// For the result of a handler that has begun; `alone` if the event has no other, which may be given
    /// an [`AckHandle`] yet.
    pub(crate) fn of(id: Option<u64>, answered: &Answered, alone: bool) -> Option<Self> {
        let id = id?;
        let answered = if alone {
            answered.0.get().map(Rc::clone)
        } else {
            Some(answered.share())
        };
        Some(Self { id, answered })
    }

    /// Answers. False if it has been answered, or the client has gone.
    pub(crate) fn answer(
        &self,
        shard: &Shard,
        socket: SocketKey,
        encoded: &Encoded,
    ) -> Result<bool, PacketTooLarge> {
        let Some(answered) = &self.answered else {
            return self.send(shard, socket, encoded);
        };
        if answered.get() {
            return Ok(false);
        }
        let sent = self.send(shard, socket, encoded)?;
        answered.set(sent);
        Ok(sent)
    }

    fn send(
        &self,
        shard: &Shard,
        socket: SocketKey,
        Encoded { args, attachments }: &Encoded,
    ) -> Result<bool, PacketTooLarge> {
        shard.with_hub(|hub, _| hub.ack(socket, self.id, args, attachments))
    }
}

/// Answers the client later, or from elsewhere on the shard. The handler should return
/// [`super::NoAck`]: of several answers the first one is sent, a handler's result included.
#[derive(Debug)]
pub struct AckHandle {
    socket: Socket,
    wanted: Option<OwedAck>,
}

impl AckHandle {
    /// Whether the client asked for an answer and has none yet.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        let answered = |wanted: &OwedAck| wanted.answered.as_ref().is_some_and(|a| a.get());
        self.wanted.as_ref().is_some_and(|wanted| !answered(wanted))
    }

    /// Answers. False if no answer is wanted, if there was one, if the client has gone, or if the
    /// arguments cannot be encoded or are longer than [`crate::Limits::packet_bytes`], which is logged.
    pub fn send(self, args: impl IntoArgs) -> bool {
        let Some(wanted) = &self.wanted else {
            return false;
        };
        let encoded = match args.encode() {
            Ok(encoded) => encoded,
            Err(error) => {
                self.log_not_sent(&error);
                return false;
            }
        };
        let sent = wanted.answer(&self.socket.shard, self.socket.key, &encoded);
        sent.unwrap_or_else(|error| {
            self.log_not_sent(&error);
            false
        })
    }
}

impl AckHandle {
    #[cold]
    fn log_not_sent(&self, error: &dyn Display) {
        log::line!(AckNotSent, self.socket.about(), error = failure(error));
    }
}

impl FromContext for AckHandle {
    fn from_context(context: &Context<'_>) -> Result<Self, Reject> {
        let wanted = match &context.cause {
            Cause::Event {
                incoming, answered, ..
            } => incoming.ack.map(|id| OwedAck {
                id,
                answered: Some(answered.share()),
            }),
            Cause::Connect { .. } | Cause::Upgrade | Cause::Disconnect { .. } => None,
        };
        Ok(Self {
            socket: context.socket.clone(),
            wanted,
        })
    }
}
