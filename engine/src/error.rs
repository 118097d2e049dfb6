//! Answers: whose fault was it, and what is it called on the wire.
//!
//! [`PeerError`] is what a peer did wrong, one variant per rule; [`PeerError::close_reason`] is the
//! one place that says what follows. [`CloseReason`] carries the official reason strings. HTTP
//! status codes are the shell's business.

use core::fmt;

/// Why a session or a socket ended, with the official server's reason strings (PROTOCOL.md 1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer broke a transport rule, or its connection failed.
    TransportError,
    /// The peer closed its connection, or said so with an Engine.IO close packet.
    TransportClose,
    /// The server closed the session after an undecodable Socket.IO packet.
    ForcedClose,
    /// The peer did not answer a ping in time.
    PingTimeout,
    /// The peer sent something that is no Engine.IO packet.
    ParseError,
    /// The server stops.
    ServerShuttingDown,
    /// The server closed the session: protocol violation, no namespace joined, `disconnect(true)`.
    ForcedServerClose,
    /// The peer left the namespace.
    ClientNamespaceDisconnect,
    /// The server removed the socket from the namespace.
    ServerNamespaceDisconnect,
    /// The peer did not read: its outbox passed the bound. On the wire a transport error, because
    /// that is a reason clients reconnect on.
    SlowConsumer,
}

impl CloseReason {
    /// The string that handlers and the official clients' documentation know.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportError | Self::SlowConsumer => "transport error",
            Self::TransportClose => "transport close",
            Self::ForcedClose => "forced close",
            Self::PingTimeout => "ping timeout",
            Self::ParseError => "parse error",
            Self::ServerShuttingDown => "server shutting down",
            Self::ForcedServerClose => "forced server close",
            Self::ClientNamespaceDisconnect => "client namespace disconnect",
            Self::ServerNamespaceDisconnect => "server namespace disconnect",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that a peer broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerError {
    /// Not an Engine.IO packet: empty, or an unknown type (PROTOCOL.md 2.1).
    EnginePacket,
    /// A polling packet that begins with `b` and is not base64.
    Base64,
    /// A ping from an Engine.IO 4 client, whose server is the one that pings (PROTOCOL.md 2.4).
    PingFromClient,
    /// A second GET while one was waiting (PROTOCOL.md 2.3).
    OverlappingPoll,
    /// A second POST while one was being read.
    OverlappingPost,
    /// A request whose client went away before its end: a parked GET, a POST's body.
    Aborted,
    /// A message longer than [`crate::limits::Limits::payload_bytes`].
    TooLarge,
    /// A POST body of a type that Engine.IO 4 does not have.
    ContentType,
    /// Not a Socket.IO packet type.
    PacketType,
    /// Attachment count missing, zero, not a number, or out of place.
    Attachments,
    /// More attachments than [`crate::limits::Limits::attachments`].
    TooManyAttachments,
    /// A placeholder that names no attachment, or more placeholders than attachments.
    Placeholder,
    /// Text while attachments were due.
    TextAmidAttachments,
    /// Binary that no packet announced.
    UnannouncedBinary,
    /// Attachments that did not come in time.
    AttachmentsLate,
    /// An acknowledgement id that is no 64-bit number.
    AckId,
    /// A namespace's name above [`crate::limits::NAME_BYTES_MAX`].
    NamespaceName,
    /// Payload that is not JSON, or not the shape the packet's type demands.
    Payload,
    /// JSON nested deeper than [`crate::limits::JSON_DEPTH_MAX`].
    TooDeep,
    /// CONNECT for a namespace already joined, or a packet for one that is not.
    Namespace,
    /// No namespace joined in time.
    ConnectLate,
}

impl PeerError {
    /// What the session closes with.
    #[must_use]
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::EnginePacket | Self::Base64 => CloseReason::ParseError,
            Self::PingFromClient
            | Self::OverlappingPoll
            | Self::OverlappingPost
            | Self::Aborted
            | Self::TooLarge
            | Self::ContentType => CloseReason::TransportError,
            Self::PacketType
            | Self::Attachments
            | Self::TooManyAttachments
            | Self::Placeholder
            | Self::TextAmidAttachments
            | Self::UnannouncedBinary
            | Self::AttachmentsLate
            | Self::AckId
            | Self::NamespaceName
            | Self::Payload
            | Self::TooDeep => CloseReason::ForcedClose,
            Self::Namespace | Self::ConnectLate => CloseReason::ForcedServerClose,
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EnginePacket => "not an Engine.IO packet",
            Self::Base64 => "invalid base64",
            Self::PingFromClient => "invalid heartbeat direction",
            Self::OverlappingPoll => "overlap from client",
            Self::OverlappingPost => "data request overlap from client",
            Self::Aborted => "request aborted by the client",
            Self::TooLarge => "payload too large",
            Self::ContentType => "invalid content",
            Self::PacketType => "unknown packet type",
            Self::Attachments => "illegal attachments",
            Self::TooManyAttachments => "too many attachments",
            Self::Placeholder => "illegal attachments: no such placeholder",
            Self::TextAmidAttachments => "got plaintext data when reconstructing a packet",
            Self::UnannouncedBinary => "got binary data when not reconstructing a packet",
            Self::AttachmentsLate => "attachments did not arrive in time",
            Self::AckId => "invalid acknowledgement id",
            Self::NamespaceName => "namespace name too long",
            Self::Payload => "invalid payload",
            Self::TooDeep => "payload nested too deep",
            Self::Namespace => "packet for a namespace in the wrong state",
            Self::ConnectLate => "no namespace joined in time",
        })
    }
}

impl core::error::Error for PeerError {}

/// A packet of our own that was not encoded: it would be longer than
/// [`crate::limits::Limits::packet_bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketTooLarge {
    /// How long it would be, in bytes, attachments included.
    pub bytes: usize,
}

impl fmt::Display for PacketTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes;
        write!(f, "a packet of {bytes} bytes is longer than one may be")
    }
}

impl core::error::Error for PacketTooLarge {}
