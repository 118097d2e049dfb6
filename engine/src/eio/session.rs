//! Answers: what may happen next on this session.
//!
//! ```text
//!  handshake ─► Polling ──probe──► Upgrading ──`5`──► WebSocket ◄── handshake over WebSocket
//!                 │  ▲                │    │              │
//!                 │  └─probe lost/late┘    │              │
//!               close         close before close after  close
//!                 │             `2probe`   `2probe`       │
//!                 │               │          ▼            ▼
//!                 │               │       Parting ─`5`─► Draining ──sent / 10 s──► gone
//!                 ▼               ▼          │ │
//!            AwaitingPoll, or LastPoll ◄─probe lost/late
//!            if a GET is parked              │
//!                 └──────GET / 30 s──────────┴─GETs─────────────────────────────► gone
//! ```
//!
//! A client that has probed may have left polling already, or may still poll: the session that is
//! closed then waits for either (`Parting`, docs/decisions/0019).
//!
//! Each method is an event; the state enum is private, so a combination that cannot be is never
//! built. It must not know about Socket.IO, outboxes or IO.

mod closing;
#[cfg(test)]
mod tests;
mod time;

use crate::{
    config::Config,
    error::PeerError,
    id::ConnId,
    limits::{DRAIN_WAIT, POLLING_CLOSE_WAIT},
    time::Tick,
};

use super::handshake::Transport;

/// Whether a GET is waiting for something to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Get {
    None,
    Parked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// The WebSocket is open; nothing came over it yet.
    AwaitPing,
    /// `2probe` was answered: polls are let go so that the client can pause.
    AwaitUpgrade,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Polling {
        get: Get,
    },
    Upgrading {
        get: Get,
        conn: ConnId,
        probe: Probe,
        until: Tick,
    },
    WebSocket {
        conn: ConnId,
    },
    /// The same over a connection that takes no binary frames.
    TextOnly {
        conn: ConnId,
    },
    /// A GET was parked when the session closed: it is answered at the end of this turn.
    LastPoll {
        by_peer: bool,
        until: Tick,
    },
    AwaitingPoll {
        until: Tick,
    },
    /// The session closed when its client could already change to `conn`: the last words go over
    /// that, if `5` comes, or with the next GET.
    Parting {
        get: Get,
        conn: ConnId,
        code: Option<u16>,
        until: Tick,
    },
    Draining {
        conn: ConnId,
        until: Tick,
        /// The status code of the close frame that follows.
        code: Option<u16>,
    },
}

impl State {
    /// The arrows of the picture above.
    const fn leads_to(&self, next: &Self) -> bool {
        match self {
            Self::Polling { .. } => matches!(
                next,
                Self::Upgrading { .. } | Self::LastPoll { .. } | Self::AwaitingPoll { .. }
            ),
            Self::Upgrading { .. } => matches!(
                next,
                Self::Polling { .. }
                    | Self::WebSocket { .. }
                    | Self::TextOnly { .. }
                    | Self::LastPoll { .. }
                    | Self::AwaitingPoll { .. }
                    | Self::Parting { .. }
            ),
            Self::WebSocket { .. } => {
                matches!(next, Self::TextOnly { .. } | Self::Draining { .. })
            }
            Self::TextOnly { .. } => matches!(next, Self::Draining { .. }),
            Self::LastPoll { .. } => matches!(next, Self::AwaitingPoll { .. }),
            Self::Parting { .. } => matches!(
                next,
                Self::Draining { .. } | Self::LastPoll { .. } | Self::AwaitingPoll { .. }
            ),
            Self::AwaitingPoll { .. } | Self::Draining { .. } => false,
        }
    }
}

/// A ping that leaves later than this after it was due says that the whole server was held up.
const HELD_UP_MS: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heart {
    /// The next ping is due.
    Resting,
    /// A ping is out. `grace` is left while nothing but the pong has prolonged the wait.
    AwaitPong { grace: bool },
}

/// How a GET is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Later: there is nothing to carry.
    Park,
    /// Now, with what is queued.
    Answer,
    /// Not at all: the session is on the other transport (code 3).
    Mismatch,
}

/// What a packet on the probing WebSocket means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// Answer `3probe`, and let a parked GET go.
    Pong,
    /// The session is on this connection now.
    Upgraded,
    /// Not part of the exchange: close the connection, keep polling.
    Abandon,
}

/// What the session's clock ran out on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expired {
    /// Nothing yet.
    No,
    /// A ping is due.
    SendPing,
    /// The pong did not come.
    PingTimeout,
    /// The upgrade did not come to an end: close the probing connection.
    UpgradeTimeout(ConnId),
    /// The last words could not be delivered.
    Gone,
}

/// Where a session's output can go at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlet {
    /// Over this connection.
    WebSocket(ConnId),
    /// Over the parked GET.
    Poll,
    /// Nowhere until the next GET.
    None,
}

