//! Answers: how many clients and messages are due at this instant of a phase.
//!
//! Must not know of threads or sockets.

use super::{Load, LoadKind, PhaseKind, Scenario};

/// A rate that changes evenly over a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Slope {
    /// Per second at the beginning.
    pub from: f64,
    /// Per second at the end and after it.
    pub to: f64,
    /// Seconds between the two.
    pub secs: f64,
}

impl Slope {
    /// The instant, in seconds from the beginning, by which `count` have happened; infinite if
    /// they never do.
    #[must_use]
    pub fn instant_of(&self, count: f64) -> f64 {
        let rise = (self.to - self.from) / self.secs.max(1e-9);
        if rise.abs() < 1e-12 || self.secs <= 0.0 {
            return if self.to > 0.0 {
                count / self.to
            } else {
                f64::INFINITY
            };
        }
        // count = from·t + rise·t²/2 up to the end, a straight line after it
        let within = f64::midpoint(self.from, self.to) * self.secs;
        if count > within {
            let after = count - within;
            return if self.to > 0.0 {
                self.secs + after / self.to
            } else {
                f64::INFINITY
            };
        }
        let root = (self.from * self.from + 2.0 * rise * count).max(0.0).sqrt();
        2.0 * count / (self.from + root).max(1e-12)
    }
}

/// A phase with everything inherited from those before it.
#[derive(Clone, Debug)]
pub struct Course {
    /// Shown in reports.
    pub name: String,
    /// Counts in the totals.
    pub measured: bool,
    /// Seconds it lasts at least.
    pub secs: f64,
    /// It ends only when all clients are ready.
    pub until_ready: bool,
    /// Clients at its beginning.
    pub clients_from: u32,
    /// Clients it aims at.
    pub clients_to: u32,
    /// Clients change evenly instead of at once.
    pub gradual: bool,
    /// Loads with their rates over time.
    pub loads: Vec<(Load, Slope)>,
    /// Clients replaced per second.
    pub churn: f64,
    /// Share of the clients cut off at the beginning.
    pub drop: f64,
}

impl Course {
    /// Clients wanted `t` seconds after the phase's beginning.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "between two unsigned numbers")]
    pub fn clients_at(&self, t: f64) -> u32 {
        if !self.gradual || t >= self.secs {
            return self.clients_to;
        }
        let (from, to) = (f64::from(self.clients_from), f64::from(self.clients_to));
        (from + (to - from) * (t / self.secs)).round() as u32
    }
}

/// Works out all phases of a scenario.
#[must_use]
pub fn courses(scenario: &Scenario) -> Vec<Course> {
    let mut clients = 0;
    let mut rates = [0.0; LoadKind::COUNT];
    let mut result = Vec::new();
    for phase in &scenario.phases {
        let to = phase.clients.unwrap_or(clients);
        let gradual = phase.kind == PhaseKind::Ramp && phase.secs > 0.0;
        let slopes = |load: &Load| Slope {
            from: if gradual {
                rates[load.kind as usize]
            } else {
                load.rate
            },
            to: load.rate,
            secs: phase.secs,
        };
        let loads: Vec<_> = phase.loads.iter().map(|l| (l.clone(), slopes(l))).collect();
        rates = [0.0; LoadKind::COUNT];
        for (load, _) in &loads {
            rates[load.kind as usize] = load.rate;
        }
        let kind_name = format!("{:?}", phase.kind).to_lowercase();
        result.push(Course {
            name: if phase.name.is_empty() {
                kind_name
            } else {
                phase.name.clone()
            },
            measured: phase.is_measured(),
            secs: phase.secs,
            until_ready: matches!(phase.kind, PhaseKind::Ramp | PhaseKind::Step),
            clients_from: clients,
            clients_to: to,
            gradual,
            loads,
            churn: phase.churn_per_minute / 60.0,
            drop: phase.drop,
        });
        if phase.kind != PhaseKind::Spike {
            clients = to;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::Phase;
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn slopes_place_counts() {
        let flat = Slope {
            from: 10.0,
            to: 10.0,
            secs: 5.0,
        };
        near(flat.instant_of(25.0), 2.5);
        near(flat.instant_of(100.0), 10.0);
        let up = Slope {
            from: 0.0,
            to: 10.0,
            secs: 10.0,
        };
        near(up.instant_of(50.0), 10.0); // the triangle's area
        near(up.instant_of(12.5), 5.0);
        near(up.instant_of(60.0), 11.0);
        let down = Slope {
            from: 10.0,
            to: 0.0,
            secs: 10.0,
        };
        near(down.instant_of(50.0), 10.0);
        assert!(down.instant_of(51.0).is_infinite());
        assert!(
            Slope {
                from: 0.0,
                to: 0.0,
                secs: 1.0
            }
            .instant_of(1.0)
            .is_infinite()
        );
    }

    #[test]
    fn a_spike_returns_to_the_clients_before_it() {
        let phase = |kind, clients| Phase {
            kind,
            clients,
            secs: 10.0,
            ..Phase::default()
        };
        let scenario = Scenario {
            phases: vec![
                phase(PhaseKind::Ramp, Some(100)),
                phase(PhaseKind::Spike, Some(500)),
                phase(PhaseKind::Hold, None),
            ],
            ..Scenario::default()
        };
        let courses = courses(&scenario);
        assert_eq!(courses[0].clients_at(5.0), 50);
        assert_eq!(courses[1].clients_at(0.0), 500);
        assert_eq!(courses[2].clients_at(0.0), 100);
        assert!(!courses[0].measured && courses[1].measured);
    }
}
