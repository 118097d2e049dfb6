//! Answers: who gets this packet, here and on other shards.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::time::Duration;

use bytes::Bytes;

use super::{
    AckRequest, Event, Hub, Mail, NONE, Publication, Selection, Sessions, ShardSet, SocketKey,
};
use crate::{
    chunks::CHUNK,
    error::PacketTooLarge,
    frame::Frame,
    id::{ShardId, SocketId},
    out::{EntryId, SHARED_BYTES_MIN},
    room::Member,
    sio::encode::{Body, Outgoing},
    time::Tick,
};

/// An event to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Emit<'a> {
    /// The event's name.
    pub name: &'a str,
    /// Its arguments in JSON with commas between them.
    pub args: &'a str,
    /// The binary parts that placeholders in `args` name.
    pub attachments: &'a [Bytes],
    /// Whether it may be lost.
    pub volatile: bool,
    /// Whether it is worth compressing, where the transport can.
    pub compress: bool,
}

impl<'a> Emit<'a> {
    const fn packet(&self, namespace: &'a str, id: Option<u64>) -> Outgoing<'a> {
        Outgoing {
            namespace,
            id,
            body: Body::Event {
                name: self.name,
                args: self.args,
            },
            attachments: self.attachments,
        }
    }

    /// Refuses an event whose packet would be longer than `max` bytes
    /// ([`crate::limits::Limits::packet_bytes`]), for callers that cannot be told by the hub.
    ///
    /// # Errors
    /// How long it would be.
    pub fn check(&self, namespace: &str, max: usize) -> Result<(), PacketTooLarge> {
        self.packet(namespace, None).check(max)
    }

    /// Bytes that its packet has at least.
    fn bytes(&self) -> usize {
        let attachments = self.attachments.iter().map(Bytes::len);
        self.name.len() + self.args.len() + attachments.sum::<usize>()
    }
}

/// Encodes a packet for one session and queues it. What is too large is not encoded.
#[inline]
pub(super) fn queue(
    sessions: &mut Sessions,
    session: u32,
    packet: &Outgoing<'_>,
) -> Result<bool, PacketTooLarge> {
    packet.check(sessions.config().limits.packet_bytes)?;
    let packet = sessions.palette.encode(|out| packet.write(out));
    Ok(sessions.push(session, packet))
}

/// The same for one that gains nothing from compression.
#[cold]
fn queue_uncompressed(
    sessions: &mut Sessions,
    session: u32,
    packet: &Outgoing<'_>,
) -> Result<bool, PacketTooLarge> {
    packet.check(sessions.config().limits.packet_bytes)?;
    let packet = sessions.palette.encode(|out| packet.write(out));
    sessions.palette.leave_uncompressed(packet);
    Ok(sessions.push(session, packet))
}

impl Hub {
    /// Sends an event to one socket. False if it is not connected, or the packet was volatile and
    /// could not be taken.
    ///
    /// # Errors
    /// If the packet would be too large; nobody gets it.
    #[inline]
    pub fn emit(&mut self, key: SocketKey, emit: &Emit<'_>) -> Result<bool, PacketTooLarge> {
        self.emit_packet(key, emit, None)
    }

    fn emit_packet(
        &mut self,
        key: SocketKey,
        emit: &Emit<'_>,
        id: Option<u64>,
    ) -> Result<bool, PacketTooLarge> {
        let Some(socket) = self.sockets.get(key) else {
            return Ok(false);
        };
        let session = socket.session;
        if !socket.connected || emit.volatile && !self.sessions.takes_volatile(session) {
            return Ok(false);
        }
        let namespace = &self.namespaces[usize::from(socket.namespace.0)].name;
        let packet = emit.packet(namespace, id);
        if !emit.compress {
            return queue_uncompressed(&mut self.sessions, session, &packet);
        }
        queue(&mut self.sessions, session, &packet)
    }

    /// Sends an event to one socket and asks for an answer: [`Event::Ack`] with `token`. False if
    /// nobody was asked, and then nothing follows.
    ///
    /// # Errors
    /// If the packet would be too large; nobody was asked.
    pub fn emit_with_ack(
        &mut self,
        now: Tick,
        key: SocketKey,
        emit: &Emit<'_>,
        token: u64,
        timeout: Duration,
    ) -> Result<bool, PacketTooLarge> {
        self.it_is(now);
        let Some(socket) = self.sockets.get(key).filter(|s| s.connected) else {
            return Ok(false);
        };
        if !self.may_ask(key.index()) {
            return Ok(false);
        }
        let id = self.next_ack(socket.namespace);
        // The ack request is on record before the packet can leave: an answer never comes too early.
        if !self.emit_packet(key, emit, Some(id))? {
            return Ok(false);
        }
        self.ask(
            now,
            AckRequest {
                origin: self.shard,
                token,
                id,
                timeout,
            },
            [key].into(),
        );
        Ok(true)
    }