impl Outlet {
    /// The connection, if it is a WebSocket.
    #[must_use]
    pub const fn websocket(self) -> Option<ConnId> {
        match self {
            Self::WebSocket(conn) => Some(conn),
            Self::Poll | Self::None => None,
        }
    }
}

/// One Engine.IO session's protocol state.
#[derive(Debug)]
pub struct Session {
    state: State,
    heart: Heart,
    /// A POST is being read.
    posting: bool,
    /// The WebSocket, in use or probing, takes no binary frames.
    text_only: bool,
    /// A ping is queued that no poll has carried yet.
    ping_waits: bool,
    beat: Tick,
}

impl Session {
    /// A session that begins now; `conn` if it begins over WebSocket.
    #[must_use]
    pub fn open(now: Tick, config: &Config, conn: Option<ConnId>) -> Self {
        let state = match conn {
            Some(conn) => State::WebSocket { conn },
            None => State::Polling { get: Get::None },
        };
        let beat = now.after(config.ping_interval);
        Self {
            state,
            heart: Heart::Resting,
            posting: false,
            text_only: false,
            ping_waits: false,
            beat,
        }
    }

    /// Goes on to another state: no other line does.
    #[inline]
    const fn go_to(&mut self, next: State) {
        debug_assert!(self.state.leads_to(&next), "not an arrow of the picture");
        self.state = next;
    }

