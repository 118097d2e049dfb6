//! Answers "how far apart are two sets of values, and is that more than chance": medians with
//! bootstrap intervals. Must not know what the values are.

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
}

impl Difference {
    /// The interval leaves no room for equality.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.low > 1.0 || self.high < 1.0
    }
}

/// Draws for an interval.
const DRAWS: usize = 4000;
/// With fewer values on either side no difference is called clear.
const FEWEST: usize = 4;

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
        ..whole
    })
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
    fn few_values_prove_nothing() {
        assert!(!compare(&[1.0, 1.0], &[9.0, 9.0]).unwrap().is_clear());
        assert!(compare(&[], &[1.0]).is_none());
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
    }
}
