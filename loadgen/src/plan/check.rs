//! Answers: does this scenario make sense.
//!
//! What neither types nor the readers of single values can know. Must not know where a scenario comes from.

use super::threshold::{Name, Threshold};
use super::{Load, LoadKind, Phase, PhaseKind, Scenario, Transports};
use crate::proto::stamp::MIN_SIZE;
use anyhow::{bail, ensure};

impl Scenario {
    /// Checks it whole.
    ///
    /// # Errors
    /// Names the setting that does not make sense.
    pub fn check(&self) -> anyhow::Result<()> {
        self.check_population()?;
        for phase in &self.phases {
            phase.check()?;
            for load in &phase.loads {
                load.check(self.room_size)?;
            }
        }
        self.check_events()?;
        for text in &self.thresholds {
            self.check_threshold(text)?;
        }
        Ok(())
    }

    fn check_population(&self) -> anyhow::Result<()> {
        ensure!(
            !self.phases.is_empty(),
            "a scenario needs at least one phase"
        );
        ensure!(
            self.payload >= MIN_SIZE,
            "a size of {} bytes: at least {MIN_SIZE} are needed for the payload's own check",
            self.payload
        );
        ensure!(self.most_clients() > 0, "no phase has any clients");
        ensure!(
            !self.namespaces.is_empty(),
            "at least one namespace is needed"
        );
        ensure!(self.publishers > 0, "at least one publisher is needed");
        ensure!(
            self.handshakes > 0,
            "at least one handshake at a time is needed"
        );
        let Transports {
            websocket,
            polling,
            upgrade,
        } = self.transports;
        let parts = [websocket, polling, upgrade];
        ensure!(
            parts.iter().all(|p| *p >= 0.0) && parts.iter().sum::<f64>() > 0.0,
            "websocket, polling and upgrading are parts of the clients: none below 0, one above"
        );
        ensure!(
            (0.0..=1.0).contains(&self.slow.share),
            "slow is a share, between 0 and 1: {} is not",
            self.slow.share
        );
        for (name, secs) in [
            ("connect-timeout", self.connect_timeout),
            ("drain", self.drain),
            ("slow-pause", self.slow.pause),
            ("connect-rate", self.connect_rate),
        ] {
            ensure!(
                secs >= 0.0 && secs.is_finite(),
                "{name} cannot be {secs}: 0 or more"
            );
        }
        Ok(())
    }

    /// One event name must mean one kind, or arrivals could not be told apart.
    fn check_events(&self) -> anyhow::Result<()> {
        for load in self.loads() {
            let name = load.event_name();
            for other in self.loads() {
                let same = other.event_name() == name;
                ensure!(
                    !same || other.kind == load.kind,
                    "{} and {} both use the event {name}; give one another `event`",
                    load.kind.name(),
                    other.kind.name()
                );
            }
        }
        Ok(())
    }

    /// Kinds of load that are measured, in the order of their figures.
    fn measured_kinds(&self) -> Vec<LoadKind> {
        let measured: Vec<_> = self.phases.iter().filter(|p| p.is_measured()).collect();
        let used = |kind: &LoadKind| {
            measured
                .iter()
                .any(|p| p.loads.iter().any(|l| l.kind == *kind))
        };
        LoadKind::ALL.into_iter().filter(used).collect()
    }

    /// Checks that a threshold names a figure that this scenario will have.
    ///
    /// # Errors
    /// Says why it will not.
    pub fn check_threshold(&self, text: &str) -> anyhow::Result<()> {
        let threshold = Threshold::parse(text)?;
        let Some(name) = Name::read(&threshold.figure) else {
            return Ok(()); // parse has read it
        };
        let kinds = self.measured_kinds();
        if let Some(load) = name.load
            && !kinds.contains(&load)
        {
            bail!(
                "threshold {text:?}: no measured phase has the load {}",
                load.name()
            );
        }
        let first = name.load.or_else(|| kinds.first().copied());
        if name.is_of_load() {
            let Some(kind) = first else {
                bail!("threshold {text:?}: no measured phase sends anything");
            };
            ensure!(
                kind.fans_out() || !name.needs_fan_out(),
                "threshold {text:?}: {} goes to one receiver only, it has no {}",
                kind.name(),
                name.rest
            );
        }
        let drops = self.phases.iter().any(|p| p.is_measured() && p.drop > 0.0);
        ensure!(
            drops || !name.rest.starts_with("recovery."),
            "threshold {text:?}: no measured phase cuts clients off (drop), so none come back"
        );
        ensure!(
            self.transports.upgrade > 0.0 || !name.rest.starts_with("upgrade."),
            "threshold {text:?}: no client upgrades (upgrading)"
        );
        Ok(())
    }

