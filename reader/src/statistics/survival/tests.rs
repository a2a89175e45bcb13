//! Against lifelines' figures (`reference.py` writes them), against what must hold for any data,
//! and against simulated programs: how often the intervals hold the truth.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const REFERENCE: &str = include_str!("reference.json");

/// Lives as times, whether they ended, and weights whose variance does not matter.
fn observed(lives: &[(u64, bool, f64)]) -> Observations {
    let mut observations = Observations::default();
    for (time, has_died, weight) in lives {
        // Superpopulation variance from the first life on, as lifelines has it.
        let mass = Mass::of_one(*weight, weight * weight);
        match has_died {
            true => observations.add_dead(*time, mass),
            false => observations.add_living(*time, mass),
        }
    }
    observations
}

/// Gives each data set of the reference with its curve to `check`.
fn for_each_reference(check: impl Fn(&Value, &Curve)) {
    let sets: Vec<Value> = serde_json::from_str(REFERENCE).expect("the reference is JSON");
    assert_eq!(sets.len(), 7);
    for set in &sets {
        let lives = set["lives"].as_array().expect("lives are a list");
        let life = |life: &Value| {
            let time = life[0].as_u64().expect("a time");
            let has_died = life[1].as_bool().expect("a fate");
            (time, has_died, life[2].as_f64().expect("a weight"))
        };
        let lives: Vec<_> = lives.iter().map(life).collect();
        check(set, &observed(&lives).curve());
    }
}

fn numbers(set: &Value, name: &str) -> Vec<f64> {
    let list = set[name].as_array().expect("a list");
    list.iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn assert_near(found: f64, expected: f64, place: &str) {
    let tolerance = 1e-9 * expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= tolerance,
        "{place}: {found}, not {expected}"
    );
}

#[test]
fn the_curve_is_that_of_lifelines() {
    for_each_reference(|set, curve| {
        let times = numbers(set, "times");
        for (time, expected) in times.iter().zip(numbers(set, "survival")) {
            let place = format!("{} at {time}", set["name"]);
            assert_near(curve.survival(*time as u64).value, expected, &place);
        }
    });
}

#[test]
fn without_weights_the_intervals_are_those_of_lifelines() {
    for_each_reference(|set, curve| {
        if set["is_weighted"] == true {
            return;
        }
        let bounds = numbers(set, "low").into_iter().zip(numbers(set, "high"));
        for (time, (low, high)) in numbers(set, "times").iter().zip(bounds) {
            let found = curve.survival(*time as u64);
            // At both ends lifelines gives an interval without width.
            if found.value > 0.0 && found.value < 1.0 {
                let place = format!("{} at {time}", set["name"]);
                assert_near(found.low, low, &place);
                assert_near(found.high, high, &place);
            }
        }
    });
}

#[test]
fn medians_and_restricted_means_are_those_of_lifelines() {
    for_each_reference(|set, curve| {
        let place = set["name"].to_string();
        let median = set["median"].as_f64().unwrap_or(f64::INFINITY);
        assert_eq!(curve.quantile(0.5).value, median, "{place}");
        let until = set["until"].as_u64().expect("a time");
        let mean = set["restricted_mean"].as_f64().expect("a mean");
        let found = curve.restricted_mean(until).value;
        assert!(
            (found - mean).abs() <= 1e-6 * mean,
            "{place}: {found}, not {mean}"
        );
    });
}

#[test]
fn in_exact_mode_a_curve_without_living_blocks_has_no_interval() {
    let mut observations = Observations::default();
    (1..=100).for_each(|time| observations.add_dead(time, Mass::of_one(1.0, 0.0)));
    let curve = observations.curve();
    assert_eq!(curve.quantile(0.5), Bounds::exact(50.0));
    assert_eq!(curve.quantile(0.99), Bounds::exact(99.0));
    assert_eq!(curve.survival(0), Bounds::exact(1.0));
    assert_eq!(curve.survival(100), Bounds::exact(0.0));
    let mean = curve.restricted_mean(1_000);
    assert_near(mean.value, 50.5, "mean");
    assert_eq!((mean.low, mean.high), (mean.value, mean.value));
}

#[test]
fn in_exact_mode_the_living_make_later_ages_uncertain_and_not_earlier_ones() {
    let mut observations = Observations::default();
    (1..=100).for_each(|time| observations.add_dead(time, Mass::of_one(1.0, 0.0)));
    (60..=160).for_each(|time| observations.add_living(time, Mass::of_one(1.0, 0.0)));
    let curve = observations.curve();
    assert_eq!(curve.quantile(0.2), Bounds::exact(41.0));
    let late = curve.survival(100);
    assert!(late.low < late.value && late.value < late.high, "{late:?}");
}

#[test]
fn one_death_says_nothing_about_the_upper_end_of_the_median() {
    let median = observed(&[(7, true, 50.0)]).curve().quantile(0.5);
    assert_eq!(
        (median.low, median.value, median.high),
        (0.0, 7.0, f64::INFINITY)
    );
}

