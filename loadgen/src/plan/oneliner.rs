//! Answers: which scenario does this command stand for.
//!
//! Must not know the command line itself.

use super::{Load, LoadKind, Phase, PhaseKind, Scenario};

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
    base.name = format!("{ready:?}").to_lowercase();
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
    if rate <= 0.0 && window == 0 {
        return Vec::new();
    }
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
}