    /// The transport in use.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match self.state {
            State::Polling { .. }
            | State::Upgrading { .. }
            | State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Parting { .. } => Transport::Polling,
            State::WebSocket { .. } | State::TextOnly { .. } | State::Draining { .. } => {
                Transport::WebSocket
            }
        }
    }

    /// Whether the session takes and gives messages.
    #[inline]
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match self.state {
            State::Polling { .. }
            | State::Upgrading { .. }
            | State::WebSocket { .. }
            | State::TextOnly { .. } => true,
            State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Parting { .. }
            | State::Draining { .. } => false,
        }
    }

    /// The connection of a session that is open over a WebSocket and is sent frames as they are.
    #[inline]
    #[must_use]
    pub const fn websocket(&self) -> Option<ConnId> {
        match self.state {
            State::WebSocket { conn } => Some(conn),
            _ => None,
        }
    }

    /// Where output can go.
    #[inline]
    #[must_use]
    pub const fn outlet(&self) -> Outlet {
        match self.state {
            State::WebSocket { conn } | State::TextOnly { conn } | State::Draining { conn, .. } => {
                Outlet::WebSocket(conn)
            }
            State::Polling { get: Get::Parked }
            | State::Upgrading {
                get: Get::Parked, ..
            }
            | State::Parting {
                get: Get::Parked, ..
            }
            | State::LastPoll { .. } => Outlet::Poll,
            State::Polling { get: Get::None }
            | State::Upgrading { get: Get::None, .. }
            | State::Parting { get: Get::None, .. }
            | State::AwaitingPoll { .. } => Outlet::None,
        }
    }

    /// A GET arrives; `queued` says whether there is something to carry.
    ///
    /// # Errors
    /// [`PeerError::OverlappingPoll`] if one is parked already.
    pub const fn recv_get(&mut self, queued: bool) -> Result<Poll, PeerError> {
        match &mut self.state {
            State::Polling { get: Get::Parked }
            | State::Upgrading {
                get: Get::Parked, ..
            }
            | State::Parting {
                get: Get::Parked, ..
            }
            | State::LastPoll { .. } => Err(PeerError::OverlappingPoll),
            State::Upgrading {
                get: Get::None,
                probe: Probe::AwaitUpgrade,
                ..
            }
            | State::Parting { get: Get::None, .. }
            | State::AwaitingPoll { .. } => Ok(Poll::Answer),
            State::Polling { get }
            | State::Upgrading {
                get,
                probe: Probe::AwaitPing,
                ..
            } => {
                if queued {
                    return Ok(Poll::Answer);
                }
                *get = Get::Parked;
                Ok(Poll::Park)
            }
            State::WebSocket { .. } | State::TextOnly { .. } | State::Draining { .. } => {
                Ok(Poll::Mismatch)
            }
        }
    }

    /// A GET takes along what is queued. If that is a ping whose time is up, the request lay unread until now,
    /// on this shard or another: the time for the pong begins now.
    pub fn carry(&mut self, now: Tick, config: &Config) {
        if core::mem::take(&mut self.ping_waits) && self.beat <= now {
            self.send_late(now, config);
        }
    }

    /// The parked GET was answered.
    pub const fn send_poll(&mut self) {
        match &mut self.state {
            State::Polling { get } | State::Upgrading { get, .. } | State::Parting { get, .. } => {
                *get = Get::None;
            }
            State::LastPoll { until, .. } => {
                let until = *until;
                self.go_to(State::AwaitingPoll { until });
            }
            State::WebSocket { .. }
            | State::TextOnly { .. }
            | State::AwaitingPoll { .. }
            | State::Draining { .. } => {}
        }
    }

    /// A POST begins. `Ok(false)` if the session is on the other transport (code 3).
    ///
    /// # Errors
    /// [`PeerError::OverlappingPost`] if one is being read already.
    pub const fn recv_post(&mut self) -> Result<bool, PeerError> {
        match self.state {
            State::WebSocket { .. } | State::TextOnly { .. } | State::Draining { .. } => {
                return Ok(false);
            }
            State::Polling { .. }
            | State::Upgrading { .. }
            | State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Parting { .. } => {}
        }
        if self.posting {
            return Err(PeerError::OverlappingPost);
        }
        self.posting = true;
        Ok(true)
    }

    /// The POST's body has been handled.
    pub const fn end_post(&mut self) {
        self.posting = false;
    }

    /// A WebSocket with this session's sid opens. False if there is nothing to upgrade.
    pub fn recv_probe_open(&mut self, now: Tick, config: &Config, conn: ConnId) -> bool {
        let State::Polling { get } = self.state else {
            return false;
        };
        let until = now.after(config.upgrade_timeout);
        self.go_to(State::Upgrading {
            get,
            conn,
            probe: Probe::AwaitPing,
            until,
        });
        self.text_only = false;
        true
    }

    /// The request that opened the WebSocket, in use or probing, asked for text in place of binary
    /// frames.
    pub const fn recv_b64(&mut self) {
        if let State::WebSocket { conn } = self.state {
            self.go_to(State::TextOnly { conn });
        }
        self.text_only = true;
    }

    /// Whether a ping was queued or sent, and its pong has not come.
    #[must_use]
    pub const fn awaits_pong(&self) -> bool {
        matches!(self.heart, Heart::AwaitPong { .. })
    }

    /// Whether the session is on a WebSocket that takes no binary frames.
    #[must_use]
    pub const fn is_text_only(&self) -> bool {
        self.text_only && matches!(self.state, State::TextOnly { .. } | State::Draining { .. })
    }

    /// The probing connection, if there is one.
    #[must_use]
    pub const fn probing(&self) -> Option<ConnId> {
        match self.state {
            State::Upgrading { conn, .. } | State::Parting { conn, .. } => Some(conn),
            State::Polling { .. }
            | State::WebSocket { .. }
            | State::TextOnly { .. }
            | State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Draining { .. } => None,
        }
    }

    /// A packet arrives on the probing connection. `5` counts without a probe too, as in the
    /// official server.
    pub fn recv_probe(&mut self, now: Tick, config: &Config, ping: bool, upgrade: bool) -> Probed {
        match &mut self.state {
            State::Upgrading { conn, .. } if upgrade => {
                let conn = *conn;
                self.go_to(if self.text_only {
                    State::TextOnly { conn }
                } else {
                    State::WebSocket { conn }
                });
                // The pong of a ping that left by polling comes over the new transport, if at all.
                self.heart = Heart::Resting;
                self.beat = now.after(config.ping_interval);
                Probed::Upgraded
            }
            State::Parting { conn, code, .. } if upgrade => {
                let (conn, code) = (*conn, *code);
                let until = now.after(DRAIN_WAIT);
                self.go_to(State::Draining { conn, until, code });
                Probed::Upgraded
            }
            State::Upgrading { probe, .. } if ping => {
                *probe = Probe::AwaitUpgrade;
                Probed::Pong
            }
            State::Parting { .. } if ping => Probed::Pong,
            State::Upgrading { .. } | State::Parting { .. } => {
                self.abandon_probe();
                Probed::Abandon
            }
            State::Polling { .. }
            | State::WebSocket { .. }
            | State::TextOnly { .. }
            | State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Draining { .. } => Probed::Abandon,
        }
    }

    /// The probing connection is gone: polling goes on as if it had never been.
    pub fn abandon_probe(&mut self) {
        match self.state {
            State::Upgrading { get, .. } => self.go_to(State::Polling { get }),
            State::Parting { get, until, .. } => {
                let until = until.after(POLLING_CLOSE_WAIT);
                self.go_to(match get {
                    Get::Parked => State::LastPoll {
                        by_peer: false,
                        until,
                    },
                    Get::None => State::AwaitingPoll { until },
                });
            }
            State::Polling { .. }
            | State::WebSocket { .. }
            | State::TextOnly { .. }
            | State::LastPoll { .. }
            | State::AwaitingPoll { .. }
            | State::Draining { .. } => {}
        }
    }

    /// A packet other than a pong arrives: a client busy sending is not dead, so it prolongs the
    /// wait for a pong, once (`engine.io` 6.6.11).
    #[inline]
    pub fn recv_packet(&mut self, now: Tick, config: &Config) {
        if self.heart == (Heart::AwaitPong { grace: true }) {
            self.heart = Heart::AwaitPong { grace: false };
            self.beat = now.after(config.ping_timeout);
        }
    }

    /// A pong arrives. One that nobody asked for counts too, as in the official server.
    pub fn recv_pong(&mut self, now: Tick, config: &Config) {
        self.heart = Heart::Resting;
        self.beat = now.after(config.ping_interval);
    }
}
