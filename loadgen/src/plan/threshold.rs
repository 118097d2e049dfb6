//! Answers: does `p99 < 50ms` hold.
//!
//! Must not know where the figures come from.

use anyhow::{Context as _, bail};
use std::collections::BTreeMap;

/// Figures by name, times in seconds, memory in bytes.
pub type Figures = BTreeMap<String, f64>;

/// A condition on one figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// The figure's name.
    pub figure: String,
    /// One of `<`, `<=`, `>`, `>=`, `==`, `!=`.
    pub relation: String,
    /// What it is held against, in seconds, bytes or plain.
    pub bound: f64,
}

impl Threshold {
    /// Reads `FIGURE RELATION NUMBER[UNIT]`, units ns us µs ms s min, B KB MB GB KiB MiB GiB, %.
    ///
    /// # Errors
    /// Says what is not understood.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let at = text
            .find(['<', '>', '=', '!'])
            .with_context(|| format!("threshold {text:?}: no relation such as <"))?;
        let figure = text[..at].trim().to_owned();
        let rest = &text[at..];
        let len = rest.find(|c| !"<>=!".contains(c)).unwrap_or(rest.len());
        let relation = rest[..len].to_owned();
        if !["<", "<=", ">", ">=", "==", "!="].contains(&relation.as_str()) {
            bail!("threshold {text:?}: unknown relation {relation}");
        }
        if figure.is_empty() {
            bail!("threshold {text:?}: no figure");
        }
        let bound = quantity(rest[len..].trim()).with_context(|| format!("threshold {text:?}"))?;
        Ok(Self {
            figure,
            relation,
            bound,
        })
    }

    /// Whether it holds; an absent figure never does.
    #[must_use]
    #[expect(
        clippy::float_cmp,
        reason = "== and != are meant for counts, which are exact"
    )]
    pub fn holds(&self, figures: &Figures) -> bool {
        let Some(value) = figures.get(&self.figure) else {
            return false;
        };
        match self.relation.as_str() {
            "<" => *value < self.bound,
            "<=" => *value <= self.bound,
            ">" => *value > self.bound,
            ">=" => *value >= self.bound,
            "==" => *value == self.bound,
            _ => *value != self.bound,
        }
    }
}

fn quantity(text: &str) -> anyhow::Result<f64> {
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-')))
        .unwrap_or(text.len());
    let number: f64 = text[..split]
        .replace('_', "")
        .parse()
        .with_context(|| format!("no number in {text:?}"))?;
    // Divided, not multiplied by a fraction, so that 49000us is exactly 49ms.
    Ok(match text[split..].trim() {
        "" | "s" | "B" => number,
        "ns" => number / 1e9,
        "us" | "µs" => number / 1e6,
        "ms" => number / 1e3,
        "min" => number * 60.0,
        "%" => number / 1e2,
        "KB" | "kB" => number * 1e3,
        "MB" => number * 1e6,
        "GB" => number * 1e9,
        "KiB" => number * 1024.0,
        "MiB" => number * 1_048_576.0,
        "GiB" => number * 1_073_741_824.0,
        unit => bail!("unknown unit {unit}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_relations() {
        let figures = Figures::from([("p99".into(), 0.049), ("lost".into(), 0.0)]);
        let holds = |text| Threshold::parse(text).unwrap().holds(&figures);
        assert!(holds("p99 < 50ms"));
        assert!(!holds("p99<49ms"));
        assert!(holds("p99 <= 49_000us"));
        assert!(holds("lost == 0"));
        assert!(!holds("lost != 0"));
        assert!(!holds("unheard < 1"), "a figure that is not there fails");
        for bad in ["p99", "p99 < fast", "p99 =< 5", "< 5", "p99 < 5 parsecs"] {
            assert!(Threshold::parse(bad).is_err(), "{bad}");
        }
    }
}
