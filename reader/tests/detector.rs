//! The leak detector on programs with a known truth: few runs of each, always the same.
//!
//! `scripts/bench detector` prints the shares over many more runs.

#[path = "../benches/detector/cases.rs"]
mod cases;
#[path = "../benches/detector/simulation.rs"]
mod simulation;

use cases::{CASES, Case, is_alarm};
use simulation::{Random, has_rising_trend, verdict};

/// Runs of each program.
const RUNS: u64 = 40;

/// The share of runs, in percent, in which something was seen.
fn share(case: &Case, sees: impl Fn(&[simulation::Block]) -> bool) -> f64 {
    let runs = (0..RUNS).map(|seed| (case.run)(&mut Random(seed)));
    let seen = runs.filter(|blocks| sees(blocks)).count();
    seen as f64 * 100.0 / RUNS as f64
}

fn alarms(case: &Case) -> f64 {
    share(case, |blocks| is_alarm(verdict(blocks).class))
}

/// Every case of one kind, against its bound; one run of forty may be beyond it by luck.
fn check(leaks: bool, is_within: impl Fn(f64, f64) -> bool) {
    const ONE_RUN: f64 = 100.0 / RUNS as f64;
    let cases = CASES.iter().filter(|case| case.leaks == leaks);
    let beyond: Vec<String> = cases
        .map(|case| (case, alarms(case)))
        .filter(|(case, alarms)| {
            !is_within(
                *alarms,
                if leaks {
                    case.bound - ONE_RUN
                } else {
                    case.bound + ONE_RUN
                },
            )
        })
        .map(|(case, alarms)| format!("{}: {alarms} %, bound {} %", case.name, case.bound))
        .collect();
    assert!(beyond.is_empty(), "{}", beyond.join("\n"));
}

#[test]
fn healthy_programs_are_not_called_leaks() {
    check(false, |alarms, bound| alarms <= bound);
}

#[test]
fn leaks_are_found() {
    check(true, |alarms, bound| alarms >= bound);
}

#[test]
fn a_trend_test_would_call_many_healthy_programs_leaks() {
    let healthy = CASES.iter().filter(|case| !case.leaks);
    let shares: Vec<f64> = healthy.map(|case| share(case, has_rising_trend)).collect();
    let often = shares.iter().filter(|share| **share > 50.0).count();
    assert!(often > shares.len() / 3, "{shares:?}");
}
