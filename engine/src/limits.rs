//! Answers: how much, at most, why, and what happens there.
//!
//! Every bound of the core is here. Those an operator may move are fields of [`Limits`] with the
//! default named beside them; those that only guard the implementation are constants.

use core::time::Duration;

/// Shards in one process: a room's shards are one 64-bit set in the directory.
pub const SHARDS_MAX: usize = 64;

/// Sockets on one shard, connecting ones included: a socket's id has 24 bits for its slot, and one
/// beyond could not be reached by its id. Above it: connect error.
pub const SOCKETS_MAX: usize = 1 << 24;

/// Bytes of a room's or namespace's name. A longer one is refused: names are kept once per shard
/// and echoed to peers, so they are not a place to store data.
pub const NAME_BYTES_MAX: usize = 1024;

/// Digits of an acknowledgement id. 2^64 has 20; an id that does not fit is a protocol violation,
/// because an answer to a rounded id would settle somebody else's question.
pub const ACK_DIGITS_MAX: usize = 20;

/// Nesting of the JSON in one packet. Deeper input closes the connection before anything recurses
/// over it (the official server dies of it: docs/PROTOCOL.md, the differences).
pub const JSON_DEPTH_MAX: usize = 128;

/// Slices handed to one vectored write; the kernel's `IOV_MAX` is 1,024, more than 64 gains nothing.
pub const SLICES_MAX: usize = 64;

/// Sessions whose writes are gathered before the first is made. A system call drives this code out of
/// the first cache, so code that runs between any two of them is fetched anew each time. Measured:
/// docs/PERFORMANCE.md.
pub const WRITES_TOGETHER: usize = 16;

/// Bytes that leave in one slice of a turn, and one group of writes beyond.
pub const SLICE_BYTES: usize = 2 << 20;

/// Bytes of packets for single sessions that are encoded before some must leave.
pub const PALETTE_BYTES_MAX: usize = 256 * 1024;

/// The same for all packets, those included that many sessions share.
pub const PALETTE_SHARED_MAX: usize = 8 << 20;

/// The same in packets, each of which is a row of 32 bytes.
pub const PALETTE_PACKETS_MAX: usize = 16 * 1024;

/// How many times [`Limits::outbox_bytes`] a session may have queued before it is closed at once,
/// however fast it reads.
pub const OUTBOX_HARD_CAP: usize = 16;

/// A session with more than [`Limits::outbox_bytes`] queued must take some of it in this time. What it
/// must take is [`Limits::outbox_bytes`] divided by [`SLOW_SHARE`].
pub const SLOW_WAIT: Duration = Duration::from_secs(5);

/// See [`SLOW_WAIT`]: with the default bound 16 KiB in five seconds.
pub const SLOW_SHARE: usize = 64;

/// How long a closed polling session waits for the GET that carries its close packet; the official
/// server's value (`engine.io` `transports/polling.ts`, `closeTimeout`).
pub const POLLING_CLOSE_WAIT: Duration = Duration::from_secs(30);

/// How long a closed WebSocket session is given for what is queued to leave. Then: dropped.
pub const DRAIN_WAIT: Duration = Duration::from_secs(10);

/// What waits is given to a slice's sessions in so many parts, so that the caller can look at its clock
/// between them: where a processor is shared by many, a whole slice takes seconds, and heartbeats that
/// fall due meanwhile would wait too.
pub const SLICE_PARTS: usize = 16;

/// What the bounds owe each other, and the types that count up to them.
const _: () = {
    assert!(SHARDS_MAX <= u64::BITS as usize, "a set of shards is a u64");
    assert!(SHARDS_MAX <= 1 << u8::BITS, "a shard's number is a u8");
    assert!(
        SOCKETS_MAX == 1 << 24,
        "a socket's id has 24 bits for its slot"
    );
    assert!(ACK_DIGITS_MAX == u64::MAX.ilog10() as usize + 1);
    assert!(WRITES_TOGETHER > 0 && WRITES_TOGETHER <= SLICES_MAX);
    assert!(SLICES_MAX <= 1_024, "the kernel takes no more");
    assert!(SLICE_PARTS > 0);
    assert!(
        SLICE_BYTES >= WRITES_TOGETHER * 1_024,
        "a group of writes fits a slice"
    );
    assert!(PALETTE_BYTES_MAX <= PALETTE_SHARED_MAX);
    assert!(
        PALETTE_PACKETS_MAX <= u32::MAX as usize,
        "a packet's number is a u32"
    );
    assert!(
        OUTBOX_HARD_CAP > 1,
        "who is above the bound is watched first"
    );
    assert!(SLOW_SHARE > 0 && !SLOW_WAIT.is_zero());
    assert!(SLOW_WAIT.as_millis() <= DRAIN_WAIT.as_millis());
    assert!(DRAIN_WAIT.as_millis() <= POLLING_CLOSE_WAIT.as_millis());
    assert!(JSON_DEPTH_MAX > 1 && JSON_DEPTH_MAX <= u8::MAX as usize + 1);
    let limits = Limits::DEFAULT;
    assert!(limits.payload_bytes <= limits.packet_bytes);
    assert!(limits.outbox_bytes <= limits.packet_bytes);
    assert!(
        limits.outbox_bytes / SLOW_SHARE > 0,
        "a slow client must take something"
    );
    assert!(limits.slice_sessions >= SLICE_PARTS * WRITES_TOGETHER);
    assert!(limits.namespaces_per_session > 0 && limits.acks_per_socket > 0);
};

/// Per-session and per-socket bounds that a server may set for itself.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one message or one POST body, inclusive (`maxHttpBufferSize`). Default 1,000,000.
    /// Above it: HTTP 413, WebSocket close 1009; the session closes with `transport error`.
    pub payload_bytes: usize,
    /// Bytes queued for one session that the kernel or the poller did not take. Default 1 MiB.
    /// Above it nothing is read from the session's WebSocket, and the session is closed as a slow consumer
    /// when it takes less than a 64th of the bound in five seconds ([`SLOW_WAIT`]), or at once above
    /// 16 times the bound ([`OUTBOX_HARD_CAP`]). `volatile` packets are dropped before. One packet
    /// alone is never too much.
    pub outbox_bytes: usize,
    /// Bytes of one packet that is sent, attachments included. Default 64 MiB. Above it: it is not
    /// encoded, and the emit says so. A packet alone may be longer than [`Limits::outbox_bytes`].
    pub packet_bytes: usize,
    /// Sessions that are given their output in one slice of a turn; each is a write of some three
    /// microseconds. Default 1,024. What more sessions have to be given leaves in later slices, with
    /// reads, timers and mail between them.
    pub slice_sessions: usize,
    /// Attachments of one packet (`maxAttachments`). Default 10. Above it: close.
    pub attachments: usize,
    /// How long a packet may wait for its attachments. Default 30 s. Then: close.
    pub attachments_wait: Duration,
    /// Namespaces one session may join. Default 64. Above it: connect error.
    pub namespaces_per_session: usize,
    /// Rooms one socket may be in besides its own. Default 1,024. Above it: `join` says so.
    pub rooms_per_socket: usize,
    /// Unanswered acknowledgements per socket. Default 1,024. Above it: the emit is refused.
    pub acks_per_socket: usize,
}

impl Limits {
    const DEFAULT: Self = Self {
        payload_bytes: 1_000_000,
        outbox_bytes: 1 << 20,
        packet_bytes: 1 << 26,
        slice_sessions: 1024,
        attachments: 10,
        attachments_wait: Duration::from_secs(30),
        namespaces_per_session: 64,
        rooms_per_socket: 1024,
        acks_per_socket: 1024,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