    /// Answers an acknowledgement that a client asked for. False if it is not connected.
    ///
    /// # Errors
    /// If the packet would be too large; the ack request is still to be answered.
    pub fn ack(
        &mut self,
        key: SocketKey,
        id: u64,
        args: &str,
        attachments: &[Bytes],
    ) -> Result<bool, PacketTooLarge> {
        let Some(socket) = self.sockets.get(key).filter(|s| s.connected) else {
            return Ok(false);
        };
        let session = socket.session;
        let namespace = &self.namespaces[usize::from(socket.namespace.0)].name;
        let packet = Outgoing {
            namespace,
            id: Some(id),
            body: Body::Ack(args),
            attachments,
        };
        queue(&mut self.sessions, session, &packet)
    }

    // ---- many ----

    /// Sends an event to everybody whom `to` means, on all shards. It is encoded once; other
    /// shards get one mail each, and only those that have members. If there is nobody it is not
    /// encoded.
    ///
    /// # Errors
    /// If the packet would be too large; nobody gets it.
    pub fn publish(
        &mut self,
        now: Tick,
        to: Selection,
        emit: &Emit<'_>,
    ) -> Result<(), PacketTooLarge> {
        self.it_is(now);
        self.publish_packet(now, to, emit, None).map(drop)
    }

    /// The same, asking everybody for an answer. Returns how many shards were asked: so many
    /// [`super::AckNews::Asked`] will come.
    ///
    /// # Errors
    /// If the packet would be too large; nobody was asked.
    pub fn publish_with_ack(
        &mut self,
        now: Tick,
        to: Selection,
        emit: &Emit<'_>,
        token: u64,
        timeout: Duration,
    ) -> Result<u32, PacketTooLarge> {
        self.it_is(now);
        let id = self.next_ack(to.namespace);
        let ack = AckRequest {
            origin: self.shard,
            token,
            id,
            timeout,
        };
        let others = self.publish_packet(now, to, emit, Some(ack))?;
        Ok(1 + others)
    }

    fn publish_packet(
        &mut self,
        now: Tick,
        to: Selection,
        emit: &Emit<'_>,
        ack: Option<AckRequest>,
    ) -> Result<u32, PacketTooLarge> {
        let id = ack.map(|ack| ack.id);
        let namespace = usize::from(to.namespace.0);
        let packet = emit.packet(&self.namespaces[namespace].name, id);
        packet.check(self.config().limits.packet_bytes)?;
        let (volatile, compress) = (emit.volatile, emit.compress);
        let others = self.others(&to);
        if others == 0 {
            self.deliver_to(now, &to, volatile, ack, |hub| {
                let packet = emit.packet(&hub.namespaces[namespace].name, id);
                // A large one is shared: those who are slow to take it, or poll, hold it once.
                let entry = if emit.bytes() < SHARED_BYTES_MIN {
                    hub.sessions.palette.encode(|out| packet.write(out))
                } else {
                    hub.sessions.share(packet.frame())
                };
                if !compress {
                    hub.sessions.palette.leave_uncompressed(entry);
                }
                entry
            });
            return Ok(0);
        }
        let publication = Arc::new(Publication {
            frame: packet.frame(),
            to,
            volatile,
            compress,
            ack,
        });
        self.spread(now, others, &publication);
        Ok(others.count_ones())
    }

    fn spread(&mut self, now: Tick, others: ShardSet, publication: &Arc<Publication>) {
        self.mail_to(others, &Mail::Publish(Arc::clone(publication)));
        self.publish_here(now, publication);
    }

    /// The other shards that get mail when something is published to this selection.
    #[must_use]
    pub fn reach(&self, to: &Selection) -> ShardSet {
        self.others(to)
    }

    /// The other shards that may have somebody who is meant.
    pub(super) fn others(&self, to: &Selection) -> ShardSet {
        self.hash.shards(to, &*self.directory) & !(1 << self.shard.0)
    }

    pub(super) fn mail_to(&mut self, shards: ShardSet, mail: &Mail) {
        for shard in 0..self.shards as u8 {
            if shards & 1 << shard != 0 {
                self.mail.push((ShardId(shard), mail.clone()));
            }
        }
    }

    fn publish_here(&mut self, now: Tick, publication: &Publication) {
        let Publication {
            to,
            frame,
            volatile,
            compress,
            ack,
        } = publication;
        self.deliver_to(now, to, *volatile, *ack, |hub| {
            let entry = hub.sessions.share(frame.clone());
            if !compress {
                hub.sessions.palette.leave_uncompressed(entry);
            }
            entry
        });
    }

    /// Queues a packet for those on this shard whom a selection means and who can take it. It is made,
    /// by `packet`, if there is one.
    fn deliver_to(
        &mut self,
        now: Tick,
        to: &Selection,
        volatile: bool,
        ack: Option<AckRequest>,
        packet: impl FnOnce(&mut Self) -> EntryId,
    ) {
        let mut selected = self.select(to);
        if volatile {
            selected.retain(|member| self.sessions.takes_volatile(member.session));
        }
        if ack.is_some() {
            selected.retain(|member| self.may_ask(member.socket));
        }
        if !selected.is_empty() {
            let packet = packet(self);
            for member in &selected {
                self.sessions.push(member.session, packet);
            }
        }
        if let Some(ack) = ack {
            let asked = selected.iter().map(|m| self.sockets.key_at(m.socket));
            self.ask(now, ack, asked.collect());
        }
        self.keep(selected);
    }

