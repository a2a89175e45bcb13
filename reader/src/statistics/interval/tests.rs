//! Whether intervals cover the truth as often as they promise, and survive any input.

#![forbid(unsafe_code)]

use proptest::prelude::{Just, ProptestConfig, any, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy;
use proptest::test_runner::RngSeed;
use statrs::distribution::{ContinuousCDF, Gamma};

use crate::report::Unit;
use crate::statistics::interval::{Sums, difference, quantile};

/// The sampling interval of the simulations, 100 small objects.
const T: f64 = 6400.0;
const SMALL: f64 = 64.0;
const TRIALS: usize = 1000;

/// The share of trials whose interval holds the true size, for each of five true sizes.
fn check_coverage(seed: u64, size: impl Fn(&mut Random) -> f64) {
    let mut random = Random(seed);
    for intervals in [0.5, 2.0, 5.0, 20.0, 80.0] {
        let covered = (0..TRIALS)
            .filter(|_| is_covered(&mut random, intervals * T, &size))
            .count();
        let coverage = covered as f64 / TRIALS as f64;
        assert!(coverage >= 0.915, "at {intervals} T covers {coverage}");
    }
}

fn is_covered(random: &mut Random, wanted: f64, size: &impl Fn(&mut Random) -> f64) -> bool {
    let mut truth = 0.0;
    let mut sums = Sums::new(T);
    while truth < wanted {
        let bytes = size(random);
        truth += bytes;
        let probability = 1.0 - (-bytes / T).exp();
        if random.uniform() < probability {
            sums.add(bytes, probability);
        }
    }
    let estimate = sums.estimate(Unit::Bytes);
    estimate.low <= truth && truth <= estimate.high
}

#[test]
fn small_objects_are_covered() {
    check_coverage(1, |_| SMALL);
}

#[test]
fn log_normal_sizes_are_covered() {
    check_coverage(2, |random| (SMALL.ln() + 1.5 * random.normal()).exp());
}

#[test]
fn a_few_large_objects_among_small_ones_are_covered() {
    check_coverage(3, |random| if random.uniform() < 0.03 { T } else { SMALL });
}

/// Quantiles of the chi-square distribution, as tables print them: `chi2 / 2` is a gamma.
#[test]
fn equal_weights_give_the_exact_poisson_interval() {
    // Garwood's interval for 10 events: 4.795 .. 18.390.
    let sums = Sums {
        total: 10.0,
        variance: 10.0,
        seen: 0.0,
        unseen_weight: 1.0,
    };
    let estimate = sums.estimate(Unit::Count);
    assert!((estimate.low - 4.795).abs() < 0.001, "{estimate:?}");
    assert!((estimate.high - 18.390).abs() < 0.001, "{estimate:?}");
}

#[test]
fn an_unseen_site_holds_at_most_3_7_intervals() {
    let estimate = Sums::new(T).estimate(Unit::Bytes);
    assert_eq!(
        (estimate.value, estimate.low, estimate.exact),
        (0.0, 0.0, false)
    );
    assert!((estimate.high / T - 3.689).abs() < 0.001, "{estimate:?}");
}

#[test]
fn a_sum_without_chance_is_exact() {
    let mut sums = Sums::new(0.0);
    sums.add(100.0, 1.0);
    let estimate = sums.estimate(Unit::Bytes);
    assert_eq!(
        (estimate.low, estimate.value, estimate.high),
        (100.0, 100.0, 100.0)
    );
    assert!(estimate.exact);
}

#[test]
fn certain_blocks_among_sampled_ones_are_a_floor() {
    let sums = Sums {
        total: 1e9,
        variance: 0.0,
        seen: 1e9,
        unseen_weight: T,
    };
    let estimate = sums.estimate(Unit::Bytes);
    assert_eq!(estimate.low, 1e9);
    assert!(estimate.high > 1e9 && !estimate.exact, "{estimate:?}");
}

#[test]
fn an_interval_never_goes_below_what_was_seen() {
    let mut sums = Sums::new(T);
    sums.add(T, 0.632);
    assert!(sums.estimate(Unit::Bytes).low >= T);
}

#[test]
fn the_approximation_meets_the_exact_quantile() {
    for probability in [0.025, 0.975] {
        let exact = Gamma::new(201.0, 1.0).map_or(0.0, |gamma| gamma.inverse_cdf(probability));
        let approximate = quantile(201.0, 201.0, probability);
        assert!(
            (approximate / exact - 1.0).abs() < 1e-5,
            "{approximate} against {exact}"
        );
    }
}

#[test]
fn growth_is_surer_than_the_difference_of_two_estimates() {
    let sums = |total: f64| Sums {
        total,
        variance: total * T,
        seen: 0.0,
        unseen_weight: T,
    };
    let growth = difference(&sums(20.0 * T), &sums(5.0 * T), Unit::Bytes);
    assert_eq!(growth.value, 15.0 * T);
    assert!(growth.low > 0.0 && growth.low < growth.value, "{growth:?}");
    assert!(growth.high > growth.value && !growth.exact, "{growth:?}");
}

/// Any magnitude there is, the senseless ones included.
fn anything() -> impl Strategy<Value = f64> {
    let special = [
        0.0,
        -0.0,
        f64::MIN_POSITIVE,
        1.0,
        1e18,
        1e300,
        f64::MAX,
        f64::INFINITY,
        f64::NAN,
    ];
    prop_oneof![
        proptest::sample::select(special.to_vec()),
        any::<f64>(),
        (-300.0..300.0f64).prop_map(|exponent| 10f64.powf(exponent)),
        Just(T),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        rng_seed: RngSeed::Fixed(20_261_122),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_input_gives_nonsense(
        total in anything(), variance in anything(), seen in anything(), unseen_weight in anything()
    ) {
        let estimate = Sums { total, variance, seen, unseen_weight }.estimate(Unit::Bytes);
        prop_assert!(estimate.low <= estimate.value, "{:?}", estimate);
        prop_assert!(estimate.value <= estimate.high, "{:?}", estimate);
    }

    #[test]
    fn the_interval_scales_with_its_unit(
        sizes in proptest::collection::vec(1.0..1e6f64, 0..50), factor in 1e-3..1e9f64
    ) {
        let sums = |factor: f64| {
            let mut sums = Sums::new(T * factor);
            sizes.iter().for_each(|size| sums.add(size * factor, 1.0 - (-size / T).exp()));
            sums.estimate(Unit::Bytes)
        };
        let (one, scaled) = (sums(1.0), sums(factor));
        prop_assert!((scaled.low - one.low * factor).abs() <= 1e-6 * one.high * factor);
        prop_assert!((scaled.high - one.high * factor).abs() <= 1e-6 * one.high * factor);
    }
}

/// SplitMix64: the same numbers in every run.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
