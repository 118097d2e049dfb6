//! Answers: what does this message from a peer do.

use alloc::borrow::Cow;

use super::{Ending, Hub, Incoming, Received, SessionKey, SocketKey};
use crate::{
    eio::packet::{self as engine, Packet as EnginePacket},
    error::{CloseReason, PeerError},
    id::NamespaceId,
    sio::{
        assembler::{Partial, Whole},
        json,
        packet::{Body, Packet, decode},
    },
    time::Tick,
};

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
        if let Err(error) = received {
            self.fail(now, session, error);
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
        let received = self.attachment(session, data);
        if let Err(error) = received {
            self.fail(now, session, error);
        }
        received
    }

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
        if let Body::Connect { auth } = &packet.body {
            let auth = auth.as_ref().map(|range| &text[range.clone()]);
            self.recv_connect(now, session, packet.namespace(text), auth)?;
            return Ok(Received::Nothing);
        }
        let (namespace, socket) = self.addressee(session, &packet, text)?;
        match &packet.body {
            Body::Connect { .. } | Body::ConnectError => Err(PeerError::Namespace),
            Body::Disconnect => {
                self.drop_socket(socket, CloseReason::ClientNamespaceDisconnect);
                Ok(Received::Nothing)
            }
            Body::Event { args, .. } | Body::Ack { args } if packet.attachments > 0 => {
                json::placeholders(&text[args.clone()], packet.attachments)?;
                let until = now.after(self.config().limits.attachments_wait);
                let partial = Partial::new(text, packet, until);
                if let Some(client) = self.sessions.app(session) {
                    client.extra.get_or_insert_default().partial = Some(partial);
                }
                self.sessions.set_app_deadline(session, until);
                Ok(Received::Nothing)
            }
            Body::Event { .. } | Body::Ack { .. } => {
                let whole = Assembled {
                    text: Cow::Borrowed(text),
                    packet,
                    attachments: [].into(),
                };
                Ok(self.deliver(session, namespace, socket, whole))
            }
        }
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
        let whole = Assembled {
            text: Cow::Owned(text.into()),
            packet,
            attachments,
        };
        Ok(self.deliver(session, namespace, socket, whole))
    }

    fn deliver<'a>(
        &mut self,
        session: SessionKey,
        namespace: NamespaceId,
        socket: SocketKey,
        Assembled {
            text,
            packet,
            attachments,
        }: Assembled<'a>,
    ) -> Received<'a> {
        match packet.body {
            Body::Event { name, args } => Received::Event(Incoming {
                session,
                socket,
                namespace,
                ack: packet.id,
                text,
                name,
                args,
                attachments,
            }),
            Body::Ack { args } => {
                if let Some(id) = packet.id {
                    self.recv_ack(socket, id, &text[args], attachments);
                }
                Received::Nothing
            }
            Body::Connect { .. } | Body::Disconnect | Body::ConnectError => Received::Nothing,
        }
    }
}

struct Assembled<'a> {
    text: Cow<'a, str>,
    packet: Packet,
    attachments: alloc::vec::Vec<bytes::Bytes>,
}
