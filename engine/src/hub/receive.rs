//! Answers: what does this message from a peer do.

use alloc::{borrow::Cow, vec::Vec};

use super::{Ending, Hub, Incoming, Received, SessionKey, SocketKey};
use crate::{
    eio::{
        packet::{self as engine, Packet as EnginePacket},
        payload,
    },
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
    /// The base64 of a binary message.
    Binary(&'a str),
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
        self.it_is(now);
        let (text, packet, socket, namespace) = match self.text(now, session, text) {
            Ok(Text::Event(text, packet, socket, namespace)) => (text, packet, socket, namespace),
            Ok(Text::Message(message)) => return Ok(Received::Text(message)),
            Ok(Text::Binary(base64)) => return self.receive_base64(now, session, base64),
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
        self.it_is(now);
        if !self.sessions.recv_packet(now, session) {
            return Ok(Received::Nothing);
        }
        if self.engine_only {
            return Ok(Received::Binary(Cow::Borrowed(data)));
        }
        self.attachment(session, data)
            .inspect_err(|error| self.fail(now, session, *error))
    }

    /// A binary message arrives as text.
    #[cold]
    fn receive_base64<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        base64: &str,
    ) -> Result<Received<'a>, PeerError> {
        let data = match payload::binary(base64) {
            Ok(data) => data,
            Err(error) => {
                self.fail(now, session, error);
                return Err(error);
            }
        };
        if !self.sessions.recv_packet(now, session) {
            return Ok(Received::Nothing);
        }
        if self.engine_only {
            return Ok(Received::Binary(Cow::Owned(data)));
        }
        self.attachment(session, &data)
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
            EnginePacket::Binary(base64) => return Ok(Text::Binary(base64)),
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
        let Ok((namespace, socket)) = self.addressee(session, &packet, text) else {
            return self.unaddressed(now, session, text, packet);
        };
        match packet.kind {
            Kind::Connect | Kind::ConnectError => return Err(PeerError::Namespace),
            Kind::Disconnect => self.drop_socket(socket, CloseReason::ClientNamespaceDisconnect),
            Kind::Event | Kind::Ack if packet.attachments > 0 => {
                let count = packet.attachments;
                json::placeholders(&text[packet.payload.clone()], count, count)?;
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

    /// A packet for a namespace that its session is not in. If the server has just removed it, the
    /// peer did not know, and nothing comes of the packet or its attachments.
    #[cold]
    fn unaddressed<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        text: &str,
        packet: Packet,
    ) -> Result<Text<'a>, PeerError> {
        let name = packet.namespace(text);
        let name = if name.is_empty() { "/" } else { name };
        let (Some(namespace), Some(client)) = (self.namespace(name), self.sessions.client(session))
        else {
            return Err(PeerError::Namespace);
        };
        let sent_before = matches!(packet.kind, Kind::Event | Kind::Ack | Kind::Disconnect);
        if !sent_before || !client.is_removed(namespace, now) {
            return Err(PeerError::Namespace);
        }
        if packet.attachments > 0 {
            let count = packet.attachments;
            json::placeholders(&text[packet.payload.clone()], count, count)?;
            self.await_attachments(now, session, text, packet);
        }
        Ok(Text::Nothing)
    }

    fn await_attachments(&mut self, now: Tick, session: SessionKey, text: &str, packet: Packet) {
        let until = now.after(self.config().limits.attachments_wait);
        let partial = Partial::new(text, packet);
        self.unfinished += partial.held_bytes();
        if let Some(client) = self.sessions.client(session) {
            client.extra.get_or_insert_default().partial = Some(partial);
        }
        self.sessions.set_client_deadline(session, until);
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
        let Some(client) = self.sessions.client(session) else {
            return Ok(Received::Nothing);
        };
        let partial = client.extra.as_mut().map(|extra| &mut extra.partial);
        let partial = partial.filter(|partial| partial.is_some());
        let partial = partial.ok_or(PeerError::UnannouncedBinary)?;
        let had = partial.as_ref().map_or(0, Partial::held_bytes);
        let Some(whole) = partial.take_if(|partial| partial.push(data)) else {
            self.unfinished += partial.as_ref().map_or(0, Partial::held_bytes) - had;
            return Ok(Received::Nothing);
        };
        self.unfinished -= had;
        client.tidy();
        self.sessions.set_client_deadline(session, Tick::NEVER);
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
