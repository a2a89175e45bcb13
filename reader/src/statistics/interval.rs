//! From weighted sums over a sample to an estimate with its 95 % interval.
//!
//! A block of which only a share `p` is sampled stands for `1/p` blocks (Horvitz and Thompson).
//! The interval is the gamma interval of Fay and Feuer (Statistics in Medicine 16, 1997) for
//! weighted Poisson sums: with the sum `Y` and its variance `V`,
//!
//! ```text
//! low  = quantile of gamma(shape Y²/V, scale V/Y) at 2.5 %
//! high = the same at 97.5 % with Y + w and V + w²,  w = what one more sample would add
//! ```
//!
//! It holds what it promises for few and unequal samples, where `Y ± 1.96 √V` covers 38 %.

#![forbid(unsafe_code)]

use statrs::distribution::{ContinuousCDF, Gamma};

use crate::report::{Estimate, Unit};

/// The share of intervals that may miss the truth, half of it on each side.
pub(crate) const MISS: f64 = 0.05;

/// The standard normal quantile at 97.5 %.
pub(crate) const NORMAL_QUANTILE: f64 = 1.959_963_984_540_054;

/// Above this shape the approximation of Wilson and Hilferty is right to five digits.
const SHAPE_EXACT_MAX: f64 = 200.0;

/// What is known about one quantity from a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// The sum of `y / p` over the sample, `y` being the quantity of one block.
    pub total: f64,
    /// The sum of `y² (1 - p) / p²`.
    pub variance: f64,
    /// The sum of `y`: what was actually seen, below which no interval goes.
    pub seen: f64,
    /// What one more sampled block would add: the sampling interval for bytes, the largest
    /// weight for objects; zero where every block is sampled.
    pub unseen_weight: f64,
}

impl Sums {
    /// Sums over an empty sample.
    pub fn new(unseen_weight: f64) -> Sums {
        Sums {
            unseen_weight,
            ..Sums::default()
        }
    }

    /// Adds one block with the quantity `y` that had the chance `probability` to be sampled.
    pub fn add(&mut self, y: f64, probability: f64) {
        let estimated = y / probability;
        self.total += estimated;
        self.variance += estimated * estimated * (1.0 - probability);
        self.seen += y;
    }

    /// Adds the sums over another, disjoint sample.
    pub fn merge(&mut self, other: &Sums) {
        self.total += other.total;
        self.variance += other.variance;
        self.seen += other.seen;
        self.unseen_weight = self.unseen_weight.max(other.unseen_weight);
    }

    /// Whether nothing was left to chance.
    pub fn is_exact(&self) -> bool {
        self.variance == 0.0 && self.unseen_weight == 0.0
    }

    /// The best value and its 95 % interval; never NaN, and always `low <= value <= high`.
    pub fn estimate(&self, unit: Unit) -> Estimate {
        if self.is_exact() && self.total.is_finite() {
            return Estimate::exact(self.total, unit);
        }
        let seen = if self.seen.is_finite() {
            self.seen.max(0.0)
        } else {
            0.0
        };
        if !self.is_finite() {
            return Estimate::sampled(seen, seen, f64::INFINITY, unit);
        }
        // The fixed point of the segment may round a total of certain blocks just below them.
        let value = self.total.max(seen);
        let weight = self.unseen_weight.max(0.0);
        let low = quantile(value, self.variance, MISS / 2.0).clamp(seen, value);
        let high = quantile(
            value + weight,
            self.variance + weight * weight,
            1.0 - MISS / 2.0,
        );
        Estimate::sampled(value, low, high.max(value), unit)
    }

    fn is_finite(&self) -> bool {
        [self.total, self.variance, self.unseen_weight]
            .iter()
            .all(|sum| sum.is_finite())
    }
}

/// The difference of two quantities whose samples are disjoint: `gained - lost`.
///
/// For growth between two times: births still alive against older blocks now freed. The
/// distances of the two intervals from their values add as variances do (Zou and Donner,
/// Statistics in Medicine 27, 2008). The value may be negative.
pub fn difference(gained: &Sums, lost: &Sums, unit: Unit) -> Estimate {
    let (gain, loss) = (gained.estimate(unit), lost.estimate(unit));
    let value = gain.value - loss.value;
    if gain.exact && loss.exact {
        return Estimate::exact(value, unit);
    }
    let down = (gain.value - gain.low).hypot(loss.high - loss.value);
    let up = (gain.high - gain.value).hypot(loss.value - loss.low);
    Estimate::sampled(value, value - down, value + up, unit)
}

/// The quantile of the gamma distribution with this mean and variance.
fn quantile(mean: f64, variance: f64, probability: f64) -> f64 {
    if mean <= 0.0 {
        return 0.0;
    }
    // One block's variance is at most its square, hence so is that of a sum; more is rounding.
    let scale = (variance / mean).clamp(0.0, mean);
    if scale == 0.0 {
        return mean;
    }
    let shape = mean / scale;
    if shape > SHAPE_EXACT_MAX {
        return mean * wilson_hilferty(shape, probability);
    }
    let unit_gamma = Gamma::new(shape, 1.0);
    unit_gamma.map_or(mean, |gamma| gamma.inverse_cdf(probability) * scale)
}

/// The quantile at 2.5 or 97.5 % of a gamma distribution with mean one: its cube root is nearly
/// normal.
fn wilson_hilferty(shape: f64, probability: f64) -> f64 {
    let spread = 1.0 / (9.0 * shape);
    let normal = if probability < 0.5 {
        -NORMAL_QUANTILE
    } else {
        NORMAL_QUANTILE
    };
    (1.0 - spread + normal * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests;
