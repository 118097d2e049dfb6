//! Answers: which keys does a scenario file have, and what may each hold.
//!
//! Must not know variables or how a mistake is shown.

use super::{Arrivals, Load, LoadKind, Phase, PhaseKind, Scenario};
use crate::proto::stamp::MIN_SIZE;
use crate::units;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::ops::Range;
use toml::Spanned;

/// A mistake and where in the file it stands.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) at: Range<usize>,
    pub(super) what: String,
}

/// The file's own keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Form {
    name: Option<String>,
    url: Option<String>,
    #[serde(deserialize_with = "names")]
    namespace: Option<Vec<String>>,
    auth: Option<serde_json::Value>,
    #[serde(deserialize_with = "part")]
    websocket: Option<f64>,
    #[serde(deserialize_with = "part")]
    polling: Option<f64>,
    #[serde(deserialize_with = "part")]
    upgrading: Option<f64>,
    #[serde(deserialize_with = "size")]
    size: Option<usize>,
    binary: bool,
    room_size: u32,
    publishers: Option<u32>,
    #[serde(deserialize_with = "share")]
    slow: Option<f64>,
    #[serde(deserialize_with = "time")]
    slow_pause: Option<f64>,
    #[serde(deserialize_with = "bytes")]
    slow_bytes: Option<usize>,
    poisson: bool,
    seed: Option<u64>,
    handshakes: Option<u32>,
    #[serde(deserialize_with = "part")]
    connect_rate: Option<f64>,
    #[serde(deserialize_with = "time")]
    connect_timeout: Option<f64>,
    #[serde(deserialize_with = "time")]
    drain: Option<f64>,
    threshold: Vec<Spanned<String>>,
    phase: Vec<Spanned<PhaseForm>>,
}

/// The keys of a `[[phase]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct PhaseForm {
    name: Option<String>,
    kind: Option<PhaseKind>,
    #[serde(deserialize_with = "time")]
    secs: Option<f64>,
    clients: Option<u32>,
    load: Vec<Spanned<LoadForm>>,
    #[serde(deserialize_with = "part")]
    churn: Option<f64>,
    #[serde(deserialize_with = "share")]
    drop: Option<f64>,
    measure: Option<bool>,
}

/// The keys of a load.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LoadForm {
    kind: LoadKind,
    #[serde(default, deserialize_with = "rate")]
    rate: Option<f64>,
    #[serde(default)]
    window: u32,
    #[serde(default)]
    event: Option<String>,
}

impl Form {
    /// The scenario.
    pub(super) fn scenario(self) -> Result<Scenario, Mistake> {
        let usual = Scenario::default();
        let mut made = Scenario {
            name: self.name.unwrap_or(usual.name),
            url: self.url.unwrap_or(usual.url),
            namespaces: self.namespace.unwrap_or(usual.namespaces),
            auth: self.auth,
            payload: self.size.unwrap_or(usual.payload),
            binary: self.binary,
            room_size: self.room_size,
            publishers: self.publishers.unwrap_or(usual.publishers),
            arrivals: if self.poisson {
                Arrivals::Poisson
            } else {
                Arrivals::Even
            },
            seed: self.seed.unwrap_or(usual.seed),
            handshakes: self.handshakes.unwrap_or(usual.handshakes),
            connect_rate: self.connect_rate.unwrap_or(usual.connect_rate),
            connect_timeout: self.connect_timeout.unwrap_or(usual.connect_timeout),
            drain: self.drain.unwrap_or(usual.drain),
            slow: usual.slow,
            transports: usual.transports,
            phases: Vec::new(),
            thresholds: Vec::new(),
        };
        for (here, given) in [
            (&mut made.transports.websocket, self.websocket),
            (&mut made.transports.polling, self.polling),
            (&mut made.transports.upgrade, self.upgrading),
            (&mut made.slow.share, self.slow),
            (&mut made.slow.pause, self.slow_pause),
        ] {
            *here = given.unwrap_or(*here);
        }
        made.slow.bytes = self.slow_bytes.unwrap_or(made.slow.bytes);
        for phase in self.phase {
            let read = phase_of(phase, made.room_size)?;
            made.phases.push(read);
        }
        for condition in self.threshold {
            let at = condition.span();
            let text = condition.into_inner();
            made.check_threshold(&text).map_err(at_place(at))?;
            made.thresholds.push(text);
        }
        made.check().map_err(at_place(0..0))?;
        Ok(made)
    }
}

fn at_place(at: Range<usize>) -> impl FnOnce(anyhow::Error) -> Mistake {
    move |error| Mistake {
        at,
        what: format!("{error:#}"),
    }
}

fn phase_of(form: Spanned<PhaseForm>, room_size: u32) -> Result<Phase, Mistake> {
    let at = form.span();
    let form = form.into_inner();
    let mut phase = Phase {
        name: form.name.unwrap_or_default(),
        kind: form.kind.unwrap_or(PhaseKind::Hold),
        secs: form.secs.unwrap_or(0.0),
        clients: form.clients,
        loads: Vec::new(),
        churn_per_minute: form.churn.unwrap_or(0.0),
        drop: form.drop.unwrap_or(0.0),
        measure: form.measure,
    };
    phase.check().map_err(at_place(at))?;
    for load in form.load {
        let at = load.span();
        let form = load.into_inner();
        let load = Load {
            kind: form.kind,
            rate: form.rate.unwrap_or(0.0),
            window: form.window,
            event: form.event,
        };
        load.check(room_size).map_err(at_place(at))?;
        phase.loads.push(load);
    }
    Ok(phase)
}

/// Takes a number, or a text with a unit, as an option of the command line would.
struct Quantity<T>(fn(&str) -> anyhow::Result<T>);

impl<T> Visitor<'_> for Quantity<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a number, or a text such as \"250ms\" or \"64KiB\"")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<T, E> {
        (self.0)(value).map_err(|error| E::custom(format!("{error:#}")))
    }
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    from.deserialize_any(Quantity(units::seconds)).map(Some)
}

fn share<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    from.deserialize_any(Quantity(units::share)).map(Some)
}

fn rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    from.deserialize_any(Quantity(units::above_zero)).map(Some)
}

fn part<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    from.deserialize_any(Quantity(units::not_negative))
        .map(Some)
}

fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    from.deserialize_any(Quantity(units::bytes)).map(Some)
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    from.deserialize_any(Quantity(payload)).map(Some)
}

/// A payload's size: it holds its own check.
///
/// # Errors
/// When it is not a size, or too small.
pub fn payload(text: &str) -> anyhow::Result<usize> {
    let size = units::bytes(text)?;
    anyhow::ensure!(
        size >= MIN_SIZE,
        "at least {MIN_SIZE} bytes are needed for the payload's own check"
    );
    Ok(size)
}

/// One name or several.
fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Several(Vec<String>),
    }
    Ok(Some(match Names::deserialize(from)? {
        Names::One(name) => vec![name],
        Names::Several(names) => names,
    }))
}
