//! Whether things keep coming: when the survivors of a span of time were born.
//!
//! A leak feeds every part of the span, a cache only the part in which it was filled. Births come
//! in bursts in real programs (an hourly job, a busy day), so bursts are counted and not blocks:
//! the span is cut into bins, and a bin is either empty or not.

#![forbid(unsafe_code)]

use statrs::distribution::{ContinuousCDF, Normal};

/// Bins of a span: enough to see its last eighth empty, few enough that one holds a burst.
const BINS: usize = 24;

/// Births in a span of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cohorts {
    /// Blocks born in each bin.
    bins: [u32; BINS],
}

impl Cohorts {
    /// Those of the births that lie in `begin .. end`.
    pub fn of(births: impl Iterator<Item = f64>, begin: f64, end: f64) -> Cohorts {
        let mut cohorts = Cohorts::default();
        let length = end - begin;
        for birth in births.filter(|birth| (begin..end).contains(birth)) {
            let bin = ((birth - begin) / length * BINS as f64) as usize;
            cohorts.bins[bin.min(BINS - 1)] += 1;
        }
        cohorts
    }

    /// All of them.
    pub fn count(&self) -> u32 {
        self.bins.iter().sum()
    }

    /// The births in equal parts of the span, the earliest first.
    pub fn parts<const N: usize>(&self) -> [u32; N] {
        let width = BINS.div_ceil(N);
        let mut parts = [0; N];
        for (part, bins) in parts.iter_mut().zip(self.bins.chunks(width)) {
            *part = bins.iter().sum();
        }
        parts
    }

    /// How likely such an end of the span is, if births go on as before: the smaller of the
    /// chances that the last bins stay empty, and that bins with births lie so early on average
    /// (Laplace's test of trend), doubled because they are two.
    pub fn chance_that_they_go_on(&self) -> f64 {
        let filled = |bins: &[u32]| bins.iter().filter(|births| **births > 0).count() as f64;
        let empty_at_end = self.bins.iter().rev().take_while(|births| **births == 0);
        let empty_at_end = empty_at_end.count();
        let until_last = &self.bins[..BINS - empty_at_end];
        if until_last.is_empty() {
            return 1.0;
        }
        // One more bin than there were, so that no share is ever quite sure.
        let share = filled(until_last) / (until_last.len() as f64 + 1.0);
        let stays_empty = (1.0 - share).powi(empty_at_end as i32);
        (2.0 * stays_empty.min(self.chance_of_so_early())).min(1.0)
    }

    /// The chance that the mean place of the bins with births is so low, were all places alike.
    fn chance_of_so_early(&self) -> f64 {
        let filled = (0..BINS).filter(|bin| self.bins[*bin] > 0);
        let places: Vec<f64> = filled.map(|bin| (bin as f64 + 0.5) / BINS as f64).collect();
        let mean = places.iter().sum::<f64>() / places.len() as f64;
        // Evenly spread places have a variance of one twelfth.
        let deviations = (mean - 0.5) * (12.0 * places.len() as f64).sqrt();
        Normal::standard().cdf(deviations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(births: impl Iterator<Item = u32>, goes_on: bool) {
        let cohorts = Cohorts::of(births.map(f64::from), 0.0, 240.0);
        let chance = cohorts.chance_that_they_go_on();
        assert_eq!(chance > 0.01, goes_on, "{cohorts:?}: {chance}");
    }

    #[test]
    fn births_all_along_go_on() {
        check((0..240).step_by(3), true);
        check([20, 60, 130, 200].into_iter(), true);
    }

    #[test]
    fn bursts_go_on_although_the_last_was_a_while_ago() {
        check((0..200).filter(|time| time % 40 < 8), true);
    }

    #[test]
    fn a_cache_that_was_filled_in_the_first_half_does_not_go_on() {
        check(0..120, false);
        check((0..120).step_by(10), false);
    }

    #[test]
    fn a_pool_that_grew_ever_more_rarely_does_not_go_on() {
        check(
            [1, 12, 25, 38, 51, 65, 77, 90, 95, 110, 130].into_iter(),
            false,
        );
    }

    #[test]
    fn parts_are_in_the_order_of_time() {
        let cohorts = Cohorts::of([10.0, 90.0, 100.0, 230.0, 500.0].into_iter(), 0.0, 240.0);
        assert_eq!(cohorts.parts(), [1, 2, 1]);
        assert_eq!(cohorts.count(), 4);
    }
}
