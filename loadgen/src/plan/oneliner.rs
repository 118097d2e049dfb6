//! Answers: which scenario does this command stand for.
//!
//! Must not know the command line itself.

use super::{Load, LoadKind, Phase, PhaseKind, Scenario};
use anyhow::bail;

/// Ready-made scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Heartbeats only.
    Idle,
    /// Echoes.
    Echo,
    /// Acknowledgements.
    Ack,
    /// One to all.
    Broadcast,
    /// One to its room.
    Rooms,
    /// Clients come and go.
    Churn,
    /// More than some can take; losses allowed.
    Flood,
    /// Some read too slowly.
    Slow,
    /// Many are cut off at once.
    Storm,
    /// Echoes over long-polling.
    Polling,
    /// Polling, then WebSocket, then echoes.
    Upgrade,
}

impl Ready {
    /// The command's name.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn sends(self) -> bool {
        self != Self::Idle
    }

    fn fans_out(self) -> bool {
        matches!(
            self,
            Self::Broadcast | Self::Rooms | Self::Flood | Self::Slow
        )
    }

    /// Refuses options that would change nothing: a user who gives one expects an effect.
    ///
    /// # Errors
    /// Names the option and why this scenario has no use for it.
    pub fn refuse_idle_options(self, given: &Given) -> anyhow::Result<()> {
        let slow = self == Self::Slow || given.slow;
        let own_transport = matches!(self, Self::Polling | Self::Upgrade);
        for (option, is_given, has_use, why) in [
            ("rate", given.rate, self.sends(), "it sends nothing"),
            ("window", given.window, self.sends(), "it sends nothing"),
            ("size", given.size, self.sends(), "it sends nothing"),
            ("binary", given.binary, self.sends(), "it sends nothing"),
            ("event", given.event, self.sends(), "it sends nothing"),
            (
                "poisson",
                given.poisson,
                self.sends() && !given.window,
                "it plans no messages",
            ),
            (
                "slow",
                given.slow,
                self.sends(),
                "nothing is sent that one could read slowly",
            ),
            (
                "publishers",
                given.publishers,
                self.fans_out(),
                "every client sends",
            ),
            (
                "room-size",
                given.room_size,
                self == Self::Rooms,
                "only rooms has rooms",
            ),
            (
                "churn",
                given.churn,
                self == Self::Churn,
                "only churn replaces clients",
            ),
            (
                "drop",
                given.drop,
                self == Self::Storm,
                "only storm cuts clients off",
            ),
            (
                "slow-pause",
                given.slow_pause,
                slow,
                "no client reads slowly without --slow",
            ),
            (
                "slow-bytes",
                given.slow_bytes,
                slow,
                "no client reads slowly without --slow",
            ),
            (
                "websocket, --polling and --upgrading",
                given.transports,
                !own_transport,
                "its transport is its own",
            ),
        ] {
            if is_given && !has_use {
                bail!("{} has no use for --{option}: {why}", self.name());
            }
        }
        Ok(())
    }
}

/// Which options were given.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each option")]
pub struct Given {
    /// `--rate`.
    pub rate: bool,
    /// `--window`.
    pub window: bool,
    /// `--size`.
    pub size: bool,
    /// `--binary`.
    pub binary: bool,
    /// `--event`.
    pub event: bool,
    /// `--poisson`.
    pub poisson: bool,
    /// `--publishers`.
    pub publishers: bool,
    /// `--room-size`.
    pub room_size: bool,
    /// `--churn`.
    pub churn: bool,
    /// `--drop`.
    pub drop: bool,
    /// `--slow`.
    pub slow: bool,
    /// `--slow-pause`.
    pub slow_pause: bool,
    /// `--slow-bytes`.
    pub slow_bytes: bool,
    /// `--websocket`, `--polling` or `--upgrading`.
    pub transports: bool,
}

/// What flags can change.
#[derive(Clone, Debug)]
pub struct Wishes {
    /// Clients.
    pub clients: u32,
    /// Seconds measured.
    pub secs: f64,
    /// Seconds of load before, not measured.
    pub warmup: f64,
    /// Messages per second; default depends on the scenario.
    pub rate: Option<f64>,
    /// Closed loop instead.
    pub window: Option<u32>,
    /// Name of the event.
    pub event: Option<String>,
    /// Clients replaced per minute.
    pub churn: f64,
    /// Share cut off by the storm.
    pub drop: f64,
    /// Share of slow readers.
    pub slow: Option<f64>,
    /// Members of a room.
    pub room_size: u32,
}

