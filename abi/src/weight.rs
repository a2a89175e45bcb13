//! What a sampled block stands for: Horvitz-Thompson weights.
//!
//! A block of s bytes drawn at mean interval T is seen with probability p = 1 - exp(-s/T),
//! independently of all others, because the gaps between samples have no memory.
//! It stands for 1/p blocks and s/p bytes; the variance this adds is estimated by
//! y^2 (1-p)/p^2 for y = 1 and y = s (Horvitz and Thompson 1952).
//! The interval is kept with each block, so it may change at any time without bias.
#![forbid(unsafe_code)]

/// Weighted counts of blocks are kept in units of 1/1024 block.
pub const OBJECT_UNIT: u64 = 1024;

/// The mean number of bytes between samples: a power of two, or every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(u8);

impl Interval {
    /// Every block is recorded, with weight 1.
    pub const EXACT: Self = Self(0);

    /// The coarsest interval, 2^40 bytes.
    pub const COARSEST: Self = Self(40);

    /// The largest power of two that is not above `bytes`; at least 2 bytes.
    pub const fn at_most(bytes: u64) -> Self {
        let exponent = if bytes < 2 { 1 } else { bytes.ilog2() as u8 };
        if exponent > Self::COARSEST.0 {
            Self::COARSEST
        } else {
            Self(exponent)
        }
    }

    /// The interval as it stands in the segment; anything unknown reads as the coarsest.
    pub const fn from_exponent(exponent: u8) -> Self {
        if exponent > Self::COARSEST.0 {
            Self::COARSEST
        } else {
            Self(exponent)
        }
    }

    /// How the interval stands in the segment: log2 of the bytes, 0 for every block.
    pub const fn exponent(self) -> u8 {
        self.0
    }

    /// Mean bytes between samples; `None` when every block is recorded.
    pub const fn bytes(self) -> Option<u64> {
        if self.0 == 0 { None } else { Some(1 << self.0) }
    }

    /// The interval twice as coarse.
    pub const fn doubled(self) -> Self {
        Self::from_exponent(self.0.saturating_add(1))
    }
}

/// What one sampled block adds to its site.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weight {
    /// Blocks it stands for, in units of 1/[`OBJECT_UNIT`].
    pub objects: u64,
    /// Bytes it stands for.
    pub bytes: u64,
    /// Variance this adds to the sum of blocks, in blocks squared; 0 when certain.
    pub objects_variance: f64,
    /// Variance this adds to the sum of bytes, in bytes squared; 0 when certain.
    pub bytes_variance: f64,
}

impl Weight {
    /// The chance that such a block is sampled, as exact as the weight is; never 0.
    pub fn probability(&self) -> f64 {
        OBJECT_UNIT as f64 / self.objects.max(OBJECT_UNIT) as f64
    }

    /// Whether the block was sure to be sampled, so that it stands for itself alone.
    pub fn is_certain(&self) -> bool {
        self.objects == OBJECT_UNIT && self.objects_variance == 0.0
    }

    /// The weight of a block of `size_bytes` that was sampled at `interval`.
    ///
    /// The same input gives the same weight in every process, so what a birth added is exactly
    /// what a death takes away.
    #[inline(always)]
    pub fn of(size_bytes: u64, interval: Interval) -> Self {
        let certain = Self {
            objects: OBJECT_UNIT,
            bytes: size_bytes,
            objects_variance: 0.0,
            bytes_variance: 0.0,
        };
        let Some(mean_bytes) = interval.bytes() else {
            return certain;
        };
        if size_bytes == 0 {
            return certain;
        }
        let size = size_bytes as f64;
        let probability = one_minus_exp_of_minus(size / mean_bytes as f64);
        let spread = (1.0 - probability) / (probability * probability);
        Self {
            objects: (OBJECT_UNIT as f64 / probability + 0.5) as u64,
            bytes: (size / probability + 0.5) as u64,
            objects_variance: spread,
            bytes_variance: size * size * spread,
        }
    }
}

/// 1 - exp(-x) for x > 0, to about 1e-15 relative, without a mathematics library.
fn one_minus_exp_of_minus(x: f64) -> f64 {
    if x >= 40.0 {
        return 1.0;
    }
    // Halve until the series converges fast, then use 1 - e^-2y = q (2 - q) with q = 1 - e^-y,
    // which loses no digits for small x.
    let mut y = x;
    let mut halvings = 0;
    while y > 0.125 {
        y *= 0.5;
        halvings += 1;
    }
    let mut term = y;
    let mut sum = y;
    let mut n = 2.0;
    while n < 12.0 {
        term *= -y / n;
        sum += term;
        n += 1.0;
    }
    for _ in 0..halvings {
        sum *= 2.0 - sum;
    }
    sum
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_block_that_is_always_recorded_has_weight_one_and_no_variance() {
        let weight = Weight::of(100, Interval::EXACT);
        assert_eq!((weight.objects, weight.bytes), (OBJECT_UNIT, 100));
        assert_eq!((weight.objects_variance, weight.bytes_variance), (0.0, 0.0));
    }

    #[test]
    fn an_interval_rounds_down_to_a_power_of_two() {
        for (asked, got) in [
            (0, 2),
            (1, 2),
            (2, 2),
            (3, 2),
            (4096, 4096),
            (524_289, 524_288),
        ] {
            assert_eq!(Interval::at_most(asked).bytes(), Some(got), "{asked}");
        }
        assert_eq!(Interval::at_most(u64::MAX), Interval::COARSEST);
    }

    proptest! {
        #[test]
        fn the_probability_agrees_with_the_mathematics_library(x in 1e-12f64..60.0) {
            let expected = -(-x).exp_m1();
            let got = one_minus_exp_of_minus(x);
            prop_assert!(((got - expected) / expected).abs() < 1e-13, "{x}: {got} {expected}");
        }

        #[test]
        fn a_block_stands_for_at_least_itself(size in 1u64..1 << 40, exponent in 1u8..40) {
            let weight = Weight::of(size, Interval::from_exponent(exponent));
            prop_assert!(weight.objects >= OBJECT_UNIT);
            prop_assert!(weight.bytes >= size);
            prop_assert!(weight.bytes_variance >= 0.0 && weight.bytes_variance.is_finite());
        }
    }
}
