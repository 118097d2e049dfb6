//! The one list of places where Stentor answers otherwise than the official Node server on
//! purpose. Each is named by the tests that stand for it; a run against Node skips those, or
//! expects Node's answer where they say so.

/// A deliberate difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Differs {
    DeadlyPost,
    TooLarge,
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
    Pongs,
    PanicAck,
    Multiplied,
    Base64,
    CrossesKick,
}

impl Differs {
    /// The case numbers are those of reliability.md 2.11.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::DeadlyPost => "P01-P03, P15, P22: a POST that kills the session is 400, not 200",
            Self::TooLarge => "P05-P07: 413 on the header already, and the session is closed",
            Self::Method => "P12: 405 for a method no session has, not 500",
            Self::ForeignUpgrade => "W10: an upgrade on a foreign path is 404, not silence",
            Self::RefusedBefore101 => "W13, W14: 400 instead of 101; Node says it after 101",
            Self::SameSegment => "W17: Node loses frames that come with the upgrade request",
            Self::AnswersFirst => {
                "answers to what came before a close go first; Node's handlers run later"
            }
            Self::CloseOnWebSocket => "E03: `1` closes at once; Node waits for the ping timeout",
            Self::NoCoercion => "P20, B05, S24, S25: `1e1` is no count, a space is no ack id",
            Self::BareEvent => "S15: `42` without an array closes, as the specification says",
            Self::PendingConnect => {
                "features.md 2.10: a second CONNECT while one is pending; Node makes two sockets"
            }
            Self::Depth => "S28, S29: 5,000 levels end Node's process when they are sent back",
            Self::SlowReader => "F35: Node keeps whatever a slow reader does not read",
            Self::PanicAck => {
                "S34: Node acks nothing when a handler throws; whoever asked waits in vain"
            }
            Self::Multiplied => {
                "more placeholders than attachments, which Node passes on as references"
            }
            Self::CrossesKick => {
                "a packet that crosses a kick is forgiven; Node closes the connection"
            }
            Self::Base64 => "`b` with what is no base64: Node reads what it can of it",
            Self::Waits => "Node's waits for HTTP are not options of its Socket.IO server",
            Self::LaterRequests => {
                "Node takes several Hosts and codings, and refuses what should be escaped"
            }
            Self::Pongs => "F23: ws 8.21 keeps every pong a client does not read",
        }
    }
}