    /// The sockets on this shard that a selection means, each once.
    pub(super) fn select(&mut self, to: &Selection) -> Vec<Member> {
        let mut selected = core::mem::take(&mut self.selected);
        let not = to
            .not
            .and_then(|id| self.find_socket(&id))
            .map_or(NONE, super::super::slab::Key::index);
        match (&*to.rooms, &*to.except) {
            // One list, nobody twice: no need to look at the sockets.
            ([], []) => {
                selected.extend_from_slice(&self.namespaces[usize::from(to.namespace.0)].everyone);
            }
            ([room], []) if SocketId::parse(room).is_none() => {
                selected.extend_from_slice(self.rooms.members(to.namespace, room));
            }
            (rooms, except) => {
                self.begin_visit();
                for room in except {
                    self.visit_room(to, room, None);
                }
                if rooms.is_empty() {
                    let everyone = &self.namespaces[usize::from(to.namespace.0)].everyone;
                    let (sockets, visit) = (&self.sockets, self.visit);
                    let fresh =
                        |m: &&Member| sockets.at(m.socket).is_some_and(|s| s.visited != visit);
                    selected.extend(everyone.iter().filter(fresh));
                }
                for room in rooms {
                    self.visit_room(to, room, Some(&mut selected));
                }
            }
        }
        if not != NONE {
            selected.retain(|member| member.socket != not);
        }
        selected
    }

    /// No socket bears the mark of the visit that begins.
    fn begin_visit(&mut self) {
        self.visit = self.visit.checked_add(1).unwrap_or_else(|| {
            // The marks of 2^32 visits ago are those of the next.
            self.sockets.values_mut().for_each(|s| s.visited = 0);
            1
        });
    }

    /// Keeps the list for the next selection, but not the memory of a large one.
    pub(super) fn keep(&mut self, mut selected: Vec<Member>) {
        selected.clear();
        selected.shrink_to(CHUNK);
        self.selected = selected;
    }

    /// Marks a room's members as visited and adds those who were not.
    fn visit_room(&mut self, to: &Selection, room: &str, mut into: Option<&mut Vec<Member>>) {
        let visit = self.visit;
        let mut see = |socket: &mut super::Socket, member: Member| {
            if core::mem::replace(&mut socket.visited, visit) != visit
                && let Some(into) = &mut into
            {
                into.push(member);
            }
        };
        for member in self.rooms.members(to.namespace, room) {
            if let Some(socket) = self.sockets.at_mut(member.socket) {
                see(socket, *member);
            }
        }
        let own = SocketId::parse(room).and_then(|id| self.find_socket(&id));
        if let Some(socket) = own.and_then(|key| self.sockets.get_mut(key))
            && socket.namespace == to.namespace
        {
            let slot = own.map_or(NONE, super::super::slab::Key::index);
            let member = Member {
                socket: slot,
                session: socket.session,
            };
            see(socket, member);
        }
    }

    /// Mail from another hub arrives.
    pub fn receive_mail(&mut self, now: Tick, mail: Mail) {
        self.it_is(now);
        match mail {
            Mail::Publish(publication) => self.publish_here(now, &publication),
            Mail::Relay(publication) => {
                let others = self.others(&publication.to);
                self.spread(now, others, &publication);
            }
            Mail::Act(order) => self.act_for(now, &order.0, &order.1),
            Mail::Ack(news) => {
                let events = news.into_iter();
                let events = events.map(|(token, news)| Event::Ack { token, news });
                self.events.extend(events);
            }
        }
    }

    /// Encodes an event for [`Mail::Relay`] outside any hub: how other threads broadcast. `max` is
    /// [`crate::limits::Limits::packet_bytes`].
    ///
    /// # Errors
    /// If the packet would be too large.
    pub fn encode_event(
        namespace: &str,
        emit: &Emit<'_>,
        max: usize,
    ) -> Result<Frame, PacketTooLarge> {
        let packet = emit.packet(namespace, None);
        packet.check(max)?;
        Ok(packet.frame())
    }

    /// The ids of the sockets on this shard that a selection means.
    pub fn sockets(&mut self, to: &Selection) -> Vec<SocketId> {
        let selected = self.select(to);
        let ids = selected
            .iter()
            .filter_map(|member| self.socket_id(self.sockets.key_at(member.socket)))
            .collect();
        self.keep(selected);
        ids
    }
}

/// Names for a [`Selection`].
impl Selection {
    /// Adds a room.
    #[must_use]
    pub fn to(mut self, room: impl Into<String>) -> Self {
        self.rooms.push(Box::from(room.into()));
        self
    }

    /// Leaves a room's members out.
    #[must_use]
    pub fn except(mut self, room: impl Into<String>) -> Self {
        self.except.push(Box::from(room.into()));
        self
    }
}
