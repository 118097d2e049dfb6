//! Answers: what does this message from a peer do.

use alloc::{borrow::Cow, vec::Vec};

use super::{Ending, Hub, Incoming, Received, SessionKey, SocketKey};
use crate::{
    eio::packet::{self as engine, Packet as EnginePacket},
    error::{CloseReason, PeerError},
    id::NamespaceId,
    sio::{
        assembler::{Partial, Whole},
        json,
        packet::{Kind, Packet, decode},
    },
    time::Tick,
};

/// What a text packet comes to.
enum Text<'a> {
    /// Nothing that user code hears of.
    Nothing,
    /// A message, without Socket.IO.
    Message(&'a str),
    /// An event in this text.
    Event(&'a str, Packet, SocketKey, NamespaceId),
}

// INLINED: a packet is taken apart in registers, and what is received is built once, where the caller
// wants it. Moved from call to call, 130 bytes each time, it cost 4 % of a pipelined echo.
impl Hub {
    /// A text packet arrives: one WebSocket message, or one packet of a polling body.
    ///
    /// # Errors
    /// What the peer did wrong. The session is closed already.
    pub fn receive_text<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        text: &'a str,
    ) -> Result<Received<'a>, PeerError> {
        let (text, packet, socket, namespace) = match self.text(now, session, text) {
            Ok(Text::Event(text, packet, socket, namespace)) => (text, packet, socket, namespace),
            Ok(Text::Message(message)) => return Ok(Received::Text(message)),
            Ok(Text::Nothing) => return Ok(Received::Nothing),
            Err(error) => {
                self.fail(now, session, error);
                return Err(error);
            }
        };
        Ok(Received::Event(Incoming {
            session,
            socket,
            namespace,
            ack: packet.id,
            text: Cow::Borrowed(text),
            name: packet.name,
            args: packet.payload,
            attachments: Vec::new(),
        }))
    }

    /// A binary message arrives.
    ///
    /// # Errors
    /// What the peer did wrong. The session is closed already.
    pub fn receive_binary<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        data: &'a [u8],
    ) -> Result<Received<'a>, PeerError> {
        if !self.sessions.recv_packet(now, session) {
            return Ok(Received::Nothing);
        }
        if self.engine_only {
            return Ok(Received::Binary(data));
        }
        self.attachment(session, data)
            .inspect_err(|error| self.fail(now, session, *error))
    }

    #[expect(clippy::inline_always, reason = "see INLINED")]
    #[inline(always)]
    fn text<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        text: &'a str,
    ) -> Result<Text<'a>, PeerError> {
        match engine::decode(text)? {
            EnginePacket::Message(message) => {
                if !self.sessions.recv_packet(now, session) {
                    return Ok(Text::Nothing);
                }
                if self.engine_only {
                    return Ok(Text::Message(message));
                }
                return self.message(now, session, message);
            }
            EnginePacket::Pong => self.sessions.recv_pong(now, session),
            EnginePacket::Ping(_) => return Err(PeerError::PingFromClient),
            EnginePacket::Close => {
                self.close(now, session, CloseReason::TransportClose, Ending::ByPeer);
            }
            EnginePacket::Open | EnginePacket::Upgrade | EnginePacket::Noop => {
                self.sessions.recv_packet(now, session);
            }
        }
        Ok(Text::Nothing)
    }

    /// A Socket.IO packet.
    #[expect(clippy::inline_always, reason = "see INLINED")]
    #[inline(always)]
    fn message<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        text: &'a str,
    ) -> Result<Text<'a>, PeerError> {
        if self
            .extra(session)
            .is_some_and(|extra| extra.partial.is_some())
        {
            return Err(PeerError::TextAmidAttachments);
        }
        let packet = decode(text, self.config().limits.attachments)?;
        if packet.kind == Kind::Connect {
            let auth = Some(&text[packet.payload.clone()]).filter(|auth| !auth.is_empty());
            self.recv_connect(session, packet.namespace(text), auth)?;
            return Ok(Text::Nothing);
        }
        let (namespace, socket) = self.addressee(session, &packet, text)?;
        match packet.kind {
            Kind::Connect | Kind::ConnectError => return Err(PeerError::Namespace),
            Kind::Disconnect => self.drop_socket(socket, CloseReason::ClientNamespaceDisconnect),
            Kind::Event | Kind::Ack if packet.attachments > 0 => {
                json::placeholders(&text[packet.payload.clone()], packet.attachments)?;
                self.await_attachments(now, session, text, packet);
            }
            Kind::Event => return Ok(Text::Event(text, packet, socket, namespace)),
            Kind::Ack => {
                if let Some(id) = packet.id {
                    self.recv_ack(socket, id, &text[packet.payload], Vec::new());
                }
            }
        }
        Ok(Text::Nothing)
    }

    fn await_attachments(&mut self, now: Tick, session: SessionKey, text: &str, packet: Packet) {
        let until = now.after(self.config().limits.attachments_wait);
        let partial = Partial::new(text, packet);
        if let Some(client) = self.sessions.app(session) {
            client.extra.get_or_insert_default().partial = Some(partial);
        }
        self.sessions.set_app_deadline(session, until);
    }

    /// The connected socket a packet is for.
    #[expect(clippy::inline_always, reason = "see INLINED")]
    #[inline(always)]
    fn addressee(
        &mut self,
        session: SessionKey,
        packet: &Packet,
        text: &str,
    ) -> Result<(NamespaceId, SocketKey), PeerError> {
        let namespace = if packet.namespace.is_empty() {
            Some(NamespaceId::ROOT)
        } else {
            self.namespace(packet.namespace(text))
        };
        let namespace = namespace.ok_or(PeerError::Namespace)?;
        let socket = self
            .socket_in(session, namespace)
            .ok_or(PeerError::Namespace)?;
        Ok((namespace, socket))
    }

    fn attachment<'a>(
        &mut self,
        session: SessionKey,
        data: &[u8],
    ) -> Result<Received<'a>, PeerError> {
        let Some(client) = self.sessions.app(session) else {
            return Ok(Received::Nothing);
        };
        let partial = client.extra.as_mut().map(|extra| &mut extra.partial);
        let partial = partial.filter(|partial| partial.is_some());
        let partial = partial.ok_or(PeerError::UnannouncedBinary)?;
        let Some(whole) = partial.take_if(|partial| partial.push(data)) else {
            return Ok(Received::Nothing);
        };
        client.tidy();
        self.sessions.set_app_deadline(session, Tick::NEVER);
        let Whole {
            text,
            packet,
            attachments,
        } = whole.into_whole();
        let Ok((namespace, socket)) = self.addressee(session, &packet, &text) else {
            return Ok(Received::Nothing); // the server removed the socket while parts were due
        };
        if packet.kind == Kind::Event {
            return Ok(Received::Event(Incoming {
                session,
                socket,
                namespace,
                ack: packet.id,
                text: Cow::Owned(text.into()),
                name: packet.name,
                args: packet.payload,
                attachments,
            }));
        }
        if let Some(id) = packet.id {
            self.recv_ack(socket, id, &text[packet.payload], attachments);
        }
        Ok(Received::Nothing)
    }
}
