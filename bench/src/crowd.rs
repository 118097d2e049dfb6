//! Answers: what does one hub do for the clients it has, without sockets.
//!
//! A hub, sessions over WebSocket that have joined `/`, and a [`Transmit`] that takes everything and
//! counts. It must not know what is measured with it.

use stentor_engine::{
    config::Config,
    eio::payload::Payload,
    hub::{
        Alone, Directory, Emit, Event, Hub, Mode, Namespace, Selection, SessionKey, Setup,
        SocketKey, Transmit,
    },
    id::{ConnId, NamespaceId, ShardId},
    out::Written,
    time::Tick,
};

/// Takes every write, and counts.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counting {
    /// Writes to connections: sessions visited at the turn's end.
    pub writes: u64,
    /// Slices in them.
    pub slices: u64,
    /// Bytes in them.
    pub bytes: u64,
}

impl Transmit for Counting {
    #[inline]
    fn write(&mut self, _: ConnId, slices: &[&[u8]]) -> Written {
        let bytes = slices.iter().map(|slice| slice.len()).sum::<usize>();
        self.writes += 1;
        self.slices += slices.len() as u64;
        self.bytes += bytes as u64;
        Written::Bytes(bytes)
    }

    fn answer(&mut self, _: SessionKey, body: Payload) {
        self.writes += 1;
        self.bytes += body.bytes.len() as u64;
    }
}

/// A hub that is `shard` of `shards`, with random bytes that are the same in every run.
#[must_use]
pub fn hub(shard: u8, shards: usize, directory: Box<dyn Directory>) -> Hub {
    let mut random = fastrand::Rng::with_seed(0x5eed + u64::from(shard));
    Hub::new(Setup {
        config: Config::default(),
        shard: ShardId(shard),
        shards,
        mode: Mode::SocketIo(vec![Namespace {
            name: "/".into(),
            gated: false,
        }]),
        seed: 7,
        directory,
        entropy: Box::new(move |bytes| random.fill(bytes)),
    })
}

/// Opens a session on `conn` and joins `/`. What is queued is not flushed.
pub fn join_root(hub: &mut Hub, now: Tick, conn: u64) -> (SessionKey, SocketKey) {
    let session = hub.open(now, Some((ConnId(conn), b"")));
    hub.receive_text(now, session, "40")
        .expect("CONNECT is a packet");
    let Some(Event::Connected { socket, .. }) = hub.next_event() else {
        panic!("the namespace admits everybody");
    };
    (session, socket)
}

/// One hub and its clients.
#[derive(Debug)]
pub struct Crowd {
    /// The hub.
    pub hub: Hub,
    /// Where its output goes.
    pub io: Counting,
    /// Its sessions, in the order they came.
    pub sessions: Vec<SessionKey>,
    /// Their sockets in `/`.
    pub sockets: Vec<SocketKey>,
    /// The time.
    pub now: Tick,
}

impl Crowd {
    /// So many clients, connected and idle.
    #[must_use]
    pub fn of(clients: usize) -> Self {
        let mut crowd = Self {
            hub: hub(0, 1, Box::new(Alone)),
            io: Counting::default(),
            sessions: Vec::new(),
            sockets: Vec::new(),
            now: Tick(1_000),
        };
        crowd.fill(clients);
        crowd
    }

    /// So many clients more.
    pub fn fill(&mut self, clients: usize) {
        for conn in 0..clients as u64 {
            let (session, socket) = join_root(&mut self.hub, self.now, conn);
            self.sessions.push(session);
            self.sockets.push(socket);
            if conn % 1024 == 0 {
                self.flush();
            }
        }
        self.flush();
    }

    /// Puts `members` of the clients, evenly spread over all, into a room.
    #[must_use]
    pub fn with_room(mut self, room: &str, members: usize) -> Self {
        let step = self.sockets.len() / members;
        for member in 0..members {
            self.hub.join(self.sockets[member * step], room);
        }
        self
    }

    /// Ends the turn.
    #[inline]
    pub fn flush(&mut self) {
        self.hub.flush_all(self.now, &mut self.io);
    }

    /// A client sends an EVENT with one text and gets it back.
    #[inline]
    pub fn echo(&mut self, client: usize, text: &str) {
        use stentor_engine::hub::Received;
        let received = self.hub.receive_text(self.now, self.sessions[client], text);
        let Ok(Received::Event(event)) = received else {
            panic!("the input is an event");
        };
        let name = event.name.read(&event.text);
        let emit = emit(&name, &event.text[event.args.clone()]);
        let socket = event.socket;
        // Borrowed from `text`, not from the hub.
        self.hub.emit(socket, &emit).expect("it is small");
        self.flush();
    }

    /// An event of 128 bytes goes to a selection, and the turn ends.
    #[inline]
    pub fn broadcast(&mut self, to: Selection) {
        let published = self.hub.publish(self.now, to, &emit("news", NEWS));
        published.expect("it is small");
        self.flush();
    }
}

/// The arguments of a broadcast of 128 bytes, its frame's header not counted.
pub const NEWS: &str = r#""one hundred and twenty-eight bytes go to every receiver of this broadcast; the header of its frame is not counted..""#;

/// An event without attachments.
#[must_use]
pub const fn emit<'a>(name: &'a str, args: &'a str) -> Emit<'a> {
    Emit {
        name,
        args,
        attachments: &[],
        volatile: false,
        compress: true,
    }
}

/// Everybody in `/`.
#[must_use]
pub const fn everybody() -> Selection {
    Selection::all(NamespaceId::ROOT)
}
