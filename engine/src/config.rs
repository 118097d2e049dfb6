//! Answers: which protocol options does this hub run with.
//!
//! The names in parentheses are the official server's. It must not know about sockets, threads or
//! files: those belong to the shell.

use core::time::Duration;

use crate::limits::Limits;

/// Options of one hub; the same for all hubs of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Time between a pong and the next ping (`pingInterval`). Default 25 s.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping (`pingTimeout`). Default 20 s.
    pub ping_timeout: Duration,
    /// Time an upgrade has, from its WebSocket's opening to `5` (`upgradeTimeout`). Default 10 s.
    pub upgrade_timeout: Duration,
    /// Time a session has to join its first namespace (`connectTimeout`). Default 45 s.
    pub connect_timeout: Duration,
    /// Whether sessions may begin with, or poll over, HTTP long-polling. Default true.
    pub polling: bool,
    /// Whether WebSocket is offered, at the handshake and as an upgrade. Default true.
    pub websocket: bool,
    /// Whether a polling session may upgrade (`allowUpgrades`). Default true.
    pub allow_upgrades: bool,
    /// The bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            polling: true,
            websocket: true,
            allow_upgrades: true,
            limits: Limits::default(),
        }
    }
}
