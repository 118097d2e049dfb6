//! Answers: what does this message from a peer do.

use alloc::{borrow::Cow, vec::Vec};

use bytes::Bytes;

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

// INLINED: what is received is built once, where the caller wants it. Moved from call to call, 130
// bytes each time, it cost 4 % of a pipelined echo.
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
        let received = self.text(now, session, text);
        if let Err(error) = &received {
            self.fail(now, session, *error);
        }
        received
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
    ) -> Result<Received<'a>, PeerError> {
        match engine::decode(text)? {
            EnginePacket::Message(message) => {
                if !self.sessions.recv_packet(now, session) {
                    return Ok(Received::Nothing);
                }
                if self.engine_only {
                    return Ok(Received::Text(message));
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
        Ok(Received::Nothing)
    }

    /// A Socket.IO packet.
    #[expect(clippy::inline_always, reason = "see INLINED")]
    #[inline(always)]
    fn message<'a>(
        &mut self,
        now: Tick,
        session: SessionKey,
        text: &'a str,
    ) -> Result<Received<'a>, PeerError> {
        if self
            .extra(session)
            .is_some_and(|extra| extra.partial.is_some())
        {
            return Err(PeerError::TextAmidAttachments);
        }
        let packet = decode(text, self.config().limits.attachments)?;
        if packet.kind == Kind::Connect {
            let auth = Some(&text[packet.payload.clone()]).filter(|auth| !auth.is_empty());
            self.recv_connect(now, session, packet.namespace(text), auth)?;
            return Ok(Received::Nothing);
        }
        let (namespace, socket) = self.addressee(session, &packet, text)?;
        match packet.kind {
            Kind::Connect | Kind::ConnectError => Err(PeerError::Namespace),
            Kind::Disconnect => {
                self.drop_socket(socket, CloseReason::ClientNamespaceDisconnect);
                Ok(Received::Nothing)
            }
            Kind::Event | Kind::Ack if packet.attachments > 0 => {
                json::placeholders(&text[packet.payload.clone()], packet.attachments)?;
                self.await_attachments(now, session, text, packet);
                Ok(Received::Nothing)
            }
            Kind::Event | Kind::Ack => {
                let to = (session, namespace, socket);
                Ok(self.deliver(to, Cow::Borrowed(text), packet, Vec::new()))
            }
        }
    }

    fn await_attachments(&mut self, now: Tick, session: SessionKey, text: &str, packet: Packet) {
        let until = now.after(self.config().limits.attachments_wait);
        let partial = Partial::new(text, packet, until);
        if let Some(client) = self.sessions.app(session) {
            client.extra.get_or_insert_default().partial = Some(partial);
        }
        self.sessions.set_app_deadline(session, until);
    }

    /// The connected socket a packet is for.
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
        let partial = client.extra.as_mut().and_then(|extra| extra.partial.take());
        let whole = match partial.ok_or(PeerError::UnannouncedBinary)?.push(data) {
            Ok(whole) => whole,
            Err(partial) => {
                client.extra.get_or_insert_default().partial = Some(partial);
                return Ok(Received::Nothing);
            }
        };
        client.tidy();
        self.sessions.set_app_deadline(session, Tick::NEVER);
        let Whole {
            text,
            packet,
            attachments,
        } = whole;
        let Ok((namespace, socket)) = self.addressee(session, &packet, &text) else {
            return Ok(Received::Nothing); // the server removed the socket while parts were due
        };
        let to = (session, namespace, socket);
        Ok(self.deliver(to, Cow::Owned(text.into()), packet, attachments))
    }

    /// A whole EVENT or ACK.
    #[expect(clippy::inline_always, reason = "see INLINED")]
    #[inline(always)]
    fn deliver<'a>(
        &mut self,
        (session, namespace, socket): (SessionKey, NamespaceId, SocketKey),
        text: Cow<'a, str>,
        packet: Packet,
        attachments: Vec<Bytes>,
    ) -> Received<'a> {
        if packet.kind == Kind::Event {
            return Received::Event(Incoming {
                session,
                socket,
                namespace,
                ack: packet.id,
                text,
                name: packet.name,
                args: packet.payload,
                attachments,
            });
        }
        if let Some(id) = packet.id {
            self.recv_ack(socket, id, &text[packet.payload], attachments);
        }
        Received::Nothing
    }
}
