//! Whether estimates stay right while the interval follows the cost of the very samples they are
//! made of.
//!
//! The draws, gaps, weights and decisions are the shim's own; time is a model in which a sample
//! costs more than any real one, so that the interval changes often, both ways.

use memshim_abi::weight::{OBJECT_UNIT, Weight};
use memshim_reader::report::Unit;
use memshim_reader::statistics::interval::Sums;

use super::*;
use crate::sample::Random;

/// Size of the next block, and the processor time before it, from the number of blocks so far and
/// the program's own chance.
type Program = fn(u64, &mut Random) -> (u64, u64);

/// Processor time between two blocks of a program that does little else, and of one at work.
const BUSY_NS: u64 = 40;
const QUIET_NS: u64 = 20_000;

/// What one run of a program looked like through its samples.
struct Run {
    bytes: Sums,
    objects: Sums,
    true_bytes: f64,
    blocks: f64,
    changes: [u32; 2],
}

/// Runs a program of so many blocks under the controller.
///
/// The program's sizes are the same whatever the seed of the samples.
fn run(program: Program, blocks: u64, seed: u64) -> Run {
    const SAMPLE_NS: u64 = 6_000;
    let mut sizes = Random::new(7);
    let mut random = Random::new(seed);
    let mut process = Process::new();
    let mut gap_interval = process.now.interval;
    let mut countdown = random.gap(gap_interval.bytes().expect("sampled"));
    let mut run = Run {
        bytes: Sums::default(),
        objects: Sums::default(),
        true_bytes: 0.0,
        blocks: blocks as f64,
        changes: [0; 2],
    };
    let mut coarsest = gap_interval;
    let mut smallest = u64::MAX;
    let mut looked_ns = 0;
    for number in 0..blocks {
        let (size, work_ns) = program(number, &mut sizes);
        smallest = smallest.min(size);
        run.true_bytes += size as f64;
        process.now.total.cpu += work_ns;
        countdown = countdown.wrapping_sub(size as i64);
        if countdown >= 0 {
            continue;
        }
        let weight = Weight::of(size, gap_interval);
        add(
            &mut run.bytes,
            weight.bytes as f64,
            size as f64,
            weight.bytes_variance,
        );
        let objects = weight.objects as f64 / OBJECT_UNIT as f64;
        add(&mut run.objects, objects, 1.0, weight.objects_variance);
        // As in the shim: the next gap is drawn first, then the clocks are looked at.
        gap_interval = process.now.interval;
        coarsest = coarsest.max(gap_interval);
        countdown = random.gap(gap_interval.bytes().expect("sampled"));
        process.now.total.sampling += SAMPLE_NS;
        process.now.total.cpu += SAMPLE_NS;
        if process.now.total.cpu - looked_ns > MS / 10 {
            let before = process.now.interval;
            // As old as it takes to refine whenever the cost allows it.
            process.memory.changed_age_ns = 0;
            process.pass(SETTLED_NS);
            looked_ns = process.now.total.cpu;
            run.changes[0] += u32::from(process.now.interval > before);
            run.changes[1] += u32::from(process.now.interval < before);
        }
    }
    run.bytes.unseen_weight = coarsest.bytes().expect("sampled") as f64;
    let largest = Weight::of(smallest, coarsest).objects as f64 / OBJECT_UNIT as f64;
    // As the reader chooses it (analysis/estimate.rs).
    let usual = 4.0 * run.bytes.unseen_weight * run.objects.total / run.bytes.total;
    run.objects.unseen_weight = largest.min(usual);
    run
}

fn add(sums: &mut Sums, estimated: f64, seen: f64, variance: f64) {
    sums.total += estimated;
    sums.seen += seen;
    sums.variance += variance;
}

/// Mean within four standard errors, intervals that hold the truth, and an interval that really
/// went both ways.
fn check(name: &str, program: Program, blocks: u64) {
    const RUNS: u64 = 100;
    let runs: Vec<Run> = (1..=RUNS).map(|seed| run(program, blocks, seed)).collect();
    let coarser: u32 = runs.iter().map(|run| run.changes[0]).sum();
    let finer: u32 = runs.iter().map(|run| run.changes[1]).sum();
    assert!(
        coarser >= 2 * RUNS as u32,
        "{name}: coarser {coarser} times"
    );
    assert!(finer >= RUNS as u32, "{name}: finer {finer} times");
    check_figure(name, &runs, |run| (&run.bytes, run.true_bytes));
    check_figure(name, &runs, |run| (&run.objects, run.blocks));
}

/// One figure of all runs: what the samples say, and the truth.
fn check_figure(name: &str, runs: &[Run], figure: fn(&Run) -> (&Sums, f64)) {
    let ratios = runs.iter().map(|run| {
        let (sums, truth) = figure(run);
        sums.total / truth
    });
    let ratios: Vec<f64> = ratios.collect();
    let count = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / count;
    let squares: f64 = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    assert!(
        (mean - 1.0).abs() <= 4.0 * error + 1e-3,
        "{name}: mean {mean} +- {error}"
    );
    let covers = |run: &&Run| {
        let (sums, truth) = figure(run);
        let estimate = sums.estimate(Unit::Count);
        estimate.low <= truth && truth <= estimate.high
    };
    let covered = runs.iter().filter(covers).count() as f64 / count;
    assert!(covered >= 0.9, "{name}: {covered} covered");
}

#[test]
fn a_mixture_of_sizes_is_estimated_without_bias() {
    let program: Program = |number, random| {
        let size = 16 << random.next().trailing_zeros().min(12);
        (size, phase(number, BUSY_NS, QUIET_NS))
    };
    check("mixture", program, 200_000);
}

#[test]
fn sizes_that_follow_the_phases_of_the_cost_are_estimated_without_bias() {
    // Large blocks come when the interval has had time to refine.
    let program: Program = |number, _| match phase(number, true, false) {
        true => (2_048, BUSY_NS),
        false if number.is_multiple_of(1_000) => (60_000, QUIET_NS),
        false => (300, QUIET_NS),
    };
    check("phases", program, 200_000);
}

#[test]
fn rare_huge_blocks_among_small_ones_are_estimated_without_bias() {
    let program: Program = |number, random| match random.next() % 5_000 {
        0 => (4 << 20, BUSY_NS),
        _ => phase(number, (900, BUSY_NS), (500, QUIET_NS)),
    };
    check("huge", program, 200_000);
}

#[test]
fn sizes_at_the_interval_are_estimated_without_bias() {
    let program: Program = |number, random| {
        let large = (4_096 << (random.next() % 4), BUSY_NS);
        phase(number, large, (1_000, QUIET_NS))
    };
    check("at the interval", program, 200_000);
}

/// One of two by turns, 20,000 blocks each.
fn phase<T>(number: u64, first: T, second: T) -> T {
    match number / 20_000 % 2 {
        0 => first,
        _ => second,
    }
}
