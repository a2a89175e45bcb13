//! Quantiles of a quantity over a weighted sample, with intervals.
//!
//! A histogram with log-linear buckets (hdrhistogram) holds the weights. The interval of a quantile
//! is Woodruff's (Journal of the American Statistical Association 47, 1952): the interval of the
//! share below it, turned into values by the same histogram. That of the share is Clopper and
//! Pearson's for as many equal blocks as tell as much (Korn and Graubard, Survey Methodology 24,
//! 1998), which holds what it promises for few samples too.

#![forbid(unsafe_code)]

use hdrhistogram::Histogram;
use statrs::distribution::{Beta, ContinuousCDF};

use crate::report::{Estimate, Unit};
use crate::statistics::interval::MISS;

/// Digits of a value that are kept: buckets are a hundredth of their value wide.
const DIGITS: u8 = 2;

/// Above this many blocks the share below a quantile is known to less than a bucket.
const SIZE_MAX: f64 = 1e9;

/// Weighted values.
#[derive(Debug, Clone)]
pub struct Quantiles {
    histogram: Histogram<u64>,
    variance: f64,
    weight: f64,
}

impl Default for Quantiles {
    fn default() -> Quantiles {
        Quantiles {
            histogram: Histogram::new(DIGITS).expect("two digits are allowed"),
            variance: 0.0,
            weight: 0.0,
        }
    }
}

impl Quantiles {
    /// Adds a value that stands for `parts` blocks in some fixed fraction, which adds `variance`,
    /// in the square of that fraction.
    pub fn add(&mut self, value: u64, parts: u64, variance: f64) {
        let recorded = self.histogram.record_n(value, parts);
        debug_assert!(recorded.is_ok(), "a histogram that grows takes every value");
        self.weight += parts as f64;
        self.variance += variance;
    }

    /// The value that the share `share` of the weight does not exceed; `None` of nothing.
    pub fn at(&self, share: f64, unit: Unit) -> Option<Estimate> {
        if self.histogram.is_empty() {
            return None;
        }
        let value_at = |share: f64| self.histogram.value_at_quantile(share) as f64;
        let value = value_at(share);
        if self.variance == 0.0 {
            return Some(Estimate::exact(value, unit));
        }
        let (low, high) = self.shares(share);
        let (low, high) = (value_at(low).min(value), value_at(high).max(value));
        Some(Estimate::sampled(value, low, high, unit))
    }

    /// The interval of the share that is known to be `share` in the sample.
    fn shares(&self, share: f64) -> (f64, f64) {
        let size = (self.weight * self.weight / self.variance).clamp(1.0, SIZE_MAX);
        let below = share * size;
        let quantile = |below: f64, above: f64, chance: f64| {
            Beta::new(below, above).map_or(share, |beta| beta.inverse_cdf(chance))
        };
        let low = quantile(below, size - below + 1.0, MISS / 2.0);
        let high = quantile(below + 1.0, size - below, 1.0 - MISS / 2.0);
        (low.clamp(0.0, share), high.clamp(share, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantile of the numbers to 1,000, each of which stands for `weight` blocks.
    fn check(weight: u64, share: f64, expected: (f64, f64, f64)) {
        let mut quantiles = Quantiles::default();
        let variance = (weight * (weight - 1)) as f64;
        (1..=1_000).for_each(|value| quantiles.add(value, weight, variance));
        let found = quantiles.at(share, Unit::Bytes).expect("there are values");
        let near = |found: f64, expected: f64| (found - expected).abs() <= 0.02 * expected;
        let is_near = near(found.value, expected.0)
            && near(found.low, expected.1)
            && near(found.high, expected.2);
        assert!(is_near, "{found:?}, not {expected:?}");
        assert_eq!(found.exact, weight == 1);
    }

    #[test]
    fn where_every_block_is_known_so_is_every_quantile() {
        check(1, 0.5, (500.0, 500.0, 500.0));
        check(1, 0.99, (990.0, 990.0, 990.0));
    }

    #[test]
    fn a_sample_of_a_thousand_knows_its_median_to_three_percent() {
        // 1.96 times the square root of 0.25 / 1,000, and a hundredth for the buckets.
        check(1_000_000, 0.5, (500.0, 469.0, 531.0));
    }

    #[test]
    fn nothing_has_no_quantile() {
        assert_eq!(Quantiles::default().at(0.5, Unit::Bytes), None);
    }

    #[test]
    fn one_sample_says_little_about_the_others() {
        let mut quantiles = Quantiles::default();
        quantiles.add(100, 50, 50.0 * 49.0);
        let found = quantiles.at(0.5, Unit::Bytes).expect("there is a value");
        assert!(!found.exact && found.value == 100.0, "{found:?}");
    }
}