#[test]
fn six_deaths_bound_the_median_from_both_sides() {
    let lives: Vec<_> = (1..=6).map(|time| (time * 10, true, 3.0)).collect();
    let median = observed(&lives).curve().quantile(0.5);
    assert_eq!((median.low, median.value, median.high), (10.0, 30.0, 60.0));
}

#[test]
fn where_all_are_alive_no_quantile_is_known_but_that_it_is_longer() {
    let lives: Vec<_> = (1..=50).map(|time| (time * 10, false, 1.0)).collect();
    let curve = observed(&lives).curve();
    assert_eq!(curve.quantile(0.5).value, f64::INFINITY);
    assert_eq!(curve.quantile(0.5).low, f64::INFINITY);
    assert_eq!(curve.survival(500).value, 1.0);
    assert!(curve.survival(500).low > 0.9);
}

#[test]
fn a_curve_that_follows_few_kept_deaths_says_so_between_its_known_ends() {
    let mass = Mass::of_one(1.0, 0.0).times(100.0);
    let mut observations = Observations::default();
    for time in [10, 20, 30, 40] {
        observations.add_dead(time, mass);
    }
    let mut curve = observations.curve();
    curve.blur(15, 35, 2.0);
    assert_eq!(curve.survival(10), Bounds::exact(0.75));
    let inside = curve.survival(20);
    assert!(inside.low < 0.4 && inside.high > 0.6, "{inside:?}");
    assert_eq!(curve.survival(30), Bounds::exact(0.25));
}

#[test]
fn a_million_ages_take_the_memory_of_some_thousand() {
    let mut observations = Observations::default();
    for number in 0..1_000_000u64 {
        observations.add_living(1_000_000_007 + number * 1_013, Mass::of_one(1.0, 0.0));
    }
    assert!(observations.at.len() < 5_000, "{}", observations.at.len());
}

#[test]
fn a_shortened_time_is_within_one_part_in_four_thousand() {
    for time in [0, 1, 4_095, 4_097, 1 << 40 | 12_345, u64::MAX >> 1] {
        let error = shortened(time).abs_diff(time) as f64;
        assert!(
            error <= time as f64 / 4_096.0,
            "{time}: {}",
            shortened(time)
        );
    }
}

/// A small generator, so that every run simulates the same programs.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Exponential lives of blocks of two sizes, watched over a window and sampled; how many of 400
/// intervals of the median hold the truth.
fn medians_covered(births: usize, chances: [f64; 2]) -> usize {
    let mut random = Random(88_172_645_463_325_252);
    let truth = 1_000.0 * std::f64::consts::LN_2;
    let covered = (0..400).filter(|_| {
        let mut observations = Observations::default();
        for number in 0..births {
            let chance = chances[number % 2];
            let lifetime = -1_000.0 * random.uniform().ln();
            let watched = 4_000.0 * random.uniform();
            if random.uniform() > chance {
                continue;
            }
            let weight = 1.0 / chance;
            let mass = Mass::of_one(weight, weight * weight * (1.0 - chance));
            match lifetime <= watched {
                true => observations.add_dead(lifetime as u64, mass),
                false => observations.add_living(watched as u64, mass),
            }
        }
        let median = observations.curve().quantile(0.5);
        median.low <= truth && truth <= median.high
    });
    covered.count()
}

#[test]
fn the_interval_of_a_median_holds_the_truth_as_often_as_it_says() {
    for (births, chances) in [
        (4_000, [0.02, 0.2]),
        (400, [0.1, 0.1]),
        (100, [0.05, 0.3]),
        (200, [1.0, 1.0]),
    ] {
        let covered = medians_covered(births, chances);
        assert!(
            (372..=400).contains(&covered),
            "{births}, {chances:?}: {covered} of 400"
        );
    }
}

proptest! {
    #[test]
    fn any_lives_give_a_falling_curve_with_intervals_around_it(
        lives in prop::collection::vec((0u64..10_000, any::<bool>(), 0.1f64..1e6), 1..60),
    ) {
        let curve = observed(&lives).curve();
        let mut last = 1.0;
        for time in (0..10_000).step_by(97) {
            let found = curve.survival(time);
            prop_assert!(found.low <= found.value + 1e-9, "{:?}", found);
            prop_assert!(found.value <= found.high + 1e-9, "{:?}", found);
            prop_assert!(found.value <= last + 1e-9);
            last = found.value;
        }
        for share in [0.01, 0.5, 0.9, 0.99] {
            let found = curve.quantile(share);
            prop_assert!(found.low <= found.value && found.value <= found.high, "{:?}", found);
        }
        let mean = curve.restricted_mean(5_000);
        prop_assert!(mean.low <= mean.value && mean.value <= mean.high + 1e-6, "{:?}", mean);
    }
}
