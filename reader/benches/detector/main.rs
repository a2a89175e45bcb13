//! How often the leak detector is right: `cargo bench -p memshim-reader --bench detector`.
//!
//! Each program of [`cases`] runs for an hour many times over. Printed is the share of runs that
//! were called a leak or a growing container, the same where it is one of a hundred sites that are
//! all tested, what else was said, and for comparison how often Mann and Kendall's trend test on
//! the live curve would have called a leak.

#![forbid(unsafe_code)]

mod cases;
mod collections;
mod simulation;

use cases::{CASES, Case, is_alarm};
use memshim_reader::analysis::leaks::class::Class;
use simulation::{Random, has_rising_trend, verdict};

/// Runs of each program.
const RUNS: u64 = 200;

/// Sites in a program of some size, all tested.
const SITES: f64 = 100.0;

fn main() {
    println!("| program | leaks | bound | flagged | among 100 sites | Mann-Kendall | verdicts |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for case in CASES {
        println!("{}", row(case));
    }
    println!(
        "\nOf Go programs only what collections left alive is known; the share of runs called a \
         leak, by when it was asked:\n"
    );
    collections::print();
}

fn row(case: &Case) -> String {
    let mut counts = [0u32; Class::ALL.len()];
    let (mut alarms, mut alarms_among_many, mut trends) = (0, 0, 0);
    for seed in 0..RUNS {
        let blocks = (case.run)(&mut Random(seed));
        let verdict = verdict(&blocks);
        let place = Class::ALL.iter().position(|class| *class == verdict.class);
        counts[place.expect("ALL has all")] += 1;
        let p = verdict.suspicion.map_or(0.0, |suspicion| suspicion.p);
        let is_alarm = is_alarm(verdict.class);
        let survives = verdict.class != Class::Leak || p * SITES <= 0.05;
        alarms += u32::from(is_alarm);
        alarms_among_many += u32::from(is_alarm && survives);
        trends += u32::from(has_rising_trend(&blocks));
    }
    let percent = |count: u32| f64::from(count) * 100.0 / RUNS as f64;
    let others = Class::ALL
        .iter()
        .zip(counts)
        .filter(|(_, count)| *count > 0);
    let others: Vec<String> = others
        .map(|(class, count)| format!("{} {:.1}", class.name(), percent(count)))
        .collect();
    let bound = match case.leaks {
        true => format!(">= {} %", case.bound),
        false => format!("<= {} %", case.bound),
    };
    format!(
        "| {} | {} | {bound} | {:.1} % | {:.1} % | {:.1} % | {} |",
        case.name,
        if case.leaks { "yes" } else { "no" },
        percent(alarms),
        percent(alarms_among_many),
        percent(trends),
        others.join(", "),
    )
}
