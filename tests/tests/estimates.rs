//! Sampled figures are unbiased, and their intervals hold the truth as often as they promise.

use std::path::PathBuf;

use memshim_tests::{Answer, Estimate, Scene, count_calls, program};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

const SEEDS: u64 = 100;

#[test]
fn estimates_of_mixed_sizes_are_right() {
    check_estimates(
        Mixture {
            blocks: 20_000,
            smallest: 16,
        },
        "4K",
    );
}

#[test]
fn estimates_of_sizes_near_the_interval_are_right() {
    check_estimates(
        Mixture {
            blocks: 2_000,
            smallest: 4096,
        },
        "4K",
    );
}

#[test]
fn estimates_of_sizes_above_the_interval_are_right() {
    check_estimates(
        Mixture {
            blocks: 1_000,
            smallest: 8192,
        },
        "2K",
    );
}

#[test]
fn estimates_of_rare_samples_are_right() {
    check_estimates(
        Mixture {
            blocks: 4_000,
            smallest: 32,
        },
        "64K",
    );
}

#[test]
fn every_interval_holds_its_value_and_figures_agree() {
    let case = (0u64..u64::MAX, 9u32..20, 3u32..14, 1u32..3_000);
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[3; 32]);
    let result = TestRunner::new_with_rng(config, random).run(
        &case,
        |(seed, interval_exponent, smallest_exponent, blocks)| {
            let mixture = Mixture {
                blocks,
                smallest: 1 << smallest_exponent,
            };
            let report = mixture.sampled(&(1u64 << interval_exponent).to_string(), seed);
            check_consistent(&report);
            Ok(())
        },
    );
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// The arguments of `mixed_sizes.c`.
#[derive(Clone, Copy)]
struct Mixture {
    blocks: u32,
    smallest: u32,
}

/// What the program really did, all its parts included.
struct Truth {
    allocated_objects: f64,
    allocated_bytes: f64,
    freed_objects: f64,
    live_objects: f64,
    live_bytes: f64,
}

impl Mixture {
    fn program(self) -> (PathBuf, [String; 2]) {
        (
            program("mixed_sizes.c"),
            [self.blocks.to_string(), self.smallest.to_string()],
        )
    }

    fn sampled(self, interval: &str, seed: u64) -> Answer {
        let (program, args) = self.program();
        let scene = Scene::new();
        let launch = scene.preloaded(program).args(args).interval(interval);
        let outcome = launch.env("MEMSHIM_SEED", seed.to_string()).run().success();
        scene.report(&scene.segment_of(outcome.pid))
    }

    fn truth(self) -> Truth {
        let (program, args) = self.program();
        let scene = Scene::new();
        let (outcome, count) = count_calls(&scene, scene.plain(program).args(args));
        let printed: Vec<f64> = outcome
            .stdout
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        // Only blocks of the mixture are ever freed.
        let freed_bytes = printed[1] - printed[3];
        Truth {
            allocated_objects: count.allocations as f64,
            allocated_bytes: count.allocated_bytes as f64,
            freed_objects: count.frees as f64,
            live_objects: count.live() as f64,
            live_bytes: count.allocated_bytes as f64 - freed_bytes,
        }
    }
}

fn check_estimates(mixture: Mixture, interval: &str) {
    let truth = mixture.truth();
    let reports: Vec<Answer> = (1..=SEEDS)
        .map(|seed| mixture.sampled(interval, seed))
        .collect();
    for (fact, truth) in [
        ("allocated_objects", truth.allocated_objects),
        ("allocated_bytes", truth.allocated_bytes),
        ("freed_objects", truth.freed_objects),
        ("live_objects", truth.live_objects),
        ("live_bytes", truth.live_bytes),
    ] {
        let estimates: Vec<Estimate> = reports.iter().map(|report| report.fact(fact)).collect();
        check_coverage(fact, truth, &estimates);
        check_mean(fact, truth, &estimates);
    }
}

fn check_coverage(fact: &str, truth: f64, estimates: &[Estimate]) {
    let covered = estimates
        .iter()
        .filter(|estimate| estimate.covers(truth))
        .count();
    let all = estimates.len();
    assert!(
        covered * 100 >= all * 90,
        "{fact}: {covered} of {all} intervals hold {truth}"
    );
}

/// The mean of independent runs lies within four of its standard errors of the truth.
fn check_mean(fact: &str, truth: f64, estimates: &[Estimate]) {
    let count = estimates.len() as f64;
    let mean = estimates.iter().map(|estimate| estimate.value).sum::<f64>() / count;
    let squares = estimates
        .iter()
        .map(|estimate| (estimate.value - mean).powi(2))
        .sum::<f64>();
    let standard_error = (squares / (count - 1.0) / count).sqrt();
    // A figure that never varies is rounded at most.
    let tolerance = 4.0 * standard_error + 1e-3 * truth;
    assert!(
        (mean - truth).abs() <= tolerance,
        "{fact}: {mean} +- {standard_error}, not {truth}"
    );
}

fn check_consistent(report: &Answer) {
    let facts = [
        "allocated_objects",
        "allocated_bytes",
        "freed_objects",
        "live_objects",
    ];
    for fact in facts
        .into_iter()
        .chain(["live_bytes", "freed_bytes", "peak_live_bytes"])
    {
        let estimate = report.fact(fact);
        let Estimate {
            value, low, high, ..
        } = estimate;
        assert!(
            0.0 <= low && low <= value && value <= high,
            "{fact}: {estimate:?}"
        );
    }
    let value = |fact: &str| report.fact(fact).value;
    for unit in ["objects", "bytes"] {
        let allocated = value(&format!("allocated_{unit}"));
        let parts = value(&format!("freed_{unit}")) + value(&format!("live_{unit}"));
        let rounding = 3.0 + allocated * 1e-3;
        assert!(
            (allocated - parts).abs() <= rounding,
            "{unit}: {allocated} is not {parts}"
        );
    }
}
