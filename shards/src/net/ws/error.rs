//! Answers: which rule did a peer break, and which close code tells it so.

/// Why the peer is closed: one variant per rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// RFC 6455 5.2: a reserved bit is set, and no extension gives it a meaning.
    #[error("reserved bit set")]
    ReservedBit,
    /// RFC 6455 5.2: an opcode without a meaning.
    #[error("reserved opcode")]
    ReservedOpcode,
    /// RFC 6455 5.1: a client masks every frame.
    #[error("frame not masked")]
    Unmasked,
    /// RFC 6455 5.2: the length is not in its shortest form.
    #[error("length not in its shortest form")]
    LongLength,
    /// RFC 6455 5.2: the top bit of a 64-bit length is set.
    #[error("top bit of the length set")]
    LengthTopBit,
    /// RFC 6455 5.5: a control frame is never fragmented.
    #[error("control frame fragmented")]
    FragmentedControl,
    /// RFC 6455 5.5: a control frame has at most 125 bytes.
    #[error("control frame longer than 125 bytes")]
    LongControl,
    /// RFC 6455 5.4: a continuation with nothing to continue.
    #[error("continuation without a message")]
    UnexpectedContinuation,
    /// RFC 6455 5.4: a new message before the last one ended.
    #[error("new message inside a fragmented one")]
    InterruptedMessage,
    /// RFC 6455 5.5.1: a close payload of one byte, half a code.
    #[error("close payload of one byte")]
    ShortClose,
    /// RFC 6455 7.4: a close code that must not be sent.
    #[error("close code that must not be sent")]
    CloseCode,
    /// RFC 6455 5.5.1: a close reason that is not UTF-8.
    #[error("close reason not UTF-8")]
    ReasonNotUtf8,
    /// RFC 6455 8.1: a text message that is not UTF-8.
    #[error("text not UTF-8")]
    TextNotUtf8,
    /// More payload than [`ReadLimits::message_bytes`](super::ReadLimits::message_bytes).
    #[error("message too big")]
    TooBig,
    /// More frames in a message than [`ReadLimits::fragments`](super::ReadLimits::fragments).
    #[error("too many fragments")]
    TooManyFragments,
}

impl FrameError {
    /// The close code for the peer, RFC 6455 7.4.1. Too many fragments is 1008 (policy), as Node's `ws`
    /// has it: the message is not too big, its cutting is what we refuse.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::ReservedBit
            | Self::ReservedOpcode
            | Self::Unmasked
            | Self::LongLength
            | Self::LengthTopBit
            | Self::FragmentedControl
            | Self::LongControl
            | Self::UnexpectedContinuation
            | Self::InterruptedMessage
            | Self::ShortClose
            | Self::CloseCode => 1002,
            Self::ReasonNotUtf8 | Self::TextNotUtf8 => 1007,
            Self::TooManyFragments => 1008,
            Self::TooBig => 1009,
        }
    }
}
