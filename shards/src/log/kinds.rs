//! Answers: which lines does the library have, and at which level is each.
//!
//! A kind is what is counted when there is too much of it ([`super::say`]), and what docs/OPERATING.md explains.

use tracing::Level;

macro_rules! kinds {
    ($($level:ident $kind:ident $text:literal;)*) => {
        /// What a line says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($kind,)*
        }

        impl Kind {
            pub(super) const ALL: &[Self] = &[$(Self::$kind,)*];

            /// How urgent it is.
            pub(crate) const fn level(self) -> Level {
                match self {
                    $(Self::$kind => Level::$level,)*
                }
            }

            /// Its message.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                }
            }
        }
    };
}

kinds! {
    // Bugs of the application.
    ERROR HandlerPanicked "a handler panicked";
    ERROR AuthPanicked "an auth handler panicked";
    ERROR EngineHandlerPanicked "an Engine.IO handler panicked";
    ERROR AllowRequestPanicked "`allow_request` panicked";
    ERROR HeaderHookPanicked "`headers` or `initial_headers` panicked";
    ERROR ErrorHookPanicked "`on_connection_error` panicked";
    ERROR MiddlewarePanicked "a middleware panicked";
    WARN MiddlewareLate "a middleware took too long over a request";
    ERROR DropPanicked "a value of the application panicked while it was dropped";
    ERROR PagePanicked "a page panicked";
    ERROR ReleaseMemoryPanicked "`release_memory` panicked";
    ERROR AckNotSent "acknowledgement not sent";
    ERROR RefusalNotSent "the reason of a refusal not sent";
    ERROR ServiceFailed "the HTTP service failed";
    WARN HandlerFailed "a handler failed";

    // What the system refused.
    ERROR NotWoken "a shard could not be woken";
    WARN AcceptFailed "accept failed; pausing";
    WARN ConnLost "a new connection was lost";
    WARN ConnNotHandedOver "a connection could not be handed over";
    WARN HandedOverLost "a connection handed over was lost";
    WARN NotPinned "the thread could not be pinned";
    WARN NoWatchdog "no thread for the watchdog: a shard that is stuck is not told of";
    DEBUG OptionsNotSet "setting options of a connection";
    DEBUG ListenerNotShut "shutting a listener down";

    // How a shard does.
    WARN Stuck "a shard is stuck: something blocks it";
    WARN GoesOn "a shard that was stuck goes on";
    WARN BadProxyHeader "connections closed: they did not begin with a PROXY header that can be read";
    WARN SessionsRefused "sessions refused: too many have not joined a namespace";
    WARN HoldsTooMuch "the shard holds too much for its clients: those for whom it holds most are closed";

    // What a client causes.
    DEBUG NotCalled "a handler was not called";
    DEBUG ClientGone "a handler ended because its client has gone";
    DEBUG ClientFailed "a handler ended because of what its client did or did not do";
    DEBUG EventRefused "a handler refused an event";
    DEBUG TooManyWait "too many handlers of a socket wait";
    DEBUG NotAllJoined "a selection did not all join";
    DEBUG Closing "closing a session";
    DEBUG RequestFailed "a long-polling request failed";
    DEBUG TooManySessions "a connection begins too many sessions that it does not use";
    DEBUG ProbeNotReading "a peer that probes does not read";
    DEBUG HolderClosed "closed: the shard holds too much for its clients, and for this one most";
    DEBUG HttpEnded "an HTTP connection ended";

    // The server's life.
    INFO Starting "starting";
    INFO Listening "listening";
    INFO Stopping "stopping";
    INFO Stopped "stopped";
}

/// How many there are.
pub(crate) const KINDS: usize = Kind::ALL.len();