/// Fills in the phases of `base`, which has everything else.
#[must_use]
pub fn scenario(ready: Ready, wishes: &Wishes, mut base: Scenario) -> Scenario {
    base.name = ready.name();
    let load = load(ready, wishes);
    match ready {
        Ready::Rooms => base.room_size = wishes.room_size,
        Ready::Polling => {
            base.transports = super::Transports {
                polling: 1.0,
                ..none()
            }
        }
        Ready::Upgrade => {
            base.transports = super::Transports {
                upgrade: 1.0,
                ..none()
            }
        }
        _ => {}
    }
    if let Some(share) = wishes
        .slow
        .or_else(|| (ready == Ready::Slow).then_some(0.05))
    {
        base.slow.share = share;
    }
    let connect = |clients| Phase {
        name: "connect".to_owned(),
        kind: PhaseKind::Ramp,
        clients: Some(clients),
        ..Phase::default()
    };
    let hold = |name: &str, secs: f64, loads: &[Load]| Phase {
        name: name.to_owned(),
        secs,
        loads: loads.to_vec(),
        ..Phase::default()
    };
    let unmeasured = |phase: Phase| Phase {
        measure: Some(false),
        ..phase
    };
    if ready == Ready::Idle && wishes.clients >= 20 {
        // Two plateaus tell the cost of a client from the cost of having clients at all.
        base.phases.push(connect(wishes.clients / 2));
        base.phases.push(unmeasured(hold("half", 3.0, &[])));
    }
    base.phases.push(connect(wishes.clients));
    if ready == Ready::Storm {
        base.phases
            .push(unmeasured(hold("calm", wishes.warmup.max(1.0), &load)));
    } else if wishes.warmup > 0.0 && !load.is_empty() {
        base.phases
            .push(unmeasured(hold("warm-up", wishes.warmup, &load)));
    }
    let mut main = hold(&base.name, wishes.secs, &load);
    match ready {
        Ready::Churn => main.churn_per_minute = wishes.churn,
        Ready::Storm => main.drop = wishes.drop,
        _ => {}
    }
    base.phases.push(main);
    base
}

fn none() -> super::Transports {
    super::Transports {
        websocket: 0.0,
        polling: 0.0,
        upgrade: 0.0,
    }
}

fn load(ready: Ready, wishes: &Wishes) -> Vec<Load> {
    let (kind, usual) = match ready {
        Ready::Idle => return Vec::new(),
        Ready::Echo => (LoadKind::Echo, 1000.0),
        Ready::Churn | Ready::Storm => (LoadKind::Echo, 100.0),
        Ready::Polling | Ready::Upgrade => (LoadKind::Echo, 200.0),
        Ready::Ack => (LoadKind::Ack, 1000.0),
        Ready::Broadcast | Ready::Slow => (LoadKind::Broadcast, 10.0),
        Ready::Rooms => (LoadKind::Room, 100.0),
        Ready::Flood => (LoadKind::Flood, 200.0),
    };
    let (rate, window) = match (wishes.window, wishes.rate) {
        (Some(window), _) => (0.0, window),
        (None, rate) => (rate.unwrap_or(usual), 0),
    };
    vec![Load {
        kind,
        rate,
        window,
        event: wishes.event.clone(),
    }]
}

#[cfg(test)]
mod tests {
    use super::Ready::*;
    use super::*;

    #[test]
    fn every_ready_scenario_makes_sense() {
        let wishes = Wishes {
            clients: 100,
            secs: 1.0,
            warmup: 0.5,
            rate: None,
            window: None,
            event: None,
            churn: 60.0,
            drop: 0.5,
            slow: None,
            room_size: 10,
        };
        for ready in [
            Idle, Echo, Ack, Broadcast, Rooms, Churn, Flood, Slow, Storm, Polling, Upgrade,
        ] {
            let made = scenario(ready, &wishes, Scenario::default());
            made.check().unwrap_or_else(|e| panic!("{ready:?}: {e}"));
            assert_eq!(made.most_clients(), 100);
        }
    }

    #[test]
    fn options_without_use_are_refused() {
        let refused = |ready: Ready, given: Given| ready.refuse_idle_options(&given).is_err();
        let window = Given {
            window: true,
            ..Given::default()
        };
        assert!(refused(Idle, window) && !refused(Echo, window));
        let drop = Given {
            drop: true,
            ..Given::default()
        };
        assert!(refused(Echo, drop) && !refused(Storm, drop));
        let pause = Given {
            slow_pause: true,
            ..Given::default()
        };
        assert!(refused(Broadcast, pause) && !refused(Slow, pause));
        let both = Given {
            slow: true,
            ..pause
        };
        assert!(!refused(Broadcast, both) && refused(Idle, both));
    }
}
