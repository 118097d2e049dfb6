//! Answers: how far apart are two sets of values, and is that more than chance.
//!
//! Medians with bootstrap intervals. Must not know what the values are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// B against A.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Median of A.
    pub a: f64,
    /// Median of B.
    pub b: f64,
    /// Median of B over median of A.
    pub ratio: f64,
    /// Lower end of the ratio's 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How often chance alone would part the values as far, were A and B the same; 0 to 1.
    pub chance: f64,
}

impl Difference {
    /// There were values enough to tell.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.high.is_finite()
    }

    /// The interval leaves no room for equality, chance is no explanation, and it is enough to
    /// matter.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        let apart = self.low > 1.0 || self.high < 1.0;
        apart && self.chance <= MOST_CHANCE && (self.ratio - 1.0).abs() >= LEAST
    }
}

/// Four values against four that never overlap have 2 in 70.
const MOST_CHANCE: f64 = 0.04;
/// Smaller differences are none.
const LEAST: f64 = 0.01;
/// Draws for an interval.
const DRAWS: usize = 4000;
/// With fewer values on either side no difference is called clear.
pub const FEWEST: usize = 4;

/// The middle value; 0 of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Compares two independent sets; `None` when one is empty or A's median is 0.
#[must_use]
pub fn compare(a: &[f64], b: &[f64]) -> Option<Difference> {
    let (middle_a, middle_b) = (median(a), median(b));
    if a.is_empty() || b.is_empty() || middle_a <= 0.0 {
        return None;
    }
    let ratio = middle_b / middle_a;
    let whole = Difference {
        a: middle_a,
        b: middle_b,
        ratio,
        low: 0.0,
        high: f64::INFINITY,
        chance: 1.0,
    };
    if a.len().min(b.len()) < FEWEST {
        return Some(whole);
    }
    let mut random = fastrand::Rng::with_seed(1);
    let mut draw = |values: &[f64]| {
        let drawn: Vec<f64> = values
            .iter()
            .map(|_| values[random.usize(..values.len())])
            .collect();
        median(&drawn)
    };
    let mut ratios: Vec<f64> = (0..DRAWS)
        .map(|_| draw(b) / draw(a).max(f64::MIN_POSITIVE))
        .collect();
    ratios.sort_by(f64::total_cmp);
    Some(Difference {
        low: ratios[DRAWS / 40],
        high: ratios[DRAWS - DRAWS / 40 - 1],
        chance: chance(a, b, &mut random),
        ..whole
    })
}

/// The share of random divisions of all values into two such sets whose ranks differ at least as
/// much (Mann and Whitney's test, by permutation). Few values make bootstrap intervals too narrow;
/// this they do not deceive.
fn chance(a: &[f64], b: &[f64], random: &mut fastrand::Rng) -> f64 {
    let all = [a, b].concat();
    // Equal values share the middle of their ranks.
    let rank = |value: &f64| {
        let below = all.iter().filter(|v| *v < value).count();
        let equal = all.iter().filter(|v| v.total_cmp(value).is_eq()).count();
        below as f64 + equal as f64 / 2.0
    };
    let mut ranks: Vec<f64> = all.iter().map(rank).collect();
    let even = ranks.iter().sum::<f64>() * a.len() as f64 / all.len() as f64;
    let distance = |ranks: &[f64]| (ranks[..a.len()].iter().sum::<f64>() - even).abs();
    let seen = distance(&ranks) - 1e-9;
    let as_far = (0..DRAWS).filter(|_| {
        random.shuffle(&mut ranks);
        distance(&ranks) >= seen
    });
    as_far.count() as f64 / DRAWS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_no_difference_and_a_difference_is() {
        let base = [100.0, 104.0, 98.0, 101.0, 97.0, 103.0, 99.0, 102.0];
        let noise = [101.0, 97.0, 103.0, 100.0, 105.0, 98.0, 99.0, 102.0];
        let faster: Vec<f64> = base.iter().map(|v| v * 1.3).collect();
        assert!(!compare(&base, &noise).unwrap().is_clear());
        let clear = compare(&base, &faster).unwrap();
        assert!(
            clear.is_clear() && (clear.ratio - 1.3).abs() < 1e-9,
            "{clear:?}"
        );
        assert!(clear.low < 1.3 && clear.high > 1.3);
    }

    #[test]
    fn four_rounds_prove_only_what_never_overlaps() {
        let a = [12.08, 12.10, 12.12, 12.11];
        let b = [12.10, 12.24, 12.20, 12.26];
        assert!(
            !compare(&a, &b).unwrap().is_clear(),
            "one percent, by chance"
        );
        let twice = a.map(|v| v * 2.0);
        assert!(compare(&a, &twice).unwrap().is_clear());
        let hair = a.map(|v| v * 1.005);
        assert!(
            !compare(&a, &hair).unwrap().is_clear(),
            "too little to matter"
        );
    }

    #[test]
    fn few_values_prove_nothing() {
        assert!(!compare(&[1.0, 1.0], &[9.0, 9.0]).unwrap().is_clear());
        assert!(compare(&[], &[1.0]).is_none());
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
