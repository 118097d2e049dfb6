//! The one list of places where Stentor answers otherwise than the official Node server on
//! purpose. Each is named by the tests that stand for it; a run against Node skips those, or
//! expects Node's answer where they say so.

/// A deliberate difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Differs {
    DeadlyPost,
    TooLarge,
    CompressedPost,
    CutPost,
    Pipelined,
    HalfClosed,
    Method,
    ForeignUpgrade,
    RefusedBefore101,
    SameSegment,
    AnswersFirst,
    CloseOnWebSocket,
    NoCoercion,
    BareEvent,
    PendingConnect,
    Depth,
    SlowReader,
    Waits,
    LaterRequests,
    PanicAck,
    Multiplied,
    Base64,
    CrossesKick,
    Origins,
    Heads,
}

impl Differs {
    /// What differs, in one line; docs/PROTOCOL.md has the whole table.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::DeadlyPost => "a POST that kills the session is 400, not 200",
            Self::TooLarge => {
                "413 on the header already; Node reads as much as is allowed first, and cuts the connection"
            }
            Self::CompressedPost => "415 for a compressed body; Node reads it as if it were none",
            Self::CutPost => {
                "Node cuts a POST that comes when its session ends, which ends it at once"
            }
            Self::HalfClosed => "Node may not answer a client that has ended its side",
            Self::Pipelined => "Node handles what is behind a parked GET at once",
            Self::Method => "405 for a method no session has, not 500",
            Self::ForeignUpgrade => "an upgrade on a foreign path is 404, not silence",
            Self::RefusedBefore101 => "400 instead of 101; Node says it after 101",
            Self::SameSegment => "Node loses frames that come with the upgrade request",
            Self::AnswersFirst => {
                "answers to what came before a close go first; Node's handlers run later"
            }
            Self::CloseOnWebSocket => "`1` closes at once; Node waits for the ping timeout",
            Self::NoCoercion => "`1e1` is no count, a space is no ack id",
            Self::BareEvent => "`42` without an array closes, as the specification says",
            Self::PendingConnect => "a second CONNECT while one is pending; Node makes two sockets",
            Self::Depth => "5,000 levels end Node's process when they are sent back",
            Self::SlowReader => "Node keeps whatever a slow reader does not read",
            Self::PanicAck => {
                "Node acks nothing when a handler throws; the client that asked waits in vain"
            }
            Self::Multiplied => {
                "more placeholders than attachments, which Node passes on as references"
            }
            Self::CrossesKick => {
                "a packet that crosses a kick is forgiven; Node closes the connection"
            }
            Self::Heads => "order and case of an answer's headers are the server's own",
            Self::Origins => {
                "Node knows no origins of WebSockets, and says back whatever headers are asked for"
            }
            Self::Base64 => "`b` with what is no base64: Node reads what it can of it",
            Self::Waits => "Node's waits for HTTP are not options of its Socket.IO server",
            Self::LaterRequests => {
                "Node takes several Hosts and codings, and refuses what should be escaped"
            }
        }
    }
}