    /// A threshold that can be told only of a server that is watched.
    #[must_use]
    pub fn threshold_that_needs_watching(&self) -> Option<&str> {
        let needs = |text: &&String| {
            Threshold::parse(text)
                .is_ok_and(|t| Name::read(&t.figure).is_some_and(|n| n.needs_watching()))
        };
        self.thresholds.iter().find(needs).map(String::as_str)
    }
}

impl Phase {
    /// Checks what belongs to the phase alone.
    ///
    /// # Errors
    /// Names the setting that does not make sense.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.secs >= 0.0 && self.secs.is_finite(),
            "secs cannot be {}: a time is 0 or more",
            self.secs
        );
        ensure!(
            self.secs > 0.0 || matches!(self.kind, PhaseKind::Ramp | PhaseKind::Step),
            "a phase that holds or spikes needs secs above 0"
        );
        ensure!(
            (0.0..=1.0).contains(&self.drop),
            "drop is a share, between 0 and 1: {} is not",
            self.drop
        );
        ensure!(
            self.churn_per_minute >= 0.0 && self.churn_per_minute.is_finite(),
            "churn cannot be {}: clients a minute are 0 or more",
            self.churn_per_minute
        );
        Ok(())
    }
}

impl Load {
    /// Checks what belongs to the load alone, and the members of its rooms.
    ///
    /// # Errors
    /// Names the setting that does not make sense.
    pub fn check(&self, room_size: u32) -> anyhow::Result<()> {
        let kind = self.kind.name();
        ensure!(
            self.kind != LoadKind::Room || room_size > 0,
            "a room load needs room-size above 0"
        );
        ensure!(
            self.rate >= 0.0 && self.rate.is_finite(),
            "{kind}: a rate of {} messages a second cannot be planned",
            self.rate
        );
        ensure!(
            (self.rate > 0.0) != (self.window > 0),
            "{kind}: give a rate above 0 (open loop) or a window of 1 and more (closed loop)"
        );
        ensure!(
            self.window <= 1 || !self.kind.fans_out(),
            "{kind}: a fan-out has a window of 1 at most"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(kind: LoadKind) -> Scenario {
        let load = Load {
            kind,
            rate: 1.0,
            window: 0,
            event: None,
        };
        Scenario {
            phases: vec![Phase {
                clients: Some(1),
                secs: 1.0,
                loads: vec![load],
                ..Phase::default()
            }],
            ..Scenario::default()
        }
    }

    #[test]
    fn thresholds_name_what_the_scenario_measures() {
        let echo = scenario(LoadKind::Echo);
        let refused = |text: &str| echo.check_threshold(text).unwrap_err().to_string();
        assert!(echo.check_threshold("echo.p99 < 1s").is_ok());
        assert!(echo.check_threshold("connect.p99 < 1s").is_ok());
        assert!(refused("room.p99 < 1s").contains("the load room"));
        assert!(refused("last.p99 < 1s").contains("one receiver"));
        assert!(refused("delivered > 99%").contains("one receiver"));
        assert!(refused("recovery.max < 1s").contains("drop"));
        assert!(refused("upgrade.p99 < 1s").contains("upgrading"));
        let broadcast = scenario(LoadKind::Broadcast);
        assert!(broadcast.check_threshold("last.p99 < 1s").is_ok());
        let mut idle = scenario(LoadKind::Echo);
        idle.phases[0].loads.clear();
        let said = idle.check_threshold("p99 < 1s").unwrap_err().to_string();
        assert!(said.contains("sends anything"), "{said}");
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        let refused = |edit: fn(&mut Scenario)| {
            let mut made = scenario(LoadKind::Echo);
            edit(&mut made);
            made.check().unwrap_err().to_string()
        };
        assert!(refused(|s| s.phases[0].drop = 2.0).contains("drop"));
        assert!(refused(|s| s.slow.share = 1.5).contains("slow"));
        assert!(refused(|s| s.phases[0].secs = 0.0).contains("secs"));
        assert!(refused(|s| s.phases[0].secs = f64::NAN).contains("secs"));
        assert!(refused(|s| s.phases[0].churn_per_minute = -1.0).contains("churn"));
        assert!(refused(|s| s.phases[0].loads[0].rate = 0.0).contains("rate"));
        assert!(refused(|s| s.phases[0].loads[0].rate = f64::INFINITY).contains("rate"));
        assert!(refused(|s| s.transports.polling = -1.0).contains("polling"));
        assert!(refused(|s| s.handshakes = 0).contains("handshake"));
        assert!(refused(|s| s.payload = 10).contains("size"));
        assert!(refused(|s| s.drain = -1.0).contains("drain"));
    }
}
